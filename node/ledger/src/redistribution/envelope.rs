//! Records: what an envelope received and committed in a period (rulebook §6, caps; I6).

use crate::{
    action::Place,
    registry::fund::Fund,
    state::{Overlay, Record},
    wire::message,
};
use octroi_primitives::*;

message! {
    /// Record: what an envelope received in a period, the base of its caps.
    pub struct EnvelopePeriod = EnvelopePeriod {
        /// Minor units.
        pub credited: u64,
    }

    /// Record: what grants of an envelope and a period give to an organisation, and to its whole group where it is the topmost parent.
    pub struct EnvelopeCommitment = EnvelopeCommitment {
        /// Minor units to the organisation itself, derogations included.
        pub beneficiary: u64,
        /// Minor units to the group that it heads.
        pub group: u64,
        /// Minor units of `beneficiary` that a listed derogation allowed.
        pub beneficiary_derogated: u64,
        /// Minor units of `group` that a listed derogation allowed.
        pub group_derogated: u64,
    }
}

impl Record for EnvelopePeriod {
    type Key = (FundCode, EnvelopeCode, Period);
}

impl Record for EnvelopeCommitment {
    type Key = (FundCode, EnvelopeCode, Period, OrganisationId);
}

/// The period of a fund that a place belongs to: that of its block's legal date (rulebook §1). A fund that does not exist has none.
pub fn period_at(state: &Overlay<'_>, fund: &FundCode, place: &Place) -> Option<Period> {
    state.get::<Fund>(fund).map(|record| Period::containing(place.date(), record.period_length))
}

/// Notes money that an envelope receives, whatever brought it; the postings are the event's own.
pub fn credit(fund: FundCode, envelope: EnvelopeCode, amount: u64, place: &Place, state: &mut Overlay<'_>) {
    let Some(period) = period_at(state, &fund, place) else { return };
    let key = (fund, envelope, period);
    let before = state.get::<EnvelopePeriod>(&key).map_or(0, |record| record.credited);
    state.put::<EnvelopePeriod>(key, EnvelopePeriod { credited: before.saturating_add(amount) });
}
