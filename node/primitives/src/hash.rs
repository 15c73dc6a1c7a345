//! The one hash of the ledger, BLAKE3, and the ways it is used.
//!
//! | use | function | mode |
//! |---|---|---|
//! | ids, roots' leaves, events | [`hash`], [`Hasher`], [`Domain`] | `derive_key`, context `octroi/<what>/v1` |
//! | tree nodes | [`keyed_node`], [`keyed`] | keyed |
//! | what a key signs | [`signed_message`] | none: the bytes themselves, with their domain in front |
//!
//! **Promises.** Two different lists of parts never give the same input (each part carries its length), and two
//! different `what` never share a context (architecture, Formats).
//!
//! **Cost.** A context is itself hashed to a key: one compression and one short allocation each time [`hash`] or
//! [`Hasher::new`] is called. Who hashes many things of one kind makes a [`Domain`] once.
//!
//! **Must not know** what is hashed.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;

use blake3::hazmat::{ContextKey, HasherExt, hash_derive_key_context};

use crate::error::PrimitiveError;
use crate::id::NetworkId;

/// 32 bytes that stand for something hashed. Ordered by bytes; written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Hash(pub [u8; 32]);

impl Ord for Hash {
    /// By the first eight bytes as one number, which decides between two hashes but for one case in 2^64: maps by hash and by id are searched all
    /// the time.
    fn cmp(&self, other: &Self) -> Ordering {
        let first = |Self([a, b, c, d, e, f, g, h, ..]): &Self| u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
        first(self).cmp(&first(other)).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Hash {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash {
    /// Thirty-two zero bytes: "none" where a hash is asked for and there is nothing to hash.
    pub const ZERO: Self = Self([0; 32]);

    /// The hash with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its bytes, by value.
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<&[u8]> for Hash {
    type Error = PrimitiveError;

    fn try_from(bytes: &[u8]) -> Result<Self, PrimitiveError> {
        array("hash", bytes).map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = PrimitiveError;

    fn from_str(text: &str) -> Result<Self, PrimitiveError> {
        read_hex(text).map(Self)
    }
}

/// One kind of thing that is hashed, with the key of its context `octroi/<what>/v1` computed once.
#[derive(Clone)]
pub struct Domain(ContextKey);

impl Domain {
    /// The domain of `what`, for example `transaction`. Costs one compression.
    pub fn new(what: &str) -> Self {
        Self(hash_derive_key_context(&format!("octroi/{what}/v1")))
    }

    /// A hasher of this domain; costs nothing.
    pub fn hasher(&self) -> Hasher {
        Hasher(blake3::Hasher::new_from_context_key(&self.0))
    }

    /// H(what, parts…) without hashing the context again.
    pub fn hash(&self, parts: &[&[u8]]) -> Hash {
        let mut hasher = self.hasher();
        for part in parts {
            hasher.part(part);
        }
        hasher.finish()
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Domain(")?;
        write_hex(f, &self.0)?;
        f.write_str(")")
    }
}

/// H(what, parts…), part by part. `Clone` keeps a common beginning.
#[derive(Clone, Debug)]
pub struct Hasher(blake3::Hasher);

impl Hasher {
    /// A hasher of the domain `what`. Costs one compression; see [`Domain`].
    pub fn new(what: &str) -> Self {
        Domain::new(what).hasher()
    }

    /// Adds a part: its length as u32 big-endian, then its bytes.
    ///
    /// # Panics
    ///
    /// If the part has 2^32 bytes or more; no frame, file chunk or block comes near it.
    pub fn part(&mut self, part: &[u8]) -> &mut Self {
        let length = u32::try_from(part.len()).expect("a hashed part has fewer than 2^32 bytes");
        self.0.update(&length.to_be_bytes());
        self.0.update(part);
        self
    }

    /// The hash of the parts so far.
    pub fn finish(&self) -> Hash {
        Hash(*self.0.finalize().as_bytes())
    }
}

/// H(what, parts…): BLAKE3 `derive_key` with context `octroi/<what>/v1` over each part as u32 big-endian length and
/// bytes (architecture, Formats).
pub fn hash(what: &str, parts: &[&[u8]]) -> Hash {
    Domain::new(what).hash(parts)
}

/// BLAKE3 in keyed mode over `bytes`, without a length in front: for inputs of one fixed length per key.
pub fn keyed(key: &[u8; 32], bytes: &[u8]) -> Hash {
    Hash(*blake3::keyed_hash(key, bytes).as_bytes())
}

/// A tree node: keyed BLAKE3 over left ‖ right, 64 bytes and so exactly one compression.
pub fn keyed_node(key: &[u8; 32], left: &Hash, right: &Hash) -> Hash {
    let mut block = [0; 64];
    block[..32].copy_from_slice(&left.0);
    block[32..].copy_from_slice(&right.0);
    keyed(key, &block)
}

/// What a key signs: `octroi/<what>/v1` ‖ 0x00 ‖ network ‖ fields (architecture, Formats). The zero byte ends the
/// domain, the network has 32 bytes, and `fields` must be of one shape per `what`.
pub fn signed_message(what: &str, network: &NetworkId, fields: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(7 + what.len() + 3 + 1 + 32 + fields.len());
    message.extend_from_slice(b"octroi/");
    message.extend_from_slice(what.as_bytes());
    message.extend_from_slice(b"/v1\0");
    message.extend_from_slice(network.as_bytes());
    message.extend_from_slice(fields);
    message
}

/// `bytes` as an array of `N`, or an error that names `what`.
pub(crate) fn array<const N: usize>(what: &'static str, bytes: &[u8]) -> Result<[u8; N], PrimitiveError> {
    bytes.try_into().map_err(|_| PrimitiveError::Length { what, expected: N, actual: bytes.len() })
}

/// Writes lower-case hexadecimal.
pub(crate) fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    // Names of accounts hold ids, so this is asked for in every block: digits are written by the piece, not by the byte.
    for piece in bytes.chunks(32) {
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(piece) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        f.write_str(core::str::from_utf8(&text[..2 * piece.len()]).map_err(|_| fmt::Error)?)?;
    }
    Ok(())
}

/// Reads exactly `2 N` hexadecimal digits of either case.
pub(crate) fn read_hex<const N: usize>(text: &str) -> Result<[u8; N], PrimitiveError> {
    // A caller's text may be of any length: the error keeps no more of it than shows what it was.
    let error = || PrimitiveError::Hex { expected: 2 * N, value: shortened(text) };
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return Err(error());
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16).ok_or_else(error)?;
        let low = char::from(pair[1]).to_digit(16).ok_or_else(error)?;
        *byte = (high * 16 + low) as u8;
    }
    Ok(bytes)
}

/// The text, cut at 80 characters for use in an error.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(80) {
        None => text.to_string(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn hashes_are_ordered_by_bytes_wherever_they_first_differ() {
        let with = |at: usize, byte: u8| {
            let mut bytes = [7; 32];
            bytes[at] = byte;
            Hash(bytes)
        };
        let middle = Hash([7; 32]);
        for at in 0..32 {
            for (byte, order) in [(6, Ordering::Less), (7, Ordering::Equal), (0xff, Ordering::Greater)] {
                assert_eq!(with(at, byte).cmp(&middle), order, "byte {at}");
                assert_eq!(with(at, byte).cmp(&middle), with(at, byte).0.cmp(&middle.0), "byte {at}");
            }
        }
    }

    #[test]
    fn hash_is_derive_key_over_length_prefixed_parts() {
        let expected = blake3::derive_key("octroi/transaction/v1", b"\0\0\0\x03abc\0\0\0\0\0\0\0\x01d");
        assert_eq!(hash("transaction", &[b"abc", b"", b"d"]), Hash(expected));
        let mut hasher = Hasher::new("transaction");
        hasher.part(b"abc").part(b"").part(b"d");
        assert_eq!(hasher.finish(), Hash(expected));
        assert_eq!(Domain::new("transaction").hash(&[b"abc", b"", b"d"]), Hash(expected));
    }

    #[test]
    fn moving_a_byte_between_parts_or_domains_changes_the_hash() {
        let base = hash("event", &[b"ab", b"c"]);
        for other in [
            hash("event", &[b"a", b"bc"]),
            hash("event", &[b"abc"]),
            hash("event", &[b"ab", b"c", b""]),
            hash("block", &[b"ab", b"c"]),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn a_tree_node_is_keyed_hash_of_both_sides() {
        let (left, right) = (Hash([1; 32]), Hash([2; 32]));
        let mut block = [1; 64];
        block[32..].fill(2);
        assert_eq!(keyed_node(&[7; 32], &left, &right), keyed(&[7; 32], &block));
        assert_eq!(keyed(&[7; 32], &block).0, *blake3::keyed_hash(&[7; 32], &block).as_bytes());
        assert_ne!(keyed_node(&[7; 32], &left, &right), keyed_node(&[7; 32], &right, &left));
        assert_ne!(keyed_node(&[7; 32], &left, &right), keyed_node(&[8; 32], &left, &right));
    }

    #[test]
    fn a_signed_message_is_domain_zero_network_fields() {
        let message = signed_message("vote", &NetworkId::from_bytes([9; 32]), b"fields");
        assert_eq!(message, [b"octroi/vote/v1\0".as_slice(), &[9; 32], b"fields"].concat());
    }

    /// Frozen: these bytes are in every id and root of every network.
    #[test]
    fn hashes_never_change() {
        let frozen = "3d777c3b4762d66e41053cc68655082c82be5a786675e31cedd2dc0226ff7e42";
        assert_eq!(hash("transaction", &[b"abc", b"", b"d"]).to_string(), frozen);
    }

    #[test]
    fn a_hash_reads_what_it_writes_and_refuses_the_rest() {
        let value = hash("x", &[]);
        assert_eq!(value.to_string().parse(), Ok(value));
        assert_eq!(value.to_string().to_uppercase().parse(), Ok(value));
        let text = value.to_string();
        for wrong in ["", &text[1..], &std::format!("{text}0"), &text.replacen(|_: char| true, "g", 1), &"é".repeat(32)]
        {
            assert!(wrong.parse::<Hash>().is_err(), "{wrong}");
        }
        assert_eq!(Hash::try_from([3; 32].as_slice()), Ok(Hash([3; 32])));
        assert_eq!(
            Hash::try_from([3; 31].as_slice()),
            Err(PrimitiveError::Length { what: "hash", expected: 32, actual: 31 })
        );
    }
}
