//! Which subtrees a proof consists of, as ranges of entries.
//!
//! Kept apart from hashing so that a server with millions of entries can answer from subtrees it has cached,
//! and the tests can compare the ranges with the RFC's recursion.

use alloc::vec::Vec;
use core::ops::Range;

use crate::MerkleError;

/// The subtrees whose roots are the inclusion path of entry `index` in a log of `size` entries, from the
/// entry towards the root (RFC 6962, 2.1.1).
///
/// # Errors
/// [`MerkleError::IndexOutside`].
pub fn inclusion_path(index: u64, size: u64) -> Result<Vec<Range<u64>>, MerkleError> {
    if index >= size {
        return Err(MerkleError::IndexOutside { index, size });
    }
    let mut path = Vec::new();
    let mut tree = 0..size;
    while tree.end - tree.start > 1 {
        let middle = split(&tree);
        if index < middle {
            path.push(middle..tree.end);
            tree.end = middle;
        } else {
            path.push(tree.start..middle);
            tree.start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The subtrees whose roots are the consistency path from a log of `old` entries to one of `new` (RFC 6962,
/// 2.1.2). Empty if the sizes are equal, and if `old` is 0: every log begins with nothing.
///
/// # Errors
/// [`MerkleError::SizesDescend`].
pub fn consistency_path(old: u64, new: u64) -> Result<Vec<Range<u64>>, MerkleError> {
    if old > new {
        return Err(MerkleError::SizesDescend { old, new });
    }
    let mut path = Vec::new();
    if old == 0 {
        return Ok(path);
    }
    // The subtree that holds the last old entry and entries after it; `tree.end == old` ends the descent.
    let mut tree = 0..new;
    while tree.end > old {
        let middle = split(&tree);
        if old <= middle {
            path.push(middle..tree.end);
            tree.end = middle;
        } else {
            path.push(tree.start..middle);
            tree.start = middle;
        }
    }
    // A subtree that begins with the log is the old log itself, whose root the verifier has.
    if tree.start > 0 {
        path.push(tree);
    }
    path.reverse();
    Ok(path)
}

/// Where a tree of at least two entries is split: after the largest power of two below its size.
fn split(tree: &Range<u64>) -> u64 {
    let size = tree.end - tree.start;
    tree.start + (1 << (size - 1).ilog2())
}
