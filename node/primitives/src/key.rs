//! Keys and the one signature rule: Ed25519, verified by ZIP-215 everywhere, for transactions, votes and proofs
//! (consensus page, Signatures).
//!
//! **Why one rule.** The usual single and batched verifications of Ed25519 disagree on edge cases, and a batch may take
//! a signature or not depending on its neighbours: that splits validators. ZIP-215 gives the same answer singly and in
//! any batch.
//!
//! **Promises.** Deterministic: the coefficients of a batch come from a generator seeded by the hash of everything in
//! it, so nobody can choose signatures after the coefficients and nothing random comes from outside. (The coefficients'
//! order among the keys of a batch may differ between runs; an answer could differ with a chance of 2^-125.)
//!
//! **Must not know** what is signed, nor where secret keys are kept.

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_dalek::{Signer, SigningKey};
use ed25519_zebra::batch::{Item, Verifier};
use ed25519_zebra::{VerificationKey, VerificationKeyBytes};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::error::{KeyFault, PrimitiveError};
use crate::hash::{Domain, Hash, Hasher, array, hash, read_hex, write_hex};

/// A secret signing key. Its memory is wiped when it is dropped, and no trait shows it.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// The key of a 32-byte seed, which the caller takes from a good generator and wipes.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// Its seed, for whoever writes it to an encrypted file; the caller wipes it.
    pub fn to_seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Signs the message itself; its domain stands in it ([`crate::signed_message`]). The same message gives the same
    /// signature.
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey of {}", self.public())
    }
}

