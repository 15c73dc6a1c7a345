//! The right edge of a log: all that is needed to append and to state the root.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use octroi_primitives::hash::Hash;

use super::{LogHash, Sha256Log};
use crate::MerkleError;

/// The frontier of the log of block ids.
pub type LogFrontier = Frontier<Sha256Log>;

/// The roots of the complete subtrees of a log, largest first, one for each binary one of its size.
///
/// At most 64 hashes; `push` costs one leaf hash and on average one node hash, `root` at most 63 node hashes.
pub struct Frontier<H> {
    size: u64,
    peaks: Vec<Hash>,
    hash: PhantomData<fn() -> H>,
}

impl<H: LogHash> Frontier<H> {
    /// The frontier of a log without entries.
    pub fn new() -> Self {
        Self { size: 0, peaks: Vec::new(), hash: PhantomData }
    }

    /// Appends one entry.
    ///
    /// # Panics
    /// At 2⁶⁴ − 1 entries, which no log reaches.
    pub fn push(&mut self, entry: &[u8]) {
        let mut peak = H::leaf(entry);
        let larger = self.peaks.len() - self.size.trailing_ones() as usize;
        // Every trailing one of the size is a subtree that the new entry completes, smallest first.
        for left in self.peaks.drain(larger..).rev() {
            peak = H::node(&left, &peak);
        }
        self.peaks.push(peak);
        self.size = self.size.checked_add(1).expect("a log has fewer than 2^64 entries");
    }

    /// The root of the log.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => H::empty(),
            Some(smallest) => peaks.fold(*smallest, |right, left| H::node(left, &right)),
        }
    }

    /// Entries in the log.
    pub fn len(&self) -> u64 {
        self.size
    }

    /// Whether the log has no entries.
    pub fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// The roots of the complete subtrees, largest first.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// A frontier from its parts. Whether it is the frontier of a given log is known only from its root.
    ///
    /// # Errors
    /// [`MerkleError::PathLength`] if there are not as many hashes as `size` has binary ones.
    pub fn from_parts(size: u64, peaks: Vec<Hash>) -> Result<Self, MerkleError> {
        if peaks.len() != size.count_ones() as usize {
            return Err(MerkleError::PathLength { found: peaks.len(), size });
        }
        Ok(Self { size, peaks, hash: PhantomData })
    }

    /// The bytes of the frontier: size as u64 big-endian, then the hashes, largest subtree first.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + 32 * self.peaks.len());
        bytes.extend_from_slice(&self.size.to_be_bytes());
        for peak in &self.peaks {
            bytes.extend_from_slice(peak.as_bytes());
        }
        bytes
    }

    /// Reads what [`Frontier::to_bytes`] writes, and nothing else.
    ///
    /// # Errors
    /// [`MerkleError::Length`] if the bytes are too few or too many for the size they begin with.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MerkleError> {
        let length = |expected| MerkleError::Length { what: "log frontier", expected, found: bytes.len() };
        let (size, rest) = bytes.split_first_chunk::<8>().ok_or(length(8))?;
        let size = u64::from_be_bytes(*size);
        let (peaks, remainder) = rest.as_chunks::<32>();
        if peaks.len() != size.count_ones() as usize || !remainder.is_empty() {
            return Err(length(8 + 32 * size.count_ones() as usize));
        }
        Self::from_parts(size, peaks.iter().map(|peak| Hash::from_bytes(*peak)).collect())
    }
}

impl<H: LogHash> Default for Frontier<H> {
    fn default() -> Self {
        Self::new()
    }
}

// By hand, since derives would ask the same of the hash, which is only a name.
impl<H> Clone for Frontier<H> {
    fn clone(&self) -> Self {
        Self { size: self.size, peaks: self.peaks.clone(), hash: PhantomData }
    }
}

impl<H> PartialEq for Frontier<H> {
    fn eq(&self, other: &Self) -> bool {
        self.size == other.size && self.peaks == other.peaks
    }
}

impl<H> Eq for Frontier<H> {}

impl<H> fmt::Debug for Frontier<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frontier").field("size", &self.size).field("peaks", &self.peaks).finish()
    }
}
