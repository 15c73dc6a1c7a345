//! `answer_dispute`: a levy authority answers a dispute: the assessment stands, or new figures lower it.
//!
//! - Allowed: an active organisation with the role levy authority over the schedule, of another group than the payer.
//! - Effect: rejected: what was held in provision is free again. Accepted: a new assessment as `reassess_levy` makes it, downwards, whose paid money
//!   comes from the provision first; what is left of the provision is free again.
//! - Source: rulebook §3, table A; §4, 0406; §5.

use super::{
    account::{LevyAccount, LevyAssessment, LevyDeclaration, LevyKey, fund_of},
    assess_levy::AssessFault,
    compute::LevyStep,
    correction::{self, FirstFrom, LevyCorrection},
    declare_levy::{self, DeclareLevy},
    dispute::{self, DisputeStatus, LevyDispute},
    late::version_of,
    schedule::LevySchedule,
    watch,
};
use crate::{
    accounts::{Account, Movement, PostingError, Postings},
    action::{Action, BASE_COST, Effect, Place},
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
    pub struct AnswerDispute = AnswerDispute {
        /// Which.
        pub dispute: Hash,
        /// The figures that hold now; `None`: the assessment stands.
        pub figures: Option<DeclareLevy>,
        /// Why.
        pub reason: ReasonCode,
        /// Commitment to the answer.
        pub answer: Commitment,
    }

    /// The new assessment of an accepted dispute.
    pub struct AcceptedDispute = AcceptedDispute {
        /// Its id.
        pub id: AssessmentId,
        /// As it stands in the state.
        pub assessment: LevyAssessment [required],
        /// The one whose place it takes.
        pub replaces: AssessmentId,
        /// The figures as a declaration.
        pub declaration: LevyDeclaration [required],
        /// Every line of the computation.
        pub steps: Vec<LevyStep>,
        /// What it does to the period.
        pub correction: LevyCorrection [required],
    }

    /// The event.
    pub struct DisputeAnswered = DisputeAnswered {
        /// Which.
        pub dispute: Hash,
        /// Rejected or accepted.
        pub status: DisputeStatus,
        /// Who disputed.
        pub payer: OrganisationId,
        /// Under which schedule.
        pub schedule: ScheduleCode,
        /// Which period.
        pub period: Period,
        /// The fund that the levy feeds.
        pub fund: FundCode,
        /// Who answers.
        pub authority: OrganisationId,
        /// Why.
        pub reason: ReasonCode,
        /// Commitment to the answer.
        pub answer: Commitment,
        /// Minor units that go back from the provision to unallocated money.
        pub released: u64,
        /// The new assessment.
        pub accepted: Option<AcceptedDispute>,
        /// All that moves.
        pub postings: Postings,
    }
}