/// The 32 bytes of a public key. Ordered by bytes; written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key of these bytes, if it may enter genesis or state: a point of the curve in its canonical encoding,
    /// neither of small order nor with a torsion part (consensus page, Signatures). Costs about 36 µs.
    ///
    /// # Errors
    ///
    /// [`PrimitiveError::Key`] with the first [`KeyFault`] of that order.
    pub fn checked(bytes: [u8; 32]) -> Result<Self, PrimitiveError> {
        match fault(bytes) {
            None => Ok(Self(bytes)),
            Some(fault) => Err(PrimitiveError::Key { key: Hash(bytes).to_string(), fault }),
        }
    }

    /// The key of bytes that [`PublicKey::checked`] has let in before, or that are only compared with such: read from
    /// state, or beside a signature. Verification with bytes that are no point fails; it does not panic.
    pub const fn from_bytes_unchecked(bytes: [u8; 32]) -> Self {
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

impl AsRef<[u8]> for PublicKey {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl TryFrom<&[u8]> for PublicKey {
    type Error = PrimitiveError;

    /// As [`PublicKey::checked`], refusing also another length than 32.
    fn try_from(bytes: &[u8]) -> Result<Self, PrimitiveError> {
        Self::checked(array("public key", bytes)?)
    }
}

impl FromStr for PublicKey {
    type Err = PrimitiveError;

    /// As [`PublicKey::checked`], from hexadecimal.
    fn from_str(text: &str) -> Result<Self, PrimitiveError> {
        Self::checked(read_hex(text)?)
    }
}

/// The first reason against a key.
fn fault(bytes: [u8; 32]) -> Option<KeyFault> {
    let Some(point) = CompressedEdwardsY(bytes).decompress() else {
        return Some(KeyFault::NotAPoint);
    };
    if point.compress().0 != bytes {
        Some(KeyFault::NonCanonical)
    } else if point.is_small_order() {
        Some(KeyFault::SmallOrder)
    } else if !point.is_torsion_free() {
        Some(KeyFault::Torsion)
    } else {
        None
    }
}

/// The 64 bytes of a signature, any bytes: verification judges them. Ordered by bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature(pub [u8; 64]);

impl Signature {
    /// The signature of these bytes.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// Its bytes, by value.
    pub const fn to_bytes(self) -> [u8; 64] {
        self.0
    }

    fn foreign(&self) -> ed25519_zebra::Signature {
        ed25519_zebra::Signature::from_bytes(&self.0)
    }
}

impl AsRef<[u8]> for Signature {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<&[u8]> for Signature {
    type Error = PrimitiveError;

    fn try_from(bytes: &[u8]) -> Result<Self, PrimitiveError> {
        array("signature", bytes).map(Self)
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

impl FromStr for Signature {
    type Err = PrimitiveError;

    fn from_str(text: &str) -> Result<Self, PrimitiveError> {
        read_hex(text).map(Self)
    }
}

/// Whether `signature` is the key's over `message`, by ZIP-215. About 41 µs.
pub fn verify(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    PreparedKey::new(key).is_some_and(|key| key.verify(message, signature))
}

/// A key decoded once for many single verifications, as of a validator's votes: saves a seventh of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreparedKey(VerificationKey);

impl PreparedKey {
    /// The decoded key; `None` if its bytes are no point of the curve, which no admitted key's are.
    pub fn new(key: &PublicKey) -> Option<Self> {
        VerificationKey::try_from(key.0).ok().map(Self)
    }

    /// The key's bytes.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.into())
    }

    /// As [`verify`], the same answer.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        self.0.verify(&signature.foreign(), message).is_ok()
    }
}

/// Signatures verified together, at a quarter of the cost of each alone when signers are few: equal keys are merged.
#[derive(Clone, Debug)]
pub struct BatchVerifier {
    items: Vec<Item>,
    content: Hasher,
}

impl Default for BatchVerifier {
    fn default() -> Self {
        Self::new()
    }
}

impl BatchVerifier {
    /// A batch of nothing.
    pub fn new() -> Self {
        Self { items: Vec::new(), content: Hasher::new("batch") }
    }

    /// Adds a signature to be verified. The message is hashed here and not kept.
    pub fn push(&mut self, key: &PublicKey, message: &[u8], signature: &Signature) {
        self.content.part(&key.0).part(&signature.0).part(message);
        self.items.push(Item::from((VerificationKeyBytes::from(key.0), signature.foreign(), message)));
    }

    /// How many signatures it holds.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether every signature verifies, each as by [`verify`]. An empty batch does.
    pub fn verify(self) -> bool {
        verify_items(&self.items, &Seeds::new(&self.content), 0)
    }

    /// For each signature, in order, whether it verifies, each as by [`verify`]. A batch that fails is halved until the
    /// culprits are alone: k bad ones of n cost about k · log2(n / k) smaller batches more.
    pub fn verify_each(self) -> Vec<bool> {
        let mut verdicts = vec![false; self.items.len()];
        judge(&self.items, &Seeds::new(&self.content), 0, &mut verdicts);
        verdicts
    }
}

/// For each (key, message, signature), in order, whether it verifies: [`BatchVerifier::verify_each`] of them.
pub fn verify_each(signatures: &[(PublicKey, &[u8], Signature)]) -> Vec<bool> {
    let mut batch = BatchVerifier::new();
    for (key, message, signature) in signatures {
        batch.push(key, message, signature);
    }
    batch.verify_each()
}

/// Where coefficients come from: one seed for each part of the batch, from the hash of the whole.
struct Seeds {
    domain: Domain,
    content: Hash,
}

impl Seeds {
    fn new(content: &Hasher) -> Self {
        Self { domain: Domain::new("batch-coefficients"), content: content.finish() }
    }

    fn of(&self, start: usize, length: usize) -> ChaCha20Rng {
        let (start, length) = ((start as u64).to_be_bytes(), (length as u64).to_be_bytes());
        ChaCha20Rng::from_seed(self.domain.hash(&[self.content.as_bytes(), &start, &length]).0)
    }
}

/// Whether all items verify; they begin at `start` of the whole batch.
fn verify_items(items: &[Item], seeds: &Seeds, start: usize) -> bool {
    match items {
        [] => true,
        [item] => item.clone().verify_single().is_ok(),
        items => {
            let mut batch = Verifier::new();
            for item in items {
                batch.queue(item.clone());
            }
            batch.verify(seeds.of(start, items.len())).is_ok()
        }
    }
}

/// Fills in the verdict of each item.
fn judge(items: &[Item], seeds: &Seeds, start: usize, verdicts: &mut [bool]) {
    if verify_items(items, seeds, start) {
        verdicts.fill(true);
    } else {
        search(items, seeds, start, verdicts);
    }
}

/// The same for items of which at least one is known to fail; the verdicts are `false` so far.
fn search(items: &[Item], seeds: &Seeds, start: usize, verdicts: &mut [bool]) {
    if items.len() < 2 {
        return;
    }
    let middle = items.len() / 2;
    let (first, second) = verdicts.split_at_mut(middle);
    judge(&items[..middle], seeds, start, first);
    if first.iter().all(|&good| good) {
        // Then the one that fails is in the second half, which need not be verified as a whole.
        search(&items[middle..], seeds, start + middle, second);
    } else {
        judge(&items[middle..], seeds, start + middle, second);
    }
}

/// What a key proves its possession for. A key serves one purpose, so the proof for one is none for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PossessionPurpose {
    /// Signing blocks' proposals and votes.
    Consensus,
    /// Signing transactions for an office of an organisation.
    Office,
}

impl PossessionPurpose {
    /// Its name in the proof.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Consensus => "consensus",
            Self::Office => "office",
        }
    }
}

