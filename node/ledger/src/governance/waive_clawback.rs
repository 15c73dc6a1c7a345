//! The change `waive_clawback`: what is open of a clawback is asked for no more.
//!
//! - Voted by supermajority; seats of a group that benefits from the grant are conflicted.
//! - Effect: uncollected → receivable; what is waived cannot be asked back again.
//! - Source: rulebook §4 (table B), §7; table A, waiver.

use super::{
    change::Mode,
    enact_change::{self, ChangeEnacted},
    motion::{Effects, Fault, Motion},
    propose_change,
};
use crate::{
    accounts::{Movement, PostingError},
    action::Place,
    grant::{clawback::Clawback, grant::Grant},
    history::RecordRef,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// What is asked.
    pub struct WaiveClawback = WaiveClawback {
        /// Which clawback.
        pub clawback: ClawbackId,
    }
}

impl WaiveClawback {
    /// The clawback, if anything of it is open.
    fn open<'a>(&self, state: &'a Overlay<'_>) -> Result<&'a Clawback, Fault> {
        let Self { clawback: id } = self;
        let clawback = state.get::<Clawback>(id);
        let clawback = clawback.ok_or_else(|| Fault::Unknown(format!("clawback {id} does not exist")))?;
        if clawback.open() == 0 {
            return Err(Fault::State(format!("nothing of clawback {id} is open")));
        }
        Ok(clawback)
    }
}

impl Motion for WaiveClawback {
    type Asked = Self;

    fn mode(_: &Self, _: &Overlay<'_>) -> Mode {
        Mode::Supermajority
    }

    fn known(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        Ok(asked.open(state).map(|_| ())?)
    }

    fn conflicts(asked: &Self, organisation: &OrganisationId, state: &Overlay<'_>) -> bool {
        let clawback = state.get::<Clawback>(&asked.clawback);
        let grant = clawback.and_then(|clawback| state.get::<Grant>(&clawback.grant));
        grant.is_some_and(|grant| grant.benefits_group_of(state, organisation))
    }

    fn target(asked: &Self) -> Option<RecordRef> {
        Some(RecordRef::of::<Clawback>(&asked.clawback))
    }

    fn fund(asked: &Self, state: &Overlay<'_>) -> Option<FundCode> {
        state.get::<Clawback>(&asked.clawback).map(|clawback| clawback.fund)
    }

    fn enact(asked: &Self, _: &ChangeId, _: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
        let clawback = asked.open(state)?;
        let mut movement = Movement::in_fund(clawback.fund);
        clawback.post_settled(clawback.open(), &mut movement);
        let postings = movement.check(state).map_err(|error| match error {
            PostingError::Insufficient { .. } => Fault::Insufficient(error.to_string()),
            PostingError::Overflow(_) => Fault::Overflow(error.to_string()),
        })?;
        Ok(Effects { postings, ..Effects::default() })
    }

    fn apply(asked: &Self, _: &ChangeEnacted, _: &Place, state: &mut Overlay<'_>) {
        Clawback::waive(state, &asked.clawback);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accounts::{Account, balance_of},
        action::Payload,
        fixture::{DAY, Network, assert_round_trips, commitment, fund, id},
        governance::{
            cast_ballot::CastBallot,
            change::{Change, ChangeStatus, Choice, Content},
            propose_change::ProposeChange,
        },
        grant::fixture::{active, credit_of, open, pay, record},
    };

    fn proposal(network: &Network, clawback: ClawbackId) -> Payload {
        let change = Content::WaiveClawback(WaiveClawback { clawback });
        let opens_at = BlockTime(network.now().0 + 1);
        Payload::ProposeChange(ProposeChange { change, document: commitment("waiver"), opens_at })
    }

    /// Proposed by `bank`, voted by these, and counted.
    fn voted(network: &mut Network, clawback: ClawbackId, ballots: &[(&str, Choice)]) -> ChangeStatus {
        network.run("bank", proposal(network, clawback)).unwrap();
        network.advance(60_000);
        let change = *network.state.all::<Change>().last().unwrap().0;
        for (seat, choice) in ballots {
            let act = CastBallot { change, choice: *choice, reason: None };
            network.run(seat, Payload::CastBallot(act)).unwrap();
        }
        network.advance(8 * DAY);
        network.state.get::<Change>(&change).unwrap().status
    }

    fn clawed() -> (Network, GrantId, ClawbackId) {
        let (mut network, grant) = active();
        pay(&mut network, grant, 1, 1, 300_000);
        let clawback = open(&mut network, grant, 200_000);
        (network, grant, clawback)
    }

    const SEATS: [&str; 6] = ["bank", "region", "federation", "lab", "foundation", "university"];

    #[test]
    fn a_waived_clawback_is_no_receivable_any_more_and_is_not_asked_back_again() {
        let (mut network, grant, clawback) = clawed();
        assert_round_trips(&proposal(&network, clawback));
        let all = SEATS.map(|seat| (seat, Choice::Yes));
        assert_eq!(voted(&mut network, clawback, &all), ChangeStatus::Enacted);
        assert_eq!(balance_of(&network.state, &Account::ClawbackReceivable { grant }), 0);
        assert_eq!(credit_of(&network, &Account::Uncollected { fund: fund() }), 0);
        let after = record(&network, grant);
        assert_eq!((after.waived, after.to_come_back(), after.refundable()), (200_000, 0, 100_000));
        assert_eq!(network.refusal("bank", proposal(&network, clawback)), "StateNamed");
    }

    #[test]
    fn a_waiver_takes_two_thirds_in_every_college() {
        let (mut network, grant, clawback) = clawed();
        let mut ballots = SEATS.map(|seat| (seat, Choice::Yes));
        ballots[0].1 = Choice::No;
        assert_eq!(voted(&mut network, clawback, &ballots), ChangeStatus::Lost);
        assert_eq!(record(&network, grant).waived, 0);
    }

    #[test]
    fn only_an_existing_clawback_is_waived_and_its_beneficiaries_do_not_vote() {
        let (network, _, clawback) = clawed();
        assert_eq!(network.refusal("bank", proposal(&network, ClawbackId::ZERO)), "UnknownNamed");
        let asked = WaiveClawback { clawback };
        let state = network.state.overlay();
        let conflicted = |code: &str| <WaiveClawback as Motion>::conflicts(&asked, &id(code), &state);
        assert!(conflicted("asso2") && conflicted("asso1_branch") && !conflicted("bank"));
    }
}
