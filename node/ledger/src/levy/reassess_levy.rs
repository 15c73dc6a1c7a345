//! `reassess_levy`: a levy authority corrects an assessment, up or down, by figures that hold now.
//!
//! - Allowed: an active organisation with the role levy authority over the schedule, of another group than the payer.
//! - Effect: a new assessment takes the place of the named one, computed by the same version. Up: receivable and uncollected grow. Down: what is not
//!   paid is reversed; what is paid becomes prepaid money and comes from unallocated money of the source, then provision, reserve, deficit. Interest
//!   and surcharge are recomputed, what was posted too much is reversed, and prepaid money is applied to the oldest unpaid period.
//! - Source: rulebook §3, table A; §4, 0407; §5.

use super::{
    account::{LevyAccount, LevyAssessment, LevyDeclaration},
    assess_levy::AssessFault,
    compute::LevyStep,
    correction::{self, FirstFrom, LevyCorrection},
    declare_levy::{self, DeclareLevy},
    dispute::LevyDispute,
    late::version_of,
    schedule::LevySchedule,
};
use crate::{
    accounts::{PostingError, Postings},
    action::{Action, Effect, Place},
    history::RecordRef,
    refusal::{Reject, Shared, posting_refusals, refusals, signer_refusals},
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
    pub struct ReassessLevy = ReassessLevy {
        /// Who owes.
        pub payer: OrganisationId,
        /// The assessment that is corrected.
        pub assessment: AssessmentId,
        /// The figures that hold now, of the same schedule and period.
        pub figures: DeclareLevy [required],
        /// Why.
        pub reason: ReasonCode,
    }

    /// The event.
    pub struct LevyReassessed = LevyReassessed {
        /// The new assessment.
        pub id: AssessmentId,
        /// As it stands in the state.
        pub assessment: LevyAssessment [required],
        /// The one whose place it takes.
        pub replaces: AssessmentId,
        /// The figures as a declaration.
        pub declaration: LevyDeclaration [required],
        /// The fund that it feeds.
        pub fund: FundCode,
        /// Who assessed.
        pub authority: OrganisationId,
        /// Why.
        pub reason: ReasonCode,
        /// Every line of the computation.
        pub steps: Vec<LevyStep>,
        /// What it does to the period.
        pub correction: LevyCorrection [required],
        /// All that moves.
        pub postings: Postings,
        /// The dispute that waits for an answer.
        pub dispute: Option<Hash>,
    }
}

refusals! {
    AmountFigures(String): Amount 1 "{0}", "a figure is out of bounds, a share is none, or a deduction is over its cap";
    CurrencyFigures(String): Currency 1 "{0}", "the amounts are in several currencies, or in another than the fund";
    LimitFigures(String): Limit 1 "{0}", "no service, too many, or one twice";
    signer;
    UnknownSchedule(ScheduleCode): Unknown 1 "levy schedule {0} does not exist", "the schedule does not exist";
    UnknownAssessment(AssessmentId): Unknown 2 "assessment {0} of the payer for that schedule and period does not exist", "the payer has no such assessment for the schedule and period";
    ScheduleFigures(String): Schedule 1 "{0}", "a service, deduction or class is not in the version";
    SegregationPayer(OrganisationId): Segregation 1 "payer {0} is of the authority's group", "payer and authority are of one group";
    StateReplaced(AssessmentId): State 1 "assessment {0} took its place", "the assessment was corrected already";
    StateEnded(Period): State 2 "period {0} is prescribed or written off", "the period ended unpaid";
    Insufficient(PostingError): Insufficient 1 "{0}", "an account does not hold what the assessment moves";
    OverflowTax(String): Overflow 1 "{0}", "a line of the computation, or the tax, leaves its range";
    Overflow(PostingError): Overflow 2 "{0}", "a sum leaves its range";
}
signer_refusals!(Refused);
posting_refusals!(Refused);

