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
        let corrected =
            correction::correct(key, account, figures, version, FirstFrom::Unallocated, &cx.place, state)?;
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
