//! `assess_levy`: a levy authority assesses a declaration. It carries no amount: the amount follows from the declaration and the schedule.
//!
//! - Allowed: an active organisation with the role levy authority over the schedule, of another group than the payer.
//! - Effect: the event holds every line of the computation; nothing due is `nil`; else the levy stands as receivable and uncollected, has a reference
//!   (L and 26 characters), and prepaid money is applied to the oldest unpaid period first. Instalments that were expected, and the surcharge for
//!   not filing in time, follow from the version. What a data holder attested of the use stands beside what was declared.
//! - Source: rulebook §3, §5 and §17, 0404.

use super::{
    account::{Filing, LevyAccount, LevyAssessment, LevyDeclaration, LevyFlag, LevyKey, SettledPeriod, up_to},
    attest_usage::{AttestedUnits, LevyUsage},
    compute::{LevyStep, Sheet, TooLarge, compute},
    declare_group::{LevyGroup, group_key},
    late::{LateTerms, instalments, post_payment},
    prepaid,
    schedule::{LevySchedule, ScheduleVersion},
    watch,
};
use crate::{
    accounts::{Account, Movement, PostingError, Postings},
    action::{Action, Effect, Place},
    history::RecordRef,
    refusal::{posting_refusals, refusals, signer_refusals},
    registry::{
        fund::Fund,
        organisation::Organisation,
        role::{Role, Scope},
    },
    signer::{Context, same_group},
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

message! {
    /// The payload.
    pub struct AssessLevy = AssessLevy {
        /// Who owes.
        pub payer: OrganisationId,
        /// Under which schedule.
        pub schedule: ScheduleCode,
        /// For which period.
        pub period: Period,
        /// The declaration that it rests on.
        pub declaration: DeclarationId,
    }

    /// The event.
    pub struct LevyAssessed = LevyAssessed {
        /// The new assessment.
        pub id: AssessmentId,
        /// As it stands in the state.
        pub assessment: LevyAssessment [required],
        /// The fund that it feeds.
        pub fund: FundCode,
        /// Who assessed; `None`: the rule, by default.
        pub authority: Option<OrganisationId>,
        /// Every line of the computation.
        pub steps: Vec<LevyStep>,
        /// Prepaid money applied, oldest period first.
        pub prepaid: Vec<SettledPeriod>,
        /// The levy, then what prepaid money settles.
        pub postings: Postings,
        /// Minor units of instalments that were expected, by the previous period's tax.
        pub instalments: u64,
        /// Which failure to file this is for the payer under the schedule; 0: filed in time.
        pub failures: u32,
        /// Surcharge for it, in minor units.
        pub filing_surcharge: u64,
        /// Use that a data holder attested.
        pub attested: Vec<AttestedUnits>,
    }
}

refusals! {
    signer;
    UnknownSchedule(ScheduleCode): Unknown 1 "levy schedule {0} does not exist", "the schedule does not exist";
    ScheduleVersion(ScheduleCode, Period): Schedule 1 "schedule {0} has no version for {1}", "no version of the schedule is valid on the period's last day, or its periods have another length";
    SegregationPayer(OrganisationId): Segregation 1 "payer {0} is of the authority's group", "payer and authority are of one group";
    StateDeclaration(DeclarationId): State 1 "{0} is not the current declaration of the payer for the period", "the declaration is not the payer's current one for the period";
    StateAssessed(Period): State 2 "period {0} is assessed", "the period is assessed already";
    StatePrescribed(Period): State 3 "period {0} is prescribed", "the period can no longer be assessed";
    StateGroup(OrganisationId): State 4 "the declaration differs from the figures on record of the group of {0}", "the declaration's group figures are not those that the group's filer has put on record since";
    Insufficient(PostingError): Insufficient 1 "{0}", "an account does not hold what the assessment moves";
    OverflowTax(String): Overflow 1 "{0}", "a line of the computation, or the tax, leaves its range";
    Overflow(PostingError): Overflow 2 "{0}", "a sum leaves its range";
}
signer_refusals!(Refused);
posting_refusals!(Refused);

impl Action for AssessLevy {
    type Event = LevyAssessed;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<LevyAssessed, Refused> {
        let Self { payer, schedule, period, declaration } = self.clone();

        cx.authorise(state, Role::LevyAuthority, Scope::Schedule(schedule))?;
        let record = state.get::<LevySchedule>(&schedule).ok_or(Refused::UnknownSchedule(schedule))?;
        let version = record.version_for(period).ok_or(Refused::ScheduleVersion(schedule, period))?;
        if same_group(state, &payer, &cx.organisation) {
            return Err(Refused::SegregationPayer(payer));
        }
        let account = state
            .get::<LevyAccount>(&(payer, schedule, period))
            .filter(|account| account.declaration == Some(declaration))
            .ok_or(Refused::StateDeclaration(declaration))?;
        if account.assessment.is_some() {
            return Err(Refused::StateAssessed(period));
        }
        if account.has_ended() {
            return Err(Refused::StatePrescribed(period));
        }
        let declared = state.get::<LevyDeclaration>(&declaration).ok_or(Refused::StateDeclaration(declaration))?;
        if let Some(filer) = differs_from_group(declared, version, state) {
            return Err(Refused::StateGroup(filer));
        }
        let by = Assessor { authority: Some(cx.organisation), place: cx.place, state };
        match by.assess(declared, declaration, version) {
            Ok(event) => Ok(event),
            Err(AssessFault::Tax(words)) => Err(Refused::OverflowTax(words)),
            Err(AssessFault::Posting(error)) => Err(error.into()),
        }
    }
}

/// The filer whose figures on record a declaration contradicts, where the version looks at groups.
fn differs_from_group(
    declared: &LevyDeclaration,
    version: &ScheduleVersion,
    state: &Overlay<'_>,
) -> Option<OrganisationId> {
    let key = group_key(state, &declared.payer, declared.schedule, declared.period, version)?;
    let LevyGroup { filer, world_receipts, local_receipts, .. } = state.get::<LevyGroup>(&key)?;
    let same = *world_receipts == declared.world_receipts && *local_receipts == declared.local_receipts;
    (!same).then_some(*filer)
}

/// Why a declaration cannot be assessed.
pub(super) enum AssessFault {
    /// A line of the computation, or the tax, leaves its range.
    Tax(String),
    /// An account cannot bear it.
    Posting(PostingError),
}

impl From<TooLarge> for AssessFault {
    fn from(large: TooLarge) -> Self {
        Self::Tax(large.to_string())
    }
}

/// A tax that one transaction can carry.
pub(super) fn bounded(tax: u128) -> Result<u64, AssessFault> {
    let bounded = u64::try_from(tax).ok().filter(|tax| *tax <= Amount::MAX_MINOR);
    bounded.ok_or_else(|| AssessFault::Tax(format!("{tax} minor units; 10^15 are possible")))
}

/// Makes an assessment of a declaration, whoever asked for it.
pub(super) struct Assessor<'a> {
    pub(super) authority: Option<OrganisationId>,
    pub(super) place: Place,
    pub(super) state: &'a Overlay<'a>,
}

