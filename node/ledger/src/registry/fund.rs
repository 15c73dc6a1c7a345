//! Funds and their envelopes (rulebook §2, genesis; §6).

use crate::{state::Record, wire::message};
use octroi_primitives::*;

message! {
    /// A fund: one currency, one period length.
    pub struct Fund = Fund {
        /// Name for people.
        pub name: Name,
        /// Its one currency.
        pub currency: Currency,
        /// Its one period length.
        pub period_length: PeriodLength,
        /// The next period to be closed.
        pub next_period: Period,
        /// Who hosts it.
        pub host: Option<OrganisationId>,
    }

    /// An envelope of a fund.
    pub struct Envelope = Envelope {
        /// Name for people.
        pub name: Name,
    }
}

impl Record for Fund {
    type Key = FundCode;
}

impl Record for Envelope {
    type Key = (FundCode, EnvelopeCode);
}