/// What a key signs to prove that somebody holds its secret: the 32 bytes of H("possession", purpose, network name, key)
/// (consensus page, Signatures). The name and not the id of the network, as a genesis holds such proofs itself.
pub fn possession_message(purpose: PossessionPurpose, network_name: &str, key: &PublicKey) -> Vec<u8> {
    hash("possession", &[purpose.as_str().as_bytes(), network_name.as_bytes(), &key.0]).0.to_vec()
}

/// The proof that `key` is held, for its public half.
pub fn prove_possession(key: &SecretKey, purpose: PossessionPurpose, network_name: &str) -> Signature {
    key.sign(&possession_message(purpose, network_name, &key.public()))
}

/// Whether `proof` is the key's own over [`possession_message`].
pub fn verify_possession(key: &PublicKey, purpose: PossessionPurpose, network_name: &str, proof: &Signature) -> bool {
    verify(key, &possession_message(purpose, network_name, key), proof)
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    /// RFC 8032, section 7.1, tests 1 and 2.
    #[test]
    fn keys_and_signatures_are_those_of_the_standard() {
        for (seed, public, message, signature) in [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                b"".as_slice(),
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155\
                 5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                b"\x72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                 085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
        ] {
            let secret = SecretKey::from_seed(read_hex(seed).unwrap());
            let public: PublicKey = public.parse().unwrap();
            let signature: Signature = signature.parse().unwrap();
            assert_eq!(secret.public(), public);
            assert_eq!(secret.sign(message), signature);
            assert!(verify(&public, message, &signature));
            assert!(!verify(&public, b"other", &signature));
        }
    }

    #[test]
    fn a_secret_key_shows_its_public_half_only() {
        let secret = SecretKey::from_seed([0x5a; 32]);
        let shown = format!("{secret:?}");
        assert!(shown.contains(&secret.public().to_string()) && !shown.contains("5a5a") && !shown.contains("90, 90"));
        assert_eq!(secret.to_seed(), [0x5a; 32]);
    }

    #[test]
    fn possession_is_proven_for_one_key_purpose_and_network() {
        let secret = SecretKey::from_seed([1; 32]);
        let key = secret.public();
        let proof = prove_possession(&secret, PossessionPurpose::Office, "demo");
        assert!(verify_possession(&key, PossessionPurpose::Office, "demo", &proof));
        assert!(!verify_possession(&key, PossessionPurpose::Consensus, "demo", &proof));
        assert!(!verify_possession(&key, PossessionPurpose::Office, "live", &proof));
        let other = SecretKey::from_seed([2; 32]).public();
        assert!(!verify_possession(&other, PossessionPurpose::Office, "demo", &proof));
        assert_eq!(
            possession_message(PossessionPurpose::Office, "demo", &key),
            hash("possession", &[b"office", b"demo", key.as_bytes()]).as_bytes()
        );
    }

    #[test]
    fn bytes_that_are_no_point_verify_nothing() {
        let mut bytes = [0; 32];
        bytes[0] = 2;
        let key = PublicKey::from_bytes_unchecked(bytes);
        assert_eq!(PreparedKey::new(&key), None);
        assert!(!verify(&key, b"", &Signature([0; 64])));
        assert_eq!(verify_each(&[(key, b"", Signature([0; 64])), (key, b"", Signature([0; 64]))]), [false, false]);
    }

    #[test]
    fn seeds_depend_on_everything_in_the_batch() {
        let secret = SecretKey::from_seed([1; 32]);
        let seed = |message: &[u8], signature: Signature, start| {
            let mut batch = BatchVerifier::new();
            batch.push(&secret.public(), message, &signature);
            let mut bytes = [0; 32];
            rand_core::Rng::fill_bytes(&mut Seeds::new(&batch.content).of(start, 1), &mut bytes);
            bytes
        };
        let signature = secret.sign(b"a");
        let mut other = signature;
        other.0[63] ^= 0x10;
        assert_eq!(seed(b"a", signature, 0), seed(b"a", signature, 0));
        assert_ne!(seed(b"a", signature, 0), seed(b"b", signature, 0));
        assert_ne!(seed(b"a", signature, 0), seed(b"a", other, 0));
        assert_ne!(seed(b"a", signature, 0), seed(b"a", signature, 1));
    }
}
