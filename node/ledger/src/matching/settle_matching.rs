//! `settle_matching`*: a matching round has closed. The executor takes one step after the other, each within its slice.
//!
//! - Counting, from `closes_at` on: projects one after the other; groups are taken as they are now. With the last one the results are known.
//! - Provisional for `challenge_days`; a challenge freezes the results for 30 days, or until a change decides.
//! - Paying: contributions from escrow, and each project's part from the pool, to what is reserved for its grant; then the rest of the pool goes back.
//! - Source: rulebook §3 (table A) and §9, 0a04.

use super::{
    formula::{ProjectCount, ProjectResult, results},
    round::{MatchingCursor, Round, RoundProject, RoundStatus, project_after, project_from},
    round_contribution::{ContributionStatus, RoundContribution, funded_after},
};
use crate::{
    accounts::{Movement, PostingError, Postings},
    action::{BASE_COST, Duty, Effect, Kind, Place},
    due,
    grant::{FundedGrant, funded::Funded},
    history::{RecordRef, distinct},
    parameters::Parameter,
    redistribution::envelope,
    refusal::refusals,
    registry::{fund::Fund, organisation::Organisation, project::Project},
    signer::group,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;
use std::collections::{BTreeMap, BTreeSet};

/// Contributions that one step counts before it stops at the end of a project.
const COUNTED: u64 = 2_000;
/// Contributions that one step pays.
const PAID: usize = 250;
/// Projects of one step.
const PROJECTS: usize = 100;
const DAY_MS: u64 = 86_400_000;

/// The duty; its object is the round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettleMatching;

impl SettleMatching {
    /// The object of this duty.
    pub fn object(round: &RoundId) -> Hash {
        *round.hash()
    }
}

message! {
    /// The results of a round.
    pub struct MatchingResults = MatchingResults {
        /// One for each project with something to match, in order of id.
        pub projects: Vec<ProjectResult>,
        /// Minor units that they get together.
        pub matched: u64,
        /// Until when they can be challenged; where a change has decided, now.
        pub challenge_until: BlockTime,
    }

    /// A contribution that its project gets.
    pub struct PaidContribution = PaidContribution {
        /// Which.
        pub contribution: ContributionId,
        /// Who gave, or collected.
        pub donor: OrganisationId,
        /// The project.
        pub project: ProjectId,
        /// Minor units.
        pub amount: u64,
    }

    /// The event: one step.
    pub struct MatchingSettled = MatchingSettled {
        /// The round.
        pub round: RoundId,
        /// Its fund.
        pub fund: FundCode,
        /// Projects that are counted in this step.
        pub counted: Vec<ProjectCount>,
        /// Once all are counted.
        pub results: Option<MatchingResults>,
        /// Contributions that are paid in this step.
        pub paid: Vec<PaidContribution>,
        /// Grants that are complete with this step.
        pub grants: Vec<FundedGrant>,
        /// Where the settlement goes on; `None` when it waits, or is over.
        pub next: Option<MatchingCursor>,
        /// What of the pool goes back, with the last step.
        pub rest: Option<u64>,
        /// To what is reserved for the grants, and back to the envelope.
        pub postings: Postings,
    }
}

refusals! {
    UnknownRound(Hash): Unknown 1 "round {0} does not exist", "the round does not exist";
    StateSettled(RoundId): State 1 "round {0} is settled", "the round is settled";
    Insufficient(PostingError): Insufficient 1 "{0}", "an account does not hold what the settlement moves";
    Overflow(PostingError): Overflow 1 "{0}", "a sum leaves its range";
}

/// What a round does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Count,
    Pay,
}

fn step(round: &Round) -> Option<Step> {
    match round.status {
        RoundStatus::Open | RoundStatus::Counting => Some(Step::Count),
        RoundStatus::Provisional | RoundStatus::Challenged | RoundStatus::Paying => Some(Step::Pay),
        RoundStatus::Settled => None,
    }
}

