//! Record: a call for applications, from its opening to the decision.

use crate::{
    state::Record,
    wire::{message, words},
};
use octroi_primitives::*;

words! {
    /// Where a call stands. That it is a draft before `opens_at` is judged by time; archived is derived.
    pub enum CallStatus {
        /// Opened; takes applications inside its window.
        Open = "open",
        /// The window is over.
        Closed = "closed",
        /// A change that awards its grants is under vote.
        Deciding = "deciding",
        /// Awarded.
        Decided = "decided",
        /// Taken back.
        Cancelled = "cancelled",
    }

    /// What an applicant must be (rulebook §2).
    pub enum Eligibility {
        /// Social and solidarity economy.
        Ess = "ESS",
        /// Solidarity enterprise of social utility.
        Esus = "ESUS",
        /// Keeps a commons.
        Commons = "COMMONS",
        /// Makes no profit.
        NonProfit = "NON_PROFIT",
        /// Public body.
        PublicBody = "PUBLIC_BODY",
        /// Small or medium enterprise.
        Sme = "SME",
    }
}

message! {
    /// A criterion that reviewers score.
    pub struct Criterion = Criterion {
        /// Code.
        pub code: CriterionCode,
        /// Weight; all sum to 1,000,000.
        pub weight_ppm: Ppm,
    }

    /// Record: a call.
    pub struct Call = Call {
        /// Fund that pays.
        pub fund: FundCode,
        /// Envelope that pays.
        pub envelope: EnvelopeCode,
        /// Title.
        pub title: Name,
        /// Most that may be awarded in all.
        pub budget: Amount [required],
        /// Categories of projects; empty: any.
        pub categories: Vec<CategoryCode>,
        /// Territory of projects.
        pub territory: Option<TerritoryCode>,
        /// Applications from this time on.
        pub opens_at: BlockTime,
        /// And before this one.
        pub closes_at: BlockTime,
        /// What applicants must be.
        pub eligibility: Vec<Eligibility>,
        /// What reviewers score.
        pub criteria: Vec<Criterion>,
        /// Least award.
        pub amount_min: Amount [required],
        /// Greatest award.
        pub amount_max: Amount [required],
        /// Aid over eligible cost, at most.
        pub rate_max_ppm: Ppm,
        /// Duration in months, at most.
        pub months_max: u32,
        /// Advances over the grant, at most.
        pub advance_max_ppm: Ppm,
        /// Balance over the grant, at least.
        pub retention_min_ppm: Ppm,
        /// Reviews that an application needs.
        pub reviews: u32,
        /// Accepted licences, SPDX ids.
        pub licences: Vec<Text<64>>,
        /// Hash of the call's document.
        pub document: Commitment,
        /// Who opened it.
        pub manager: OrganisationId,
        /// Where it stands.
        pub status: CallStatus,
        /// Applications so far.
        pub applications: u32,
    }
}

impl Record for Call {
    type Key = CallId;
}

impl Call {
    /// Whether it takes applications at this time.
    pub fn takes_applications(&self, time: BlockTime) -> bool {
        self.status == CallStatus::Open && self.opens_at <= time && time < self.closes_at
    }
}
