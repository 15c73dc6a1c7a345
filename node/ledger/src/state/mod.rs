//! What the ledger knows after a block: typed tables, the state tree over them, the ids that were seen, the head of the chain.
//!
//! Promises: no table is public; kinds read and write through the typed accessors of an [`Overlay`] (a base plus changes), so a refused
//! transaction or an invalid block cannot leave a trace; a clone of [`State`] costs a few pointers and stays as it was.
//! The root depends on the records alone, never on the way they came. Must not know: disks, indexes, queries.

mod key;
mod overlay;
mod seen;
pub(crate) mod tables;

pub use key::{Key, Only};
pub use overlay::Overlay;
pub(crate) use seen::minute;
pub use seen::{SeenAdded, SeenBucket};
pub use tables::{Changes, Table};

use crate::{
    history::History,
    registry::validator_seat::ValidatorSeat,
    wire::{Canonical, Wire, WireError, message},
};
use octroi_chain::{ChainError, Header, Validator, ValidatorSet};
use octroi_merkle::{
    log::LogFrontier,
    tree::{Leaf, Tree},
};
use octroi_primitives::*;
use std::sync::Arc;

/// A value in a table.
pub trait Record:
    tables::Stored + Wire<Proto: prost::Message + Default> + Clone + PartialEq + core::fmt::Debug + Send + Sync + 'static
{
    /// What finds it.
    type Key: Key + Send + Sync + 'static;
}

/// A record with the chain of events that touched it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<R> {
    /// The record itself.
    pub record: R,
    /// Its public story, in short.
    pub history: History,
}

message! {
    /// The bytes of a record in storage, in proofs and under the state root.
    pub struct StoredRecord = StoredRecord {
        /// Canonical bytes of the record's message.
        pub value: Bytes,
        /// Events in its history.
        pub history_count: u64,
        /// Head of its history; `None` while the count is 0.
        pub history_head: Option<Hash>,
    }
}

/// Bytes of any length, as they are on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bytes(pub Vec<u8>);

impl Wire for Bytes {
    type Proto = Vec<u8>;
    fn to_proto(&self) -> Vec<u8> {
        self.0.clone()
    }
    fn from_proto(proto: Vec<u8>) -> Result<Self, WireError> {
        Ok(Self(proto))
    }
}

impl<R: Record> Entry<R> {
    /// Canonical bytes of the stored form.
    pub fn to_stored(&self) -> Vec<u8> {
        StoredRecord {
            value: Bytes(self.record.to_bytes()),
            history_count: self.history.count,
            history_head: (self.history.count > 0).then_some(self.history.head),
        }
        .to_bytes()
    }

    /// # Errors
    /// When the bytes are not what [`Entry::to_stored`] wrote.
    pub fn from_stored(bytes: &[u8]) -> Result<Self, WireError> {
        let StoredRecord { value, history_count, history_head } = StoredRecord::from_bytes(bytes)?;
        let history = History { count: history_count, head: history_head.unwrap_or(Hash::ZERO) };
        Ok(Self { record: R::from_bytes(&value.0)?, history })
    }
}

/// One record as rows of storage and leaves of the tree see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordRow {
    /// Number of the table.
    pub table: u16,
    /// Key bytes.
    pub key: Vec<u8>,
    /// [`StoredRecord`] bytes; `None`: the record is gone.
    pub value: Option<Vec<u8>>,
}

/// Key of a record in the state tree.
pub fn tree_key(table: u16, key: &[u8]) -> Hash {
    hash("state-key", &[&table.to_be_bytes(), key])
}

/// Value of a record in the state tree: the hash of its stored bytes.
pub fn tree_value(stored: &[u8]) -> Hash {
    hash("state-value", &[stored])
}

impl RecordRow {
    /// Leaf of the state tree for this row.
    pub fn leaf(&self) -> (Hash, Option<Hash>) {
        (tree_key(self.table, &self.key), self.value.as_deref().map(tree_value))
    }
}

/// The last block, as the next one needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// 0 before the first block.
    pub height: Height,
    /// Id of the last block; the network's hash before the first.
    pub id: BlockId,
    /// Time of the last block; the genesis time before the first.
    pub time: BlockTime,
    /// The log of all ids up to the last block: its root goes into the next header.
    pub log: LogFrontier,
    /// The header itself; `None` before the first block.
    pub header: Option<Header>,
    /// The set that certified the last block; `None` before the first block.
    pub validators: Option<ValidatorSet>,
}

/// Everything the rules need to judge and execute the next block. Clones are cheap and independent.
#[derive(Debug, Clone)]
pub struct State {
    network: NetworkId,
    tables: tables::Tables,
    tree: Tree,
    seen: seen::Seen,
    head: Head,
    validators: ValidatorSet,
}

