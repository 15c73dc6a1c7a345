//! `open_change`*: voting on a change opens. The executor makes it at the start of the first block at or after `opens_at`.
//!
//! - Effect: seats, bases, quorums and conflicts are frozen as they are now; ballots are taken.
//! - Source: rulebook §10 (frozen when the vote opens) and §17, 0c01. Tag 0c0a is appended to the family's list.

use super::{
    change::{Change, ChangeSeat, ChangeStatus, seats_of},
    electorate::{Counting, Electorate, FrozenCollege, FrozenSeat, electorate},
};
use crate::{
    action::{BASE_COST, Duty, Effect, Place},
    history::RecordRef,
    parameters::Parameter,
    refusal::refusals,
    registry::college::CollegeSeat,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

/// The duty; its object is the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenChange;

message! {
    /// The event.
    pub struct ChangeOpened = ChangeOpened {
        /// The change.
        pub change: ChangeId,
        /// Seats of organisations that are active.
        pub seats: Vec<FrozenSeat>,
        /// Every college.
        pub colleges: Vec<FrozenCollege>,
        /// How their ballots are put together.
        pub counting: Counting,
        /// Ballots that all seats together take.
        pub joint_quorum: u32,
    }
}

refusals! {
    UnknownChange(ChangeId): Unknown 1 "change {0} does not exist", "the change does not exist";
    StateNotProposed(ChangeId, ChangeStatus): State 1 "change {0} is {1}", "voting has opened already";
}

impl Duty for OpenChange {
    type Event = ChangeOpened;
    type Refused = Refused;

    /// Base and 4 for each object that an opening writes: the change and its seats.
    fn cost(object: &Hash, state: &Overlay<'_>) -> u64 {
        let exists = state.has::<Change>(&ChangeId::new(*object));
        let written = if exists { 1 + state.range::<CollegeSeat>(..).len() as u64 } else { 0 };
        BASE_COST + 4 * written
    }

    fn decide(object: &Hash, _: &Place, state: &Overlay<'_>) -> Result<ChangeOpened, Refused> {
        let change = ChangeId::new(*object);
        let record = state.get::<Change>(&change).ok_or(Refused::UnknownChange(change))?;
        if record.status != ChangeStatus::Proposed {
            return Err(Refused::StateNotProposed(change, record.status));
        }
        let Electorate { seats, colleges, counting, joint_quorum } =
            electorate(&record.content, state.parameter(Parameter::QuorumPpm), state);
        Ok(ChangeOpened { change, seats, colleges, counting, joint_quorum })
    }
}

impl Effect for ChangeOpened {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let Self { change, seats, colleges, counting, joint_quorum } = self;
        // Of an earlier round: seats are frozen again, ballots are cast again.
        for (organisation, _) in seats_of(state, change) {
            state.remove::<ChangeSeat>(&(*change, organisation));
        }
        for FrozenSeat { college, organisation, conflicted, delegate } in seats {
            let seat = ChangeSeat { college: *college, conflicted: *conflicted, ballot: None, delegate: *delegate };
            state.put::<ChangeSeat>((*change, *organisation), seat);
        }
        state.update::<Change>(change, |record| {
            record.status = ChangeStatus::Open;
            record.colleges = colleges.clone();
            record.counting = Some(*counting);
            record.joint_quorum = *joint_quorum;
        });
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![RecordRef::of::<Change>(&self.change)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Event, Kind},
        fixture,
        governance::propose_change::tests::{change_of, parameter},
    };

    #[test]
    fn voting_opens_once_on_a_change_that_exists() {
        let mut network = fixture::network();
        let change = change_of(&network.run("bank", parameter(&network)).unwrap());
        let opened = network.advance_to(network.state.get::<Change>(&change).unwrap().opens_at);
        let Some(Event::OpenChange(event)) = opened[0].event() else { panic!("opened: {opened:?}") };
        assert_eq!((event.seats.len(), event.colleges.len(), event.counting), (7, 3, Counting::PerCollege));
        let place = Place { height: Height(9), time: network.now(), receipt: 0, transaction: TransactionId::ZERO };
        let state = network.state.overlay();
        let reached = [Hash::ZERO, *change.hash()].map(|object| {
            use crate::refusal::Reject;
            OpenChange::decide(&object, &place, &state).unwrap_err().doc().variant
        });
        fixture::assert_all_reached(Kind::OpenChange, &reached);
    }

    #[test]
    fn an_opening_costs_by_the_seats_it_freezes() {
        let mut network = fixture::network();
        let change = change_of(&network.run("bank", parameter(&network)).unwrap());
        // The change and seven seats.
        assert_eq!(OpenChange::cost(change.hash(), &network.state.overlay()), 10 + 4 * 8);
        assert_eq!(OpenChange::cost(&Hash::ZERO, &network.state.overlay()), 10);
    }
}