/// The projects that the next counting step takes, and whether they are the last.
fn to_count(id: &RoundId, round: &Round, state: &Overlay<'_>) -> (Vec<(ProjectId, RoundProject)>, Option<ProjectId>) {
    let mut batch = Vec::new();
    let mut contributions = 0;
    let mut next = project_from(state, id, round.cursor.as_ref().map_or(ProjectId::ZERO, |cursor| cursor.project));
    while let Some((project, record)) = next {
        let full = batch.len() >= PROJECTS || contributions + record.contributions > COUNTED;
        if full && !batch.is_empty() {
            return (batch, Some(project));
        }
        contributions += record.contributions;
        batch.push((project, record));
        next = project_after(state, id, project);
    }
    (batch, None)
}

/// Counts what was given to a project: groups as they are now, each up to the cap; the holders' own groups and removed contributions are left out.
fn count(id: &RoundId, round: &Round, project: ProjectId, record: &RoundProject, state: &Overlay<'_>) -> ProjectCount {
    let holders =
        state.get::<Project>(&project).into_iter().flat_map(|it| [it.holder].into_iter().chain(it.co_holders.clone()));
    let left_out: BTreeSet<OrganisationId> = holders.map(|holder| group(state, &holder)).collect();
    let mut given: BTreeMap<Hash, u64> = BTreeMap::new();
    for (_, contribution) in funded_after(state, id, &project, None, record.contributions as usize) {
        let group = group(state, &contribution.organisation);
        if contribution.removed || left_out.contains(&group) {
            continue;
        }
        let donor = match contribution.donor {
            Some(donor) => hash("matching-donor", &[contribution.organisation.as_bytes(), donor.as_bytes()]),
            None => *group.hash(),
        };
        *given.entry(donor).or_default() += contribution.funded;
    }
    let mut counted = ProjectCount { funded: record.funded, ..ProjectCount::of(project) };
    given.into_values().for_each(|given| counted.count(given, round.cap.minor));
    counted
}

/// The counts of all projects, those of this step included.
fn all_counts(id: &RoundId, counted: &[ProjectCount], state: &Overlay<'_>) -> Vec<ProjectCount> {
    let range = (*id, ProjectId::ZERO)..=(*id, ProjectId::from_bytes([0xff; 32]));
    let now: BTreeMap<ProjectId, &ProjectCount> = counted.iter().map(|count| (count.project, count)).collect();
    let projects = state.range::<RoundProject>(range).into_iter();
    projects
        .filter_map(|((_, project), record)| now.get(&project).map(|count| (*count).clone()).or(record.count))
        .collect()
}

fn grant_of(round: &RoundId, project: &ProjectId) -> GrantId {
    GrantId::new(hash("matching-grant", &[round.as_bytes(), project.as_bytes()]))
}

fn counting(id: RoundId, round: &Round, place: &Place, state: &Overlay<'_>) -> MatchingSettled {
    let (batch, next) = to_count(&id, round, state);
    let counted: Vec<ProjectCount> =
        batch.iter().map(|(project, record)| count(&id, round, *project, record, state)).collect();
    let results = next.is_none().then(|| {
        let projects = results(&all_counts(&id, &counted, state), round.limits());
        let days = if round.decided { 0 } else { state.parameter(Parameter::ChallengeDays) };
        MatchingResults {
            matched: projects.iter().map(|result| result.amount).sum(),
            projects,
            challenge_until: place.time.saturating_add(days.saturating_mul(DAY_MS)),
        }
    });
    MatchingSettled {
        round: id,
        fund: round.fund,
        counted,
        results,
        paid: vec![],
        grants: vec![],
        next: next.map(|project| MatchingCursor { project, paid: 0, after: None }),
        rest: None,
        postings: Postings::default(),
    }
}

