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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Kind, Payload},
        application::fixture::*,
        fixture::{assert_round_trips, commitment, fund, id},
        registry::role::RoleGrant,
    };

    fn edit(t: &mut Trial<ReviewApplication>, change: impl FnOnce(&mut Application)) {
        let id = t.act.application;
        t.network.edit(|state| state.update::<Application>(&id, change));
    }

    fn call_is(t: &mut Trial<ReviewApplication>, status: CallStatus) {
        let call = record(&t.network, t.act.application).call;
        t.network.edit(|state| state.update::<Call>(&call, |call| call.status = status));
    }

    #[test]
    fn a_review_is_refused_in_order_of_precedence() {
        let (mut network, call, application) = submitted();
        network.edit(|state| {
            for organisation in ["asso1_branch", "foundation"] {
                let key = (id(organisation), Role::Reviewer, Scope::Call(call));
                state.put::<RoleGrant>(key, RoleGrant { change: None });
            }
            state.update::<Call>(&call, |call| call.status = CallStatus::Decided);
        });
        let mut act = review(application, 1_001, 0);
        act.no_conflict = false;
        act.scores.extend(vec![act.scores[0].clone(); 63]);
        let steps: &[Step<ReviewApplication>] = &[
            ("LimitScores", |t| t.act.scores.truncate(2)),
            ("LimitScore", |t| t.act.scores[1].score = 1_000),
            ("Suspended", |t| t.reinstate()),
            ("RoleMissing", |t| {
                t.sign_as("foundation");
                t.act.scores.truncate(1);
                t.act.application = ApplicationId::ZERO;
            }),
            ("UnknownApplication", |t| t.act.application = *t.network.state.all::<Application>().next().unwrap().0),
            ("SegregationManager", |t| t.sign_as("asso1_branch")),
            ("ConflictParty", |t| t.sign_as("federation")),
            ("ConflictDeclared", |t| t.act.no_conflict = true),
            ("StateNotAdmissible", |t| edit(t, |record| record.status = ApplicationStatus::UnderReview)),
            ("StateDeciding", |t| call_is(t, CallStatus::Closed)),
            ("LimitCriteria", |t| {
                t.act.scores = review(t.act.application, 1, 2).scores;
                let earlier = Review {
                    reviewer: id("federation"),
                    group: id("federation"),
                    scores: vec![],
                    comment: commitment(""),
                };
                edit(t, |record| record.reviews = vec![earlier; 64]);
            }),
            ("LimitReviews", |t| edit(t, |record| record.reviews.truncate(1))),
            ("DuplicateGroup", |t| t.sign_as("university")),
        ];
        let trial = Trial::faulty(network, "lab", act);
        assert_precedence(Kind::ReviewApplication, trial, Payload::ReviewApplication, steps);
    }

    #[test]
    fn the_score_is_the_floored_mean_of_weighted_scores_and_two_groups_make_it_ready() {
        let (mut network, call, application) = submitted();
        screen(&mut network, application);
        assert_round_trips(&Payload::ReviewApplication(review(application, 1, 2)));
        let ready = |network: &crate::fixture::Network| {
            record(network, application).is_ready(network.state.get::<Call>(&call).unwrap(), &network.state.overlay())
        };
        network.run("federation", Payload::ReviewApplication(review(application, 801, 600))).unwrap();
        // 0.6 · 801 + 0.4 · 600 = 720.6
        assert_eq!(record(&network, application).score, Some(720));
        assert!(!ready(&network));
        network.run("university", Payload::ReviewApplication(review(application, 500, 1_000))).unwrap();
        // (720.6 + 700) / 2 = 710.3
        let reviewed = record(&network, application);
        assert_eq!((reviewed.score, reviewed.status), (Some(710), ApplicationStatus::UnderReview));
        assert_eq!(reviewed.reviews[0].scores[0].criterion.as_str(), "impact", "in the order of the call");
        assert!(ready(&network));
        assert_eq!(
            network.refusal("university", Payload::ReviewApplication(review(application, 1, 1))),
            "DuplicateGroup"
        );
    }

    #[test]
    fn a_reviewer_of_one_call_reviews_no_other() {
        let (mut network, _, application) = submitted();
        screen(&mut network, application);
        let elsewhere = (id("lab"), Role::Reviewer, Scope::Call(CallId::ZERO));
        network.edit(|state| state.put::<RoleGrant>(elsewhere, RoleGrant { change: None }));
        let act = Payload::ReviewApplication(review(application, 1, 1));
        assert_eq!(network.refusal("lab", act.clone()), "RoleMissing");
        let here = (id("lab"), Role::Reviewer, Scope::Fund(fund()));
        network.edit(|state| state.put::<RoleGrant>(here, RoleGrant { change: None }));
        assert!(network.run("lab", act).is_ok());
    }
}
