//! Past grants: what rows of published files say, and control totals as a query on the ledger.

use crate::{
    Blocks, Order, Page, PageOf, ReadFault, Rows, ViewError,
    events::receipts_at,
    lists::{List, list},
};
use octroi_ledger::{
    Event, Outcome, State,
    grant::{
        declare_past_grant::PastGrantDeclared,
        past_grant::{PastGrant, PastGrantFile, PastGrantTotal},
    },
    state::Key as _,
};
use octroi_primitives::*;

/// A declared row.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredRow {
    /// Block and receipt of its event.
    pub cursor: Cursor,
    /// What it says and who declared it.
    pub declared: PastGrantDeclared,
    /// The file that replaced its file, which withdraws it.
    pub withdrawn_by: Option<FileHash>,
}

/// Sum over the rows of a file, a year and a currency that name an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileTotal {
    /// Year of the grants' dates.
    pub year: u16,
    /// Their currency.
    pub currency: Currency,
    /// Rows with an amount.
    pub rows: u64,
    /// Their sum in minor units.
    pub minor: Balance,
}

/// A page of one of the lists of past grants, in the order in which they were declared. `state` is the one of the page's height.
///
/// # Errors
/// A token that is not of this list, a list of other things, or a store that cannot be read.
pub fn declared(
    state: &State,
    rows: &dyn Rows,
    blocks: &dyn Blocks,
    of: &List,
    page: &Page,
    order: Order,
) -> Result<PageOf<DeclaredRow>, ViewError> {
    let PageOf { items, next } = list::<(FileHash, u32, u32)>(rows, of, page, order)?;
    let cursors = items.iter().map(|(cursor, _)| *cursor);
    let mut found = Vec::with_capacity(items.len());
    for (cursor, receipt) in receipts_at(blocks, cursors)? {
        let Outcome::Applied(Event::DeclarePastGrant(declared)) = receipt.outcome else {
            let place = format!("receipts of height {}", cursor.height);
            return Err(ReadFault::Damaged { place, reason: format!("no past grant stands at {cursor}") }.into());
        };
        let withdrawn_by = state.get::<PastGrantFile>(&declared.declaration.file).and_then(|file| file.replaced_by);
        found.push(DeclaredRow { cursor, declared, withdrawn_by });
    }
    Ok(PageOf { items: found, next })
}

/// Control totals of a file, by year and currency.
pub fn totals(state: &State, file: &FileHash) -> Vec<FileTotal> {
    // No date has year 0 or 65,535, so that any currency may stand in the bounds.
    let bounds = (*file, 0, Currency::EUR)..(*file, u16::MAX, Currency::EUR);
    let found = state.range::<PastGrantTotal>(bounds);
    found
        .map(|((_, year, currency), total)| FileTotal {
            year: *year,
            currency: *currency,
            rows: total.rows,
            minor: total.minor,
        })
        .collect()
}

/// A page of the (row, share number) pairs of a file that are declared: what an import that is run again need not send.
pub fn rows_of_file(state: &State, file: &FileHash, page: &Page) -> PageOf<(u32, u32)> {
    let rows = state.range::<PastGrant>((*file, 0, 0)..=(*file, u32::MAX, u32::MAX));
    page.cut(rows.map(|((_, row, share), _)| ((*row, *share).to_key_bytes(), (*row, *share))))
}
