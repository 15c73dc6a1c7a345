//! Append-only logs in the shape of RFC 6962, over BLAKE3 and over SHA-256.
//!
//! The shape is the RFC's (section 2.1): a list of one entry is its leaf hash; a longer list of n entries is
//! split after the largest power of two below n, and its root is the node hash of the roots of both parts.
//! Paths are the RFC's too: the inclusion path of 2.1.1 and the consistency path of 2.1.2.
//!
//! ## Format: lists over BLAKE3 (transactions root, receipts root)
//!
//! Entries are 32-byte hashes. With `keyed(k, m)` the keyed mode of BLAKE3:
//!
//! | | |
//! |---|---|
//! | empty list | 32 zero bytes |
//! | leaf | `keyed(LIST_LEAF_KEY, entry)`, 32 bytes of input |
//! | node | `keyed(LIST_NODE_KEY, left ‖ right)`, 64 bytes of input, so one block |
//!
//! The keys are `H("list_leaf")` and `H("list_node")` without parts, that is BLAKE3 in derive-key mode with
//! context `octroi/list_leaf/v1` (or `octroi/list_node/v1`) over no bytes; they are written out as
//! [`LIST_LEAF_KEY`] and [`LIST_NODE_KEY`].
//!
//! ## Format: the log over SHA-256 (log root)
//!
//! Exactly RFC 6962, so that tools for transparency logs read it. Entry i is the 32-byte id of block i, entry
//! 0 the genesis hash; the log root in the header of height h covers entries 0 to h − 1, so its size is h.
//!
//! | | |
//! |---|---|
//! | empty log | `SHA-256("")` |
//! | leaf | `SHA-256(0x00 ‖ entry)` |
//! | node | `SHA-256(0x01 ‖ left ‖ right)` |
//!
//! A frontier (in snapshots) is the size as u64, big-endian, then the roots of the complete subtrees that the
//! binary digits of the size name, largest first, 32 bytes each: as many as the size has ones. A path is its
//! hashes one after the other, 32 bytes each, from the entry towards the root; sizes and positions are not in
//! it, as both sides know them from the headers.

mod frontier;
mod path;
mod proof;

use alloc::vec::Vec;

use octroi_primitives::hash::{Hash, keyed, keyed_node};
use sha2::{Digest, Sha256};

pub use frontier::{Frontier, LogFrontier};
pub use path::{consistency_path, inclusion_path};
pub use proof::{ConsistencyProof, InclusionProof};

/// Key of the leaf hash of lists over BLAKE3: `H("list_leaf")`.
pub const LIST_LEAF_KEY: [u8; 32] = [
    0xe7, 0xa8, 0x58, 0xc5, 0x6b, 0x36, 0x97, 0x25, 0xbc, 0x67, 0x1f, 0x75, 0x03, 0xcd, 0xb8, 0x0b, 0xc4, 0x3e, 0x5e,
    0x41, 0x3e, 0xcd, 0xf0, 0x0c, 0x30, 0x9c, 0xd0, 0xb9, 0x71, 0x60, 0x32, 0x38,
];

/// Key of the node hash of lists over BLAKE3: `H("list_node")`.
pub const LIST_NODE_KEY: [u8; 32] = [
    0x2f, 0x2d, 0xe6, 0xb7, 0xcd, 0x5a, 0xf0, 0x92, 0x1e, 0x6f, 0x3f, 0xef, 0x38, 0xa7, 0xdf, 0xc7, 0xfd, 0xd1, 0xa6,
    0x0b, 0xa7, 0x28, 0x1a, 0xd0, 0x92, 0xa9, 0x02, 0xb1, 0x93, 0x01, 0xe4, 0x02,
];

/// How a log hashes: the one thing in which our two logs differ.
pub trait LogHash {
    /// The root of a log without entries.
    fn empty() -> Hash;
    /// The hash of one entry.
    fn leaf(entry: &[u8]) -> Hash;
    /// The hash of two neighbouring subtrees.
    fn node(left: &Hash, right: &Hash) -> Hash;
}