impl Assessor<'_> {
    pub(super) fn assess(
        &self,
        declared: &LevyDeclaration,
        declaration: DeclarationId,
        version: &ScheduleVersion,
    ) -> Result<LevyAssessed, AssessFault> {
        let LevyDeclaration { payer, schedule, period, .. } = *declared;
        let key = (payer, schedule, period);
        let computed = compute(version, declared)?;
        let tax = bounded(computed.tax)?;
        let mut sheet = Sheet(computed.steps);
        let expected = instalments(version, previous_tax(key, self.state), &mut sheet)?;
        let failures = failures(key, declared.filing, self.state);
        let filing_surcharge = LateTerms::of(version, period, failures).filing(tax, &mut sheet)?;
        let usage = self.state.get::<LevyUsage>(&key);
        let id = AssessmentId::new(object_id("assessment", &self.place.transaction));
        let tax = Amount::new(tax, declared.world_receipts.currency);
        let number = version.version;
        let fund = super::account::fund_of(self.state, &schedule);
        let mut event = LevyAssessed {
            id,
            assessment: LevyAssessment {
                payer,
                schedule,
                period,
                declaration,
                version: number,
                tax,
                replaced_by: None,
            },
            fund: fund.expect("decide: the schedule exists"),
            authority: self.authority,
            steps: sheet.0,
            prepaid: Vec::new(),
            postings: Postings::default(),
            instalments: expected,
            failures,
            filing_surcharge,
            attested: usage.map_or_else(Vec::new, |usage| usage.units.clone()),
        };
        event.settle_prepaid(&self.place, self.state)?;
        Ok(event)
    }
}

