//! Family 0c: changes that the colleges vote, and what becomes of them (rulebook §10).
//!
//! A change is proposed; at `opens_at` the due work `open_change`* freezes seats, bases and conflicts; seats cast ballots until `closes_at`; then
//! the due work `enact_change`* counts and, if the change is carried, does all of it or nothing. A change of validators waits for its height, where
//! `seat_validator`* seats or retires.
//!
//! A change by consent is clarified, then objected to: [`raise_objection`], judged by the colleges' delegates in [`resolve_objection`], met by its author in
//! [`amend_change`], which starts a round of its own. What fails by consent is voted by majority, or falls, as table B says.
//!
//! What a role may decide alone, below a limit for each change and for 30 days, is not voted ([`delegation`]). Keys that are recovered and suspensions in an
//! emergency set a time of their own: [`conclude_change`].
//!
//! `open_change`* (0c0a) and `conclude_change`* (0c0b) are appended to the rulebook's list of the family, since what is frozen at a moment, or ends at one,
//! must not depend on who acts first after it, and every change of state is a line in the log.
//!
//! A change is one file behind the trait of [`motion`], which holds the one list of changes and says how each is voted.
//!
//! Promises: results come at the close, never early; a change that is carried and cannot be done says why and has done nothing.

pub mod amend_change;
mod award;
pub mod bank_accounts;
pub mod cast_ballot;
pub mod change;
pub mod conclude_change;
pub mod delegation;
pub mod electorate;
pub mod enact_change;
pub mod levy_schedules;
pub mod licence_terms;
pub mod motion;
pub mod nominate;
pub mod objection;
pub mod open_change;
mod parameter;
pub mod propose_change;
pub mod raise_objection;
pub mod recovery;
pub mod resolve_objection;
pub(crate) mod role;
pub mod seat;
pub mod seat_validator;
pub mod suspension;
pub mod upgrade;
pub mod validator;
pub mod waive_clawback;
pub mod withdraw_change;
pub mod write_off;
