//! Due work: what rules do when a time has come, at the start of the first block whose time has passed it (rulebook §1).
//!
//! Ordered by (due time, kind tag, object); what the budget leaves over carries on in the next block, in the same order.

use crate::{
    action::Kind,
    state::{Overlay, Record, State},
    wire::message,
};
use octroi_primitives::{BlockTime, Hash};
use std::{collections::BTreeSet, iter::Peekable};

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
    let key = (at, kind.tag(), object);
    state.put::<DueItem>(key, DueItem {});
    state.note_planned(key);
}

/// Takes planned work back.
pub fn cancel(state: &mut Overlay<'_>, at: BlockTime, kind: Kind, object: Hash) {
    state.remove::<DueItem>(&(at, kind.tag(), object));
}

/// The work of a block, least item first: what stood in the state below, and what the block's own due work plans for a time that has come. Each
/// item is looked at once, however many were done before it.
pub(crate) struct Waiting<'a> {
    time: BlockTime,
    below: Peekable<Box<dyn Iterator<Item = DueKey> + 'a>>,
    planned: BTreeSet<DueKey>,
}

impl<'a> Waiting<'a> {
    /// What is due at `time`.
    pub(crate) fn new(state: &'a State, time: BlockTime) -> Self {
        let last = (time, u16::MAX, Hash::from_bytes([0xff; 32]));
        let below: Box<dyn Iterator<Item = DueKey> + 'a> =
            Box::new(state.range::<DueItem>(..=last).map(|(key, _)| *key));
        Self { time, below: below.peekable(), planned: BTreeSet::new() }
    }

    /// The first item that is still planned. Who does it removes it.
    pub(crate) fn first(&mut self, overlay: &mut Overlay<'_>) -> Option<DueKey> {
        self.planned.extend(overlay.take_planned().into_iter().filter(|(at, _, _)| *at <= self.time));
        loop {
            let key = match (self.below.peek(), self.planned.first()) {
                (Some(below), Some(planned)) => *below.min(planned),
                (Some(key), None) | (None, Some(key)) => *key,
                (None, None) => return None,
            };
            if overlay.has::<DueItem>(&key) {
                return Some(key);
            }
            // Done, or taken back.
            self.below.next_if_eq(&key);
            self.planned.remove(&key);
        }
    }
}

/// When the next work is due; a validator makes a block for it without waiting for transactions.
pub fn next_due(state: &State) -> Option<BlockTime> {
    state.all::<DueItem>().next().map(|((time, _, _), _)| *time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixture,
        parameters::{Parameter, ParameterValue},
    };
    use octroi_primitives::hash;

    fn object(number: u64) -> Hash {
        hash("test-due", &[&number.to_be_bytes()])
    }

    fn item(time: u64, number: u64) -> DueKey {
        (BlockTime(time), Kind::CloseCall.tag(), object(number))
    }

    #[test]
    fn what_due_work_plans_for_a_time_that_has_come_runs_in_its_place_and_what_it_cancels_does_not() {
        let mut network = fixture::network();
        network.edit(|state| {
            for number in [10, 20, 30, 99] {
                schedule(state, BlockTime(number), Kind::CloseCall, object(number));
            }
        });
        let mut overlay = network.state.overlay();
        let mut waiting = Waiting::new(&network.state, BlockTime(50));
        let mut ran = Vec::new();
        while let Some(key) = waiting.first(&mut overlay) {
            assert_eq!(waiting.first(&mut overlay), Some(key), "asking takes nothing");
            overlay.remove::<DueItem>(&key);
            ran.push(key);
            if key == item(20, 20) && ran.len() == 2 {
                schedule(&mut overlay, BlockTime(5), Kind::CloseCall, object(5));
                schedule(&mut overlay, BlockTime(25), Kind::CloseCall, object(25));
                schedule(&mut overlay, BlockTime(26), Kind::CloseCall, object(26));
                cancel(&mut overlay, BlockTime(26), Kind::CloseCall, object(26));
                cancel(&mut overlay, BlockTime(30), Kind::CloseCall, object(30));
                schedule(&mut overlay, BlockTime(51), Kind::CloseCall, object(51));
            }
            if key == item(5, 5) {
                // What was done can be planned again.
                schedule(&mut overlay, BlockTime(20), Kind::CloseCall, object(20));
            }
        }
        assert_eq!(ran, [item(10, 10), item(20, 20), item(5, 5), item(20, 20), item(25, 25)]);
        assert!(overlay.has::<DueItem>(&item(51, 51)) && overlay.has::<DueItem>(&item(99, 99)));
    }

    /// Quadratic work would take minutes here.
    #[test]
    fn ten_thousand_items_of_one_moment_run_in_one_block() {
        let mut network = fixture::network();
        let at = BlockTime(network.now().0 + 1);
        let standing = next_due(&network.state);
        network.edit(|state| {
            state.put::<ParameterValue>(Parameter::BlockWork.code(), ParameterValue { value: 10_000_000 });
            for number in 0..10_000 {
                schedule(state, at, Kind::CloseCall, object(number));
            }
        });
        assert_eq!(network.advance_to(at).len(), 10_000);
        assert_eq!(next_due(&network.state), standing);
    }
}
