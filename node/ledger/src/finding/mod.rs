//! Family 0e: what auditors find, what is answered, and what they think of a period (rulebook §2, auditor; §10).
//!
//! A finding has a code, an addressee and a text that stays outside. A recommendation is a finding with code `recommendation`, and how it is closed is its
//! follow-up. No finding moves money or stops a payment: it is said in public, with its answer.

pub mod answer_finding;
pub mod close_finding;
pub mod file_opinion;
#[allow(clippy::module_inception)]
pub mod finding;
pub mod open_finding;
