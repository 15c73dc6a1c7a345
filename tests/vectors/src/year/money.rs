//! The second half of the money: another call that ends early, changes of schedules and policies, refunds, a payment that fails, disputes, and what
//! only time ends.

use super::{Story, rules::reason};
use crate::network::*;
use octroi_ledger::{
    Event, Kind, Payload, Receipt,
    application::{
        application::{PlannedTranche, TrancheKind},
        revise_application::ReviseApplication,
        submit_application::SubmitApplication,
        withdraw_application::WithdrawApplication,
    },
    bank::{
        book_cost::BookCost,
        fail_refund::FailRefund,
        match_entry::MatchEntry,
        matching::{MatchTarget, Target},
        order_refund::{OrderRefund, RefundSource, SuspenseSource},
        release_refund::ReleaseRefund,
        unmatch_entry::UnmatchEntry,
    },
    call::{amend_call::AmendCall, call::Criterion, cancel_call::CancelCall, open_call::OpenCall},
    contribution::{
        cancel_promise::CancelPromise, contribute_in_kind::ContributeInKind, promise_contribution::PromiseContribution,
        return_contribution::ReturnContribution,
    },
    governance::{
        change::{Content, RoleChange},
        levy_schedules::{PublishLevySchedule, Timing},
    },
    grant::{
        cancel_order::CancelOrder,
        fail_payment::FailPayment,
        order_payment::OrderPayment,
        refuse_payment::RefusePayment,
        release_payment::ReleasePayment,
        return_money::ReturnMoney,
        suspend_grant::{SuspendGrant, Suspension},
    },
    levy::{
        account::{DeclaredService, LevyAssessment},
        answer_dispute::AnswerDispute,
        attest_usage::{AttestUsage, AttestedUnits},
        declare_group::DeclareGroup,
        declare_levy::DeclareLevy,
        dispute_levy::DisputeLevy,
        reassess_levy::ReassessLevy,
        schedule::*,
    },
    redistribution::{
        adopt_policy::AdoptPolicy,
        close_period::ClosePeriod,
        policy::{Policy, PolicyCarryOver, Then},
    },
    registry::{
        fund::Fund,
        role::{Role, Scope},
    },
};
use octroi_primitives::*;

/// The schedule that the colleges publish: a royalty on public data.
pub(super) fn royalty() -> ScheduleCode {
    ScheduleCode::new("api").expect("a code")
}

fn day(year: u16, month: u8, day: u8) -> LegalDate {
    LegalDate::new(year, month, day).expect("a date")
}

/// One tranche of 2027 that asks for no evidence, and one that asks for a document.
pub(super) fn plan(advance: u64, balance: u64) -> Vec<PlannedTranche> {
    let planned = |number, kind, amount, evidence_needed| PlannedTranche {
        number,
        kind,
        amount: Amount::eur(amount),
        due: day(2027, 12, 31),
        budget_year: 2027,
        criteria: commitment("criteria"),
        evidence_needed,
    };
    vec![planned(1, TrancheKind::Advance, advance, 0), planned(2, TrancheKind::Balance, balance, 1)]
}

impl Story {
    /// A day later, one statement of these entries; gives their keys too.
    pub(super) fn next_statement(&mut self, entries: Vec<(i64, Option<Reference>)>) -> Vec<EntryKey> {
        self.wait(DAY);
        let count = entries.len();
        self.statement(self.today(), entries);
        let key = |index| {
            let text = format!("entry {}.{index}", self.statements);
            EntryKey::new(hash("vectors-entry", &[text.as_bytes()]))
        };
        (0..count).map(key).collect()
    }

    /// The one act of a block.
    pub(super) fn act(&mut self, organisation: &'static str, payload: Payload) -> Event {
        self.acts(vec![(organisation, payload)]).pop().expect("one act")
    }

    /// Waits until a day begins; gives the receipts of due work.
    fn until(&mut self, date: LegalDate) -> Vec<Receipt> {
        let left = date.start_time().0 - self.chain.now().0;
        self.wait(left)
    }

    /// A quarter is attested to its end and closed, if due work has not closed it.
    fn close_quarter(&mut self, period: &str) {
        let period: Period = period.parse().expect("a period");
        if self.chain.now() < period.end_time() {
            self.until(period.last_day().plus_days(1).expect("a date"));
        }
        if self.last_day() < period.last_day() {
            self.statement(period.last_day(), vec![]);
        }
        if self.chain.state.get::<Fund>(&fund()).is_some_and(|fund| fund.next_period == period) {
            self.act("lab", Payload::ClosePeriod(ClosePeriod { fund: fund(), period }));
        }
    }