impl From<AssessFault> for Refused {
    fn from(fault: AssessFault) -> Self {
        match fault {
            AssessFault::Tax(words) => Self::OverflowTax(words),
            AssessFault::Posting(error) => error.into(),
        }
    }
}

/// Figures are judged as a declaration's are; here the shared name is enough.
impl From<declare_levy::Refused> for Refused {
    fn from(refused: declare_levy::Refused) -> Self {
        let words = refused.to_string();
        match refused.doc().shared {
            Shared::Currency => Self::CurrencyFigures(words),
            Shared::Limit => Self::LimitFigures(words),
            Shared::Schedule => Self::ScheduleFigures(words),
            _ => Self::AmountFigures(words),
        }
    }
}

impl Action for ReassessLevy {
    type Event = LevyReassessed;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(self.figures.validate()?)
    }

    fn cost(&self) -> u64 {
        self.figures.cost()
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<LevyReassessed, Refused> {
        let Self { payer, assessment: replaces, figures, reason } = self;
        let (schedule, period) = (figures.schedule, figures.period);
        let key = (*payer, schedule, period);

        cx.authorise(state, Role::LevyAuthority, Scope::Schedule(schedule))?;
        let record = state.get::<LevySchedule>(&schedule).ok_or(Refused::UnknownSchedule(schedule))?;
        let old = state.get::<LevyAssessment>(replaces).filter(|old| (old.payer, old.schedule, old.period) == key);
        let old = old.ok_or(Refused::UnknownAssessment(*replaces))?;
        let account = state.get::<LevyAccount>(&key).ok_or(Refused::UnknownAssessment(*replaces))?;
        let version = version_of(state, &schedule, account).ok_or(Refused::UnknownAssessment(*replaces))?;
        figures.names_only(version)?;
        if same_group(state, payer, &cx.organisation) {
            return Err(Refused::SegregationPayer(*payer));
        }
        if let Some(newer) = old.replaced_by {
            return Err(Refused::StateReplaced(newer));
        }
        if account.has_ended() {
            return Err(Refused::StateEnded(period));
        }
        figures.check_figures(version, record.fund, state)?;
        let corrected = correction::correct(key, account, figures, version, FirstFrom::Unallocated, &cx.place, state)?;
        let postings = correction::check(corrected.movement, state)?;
        Ok(LevyReassessed {
            id: corrected.id,
            assessment: corrected.assessment,
            replaces: *replaces,
            declaration: corrected.declaration,
            fund: record.fund,
            authority: cx.organisation,
            reason: *reason,
            steps: corrected.steps,
            correction: corrected.correction,
            postings,
            dispute: account.dispute,
        })
    }
}

impl Effect for LevyReassessed {
    fn apply(&self, place: &Place, state: &mut Overlay<'_>) {
        let Self { id, assessment, declaration, correction, .. } = self;
        correction::apply(state, *id, assessment, declaration, correction, place);
    }

    /// Both assessments, declaration, account, schedule, fund, payer, authority, an open dispute, and each period that prepaid money settles.
    fn subjects(&self) -> Vec<RecordRef> {
        let LevyAssessment { payer, schedule, .. } = &self.assessment;
        let mut subjects = BTreeSet::from([
            RecordRef::of::<LevyAssessment>(&self.replaces),
            RecordRef::of::<LevySchedule>(schedule),
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<Organisation>(payer),
            RecordRef::of::<Organisation>(&self.authority),
        ]);
        subjects.extend(correction::subjects(&self.id, &self.assessment, &self.correction));
        subjects.extend(self.dispute.map(|dispute| RecordRef::of::<LevyDispute>(&dispute)));
        subjects.into_iter().collect()
    }

