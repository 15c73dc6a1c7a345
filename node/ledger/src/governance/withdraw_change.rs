//! `withdraw_change`: who proposed a change takes it back before its close.
//!
//! - Allowed: the active organisation that proposed it, by an office that may use a role by which changes are proposed.
//! - Effect: the change is withdrawn, nothing of it is due any more; what waited for it, such as a call, is as before.
//! - Source: rulebook §7 (withdrawn → closed again), §10; tag 0c06.

use super::{
    change::{Change, ChangeStatus, Content, Mode},
    delegation,
    enact_change::EnactChange,
    propose_change,
};
use crate::{
    action::{Action, Effect, Kind, Place},
    due,
    history::RecordRef,
    refusal::{refusals, signer_refusals},
    signer::Context,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// The payload.
    pub struct WithdrawChange = WithdrawChange {
        /// Which change.
        pub change: ChangeId,
    }

    /// The event.
    pub struct ChangeWithdrawn = ChangeWithdrawn {
        /// Which change.
        pub change: ChangeId,
        /// Who proposed it.
        pub proposer: OrganisationId,
        /// What was asked.
        pub content: Content [required],
    }
}

refusals! {
    signer;
    RoleNotProposer(OrganisationId): Role 2 "organisation {0} did not propose it", "the change was proposed by another";
    UnknownChange(ChangeId): Unknown 1 "change {0} does not exist", "the change does not exist";
    StateDecided(ChangeId, ChangeStatus): State 1 "change {0} is {1}", "the change was decided or withdrawn already";
    WindowOver(BlockTime, BlockTime): Window 1 "closed at {0}, block time is {1}", "the change has closed";
}
signer_refusals!(Refused);

impl Action for WithdrawChange {
    type Event = ChangeWithdrawn;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<ChangeWithdrawn, Refused> {
        let change = self.change;
        cx.by_office(state, &propose_change::PROPOSERS)?;
        let record = state.get::<Change>(&change).ok_or(Refused::UnknownChange(change))?;
        if record.proposer != cx.organisation {
            return Err(Refused::RoleNotProposer(cx.organisation));
        }
        if !matches!(record.status, ChangeStatus::Proposed | ChangeStatus::Open) {
            return Err(Refused::StateDecided(change, record.status));
        }
        if cx.place.time >= record.closes_at {
            return Err(Refused::WindowOver(record.closes_at, cx.place.time));
        }
        Ok(ChangeWithdrawn { change, proposer: record.proposer, content: record.content.clone() })
    }
}

impl Effect for ChangeWithdrawn {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let Self { change, proposer: _, content } = self;
        let Change { status, mode, opens_at, closes_at, .. } =
            state.get::<Change>(change).expect("decide: the change exists").clone();
        due::cancel(state, closes_at, Kind::EnactChange, EnactChange::object(change));
        if status == ChangeStatus::Proposed && mode != Mode::Delegated {
            due::cancel(state, opens_at, Kind::OpenChange, propose_change::object(change));
        }
        delegation::give_back(change, content, state);
        content.fall(state);
        state.update::<Change>(change, |record| record.status = ChangeStatus::Withdrawn);
    }

    fn subjects(&self) -> Vec<RecordRef> {
        propose_change::story(&self.change, &self.proposer, &self.content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::Payload,
        application::fixture::reviewed,
        call::call::{Call, CallStatus},
        due::DueItem,
        fixture::{self, IntoPayload, id},
        governance::propose_change::tests::{awards, change_of, parameter, proposal},
        registry::{organisation::Organisation, role::Role},
    };

    impl IntoPayload for WithdrawChange {
        fn into_payload(self) -> Payload {
            Payload::WithdrawChange(self)
        }
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let mut network = fixture::network();
        let change = change_of(&network.run("region", parameter(&network)).unwrap());
        let asked = |change| WithdrawChange { change };
        let edited = |edit: &dyn Fn(&mut Overlay<'_>)| {
            let mut other = network.clone();
            other.edit(edit);
            other
        };
        let mut suspended = network.clone();
        suspended.suspend("region");
        let reached = [
            suspended.refusal("region", asked(change)),
            edited(&|state| {
                state.update::<Organisation>(&id("region"), |region| region.offices[0].roles = vec![Role::Reviewer]);
            })
            .refusal("region", asked(change)),
            network.refusal("bank", asked(change)),
            network.refusal("region", asked(ChangeId::ZERO)),
            edited(&|state| state.update::<Change>(&change, |record| record.status = ChangeStatus::Lost))
                .refusal("region", asked(change)),
            edited(&|state| state.update::<Change>(&change, |record| record.closes_at = BlockTime(2)))
                .refusal("region", asked(change)),
        ];
        fixture::assert_all_reached(Kind::WithdrawChange, &reached);
    }

    #[test]
    fn a_withdrawn_award_closes_its_call_again_and_leaves_nothing_due() {
        for opened in [false, true] {
            let (mut network, call, first) = reviewed();
            let before = network.state.count::<DueItem>();
            let proposal = proposal(&network, Content::AwardGrants(awards(call, &[(first, 800_000)])));
            let opens_at = proposal.opens_at;
            let change = change_of(&network.run("foundation", proposal).unwrap());
            if opened {
                network.advance_to(opens_at);
            }
            let asked = WithdrawChange { change };
            fixture::assert_round_trips(&asked.clone().into_payload());
            network.run("foundation", asked).unwrap();
            assert_eq!(network.state.get::<Change>(&change).unwrap().status, ChangeStatus::Withdrawn);
            assert_eq!(network.state.get::<Call>(&call).unwrap().status, CallStatus::Closed);
            assert_eq!(network.state.count::<DueItem>(), before);
        }
    }
}
