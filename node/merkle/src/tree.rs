//! The sparse Merkle tree of the state: 2²⁵⁶ places, a pair (key, value hash) in some of them.
//!
//! ## Format: state root
//!
//! Keys and values are 32-byte hashes; the bits of a key are taken from the most significant bit of its first
//! byte on. With `keyed(k, m)` the keyed mode of BLAKE3, the hash of the subtree below the first `d` bits of a
//! path, over the pairs whose keys begin with those bits, is:
//!
//! | pairs | hash |
//! |---|---|
//! | none | 32 zero bytes |
//! | one | `keyed(STATE_LEAF_KEY, key ‖ value)`, 64 bytes of input, so one block |
//! | more | `keyed(STATE_NODE_KEY, left ‖ right)`, left being the subtree where bit `d` is 0; 64 bytes, so one block |
//!
//! So a leaf stands at the first depth where it is alone, at most 256, and the root (`d` = 0) depends on the set
//! of pairs alone. The keys are `H("state_leaf")` and `H("state_node")` without parts, that is BLAKE3 in
//! derive-key mode with context `octroi/state_leaf/v1` (or `octroi/state_node/v1`) over no bytes; they are
//! written out as [`STATE_LEAF_KEY`] and [`STATE_NODE_KEY`].
//!
//! ## Format: state proof
//!
//! One byte for how the path of the key ends, u16 big-endian for the number of siblings (at most 256), the
//! siblings from the root down, 32 bytes each, then for ending 2 the other leaf; no bytes after it.
//!
//! | ending | shows | after the siblings |
//! |---|---|---|
//! | 0 | presence: the path ends in the leaf of the key, whose value the verifier has | nothing |
//! | 1 | absence: the path ends in an empty subtree | nothing |
//! | 2 | absence: the path ends in the leaf of another key that shares the bits of the path | that key, its value |
//!
//! To check it, take the hash of the ending and fold in the siblings from the last to the first: the sibling at
//! place `d` stands on the right if bit `d` of the key is 0, else on the left. The result is the root.
//!
//! ## In memory
//!
//! Nodes are immutable and shared: cloning a [`Tree`] copies one pointer, and an update copies the paths it
//! touches, so that many versions live beside each other. A subtree of few pairs is one *page*, a sorted array; this
//! spares most of the nodes and pointers and does not show in any hash.

mod node;
mod proof;

use alloc::vec::Vec;
use core::fmt;

use octroi_primitives::hash::Hash;

use crate::MerkleError;
use node::Link;
pub use proof::Proof;

/// Key of the leaf hash of the state tree: `H("state_leaf")`.
pub const STATE_LEAF_KEY: [u8; 32] = [
    0xe0, 0xf0, 0xcd, 0x07, 0xeb, 0x3c, 0x92, 0x13, 0xe5, 0x08, 0x3d, 0x4a, 0xe3, 0xc5, 0xac, 0x4d, 0xb8, 0xe8, 0x85,
    0xaf, 0xa5, 0xfc, 0xd2, 0xeb, 0x91, 0x51, 0x98, 0xaf, 0xeb, 0x90, 0x57, 0xf3,
];

/// Key of the node hash of the state tree: `H("state_node")`.
pub const STATE_NODE_KEY: [u8; 32] = [
    0x02, 0xed, 0xf7, 0x20, 0x4e, 0x51, 0xc4, 0xde, 0xfe, 0x7b, 0xcd, 0x5c, 0x3d, 0xc4, 0xa4, 0x7f, 0x5f, 0x2f, 0xd8,
    0x55, 0xf4, 0x42, 0xbb, 0xf3, 0xf4, 0xbb, 0xe2, 0x24, 0xb8, 0x0e, 0x80, 0x0f,
];

/// Depth of the deepest leaf, in bits of the key.
pub const MAX_DEPTH: usize = 256;

/// A pair of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leaf {
    /// The hash under which a record is found. It must be a hash: chosen keys could make paths long.
    pub key: Hash,
    /// The hash of the record.
    pub value: Hash,
}

/// What becomes of a key: `Some` sets the hash of its record, `None` removes it.
pub type Change = (Hash, Option<Hash>);

/// One version of the state tree. Cloning is one reference count; the versions share what they have in common.
#[derive(Clone, Default)]
pub struct Tree {
    top: Link,
}

impl Tree {
    /// The tree without pairs, whose root is 32 zero bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Builds the tree of these pairs at once: for a restart or a snapshot.
    ///
    /// # Errors
    /// [`MerkleError::NotAscending`] if the keys are not strictly ascending.
    pub fn from_sorted(leaves: &[Leaf]) -> Result<Self, MerkleError> {
        match leaves.windows(2).position(|pair| pair[0].key >= pair[1].key) {
            Some(before) => Err(MerkleError::NotAscending { position: before + 1 }),
            None => Ok(Self { top: Link::build(leaves, 0) }),
        }
    }

    /// The tree after these changes: `Some` sets the value of a key, `None` removes the key. Setting what is set and
    /// removing what is absent change nothing. `self` stays as it is.
    ///
    /// # Panics
    /// If the keys are not strictly ascending: the caller takes them from an ordered map, and anything else would
    /// be a bug that must not reach a root.
    #[must_use = "the tree itself is not changed"]
    pub fn update(&self, changes: &[Change]) -> Self {
        assert!(changes.is_sorted_by(|one, next| one.0 < next.0), "the changes of a tree ascend strictly by key");
        Self { top: self.top.changed(changes) }
    }

    /// The root over all pairs.
    pub fn root(&self) -> Hash {
        *self.top.hash()
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.top.single_page().is_some_and(<[Leaf]>::is_empty)
    }

    /// The value of a key.
    pub fn get(&self, key: &Hash) -> Option<Hash> {
        self.top.get(key)
    }

    /// Shows what the tree holds for this key: its value, or that it is absent.
    pub fn prove(&self, key: &Hash) -> Proof {
        let mut siblings = Vec::new();
        let end = self.top.path(key, &mut siblings);
        Proof::new(siblings, end)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // If two last holders let go at once, both may count two; the nodes then drop by themselves.
        if self.top.holders() == 1 {
            self.top.release();
        }
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree").field("root", &self.root()).finish_non_exhaustive()
    }
}

/// Bit `depth` of a key: `true` leads to the right.
fn bit(key: &Hash, depth: usize) -> bool {
    key.as_bytes()[depth / 8] >> (7 - depth % 8) & 1 == 1
}

#[cfg(test)]
mod tests {
    use octroi_primitives::hash::hash;

    use super::*;

    #[test]
    fn keys_are_derived_as_the_format_says() {
        assert_eq!(hash("state_leaf", &[]), Hash::from_bytes(STATE_LEAF_KEY));
        assert_eq!(hash("state_node", &[]), Hash::from_bytes(STATE_NODE_KEY));
    }

    #[test]
    fn bits_are_counted_from_the_most_significant() {
        let mut bytes = [0; 32];
        bytes[0] = 0b0100_0000;
        bytes[31] = 0b0000_0001;
        let key = Hash::from_bytes(bytes);
        let ones: alloc::vec::Vec<usize> = (0..MAX_DEPTH).filter(|depth| bit(&key, *depth)).collect();
        assert_eq!(ones, [1, 255]);
    }
}
