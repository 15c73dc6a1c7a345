//! What validators sign and certify: header, block id, validator set, votes, certificates, evidence, and the archive format.
//!
//! Promises: every type has exactly one canonical encoding, and decoding refuses any other; what is signed is bound to
//! one network, kind, height and round; a [`Certified`] value can only be made by checking a certificate against the
//! set its header names. The auditor and the light client stand on this crate alone.
//!
//! Must not know: how agreement is reached, what a transaction means, disks, sockets, clocks. `no_std`, no floats, no
//! hash maps.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

extern crate alloc;

pub mod archive;
mod block;
mod certificate;
mod error;
mod evidence;
mod header;
mod set;
mod vote;
mod wire;

pub use block::Block;
pub use certificate::{
    Certified, CommitCertificate, HasHeader, PolkaCertificate, RoundCertificate, RoundReason, RoundSignature,
    ValidatorSignature,
};
pub use error::ChainError;
pub use evidence::Evidence;
pub use header::{Header, NO_COMMIT};
pub use set::{MAX_VALIDATORS, Validator, ValidatorSet};
pub use vote::{Proposal, SignedProposal, SignedVote, Vote, VoteKind};
pub use wire::Canonical;
