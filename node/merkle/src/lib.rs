//! Merkle proofs: the append-only [`log`] and the sparse state [`tree`].
//!
//! **What it is for.** Three commitments of the block header stand here: the transactions and receipts
//! roots (lists over BLAKE3), the log root (an RFC 6962 log over SHA-256) and the state root (a sparse
//! Merkle tree over hashed keys), each with proofs that a poor verifier can check offline.
//!
//! **What it promises.** A root is a pure function of what it covers: the list for a log, the set of pairs
//! for a tree, never the order or history of updates. Proofs are checked in bounded time and memory, and
//! nothing that comes from outside can make this crate panic.
//!
//! **What it must not know.** What a leaf means (transaction, receipt, block, record), where anything is
//! stored, and which block a root belongs to. It is `no_std` and runs in a browser.
//!
//! Byte formats are written in the module documentation of [`log`] and [`tree`]; a change to either needs a
//! new version.
#![no_std]
#![deny(clippy::disallowed_types, clippy::disallowed_methods)]

extern crate alloc;

mod error;
pub mod log;
pub mod tree;

pub use error::MerkleError;
pub use log::{Blake3List, ConsistencyProof, Frontier, InclusionProof, LogFrontier, LogHash, Sha256Log, blake3_root};
pub use tree::{Change, Leaf, Proof, Tree};
