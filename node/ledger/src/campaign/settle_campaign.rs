//! `settle_campaign`*: a campaign has closed. The executor makes it at the start of the first block at or after `closes_at`, so that money attested in
//! that block is late.
//!
//! - Effect: money of funded pledges ≥ goal: it goes from escrow to what is reserved for a grant of the project. Less: every pledge is owed back in
//!   full. Pledges without money count 0. Done in slices of 250 pledges in the order in which their money came in; the grant comes with the last.
//! - Source: rulebook §3 (table A) and §8, 0905.

use super::{
    campaign::{Campaign, CampaignStatus},
    pledge_record::{FundedPledge, PledgeRecord, PledgeStatus},
};
use crate::{
    accounts::{Movement, PostingError, Postings},
    action::{BASE_COST, Duty, Effect, Kind, Place},
    bank::owed::{OwedRefund, RefundCause},
    due,
    grant::{FundedGrant, funded::Funded},
    history::{RecordRef, distinct},
    refusal::refusals,
    registry::{fund::Fund, organisation::Organisation, project::Project},
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

/// Pledges of a slice.
const SLICE: u64 = 250;

/// The duty; its object is the campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettleCampaign;

impl SettleCampaign {
    /// The object of this duty.
    pub fn object(campaign: &CampaignId) -> Hash {
        *campaign.hash()
    }
}

message! {
    /// What becomes of a pledge's money.
    pub struct SettledPledge = SettledPledge {
        /// Which.
        pub pledge: PledgeId,
        /// Whose it was.
        pub pledger: OrganisationId,
        /// Minor units.
        pub amount: u64,
        /// What is owed back; `None` where the project gets it.
        pub refund: Option<OwedRefund>,
    }

    /// The event.
    pub struct CampaignSettled = CampaignSettled {
        /// The campaign.
        pub campaign: CampaignId,
        /// The fund that holds the money.
        pub fund: FundCode,
        /// The project.
        pub project: ProjectId,
        /// Its holder.
        pub lead: OrganisationId,
        /// Reached or failed.
        pub outcome: CampaignStatus,
        /// What had to come in, in minor units.
        pub goal: u64,
        /// What came in, in minor units.
        pub funded: u64,
        /// This slice, in the order in which the money came in.
        pub pledges: Vec<SettledPledge>,
        /// Place from which the next slice goes on; `None` after the last.
        pub next: Option<u64>,
        /// With the last slice of a campaign that reached its goal.
        pub grant: Option<FundedGrant>,
        /// From escrow to the grant, or to what is owed back.
        pub postings: Postings,
    }
}

refusals! {
    UnknownCampaign(Hash): Unknown 1 "campaign {0} does not exist", "the campaign does not exist";
    Insufficient(PostingError): Insufficient 1 "{0}", "an escrow does not hold its pledge's money";
    Overflow(PostingError): Overflow 1 "{0}", "a sum leaves its range";
}

/// The grant's id is the campaign's, so that all slices name the same account.
fn grant_of(campaign: &CampaignId) -> GrantId {
    GrantId::new(hash("campaign-grant", &[campaign.as_bytes()]))
}

/// The funded pledges of a slice, and where the next one goes on.
fn slice(id: &CampaignId, campaign: &Campaign, state: &Overlay<'_>) -> (Vec<(PledgeId, PledgeRecord)>, Option<u64>) {
    let mut found = Vec::new();
    let mut from = campaign.cursor;
    while (found.len() as u64) < SLICE {
        let Some(((_, position), FundedPledge { pledge })) = state.first::<FundedPledge>((*id, from)..=(*id, u64::MAX))
        else {
            return (found, None);
        };
        if let Some(record) = state.get::<PledgeRecord>(pledge) {
            found.push((*pledge, record.clone()));
        }
        from = position + 1;
    }
    (found, Some(from).filter(|from| *from < campaign.positions))
}

impl Duty for SettleCampaign {
    type Event = CampaignSettled;
    type Refused = Refused;

    fn decide(object: &Hash, place: &Place, state: &Overlay<'_>) -> Result<CampaignSettled, Refused> {
        let id = CampaignId::new(*object);
        let record = state.get::<Campaign>(&id).ok_or(Refused::UnknownCampaign(*object))?;
        let reached = record.funded >= record.goal.minor;
        let outcome = if reached { CampaignStatus::Reached } else { CampaignStatus::Failed };
        let (slice, next) = slice(&id, record, state);

        let grant = grant_of(&id);
        let mut movement = Movement::in_fund(record.fund);
        let mut pledges = Vec::with_capacity(slice.len());
        for (pledge, money) in slice {
            let refund = if reached { None } else { money.refund(&pledge, RefundCause::Failed) };
            let to = refund.as_ref().map_or(FundedGrant::account(record.fund, grant), OwedRefund::owed);
            movement.transfer(money.escrow(&pledge), to, money.funded);
            pledges.push(SettledPledge { pledge, pledger: money.pledger, amount: money.funded, refund });
        }
        let postings = movement.check(state).map_err(|error| match error {
            PostingError::Insufficient { .. } => Refused::Insufficient(error),
            PostingError::Overflow(_) => Refused::Overflow(error),
        })?;
        let Campaign { fund, envelope, project, lead, goal, funded, tranches, .. } = record;
        let whose = Funded { project: *project, lead: *lead, fund: *fund, envelope: *envelope };
        let awarded = Amount::new(*funded, goal.currency);
        let grant =
            (reached && next.is_none()).then(|| FundedGrant::new(grant, whose, awarded, tranches, place, state));
        Ok(CampaignSettled {
            campaign: id,
            fund: *fund,
            project: *project,
            lead: *lead,
            outcome,
            goal: goal.minor,
            funded: *funded,
            pledges,
            next,
            grant,
            postings,
        })
    }

    /// Base and 4 for each pledge of the slice.
    fn cost(object: &Hash, state: &Overlay<'_>) -> u64 {
        let left = state.get::<Campaign>(&CampaignId::new(*object)).map_or(0, |it| it.positions - it.cursor);
        BASE_COST + 4 * left.min(SLICE)
    }
}

impl Effect for CampaignSettled {
    fn apply(&self, place: &Place, state: &mut Overlay<'_>) {
        let Self { campaign, outcome, pledges, next, grant, .. } = self;
        let mut record = state.get::<Campaign>(campaign).expect("decide: the campaign exists").clone();
        for SettledPledge { pledge, pledger: _, amount: _, refund } in pledges {
            let status = if refund.is_some() { PledgeStatus::Refunded } else { PledgeStatus::Granted };
            state.update::<PledgeRecord>(pledge, |record| record.status = status);
            if let Some(owed) = refund {
                owed.apply(state);
            }
        }
        if let Some(grant) = grant {
            grant.apply(&record.tranches, state);
        }
        record.status = *outcome;
        record.cursor = next.unwrap_or(record.positions);
        state.put::<Campaign>(*campaign, record);
        if next.is_some() {
            due::schedule(state, place.time, Kind::SettleCampaign, SettleCampaign::object(campaign));
        }
    }

    /// The campaign, its fund and project, every pledge of the slice and whose it was, so more than 8.
    fn subjects(&self) -> Vec<RecordRef> {
        let mut subjects = vec![
            RecordRef::of::<Campaign>(&self.campaign),
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<Project>(&self.project),
            RecordRef::of::<Organisation>(&self.lead),
        ];
        for SettledPledge { pledge, pledger, amount: _, refund } in &self.pledges {
            subjects.extend([RecordRef::of::<PledgeRecord>(pledge), RecordRef::of::<Organisation>(pledger)]);
            subjects.extend(refund.iter().flat_map(OwedRefund::subjects));
        }
        subjects.extend(self.grant.iter().flat_map(FundedGrant::subjects));
        distinct(subjects)
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
        action::Event,
        campaign::fixture::{OPEN_DAYS, batch, campaign, opened, pay, pledge, record},
        fixture::{DAY, Network, assert_all_reached, fund},
        grant::grant::{Grant, GrantStatus},
        receipt::Receipt,
        refusal::Reject,
    };

    fn settled(receipts: &[Receipt]) -> Vec<CampaignSettled> {
        let events = receipts.iter().filter_map(Receipt::event);
        let settled = events.filter_map(|event| match event {
            Event::SettleCampaign(event) => Some(event.clone()),
            _ => None,
        });
        settled.collect()
    }

    /// Two pledges, one of a collector, with so much money together; then the close.
    fn closed_with(minor: u64) -> (Network, CampaignId, [PledgeId; 2], CampaignSettled) {
        let (mut network, id) = opened();
        let own = pledge(&mut network, id, "region", 600);
        let Ok(Event::PledgeBatch(made)) = network.run("lab", batch(id, &[300, 500])) else { panic!("pledged") };
        let unpaid = pledge(&mut network, id, "university", 1_000);
        pay(&mut network, "own", own, 600);
        pay(&mut network, "batch", made.id, minor - 600);
        let settled = settled(&network.advance(OPEN_DAYS * DAY));
        network.assert_sound();
        assert_eq!(record(&network, unpaid).status, PledgeStatus::Open, "it counts nothing and is owed nothing");
        let [event] = settled.as_slice() else { panic!("{settled:?}") };
        (network, id, [own, made.id], event.clone())
    }

    #[test]
    fn exactly_the_goal_is_reached_and_becomes_a_grant_of_the_project() {
        let (network, id, pledges, event) = closed_with(1_000);
        assert_eq!((event.outcome, event.funded, event.next), (CampaignStatus::Reached, 1_000, None));
        let offered = event.grant.unwrap();
        let grant = network.state.get::<Grant>(&offered.grant).unwrap();
        assert_eq!((grant.awarded, grant.status), (Amount::eur(1_000), GrantStatus::Offered));
        assert_eq!(grant.tranches.iter().map(|tranche| tranche.amount).collect::<Vec<_>>(), [300, 700]);
        assert_eq!(network.balance(&grant.encumbered(&offered.grant)), -1_000);
        assert_eq!(pledges.map(|pledge| record(&network, pledge).status), [PledgeStatus::Granted; 2]);
        assert_eq!(campaign(&network, id).status, CampaignStatus::Reached);
    }

    #[test]
    fn the_goal_less_one_cent_fails_and_every_pledge_is_owed_back_in_full() {
        let (network, id, pledges, event) = closed_with(999);
        assert_eq!((event.outcome, event.grant), (CampaignStatus::Failed, None));
        let owed: Vec<(u64, Balance)> = event
            .pledges
            .iter()
            .map(|settled| settled.refund.as_ref().unwrap())
            .map(|owed| (owed.refund.amount, network.balance(&owed.owed())))
            .collect();
        assert_eq!(owed, [(600, -600), (399, -399)]);
        assert_eq!(pledges.map(|pledge| record(&network, pledge).status), [PledgeStatus::Refunded; 2]);
        assert_eq!(campaign(&network, id).status, CampaignStatus::Failed);
        assert_eq!(network.state.count::<Grant>(), 0);
    }

    #[test]
    fn more_than_the_goal_is_split_like_the_plan() {
        let (network, _, _, event) = closed_with(1_400);
        let offered = event.grant.unwrap();
        let amounts: Vec<u64> = offered.tranches.iter().map(|tranche| tranche.amount).collect();
        assert_eq!(amounts, [420, 980]);
        assert!(network.state.get::<Grant>(&offered.grant).is_some());
    }

    #[test]
    fn many_pledges_are_settled_in_slices_and_the_grant_comes_with_the_last() {
        let (mut network, id) = opened();
        let template = pledge(&mut network, id, "region", 10);
        network.edit(|state| {
            let pledge = state.get::<PledgeRecord>(&template).unwrap().clone();
            for position in 0..600u64 {
                let made = PledgeId::new(hash("test-pledge", &[&position.to_be_bytes()]));
                let account = Some(crate::fixture::account());
                let paid = PledgeRecord { funded: 2, position: Some(position), account, ..pledge.clone() };
                state.put(paid.escrow(&made), AccountBalance { fund: fund(), balance: -2 });
                state.put::<PledgeRecord>(made, paid);
                state.put::<FundedPledge>((id, position), FundedPledge { pledge: made });
            }
            state.update::<Campaign>(&id, |campaign| (campaign.funded, campaign.positions) = (1_200, 600));
        });
        let events = settled(&network.advance(OPEN_DAYS * DAY));
        let slices: Vec<(usize, Option<u64>)> = events.iter().map(|event| (event.pledges.len(), event.next)).collect();
        assert_eq!(slices, [(250, Some(250)), (250, Some(500)), (100, None)]);
        let grants: Vec<bool> = events.iter().map(|event| event.grant.is_some()).collect();
        assert_eq!(grants, [false, false, true]);
        let grant = grant_of(&id);
        assert_eq!(network.balance(&FundedGrant::account(fund(), grant)), -1_200);
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let (mut network, id) = opened();
        let made = pledge(&mut network, id, "region", 400);
        pay(&mut network, "a", made, 400);
        let refused = |network: &Network, object: &Hash| {
            let place = Place { height: Height(9), time: network.now(), receipt: 0, transaction: TransactionId::ZERO };
            SettleCampaign::decide(object, &place, &network.state.overlay()).unwrap_err().doc().variant
        };
        let stands = |account, balance| {
            let mut other = network.clone();
            other.edit(|state| state.put(account, AccountBalance { fund: fund(), balance }));
            other
        };
        let pledged = record(&network, made);
        let owed = pledged.refund(&made, RefundCause::Failed).unwrap().owed();
        let reached = [
            refused(&network, &Hash::ZERO),
            refused(&stands(pledged.escrow(&made), -399), id.hash()),
            refused(&stands(owed, i128::MIN), id.hash()),
        ];
        assert_all_reached(Kind::SettleCampaign, &reached);
    }
}
