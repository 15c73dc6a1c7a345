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
    refusal::{Reject, Shared, refusals, signer_refusals},
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

impl From<PostingError> for Refused {
    fn from(error: PostingError) -> Self {
        match error {
            PostingError::Insufficient { .. } => Self::Insufficient(error),
            PostingError::Overflow(_) => Self::Overflow(error),
        }
    }
}

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

/// The new assessment that the figures give.
fn accept(
    figures: &DeclareLevy,
    record: &LevyDispute,
    fund: FundCode,
    place: &Place,
    state: &Overlay<'_>,
) -> Result<Answer, Refused> {
    let key: LevyKey = record.key();
    let (_, schedule, period) = key;
    if (figures.schedule, figures.period) != (schedule, period) {
        return Err(Refused::ReferenceFigures(schedule, period));
    }
    let account = state.get::<LevyAccount>(&key).expect("a dispute is of an account");
    let version = version_of(state, &schedule, account).expect("a disputed account is assessed by a version");
    figures.names_only(version)?;
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
