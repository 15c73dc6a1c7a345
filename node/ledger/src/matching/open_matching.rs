//! `open_matching`: a programme manager opens a matching round over projects.
//!
//! - Allowed: an active organisation with the role programme manager over the fund, of no group that holds a project of the round.
//! - Effect: the pool goes from its envelope to the round; a draft until `opens_at` (judged by time), then open; its settlement is planned as due work.
//! - Source: rulebook §3 (table A) and §9, 0a01.

use super::{
    round::{Round, RoundProject, RoundStatus},
    settle_matching::SettleMatching,
};
use crate::{
    accounts::{Movement, PostingError, Postings},
    action::{Action, BASE_COST, Effect, Kind, Place},
    application::application::PlannedTranche,
    due,
    grant::funded::is_plan,
    history::RecordRef,
    redistribution::envelope::{self, Uncovered},
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

/// Projects of a round, at most.
const PROJECTS: usize = 1_000;
/// Collectors, at most.
const COLLECTORS: usize = 64;
/// A window is at most 90 days.
const WINDOW_MS: u64 = 90 * 86_400_000;

message! {
    /// The payload.
    pub struct OpenMatching = OpenMatching {
        /// The fund that holds the money.
        pub fund: FundCode,
        /// The envelope that the pool comes from.
        pub envelope: EnvelopeCode,
        /// Title.
        pub title: Name,
        /// What there is to match with.
        pub pool: Amount [required],
        /// Counted of a donor group's money to one project, at most.
        pub cap: Amount [required],
        /// Of the pool, to one project, at most.
        pub max_share_ppm: Ppm,
        /// Of what counts, to one project, at most.
        pub multiple_ppm: Factor,
        /// Contributions and money from this time on.
        pub opens_at: BlockTime,
        /// And before this one.
        pub closes_at: BlockTime,
        /// Ascending.
        pub projects: Vec<ProjectId>,
        /// What each grant is split like.
        pub tranches: Vec<PlannedTranche>,
        /// Who may bring contributions of others.
        pub collectors: Vec<OrganisationId>,
        /// Hash of the round's document.
        pub document: Commitment,
    }

    /// The event.
    pub struct MatchingOpened = MatchingOpened {
        /// The new round.
        pub id: RoundId,
        /// As it stands in the state.
        pub round: Round [required],
        /// Its projects, ascending.
        pub projects: Vec<ProjectId>,
        /// From the envelope to the round.
        pub postings: Postings,
    }
}

refusals! {
    AmountBounds(Amount): Amount 1 "{0} is outside 1 ..= 10^15 minor units", "an amount is 0 or above the bound";
    AmountLimits(): Amount 2 "a share or a multiple of 0 matches nothing", "a limit is 0";
    CurrencyMixed(Currency, Currency): Currency 1 "{0} and {1} in one round", "pool and cap are not in one currency";
    LimitTranches(usize): Limit 1 "{0} tranches that are no plan: 1 to 12 in the pool's currency, numbered from 1", "the tranches are no plan";
    LimitProjects(usize): Limit 2 "{0} projects: 1 to 1,000, ascending, each once", "there is no project, too many, or they are out of order";
    LimitCollectors(usize): Limit 3 "{0} collectors: up to 64, each once", "too many collectors, or one twice";
    PersonalDataTitle(Name): PersonalData 1 "the title {0:?} looks like personal data", "the title holds what looks like personal data";
    signer;
    UnknownFund(FundCode): Unknown 1 "fund {0} does not exist", "the fund does not exist";
    UnknownEnvelope(EnvelopeCode): Unknown 2 "envelope {0} does not exist in the fund", "the envelope does not exist in the fund";
    UnknownProject(ProjectId): Unknown 3 "project {0} does not exist", "a project does not exist";
    UnknownCollector(OrganisationId): Unknown 4 "collector {0} does not exist", "a collector is not registered";
    SegregationHolder(ProjectId): Segregation 1 "an organisation of the same group holds project {0}", "the signer's group holds a project of the round";
    StateFund(FundCode): State 1 "fund {0} is closed", "the fund is closed";
    WindowPast(BlockTime, BlockTime): Window 1 "opens at {0}, before the block's time {1}", "it opens in the past";
    WindowEmpty(BlockTime, BlockTime): Window 2 "closes at {1}, not after it opens at {0}", "it closes before it opens";
    WindowLong(u64): Window 3 "open for {0} ms, more than 90 days", "it is open for more than 90 days";
    CurrencyOther(Currency, Currency): Currency 2 "{0} is not the fund's currency {1}", "the amounts are in another currency than the fund";
    Insufficient(PostingError): Insufficient 1 "{0}", "the envelope does not hold the pool";
    InsufficientDeficit(Uncovered): Insufficient 2 "{0}", "the fund's deficit would no longer be covered";
    Overflow(PostingError): Overflow 1 "{0}", "a sum leaves its range";
}
signer_refusals!(Refused);

impl Action for OpenMatching {
    type Event = MatchingOpened;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        let Self { pool, cap, max_share_ppm, multiple_ppm, projects, tranches, collectors, title, .. } = self;
        if let Some(wrong) = [*pool, *cap].into_iter().find(|amount| !amount.is_valid_positive()) {
            return Err(Refused::AmountBounds(wrong));
        }
        if *max_share_ppm == Ppm::ZERO || multiple_ppm.get() == 0 {
            return Err(Refused::AmountLimits());
        }
        if cap.currency != pool.currency {
            return Err(Refused::CurrencyMixed(pool.currency, cap.currency));
        }
        if !is_plan(tranches, pool.currency) {
            return Err(Refused::LimitTranches(tranches.len()));
        }
        let ascending = projects.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || !(1..=PROJECTS).contains(&projects.len()) {
            return Err(Refused::LimitProjects(projects.len()));
        }
        let distinct: BTreeSet<&OrganisationId> = collectors.iter().collect();
        if distinct.len() != collectors.len() || collectors.len() > COLLECTORS {
            return Err(Refused::LimitCollectors(collectors.len()));
        }
        if personal_data::scan(title).is_some() {
            return Err(Refused::PersonalDataTitle(title.clone()));
        }
        Ok(())
    }

    fn cost(&self) -> u64 {
        BASE_COST + (self.projects.len() + self.tranches.len() + self.collectors.len()) as u64
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<MatchingOpened, Refused> {
        cx.authorise(state, Role::ProgrammeManager, Scope::Fund(self.fund))?;
        let fund = state.get::<Fund>(&self.fund).ok_or(Refused::UnknownFund(self.fund))?;
        if !state.has::<Envelope>(&(self.fund, self.envelope)) {
            return Err(Refused::UnknownEnvelope(self.envelope));
        }
        if let Some(unknown) = self.projects.iter().find(|project| !state.has::<Project>(project)) {
            return Err(Refused::UnknownProject(*unknown));
        }
        if let Some(unknown) = self.collectors.iter().find(|collector| !state.has::<Organisation>(collector)) {
            return Err(Refused::UnknownCollector(*unknown));
        }
        let own = |id: &&ProjectId| {
            state.get::<Project>(id).is_some_and(|project| same_group(state, &cx.organisation, &project.holder))
        };
        if let Some(own) = self.projects.iter().find(own) {
            return Err(Refused::SegregationHolder(*own));
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
        if self.pool.currency != fund.currency {
            return Err(Refused::CurrencyOther(self.pool.currency, fund.currency));
        }
        let id = RoundId::new(object_id("matching-round", &cx.place.transaction));
        let round = self.round(cx.organisation);
        let mut movement = Movement::in_fund(self.fund);
        movement.transfer(envelope::account(self.fund, self.envelope, None), round.pool_account(&id), self.pool.minor);
        let postings = movement.check(state).map_err(|error| match error {
            PostingError::Insufficient { .. } => Refused::Insufficient(error),
            PostingError::Overflow(_) => Refused::Overflow(error),
        })?;
        envelope::covers_deficit(self.fund, self.pool.minor, state).map_err(Refused::InsufficientDeficit)?;
        Ok(MatchingOpened { id, round, projects: self.projects.clone(), postings })
    }
}

impl OpenMatching {
    fn round(&self, manager: OrganisationId) -> Round {
        let Self {
            fund,
            envelope,
            title,
            pool,
            cap,
            max_share_ppm,
            multiple_ppm,
            opens_at,
            closes_at,
            projects: _,
            tranches,
            collectors,
            document,
        } = self.clone();
        Round {
            fund,
            envelope,
            title,
            pool,
            cap,
            max_share_ppm,
            multiple_ppm,
            opens_at,
            closes_at,
            tranches,
            collectors,
            document,
            manager,
            status: RoundStatus::Open,
            cursor: None,
            decided: false,
            matched: 0,
            next_at: closes_at,
        }
    }
}

impl Effect for MatchingOpened {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let Self { id, round, projects, postings: _ } = self;
        for project in projects {
            let record = RoundProject { funded: 0, contributions: 0, count: None, amount: 0 };
            state.put::<RoundProject>((*id, *project), record);
        }
        due::schedule(state, round.closes_at, Kind::SettleMatching, SettleMatching::object(id));
        state.put::<Round>(*id, round.clone());
    }

    /// The round, its fund and envelope, who opened it, and every project, so more than 8.
    fn subjects(&self) -> Vec<RecordRef> {
        let Round { fund, envelope, manager, .. } = &self.round;
        let mut subjects = vec![
            RecordRef::of::<Round>(&self.id),
            RecordRef::of::<Fund>(fund),
            RecordRef::of::<Envelope>(&(*fund, *envelope)),
            RecordRef::of::<Organisation>(manager),
        ];
        subjects.extend(self.projects.iter().map(RecordRef::of::<Project>));
        subjects
    }

    fn postings(&self) -> Option<&Postings> {
        Some(&self.postings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accounts::{Account, AccountBalance},
        action::Payload,
        application::fixture::{Trial, assert_precedence},
        fixture::{DAY, assert_round_trips, fund, id, money, name},
        matching::fixture::{asked, opened, pot, round},
        registry::role::RoleGrant,
    };

    #[test]
    fn refuses_in_order_of_precedence() {
        let mut network = money::network();
        let over = crate::registry::close_fund::ClosedFund { change: ChangeId::ZERO };
        network.edit(|state| state.put(crate::fixture::fund(), over));
        let mut act = asked(&mut network);
        act.pool = Amount::new(0, Currency::EUR);
        act.cap.currency = Currency::new("USD").unwrap();
        act.max_share_ppm = Ppm::ZERO;
        act.tranches.clear();
        act.projects.reverse();
        act.collectors = vec![OrganisationId::ZERO; 2];
        act.title = name("0612345678");
        act.fund = FundCode::new("other").unwrap();
        act.envelope = EnvelopeCode::new("roads").unwrap();
        act.opens_at = BlockTime(1);
        act.closes_at = BlockTime(1);
        assert_precedence(
            Kind::OpenMatching,
            Trial::faulty(network, "asso1_branch", act),
            Payload::OpenMatching,
            &[
                ("AmountBounds", |t| t.act.pool.minor = 10_000),
                ("AmountLimits", |t| t.act.max_share_ppm = Ppm::ONE),
                ("CurrencyMixed", |t| t.act.pool.currency = t.act.cap.currency),
                ("LimitTranches", |t| {
                    t.act.tranches = asked(&mut t.network).tranches;
                    t.act.tranches[0].amount.currency = t.act.pool.currency;
                }),
                ("LimitProjects", |t| t.act.projects = vec![ProjectId::ZERO]),
                ("LimitCollectors", |t| t.act.collectors.truncate(1)),
                ("PersonalDataTitle", |t| t.act.title = name("Tour (invented)")),
                ("Suspended", |t| t.reinstate()),
                ("RoleMissing", |t| {
                    for scope in [FundCode::new("other").unwrap(), fund()].map(Scope::Fund) {
                        let key = (id("asso1_branch"), Role::ProgrammeManager, scope);
                        t.network.edit(|state| state.put(key, RoleGrant { change: None }));
                    }
                    t.sign();
                }),
                ("UnknownFund", |t| t.act.fund = fund()),
                ("UnknownEnvelope", |t| t.act.envelope = crate::fixture::envelope("commons")),
                ("UnknownProject", |t| t.act.projects = asked(&mut t.network).projects),
                ("UnknownCollector", |t| t.act.collectors = vec![id("lab")]),
                ("SegregationHolder", |t| t.sign_as("foundation")),
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
                    (t.act.pool.currency, t.act.cap.currency) = (Currency::EUR, Currency::EUR);
                    t.act.tranches[0].amount.currency = Currency::EUR;
                }),
                ("Insufficient", |t| {
                    t.network.edit(|state| {
                        state.put(pot(), AccountBalance { fund: fund(), balance: -10_000 });
                        let deficit = Account::Deficit { fund: fund() };
                        state.put(deficit, AccountBalance { fund: fund(), balance: 1 });
                    });
                }),
                ("InsufficientDeficit", |t| {
                    let deficit = Account::Deficit { fund: fund() };
                    t.network.edit(|state| state.put(deficit, AccountBalance { fund: fund(), balance: 0 }));
                    let transaction = t.network.next_transaction();
                    let round = RoundId::new(object_id("matching-round", &transaction));
                    let pool = Account::Matching { fund: fund(), round: *round.hash() };
                    t.network.edit(|state| state.put(pool, AccountBalance { fund: fund(), balance: i128::MIN }));
                }),
                ("Overflow", |t| {
                    let transaction = t.network.next_transaction();
                    let round = RoundId::new(object_id("matching-round", &transaction));
                    let pool = Account::Matching { fund: fund(), round: *round.hash() };
                    t.network.edit(|state| state.put(pool, AccountBalance { fund: fund(), balance: 0 }));
                }),
            ],
        );
    }

    #[test]
    fn the_pool_leaves_its_envelope() {
        let (network, id) = opened();
        let record = round(&network, id);
        assert_eq!((network.balance(&pot()), network.balance(&record.pool_account(&id))), (-10_000, -10_000));
        network.assert_sound();
        let mut other = money::network();
        assert_round_trips(&Payload::OpenMatching(asked(&mut other)));
    }
}
