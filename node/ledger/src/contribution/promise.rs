//! Record: a promise and what was received of it.

use crate::{state::Record, wire::message};
use octroi_primitives::*;

message! {
    /// A tranche of a grant whose beneficiary passes the money on (rulebook §7, regrants).
    pub struct ParentTranche = ParentTranche {
        /// Which grant.
        pub grant: GrantId,
        /// Which tranche of it.
        pub tranche: u32,
    }

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
        /// A regrant: the tranche that the money comes from. Regrants are left out of totals by default.
        pub parent: Option<ParentTranche>,
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
