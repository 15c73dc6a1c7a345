//! `seat_validator`*: the height of a change of validators has come. The executor makes it at the start of that height, after timed due work.
//!
//! - Effect: the validator is seated, or leaves; the set that certifies the next height is another one. A candidate that has not shown itself by
//!   `announce_ready` two heights before is not seated: the change ends not ready.
//! - Source: rulebook §2 and §4 (0c09).

use super::change::{Change, ChangeStatus};
use crate::{
    action::{Duty, Effect, Place},
    history::RecordRef,
    refusal::refusals,
    registry::{
        organisation::Organisation,
        validator_seat::{PendingSeat, SeatAction, ValidatorSeat},
    },
    state::Overlay,
    wire::{message, words},
};
use octroi_primitives::*;

/// Heights before its seat at which a candidate must have shown itself.
pub const READY_BEFORE: u64 = 2;

/// The duty; its object is the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeatValidator;

words! {
    /// What became of the seat.
    pub enum SeatOutcome {
        /// It is taken.
        Seated = "seated",
        /// It is left.
        Retired = "retired",
        /// The candidate did not show itself in time.
        NotReady = "not_ready",
    }
}

message! {
    /// The event.
    pub struct ValidatorSeated = ValidatorSeated {
        /// The change.
        pub change: ChangeId,
        /// What became of it.
        pub outcome: SeatOutcome,
        /// The validator's key.
        pub consensus_key: PublicKey,
        /// Its seat.
        pub seat: ValidatorSeat [required],
    }
}

refusals! {
    UnknownChange(ChangeId): Unknown 1 "no change {0} takes effect at this height", "no change takes effect at this height";
}

impl Duty for SeatValidator {
    type Event = ValidatorSeated;
    type Refused = Refused;

    fn decide(object: &Hash, place: &Place, state: &Overlay<'_>) -> Result<ValidatorSeated, Refused> {
        let change = ChangeId::new(*object);
        let pending = state.get::<PendingSeat>(&(place.height, change)).ok_or(Refused::UnknownChange(change))?;
        let PendingSeat { action, consensus_key, seat, ready_at } = pending.clone();
        let in_time = |ready: Height| ready.0 + READY_BEFORE <= place.height.0;
        let outcome = match action {
            SeatAction::Retire => SeatOutcome::Retired,
            SeatAction::Seat if ready_at.is_some_and(in_time) => SeatOutcome::Seated,
            SeatAction::Seat => SeatOutcome::NotReady,
        };
        Ok(ValidatorSeated { change, outcome, consensus_key, seat })
    }
}

impl Effect for ValidatorSeated {
    fn apply(&self, place: &Place, state: &mut Overlay<'_>) {
        let Self { change, outcome, consensus_key, seat } = self;
        state.remove::<PendingSeat>(&(place.height, *change));
        match outcome {
            SeatOutcome::Seated => state.put::<ValidatorSeat>(*consensus_key, seat.clone()),
            SeatOutcome::Retired => state.remove::<ValidatorSeat>(consensus_key),
            SeatOutcome::NotReady => {}
        }
        let status = match outcome {
            SeatOutcome::Seated | SeatOutcome::Retired => ChangeStatus::Enacted,
            SeatOutcome::NotReady => ChangeStatus::NotReady,
        };
        state.update::<Change>(change, |record| record.status = status);
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![RecordRef::of::<Change>(&self.change), RecordRef::of::<Organisation>(&self.seat.organisation)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Event, Kind},
        fixture::{self, Network, id},
        governance::{
            change::{Choice, Content, RetireValidator},
            enact_change::tests::decide,
            propose_change::tests::admission,
            validator::{ValidatorFault, admit},
        },
        refusal::Reject,
        registry::announce_ready::tests::announcement,
    };

    const ELSE: [(&str, Choice); 5] = [
        ("bank", Choice::Yes),
        ("region", Choice::Yes),
        ("federation", Choice::Yes),
        ("foundation", Choice::Yes),
        ("university", Choice::Yes),
    ];