/// Pays contributions until the slice is full; every project that is complete gets its grant.
fn paying(id: RoundId, round: &Round, place: &Place, state: &Overlay<'_>) -> Result<MatchingSettled, PostingError> {
    let mut movement = Movement::in_fund(round.fund);
    let (mut paid, mut grants, mut projects) = (Vec::new(), Vec::new(), 0);
    let mut at = round.cursor.clone();
    let mut next = match &at {
        Some(cursor) => project_from(state, &id, cursor.project),
        None => project_from(state, &id, ProjectId::ZERO),
    };
    let going_on = loop {
        let Some((project, record)) = next else { break None };
        let mut cursor = at.take().unwrap_or(MatchingCursor { project, paid: 0, after: None });
        if paid.len() >= PAID || projects >= PROJECTS {
            break Some(cursor);
        }
        let grant = grant_of(&id, &project);
        let to = FundedGrant::account(round.fund, grant);
        for (contribution, record) in funded_after(state, &id, &project, cursor.after, PAID - paid.len()) {
            movement.transfer(record.escrow(&contribution), to.clone(), record.funded);
            cursor.paid += record.funded;
            cursor.after = Some(contribution);
            let (donor, amount) = (record.organisation, record.funded);
            paid.push(PaidContribution { contribution, donor, project, amount });
        }
        if cursor.paid < record.funded {
            break Some(cursor);
        }
        movement.transfer(round.pool_account(&id), to, record.amount);
        let lead = state.get::<Project>(&project).map(|project| project.holder);
        if let (Some(lead), awarded @ 1..) = (lead, record.funded + record.amount) {
            let whose = Funded { project, lead, fund: round.fund, envelope: round.envelope };
            let awarded = Amount::new(awarded, round.pool.currency);
            grants.push(FundedGrant::new(grant, whose, awarded, &round.tranches, place, state));
        }
        projects += 1;
        next = project_after(state, &id, project);
    };
    let rest = going_on.is_none().then(|| round.pool.minor - round.matched);
    if let Some(rest) = rest {
        let back = envelope::account(round.fund, round.envelope, None);
        movement.transfer(round.pool_account(&id), back, rest);
    }
    Ok(MatchingSettled {
        round: id,
        fund: round.fund,
        counted: vec![],
        results: None,
        paid,
        grants,
        next: going_on,
        rest,
        postings: movement.check(state)?,
    })
}

impl Duty for SettleMatching {
    type Event = MatchingSettled;
    type Refused = Refused;

    fn decide(object: &Hash, place: &Place, state: &Overlay<'_>) -> Result<MatchingSettled, Refused> {
        let id = RoundId::new(*object);
        let round = state.get::<Round>(&id).ok_or(Refused::UnknownRound(*object))?;
        match step(round).ok_or(Refused::StateSettled(id))? {
            Step::Count => Ok(counting(id, round, place, state)),
            Step::Pay => paying(id, round, place, state).map_err(|error| match error {
                PostingError::Insufficient { .. } => Refused::Insufficient(error),
                PostingError::Overflow(_) => Refused::Overflow(error),
            }),
        }
    }

    /// One for each contribution counted; 4 for each project written and each contribution paid.
    fn cost(object: &Hash, state: &Overlay<'_>) -> u64 {
        let id = RoundId::new(*object);
        let Some(round) = state.get::<Round>(&id) else { return BASE_COST };
        match step(round) {
            Some(Step::Count) => {
                let (batch, _) = to_count(&id, round, state);
                let contributions: u64 = batch.iter().map(|(_, record)| record.contributions).sum();
                BASE_COST + contributions + 4 * batch.len() as u64
            }
            Some(Step::Pay) => BASE_COST + 4 * (PAID + PROJECTS) as u64,
            None => BASE_COST,
        }
    }
}

