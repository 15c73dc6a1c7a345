//! `review_application`: a reviewer scores an admissible application on every criterion of its call.
//!
//! - Allowed: an active organisation with the role reviewer over the call or its fund; its group neither manages the programme nor takes part in the call.
//! - Effect: the application is under review, and its score is the mean of the weighted scores of all reviews so far:
//!   floor(Σ_k weight_k · Σ_r s_rk / (n · 10^6)). With as many reviews as the call asks for, from enough groups, it is ready for an award.
//! - Source: rulebook §7 and §17, 0705.

use super::application::{Application, ApplicationStatus, Review, Score, takes_part};
use crate::{
    action::{Action, BASE_COST, Effect, Place},
    call::call::{Call, CallStatus, Criterion},
    history::RecordRef,
    refusal::{refusals, signer_refusals},
    registry::{
        organisation::Organisation,
        project::Project,
        role::{Role, Scope},
    },
    signer::{Context, same_group},
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

/// Reviews of an application, and scores of a review, at most.
const LIST: usize = 64;
/// Greatest score of a criterion.
const SCORE_MAX: u32 = 1_000;

message! {
    /// The payload.
    pub struct ReviewApplication = ReviewApplication {
        /// Which.
        pub application: ApplicationId,
        /// One for each criterion of the call, in any order.
        pub scores: Vec<Score>,
        /// The reviewer declares that it has no conflict of interest.
        pub no_conflict: bool,
        /// Commitment to the comment.
        pub comment: Commitment,
    }

    /// The event.
    pub struct ApplicationReviewed = ApplicationReviewed {
        /// Which.
        pub application: ApplicationId,
        /// Its call.
        pub call: CallId,
        /// Who applied.
        pub lead: OrganisationId,
        /// The review, its scores in the order of the call's criteria.
        pub review: Review [required],
        /// Score over all reviews with this one, 0 ..= 1000.
        pub score: u32,
        /// Its project.
        pub project: ProjectId,
    }
}

refusals! {
    LimitScores(usize): Limit 1 "{0} scores; 64 are allowed", "the list of scores is too long";
    LimitScore(CriterionCode, u32): Limit 2 "{1} for {0}; a score is 0 to 1000", "a score is above 1000";
    signer;
    UnknownApplication(ApplicationId): Unknown 1 "application {0} does not exist", "the application does not exist";
    SegregationManager(OrganisationId): Segregation 1 "the signer is of the group of programme manager {0}", "the signer's group opened the call or screened the application";
    ConflictParty(CallId): Conflict 1 "the signer's group applies or partners in call {0}", "the signer's group applies or partners in the call";
    ConflictDeclared(): Conflict 2 "the reviewer does not declare to be free of conflicts", "the reviewer does not declare to be free of conflicts";
    StateNotAdmissible(ApplicationId, ApplicationStatus): State 1 "application {0} is {1}", "the application was not found admissible, or is decided";
    StateDeciding(CallId, CallStatus): State 2 "call {0} is {1}", "the call is under vote, decided or cancelled";
    LimitCriteria(): Limit 3 "the scores are not one for each criterion of the call", "the scored criteria differ from the call's";
    LimitReviews(usize): Limit 4 "the application has {0} reviews already", "the application has 64 reviews";
    DuplicateGroup(OrganisationId): Duplicate 1 "group {0} has reviewed this application", "the signer's group has reviewed this application";
}
signer_refusals!(Refused);

impl Action for ReviewApplication {
    type Event = ApplicationReviewed;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        if self.scores.len() > LIST {
            return Err(Refused::LimitScores(self.scores.len()));
        }
        match self.scores.iter().find(|score| score.score > SCORE_MAX) {
            Some(Score { criterion, score }) => Err(Refused::LimitScore(*criterion, *score)),
            None => Ok(()),
        }
    }

    fn cost(&self) -> u64 {
        BASE_COST + self.scores.len() as u64
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<ApplicationReviewed, Refused> {
        let Self { application: id, scores, no_conflict, comment } = self;
        let id = *id;

        cx.active(state)?;
        let application = state.get::<Application>(&id).ok_or(Refused::UnknownApplication(id))?;
        let call = state.get::<Call>(&application.call).ok_or(Refused::UnknownApplication(id))?;
        cx.authorise_any(state, Role::Reviewer, &[Scope::Call(application.call), Scope::Fund(call.fund)])?;
        let managers = core::iter::once(call.manager).chain(application.screened_by);
        for manager in managers {
            if same_group(state, &manager, &cx.organisation) {
                return Err(Refused::SegregationManager(manager));
            }
        }
        let group = cx.group(state);
        if takes_part(state, &application.call, &group) {
            return Err(Refused::ConflictParty(application.call));
        }
        if !no_conflict {
            return Err(Refused::ConflictDeclared());
        }
        if !application.is_admissible() {
            return Err(Refused::StateNotAdmissible(id, application.status));
        }
        match call.status {
            CallStatus::Open | CallStatus::Closed => {}
            CallStatus::Deciding | CallStatus::Decided | CallStatus::Cancelled => {
                return Err(Refused::StateDeciding(application.call, call.status));
            }
        }
        let scores = in_order(&call.criteria, scores).ok_or(Refused::LimitCriteria())?;
        if application.reviews.len() >= LIST {
            return Err(Refused::LimitReviews(application.reviews.len()));
        }
        if application.reviews.iter().any(|review| review.group == group) {
            return Err(Refused::DuplicateGroup(group));
        }
        let review = Review { reviewer: cx.organisation, group, scores, comment: *comment };
        let score = mean(&call.criteria, application.reviews.iter().chain([&review]));
        let Application { call, lead, project, .. } = *application;
        Ok(ApplicationReviewed { application: id, call, lead, review, score, project })
    }
}

/// The scores in the order of the criteria, if there is exactly one for each.
fn in_order(criteria: &[Criterion], scores: &[Score]) -> Option<Vec<Score>> {
    if scores.len() != criteria.len() {
        return None;
    }
    criteria
        .iter()
        .map(|criterion| scores.iter().find(|score| score.criterion == criterion.code).cloned())
        .collect::<Option<Vec<_>>>()
}

/// floor(Σ_k weight_k · Σ_r s_rk / (n · 10^6)); 0 of no reviews. Scores stand in the order of the criteria.
fn mean<'a>(criteria: &[Criterion], reviews: impl Iterator<Item = &'a Review>) -> u32 {
    let (mut sum, mut reviewed) = (0u64, 0u64);
    for review in reviews {
        reviewed += 1;
        for (criterion, score) in criteria.iter().zip(&review.scores) {
            sum += u64::from(criterion.weight_ppm.get()) * u64::from(score.score);
        }
    }
    let mean = sum.checked_div(reviewed * 1_000_000).unwrap_or(0);
    u32::try_from(mean).expect("weights sum to 1,000,000 and scores are at most 1000")
}

impl Effect for ApplicationReviewed {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        state.update::<Application>(&self.application, |record| {
            record.status = ApplicationStatus::UnderReview;
            record.reviews.push(self.review.clone());
            record.score = Some(self.score);
        });
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![
            RecordRef::of::<Application>(&self.application),
            RecordRef::of::<Call>(&self.call),
            RecordRef::of::<Project>(&self.project),
            RecordRef::of::<Organisation>(&self.lead),
            RecordRef::of::<Organisation>(&self.review.reviewer),
        ]
    }
}