    /// Lets heights pass until the seat's, and answers with what became of it.
    fn until(network: &mut Network, height: u64) -> SeatOutcome {
        let missing = height - network.state.head().height.0;
        let receipts = network.heartbeats(missing);
        match receipts.last().and_then(|receipt| receipt.event()) {
            Some(Event::SeatValidator(event)) => event.outcome,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_candidate_that_shows_itself_is_seated_and_votes_from_the_next_height() {
        let mut network = fixture::network();
        let content = Content::AdmitValidator(admission("lab", "commoners", 40));
        let (change, event) = decide(&mut network, "bank", content, &ELSE);
        assert_eq!(event.outcome, ChangeStatus::Pending);
        network.run("lab", announcement(&network, change)).unwrap();
        assert_eq!(until(&mut network, 40), SeatOutcome::Seated);
        assert_eq!(network.state.validators().len(), 5);
        assert_eq!(network.state.get::<Change>(&change).unwrap().status, ChangeStatus::Enacted);
        network.heartbeats(6);
        assert_eq!(network.state.head().validators.as_ref().map(|set| set.len()), Some(5));
        assert_eq!(network.state.count::<PendingSeat>(), 0);
    }

    #[test]
    fn a_candidate_that_stays_silent_is_not_seated() {
        let mut network = fixture::network();
        let content = Content::AdmitValidator(admission("lab", "commoners", 40));
        let (change, _) = decide(&mut network, "bank", content, &ELSE);
        assert_eq!(until(&mut network, 40), SeatOutcome::NotReady);
        assert_eq!(network.state.validators().len(), 4);
        assert_eq!(network.state.get::<Change>(&change).unwrap().status, ChangeStatus::NotReady);
    }

    #[test]
    fn a_validator_that_retires_leaves_the_set_of_the_next_height() {
        let mut network = fixture::network();
        let consensus_key = fixture::consensus_key("region").public();
        let content = Content::RetireValidator(RetireValidator {
            organisation: id("region"),
            consensus_key,
            at_height: Height(40),
        });
        let ballots: Vec<(&str, Choice)> = ELSE.into_iter().filter(|(seat, _)| *seat != "region").collect();
        decide(&mut network, "bank", content, &ballots);
        assert_eq!(until(&mut network, 40), SeatOutcome::Retired);
        assert!(network.state.validators().get(&consensus_key).is_none());
        network.heartbeats(3);
    }

    #[test]
    fn nothing_is_seated_at_a_height_that_no_change_names() {
        let network = fixture::network();
        let place = Place { height: Height(40), time: network.now(), receipt: 0, transaction: TransactionId::ZERO };
        let refused = SeatValidator::decide(&Hash::ZERO, &place, &network.state.overlay()).unwrap_err();
        fixture::assert_all_reached(Kind::SeatValidator, &[refused.doc().variant]);
    }

    fn admitted(network: &Network, at_height: u64) -> Result<PendingSeat, ValidatorFault> {
        let place = Place { height: Height(100), time: network.now(), receipt: 0, transaction: TransactionId::ZERO };
        admit(&admission("lab", "commoners", at_height), &place, &network.state.overlay())
    }

    #[test]
    fn an_admission_waits_for_a_height_that_will_come() {
        let network = fixture::network();
        assert_eq!(admitted(&network, 109), Err(ValidatorFault::Height(Height(109))));
        assert!(admitted(&network, 110).is_ok());
        assert!(admitted(&network, 1_000_100).is_ok());
        for far in [1_000_101, u64::MAX] {
            assert_eq!(admitted(&network, far), Err(ValidatorFault::Height(Height(far))));
        }
    }

    #[test]
    fn a_set_takes_no_more_validators_than_a_header_can_name() {
        let mut network = fixture::network();
        let most = octroi_chain::MAX_VALIDATORS;
        let mut fill = |to: usize| {
            network.edit(|state| {
                let seated = state.range::<ValidatorSeat>(..).len();
                for number in seated..to {
                    let college = CollegeCode::new(["funders", "commoners", "users"][number % 3]).unwrap();
                    let organisation = OrganisationId::new(hash("test-filler", &[&number.to_be_bytes()]));
                    let [consensus, network_key] =
                        ["a", "b"].map(|code| fixture::network_key(&format!("{code}{number}")));
                    state.put::<ValidatorSeat>(
                        consensus,
                        ValidatorSeat { organisation, network_key, college, missed_at: None },
                    );
                }
            });
            admitted(&network, 110)
        };
        assert!(fill(most - 1).is_ok());
        assert_eq!(fill(most), Err(ValidatorFault::Many(most + 1)));
    }
}
