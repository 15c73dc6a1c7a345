//! Canonical protobuf: the one encoding of a value, and a decoder that refuses every other.
//!
//! Encoding by prost writes fields ascending, omits defaults and uses minimal varints; so "decode, encode again,
//! compare" refuses unknown fields, repeated fields, defaults on the wire, long varints and any other order.

use crate::ChainError;
use alloc::{string::ToString, vec::Vec};
use octroi_primitives::{BlockId, Hash, PublicKey, Signature};
use prost::Message;

/// A value with exactly one encoding.
pub trait Canonical: Sized {
    /// The protobuf message of `octroi.v1` it travels in.
    type Wire: Message + Default;

    /// What to call it in errors.
    const WHAT: &'static str;

    /// The message of this value.
    fn to_wire(&self) -> Self::Wire;

    /// The value of a message: checks lengths, presence and meaning, not signatures.
    fn from_wire(wire: Self::Wire) -> Result<Self, ChainError>;

    /// The canonical bytes.
    fn encode(&self) -> Vec<u8> {
        self.to_wire().encode_to_vec()
    }

    /// Strict decoding: accepts exactly what [`Canonical::encode`] writes. The caller bounds the length of `bytes`.
    fn decode(bytes: &[u8]) -> Result<Self, ChainError> {
        let wire =
            Self::Wire::decode(bytes).map_err(|e| ChainError::Malformed { what: Self::WHAT, reason: e.to_string() })?;
        if wire.encoded_len() != bytes.len() || wire.encode_to_vec() != bytes {
            return Err(ChainError::NotCanonical { what: Self::WHAT });
        }
        Self::from_wire(wire)
    }
}

/// A field of exactly `N` bytes.
pub(crate) fn fixed<const N: usize>(field: &'static str, bytes: &[u8]) -> Result<[u8; N], ChainError> {
    bytes.try_into().map_err(|_| ChainError::Length { field, expected: N, found: bytes.len() })
}

/// A hash field.
pub(crate) fn hash(field: &'static str, bytes: &[u8]) -> Result<Hash, ChainError> {
    fixed(field, bytes).map(Hash::from_bytes)
}

/// A block id field.
pub(crate) fn block_id(field: &'static str, bytes: &[u8]) -> Result<BlockId, ChainError> {
    fixed(field, bytes).map(BlockId::from_bytes)
}

/// A block id field in which nothing means nil.
pub(crate) fn block_id_or_nil(field: &'static str, bytes: &[u8]) -> Result<Option<BlockId>, ChainError> {
    if bytes.is_empty() { Ok(None) } else { block_id(field, bytes).map(Some) }
}

/// A public key field.
pub(crate) fn public_key(field: &'static str, bytes: &[u8]) -> Result<PublicKey, ChainError> {
    fixed(field, bytes).map(PublicKey::from_bytes_unchecked)
}

/// A signature field.
pub(crate) fn signature(field: &'static str, bytes: &[u8]) -> Result<Signature, ChainError> {
    fixed(field, bytes).map(Signature::from_bytes)
}

/// A message field that must be present.
pub(crate) fn required<T>(field: &'static str, value: Option<T>) -> Result<T, ChainError> {
    value.ok_or(ChainError::Missing { field })
}
