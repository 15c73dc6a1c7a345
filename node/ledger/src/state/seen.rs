//! Ids that were seen, in buckets by the minute their validity ends (architecture, formats): an id is accepted once, and forgotten when it could
//! not be accepted anyway.

use crate::wire::message;
use octroi_primitives::*;

message! {
    /// What the state root says of one minute.
    pub struct SeenBucket = SeenBucket {
        /// How many ids end in it.
        pub count: u64,
        /// H("seen", previous head, id), from the zero hash.
        pub head: Hash,
    }
}

impl crate::state::Record for SeenBucket {
    /// Minutes since 1970.
    type Key = u64;
}

/// Minutes since 1970 in which a validity ends.
pub(crate) fn minute(valid_until: BlockTime) -> u64 {
    valid_until.millis() / 60_000
}

/// An id and the end of its validity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenAdded {
    /// Minutes since 1970 of the end of validity.
    pub minute: u64,
    /// The id.
    pub id: TransactionId,
}

/// The ids themselves; under the root stand only counts and heads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    ids: imbl::OrdSet<(u64, TransactionId)>,
}

impl Seen {
    pub(crate) fn contains(&self, valid_until: BlockTime, id: &TransactionId) -> bool {
        self.ids.contains(&(minute(valid_until), *id))
    }

    pub(crate) fn insert(&mut self, added: &SeenAdded) {
        self.ids.insert((added.minute, added.id));
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Forgets every id of minutes before `minute`.
    pub(crate) fn drop_before(&mut self, minute: u64) {
        if self.ids.get_min().is_some_and(|(first, _)| *first < minute) {
            let (_, kept) = core::mem::take(&mut self.ids).split(&(minute, TransactionId::new(Hash::ZERO)));
            self.ids = kept;
        }
    }
}
