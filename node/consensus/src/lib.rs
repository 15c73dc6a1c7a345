//! Agreement on one block a height: Malachite's Tendermint core behind our types. Nothing else names it.
//!
//! [`Consensus`] takes messages, timeouts, verdicts and proposals, and answers with a list of [`Effect`]s to perform in
//! order. It reads no clock, disk or socket and starts no task, so the simulator runs the code we ship.
//!
//! Promises:
//! - An own vote or proposal is handed out for sending only behind a [`Effect::Barrier`]: its log entry and the
//!   [`SignState`] that covers it are to be durable first.
//! - No two different messages are ever signed for one (height, round, step): replay of the log uses recorded
//!   signatures and stops at a divergence, and the sign state refuses what is not above the last thing signed.
//! - Only messages whose signer and signature were checked enter the core ([`Checked`]); our own are recognised by the
//!   exact bytes and signature we made, never by their address.
//! - A decision comes with a certificate in set order and the evidence of every equivocation seen.
//!
//! Must not know what a block holds: the value agreed on is a block id.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

mod consensus;
mod context;
mod convert;
mod effect;
mod error;
mod log;
mod message;
mod shell;
mod sign_state;
mod timeouts;

pub use consensus::{Ahead, Consensus};
pub use effect::{Effect, Timeout, TimeoutKind, Validity};
pub use error::ConsensusError;
pub use log::LogEntry;
pub use message::{Checked, Message};
pub use sign_state::{
    Guard, SIGN_STATE_BYTES, SLOT_BYTES, SLOT_OFFSETS, SignState, SignStateError, Signed, Signing, SlotWrite, Step,
};
pub use timeouts::Timeouts;
