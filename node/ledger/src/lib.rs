//! The rules: what the ledger records and when (the rulebook), as pure functions of a block and the state it stands on.
//!
//! Promises: integers only; no clock, disk, thread, randomness or map iteration order; equal inputs give equal roots on every machine; a refused
//! transaction changes nothing but the id table and a quota. Must not know: how blocks are ordered, stored, sent or asked for.
//!
//! A kind of transaction is one file in the folder of its family; [`action`] holds the one list. The street of a transaction:
//! [`transaction`] (bytes to verified) → [`block`] (who may enter, which blocks are valid) → [`execute`] (what happens) → [`receipt`].
#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

pub mod accounts;
pub mod action;
pub mod application;
pub mod bank;
pub mod block;
pub mod call;
pub mod campaign;
pub mod contribution;
pub mod dev;
pub mod due;
pub mod execute;
pub mod finding;
#[cfg(any(test, feature = "fixture"))]
pub mod fixture;
pub mod genesis;
pub mod governance;
pub mod grant;
pub mod history;
pub mod indicator;
pub mod levy;
pub mod matching;
pub mod network;
pub mod parameters;
pub mod privacy;
pub mod quota;
pub mod receipt;
pub mod redistribution;
pub mod refusal;
pub mod registry;
pub mod signer;
pub mod state;
pub mod transaction;
pub mod voucher;
pub mod wire;

pub use action::{Action, Duty, Effect, Event, Family, Kind, Payload, Place};
pub use block::{Admission, BlockInvalid, CheckedBlock, Inadmissible, RULES_VERSION, check_known};
pub use execute::{ExecutedBlock, Proposed, advise, execute, propose, simulate};
pub use genesis::{Genesis, GenesisInvalid};
pub use receipt::{Outcome, Receipt, Receipts};
pub use refusal::Refusal;
pub use state::{Head, State};
pub use transaction::{SignedTransaction, Transaction, VerifiedTransaction, verify};
