//! One node as a state machine: mempool, consensus, execution and catch-up behind [`Replica::step`].
//!
//! A host feeds [`Input`]s with the time of its clock and performs the [`Output`]s in order, through [`perform`], against a [`Store`] and a
//! [`Disk`]; what is left to send comes out as [`Action`]s. The daemon and the simulator are such hosts: they run the same code.
//!
//! Promises: no clock, disk, socket, thread or randomness; equal inputs give equal outputs; nothing leaves that is not durable first (the place of
//! [`Output::Barrier`] and [`Output::Commit`] says so); a block is executed before it is prevoted; nothing grows without a written bound.
//!
//! Must not know: how bytes travel, how they are stored, what a transaction means beyond the ledger's checks.
//!
//! [`door`] is the check in front (decode, signatures, once a transaction); [`wire`] the bytes between nodes; [`recover`] reads what a node left.

#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

mod candidates;
mod catch_up;
mod commit;
mod config;
pub mod door;
mod error;
mod input;
mod mempool;
mod metrics;
mod output;
mod perform;
mod propose;
mod recover;
mod replica;
mod store;
pub mod wire;

pub use config::Config;
pub use door::{Arrival, Door, NotVerified, Verified};
pub use error::{RecoverError, ReplicaError};
pub use input::{Body, CertifiedBody, ClientToken, GossipToken, Input, Now, Origin, Peer, RequestToken, Timer};
pub use mempool::Refused;
pub use metrics::Metrics;
pub use output::{Action, Commit, Offence, Output, Verdict};
pub use perform::{PerformError, perform};
pub use recover::{Recovered, recover};
pub use replica::Replica;
pub use store::{Disk, Loaded, Logged, Store};
