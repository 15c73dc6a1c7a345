//! Record: a promise and what was received of it.

use crate::{state::Record, wire::message};
use octroi_primitives::*;

message! {
    /// A promised contribution.
    pub struct Promise = Promise {
        /// Who promised.
        pub funder: OrganisationId,
        /// To which fund.
        pub fund: FundCode,
        /// How much.
        pub amount: Amount [required],
        /// Until when.
        pub due: LegalDate [required],
        /// Envelope it is meant for.
        pub earmark: Option<EnvelopeCode>,
        /// Commitment to conditions.
        pub conditions: Option<Commitment>,
        /// Minor units received and matched.
        pub received: u64,
    }
}

impl Record for Promise {
    type Key = PromiseId;
}

impl Promise {
    /// What is still open, in minor units.
    pub fn open(&self) -> u64 {
        self.amount.minor.saturating_sub(self.received)
    }
}
