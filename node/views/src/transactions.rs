//! View 1: where a transaction stands, and in words why it was refused.
//!
//! Key: id. Value: height u64 ‖ receipt u32 ‖ the refusal's message. The message is not part of history: a rebuild from blocks alone leaves it empty.

use crate::{ReadFault, Row, Rows, ViewId, row::Reader};
use octroi_ledger::{Outcome, Receipt};
use octroi_primitives::{Cursor, Height, TransactionId};

const VIEW: ViewId = ViewId::Transactions;

/// Where a transaction is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// Block and receipt.
    pub cursor: Cursor,
    /// Why it was refused, in words; empty if it was applied.
    pub message: String,
}

pub(crate) fn fold(height: Height, receipts: &[Receipt], out: &mut Vec<Row>) {
    for (index, Receipt { transaction, outcome }) in receipts.iter().enumerate() {
        let message = match outcome {
            Outcome::Applied(_) => "",
            Outcome::Refused(refusal) => refusal.message.as_str(),
        };
        let mut value = Vec::with_capacity(12 + message.len());
        value.extend_from_slice(&height.0.to_be_bytes());
        value.extend_from_slice(&(index as u32).to_be_bytes());
        value.extend_from_slice(message.as_bytes());
        out.push(Row { view: VIEW, key: transaction.as_bytes().to_vec(), value });
    }
}

/// Finds a transaction, due work included, as of a height.
///
/// # Errors
/// [`ReadFault`] when the store cannot be read.
pub fn locate(rows: &dyn Rows, at: Height, id: &TransactionId) -> Result<Option<Located>, ReadFault> {
    let Some(value) = rows.get(VIEW, id.as_bytes())? else { return Ok(None) };
    let mut reader = Reader::new(VIEW, &value);
    let height = Height(u64::from_be_bytes(reader.array()?));
    let receipt = u32::from_be_bytes(reader.array()?);
    let message =
        String::from_utf8(reader.rest().to_vec()).map_err(|_| ReadFault::row(VIEW, "a message is no UTF-8"))?;
    Ok((height <= at).then_some(Located { cursor: Cursor { height, receipt }, message }))
}