impl Effect for MatchingSettled {
    fn apply(&self, place: &Place, state: &mut Overlay<'_>) {
        let Self { round: id, fund: _, counted, results, paid, grants, next, rest, postings: _ } = self;
        let mut round = state.get::<Round>(id).expect("decide: the round exists").clone();
        for count in counted {
            state.update::<RoundProject>(&(*id, count.project), |record| {
                record.count = Some(count.clone());
                record.amount = 0;
            });
        }
        for PaidContribution { contribution, .. } in paid {
            state.update::<RoundContribution>(contribution, |record| record.status = ContributionStatus::Granted);
        }
        for grant in grants {
            grant.apply(&round.tranches, state);
        }
        let mut at = place.time;
        round.status = match (step(&round), results, rest) {
            (_, _, Some(_)) => RoundStatus::Settled,
            (_, Some(results), _) => {
                for ProjectResult { project, amount, .. } in &results.projects {
                    state.update::<RoundProject>(&(*id, *project), |record| record.amount = *amount);
                }
                round.matched = results.matched;
                at = results.challenge_until;
                if round.decided { RoundStatus::Paying } else { RoundStatus::Provisional }
            }
            (Some(Step::Count), None, None) => RoundStatus::Counting,
            (Some(Step::Pay) | None, None, None) => RoundStatus::Paying,
        };
        round.cursor = next.clone();
        round.next_at = at;
        if round.status != RoundStatus::Settled {
            due::schedule(state, at, Kind::SettleMatching, SettleMatching::object(id));
        }
        state.put::<Round>(*id, round);
    }

    /// The round, its fund, every project of the step, every contribution paid and who gave it, so more than 8.
    fn subjects(&self) -> Vec<RecordRef> {
        let mut subjects = vec![RecordRef::of::<Round>(&self.round), RecordRef::of::<Fund>(&self.fund)];
        let projects = self.results.iter().flat_map(|results| &results.projects).map(|result| &result.project);
        subjects.extend(projects.map(RecordRef::of::<Project>));
        for PaidContribution { contribution, donor, project: _, amount: _ } in &self.paid {
            subjects.extend([RecordRef::of::<RoundContribution>(contribution), RecordRef::of::<Organisation>(donor)]);
        }
        subjects.extend(self.grants.iter().flat_map(FundedGrant::subjects));
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
        fixture::{DAY, Network, assert_all_reached, fund},
        grant::grant::{Grant, GrantStatus},
        matching::{
            fixture::{OPEN_DAYS, give, in_round, opened, opened_with, pot, project_of, record, round, steps},
            formula::RootSum,
            round_contribution::FundedContribution,
        },
        refusal::Reject,
        registry::organisation::Organisation,
    };

    /// Closes the round: what was counted.
    fn close(network: &mut Network) -> MatchingSettled {
        let steps = steps(&network.advance(OPEN_DAYS * DAY));
        let [step] = steps.as_slice() else { panic!("{steps:?}") };
        step.clone()
    }

    fn amount(network: &Network, round: RoundId, holder: &str) -> u64 {
        in_round(network, round, holder).amount
    }

    #[test]
    fn many_small_gifts_weigh_more_than_one_large_one_and_the_rest_of_the_pool_goes_back() {
        let (mut network, id) = opened_with(|round| round.multiple_ppm = Factor::new(2_000_000).unwrap());
        for donor in ["a", "b", "c", "d"] {
            give(&mut network, id, "lab", "asso1", 100, Some(donor));
        }
        give(&mut network, id, "region", "asso2", 5_000, None);
        let results = close(&mut network).results.unwrap();
        let found: Vec<(u64, u64)> = results.projects.iter().map(|it| (it.allocation, it.amount)).collect();
        assert_eq!(found, [(10_000, 800)], "one donor has no weight; twice 400 is the limit");
        assert_eq!(round(&network, id).status, RoundStatus::Provisional);
        let paid = steps(&network.advance(7 * DAY));
        assert_eq!((paid.len(), paid[0].rest), (1, Some(9_200)));
        assert_eq!(network.balance(&pot()), -19_200);
        let grants: Vec<(ProjectId, u64)> = paid[0].grants.iter().map(|it| (it.project, it.awarded.minor)).collect();
        let mut expected = [(project_of("asso1"), 1_200), (project_of("asso2"), 5_000)];
        expected.sort();
        assert_eq!(grants, expected);
        let grant = network.state.get::<Grant>(&grant_of(&id, &project_of("asso1"))).unwrap();
        assert_eq!((grant.status, grant.awarded), (GrantStatus::Offered, Amount::eur(1_200)));
        assert_eq!(round(&network, id).status, RoundStatus::Settled);
        network.assert_sound();
    }

