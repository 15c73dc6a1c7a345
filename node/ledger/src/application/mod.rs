//! Family 07: applications to a call, their screening and their reviews (rulebook §7).

#[allow(clippy::module_inception)]
pub mod application;
#[cfg(any(test, feature = "fixture"))]
pub mod fixture;
pub mod ranking;
pub mod review_application;
pub mod revise_application;
pub mod screen_application;
pub mod submit_application;
pub mod withdraw_application;
