//! Why a proof or a serialised value of this crate is refused.

use thiserror::Error;

/// A refusal of this crate. None of them is a fault of the machine: each says that the bytes, or the claim
/// they are to prove, are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MerkleError {
    /// The bytes end before the value does, or go on after it.
    #[error("a {what} of {expected} bytes was expected, {found} were given")]
    Length {
        /// What was being read.
        what: &'static str,
        /// How many bytes it takes.
        expected: usize,
        /// How many there were.
        found: usize,
    },
    /// The first byte of a state proof names no kind of ending.
    #[error("unknown ending {found} of a state proof")]
    UnknownEnding {
        /// The byte found.
        found: u8,
    },
    /// A path is longer than any path of the tree or log it is for.
    #[error("a path of {found} hashes is longer than {limit}")]
    PathTooLong {
        /// Hashes in the path.
        found: usize,
        /// The most there can be.
        limit: usize,
    },
    /// An inclusion proof was asked of a log that ends before the entry.
    #[error("entry {index} is outside a log of {size} entries")]
    IndexOutside {
        /// Position asked for, from 0.
        index: u64,
        /// Entries in the log.
        size: u64,
    },
    /// A consistency proof was asked from a longer log to a shorter one.
    #[error("a log of {old} entries cannot grow into one of {new}")]
    SizesDescend {
        /// Entries in the older log.
        old: u64,
        /// Entries in the newer log.
        new: u64,
    },
    /// The path has not as many hashes as the sizes ask for.
    #[error("the path has {found} hashes, which is not what a log of {size} entries asks for")]
    PathLength {
        /// Hashes in the path.
        found: usize,
        /// Entries in the (newer) log.
        size: u64,
    },
    /// The path does not lead to the root.
    #[error("the path does not lead to the root")]
    RootMismatch,
    /// The proof shows presence where absence was claimed, or the reverse.
    #[error("the proof ends in {found}, which does not show that the key is {claim}")]
    WrongEnding {
        /// What was to be shown: `present` or `absent`.
        claim: &'static str,
        /// What the proof ends in.
        found: &'static str,
    },
    /// The other leaf of an exclusion proof does not lie on the path of the key.
    #[error("the other leaf does not lie on the first {depth} bits of the key")]
    OtherLeafElsewhere {
        /// Length of the path in bits.
        depth: usize,
    },
    /// A list of leaves is not strictly ascending by key.
    #[error("leaf {position} is not above the one before it")]
    NotAscending {
        /// Position of the first leaf out of order, from 0.
        position: usize,
    },
}