    #[test]
    fn groups_are_taken_at_the_close_and_their_money_adds_up_before_the_cap() {
        let (mut network, id) = opened_with(|round| round.cap = Amount::eur(300));
        give(&mut network, id, "platform", "asso1", 200, None);
        give(&mut network, id, "reuser", "asso1", 200, None);
        give(&mut network, id, "reuser", "asso1", 50, None);
        let at_the_close = |network: &Network| {
            let mut network = network.clone();
            close(&mut network).counted.into_iter().find(|count| count.project == project_of("asso1")).unwrap()
        };
        let apart = at_the_close(&network);
        assert_eq!((apart.donors, apart.capped, apart.funded), (2, 450, 450));
        let parent = crate::fixture::id("platform");
        network.edit(|state| {
            state.update::<Organisation>(&crate::fixture::id("reuser"), |record| record.parent = Some(parent));
        });
        let together = at_the_close(&network);
        assert_eq!((together.donors, together.capped, together.funded), (1, 300, 450));
        assert_eq!(together.root_sum, RootSum(17_320_508), "isqrt of 300 · 10^12");
    }

    #[test]
    fn the_holders_own_group_is_left_out_of_the_formula_and_still_paid() {
        let (mut network, id) = opened();
        give(&mut network, id, "asso1_branch", "asso1", 900, None);
        give(&mut network, id, "region", "asso1", 100, None);
        let step = close(&mut network);
        let count = step.counted.iter().find(|count| count.project == project_of("asso1")).unwrap();
        assert_eq!((count.donors, count.capped, count.funded), (1, 100, 1_000));
        let paid = steps(&network.advance(7 * DAY));
        assert_eq!(paid[0].grants[0].awarded, Amount::eur(1_000));
        assert_eq!(paid[0].rest, Some(10_000), "one donor has no weight: the pool is returned");
        network.assert_sound();
    }

    #[test]
    fn one_collector_brings_one_donor_for_each_commitment() {
        let (mut network, id) = opened();
        for (minor, donor) in [(100, "a"), (100, "a"), (100, "b")] {
            give(&mut network, id, "lab", "asso1", minor, Some(donor));
        }
        give(&mut network, id, "lab", "asso1", 100, None);
        let step = close(&mut network);
        let count = step.counted.iter().find(|count| count.project == project_of("asso1")).unwrap();
        assert_eq!((count.donors, count.capped), (3, 400));
    }

    #[test]
    fn a_change_that_removes_contributions_has_everything_counted_once_more() {
        let (mut network, id) = opened();
        let doubted = give(&mut network, id, "platform", "asso1", 400, None);
        give(&mut network, id, "reuser", "asso1", 400, None);
        give(&mut network, id, "platform", "asso2", 100, None);
        give(&mut network, id, "reuser", "asso2", 100, None);
        close(&mut network);
        let before = amount(&network, id, "asso1");
        assert_eq!((before, amount(&network, id, "asso2")), (8_000, 2_000));
        network.run("audit", crate::matching::fixture::challenge(id, vec![doubted])).unwrap();
        let content =
            crate::governance::change::Content::SettleChallenge(crate::matching::settle_challenge::SettleChallenge {
                round: id,
                removed: vec![doubted],
            });
        let seats = ["bank", "region", "federation", "lab", "foundation", "university", "consumers"];
        let yes = seats.map(|seat| (seat, crate::governance::change::Choice::Yes));
        crate::governance::enact_change::tests::decide(&mut network, "bank", content, &yes);
        assert!(record(&network, doubted).removed);
        assert_eq!(round(&network, id).status, RoundStatus::Settled, "in the block that enacts the change");
        assert_eq!((amount(&network, id, "asso1"), amount(&network, id, "asso2")), (0, 2_000));
        let grant = network.state.get::<Grant>(&grant_of(&id, &project_of("asso1"))).unwrap();
        assert_eq!(grant.awarded, Amount::eur(800), "a removed contribution is still paid");
        network.assert_sound();
    }