/// BLAKE3 in keyed mode: the transactions and receipts of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blake3List {}

impl LogHash for Blake3List {
    fn empty() -> Hash {
        Hash::ZERO
    }

    fn leaf(entry: &[u8]) -> Hash {
        keyed(&LIST_LEAF_KEY, entry)
    }

    fn node(left: &Hash, right: &Hash) -> Hash {
        keyed_node(&LIST_NODE_KEY, left, right)
    }
}

/// SHA-256 exactly as in RFC 6962: the log of block ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sha256Log {}

impl LogHash for Sha256Log {
    fn empty() -> Hash {
        Hash::from_bytes(Sha256::digest([]).into())
    }

    fn leaf(entry: &[u8]) -> Hash {
        Hash::from_bytes(Sha256::new().chain_update([0]).chain_update(entry).finalize().into())
    }

    fn node(left: &Hash, right: &Hash) -> Hash {
        let mut input = [0; 65];
        input[0] = 1;
        input[1..33].copy_from_slice(left.as_bytes());
        input[33..].copy_from_slice(right.as_bytes());
        Hash::from_bytes(Sha256::digest(input).into())
    }
}

/// The leaf hashes of a list of entries, in order; what [`root`] and the proofs are computed from.
pub fn leaf_hashes<H: LogHash>(entries: &[Hash]) -> Vec<Hash> {
    entries.iter().map(|entry| H::leaf(entry.as_bytes())).collect()
}

/// The root over leaf hashes (not entries: see [`leaf_hashes`]). n − 1 node hashes, recursion of depth log₂ n.
pub fn root<H: LogHash>(leaf_hashes: &[Hash]) -> Hash {
    match leaf_hashes {
        [] => H::empty(),
        [one] => *one,
        many => {
            let (left, right) = many.split_at(many.len().next_power_of_two() / 2);
            H::node(&root::<H>(left), &root::<H>(right))
        }
    }
}

/// The root of a list of entries over BLAKE3: a block's transactions root and receipts root.
pub fn blake3_root(entries: &[Hash]) -> Hash {
    root::<Blake3List>(&leaf_hashes::<Blake3List>(entries))
}

#[cfg(test)]
mod tests {
    use octroi_primitives::hash::hash;

    use super::*;

    #[test]
    fn keys_are_derived_as_the_format_says() {
        assert_eq!(hash("list_leaf", &[]), Hash::from_bytes(LIST_LEAF_KEY));
        assert_eq!(hash("list_node", &[]), Hash::from_bytes(LIST_NODE_KEY));
    }

    #[test]
    fn a_leaf_is_never_a_node() {
        // The one ambiguity of unprefixed Merkle lists: an inner node presented as an entry.
        let pair = [Hash::from_bytes([1; 32]), Hash::from_bytes([2; 32])];
        let inner = blake3_root(&pair);
        assert_ne!(blake3_root(&[inner]), inner);
        assert_ne!(Sha256Log::leaf(inner.as_bytes()), inner);
    }

    #[test]
    fn an_empty_list_has_the_zero_root() {
        assert_eq!(blake3_root(&[]), Hash::ZERO);
    }

    #[test]
    fn order_and_repetition_change_the_root() {
        let (a, b) = (Hash::from_bytes([1; 32]), Hash::from_bytes([2; 32]));
        let roots = [
            blake3_root(&[a]),
            blake3_root(&[a, a]),
            blake3_root(&[a, b]),
            blake3_root(&[b, a]),
            blake3_root(&[a, b, b]),
            blake3_root(&[a, b, b, b]),
        ];
        for (i, one) in roots.iter().enumerate() {
            for other in &roots[i + 1..] {
                assert_ne!(one, other);
            }
        }
    }
}
