//! `assess_levy`: a levy authority assesses a declaration. It carries no amount: the amount follows from the declaration and the schedule.
//!
//! - Allowed: an active organisation with the role levy authority over the schedule, of another group than the payer.
//! - Effect: the event holds every line of the computation; nothing due is `nil`; else the levy stands as receivable and uncollected, has a reference
//!   (L and 26 characters), and prepaid money is applied to the oldest unpaid period first.
//! - Source: rulebook §3, §5 and §17, 0404.

use super::{
    account::{
        LevyAccount, LevyAssessment, LevyDeclaration, LevyStatus, SettledPeriod, last_period, post_payment, settle,
    },
    compute::{LevyStep, compute},
    schedule::LevySchedule,
};
use crate::{
    accounts::{Account, Movement, PostingError, Postings, balance},
    action::{Action, Effect, Place},
    history::RecordRef,
    refusal::{refusals, signer_refusals},
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
        /// Who assessed.
        pub authority: OrganisationId,
        /// Every line of the computation.
        pub steps: Vec<LevyStep>,
        /// Prepaid money applied, oldest period first.
        pub prepaid: Vec<SettledPeriod>,
        /// The levy, then what prepaid money settles.
        pub postings: Postings,
    }
}

refusals! {
    signer;
    UnknownSchedule(ScheduleCode): Unknown 1 "levy schedule {0} does not exist", "the schedule does not exist";
    ScheduleVersion(ScheduleCode, Period): Schedule 1 "schedule {0} has no version for {1}", "no version of the schedule is valid on the period's last day, or its periods have another length";
    SegregationPayer(OrganisationId): Segregation 1 "payer {0} is of the authority's group", "payer and authority are of one group";
    StateDeclaration(DeclarationId): State 1 "{0} is not the current declaration of the payer for the period", "the declaration is not the payer's current one for the period";
    StateAssessed(Period): State 2 "period {0} is assessed", "the period is assessed already";
    Insufficient(PostingError): Insufficient 1 "{0}", "an account does not hold what the assessment moves";
    OverflowTax(String): Overflow 1 "{0}", "a line of the computation, or the tax, leaves its range";
    Overflow(PostingError): Overflow 2 "{0}", "a sum leaves its range";
}
signer_refusals!(Refused);

impl From<PostingError> for Refused {
    fn from(error: PostingError) -> Self {
        match error {
            PostingError::Insufficient { .. } => Self::Insufficient(error),
            PostingError::Overflow(_) => Self::Overflow(error),
        }
    }
}

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
            .filter(|account| account.declaration == declaration)
            .ok_or(Refused::StateDeclaration(declaration))?;
        if account.assessment.is_some() {
            return Err(Refused::StateAssessed(period));
        }
        let declared = state.get::<LevyDeclaration>(&declaration).ok_or(Refused::StateDeclaration(declaration))?;
        let computed = compute(version, declared).map_err(|large| Refused::OverflowTax(large.to_string()))?;
        let tax = u64::try_from(computed.tax).ok().filter(|tax| *tax <= Amount::MAX_MINOR);
        let tax =
            tax.ok_or_else(|| Refused::OverflowTax(format!("{} minor units; 10^15 are possible", computed.tax)))?;

        let id = AssessmentId::new(object_id("assessment", &cx.place.transaction));
        let tax = Amount::new(tax, declared.world_receipts.currency);
        let mut event = LevyAssessed {
            id,
            assessment: LevyAssessment { payer, schedule, period, declaration, version: version.version, tax },
            fund: record.fund,
            authority: cx.organisation,
            steps: computed.steps,
            prepaid: Vec::new(),
            postings: Postings::default(),
        };
        event.settle_prepaid(state)?;
        Ok(event)
    }
}

impl LevyAssessed {
    /// Adds what prepaid money settles, and the postings, decided on a scratch state that knows the assessment.
    fn settle_prepaid(&mut self, state: &Overlay<'_>) -> Result<(), PostingError> {
        let LevyAssessment { payer, schedule, period, tax, .. } = self.assessment;
        let fund = self.fund;
        let mut scratch = state.scratch();
        self.write(&mut scratch);
        let prepaid = Account::PrepaidLevy { payer, schedule };
        let held = u64::try_from(-balance(state, &prepaid)).unwrap_or(0);
        self.prepaid = settle(&scratch, payer, schedule, last_period(), held);

        let mut movement = Movement::in_fund(fund);
        let receivable = Account::LevyReceivable { payer, schedule, period };
        movement.transfer(receivable, Account::Uncollected { fund }, tax.minor);
        for SettledPeriod { period, amount } in &self.prepaid {
            post_payment(&mut movement, prepaid.clone(), (payer, schedule, *period), fund, *amount);
        }
        self.postings = movement.check(state)?;
        Ok(())
    }

    /// Writes the assessment and the account; not what prepaid money settles.
    fn write(&self, state: &mut Overlay<'_>) {
        let LevyAssessment { payer, schedule, period, tax, .. } = &self.assessment;
        state.update::<LevyAccount>(&(*payer, *schedule, *period), |account| {
            account.assessment = Some(self.id);
            account.assessed = tax.minor;
            account.status = if tax.is_zero() { LevyStatus::Nil } else { LevyStatus::Assessed };
        });
        state.put::<LevyAssessment>(self.id, self.assessment.clone());
    }
}

impl Effect for LevyAssessed {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        self.write(state);
        let LevyAssessment { payer, schedule, .. } = &self.assessment;
        for SettledPeriod { period, amount } in &self.prepaid {
            state.update::<LevyAccount>(&(*payer, *schedule, *period), |account| account.pay(*amount));
        }
    }

    /// The assessment, its declaration, schedule, fund, payer, authority, and each period that prepaid money settles: usually one.
    fn subjects(&self) -> Vec<RecordRef> {
        let LevyAssessment { payer, schedule, period, declaration, .. } = &self.assessment;
        let mut subjects = BTreeSet::from([
            RecordRef::of::<LevyAssessment>(&self.id),
            RecordRef::of::<LevyDeclaration>(declaration),
            RecordRef::of::<LevyAccount>(&(*payer, *schedule, *period)),
            RecordRef::of::<LevySchedule>(schedule),
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<Organisation>(payer),
            RecordRef::of::<Organisation>(&self.authority),
        ]);
        let settled = self.prepaid.iter().map(|settled| (*payer, *schedule, settled.period));
        subjects.extend(settled.map(|key| RecordRef::of::<LevyAccount>(&key)));
        subjects.into_iter().collect()
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
        levy::{compute::StepRule, schedule::Tariff},
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
        let done = network.royalty("2027Q2").declaration;
        network.edit(|state| {
            for (who, schedule) in [("lab", "royalty"), ("university", "none"), ("reuser", "royalty")] {
                let key = (id(who), Role::LevyAuthority, Scope::Schedule(schedule_code(schedule)));
                state.put::<RoleGrant>(key, RoleGrant { change: None });
            }
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
        ];
        let mut reached: Vec<&str> = table.into_iter().map(|(signer, it)| network.refusal(signer, it)).collect();
        // Prepaid money that no receivable can take: the counterpart of what is owed was taken away.
        put_balance(&mut network, prepaid(), -50_000);
        put_balance(&mut network, Account::Uncollected { fund: fund() }, 0);
        let drained = network.refusal("data", assess("2027Q1", current));
        reached.push(drained);
        reached.push(network.refusal("data", assess("2026Q4", dear)));
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
