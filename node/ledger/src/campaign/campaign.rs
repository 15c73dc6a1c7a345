//! Record: a campaign, from its opening to its settlement.

use crate::{
    application::application::PlannedTranche,
    state::Record,
    wire::{message, words},
};
use octroi_primitives::*;

words! {
    /// Where a campaign stands. That it is a draft before `opens_at`, and over from `closes_at` on, is judged by time.
    pub enum CampaignStatus {
        /// Takes pledges and money inside its window.
        Open = "open",
        /// Its goal was reached: the money is the project's.
        Reached = "reached",
        /// Its goal was missed: the money is owed back.
        Failed = "failed",
    }
}

message! {
    /// Record: a campaign.
    pub struct Campaign = Campaign {
        /// The fund that holds the money.
        pub fund: FundCode,
        /// The envelope that a rest of the grant goes to.
        pub envelope: EnvelopeCode,
        /// The project that is funded.
        pub project: ProjectId,
        /// Its holder, who gets the grant.
        pub lead: OrganisationId,
        /// Title.
        pub title: Name,
        /// What must come in.
        pub goal: Amount [required],
        /// What may come in.
        pub hard_cap: Amount [required],
        /// Least pledge of a donor.
        pub min_pledge: Amount [required],
        /// Pledges and money from this time on.
        pub opens_at: BlockTime,
        /// And before this one.
        pub closes_at: BlockTime,
        /// They sum to the goal; the money that comes in is split like them.
        pub tranches: Vec<PlannedTranche>,
        /// Who may pledge for others.
        pub collectors: Vec<OrganisationId>,
        /// Hash of the campaign's document.
        pub document: Commitment,
        /// Who opened it.
        pub manager: OrganisationId,
        /// Where it stands.
        pub status: CampaignStatus,
        /// Minor units that came in for pledges that stand: a running sum.
        pub funded: u64,
        /// Place of the next pledge in the order in which money arrives.
        pub positions: u64,
        /// Pledges made so far.
        pub pledges: u32,
        /// Place from which the settlement goes on.
        pub cursor: u64,
    }
}

impl Record for Campaign {
    type Key = CampaignId;
}

impl Campaign {
    /// Whether it takes pledges and money at this time.
    pub fn is_open(&self, time: BlockTime) -> bool {
        self.status == CampaignStatus::Open && self.opens_at <= time && time < self.closes_at
    }

    /// Minor units that still fit under the hard cap.
    pub fn room(&self) -> u64 {
        self.hard_cap.minor.saturating_sub(self.funded)
    }

    /// The last moment before which a pledge can be withdrawn.
    pub fn withdraw_before(&self, hours: u64) -> BlockTime {
        BlockTime(self.closes_at.0.saturating_sub(hours.saturating_mul(3_600_000)))
    }
}