    fn postings(&self) -> Option<&Postings> {
        Some(&self.postings)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        accounts::{Account, AccountBalance},
        action::{Event, Kind, Payload},
        bank::{
            match_entry::MatchEntry,
            matching::{LevyTarget, Target},
        },
        fixture::{
            self, IntoPayload, Network, account, commitment, fund, id,
            money::{self, date, entry, entry_key, schedule_code, target},
        },
        levy::{
            account::{LevyFlag, LevyStatus},
            assess_levy::LevyAssessed,
            prepaid,
            schedule::LevySchedule,
        },
        registry::role::RoleGrant,
    };

    impl IntoPayload for ReassessLevy {
        fn into_payload(self) -> Payload {
            Payload::ReassessLevy(self)
        }
    }

    /// Figures of `reuser` for a quarter.
    pub(crate) fn figures(period: &str, units: u64) -> DeclareLevy {
        DeclareLevy {
            schedule: schedule_code("royalty"),
            period: period.parse().unwrap(),
            services: money::calls(units),
            world_receipts: Amount::eur(0),
            local_receipts: Amount::eur(0),
            method: commitment("corrected"),
            evidence: commitment("corrected"),
            class: None,
        }
    }

    fn reassess(assessment: AssessmentId, period: &str, units: u64) -> ReassessLevy {
        let reason = ReasonCode::new("audit").unwrap();
        ReassessLevy { payer: id("reuser"), assessment, figures: figures(period, units), reason }
    }

    /// 2027-07-02, with 100.00 assessed for Q1.
    pub(crate) fn assessed() -> (Network, LevyAssessed) {
        let mut network = money::network();
        network.advance_to(date(2027, 7, 2).start_time());
        let event = network.assess_calls("2027Q1", 2_000_000);
        (network, event)
    }

    /// Pays so much of Q1 by a credit with this value date.
    pub(crate) fn pay(network: &mut Network, text: &str, minor: u64, value_date: LegalDate) {
        let mut credit = entry(text, minor as i64, None);
        credit.value_date = value_date;
        network.attest(network.statement(vec![credit]));
        let (payer, schedule) = (id("reuser"), schedule_code("royalty"));
        let levy = Target::Levy(LevyTarget { payer, schedule, period: "2027Q1".parse().unwrap() });
        let payload = MatchEntry { account: account(), entry: entry_key(text), targets: vec![target(levy, minor)] };
        network.run("bank", Payload::MatchEntry(payload)).unwrap();
    }

    pub(crate) fn royalties() -> Account {
        Account::Unallocated { fund: fund(), source: Code::new("royalty").unwrap() }
    }

    pub(crate) fn prepaid_account() -> Account {
        Account::PrepaidLevy { payer: id("reuser"), schedule: schedule_code("royalty") }
    }

