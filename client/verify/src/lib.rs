//! Offline checks for those who trust nobody: certificates, chains of headers, old headers under new ones, forks.
//!
//! The light client and the auditor stand on this crate; it needs no node, clock, disk or network, and runs in a browser.
//!
//! Promises: nothing comes out that a certificate of the set its header names does not cover, starting from a genesis or
//! a header the caller trusts already. Must not know transactions, records, or how agreement is reached.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

extern crate alloc;

mod error;
mod header;

pub use error::VerifyError;
pub use header::{Fork, Tip, verify_ancestor, verify_certificate, verify_header_chain, verify_log_extends};
