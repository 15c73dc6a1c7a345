//! `pledge_batch`: a collector that the campaign accredits pledges for its donors.
//!
//! - Allowed: an active organisation that the campaign names as collector, by an office that may use the role funder.
//! - Effect: one pledge of the sum, with one reference: the collector sends the money in one transfer, and gets it back in full where the campaign
//!   fails. Donors are salted commitments that the collector keeps; the ledger never sees who they are.
//! - Source: rulebook §8 and §12, 0903.

use super::{
    campaign::Campaign,
    pledge::{enter, subjects},
    pledge_record::PledgeRecord,
};
use crate::{
    action::{Action, BASE_COST, Effect, Place},
    history::RecordRef,
    refusal::{refusals, signer_refusals},
    registry::role::{Role, Scope},
    signer::Context,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

/// Donors of a batch, at most.
const DONORS: usize = 1_000;

message! {
    /// A donor of a collector.
    pub struct Donor = Donor {
        /// Salted commitment: never a name.
        pub commitment: Commitment,
        /// Minor units.
        pub amount: u64,
    }

    /// The payload.
    pub struct PledgeBatch = PledgeBatch {
        /// To which campaign.
        pub campaign: CampaignId,
        /// Each commitment once.
        pub donors: Vec<Donor>,
    }

    /// The event.
    pub struct BatchPledged = BatchPledged {
        /// The new pledge.
        pub id: PledgeId,
        /// As it stands in the state.
        pub pledge: PledgeRecord [required],
        /// For whom.
        pub donors: Vec<Donor>,
    }
}

refusals! {
    AmountBounds(u64): Amount 1 "{0} is outside 1 ..= 10^15 minor units", "an amount, or their sum, is 0 or above the bound";
    LimitDonors(usize): Limit 1 "{0} donors: 1 to 1,000, each once", "there is no donor, too many, or one twice";
    signer;
    UnknownCampaign(CampaignId): Unknown 1 "campaign {0} does not exist", "the campaign does not exist";
    RoleCollector(OrganisationId): Role 2 "organisation {0} is no collector of the campaign", "the campaign does not name the signer as collector";
    WindowClosed(BlockTime, BlockTime): Window 1 "the campaign is open from {0} and before {1}", "the campaign is not open";
    AmountLeast(u64, Amount): Amount 2 "{0} minor units are less than the least pledge of {1}", "a donor's amount is below the campaign's least pledge";
}
signer_refusals!(Refused);

impl PledgeBatch {
    fn sum(&self) -> u64 {
        self.donors.iter().fold(0, |sum, donor| sum.saturating_add(donor.amount))
    }
}

impl Action for PledgeBatch {
    type Event = BatchPledged;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        let distinct: BTreeSet<&Commitment> = self.donors.iter().map(|donor| &donor.commitment).collect();
        let amounts = self.donors.iter().map(|donor| donor.amount).chain([self.sum()]);
        if let Some(wrong) = amounts.into_iter().find(|amount| !(1..=Amount::MAX_MINOR).contains(amount))
            && !self.donors.is_empty()
        {
            return Err(Refused::AmountBounds(wrong));
        }
        if distinct.is_empty() || distinct.len() != self.donors.len() || distinct.len() > DONORS {
            return Err(Refused::LimitDonors(self.donors.len()));
        }
        Ok(())
    }

    fn cost(&self) -> u64 {
        BASE_COST + self.donors.len() as u64
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<BatchPledged, Refused> {
        let Self { campaign, donors } = self.clone();

        cx.authorise(state, Role::Funder, Scope::Network)?;
        let record = state.get::<Campaign>(&campaign).ok_or(Refused::UnknownCampaign(campaign))?;
        if !record.collectors.contains(&cx.organisation) {
            return Err(Refused::RoleCollector(cx.organisation));
        }
        if !record.is_open(cx.place.time) {
            return Err(Refused::WindowClosed(record.opens_at, record.closes_at));
        }
        if let Some(small) = donors.iter().find(|donor| donor.amount < record.min_pledge.minor) {
            return Err(Refused::AmountLeast(small.amount, record.min_pledge));
        }
        let amount = Amount::new(self.sum(), record.goal.currency);
        let id = PledgeId::new(object_id("pledge", &cx.place.transaction));
        let pledge = PledgeRecord::made(campaign, record.fund, cx.organisation, donors.len() as u32, amount);
        Ok(BatchPledged { id, pledge, donors })
    }
}

impl Effect for BatchPledged {
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
        action::{Event, Kind, Payload},
        application::fixture::{Trial, assert_precedence},
        campaign::fixture::{batch, opened, pay, record},
        fixture::{DAY, assert_round_trips},
    };

    #[test]
    fn refuses_in_order_of_precedence() {
        let (mut network, campaign) = opened();
        network.edit(|state| state.update::<Campaign>(&campaign, |campaign| campaign.opens_at.0 += DAY));
        let mut act = batch(CampaignId::ZERO, &[0, 9]);
        act.donors[1].commitment = act.donors[0].commitment;
        assert_precedence(
            Kind::PledgeBatch,
            Trial::faulty(network, "region", act),
            Payload::PledgeBatch,
            &[
                ("AmountBounds", |t| t.act.donors[0].amount = 10),
                ("LimitDonors", |t| t.act.donors = batch(CampaignId::ZERO, &[10, 9]).donors),
                ("Suspended", |t| t.reinstate()),
                ("RoleMissing", |t| t.sign()),
                ("UnknownCampaign", |t| {
                    t.act.campaign = *t.network.state.all::<Campaign>().next().expect("one campaign").0;
                }),
                ("RoleCollector", |t| t.sign_as("lab")),
                ("WindowClosed", |t| {
                    t.network.advance(DAY);
                }),
                ("AmountLeast", |t| t.act.donors[1].amount = 10),
            ],
        );
        let (network, campaign) = opened();
        assert_eq!(network.refusal("lab", batch(campaign, &[])), "LimitDonors");
        assert_eq!(network.refusal("lab", batch(campaign, &[10; 1_001])), "LimitDonors");
        assert_eq!(network.refusal("lab", batch(campaign, &[Amount::MAX_MINOR, 10])), "AmountBounds");
    }

    #[test]
    fn a_batch_is_one_pledge_of_the_sum() {
        let (mut network, campaign) = opened();
        let asked = batch(campaign, &[100, 20, 30]);
        assert_round_trips(&Payload::PledgeBatch(asked.clone()));
        let Ok(Event::PledgeBatch(event)) = network.run("lab", asked) else { panic!("pledged") };
        assert_eq!((event.pledge.amount, event.pledge.donors), (Amount::eur(150), 3));
        pay(&mut network, "batch", event.id, 150);
        assert_eq!(record(&network, event.id).funded, 150);
    }
}
