//! Inclusion and consistency proofs of a log.

use alloc::vec::Vec;
use core::ops::Range;

use octroi_primitives::hash::Hash;

use super::{LogHash, consistency_path, inclusion_path, root};
use crate::MerkleError;

/// Shows that an entry stands at a position of a log. The position, the size and the root come from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    path: Vec<Hash>,
}

/// Shows that a log is the beginning of a longer one. Both sizes and roots come from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyProof {
    path: Vec<Hash>,
}

/// No path in a log of at most 2⁶⁴ − 1 entries is longer; a consistency path has one hash more.
const MAX_PATH: usize = 65;

impl InclusionProof {
    /// The proof for entry `index` of the log with these leaf hashes (see [`super::leaf_hashes`]).
    ///
    /// # Errors
    /// [`MerkleError::IndexOutside`].
    pub fn new<H: LogHash>(leaf_hashes: &[Hash], index: u64) -> Result<Self, MerkleError> {
        let path = inclusion_path(index, leaf_hashes.len() as u64)?;
        Ok(Self { path: roots::<H>(leaf_hashes, path) })
    }

    /// A proof from a path that was sent or put together by [`inclusion_path`]; nothing is checked but its length.
    ///
    /// # Errors
    /// [`MerkleError::PathTooLong`].
    pub fn from_path(path: Vec<Hash>) -> Result<Self, MerkleError> {
        Ok(Self { path: bounded(path)? })
    }

    /// The hashes from the entry towards the root.
    pub fn path(&self) -> &[Hash] {
        &self.path
    }

    /// Checks that `entry` stands at `index` in the log of `size` entries with this root.
    ///
    /// # Errors
    /// [`MerkleError::IndexOutside`], [`MerkleError::PathLength`] and [`MerkleError::RootMismatch`].
    pub fn verify<H: LogHash>(
        &self,
        entry: &[u8],
        index: u64,
        size: u64,
        expected_root: &Hash,
    ) -> Result<(), MerkleError> {
        if index >= size {
            return Err(MerkleError::IndexOutside { index, size });
        }
        let length = MerkleError::PathLength { found: self.path.len(), size };
        // RFC 9162, 2.1.3.2: `position` and `last` are the places of our node and of the last one on its level.
        let (mut position, mut last) = (index, size - 1);
        let mut node = H::leaf(entry);
        for sibling in &self.path {
            if last == 0 {
                return Err(length);
            }
            if position % 2 == 1 || position == last {
                node = H::node(sibling, &node);
                // A last node without a sibling moves up unchanged until it is a right child.
                let up = position.trailing_zeros();
                (position, last) = (position >> up, last >> up);
            } else {
                node = H::node(&node, sibling);
            }
            (position, last) = (position >> 1, last >> 1);
        }
        if last != 0 {
            return Err(length);
        }
        if node != *expected_root {
            return Err(MerkleError::RootMismatch);
        }
        Ok(())
    }
}

impl ConsistencyProof {
    /// The proof that the first `old` of these leaf hashes are the log the whole of them grew from.
    ///
    /// # Errors
    /// [`MerkleError::SizesDescend`].
    pub fn new<H: LogHash>(leaf_hashes: &[Hash], old: u64) -> Result<Self, MerkleError> {
        let path = consistency_path(old, leaf_hashes.len() as u64)?;
        Ok(Self { path: roots::<H>(leaf_hashes, path) })
    }

    /// A proof from a path that was sent or put together by [`consistency_path`]; nothing is checked but its length.
    ///
    /// # Errors
    /// [`MerkleError::PathTooLong`].
    pub fn from_path(path: Vec<Hash>) -> Result<Self, MerkleError> {
        Ok(Self { path: bounded(path)? })
    }

    /// The hashes, from the last old entry towards the root.
    pub fn path(&self) -> &[Hash] {
        &self.path
    }

    /// Checks that the log of `old` entries with `old_root` is the beginning of the log of `new` entries with
    /// `new_root`.
    ///
    /// # Errors
    /// [`MerkleError::SizesDescend`], [`MerkleError::PathLength`] and [`MerkleError::RootMismatch`].
    pub fn verify<H: LogHash>(&self, old: u64, old_root: &Hash, new: u64, new_root: &Hash) -> Result<(), MerkleError> {
        if old > new {
            return Err(MerkleError::SizesDescend { old, new });
        }
        let length = MerkleError::PathLength { found: self.path.len(), size: new };
        if old == 0 || old == new {
            if !self.path.is_empty() {
                return Err(length);
            }
            let from = if old == 0 { H::empty() } else { *new_root };
            // The root of an empty new log is checked too: it is then the old log.
            let same = from == *old_root && (new > 0 || from == *new_root);
            return if same { Ok(()) } else { Err(MerkleError::RootMismatch) };
        }
        // RFC 9162, 2.1.4.2: both roots are rebuilt from the last subtree that is complete in the old log.
        let up = (old - 1).trailing_ones();
        let (mut position, mut last) = ((old - 1) >> up, (new - 1) >> up);
        let (first, rest) = if old.is_power_of_two() {
            (old_root, self.path.as_slice())
        } else {
            self.path.split_first().ok_or(length)?
        };
        let (mut old_node, mut new_node) = (*first, *first);
        for sibling in rest {
            if last == 0 {
                return Err(length);
            }
            if position % 2 == 1 || position == last {
                old_node = H::node(sibling, &old_node);
                new_node = H::node(sibling, &new_node);
                let up = position.trailing_zeros();
                (position, last) = (position >> up, last >> up);
            } else {
                new_node = H::node(&new_node, sibling);
            }
            (position, last) = (position >> 1, last >> 1);
        }
        if last != 0 {
            return Err(length);
        }
        if old_node != *old_root || new_node != *new_root {
            return Err(MerkleError::RootMismatch);
        }
        Ok(())
    }
}

/// The roots of some subtrees, which lie inside the leaf hashes.
fn roots<H: LogHash>(leaf_hashes: &[Hash], path: Vec<Range<u64>>) -> Vec<Hash> {
    let part = |range: Range<u64>| &leaf_hashes[range.start as usize..range.end as usize];
    path.into_iter().map(|range| root::<H>(part(range))).collect()
}

fn bounded(path: Vec<Hash>) -> Result<Vec<Hash>, MerkleError> {
    if path.len() > MAX_PATH {
        return Err(MerkleError::PathTooLong { found: path.len(), limit: MAX_PATH });
    }
    Ok(path)
}
