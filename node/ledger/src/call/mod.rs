//! Family 06: calls for applications (rulebook §7).

pub mod amend_call;
#[allow(clippy::module_inception)]
pub mod call;
pub mod cancel_call;
pub mod close_call;
pub mod open_call;
