//! Events by cursor: what stands in the receipts of committed blocks, read block by block.

use crate::{Blocks, Order, Page, PageOf, ReadFault, Rows, ViewError, stories::story};

use octroi_ledger::{Event, Outcome, Receipt, history::RecordRef};
use octroi_primitives::{BlockTime, Cursor, Height, TransactionId};
use std::collections::BTreeMap;

/// Something that happened, with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Block and receipt.
    pub cursor: Cursor,
    /// Time of the block.
    pub time: BlockTime,
    /// The transaction, or system transaction.
    pub transaction: TransactionId,
    /// What happened.
    pub event: Event,
}

/// The receipts at these cursors, in their order; each block is read once.
///
/// # Errors
/// [`ReadFault`]; a cursor of no receipt is damage, since cursors come from rows.
pub fn receipts_at(
    blocks: &dyn Blocks,
    cursors: impl IntoIterator<Item = Cursor>,
) -> Result<Vec<(Cursor, Receipt)>, ReadFault> {
    let mut read: BTreeMap<Height, Vec<Receipt>> = BTreeMap::new();
    let mut found = Vec::new();
    for cursor in cursors {
        if let std::collections::btree_map::Entry::Vacant(entry) = read.entry(cursor.height) {
            entry.insert(blocks.receipts(cursor.height)?.ok_or_else(|| nothing_at(cursor))?);
        }
        let receipt = read.get(&cursor.height).and_then(|receipts| receipts.get(cursor.receipt as usize));
        found.push((cursor, receipt.ok_or_else(|| nothing_at(cursor))?.clone()));
    }
    Ok(found)
}

/// A page of what happened to a record as of the page's height: its public story.
///
/// # Errors
/// A token that is not of this story, or a store that cannot be read.
pub fn told(
    rows: &dyn Rows,
    blocks: &dyn Blocks,
    record: &RecordRef,
    page: &Page,
    order: Order,
) -> Result<PageOf<Told>, ViewError> {
    let PageOf { items, next } = story(rows, record, page, order)?;
    let mut times: BTreeMap<Height, BlockTime> = BTreeMap::new();
    let mut told = Vec::with_capacity(items.len());
    for (cursor, Receipt { transaction, outcome }) in receipts_at(blocks, items)? {
        let Outcome::Applied(event) = outcome else { return Err(nothing_at(cursor).into()) };
        let time = match times.get(&cursor.height) {
            Some(time) => *time,
            None => {
                let block = blocks.block(cursor.height)?.ok_or_else(|| nothing_at(cursor))?;
                *times.entry(cursor.height).or_insert(block.header().time)
            }
        };
        told.push(Told { cursor, time, transaction, event });
    }
    Ok(PageOf { items: told, next })
}

fn nothing_at(cursor: Cursor) -> ReadFault {
    ReadFault::Damaged {
        place: format!("receipts of height {}", cursor.height),
        reason: format!("nothing stands at {cursor}"),
    }
}
