//! `withdraw_pledge`: a pledger takes its pledge back.
//!
//! - Allowed: the active organisation that pledged, by an office that may use the role funder, until `withdraw_hours` before the close.
//! - Effect: the pledge no longer counts; what had come in for it goes from escrow to what is owed back, in full.
//! - Source: rulebook §3 (table A) and §8, 0904.

use super::{
    campaign::Campaign,
    pledge_record::{FundedPledge, PledgeRecord, PledgeStatus},
};
use crate::{
    accounts::{Movement, PostingError, Postings},
    action::{Action, Effect, Place},
    bank::owed::{OwedRefund, RefundCause},
    history::RecordRef,
    parameters::Parameter,
    refusal::{refusals, signer_refusals},
    registry::{
        organisation::Organisation,
        role::{Role, Scope},
    },
    signer::Context,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// The payload.
    pub struct WithdrawPledge = WithdrawPledge {
        /// Which.
        pub pledge: PledgeId,
    }

    /// The event.
    pub struct PledgeWithdrawn = PledgeWithdrawn {
        /// Which.
        pub pledge: PledgeId,
        /// Its campaign.
        pub campaign: CampaignId,
        /// Whose it was.
        pub pledger: OrganisationId,
        /// The fund that holds the money.
        pub fund: FundCode,
        /// What is owed back; `None` when nothing had come in.
        pub refund: Option<OwedRefund>,
        /// From escrow to what is owed back.
        pub postings: Postings,
    }
}

refusals! {
    signer;
    UnknownPledge(PledgeId): Unknown 1 "pledge {0} does not exist", "the pledge does not exist";
    RolePledger(OrganisationId): Role 2 "organisation {0} did not make the pledge", "the pledge is another organisation's";
    StatePledge(PledgeStatus): State 1 "the pledge is {0}", "the pledge does not stand";
    WindowLate(BlockTime): Window 1 "a pledge can be withdrawn before {0}", "the close is too near, or passed";
    Insufficient(PostingError): Insufficient 1 "{0}", "the escrow does not hold the pledge's money";
    Overflow(PostingError): Overflow 1 "{0}", "a sum leaves its range";
}
signer_refusals!(Refused);

impl Action for WithdrawPledge {
    type Event = PledgeWithdrawn;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<PledgeWithdrawn, Refused> {
        let Self { pledge } = *self;

        cx.authorise(state, Role::Funder, Scope::Network)?;
        let record = state.get::<PledgeRecord>(&pledge).ok_or(Refused::UnknownPledge(pledge))?;
        if record.pledger != cx.organisation {
            return Err(Refused::RolePledger(cx.organisation));
        }
        if record.status != PledgeStatus::Open {
            return Err(Refused::StatePledge(record.status));
        }
        let hours = state.parameter(Parameter::WithdrawHours);
        let before =
            state.get::<Campaign>(&record.campaign).map_or(BlockTime(0), |campaign| campaign.withdraw_before(hours));
        if cx.place.time >= before {
            return Err(Refused::WindowLate(before));
        }
        let refund = record.refund(&pledge, RefundCause::Withdrawn);
        let mut movement = Movement::in_fund(record.fund);
        if let Some(owed) = &refund {
            movement.transfer(record.escrow(&pledge), owed.owed(), owed.refund.amount);
        }
        let postings = movement.check(state).map_err(|error| match error {
            PostingError::Insufficient { .. } => Refused::Insufficient(error),
            PostingError::Overflow(_) => Refused::Overflow(error),
        })?;
        let PledgeRecord { campaign, pledger, fund, .. } = *record;
        Ok(PledgeWithdrawn { pledge, campaign, pledger, fund, refund, postings })
    }
}

