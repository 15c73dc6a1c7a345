//! What an organisation used on a ledger day: there are no fees, so there are quotas (architecture, block validity).

use crate::{state::Record, wire::message};
use octroi_primitives::OrganisationId;

message! {
    /// Use of one organisation on its last active ledger day.
    pub struct QuotaUse = QuotaUse {
        /// Days since 1970-01-01 of the legal date.
        pub day: u64,
        /// Transactions in blocks.
        pub transactions: u64,
        /// Bytes of their bodies and signatures.
        pub bytes: u64,
        /// How many of them were refused; a past grant sent twice does not count.
        pub refused: u64,
    }
}

impl Record for QuotaUse {
    type Key = OrganisationId;
}

impl QuotaUse {
    /// Nothing used on this day.
    pub fn fresh(day: u64) -> Self {
        Self { day, transactions: 0, bytes: 0, refused: 0 }
    }

    /// The use on `day`: this one if it is of that day, else nothing.
    #[must_use]
    pub fn on(&self, day: u64) -> Self {
        if self.day == day { self.clone() } else { Self::fresh(day) }
    }
}
