//! Record: an application, from its arrival to the decision, with the reviews it got; and what a call knows of its applications.

use crate::{
    call::call::{Call, Eligibility},
    parameters::Parameter,
    registry::project::Project,
    signer::group,
    state::{Overlay, Record},
    wire::{Wire, WireError, message, pb, words},
};
use octroi_primitives::*;
use std::collections::BTreeSet;

words! {
    /// Where an application stands.
    pub enum ApplicationStatus {
        /// Arrived; waits for the close of its call and the screening.
        Submitted = "submitted",
        /// Screened out.
        Ineligible = "ineligible",
        /// Screened; waits for reviews.
        Admissible = "admissible",
        /// Has a review.
        UnderReview = "under_review",
        /// Got a grant.
        Awarded = "awarded",
        /// Got none.
        Refused = "refused",
        /// Taken back.
        Withdrawn = "withdrawn",
    }
}

/// When a tranche is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrancheKind {
    /// Before any evidence.
    Advance,
    /// On evidence, on the way.
    Interim,
    /// On evidence, at the end.
    Balance,
}

impl Wire for TrancheKind {
    type Proto = i32;

    fn to_proto(&self) -> i32 {
        (match self {
            Self::Advance => pb::TrancheKind::Advance,
            Self::Interim => pb::TrancheKind::Interim,
            Self::Balance => pb::TrancheKind::Balance,
        }) as i32
    }

    fn from_proto(proto: i32) -> Result<Self, WireError> {
        match pb::TrancheKind::try_from(proto) {
            Ok(pb::TrancheKind::Advance) => Ok(Self::Advance),
            Ok(pb::TrancheKind::Interim) => Ok(Self::Interim),
            Ok(pb::TrancheKind::Balance) => Ok(Self::Balance),
            Ok(pb::TrancheKind::Unspecified) => Err(WireError::missing()),
            Err(_) => Err(WireError::invalid(format!("{proto} is no kind of tranche"))),
        }
    }
}

impl core::fmt::Display for TrancheKind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(match self {
            Self::Advance => "advance",
            Self::Interim => "interim",
            Self::Balance => "balance",
        })
    }
}

/// Who funds a project besides the grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CoFunder {
    /// Somebody who is not registered; never a natural person.
    Named(Name),
    /// A registered organisation.
    Organisation(OrganisationId),
}

/// Money from elsewhere for the same project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoFunding {
    /// From whom.
    pub funder: CoFunder,
    /// How much.
    pub amount: Amount,
    /// Whether it is promised for certain.
    pub secured: bool,
}

impl Wire for CoFunding {
    type Proto = pb::CoFunding;

    fn to_proto(&self) -> pb::CoFunding {
        use pb::co_funding::Funder;
        let Self { funder, amount, secured } = self;
        let funder = match funder {
            CoFunder::Named(name) => Funder::Name(name.to_proto()),
            CoFunder::Organisation(id) => Funder::Organisation(id.to_proto()),
        };
        pb::CoFunding { funder: Some(funder), amount: Some(amount.to_proto()), secured: *secured }
    }

    fn from_proto(proto: pb::CoFunding) -> Result<Self, WireError> {
        use pb::co_funding::Funder;
        let pb::CoFunding { funder, amount, secured } = proto;
        let funder = match funder.ok_or_else(|| WireError::missing().within("funder"))? {
            Funder::Name(name) => Wire::from_proto(name).map(CoFunder::Named),
            Funder::Organisation(id) => Wire::from_proto(id).map(CoFunder::Organisation),
        };
        Ok(Self {
            funder: funder.map_err(|error: WireError| error.within("funder"))?,
            amount: amount
                .ok_or_else(WireError::missing)
                .and_then(Wire::from_proto)
                .map_err(|error| error.within("amount"))?,
            secured,
        })
    }
}

message! {
    /// One planned payment.
    pub struct PlannedTranche = PlannedTranche {
        /// From 1, without gaps.
        pub number: u32,
        /// Before or after evidence.
        pub kind: TrancheKind,
        /// How much.
        pub amount: Amount [required],
        /// Until when.
        pub due: LegalDate [required],
        /// Budget year that pays.
        pub budget_year: u32,
        /// Hash of the criteria of the milestone.
        pub criteria: Commitment,
        /// Documents that the evidence needs at least.
        pub evidence_needed: u32,
    }

    /// A partner of the applicant and its share.
    pub struct Partner = Partner {
        /// Who.
        pub organisation: OrganisationId,
        /// Share of the grant; all shares, the lead's with them, sum to 1,000,000.
        pub share_ppm: Ppm,
    }

    /// A score of one criterion.
    pub struct Score = Score {
        /// Which.
        pub criterion: CriterionCode,
        /// 0 ..= 1000.
        pub score: u32,
    }

    /// A review of an application.
    pub struct Review = Review {
        /// Who reviewed.
        pub reviewer: OrganisationId,
        /// Its group at that time.
        pub group: OrganisationId,
        /// One score for each criterion of the call, in the call's order.
        pub scores: Vec<Score>,
        /// Commitment to the comment.
        pub comment: Commitment,
    }

    /// Record: an application.
    pub struct Application = Application {
        /// To which call.
        pub call: CallId,
        /// From 1, by arrival in the call.
        pub number: u32,
        /// Who applies, and will be paid.
        pub lead: OrganisationId,
        /// For which project.
        pub project: ProjectId,
        /// Title.
        pub title: Name,
        /// How much is asked.
        pub requested: Amount [required],
        /// What the project costs, as far as the call pays for it.
        pub eligible_cost: Amount [required],
        /// Duration in months.
        pub months: u32,
        /// Money from elsewhere.
        pub co_funding: Vec<CoFunding>,
        /// When it should be paid.
        pub tranches: Vec<PlannedTranche>,
        /// The lead's own share.
        pub lead_share_ppm: Ppm,
        /// Partners without the lead.
        pub partners: Vec<Partner>,
        /// Where.
        pub territory: Option<TerritoryCode>,
        /// Commitment to the dossier.
        pub dossier: Commitment,
        /// Where it stands.
        pub status: ApplicationStatus,
        /// Who screened it.
        pub screened_by: Option<OrganisationId>,
        /// What the screening found missing.
        pub failed: Vec<Eligibility>,
        /// Reviews, in the order of arrival.
        pub reviews: Vec<Review>,
        /// Score over the reviews so far, 0 ..= 1000.
        pub score: Option<u32>,
    }

    /// Record: the application with a number in a call.
    pub struct CallApplication = CallApplication {
        /// Which.
        pub application: ApplicationId,
    }

    /// Record: that a group applies or partners in a call.
    pub struct CallParty = CallParty {
        /// In how many applications.
        pub applications: u32,
    }

    /// Record: the live application of a project in a call.
    pub struct CallProject = CallProject {
        /// Which.
        pub application: ApplicationId,
    }
}

