//! The genesis file that a person writes ⇄ [`octroi_ledger::Genesis`], its hash, and the ceremony around it.
//!
//! Promises: one file has one hash, whatever its spacing and comments; every error names the place and what to do. The ceremony never moves a secret:
//! each organisation sends a join request with public keys and proofs of possession. Must not know: files and terminals; it takes and gives text.
#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

mod ceremony;
mod file;
mod money;
mod words;

pub use ceremony::{
    JoinRequest, JoinedOffice, JoinedValidator, WantedKeys, collect, dated, missing_keys, network_name, organisations,
    wanted_keys,
};
pub use file::{KeyEntry, parse, render as seal};
pub use words::words;

/// The draft of the development network (rulebook §15): four validators, every organisation invented, no keys yet.
pub const DEVNET: &str = include_str!("../networks/devnet.toml");

/// Why a genesis file is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// Not TOML, or an unknown field.
    #[error("genesis file: {0}")]
    Toml(String),
    /// A value that its field cannot hold.
    #[error("genesis file, {at}: {reason}")]
    Value {
        /// Where, such as `organisations.bank.name`.
        at: String,
        /// What is wrong.
        reason: String,
    },
    /// A rule of the rulebook is broken.
    #[error("genesis, {0}")]
    Invalid(#[from] octroi_ledger::GenesisInvalid),
    /// A join request that does not fit.
    #[error("join request of {organisation}: {reason}")]
    Join {
        /// Code of the organisation.
        organisation: String,
        /// What is wrong.
        reason: String,
    },
}

impl GenesisError {
    pub(crate) fn at(at: impl Into<String>, reason: impl core::fmt::Display) -> Self {
        Self::Value { at: at.into(), reason: reason.to_string() }
    }
}