refusals! {
    AmountFigures(String): Amount 1 "{0}", "a figure is out of bounds, a share is none, or a deduction is over its cap";
    CurrencyFigures(String): Currency 1 "{0}", "the amounts are in several currencies, or in another than the fund";
    LimitFigures(String): Limit 1 "{0}", "no service, too many, or one twice";
    Suspended(OrganisationId): Suspended 1 "organisation {0} is not active", "the signer is suspended, merged or closed";
    UnknownDispute(Hash): Unknown 1 "dispute {0} does not exist", "the dispute does not exist";
    RoleMissing(String): Role 1 "{0}", "the signer does not hold the role in this scope, or too few of the signing keys are in offices that may use it";
    ReferenceFigures(ScheduleCode, Period): Reference 1 "the dispute is about {0} {1}", "the figures are of another schedule or period";
    ScheduleFigures(String): Schedule 1 "{0}", "a service, deduction or class is not in the version";
    SegregationPayer(OrganisationId): Segregation 1 "payer {0} is of the authority's group", "payer and authority are of one group";
    StateAnswered(Hash): State 1 "dispute {0} is answered", "the dispute is answered already";
    AmountTax(u64, u64): Amount 2 "a tax of {0} minor units where {1} are assessed", "the figures do not lower the tax";
    Insufficient(PostingError): Insufficient 1 "{0}", "an account does not hold what the answer moves";
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

/// What an answer moves, and the new assessment if there is one.
struct Answer {
    movement: Movement,
    released: u64,
    accepted: Option<AcceptedDispute>,
}

impl Action for AnswerDispute {
    type Event = DisputeAnswered;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        match &self.figures {
            Some(figures) => Ok(figures.validate()?),
            None => Ok(()),
        }
    }

    fn cost(&self) -> u64 {
        self.figures.as_ref().map_or(BASE_COST, |figures| figures.cost())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<DisputeAnswered, Refused> {
        cx.active(state)?;
        let record = state.get::<LevyDispute>(&self.dispute).ok_or(Refused::UnknownDispute(self.dispute))?;
        let (payer, schedule, period) = record.key();
        cx.authorise(state, Role::LevyAuthority, Scope::Schedule(schedule))?;
        let fund = fund_of(state, &schedule).ok_or(Refused::UnknownDispute(self.dispute))?;
        if let Some(figures) = &self.figures {
            names_its_period(figures, record, state)?;
        }
        if same_group(state, &payer, &cx.organisation) {
            return Err(Refused::SegregationPayer(payer));
        }
        match record.status {
            DisputeStatus::Open => {}
            DisputeStatus::Rejected | DisputeStatus::Accepted => return Err(Refused::StateAnswered(self.dispute)),
        }
        let answer = match &self.figures {
            None => Answer { movement: Movement::in_fund(fund), released: record.held, accepted: None },
            Some(figures) => accept(figures, record, fund, &cx.place, state)?,
        };
        let Answer { mut movement, released, accepted } = answer;
        let source = Account::Unallocated { fund, source: schedule.code() };
        movement.transfer(Account::Provision { fund }, source, released);
        let postings = movement.check(state)?;
        Ok(DisputeAnswered {
            dispute: self.dispute,
            status: if accepted.is_some() { DisputeStatus::Accepted } else { DisputeStatus::Rejected },
            payer,
            schedule,
            period,
            fund,
            authority: cx.organisation,
            reason: self.reason,
            answer: self.answer,
            released,
            accepted,
            postings,
        })
    }
}

/// The figures are of the disputed period, and every name in them is one of the version's.
fn names_its_period(figures: &DeclareLevy, record: &LevyDispute, state: &Overlay<'_>) -> Result<(), Refused> {
    let (_, schedule, period) = record.key();
    if (figures.schedule, figures.period) != (schedule, period) {
        return Err(Refused::ReferenceFigures(schedule, period));
    }
    let account = state.get::<LevyAccount>(&record.key()).expect("a dispute is of an account");
    let version = version_of(state, &schedule, account).expect("a disputed account is assessed by a version");
    Ok(figures.names_only(version)?)
}

/// The new assessment that the figures give.
fn accept(
    figures: &DeclareLevy,
    record: &LevyDispute,
    fund: FundCode,
    place: &Place,
    state: &Overlay<'_>,
) -> Result<Answer, Refused> {
    let key: LevyKey = record.key();
    let (_, schedule, _) = key;
    let account = state.get::<LevyAccount>(&key).expect("a dispute is of an account");
    let version = version_of(state, &schedule, account).expect("a disputed account is assessed by a version");
    figures.check_figures(version, fund, state)?;
    let corrected = correction::correct(key, account, figures, version, FirstFrom::Provision, place, state)?;
    let LevyCorrection { tax_before, tax, given_back, .. } = &corrected.correction;
    if tax >= tax_before {
        return Err(Refused::AmountTax(*tax, *tax_before));
    }
    let released = record.held - given_back.provision;
    let replaces = account.assessment.expect("a disputed account is assessed");
    let accepted = AcceptedDispute {
        id: corrected.id,
        assessment: corrected.assessment,
        replaces,
        declaration: corrected.declaration,
        steps: corrected.steps,
        correction: corrected.correction,
    };
    Ok(Answer { movement: corrected.movement, released, accepted: Some(accepted) })
}

impl Effect for DisputeAnswered {
    fn apply(&self, place: &Place, state: &mut Overlay<'_>) {
        if let Some(AcceptedDispute { id, assessment, replaces: _, declaration, steps: _, correction }) = &self.accepted
        {
            correction::apply(state, *id, assessment, declaration, correction, place);
        }
        dispute::answered(state, &self.dispute, self.status);
        let key = (self.payer, self.schedule, self.period);
        let version = state.get::<LevyAccount>(&key).and_then(|account| version_of(state, &self.schedule, account));
        let over = version.and_then(|version| watch::prescribed_on(version, self.period));
        if over.is_some_and(|day| day <= place.date()) {
            watch::prescribe_now(state, &key, place.date());
        }
    }

    /// The dispute, account, schedule, fund, payer, authority; of an accepted one both assessments, the declaration, and what prepaid money settles.
    fn subjects(&self) -> Vec<RecordRef> {
        let mut subjects = BTreeSet::from([
            RecordRef::of::<LevyDispute>(&self.dispute),
            RecordRef::of::<LevyAccount>(&(self.payer, self.schedule, self.period)),
            RecordRef::of::<LevySchedule>(&self.schedule),
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<Organisation>(&self.payer),
            RecordRef::of::<Organisation>(&self.authority),
        ]);
        if let Some(accepted) = &self.accepted {
            subjects.insert(RecordRef::of::<LevyAssessment>(&accepted.replaces));
            subjects.extend(correction::subjects(&accepted.id, &accepted.assessment, &accepted.correction));
        }
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
        action::{Event, Kind, Payload},
        fixture::{
            self, IntoPayload, Network, commitment, fund, id,
            money::{date, schedule_code},
        },
        levy::{
            account::LevyFlag,
            dispute_levy::tests::dispute,
            reassess_levy::tests::{assessed, figures, pay, prepaid_account, royalties},
        },
        registry::role::RoleGrant,
    };

    impl IntoPayload for AnswerDispute {
        fn into_payload(self) -> Payload {
            Payload::AnswerDispute(self)
        }
    }

    fn answer(dispute: Hash, figures: Option<DeclareLevy>) -> AnswerDispute {
        let reason = ReasonCode::new("checked").unwrap();
        AnswerDispute { dispute, figures, reason, answer: commitment("answer") }
    }

    fn disputed(paid: u64, of: u64) -> (Network, Hash) {
        let (mut network, first) = assessed();
        pay(&mut network, "paid", paid, date(2027, 4, 1));
        let Ok(Event::DisputeLevy(event)) = network.run("reuser", dispute(first.id, of)) else { panic!() };
        (network, event.id)
    }

    fn run(network: &mut Network, asked: AnswerDispute) -> DisputeAnswered {
        match network.run("data", asked) {
            Ok(Event::AnswerDispute(event)) => event,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let (mut network, open) = disputed(10_000, 4_000);
        let second = network.assess_calls("2027Q2", 2_000_000);
        let Ok(Event::DisputeLevy(done)) = network.run("reuser", dispute(second.id, 1)) else { panic!() };
        run(&mut network, answer(done.id, None));
        network.edit(|state| {
            let key = (id("reuser"), Role::LevyAuthority, Scope::Schedule(schedule_code("royalty")));
            state.put::<RoleGrant>(key, RoleGrant { change: None });
        });
        network.suspend("lab");
        let with = |change: &dyn Fn(&mut DeclareLevy)| {
            let mut given = figures("2027Q1", 1_500_000);
            change(&mut given);
            Some(given)
        };
        let dollar = Currency::new("USD").unwrap();
        let nothing = Hash::ZERO;
        let table: Vec<(&str, AnswerDispute)> = vec![
            ("lab", answer(nothing, with(&|it| it.world_receipts.minor = Amount::MAX_MINOR + 1))),
            ("lab", answer(nothing, with(&|it| it.local_receipts.currency = dollar))),
            ("lab", answer(nothing, with(&|it| it.services.clear()))),
            ("lab", answer(nothing, None)),
            ("region", answer(nothing, None)),
            ("region", answer(open, None)),
            ("data", answer(open, with(&|it| it.period = "2027Q2".parse().unwrap()))),
            ("data", answer(open, with(&|it| it.services[0].code = ServiceCode::new("maps").unwrap()))),
            ("reuser", answer(open, None)),
            ("data", answer(done.id, None)),
            ("data", answer(open, with(&|it| it.services[0].units = Some(2_000_000)))),
        ];
        let mut reached: Vec<&str> = table.into_iter().map(|(signer, it)| network.refusal(signer, it)).collect();
        let put = |network: &mut Network, account: Account, balance| {
            network.edit(|state| state.put::<AccountBalance>(account, AccountBalance { fund: fund(), balance }));
        };
        put(&mut network, Account::Provision { fund: fund() }, 0);
        reached.push(network.refusal("data", answer(open, None)));
        reached.push(network.refusal("data", answer(open, with(&|it| it.services[0].units = Some(u64::MAX)))));
        put(&mut network, Account::Provision { fund: fund() }, -4_000);
        put(&mut network, royalties(), Balance::MIN);
        reached.push(network.refusal("data", answer(open, None)));
        fixture::assert_all_reached(Kind::AnswerDispute, &reached);
    }

    #[test]
    fn a_rejected_dispute_frees_what_was_held() {
        let (mut network, open) = disputed(10_000, 4_000);
        fixture::assert_round_trips(&answer(open, None).into_payload());
        let event = run(&mut network, answer(open, None));
        assert_eq!((event.status, event.released), (DisputeStatus::Rejected, 4_000));
        assert_eq!(network.balance(&Account::Provision { fund: fund() }), 0);
        assert_eq!(network.balance(&royalties()), -10_000);
        assert!(!network.royalty("2027Q1").has(LevyFlag::Disputed));
        network.assert_sound();
    }

    #[test]
    fn an_accepted_dispute_lowers_the_tax_out_of_the_provision_and_frees_the_rest() {
        let (mut network, open) = disputed(10_000, 4_000);
        let asked = answer(open, Some(figures("2027Q1", 1_700_000)));
        fixture::assert_round_trips(&asked.clone().into_payload());
        let event = run(&mut network, asked);
        let accepted = event.accepted.unwrap();
        assert_eq!(accepted.assessment.tax, Amount::eur(7_000));
        assert_eq!((accepted.correction.given_back.provision, event.released), (3_000, 1_000));
        assert_eq!(network.balance(&prepaid_account()), -3_000);
        assert_eq!(network.balance(&royalties()), -7_000);
        assert_eq!(network.balance(&Account::Provision { fund: fund() }), 0);
        network.assert_sound();
    }
}
