//! What views ask of a storage.

use crate::{ReadFault, Row, ViewId};
use octroi_chain::{Block, Canonical as _, CommitCertificate};
use octroi_ledger::{Receipt, Receipts, wire::Canonical as _};
use octroi_primitives::Height;

/// From which end a range is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Least key first.
    Ascending,
    /// Greatest key first.
    Descending,
}

/// The rows of the views, as the last committed block left them.
pub trait Rows: Send + Sync {
    /// The value of one row.
    ///
    /// # Errors
    /// [`ReadFault`] when the store cannot be read.
    fn get(&self, view: ViewId, key: &[u8]) -> Result<Option<Vec<u8>>, ReadFault>;

    /// At most `limit` rows with keys in [`from`, `to`), in this order.
    ///
    /// # Errors
    /// [`ReadFault`] when the store cannot be read.
    fn range(&self, view: ViewId, from: &[u8], to: &[u8], limit: usize, order: Order) -> Result<Vec<Row>, ReadFault>;
}

/// Committed blocks by height.
pub trait Blocks: Send + Sync {
    /// Canonical bytes of the block; `None` if the height is not committed.
    ///
    /// # Errors
    /// [`ReadFault`] when the store cannot be read.
    fn block_bytes(&self, height: Height) -> Result<Option<Vec<u8>>, ReadFault>;

    /// Canonical bytes of its [`Receipts`].
    ///
    /// # Errors
    /// [`ReadFault`] when the store cannot be read.
    fn receipts_bytes(&self, height: Height) -> Result<Option<Vec<u8>>, ReadFault>;

    /// The certificate this node holds for it.
    ///
    /// # Errors
    /// [`ReadFault`] when the store cannot be read.
    fn certificate(&self, height: Height) -> Result<Option<CommitCertificate>, ReadFault>;

    /// The block.
    ///
    /// # Errors
    /// [`ReadFault`] when the store cannot be read or the bytes are no block.
    fn block(&self, height: Height) -> Result<Option<Block>, ReadFault> {
        let damaged = |error| damaged("block", height, error);
        self.block_bytes(height)?.map(|bytes| Block::decode(&bytes)).transpose().map_err(damaged)
    }

    /// Its receipts. Refusals come without their message.
    ///
    /// # Errors
    /// [`ReadFault`] when the store cannot be read or the bytes are no receipts.
    fn receipts(&self, height: Height) -> Result<Option<Vec<Receipt>>, ReadFault> {
        let damaged = |error| damaged("receipts", height, error);
        let receipts = self.receipts_bytes(height)?.map(|bytes| Receipts::from_bytes(&bytes)).transpose();
        Ok(receipts.map_err(damaged)?.map(|Receipts(receipts)| receipts))
    }
}

fn damaged(what: &str, height: Height, error: impl core::fmt::Display) -> ReadFault {
    ReadFault::Damaged { place: format!("{what} of height {height}"), reason: error.to_string() }
}