    fn run(network: &mut Network, asked: ReassessLevy) -> LevyReassessed {
        match network.run("data", asked) {
            Ok(Event::ReassessLevy(event)) => event,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let (mut network, first) = assessed();
        let event = run(&mut network, reassess(first.id, "2027Q1", 3_000_000));
        let ended = network.assess_calls("2027Q2", 2_000_000);
        network.edit(|state| {
            for (who, schedule) in [("lab", "royalty"), ("university", "none"), ("reuser", "royalty")] {
                let key = (id(who), Role::LevyAuthority, Scope::Schedule(schedule_code(schedule)));
                state.put::<RoleGrant>(key, RoleGrant { change: None });
            }
            let key = (id("reuser"), schedule_code("royalty"), "2027Q2".parse().unwrap());
            state.update::<LevyAccount>(&key, |account| account.set(LevyFlag::WrittenOff));
        });
        network.suspend("lab");
        let with = |change: &dyn Fn(&mut ReassessLevy)| {
            let mut asked = reassess(event.id, "2027Q1", 4_000_000);
            change(&mut asked);
            asked
        };
        let dollar = Currency::new("USD").unwrap();
        let table: Vec<(&str, ReassessLevy)> = vec![
            ("lab", with(&|it| it.figures.world_receipts.minor = Amount::MAX_MINOR + 1)),
            ("lab", with(&|it| it.figures.local_receipts.currency = dollar)),
            ("lab", with(&|it| it.figures.services.clear())),
            ("lab", with(&|_| {})),
            ("region", with(&|it| it.figures.schedule = schedule_code("none"))),
            ("university", with(&|it| it.figures.schedule = schedule_code("none"))),
            ("data", with(&|it| it.assessment = AssessmentId::ZERO)),
            ("reuser", with(&|it| it.figures.services[0].code = ServiceCode::new("maps").unwrap())),
            ("reuser", with(&|it| it.assessment = first.id)),
            ("data", reassess(first.id, "2027Q1", 4_000_000)),
            ("data", reassess(ended.id, "2027Q2", 4_000_000)),
        ];
        let mut reached: Vec<&str> = table.into_iter().map(|(signer, it)| network.refusal(signer, it)).collect();
        let put = |network: &mut Network, account: Account, balance| {
            network.edit(|state| state.put::<AccountBalance>(account, AccountBalance { fund: fund(), balance }));
        };
        let lower = reassess(event.id, "2027Q1", 1);
        let uncollected = network.balance(&Account::Uncollected { fund: fund() });
        put(&mut network, Account::Uncollected { fund: fund() }, 0);
        reached.push(network.refusal("data", lower));
        reached.push(network.refusal("data", reassess(event.id, "2027Q1", u64::MAX)));
        put(&mut network, Account::Uncollected { fund: fund() }, Balance::MIN);
        reached.push(network.refusal("data", reassess(event.id, "2027Q1", 4_000_000)));
        put(&mut network, Account::Uncollected { fund: fund() }, uncollected);
        fixture::assert_all_reached(Kind::ReassessLevy, &reached);
    }

    #[test]
    fn upwards_the_receivable_grows_and_lateness_is_computed_again() {
        let (mut network, first) = assessed();
        fixture::assert_round_trips(&reassess(first.id, "2027Q1", 3_000_000).into_payload());
        let event = run(&mut network, reassess(first.id, "2027Q1", 3_000_000));
        assert_eq!((event.correction.tax_before, event.correction.tax), (10_000, 20_000));
        // Three started months at 0.2 % over 200.00.
        assert_eq!(event.correction.late.interest_owed, 120);
        assert_eq!(network.balance(&Account::Uncollected { fund: fund() }), -20_120);
        let levy = network.royalty("2027Q1");
        assert_eq!((levy.open(), levy.open_interest(), levy.assessment), (20_000, 120, Some(event.id)));
        let old = network.state.get::<LevyAssessment>(&first.id).unwrap();
        assert_eq!(old.replaced_by, Some(event.id));
        network.assert_sound();
        // The old reference still finds the period.
        network.receive("again", 120, Some(Reference::of(ReferenceKind::Levy, first.id.hash())));
        assert_eq!(network.royalty("2027Q1").paid, 120);
        network.assert_sound();
    }

    #[test]
    fn downwards_what_is_not_paid_is_reversed_and_interest_with_it() {
        let (mut network, first) = assessed();
        let up = run(&mut network, reassess(first.id, "2027Q1", 3_000_000));
        let event = run(&mut network, reassess(up.id, "2027Q1", 1_500_000));
        assert_eq!((event.correction.late.interest_before, event.correction.late.interest_owed), (120, 30));
        let levy = network.royalty("2027Q1");
        assert_eq!((levy.open(), levy.open_interest()), (5_000, 30));
        assert_eq!(network.balance(&Account::Uncollected { fund: fund() }), -5_030);
        network.assert_sound();
    }

    #[test]
    fn downwards_after_payment_money_comes_from_unallocated_then_reserve_then_it_is_a_deficit() {
        let (mut network, first) = assessed();
        pay(&mut network, "paid", 10_060, date(2027, 7, 1));
        network.assert_sound();
        network.edit(|state| {
            // Most of it was split: 4,000 are still free, 1,000 are in the reserve.
            for (account, balance) in [
                (royalties(), -4_000),
                (Account::Reserve { fund: fund() }, -1_000),
                (Account::Costs { fund: fund() }, -5_060),
            ] {
                state.put::<AccountBalance>(account, AccountBalance { fund: fund(), balance });
            }
        });
        let event = run(&mut network, reassess(first.id, "2027Q1", 1_200_000));
        let back = &event.correction.given_back;
        assert_eq!(event.correction.excess.iter().map(|part| part.amount).sum::<u64>(), 8_000);
        assert_eq!(event.correction.charges_back, 48, "interest on 20.00 for three months is 0.12");
        assert_eq!((back.unallocated, back.provision, back.reserve, back.deficit), (4_000, 0, 1_000, 3_048));
        assert_eq!(network.balance(&Account::Deficit { fund: fund() }), 3_048);
        assert_eq!(network.balance(&prepaid_account()), -8_048);
        let levy = network.royalty("2027Q1");
        assert_eq!((levy.status, levy.paid, levy.interest_paid), (LevyStatus::Paid, 2_000, 12));
        network.assert_sound();
    }

    #[test]
    fn what_is_given_back_pays_the_oldest_unpaid_period_and_keeps_its_value_date() {
        let (mut network, first) = assessed();
        pay(&mut network, "paid", 10_000, date(2027, 4, 30));
        let older = network.assess_calls("2026Q4", 1_300_000);
        let event = run(&mut network, reassess(first.id, "2027Q1", 1_500_000));
        let settled = &event.correction.prepaid;
        assert_eq!(settled.len(), 1);
        assert_eq!((settled[0].period, settled[0].settlement.value_date), (older.assessment.period, date(2027, 4, 30)));
        // 30.00 were due by 31 January: three started months to 30 April, so 0.18.
        assert_eq!((settled[0].settlement.principal, settled[0].settlement.interest), (3_000, 18));
        let overlay = network.state.overlay();
        assert_eq!(prepaid::held(&overlay, id("reuser"), schedule_code("royalty")), 5_000 - 3_018);
        drop(overlay);
        network.assert_sound();
    }

    #[test]
    fn instalments_in_time_count_from_the_assessment_on_and_a_missing_one_costs_from_its_day() {
        let mut network = money::network();
        let days = |months, day| crate::levy::schedule::CalendarDay { months, day };
        network.edit(|state| {
            state.update::<LevySchedule>(&schedule_code("royalty"), |levy| {
                let version = &mut levy.versions[0];
                version.calendar.instalments = vec![crate::levy::schedule::Instalment {
                    by: days(2, 15),
                    share_ppm_of_previous: money::ppm(1_000_000),
                }];
                version.calendar.tolerance_ppm = money::ppm(200_000);
                version.late.late_payment_ppm = money::ppm(50_000);
            });
        });
        network.advance_to(date(2027, 7, 2).start_time());
        network.assess_calls("2026Q4", 2_000_000);
        let event = network.assess_calls("2027Q1", 2_000_000);
        assert_eq!(event.instalments, 10_000, "as much as the previous tax");
        pay(&mut network, "late", 10_000, date(2027, 1, 20));
        // The oldest period took it. For Q1 no instalment came by 15 March: four started months and the surcharge.
        let (payer, schedule) = (id("reuser"), schedule_code("royalty"));
        let key = (payer, schedule, "2027Q1".parse().unwrap());
        let overlay = network.state.overlay();
        let account = overlay.get::<LevyAccount>(&key).unwrap();
        let version = version_of(&overlay, &schedule, account).unwrap();
        let terms = crate::levy::late::LateTerms::of(version, key.2, 0);
        let charges = terms.charges(account, date(2027, 7, 2)).unwrap();
        assert_eq!((charges.due, charges.interest, charges.surcharge), (date(2027, 3, 15), 80, 500));
    }
}