    /// A call that is amended, gets an application that is revised and withdrawn, and is taken back.
    pub(super) fn second_call(&mut self) {
        let now = self.chain.now();
        let call = OpenCall {
            fund: fund(),
            envelope: envelope("commons"),
            title: Name::new("Second call").expect("a name"),
            budget: Amount::eur(1_000_000),
            categories: vec![],
            territory: None,
            opens_at: now.saturating_add(2_000),
            closes_at: now.saturating_add(20 * DAY),
            eligibility: vec![],
            criteria: vec![Criterion { code: CriterionCode::new("use").expect("a code"), weight_ppm: ppm(1_000_000) }],
            amount_min: Amount::eur(100_000),
            amount_max: Amount::eur(900_000),
            rate_max_ppm: ppm(800_000),
            months_max: 12,
            advance_max_ppm: ppm(500_000),
            retention_min_ppm: ppm(100_000),
            reviews: 2,
            licences: vec![],
            document: commitment("second call"),
        };
        let Event::OpenCall(opened) = self.act("agency", Payload::OpenCall(call)) else { panic!("it was opened") };
        let call = opened.id;
        let amended = AmendCall {
            call,
            opens_at: None,
            closes_at: Some(now.saturating_add(25 * DAY)),
            budget: Some(Amount::eur(1_200_000)),
            document: commitment("second call, amended"),
            reason: reason("more_money"),
        };
        self.act("agency", Payload::AmendCall(amended));
        self.wait(60_000);
        let (_, project) = self.known.projects[0];
        let asked = SubmitApplication {
            call,
            project,
            title: Name::new("Banks of the estuary").expect("a name"),
            requested: Amount::eur(400_000),
            eligible_cost: Amount::eur(600_000),
            months: 6,
            co_funding: vec![],
            tranches: plan(100_000, 300_000),
            partners: vec![],
            territory: None,
            dossier: commitment("banks"),
            lead_share_ppm: Ppm::ONE,
        };
        let event = self.act("maps", Payload::SubmitApplication(asked.clone()));
        let Event::SubmitApplication(submitted) = event else { panic!("it was submitted") };
        let application = submitted.id;
        let revised = ReviseApplication {
            application,
            title: asked.title,
            requested: Amount::eur(450_000),
            eligible_cost: Amount::eur(700_000),
            months: 8,
            co_funding: vec![],
            tranches: plan(100_000, 350_000),
            partners: vec![],
            territory: None,
            dossier: commitment("banks, second"),
            lead_share_ppm: Ppm::ONE,
        };
        self.act("maps", Payload::ReviseApplication(revised));
        let withdrawn = WithdrawApplication { application, reason: reason("other_funding") };
        self.act("maps", Payload::WithdrawApplication(withdrawn));
        let cancelled = CancelCall { call, reason: reason("no_demand"), document: commitment("no demand") };
        self.act("agency", Payload::CancelCall(cancelled));
    }

    /// A royalty with its data holder, and a policy that carries unspent money over for one period.
    pub(super) fn rules_of_money(&mut self) {
        let version = ScheduleVersion {
            version: 1,
            valid_from: day(2027, 7, 1),
            valid_to: None,
            legal_reference: Note::new("invented code, article 2").expect("a note"),
            document: commitment("royalty"),
            services: vec![ServiceCode::new("calls").expect("a code")],
            scope: LiabilityScope::Entity,
            tests: vec![],
            apportionment: Apportionment::None,
            deductions: vec![],
            tariff: Tariff::Unit(UnitBrackets { den: 1_000, brackets: vec![UnitBracket { from: 0, num: 10 }] }),
            modulation: vec![],
            calendar: LevyCalendar {
                period: PeriodLength::Quarter,
                declare_by: CalendarDay { months: 4, day: 30 },
                instalments: vec![],
                tolerance_ppm: ppm(0),
            },
            late: LateRules {
                interest_ppm_per_month: ppm(2_000),
                late_payment_ppm: ppm(50_000),
                non_filing_ppm: vec![ppm(100_000)],
            },
            prescription_years: 1,
        };
        let schedule = LevySchedule {
            fund: fund(),
            kind: LevyKind::DataRoyalty,
            visibility: Visibility::Public,
            versions: vec![version],
        };
        let publish = PublishLevySchedule { code: royalty(), schedule, timing: Timing::Ahead };
        let first = genesis().policies[0].policy.clone();
        let policy = Policy {
            valid_from: "2027Q3".parse().expect("a period"),
            carry_over: Some(PolicyCarryOver { max_periods: 1, then: Then::Reserve }),
            ..first
        };
        let code = PolicyCode::new("policy-2").expect("a code");
        let adopt = AdoptPolicy { code, policy, envelopes: vec![] };
        let changes =
            self.propose(vec![("lab", Content::PublishLevySchedule(publish)), ("lab", Content::AdoptPolicy(adopt))]);
        self.vote(&changes);
        let enacted = self.wait(11 * DAY);
        for change in changes {
            assert_eq!(Self::outcome(&enacted, change), Some(octroi_ledger::governance::change::ChangeStatus::Enacted));
        }
        let role =
            RoleChange { organisation: id("library"), role: Role::DataHolder, scope: Scope::Schedule(royalty()) };
        let changes = self.propose(vec![("region", Content::GrantRole(role))]);
        self.vote(&changes);
        self.wait(8 * DAY);
    }

