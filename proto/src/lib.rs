//! The words on the wire: what `octroi/v1/*.proto` says, as Rust types, and nothing else.
//!
//! Promises: generated at build time from the files beside it, so the two cannot differ. Signed, hashed and stored messages
//! use a canonical subset of protobuf (docs/formats.md): no maps, floats, groups; strict decoding is the ledger's.
//! Must not know: rules. A type here may hold nonsense; the crates above turn it into types that cannot.
//!
//! The feature `services` adds gRPC clients, servers and the descriptor set.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

/// Package `octroi.v1`.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/octroi.v1.rs"));
}

/// The encoded `FileDescriptorSet` of package `octroi.v1`, for gRPC reflection and for the snapshot of the interface.
#[cfg(feature = "services")]
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/octroi.descriptors.bin"));
