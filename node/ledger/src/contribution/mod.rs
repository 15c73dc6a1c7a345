//! Family 03: contributions, promised before they are received (rulebook §3, §17).

pub mod promise;
pub mod promise_contribution;
