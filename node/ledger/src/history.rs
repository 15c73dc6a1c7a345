//! The public story of a record: a count and a hash chain over the events that touched it (architecture, formats).
//!
//! Whoever holds a proven head can page backwards and notice an event that is hidden, added or moved.

use crate::{action::Kind, state::Table};
use octroi_primitives::{Hash, Height, hash};

/// Count and head; the head of an empty history is the zero hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// Events so far.
    pub count: u64,
    /// H("history", previous head, count, event hash).
    pub head: Hash,
}

impl Default for History {
    fn default() -> Self {
        Self { count: 0, head: Hash::ZERO }
    }
}

impl History {
    /// One event further; `count` in the hash is the count with this event.
    #[must_use]
    pub fn with(self, event: &Hash) -> Self {
        let count = self.count + 1;
        Self { count, head: hash("history", &[self.head.as_bytes(), &count.to_be_bytes(), event.as_bytes()]) }
    }
}

/// H("event", height, receipt index, kind, bytes).
pub fn event_hash(height: Height, receipt: u32, kind: Kind, bytes: &[u8]) -> Hash {
    hash("event", &[&height.0.to_be_bytes(), &receipt.to_be_bytes(), &kind.tag().to_be_bytes(), bytes])
}

/// Names a record by its table and key: one whose history an event belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordRef {
    /// The table.
    pub table: Table,
    /// Key bytes.
    pub key: Vec<u8>,
}

impl RecordRef {
    /// The record of this type and key.
    pub fn of<R: crate::state::Record>(key: &R::Key) -> Self {
        use crate::state::Key;
        Self { table: R::TABLE, key: key.to_key_bytes() }
    }
}

/// Subjects of an event, each once: one organisation may stand in several places of it.
pub fn distinct(mut subjects: Vec<RecordRef>) -> Vec<RecordRef> {
    subjects.sort();
    subjects.dedup();
    subjects
}