/// Tax of the period before, 0 where it is not assessed: no instalment is expected then.
fn previous_tax((payer, schedule, period): LevyKey, state: &Overlay<'_>) -> u64 {
    let day_before = period.first_day().plus_days(-1);
    let previous = day_before.map(|day| Period::containing(day, period.length()));
    previous.and_then(|previous| state.get::<LevyAccount>(&(payer, schedule, previous))).map_or(0, |it| it.assessed)
}

/// Which failure to file this is for the payer under the schedule, from 1; 0 if it filed in time.
fn failures((payer, schedule, period): LevyKey, filing: Filing, state: &Overlay<'_>) -> u32 {
    match filing {
        Filing::InTime => 0,
        Filing::Late | Filing::NotFiled => {
            let earlier = up_to(state, payer, schedule, period);
            let failed = earlier.iter().filter(|((_, _, at), account)| *at < period && account.failures > 0);
            1 + failed.count() as u32
        }
    }
}

impl LevyAssessed {
    fn key(&self) -> LevyKey {
        let LevyAssessment { payer, schedule, period, .. } = self.assessment;
        (payer, schedule, period)
    }

    /// Adds what prepaid money settles, and the postings, decided on a scratch state that knows the assessment.
    fn settle_prepaid(&mut self, place: &Place, state: &Overlay<'_>) -> Result<(), AssessFault> {
        let (payer, schedule, period) = self.key();
        let fund = self.fund;
        let mut scratch = state.scratch();
        self.write(&mut scratch);
        self.prepaid = prepaid::apply(&mut scratch, payer, schedule, place.date())?;

        let mut movement = Movement::in_fund(fund);
        let uncollected = Account::Uncollected { fund };
        let receivable = Account::LevyReceivable { payer, schedule, period };
        movement.transfer(receivable, uncollected.clone(), self.assessment.tax.minor);
        let penalty = Account::PenaltyReceivable { payer, schedule, period };
        movement.transfer(penalty, uncollected, self.filing_surcharge);
        let from = Account::PrepaidLevy { payer, schedule };
        for SettledPeriod { period, amount: _, settlement } in &self.prepaid {
            post_payment(&mut movement, from.clone(), (payer, schedule, *period), fund, settlement);
        }
        self.postings = movement.check(state).map_err(AssessFault::Posting)?;
        Ok(())
    }

    /// Writes the assessment and the account; not what prepaid money settles.
    fn write(&self, state: &mut Overlay<'_>) {
        let by_default = self.authority.is_none();
        state.update::<LevyAccount>(&self.key(), |account| {
            account.assessment = Some(self.id);
            account.assessed = self.assessment.tax.minor;
            account.instalments = self.instalments;
            account.failures = self.failures;
            account.surcharge = self.filing_surcharge;
            account.unset(LevyFlag::Overdue);
            if by_default {
                account.set(LevyFlag::Estimated);
            }
            account.stand();
        });
        state.put::<LevyAssessment>(self.id, self.assessment.clone());
    }

    /// Records whose story it belongs to.
    pub(super) fn story(&self) -> BTreeSet<RecordRef> {
        let LevyAssessment { payer, schedule, declaration, .. } = &self.assessment;
        let mut subjects = BTreeSet::from([
            RecordRef::of::<LevyAssessment>(&self.id),
            RecordRef::of::<LevyDeclaration>(declaration),
            RecordRef::of::<LevyAccount>(&self.key()),
            RecordRef::of::<LevySchedule>(schedule),
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<Organisation>(payer),
        ]);
        subjects.extend(self.authority.map(|authority| RecordRef::of::<Organisation>(&authority)));
        let settled = self.prepaid.iter().map(|settled| (*payer, *schedule, settled.period));
        subjects.extend(settled.map(|key| RecordRef::of::<LevyAccount>(&key)));
        subjects
    }
}

impl Effect for LevyAssessed {
    fn apply(&self, place: &Place, state: &mut Overlay<'_>) {
        self.write(state);
        let (payer, schedule, _) = self.key();
        for settled in &self.prepaid {
            prepaid::write_settled(state, payer, schedule, settled);
        }
        watch::mark_if_late(state, self.key(), place.date());
        watch::expect_next(state, self.key(), place);
    }

