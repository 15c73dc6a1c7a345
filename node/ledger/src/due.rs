//! Due work: what rules do when a time has come, at the start of the first block whose time has passed it (rulebook §1).
//!
//! Ordered by (due time, kind tag, object); what the budget leaves over carries on in the next block, in the same order.

use crate::{
    action::Kind,
    state::{Overlay, Record, State},
    wire::message,
};
use octroi_primitives::{BlockTime, Hash};

message! {
    /// Nothing but its key.
    pub struct DueItem = DueItem {}
}

/// (due time, kind tag, object).
pub type DueKey = (BlockTime, u16, Hash);

impl Record for DueItem {
    type Key = DueKey;
}

/// Plans work.
pub fn schedule(state: &mut Overlay<'_>, at: BlockTime, kind: Kind, object: Hash) {
    state.put::<DueItem>((at, kind.tag(), object), DueItem {});
}

/// Takes planned work back.
pub fn cancel(state: &mut Overlay<'_>, at: BlockTime, kind: Kind, object: Hash) {
    state.remove::<DueItem>(&(at, kind.tag(), object));
}

/// The next item that is due at `time`.
pub(crate) fn next(state: &Overlay<'_>, time: BlockTime) -> Option<DueKey> {
    state
        .first::<DueItem>((BlockTime(0), 0, Hash::ZERO)..=(time, u16::MAX, Hash::from_bytes([0xff; 32])))
        .map(|(key, _)| key)
}

/// When the next work is due; a validator makes a block for it without waiting for transactions.
pub fn next_due(state: &State) -> Option<BlockTime> {
    state.all::<DueItem>().next().map(|((time, _, _), _)| *time)
}
