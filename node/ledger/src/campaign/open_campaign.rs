//! `open_campaign`: a programme manager opens a campaign for a project, all or nothing.
//!
//! - Allowed: an active organisation with the role programme manager over the fund, not of the group that holds the project.
//! - Effect: a draft until `opens_at` (judged by time), then open; its settlement is planned as due work. It names who may pledge for others.
//! - Source: rulebook §8, 0901.

use super::{
    campaign::{Campaign, CampaignStatus},
    settle_campaign::SettleCampaign,
};
use crate::{
    action::{Action, BASE_COST, Effect, Kind, Place},
    application::application::PlannedTranche,
    due,
    grant::funded::is_plan,
    history::RecordRef,
    refusal::{refusals, signer_refusals},
    registry::{
        close_fund::is_closed,
        fund::{Envelope, Fund},
        organisation::Organisation,
        project::Project,
        role::{Role, Scope},
    },
    signer::{Context, same_group},
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

/// Collectors, at most.
const COLLECTORS: usize = 64;
/// A window is at most 90 days.
const WINDOW_MS: u64 = 90 * 86_400_000;

message! {
    /// The payload.
    pub struct OpenCampaign = OpenCampaign {
        /// The fund that holds the money.
        pub fund: FundCode,
        /// The envelope that a rest of the grant goes to.
        pub envelope: EnvelopeCode,
        /// The project that is funded.
        pub project: ProjectId,
        /// Title.
        pub title: Name,
        /// What must come in.
        pub goal: Amount [required],
        /// What may come in, at least the goal.
        pub hard_cap: Amount [required],
        /// Least pledge of a donor.
        pub min_pledge: Amount [required],
        /// Pledges and money from this time on.
        pub opens_at: BlockTime,
        /// And before this one.
        pub closes_at: BlockTime,
        /// They sum to the goal; the money that comes in is split like them.
        pub tranches: Vec<PlannedTranche>,
        /// Who may pledge for others.
        pub collectors: Vec<OrganisationId>,
        /// Hash of the campaign's document.
        pub document: Commitment,
    }

    /// The event.
    pub struct CampaignOpened = CampaignOpened {
        /// The new campaign.
        pub id: CampaignId,
        /// As it stands in the state.
        pub campaign: Campaign [required],
    }
}

refusals! {
    AmountBounds(Amount): Amount 1 "{0} is outside 1 ..= 10^15 minor units", "an amount is 0 or above the bound";
    AmountOrder(Amount, Amount, Amount): Amount 2 "least pledge {0}, goal {1}, hard cap {2} are not in order", "least pledge > goal > hard cap";
    CurrencyMixed(Currency, Currency): Currency 1 "{0} and {1} in one campaign", "goal, hard cap and least pledge are not in one currency";
    LimitTranches(usize): Limit 1 "{0} tranches that are no plan: 1 to 12 in the goal's currency, numbered from 1", "the tranches are no plan";
    LimitCollectors(usize): Limit 2 "{0} collectors: up to 64, each once", "too many collectors, or one twice";
    AmountTranches(u128, u64): Amount 3 "tranches sum to {0} minor units, the goal is {1}", "the tranches do not sum to the goal";
    PersonalDataTitle(Name): PersonalData 1 "the title {0:?} looks like personal data", "the title holds what looks like personal data";
    signer;
    UnknownFund(FundCode): Unknown 1 "fund {0} does not exist", "the fund does not exist";
    UnknownEnvelope(EnvelopeCode): Unknown 2 "envelope {0} does not exist in the fund", "the envelope does not exist in the fund";
    UnknownProject(ProjectId): Unknown 3 "project {0} does not exist", "the project does not exist";
    UnknownCollector(OrganisationId): Unknown 4 "collector {0} does not exist", "a collector is not registered";
    SegregationHolder(OrganisationId): Segregation 1 "organisation {0} of the same group holds the project", "the signer's group holds the project";
    SegregationCollector(OrganisationId): Segregation 2 "collector {0} is of the group that holds the project", "a collector is of the group that holds the project";
    StateFund(FundCode): State 1 "fund {0} is closed", "the fund is closed";
    WindowPast(BlockTime, BlockTime): Window 1 "opens at {0}, before the block's time {1}", "it opens in the past";
    WindowEmpty(BlockTime, BlockTime): Window 2 "closes at {1}, not after it opens at {0}", "it closes before it opens";
    WindowLong(u64): Window 3 "open for {0} ms, more than 90 days", "it is open for more than 90 days";
    CurrencyOther(Currency, Currency): Currency 2 "{0} is not the fund's currency {1}", "the amounts are in another currency than the fund";
}
signer_refusals!(Refused);

impl Action for OpenCampaign {
    type Event = CampaignOpened;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        let Self { goal, hard_cap, min_pledge, tranches, collectors, title, .. } = self;
        if let Some(wrong) = [*goal, *hard_cap, *min_pledge].into_iter().find(|amount| !amount.is_valid_positive()) {
            return Err(Refused::AmountBounds(wrong));
        }
        if min_pledge.minor > goal.minor || goal.minor > hard_cap.minor {
            return Err(Refused::AmountOrder(*min_pledge, *goal, *hard_cap));
        }
        if let Some(other) = [hard_cap, min_pledge].into_iter().find(|amount| amount.currency != goal.currency) {
            return Err(Refused::CurrencyMixed(goal.currency, other.currency));
        }
        if !is_plan(tranches, goal.currency) {
            return Err(Refused::LimitTranches(tranches.len()));
        }
        let distinct: BTreeSet<&OrganisationId> = collectors.iter().collect();
        if distinct.len() != collectors.len() || collectors.len() > COLLECTORS {
            return Err(Refused::LimitCollectors(collectors.len()));
        }
        let planned: u128 = tranches.iter().map(|tranche| u128::from(tranche.amount.minor)).sum();
        if planned != u128::from(goal.minor) {
            return Err(Refused::AmountTranches(planned, goal.minor));
        }
        if personal_data::scan(title).is_some() {
            return Err(Refused::PersonalDataTitle(title.clone()));
        }
        Ok(())
    }

    fn cost(&self) -> u64 {
        BASE_COST + (self.tranches.len() + self.collectors.len()) as u64
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<CampaignOpened, Refused> {
        cx.authorise(state, Role::ProgrammeManager, Scope::Fund(self.fund))?;
        let fund = state.get::<Fund>(&self.fund).ok_or(Refused::UnknownFund(self.fund))?;
        if !state.has::<Envelope>(&(self.fund, self.envelope)) {
            return Err(Refused::UnknownEnvelope(self.envelope));
        }
        let project = state.get::<Project>(&self.project).ok_or(Refused::UnknownProject(self.project))?;
        if let Some(unknown) = self.collectors.iter().find(|collector| !state.has::<Organisation>(collector)) {
            return Err(Refused::UnknownCollector(*unknown));
        }
        if same_group(state, &cx.organisation, &project.holder) {
            return Err(Refused::SegregationHolder(project.holder));
        }
        if let Some(own) = self.collectors.iter().find(|collector| same_group(state, collector, &project.holder)) {
            return Err(Refused::SegregationCollector(*own));
        }
        if is_closed(state, &self.fund) {
            return Err(Refused::StateFund(self.fund));
        }
        if self.opens_at < cx.place.time {
            return Err(Refused::WindowPast(self.opens_at, cx.place.time));
        }
        let open_for = self.closes_at.since(self.opens_at).filter(|length| *length > 0);
        let open_for = open_for.ok_or(Refused::WindowEmpty(self.opens_at, self.closes_at))?;
        if open_for > WINDOW_MS {
            return Err(Refused::WindowLong(open_for));
        }
        if self.goal.currency != fund.currency {
            return Err(Refused::CurrencyOther(self.goal.currency, fund.currency));
        }
        let id = CampaignId::new(object_id("campaign", &cx.place.transaction));
        Ok(CampaignOpened { id, campaign: self.campaign(project.holder, cx.organisation) })
    }
}

impl OpenCampaign {
    fn campaign(&self, lead: OrganisationId, manager: OrganisationId) -> Campaign {
        let Self {
            fund,
            envelope,
            project,
            title,
            goal,
            hard_cap,
            min_pledge,
            opens_at,
            closes_at,
            tranches,
            collectors,
            document,
        } = self.clone();
        Campaign {
            fund,
            envelope,
            project,
            lead,
            title,
            goal,
            hard_cap,
            min_pledge,
            opens_at,
            closes_at,
            tranches,
            collectors,
            document,
            manager,
            status: CampaignStatus::Open,
            funded: 0,
            positions: 0,
            pledges: 0,
            cursor: 0,
        }
    }
}

impl Effect for CampaignOpened {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let Self { id, campaign } = self;
        due::schedule(state, campaign.closes_at, Kind::SettleCampaign, SettleCampaign::object(id));
        state.put::<Campaign>(*id, campaign.clone());
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let Campaign { fund, project, lead, manager, .. } = &self.campaign;
        vec![
            RecordRef::of::<Campaign>(&self.id),
            RecordRef::of::<Fund>(fund),
            RecordRef::of::<Project>(project),
            RecordRef::of::<Organisation>(lead),
            RecordRef::of::<Organisation>(manager),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Event, Payload},
        application::fixture::{Trial, assert_precedence},
        campaign::fixture::{asked, campaign},
        fixture::{DAY, assert_round_trips, id, money, name},
    };

    #[test]
    fn refuses_in_order_of_precedence() {
        let mut network = money::network();
        let over = crate::registry::close_fund::ClosedFund { change: ChangeId::ZERO };
        network.edit(|state| state.put(crate::fixture::fund(), over));
        let good = asked(&mut network);
        let mut act = good.clone();
        act.goal = Amount::eur(0);
        act.min_pledge = Amount::eur(2_000);
        act.hard_cap = Amount::new(1_500, Currency::new("USD").unwrap());
        act.tranches.clear();
        act.collectors = vec![OrganisationId::ZERO; 2];
        act.title = name("0612345678");
        act.fund = FundCode::new("other").unwrap();
        act.envelope = EnvelopeCode::new("roads").unwrap();
        act.project = ProjectId::ZERO;
        act.opens_at = BlockTime(1);
        act.closes_at = BlockTime(1);
        let trial = Trial::faulty(network, "asso1_branch", act);
        let event = assert_precedence(
            Kind::OpenCampaign,
            trial,
            Payload::OpenCampaign,
            &[
                ("AmountBounds", |t| t.act.goal = Amount::eur(1_000)),
                ("AmountOrder", |t| t.act.min_pledge = Amount::eur(10)),
                ("CurrencyMixed", |t| {
                    let dollars = |minor| Amount::new(minor, Currency::new("USD").unwrap());
                    (t.act.goal, t.act.min_pledge) = (dollars(1_000), dollars(10));
                }),
                ("LimitTranches", |t| {
                    t.act.tranches = asked(&mut t.network).tranches;
                    let dollars = Currency::new("USD").unwrap();
                    t.act.tranches.iter_mut().for_each(|tranche| tranche.amount.currency = dollars);
                    t.act.tranches[1].amount.minor = 701;
                }),
                ("LimitCollectors", |t| t.act.collectors = vec![OrganisationId::ZERO]),
                ("AmountTranches", |t| t.act.tranches[1].amount.minor = 700),
                ("PersonalDataTitle", |t| t.act.title = name("Atlas (invented)")),
                ("Suspended", |t| t.reinstate()),
                ("RoleMissing", |t| {
                    let scope = Scope::Fund(FundCode::new("other").unwrap());
                    for scope in [scope, Scope::Fund(crate::fixture::fund())] {
                        let key = (id("asso1_branch"), Role::ProgrammeManager, scope);
                        t.network.edit(|state| state.put(key, crate::registry::role::RoleGrant { change: None }));
                    }
                    t.sign();
                }),
                ("UnknownFund", |t| t.act.fund = crate::fixture::fund()),
                ("UnknownEnvelope", |t| t.act.envelope = crate::fixture::envelope("commons")),
                ("UnknownProject", |t| t.act.project = asked(&mut t.network).project),
                ("UnknownCollector", |t| t.act.collectors = vec![id("asso1_branch")]),
                ("SegregationHolder", |t| t.sign_as("foundation")),
                ("SegregationCollector", |t| t.act.collectors = vec![id("lab")]),
                ("StateFund", |t| {
                    t.network.edit(|state| {
                        state.remove::<crate::registry::close_fund::ClosedFund>(&crate::fixture::fund());
                    });
                }),
                ("WindowPast", |t| {
                    t.act.opens_at = t.network.in_days(1);
                    t.act.closes_at = t.act.opens_at;
                }),
                ("WindowEmpty", |t| t.act.closes_at = BlockTime(t.act.opens_at.0 + 90 * DAY + 1)),
                ("WindowLong", |t| t.act.closes_at = BlockTime(t.act.opens_at.0 + 90 * DAY)),
                ("CurrencyOther", |t| {
                    let good = asked(&mut t.network);
                    (t.act.goal, t.act.min_pledge, t.act.hard_cap) = (good.goal, good.min_pledge, good.hard_cap);
                    t.act.tranches = good.tranches;
                }),
            ],
        );
        let Event::OpenCampaign(opened) = event else { panic!("opened") };
        assert_eq!(opened.campaign.lead, id("asso1"));
        assert_round_trips(&Payload::OpenCampaign(good));
    }

    #[test]
    fn a_campaign_is_open_inside_its_window_to_the_millisecond() {
        let (network, id) = crate::campaign::fixture::opened();
        let campaign = campaign(&network, id);
        let at = |time: u64| campaign.is_open(BlockTime(time));
        let (opens, closes) = (campaign.opens_at.0, campaign.closes_at.0);
        assert_eq!([at(opens - 1), at(opens), at(closes - 1), at(closes)], [false, true, true, false]);
    }
}
