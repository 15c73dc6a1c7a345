//! Family 0c: changes that the colleges vote, and what becomes of them (rulebook §10).
//!
//! A change is proposed; at `opens_at` the due work `open_change`* freezes seats, bases and conflicts; seats cast ballots until `closes_at`; then
//! the due work `enact_change`* counts and, if the change is carried, does all of it or nothing. A change of validators waits for its height, where
//! `seat_validator`* seats or retires.
//!
//! `open_change`* (0c0a) is appended to the rulebook's list of the family, since what is frozen at a moment must not depend on who acts first after
//! it, and every change of state is a line in the log.
//!
//! Promises: results come at the close, never early; a change that is carried and cannot be done says why and has done nothing.

mod award;
pub mod cast_ballot;
pub mod change;
pub mod electorate;
pub mod enact_change;
pub mod motion;
pub mod open_change;
mod parameter;
pub mod propose_change;
pub(crate) mod role;
pub mod seat_validator;
pub(crate) mod validator;
pub mod waive_clawback;
