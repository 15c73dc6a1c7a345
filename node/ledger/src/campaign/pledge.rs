//! `pledge`: an organisation pledges money to a campaign.
//!
//! - Allowed: any active organisation, by an office that may use the role funder.
//! - Effect: the pledge stands and has a reference (G and 26 characters) for the payer to write; no money moves. It counts when its money comes in
//!   before the close.
//! - Source: rulebook §8, 0902.

use super::{campaign::Campaign, pledge_record::PledgeRecord};
use crate::{
    action::{Action, Effect, Place},
    history::RecordRef,
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
    pub struct Pledge = Pledge {
        /// To which campaign.
        pub campaign: CampaignId,
        /// How much, in its currency.
        pub amount: Amount [required],
    }

    /// The event.
    pub struct Pledged = Pledged {
        /// The new pledge.
        pub id: PledgeId,
        /// As it stands in the state.
        pub pledge: PledgeRecord [required],
    }
}

refusals! {
    AmountBounds(Amount): Amount 1 "{0} is outside 1 ..= 10^15 minor units", "the amount is 0 or above the bound";
    signer;
    UnknownCampaign(CampaignId): Unknown 1 "campaign {0} does not exist", "the campaign does not exist";
    WindowClosed(BlockTime, BlockTime): Window 1 "the campaign is open from {0} and before {1}", "the campaign is not open";
    CurrencyOther(Currency, Currency): Currency 1 "{0} is not the campaign's currency {1}", "the amount is in another currency than the campaign";
    AmountLeast(Amount, Amount): Amount 2 "{0} is less than the least pledge of {1}", "the amount is below the campaign's least pledge";
}
signer_refusals!(Refused);

impl Action for Pledge {
    type Event = Pledged;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        if self.amount.is_valid_positive() { Ok(()) } else { Err(Refused::AmountBounds(self.amount)) }
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<Pledged, Refused> {
        let Self { campaign, amount } = self.clone();

        cx.authorise(state, Role::Funder, Scope::Network)?;
        let record = state.get::<Campaign>(&campaign).ok_or(Refused::UnknownCampaign(campaign))?;
        if !record.is_open(cx.place.time) {
            return Err(Refused::WindowClosed(record.opens_at, record.closes_at));
        }
        if amount.currency != record.goal.currency {
            return Err(Refused::CurrencyOther(amount.currency, record.goal.currency));
        }
        if amount.minor < record.min_pledge.minor {
            return Err(Refused::AmountLeast(amount, record.min_pledge));
        }
        let id = PledgeId::new(object_id("pledge", &cx.place.transaction));
        Ok(Pledged { id, pledge: PledgeRecord::made(campaign, record.fund, cx.organisation, 0, amount) })
    }
}

/// Writes a new pledge.
pub(super) fn enter(id: PledgeId, pledge: &PledgeRecord, state: &mut Overlay<'_>) {
    state.update::<Campaign>(&pledge.campaign, |campaign| campaign.pledges = campaign.pledges.saturating_add(1));
    state.put::<PledgeRecord>(id, pledge.clone());
}

/// The pledge, its campaign and who pledged.
pub(super) fn subjects(id: &PledgeId, pledge: &PledgeRecord) -> Vec<RecordRef> {
    vec![
        RecordRef::of::<PledgeRecord>(id),
        RecordRef::of::<Campaign>(&pledge.campaign),
        RecordRef::of::<Organisation>(&pledge.pledger),
    ]
}

impl Effect for Pledged {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        enter(self.id, &self.pledge, state);
    }

    fn subjects(&self) -> Vec<RecordRef> {
        subjects(&self.id, &self.pledge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Kind, Payload},
        application::fixture::{Trial, assert_precedence},
        campaign::fixture::{opened, pay, pledge, record},
        fixture::{DAY, assert_round_trips},
    };

    #[test]
    fn refuses_in_order_of_precedence() {
        let (mut network, campaign) = opened();
        network.edit(|state| state.update::<Campaign>(&campaign, |campaign| campaign.opens_at.0 += DAY));
        let dollars = Amount::new(0, Currency::new("USD").unwrap());
        let trial = Trial::faulty(network, "region", Pledge { campaign: CampaignId::ZERO, amount: dollars });
        assert_precedence(
            Kind::Pledge,
            trial,
            Payload::Pledge,
            &[
                ("AmountBounds", |t| t.act.amount.minor = 9),
                ("Suspended", |t| t.reinstate()),
                ("RoleMissing", |t| t.sign()),
                ("UnknownCampaign", |t| {
                    t.act.campaign = *t.network.state.all::<Campaign>().next().expect("one campaign").0;
                }),
                ("WindowClosed", |t| {
                    t.network.advance(DAY);
                }),
                ("CurrencyOther", |t| t.act.amount.currency = Currency::EUR),
                ("AmountLeast", |t| t.act.amount.minor = 10),
            ],
        );
    }

    #[test]
    fn a_pledge_counts_when_its_money_comes_in_and_more_than_was_pledged_stays_in_suspense() {
        let (mut network, id) = opened();
        assert_round_trips(&Payload::Pledge(Pledge { campaign: id, amount: Amount::eur(10) }));
        let made = pledge(&mut network, id, "region", 400);
        assert_eq!(crate::campaign::fixture::campaign(&network, id).funded, 0);
        pay(&mut network, "a", made, 100);
        pay(&mut network, "b", made, 350);
        let paid = record(&network, made);
        assert_eq!((paid.funded, paid.returned, paid.position), (400, 0, Some(0)));
        assert_eq!(network.balance(&paid.escrow(&made)), -400);
        let campaign = crate::campaign::fixture::campaign(&network, id);
        assert_eq!((campaign.funded, campaign.positions, campaign.pledges), (400, 1, 1));
        let suspense = crate::accounts::Account::Suspense { account: crate::fixture::account() };
        assert_eq!(network.balance(&suspense), -50);
    }

    #[test]
    fn money_above_the_hard_cap_is_owed_back_in_the_order_of_arrival() {
        let (mut network, id) = opened();
        let first = pledge(&mut network, id, "region", 900);
        let second = pledge(&mut network, id, "university", 900);
        pay(&mut network, "second", second, 900);
        pay(&mut network, "first", first, 900);
        assert_eq!((record(&network, second).funded, record(&network, second).returned), (900, 0));
        assert_eq!((record(&network, first).funded, record(&network, first).returned), (600, 300));
        let refunds: Vec<_> = network.state.all::<crate::bank::owed::Owed>().map(|(_, it)| it.clone()).collect();
        let [refund] = refunds.as_slice() else { panic!("{refunds:?}") };
        assert_eq!((refund.amount, refund.to), (300, crate::fixture::id("region")));
        assert_eq!(refund.cause, crate::bank::owed::RefundCause::OverCap);
    }

    #[test]
    fn money_attested_in_the_block_of_the_close_is_late_and_owed_back() {
        let (mut network, id) = opened();
        let made = pledge(&mut network, id, "region", 1_000);
        let closes = crate::campaign::fixture::campaign(&network, id).closes_at;
        network.advance_to(BlockTime(closes.0 - 4));
        // A statement takes two blocks of a millisecond each: the second attestor makes it final.
        pay(&mut network, "before the close", made, 400);
        assert_eq!(record(&network, made).funded, 400);
        pay(&mut network, "in the block of the close", made, 600);
        assert_eq!((record(&network, made).funded, record(&network, made).returned), (400, 600));
        assert_eq!(network.now(), closes);
    }
}