/// A stored state that does not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// A row that cannot be read.
    #[error("table {table}, key {key}: {reason}")]
    Row {
        /// Number of the table.
        table: u16,
        /// Key in hexadecimal.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// The rows have another root than the header of the last block says.
    #[error("state root {found} differs from {expected} in the header of height {height}")]
    Root {
        /// Height of the head.
        height: Height,
        /// What the header says.
        expected: Hash,
        /// What the rows give.
        found: Hash,
    },
    /// The validators do not form a set.
    #[error("validator set: {0}")]
    Validators(#[from] ChainError),
}

impl State {
    /// Builds a state from rows, as genesis makes them or storage kept them.
    ///
    /// # Errors
    /// A row that cannot be read, or, when the head has a header, another root than it names.
    pub fn load(
        network: NetworkId,
        head: Head,
        rows: impl IntoIterator<Item = RecordRow>,
        seen: impl IntoIterator<Item = SeenAdded>,
    ) -> Result<Self, LoadError> {
        let mut tables = tables::Tables::default();
        let mut leaves = Vec::new();
        for row in rows {
            let fail = |reason: String| LoadError::Row { table: row.table, key: hex(&row.key), reason };
            let value = row.value.as_deref().ok_or_else(|| fail("has no value".into()))?;
            tables.load(row.table, &row.key, value).map_err(fail)?;
            leaves.push(Leaf { key: tree_key(row.table, &row.key), value: tree_value(value) });
        }
        leaves.sort_unstable_by_key(|leaf| leaf.key);
        let tree = Tree::from_sorted(&leaves).map_err(|error| LoadError::Row {
            table: 0,
            key: String::new(),
            reason: error.to_string(),
        })?;
        if let Some(header) = &head.header
            && header.state_root != tree.root()
        {
            return Err(LoadError::Root { height: head.height, expected: header.state_root, found: tree.root() });
        }
        let validators = validator_set(tables.all::<ValidatorSeat>().map(|(key, seat)| (*key, seat.clone())))?;
        let mut remembered = seen::Seen::default();
        for added in seen {
            remembered.insert(&added);
        }
        Ok(Self { network, tables, tree, seen: remembered, head, validators })
    }

    /// Nothing but a head: what genesis writes on.
    pub(crate) fn empty(network: NetworkId, head: Head, validators: ValidatorSet) -> Self {
        Self {
            network,
            tables: tables::Tables::default(),
            tree: Tree::default(),
            seen: seen::Seen::default(),
            head,
            validators,
        }
    }

    /// Hash of the genesis.
    pub fn network(&self) -> NetworkId {
        self.network
    }

    /// The last block.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Root over all records.
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// The state tree, for proofs.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The set that certifies the next block, with who misses its turn.
    pub fn validators(&self) -> &ValidatorSet {
        &self.validators
    }

    /// Whether an id is in a block already and not yet forgotten.
    pub fn has_seen(&self, valid_until: BlockTime, id: &TransactionId) -> bool {
        self.seen.contains(valid_until, id)
    }

    /// How many ids are remembered.
    pub fn seen_count(&self) -> usize {
        self.seen.len()
    }

    /// A record.
    pub fn get<R: Record>(&self, key: &R::Key) -> Option<&R> {
        self.entry::<R>(key).map(|entry| &entry.record)
    }

    /// A record with its history.
    pub fn entry<R: Record>(&self, key: &R::Key) -> Option<&Entry<R>> {
        R::table(&self.tables).get(key).map(Arc::as_ref)
    }

    /// Records from `range`, in the order of keys.
    pub fn range<R: Record>(
        &self,
        range: impl core::ops::RangeBounds<R::Key>,
    ) -> impl DoubleEndedIterator<Item = (&R::Key, &R)> {
        R::table(&self.tables).range(range).map(|(key, entry)| (key, &entry.record))
    }

    /// All records of a table, in the order of keys.
    pub fn all<R: Record>(&self) -> impl DoubleEndedIterator<Item = (&R::Key, &R)> {
        R::table(&self.tables).iter().map(|(key, entry)| (key, &entry.record))
    }

    /// How many records a table has.
    pub fn count<R: Record>(&self) -> usize {
        R::table(&self.tables).len()
    }

    /// An overlay with nothing changed yet.
    pub fn overlay(&self) -> Overlay<'_> {
        Overlay::on_state(self)
    }

    /// The stored form of every record, for snapshots and the first write of genesis.
    pub fn rows(&self) -> Vec<RecordRow> {
        self.tables.rows()
    }

    /// Takes in an executed block. The caller has checked that it stands on this head.
    pub(crate) fn merge(
        &mut self,
        head: Head,
        changes: &Changes,
        tree: Tree,
        seen: &[SeenAdded],
        dropped_before: u64,
        validators: ValidatorSet,
    ) {
        self.tables.merge(changes);
        self.tree = tree;
        self.seen.drop_before(dropped_before);
        for added in seen {
            self.seen.insert(added);
        }
        self.head = head;
        self.validators = validators;
    }
}

/// The set that these seats form, with who missed its turn and when.
pub(crate) fn validator_set(
    seats: impl IntoIterator<Item = (PublicKey, ValidatorSeat)>,
) -> Result<ValidatorSet, ChainError> {
    let mut members = Vec::new();
    let mut missed = Vec::new();
    for (consensus_key, seat) in seats {
        let ValidatorSeat { organisation, network_key, college, missed_at } = seat;
        if let Some(height) = missed_at {
            missed.push((consensus_key, height));
        }
        members.push(Validator { consensus_key, organisation, network_key, college });
    }
    Ok(ValidatorSet::new(members)?.with_missed(missed))
}

/// The set of the next height, as an executed block leaves its seats.
pub(crate) fn validator_set_of(overlay: &Overlay<'_>) -> Result<ValidatorSet, ChainError> {
    validator_set(overlay.range::<ValidatorSeat>(..))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use core::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}
