//! From a committed block to the rows of all views.

use crate::{
    ReadFault, Row, Rows, ViewId, blocks, listings::listings, packed::Packed, postings, stories, transactions,
};
use octroi_ledger::Receipt;
use octroi_primitives::{BlockId, Height};

/// The rows that a block adds. `rows` shows the views as the block before left them: balances and totals go on from there.
///
/// # Errors
/// [`ReadFault`] when `rows` cannot be read.
pub fn fold(height: Height, id: &BlockId, receipts: &[Receipt], rows: &dyn Rows) -> Result<Vec<Row>, ReadFault> {
    let mut out = Vec::with_capacity(receipts.len() * 4 + 1);
    blocks::fold(height, id, &mut out);
    transactions::fold(height, receipts, &mut out);
    let (mut lists, mut stories) = (Packed::default(), Packed::default());
    for (receipt, outcome) in receipts.iter().enumerate() {
        let Some(event) = outcome.event() else { continue };
        for listing in listings(event) {
            lists.add(listing.list.owner(), receipt as u32, &listing.object);
        }
        for subject in event.subjects() {
            stories.add(stories::owner(&subject), receipt as u32, &[]);
        }
    }
    lists.rows(ViewId::Lists, height, &mut out);
    stories.rows(ViewId::Stories, height, &mut out);
    postings::fold(height, receipts, rows, &mut out)?;
    Ok(out)
}