impl Effect for PledgeWithdrawn {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let Self { pledge, campaign, pledger: _, fund: _, refund, postings: _ } = self;
        let mut record = state.get::<PledgeRecord>(pledge).expect("decide: the pledge exists").clone();
        state.update::<Campaign>(campaign, |campaign| campaign.funded -= record.funded);
        if let Some(position) = record.position {
            state.remove::<FundedPledge>(&(*campaign, position));
        }
        record.status = PledgeStatus::Withdrawn;
        state.put::<PledgeRecord>(*pledge, record);
        if let Some(owed) = refund {
            owed.apply(state);
        }
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let mut subjects = vec![RecordRef::of::<PledgeRecord>(&self.pledge), RecordRef::of::<Campaign>(&self.campaign)];
        match &self.refund {
            Some(owed) => subjects.extend(owed.subjects()),
            None => subjects.push(RecordRef::of::<Organisation>(&self.pledger)),
        }
        subjects
    }

    fn postings(&self) -> Option<&Postings> {
        Some(&self.postings).filter(|postings| !postings.legs().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accounts::AccountBalance,
        action::{Event, Kind, Payload},
        campaign::fixture::{campaign, opened, pay, pledge, record},
        fixture::{IntoPayload, assert_all_reached, assert_round_trips, fund},
    };

    impl IntoPayload for WithdrawPledge {
        fn into_payload(self) -> Payload {
            Payload::WithdrawPledge(self)
        }
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let (mut network, id) = opened();
        let [made, gone] = [400, 500].map(|minor| pledge(&mut network, id, "region", minor));
        pay(&mut network, "a", made, 400);
        network.run("region", WithdrawPledge { pledge: gone }).unwrap();
        let ask = |pledge| WithdrawPledge { pledge };
        let mut suspended = network.clone();
        suspended.suspend("region");
        let unsigned = network.decide_as(crate::fixture::id("region"), &[], ask(PledgeId::ZERO).into_payload());
        let mut late = network.clone();
        late.advance_to(BlockTime(campaign(&late, id).closes_at.0 - 48 * 3_600_000 - 1));
        let stands = |balance| {
            let mut other = network.clone();
            let refund = record(&other, made).refund(&made, RefundCause::Withdrawn).unwrap();
            other.edit(|state| state.put(refund.owed(), AccountBalance { fund: fund(), balance }));
            other
        };
        let mut empty = network.clone();
        let escrow = record(&empty, made).escrow(&made);
        empty.edit(|state| state.put(escrow, AccountBalance { fund: fund(), balance: -399 }));
        let reached = [
            suspended.refusal("region", ask(PledgeId::ZERO)),
            crate::fixture::variant(unsigned),
            network.refusal("region", ask(PledgeId::ZERO)),
            network.refusal("bank", ask(gone)),
            late.refusal("region", ask(gone)),
            late.refusal("region", ask(made)),
            empty.refusal("region", ask(made)),
            stands(i128::MIN).refusal("region", ask(made)),
        ];
        assert_all_reached(Kind::WithdrawPledge, &reached);
        let mut in_time = network.clone();
        in_time.advance_to(BlockTime(campaign(&in_time, id).closes_at.0 - 48 * 3_600_000 - 2));
        assert!(in_time.decide("region", ask(made).into_payload()).is_ok(), "until 48 hours before the close");
    }

    #[test]
    fn a_withdrawn_pledge_is_owed_back_in_full_and_no_longer_counts() {
        let (mut network, id) = opened();
        let made = pledge(&mut network, id, "region", 400);
        pay(&mut network, "a", made, 399);
        assert_round_trips(&WithdrawPledge { pledge: made }.into_payload());
        let Ok(Event::WithdrawPledge(event)) = network.run("region", WithdrawPledge { pledge: made }) else { panic!() };
        let owed = event.refund.unwrap();
        assert_eq!((owed.refund.amount, owed.refund.cause), (399, RefundCause::Withdrawn));
        assert_eq!(network.balance(&owed.owed()), -399);
        assert_eq!(campaign(&network, id).funded, 0);
        network.assert_sound();
        // What comes later is late.
        pay(&mut network, "b", made, 1);
        assert_eq!((record(&network, made).funded, record(&network, made).returned), (399, 1));
    }
}
