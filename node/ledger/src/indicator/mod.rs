//! Family 0d: indicators, defined by the colleges, reported by who knows, verified by a third party; and measures of concentration (rulebook §11).

pub mod concentration;
#[allow(clippy::module_inception)]
pub mod indicator;
pub mod report_indicator;
pub mod verify_indicator;
