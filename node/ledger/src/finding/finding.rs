//! Records: a finding, and an opinion on a period.

use crate::{
    state::Record,
    wire::{message, words},
};
use octroi_primitives::*;

words! {
    /// Where a finding stands.
    pub enum FindingStatus {
        /// Waits for an answer.
        Open = "open",
        /// The addressee has answered.
        Answered = "answered",
        /// Closed: what it asked for was done.
        Resolved = "resolved",
        /// Closed: some of it was done.
        Partly = "partly",
        /// Closed: nothing of it was done.
        Unresolved = "unresolved",
        /// Closed: it did not hold.
        Dropped = "dropped",
    }

    /// What the addressee says.
    pub enum Stance {
        /// It holds.
        Accept = "accept",
        /// It does not.
        Dispute = "dispute",
    }

    /// What an auditor thinks of a period.
    pub enum OpinionWord {
        /// The accounts are true and fair.
        Unqualified = "unqualified",
        /// They are, except for.
        Qualified = "qualified",
        /// They are not.
        Adverse = "adverse",
        /// It could not be said.
        Disclaimer = "disclaimer",
    }
}

message! {
    /// What the addressee has answered.
    pub struct FindingAnswer = FindingAnswer {
        /// Whether it holds.
        pub stance: Stance,
        /// The answer, in a text that stays outside.
        pub text: Commitment,
        /// Day by which something will be done.
        pub done_by: Option<LegalDate>,
    }

    /// Record: a finding.
    pub struct Finding = Finding {
        /// In which fund.
        pub fund: FundCode,
        /// Who found it.
        pub auditor: OrganisationId,
        /// Who is to answer.
        pub addressee: OrganisationId,
        /// What, as a code; `recommendation` for a recommendation.
        pub code: ReasonCode,
        /// Minor units concerned; 0: none.
        pub amount: u64,
        /// What, in a text that stays outside.
        pub text: Commitment,
        /// Day by which an answer is asked.
        pub answer_by: Option<LegalDate>,
        /// The last answer.
        pub answer: Option<FindingAnswer>,
        /// Where it stands.
        pub status: FindingStatus,
    }

    /// Record: an opinion.
    pub struct Opinion = Opinion {
        /// What it says.
        pub opinion: OpinionWord,
        /// Why, in a text that stays outside.
        pub text: Commitment,
        /// Findings that it rests on.
        pub findings: Vec<FindingId>,
    }
}

impl Record for Finding {
    type Key = FindingId;
}

impl Record for Opinion {
    /// (fund, period, auditor).
    type Key = (FundCode, Period, OrganisationId);
}

impl Finding {
    /// Whether it is not closed.
    pub const fn is_open(&self) -> bool {
        match self.status {
            FindingStatus::Open | FindingStatus::Answered => true,
            FindingStatus::Resolved | FindingStatus::Partly | FindingStatus::Unresolved | FindingStatus::Dropped => {
                false
            }
        }
    }
}
