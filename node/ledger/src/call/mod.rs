//! Family 06: calls for applications (rulebook §7).

#[allow(clippy::module_inception)]
pub mod call;
pub mod close_call;
pub mod open_call;