    /// A promise whose match is taken back and made again, of which a part goes back and the rest is cancelled; a charge of the bank; a refund that
    /// fails.
    pub(super) fn refunds(&mut self) {
        let promise = PromiseContribution {
            fund: fund(),
            amount: Amount::eur(500_000),
            due: day(2027, 12, 31),
            earmark: None,
            conditions: None,
            parent: None,
        };
        // Nobody pays this one: it expires.
        self.act("bank", Payload::PromiseContribution(promise.clone()));
        let event = self.act("university", Payload::PromiseContribution(promise));
        let Event::PromiseContribution(promised) = event else { panic!("it was promised") };
        let promise = promised.promise;
        let reference = Reference::of(ReferenceKind::Promise, promise.hash());
        let keys = self.next_statement(vec![(300_000, Some(reference)), (40_000, None), (-1_500, None)]);
        let [kept, unknown, charge] = keys[..] else { panic!("three entries") };
        let unmatch = UnmatchEntry { account: account(), entry: kept, reason: reason("wrong_promise") };
        self.act("treasury", Payload::UnmatchEntry(unmatch));
        let targets = vec![MatchTarget { target: Target::Promise(promise), amount: Amount::eur(300_000) }];
        self.act("treasury", Payload::MatchEntry(MatchEntry { account: account(), entry: kept, targets }));
        let back = ReturnContribution {
            promise,
            amount: Amount::eur(100_000),
            payee_account: commitment("account of university"),
            reason: reason("paid_too_much"),
        };
        self.act("region", Payload::ReturnContribution(back));
        self.act("university", Payload::CancelPromise(CancelPromise { promise, reason: reason("budget_cut") }));
        let cost = BookCost {
            account: account(),
            entry: charge,
            amount: Amount::eur(1_500),
            explained_by: None,
            reason: reason("bank_charge"),
        };
        self.act("treasury", Payload::BookCost(cost));
        let refund = OrderRefund {
            source: RefundSource::Suspense(SuspenseSource { account: account(), entry: unknown }),
            amount: Amount::eur(40_000),
            payee_account: commitment("account of nobody known"),
            reason: reason("not_ours"),
        };
        let Event::OrderRefund(ordered) = self.act("region", Payload::OrderRefund(refund)) else {
            panic!("it was ordered")
        };
        let release = ReleaseRefund {
            refund: ordered.id,
            from_account: account(),
            payee_account: commitment("account of nobody known"),
            execution_date: self.today(),
        };
        self.act("treasury", Payload::ReleaseRefund(release));
        let failed = FailRefund { refund: ordered.id, reason: reason("account_closed"), returned: None };
        self.act("treasury", Payload::FailRefund(failed));
        let in_kind = ContributeInKind {
            fund: fund(),
            unit: Code::new("server_hours").expect("a code"),
            quantity: 8_760,
            estimate: Amount::eur(120_000),
            given_on: self.today(),
            description: commitment("a server"),
            project: Some(self.known.projects[0].1),
            schedule: None,
            period: None,
        };
        self.act("platform", Payload::ContributeInKind(in_kind));
    }

