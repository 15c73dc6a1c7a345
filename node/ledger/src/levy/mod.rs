//! Family 04: levies, declared by payers, assessed by an authority, paid through the bank (rulebook §5, §17).
//!
//! Late interest and surcharges are not computed by this version; the rules of a schedule that govern them are kept as published.

pub mod account;
pub mod assess_levy;
pub mod compute;
pub mod declare_levy;
pub mod schedule;
