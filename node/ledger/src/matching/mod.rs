//! Family 0a: matching rounds, quadratic and exact (rulebook §9).
//!
//! A pool of an envelope matches what donors give to projects: many small contributions weigh more than one large one. Money is held in escrow, one
//! account a contribution. At the close contributions are counted ([`formula`]), the results can be challenged for some days, then every project
//! gets a grant of its contributions and its part of the pool; the rest of the pool goes back to its envelope.
//! Promises: escrow = money of contributions that are not paid (I8); the results follow from the counts alone; no step reads more than its slice.

pub mod challenge_matching;
pub mod contribute_to_project;
#[cfg(test)]
pub(crate) mod fixture;
pub mod formula;
pub mod open_matching;
pub mod round;
pub mod round_contribution;
pub mod settle_challenge;
pub mod settle_matching;