    /// The balance of the grant: stopped, let go on, refused, taken back, not paid by the bank, paid; then some of it comes back.
    pub(super) fn troubled_payment(&mut self) {
        let (grant, amounts) = self.known.grant.clone().expect("it was offered");
        let (tranche, amount) = (2, amounts[1]);
        let suspend = |asked| {
            Payload::SuspendGrant(SuspendGrant {
                grant,
                asked,
                reason: reason("inquiry"),
                document: commitment("inquiry"),
            })
        };
        self.act("region", suspend(Suspension::Suspend));
        self.act("region", suspend(Suspension::Resume));
        let refused = RefusePayment { grant, tranche, reason: reason("wrong_year"), comment: commitment("wrong year") };
        self.act("treasury", Payload::RefusePayment(refused));
        let order =
            || Payload::OrderPayment(OrderPayment { grant, tranche, amount: Amount::eur(amount), budget_year: 2027 });
        self.act("region", order());
        self.act("region", Payload::CancelOrder(CancelOrder { grant, tranche, reason: reason("too_early") }));
        self.act("region", order());
        let release = |attempt, execution_date| {
            Payload::ReleasePayment(ReleasePayment {
                grant,
                tranche,
                attempt,
                from_account: account(),
                payee_account: commitment("account of maps"),
                execution_date,
            })
        };
        let Event::ReleasePayment(released) = self.act("treasury", release(1, self.today())) else {
            panic!("it was released")
        };
        let failed = FailPayment { payout: released.id, reason: reason("bank_refused"), returned: None };
        self.act("treasury", Payload::FailPayment(failed));
        let Event::ReleasePayment(released) = self.act("treasury", release(2, self.today())) else {
            panic!("it was released")
        };
        let reference = Reference::of(ReferenceKind::Payout, released.id.hash());
        self.next_statement(vec![(-(amount as i64), Some(reference))]);
        let back = ReturnMoney { grant, amount: Amount::eur(100_000), reason: reason("not_needed") };
        let Event::ReturnMoney(announced) = self.act("maps", Payload::ReturnMoney(back)) else {
            panic!("it was announced")
        };
        let reference = Reference::of(ReferenceKind::Return, announced.id.hash());
        self.next_statement(vec![(100_000, Some(reference))]);
    }

    /// The platform disputes what it paid and is answered; then the authority finds more.
    pub(super) fn disputes(&mut self) {
        let period: Period = "2026".parse().expect("a period");
        let records = self.chain.state.all::<LevyAssessment>();
        let assessed = records.filter(|(_, record)| record.payer == id("platform") && record.period == period);
        let assessment = *assessed.map(|(id, _)| id).next().expect("it was assessed");
        let dispute = DisputeLevy {
            assessment,
            amount: Amount::eur(1_000_000),
            reason: reason("share_too_high"),
            grounds: commitment("grounds"),
        };
        let Event::DisputeLevy(disputed) = self.act("platform", Payload::DisputeLevy(dispute)) else {
            panic!("it was disputed")
        };
        let answer = AnswerDispute {
            dispute: disputed.id,
            figures: None,
            reason: reason("method_holds"),
            answer: commitment("answer to the platform"),
        };
        self.act("tax", Payload::AnswerDispute(answer));
        let figures = DeclareLevy {
            schedule: schedule(),
            period,
            services: vec![DeclaredService {
                code: ServiceCode::new("ads").expect("a code"),
                receipts: Amount::eur(4_200_000_000),
                deductions: vec![],
                share: Some(Rational::new(125, 1_000)),
                units: None,
            }],
            world_receipts: Amount::eur(90_000_000_000),
            local_receipts: Amount::eur(3_000_000_000),
            method: commitment("method of the audit"),
            evidence: commitment("evidence of the audit"),
            class: None,
        };
        let reassess = ReassessLevy { payer: id("platform"), assessment, figures, reason: reason("tax_audit") };
        self.act("tax", Payload::ReassessLevy(reassess));
        let group = DeclareGroup {
            schedule: schedule(),
            period,
            members: vec![id("notary")],
            world_receipts: Amount::eur(1_000_000),
            local_receipts: Amount::eur(900_000),
            evidence: commitment("group"),
        };
        self.act("notary", Payload::DeclareGroup(group));
    }

    /// The data holder attests a use that nobody declares: it is assessed by default.
    pub(super) fn usage(&mut self) {
        self.close_quarter("2027Q2");
        self.close_quarter("2027Q3");
        let usage = AttestUsage {
            payer: id("bank"),
            schedule: royalty(),
            period: "2027Q3".parse().expect("a period"),
            units: vec![AttestedUnits { service: ServiceCode::new("calls").expect("a code"), units: 123_456_789 }],
            evidence: commitment("log of calls"),
        };
        self.act("library", Payload::AttestUsage(usage));
        self.until(day(2027, 12, 15));
        let assessed = self.until(day(2028, 1, 15));
        assert!(
            assessed.iter().any(|receipt| receipt.kind() == Kind::AssessByDefault),
            "what is not declared is assessed"
        );
    }

    /// What nobody spends or claims ends.
    pub(super) fn years_later(&mut self) {
        self.close_quarter("2027Q4");
        let mut receipts = self.until(day(2028, 2, 15));
        receipts.extend(self.until(day(2028, 12, 31)));
        for kind in [Kind::ExpireCarryOver, Kind::PrescribeLevy] {
            assert!(receipts.iter().any(|receipt| receipt.kind() == kind), "{kind}");
        }
    }
}
