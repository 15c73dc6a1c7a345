//! Family 05: the split of a fund's free money over its envelopes by a voted policy, and the caps on what an envelope gives (rulebook §6).

pub mod cap;
pub mod close_period;
pub mod envelope;
pub mod policy;
pub mod split;
