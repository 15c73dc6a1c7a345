//! State proofs: that a key has a value, or that it is absent.

use alloc::vec::Vec;

use octroi_primitives::hash::Hash;

use super::node::{leaf_hash, node_hash};
use super::{Leaf, MAX_DEPTH, bit};
use crate::MerkleError;

/// What the tree holds for one key, checkable against the root alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// From the root down; at most [`MAX_DEPTH`].
    siblings: Vec<Hash>,
    end: End,
}

/// How the path of a key ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// In the leaf of the key; its value is the verifier's.
    Own,
    /// In an empty subtree.
    Empty,
    /// In the leaf of another key.
    Other(Leaf),
}

impl End {
    const OWN: u8 = 0;
    const EMPTY: u8 = 1;
    const OTHER: u8 = 2;

    fn name(&self) -> &'static str {
        match self {
            Self::Own => "the leaf of the key",
            Self::Empty => "an empty subtree",
            Self::Other(_) => "the leaf of another key",
        }
    }
}

impl Proof {
    pub(super) fn new(siblings: Vec<Hash>, end: End) -> Self {
        Self { siblings, end }
    }

    /// Whether the proof claims that its key is present. Only [`Proof::verify`] shows that the claim is true.
    pub fn claims_presence(&self) -> bool {
        self.end == End::Own
    }

    /// Checks that the tree with this root holds `value` under `key`, or with `None` that it does not hold the key.
    /// At most 257 hashes.
    ///
    /// # Errors
    /// [`MerkleError::WrongEnding`], [`MerkleError::OtherLeafElsewhere`] and [`MerkleError::RootMismatch`].
    pub fn verify(&self, root: &Hash, key: &Hash, value: Option<&Hash>) -> Result<(), MerkleError> {
        let depth = self.siblings.len();
        let ending = match (&self.end, value) {
            (End::Own, Some(value)) => leaf_hash(&Leaf { key: *key, value: *value }),
            (End::Empty, None) => Hash::ZERO,
            (End::Other(other), None) => {
                let on_path = (0..depth).all(|at| bit(&other.key, at) == bit(key, at));
                if !on_path || other.key == *key {
                    return Err(MerkleError::OtherLeafElsewhere { depth });
                }
                leaf_hash(other)
            }
            (end, Some(_)) => return Err(MerkleError::WrongEnding { claim: "present", found: end.name() }),
            (end, None) => return Err(MerkleError::WrongEnding { claim: "absent", found: end.name() }),
        };
        let computed = self.siblings.iter().enumerate().rev().fold(ending, |node, (at, sibling)| {
            if bit(key, at) { node_hash(sibling, &node) } else { node_hash(&node, sibling) }
        });
        if computed == *root { Ok(()) } else { Err(MerkleError::RootMismatch) }
    }

    /// The bytes of the proof, as the format in [`super`] says.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self { siblings, end } = self;
        let mut bytes = Vec::with_capacity(HEAD + 32 * siblings.len() + OTHER_LEAF);
        bytes.push(match end {
            End::Own => End::OWN,
            End::Empty => End::EMPTY,
            End::Other(_) => End::OTHER,
        });
        let count = u16::try_from(siblings.len()).expect("a path has at most 256 siblings");
        bytes.extend_from_slice(&count.to_be_bytes());
        for sibling in siblings {
            bytes.extend_from_slice(sibling.as_bytes());
        }
        match end {
            End::Own | End::Empty => {}
            End::Other(Leaf { key, value }) => {
                bytes.extend_from_slice(key.as_bytes());
                bytes.extend_from_slice(value.as_bytes());
            }
        }
        bytes
    }

    /// Reads what [`Proof::to_bytes`] writes, and nothing else. The length is checked before anything is copied.
    ///
    /// # Errors
    /// [`MerkleError::Length`], [`MerkleError::UnknownEnding`] and [`MerkleError::PathTooLong`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MerkleError> {
        let length = |expected| MerkleError::Length { what: "state proof", expected, found: bytes.len() };
        let ([ending, count @ ..], rest) = bytes.split_first_chunk::<HEAD>().ok_or(length(HEAD))?;
        let count = usize::from(u16::from_be_bytes(*count));
        if count > MAX_DEPTH {
            return Err(MerkleError::PathTooLong { found: count, limit: MAX_DEPTH });
        }
        let (hashes, remainder) = rest.as_chunks::<32>();
        let mut hashes = hashes.iter().map(|bytes| Hash::from_bytes(*bytes));
        let siblings: Vec<Hash> = hashes.by_ref().take(count).collect();
        let (end, after) = match *ending {
            End::OWN => (Some(End::Own), 0),
            End::EMPTY => (Some(End::Empty), 0),
            End::OTHER => {
                let other = hashes.next().zip(hashes.next());
                (other.map(|(key, value)| End::Other(Leaf { key, value })), OTHER_LEAF)
            }
            found => return Err(MerkleError::UnknownEnding { found }),
        };
        match end {
            Some(end) if siblings.len() == count && hashes.next().is_none() && remainder.is_empty() => {
                Ok(Self { siblings, end })
            }
            _ => Err(length(HEAD + 32 * count + after)),
        }
    }
}

/// Bytes before the siblings: the ending and their number.
const HEAD: usize = 3;

/// Bytes of the leaf of another key.
const OTHER_LEAF: usize = 64;
