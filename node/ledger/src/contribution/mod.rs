//! Family 03: contributions, promised before they are received, or given in kind (rulebook §3, §17).

pub mod cancel_promise;
pub mod contribute_in_kind;
pub mod expire_promise;
pub mod promise;
pub mod promise_contribution;
pub mod return_contribution;
