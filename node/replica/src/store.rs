//! What a node keeps: the committed chain in a [`Store`], the height under way on a [`Disk`]. Storage implements both; the simulator models them.
//!
//! Every error stops the node; nothing is tried again.

use crate::output::Commit;
use octroi_chain::CommitCertificate;
use octroi_consensus::SlotWrite;
use octroi_ledger::state::{Head, RecordRow, SeenAdded, State};
use octroi_primitives::{BlockId, Height};
use std::error::Error;

/// The committed chain.
///
/// A commit is atomic and durable when it returns: block, certificate, receipts, evidence, rows, ids, head, or nothing of it.
pub trait Store {
    /// A fault.
    type Error: Error + Send + Sync + 'static;

    /// What was committed last; `None` in a store that [`Store::begin`] was never called on.
    ///
    /// # Errors
    /// A fault or damage.
    fn load(&self) -> Result<Option<Loaded>, Self::Error>;

    /// Writes the state before the first block, atomic and durable.
    ///
    /// # Errors
    /// A fault.
    fn begin(&mut self, genesis: &State) -> Result<(), Self::Error>;

    /// Takes in the block above the last one.
    ///
    /// # Errors
    /// A fault.
    fn commit(&mut self, commit: &Commit) -> Result<(), Self::Error>;

    /// Canonical bytes of a committed block; `None` above the last one, and below the first one kept.
    ///
    /// # Errors
    /// A fault or damage.
    fn block(&self, height: Height) -> Result<Option<Vec<u8>>, Self::Error>;

    /// The node's own certificate of a committed block, canonical.
    ///
    /// # Errors
    /// A fault or damage.
    fn certificate(&self, height: Height) -> Result<Option<Vec<u8>>, Self::Error>;
}

/// What a store kept.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The last block, as the next one needs it.
    pub head: Head,
    /// Every live record.
    pub rows: Vec<RecordRow>,
    /// Every id that is remembered.
    pub seen: Vec<SeenAdded>,
    /// Our certificate of the last block; `None` before the first.
    pub certificate: Option<CommitCertificate>,
}

/// One record of the log of the height under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logged {
    /// An encoded [`octroi_consensus::LogEntry`].
    Entry {
        /// Of which height.
        height: Height,
        /// Its bytes.
        entry: Vec<u8>,
    },
    /// A body.
    Body {
        /// Height of the block.
        height: Height,
        /// The block.
        block: BlockId,
        /// Its canonical bytes.
        bytes: Vec<u8>,
    },
}

/// The log of the height under way, and the sign state.
///
/// Entries and bodies form **one** sequence: after a crash a prefix of what was appended is left, at least as long as at the last
/// [`Disk::sync_log`]. So an entry that says "this block is valid" is never left without the body. A sign-state slot is written in place; a torn
/// write damages that slot alone.
pub trait Disk {
    /// A fault.
    type Error: Error + Send + Sync + 'static;

    /// Appends a record. Need not be durable before [`Disk::sync_log`].
    ///
    /// # Errors
    /// A fault.
    fn append_entry(&mut self, height: Height, entry: &[u8]) -> Result<(), Self::Error>;

    /// Appends a body. Need not be durable before [`Disk::sync_log`].
    ///
    /// # Errors
    /// A fault.
    fn append_body(&mut self, height: Height, block: BlockId, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Everything appended is durable when it returns.
    ///
    /// # Errors
    /// A fault.
    fn sync_log(&mut self) -> Result<(), Self::Error>;

    /// Writes a slot of the sign-state file; durable when it returns.
    ///
    /// # Errors
    /// A fault.
    fn write_sign_state(&mut self, slot: &SlotWrite) -> Result<(), Self::Error>;

    /// Records of heights up to this one are of no more use. Need not be durable, nor happen at once.
    ///
    /// # Errors
    /// A fault.
    fn forget(&mut self, committed: Height) -> Result<(), Self::Error>;

    /// Every record that is left, in the order in which they were appended. Reading ends at a torn record at the end; damage before it is an error.
    ///
    /// # Errors
    /// A fault or damage.
    fn read_log(&self) -> Result<Vec<Logged>, Self::Error>;

    /// The sign-state file, whole; `None` when there is none.
    ///
    /// # Errors
    /// A fault.
    fn read_sign_state(&self) -> Result<Option<Vec<u8>>, Self::Error>;
}