impl Record for Application {
    type Key = ApplicationId;
}

/// By call and number.
impl Record for CallApplication {
    type Key = (CallId, u32);
}

/// By call and group.
impl Record for CallParty {
    type Key = (CallId, OrganisationId);
}

/// By call and project.
impl Record for CallProject {
    type Key = (CallId, ProjectId);
}

impl Application {
    /// Where it acts: its own territory, else its project's.
    pub fn acts_in(&self, state: &Overlay<'_>) -> Option<TerritoryCode> {
        self.territory.or_else(|| state.get::<Project>(&self.project).and_then(|project| project.territory))
    }

    /// The lead, then the partners.
    pub fn parties(&self) -> impl Iterator<Item = OrganisationId> {
        core::iter::once(self.lead).chain(self.partners.iter().map(|partner| partner.organisation))
    }

    /// Whether it was found admissible and is not decided yet: an award must name it.
    pub fn is_admissible(&self) -> bool {
        match self.status {
            ApplicationStatus::Admissible | ApplicationStatus::UnderReview => true,
            ApplicationStatus::Submitted
            | ApplicationStatus::Ineligible
            | ApplicationStatus::Awarded
            | ApplicationStatus::Refused
            | ApplicationStatus::Withdrawn => false,
        }
    }

    /// Whether it has the reviews that its call asks for, from enough groups (rulebook §17, 0705).
    pub fn is_ready(&self, call: &Call, state: &Overlay<'_>) -> bool {
        let groups: BTreeSet<OrganisationId> = self.reviews.iter().map(|review| review.group).collect();
        self.reviews.len() as u64 >= u64::from(call.reviews)
            && groups.len() as u64 >= state.parameter(Parameter::ReviewGroupsMin)
    }
}

/// The applications of a call, in the order of arrival. At most 1,000 are live.
pub fn of_call(state: &Overlay<'_>, call: &CallId) -> Vec<(ApplicationId, Application)> {
    let listed = state.range::<CallApplication>((*call, 0)..=(*call, u32::MAX));
    let ids = listed.into_iter().map(|(_, CallApplication { application })| application);
    ids.filter_map(|id| state.get::<Application>(&id).map(|record| (id, record.clone()))).collect()
}

/// Counts an application among those of its parties' groups: from now on they take part in the call.
pub(super) fn enter_parties(state: &mut Overlay<'_>, application: &Application) {
    for group in groups(state, application) {
        let known = state.get::<CallParty>(&(application.call, group)).map_or(0, |party| party.applications);
        state.put::<CallParty>((application.call, group), CallParty { applications: known + 1 });
    }
}

/// Takes it from the count again, when it can no longer be awarded: a group of which no application is left takes part no longer.
pub(super) fn leave_parties(state: &mut Overlay<'_>, application: &Application) {
    for group in groups(state, application) {
        let key = (application.call, group);
        match state.get::<CallParty>(&key).map_or(0, |party| party.applications) {
            0 => {}
            1 => state.remove::<CallParty>(&key),
            counted => state.put::<CallParty>(key, CallParty { applications: counted - 1 }),
        }
    }
}

fn groups(state: &Overlay<'_>, application: &Application) -> BTreeSet<OrganisationId> {
    application.parties().map(|party| group(state, &party)).collect()
}

/// Whether a group applies or partners in a call: it cannot review, judge or vote there.
///
/// A partner counts from the moment it is named, before it has said anything (rulebook §10 speaks of partnering, not of consent). It stands to get
/// a share of the money whether it has consented or not, and it consents at the convention, long after reviews and ballots: if only its consent
/// counted, a partner would judge its own application and sign afterwards. The price is that an applicant can name a group that it wants to keep
/// from judging. That shows to everybody at once, lasts only as long as the application can be awarded, and cannot decide a vote: of a college
/// that is conflicted as a whole the rulebook takes care.
pub fn takes_part(state: &Overlay<'_>, call: &CallId, group: &OrganisationId) -> bool {
    state.has::<CallParty>(&(*call, *group))
}