    /// The assessment, its declaration, schedule, fund, payer, authority, and each period that prepaid money settles: usually one.
    fn subjects(&self) -> Vec<RecordRef> {
        self.story().into_iter().collect()
    }

    fn postings(&self) -> Option<&Postings> {
        Some(&self.postings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accounts::AccountBalance,
        action::{Kind, Payload},
        bank::{
            match_entry::MatchEntry,
            matching::{PrepaidTarget, Target},
        },
        fixture::{
            self, IntoPayload, Network, account, fund, id,
            money::{self, date, entry_key, schedule_code, target},
        },
        levy::{
            account::LevyStatus,
            compute::StepRule,
            schedule::{LiabilityScope, Tariff},
        },
        registry::role::RoleGrant,
    };

    impl IntoPayload for AssessLevy {
        fn into_payload(self) -> Payload {
            Payload::AssessLevy(self)
        }
    }

    fn assess(period: &str, declaration: DeclarationId) -> AssessLevy {
        let (payer, schedule) = (id("reuser"), schedule_code("royalty"));
        AssessLevy { payer, schedule, period: period.parse().unwrap(), declaration }
    }

    fn in_summer() -> Network {
        let mut network = money::network();
        network.advance_to(date(2027, 7, 2).start_time());
        network
    }

    fn prepay(network: &mut Network, text: &str, minor: u64) {
        network.receive(text, minor as i64, None);
        let prepaid = Target::Prepaid(PrepaidTarget { payer: id("reuser"), schedule: schedule_code("royalty") });
        let targets = vec![target(prepaid, minor)];
        let payload = MatchEntry { account: account(), entry: entry_key(text), targets };
        network.run("bank", Payload::MatchEntry(payload)).unwrap();
    }

    fn prepaid() -> Account {
        Account::PrepaidLevy { payer: id("reuser"), schedule: schedule_code("royalty") }
    }

    fn put_balance(network: &mut Network, account: Account, balance: Balance) {
        network.edit(|state| state.put::<AccountBalance>(account, AccountBalance { fund: fund(), balance }));
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let mut network = in_summer();
        let old = network.declare_calls("2027Q1", 2_000_000);
        let current = network.declare_calls("2027Q1", 3_000_000);
        let dear = network.declare_calls("2026Q4", u64::MAX);
        network.assess_calls("2027Q2", 2_000_000);
        let done = network.royalty("2027Q2").declaration.unwrap();
        network.edit(|state| {
            for (who, schedule) in [("lab", "royalty"), ("university", "none"), ("reuser", "royalty")] {
                let key = (id(who), Role::LevyAuthority, Scope::Schedule(schedule_code(schedule)));
                state.put::<RoleGrant>(key, RoleGrant { change: None });
            }
        });
        let prescribed = network.declare_calls("2026Q2", 2_000_000);
        let of_group = network.declare_calls("2026Q3", 2_000_000);
        network.edit(|state| {
            let (payer, schedule) = (id("reuser"), schedule_code("royalty"));
            let key = (payer, schedule, "2026Q2".parse().unwrap());
            state.update::<LevyAccount>(&key, |account| account.set(LevyFlag::Prescribed));
            state.update::<LevySchedule>(&schedule, |levy| levy.versions[0].scope = LiabilityScope::Group);
            let figures = LevyGroup {
                filer: payer,
                members: vec![payer],
                world_receipts: Amount::eur(1),
                local_receipts: Amount::eur(0),
                evidence: fixture::commitment("group"),
            };
            state.put::<LevyGroup>((payer, schedule, "2026Q3".parse().unwrap()), figures);
        });
        network.suspend("lab");
        let none = |asked| AssessLevy { schedule: schedule_code("none"), ..asked };
        let table: Vec<(&str, AssessLevy)> = vec![
            ("lab", none(assess("2027", old))),
            ("region", none(assess("2027", old))),
            ("university", none(assess("2027", old))),
            ("reuser", assess("2027", old)),
            ("reuser", assess("2027Q1", old)),
            ("data", assess("2027Q1", old)),
            ("data", assess("2027Q2", done)),
            ("data", assess("2026Q2", prescribed)),
            ("data", assess("2026Q3", of_group)),
        ];
        let mut reached: Vec<&str> = table.into_iter().map(|(signer, it)| network.refusal(signer, it)).collect();
        // Prepaid money that no receivable can take: the counterpart of what is owed was taken away.
        let payer = (id("reuser"), schedule_code("royalty"));
        network.edit(|state| prepaid::add(state, payer.0, payer.1, date(2027, 1, 4), 50_000));
        put_balance(&mut network, prepaid(), -50_000);
        put_balance(&mut network, Account::Uncollected { fund: fund() }, 0);
        let drained = network.refusal("data", assess("2027Q1", current));
        reached.push(drained);
        reached.push(network.refusal("data", assess("2026Q4", dear)));
        network.edit(|state| assert_eq!(prepaid::take_latest(state, payer.0, payer.1, 50_000).len(), 1));
        put_balance(&mut network, prepaid(), 0);
        put_balance(&mut network, Account::Uncollected { fund: fund() }, Balance::MIN);
        reached.push(network.refusal("data", assess("2027Q1", current)));
        fixture::assert_all_reached(Kind::AssessLevy, &reached);
    }

    #[test]
    fn what_is_due_stands_as_receivable_and_uncollected_and_every_line_is_in_the_event() {
        let mut network = in_summer();
        fixture::assert_round_trips(&assess("2027Q1", DeclarationId::ZERO).into_payload());
        let event = network.assess_calls("2027Q1", 2_000_000);
        assert_eq!(event.assessment.tax, Amount::eur(10_000));
        let lines: Vec<String> = event.steps.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "units ads(2000000) = 2000000",
                "sum units(2000000) = 2000000",
                "bracket 0(0, 1000000, 0) = 0",
                "bracket 1(1000000, 1000000, 10) = 10000000",
                "sum brackets(0, 10000000) = 10000000",
                "divide(10000000, 1000) = 10000",
                "tax(10000) = 10000",
            ]
        );
        let key = (id("reuser"), schedule_code("royalty"), "2027Q1".parse().unwrap());
        let (payer, schedule, period) = key;
        assert_eq!(network.balance(&Account::LevyReceivable { payer, schedule, period }), 10_000);
        assert_eq!(network.balance(&Account::Uncollected { fund: fund() }), -10_000);
        assert_eq!(network.royalty("2027Q1").status, LevyStatus::Assessed);
        network.assert_sound();
    }

    #[test]
    fn nothing_due_is_nil_and_moves_nothing() {
        let mut network = in_summer();
        let event = network.assess_calls("2027Q1", 1_000_000);
        assert!(event.postings.legs().is_empty());
        assert_eq!(event.steps.last().unwrap().rule, StepRule::Tax);
        assert_eq!(network.royalty("2027Q1").status, LevyStatus::Nil);
        network.assert_sound();
    }

    #[test]
    fn prepaid_money_settles_the_oldest_period_first_and_the_rest_stays_prepaid() {
        let mut network = in_summer();
        network.assess_calls("2027Q1", 2_000_000);
        prepay(&mut network, "a", 25_000);
        assert_eq!(network.royalty("2027Q1").open(), 10_000, "money that is prepaid waits for an assessment");
        let event = network.assess_calls("2027Q2", 2_000_000);
        let settled: Vec<(String, u64)> =
            event.prepaid.iter().map(|part| (part.period.to_string(), part.amount)).collect();
        assert_eq!(settled, [("2027Q1".to_owned(), 10_000), ("2027Q2".to_owned(), 10_000)]);
        assert_eq!(network.balance(&prepaid()), -5_000);
        assert_eq!(network.royalty("2027Q2").status, LevyStatus::Paid);
        assert_eq!(network.balance(&Account::Uncollected { fund: fund() }), 0);
        network.assert_sound();
    }

    #[test]
    fn an_assessment_that_does_not_follow_from_its_declaration_is_found() {
        let mut network = in_summer();
        let event = network.assess_calls("2027Q1", 2_000_000);
        network.edit(|state| {
            state.update::<LevySchedule>(&schedule_code("royalty"), |schedule| {
                let Tariff::Unit(brackets) = &mut schedule.versions[0].tariff else { panic!("units") };
                brackets.den = 999;
            });
        });
        let found = crate::accounts::invariants::check(&network.state);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].to_string().starts_with(&format!("I12: assessment {}", event.id)), "{}", found[0]);
    }
}
