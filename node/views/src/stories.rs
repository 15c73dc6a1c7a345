//! View 4: the events that touched a record, in order: what history pages, subscriptions by subject and proofs of history read.
//!
//! Owner: table u16 ‖ key of the record. Entry: nothing; the cursor says it all.

use crate::{Order, Page, PageOf, Rows, ViewError, ViewId, packed};
use octroi_ledger::{
    history::RecordRef,
    state::{Key as _, Record},
};
use octroi_primitives::Cursor;

const VIEW: ViewId = ViewId::Stories;

pub(crate) fn owner(record: &RecordRef) -> Vec<u8> {
    let RecordRef { table, key } = record;
    [table.number().to_be_bytes().as_slice(), key].concat()
}

/// A page of the events of a record as of the page's height.
///
/// # Errors
/// A token that is not of this story, or a store that cannot be read.
pub fn story(rows: &dyn Rows, record: &RecordRef, page: &Page, order: Order) -> Result<PageOf<Cursor>, ViewError> {
    let PageOf { items, next } = packed::read(rows, VIEW, &owner(record), page, order)?;
    Ok(PageOf { items: items.into_iter().map(|(cursor, _)| cursor).collect(), next })
}

/// The same for a record of a known type.
///
/// # Errors
/// As [`story`].
pub fn story_of<R: Record>(
    rows: &dyn Rows,
    key: &R::Key,
    page: &Page,
    order: Order,
) -> Result<PageOf<Cursor>, ViewError> {
    story(rows, &RecordRef { table: R::TABLE, key: key.to_key_bytes() }, page, order)
}