    #[test]
    fn a_round_that_nobody_gave_to_returns_its_pool() {
        let (mut network, id) = opened();
        assert!(close(&mut network).results.unwrap().projects.is_empty());
        let paid = steps(&network.advance(7 * DAY));
        assert_eq!((paid[0].rest, paid[0].grants.len()), (Some(10_000), 0));
        assert_eq!(network.balance(&pot()), -20_000);
        assert_eq!(network.state.count::<Grant>(), 0);
        assert_eq!(round(&network, id).status, RoundStatus::Settled);
    }

    /// Adds contributions with money past the rules, so many to each of so many projects.
    fn crowd(network: &mut Network, id: RoundId, projects: u64, each: u64) {
        let template = give(network, id, "lab", "asso1", 100, Some("first"));
        network.edit(|state| {
            let contribution = state.get::<RoundContribution>(&template).unwrap().clone();
            let model = state.get::<Project>(&project_of("asso1")).unwrap().clone();
            for number in 0..projects {
                let project = ProjectId::new(hash("test-project", &[&number.to_be_bytes()]));
                state.put::<Project>(project, model.clone());
                let (funded, count) = (each * 100, None);
                state.put((id, project), RoundProject { funded, contributions: each, count, amount: 0 });
                for donor in 0..each {
                    let made = hash("test-gift", &[&number.to_be_bytes(), &donor.to_be_bytes()]);
                    let gift = RoundContribution {
                        project,
                        donor: Some(Commitment::new(made)),
                        amount: Amount::eur(100),
                        funded: 100,
                        ..contribution.clone()
                    };
                    let made = ContributionId::new(made);
                    state.put(gift.escrow(&made), AccountBalance { fund: fund(), balance: -100 });
                    state.put::<RoundContribution>(made, gift);
                    state.put((id, project, made), FundedContribution {});
                }
            }
        });
    }

    #[test]
    fn a_large_round_is_settled_in_slices_and_every_contribution_is_paid_once() {
        let (mut network, id) = opened();
        crowd(&mut network, id, 30, 100);
        let mut counted = steps(&network.advance(OPEN_DAYS * DAY));
        assert!(counted.len() > 1, "3,001 contributions are more than one step counts");
        let projects: BTreeSet<ProjectId> =
            counted.iter().flat_map(|step| step.counted.iter().map(|count| count.project)).collect();
        assert_eq!((projects.len(), counted.iter().map(|step| step.counted.len()).sum::<usize>()), (32, 32));
        let results = counted.pop().unwrap().results.unwrap();
        assert_eq!(results.projects.len(), 30, "asso1 has one donor, asso2 none");
        let paid = steps(&network.advance(7 * DAY));
        let gifts: BTreeSet<ContributionId> =
            paid.iter().flat_map(|step| step.paid.iter().map(|paid| paid.contribution)).collect();
        assert_eq!((gifts.len(), paid.iter().map(|step| step.paid.len()).sum::<usize>()), (3_001, 3_001));
        assert_eq!(paid.iter().map(|step| step.grants.len()).sum::<usize>(), 31);
        assert_eq!(round(&network, id).status, RoundStatus::Settled);
        let pool = round(&network, id).pool_account(&id);
        assert_eq!(network.balance(&pool), 0);
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let (mut network, id) = opened();
        give(&mut network, id, "region", "asso1", 400, None);
        close(&mut network);
        let refused = |network: &Network, object: &Hash| {
            let place = Place { height: Height(9), time: network.now(), receipt: 0, transaction: TransactionId::ZERO };
            SettleMatching::decide(object, &place, &network.state.overlay()).unwrap_err().doc().variant
        };
        let mut settled = network.clone();
        settled.advance(7 * DAY);
        let stands = |account, balance| {
            let mut other = network.clone();
            other.edit(|state| state.put(account, AccountBalance { fund: fund(), balance }));
            other
        };
        let pool = round(&network, id).pool_account(&id);
        let granted = FundedGrant::account(fund(), grant_of(&id, &project_of("asso1")));
        let reached = [
            refused(&network, &Hash::ZERO),
            refused(&settled, id.hash()),
            refused(&stands(pool, -9_999), id.hash()),
            refused(&stands(granted, i128::MIN), id.hash()),
        ];
        assert_all_reached(Kind::SettleMatching, &reached);
    }
}
