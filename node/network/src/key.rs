//! Names and keys of nodes: a peer is its 32-byte ed25519 network key everywhere outside this crate.
//!
//! Promises: [`PeerKey`] and libp2p's `PeerId` are two writings of the same bytes; nothing else of libp2p leaves the crate.
//! Must not know: consensus or office keys. A network key signs handshakes and gossip, nothing of the ledger.

use std::fmt;

use libp2p::PeerId;
use libp2p::identity::{Keypair, PublicKey, ed25519};
use libp2p::multihash::Multihash;

/// Multihash code of "identity": the digest is the key itself.
const IDENTITY: u64 = 0x00;

/// Protobuf head of an ed25519 public key in libp2p: field 1 = 1 (ed25519), field 2 = 32 bytes.
const KEY_HEAD: [u8; 4] = [0x08, 0x01, 0x12, 0x20];

/// The ed25519 public key by which a node is known on the network.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey(pub [u8; 32]);

impl PeerKey {
    pub(crate) fn to_peer_id(self) -> PeerId {
        let mut digest = [0u8; 36];
        digest[..4].copy_from_slice(&KEY_HEAD);
        digest[4..].copy_from_slice(&self.0);
        let hash = Multihash::wrap(IDENTITY, &digest).expect("36 bytes fit into a multihash of 64");
        PeerId::from_multihash(hash).expect("an identity digest of at most 42 bytes is a peer id")
    }

    /// `None` when the peer's identity is not a plain ed25519 key.
    pub(crate) fn from_peer_id(peer: &PeerId) -> Option<Self> {
        let hash = peer.as_ref();
        let digest = hash.digest();
        if hash.code() != IDENTITY || digest.len() != 36 || digest[..4] != KEY_HEAD {
            return None;
        }
        digest[4..].try_into().ok().map(Self)
    }
}

impl fmt::Display for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerKey({self})")
    }
}

/// The secret network key of this node.
#[derive(Clone)]
pub struct NetworkKey(Keypair);

impl NetworkKey {
    /// From the 32-byte ed25519 seed (RFC 8032). The copy given here is wiped; the caller wipes its own.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let mut seed = seed;
        let secret = ed25519::SecretKey::try_from_bytes(&mut seed[..]).expect("any 32 bytes are an ed25519 seed");
        Self(Keypair::from(ed25519::Keypair::from(secret)))
    }

    /// The public name of this node.
    pub fn peer_key(&self) -> PeerKey {
        let public: PublicKey = self.0.public();
        PeerKey::from_peer_id(&public.to_peer_id()).expect("an ed25519 key names an inline peer id")
    }

    pub(crate) fn keypair(&self) -> &Keypair {
        &self.0
    }
}

impl fmt::Debug for NetworkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NetworkKey(of {})", self.peer_key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_key_and_a_peer_id_are_two_writings_of_one_key() {
        for byte in 0..=255u8 {
            let key = NetworkKey::from_seed([byte; 32]);
            let peer = key.keypair().public().to_peer_id();
            assert_eq!(key.peer_key().to_peer_id(), peer);
            assert_eq!(PeerKey::from_peer_id(&peer), Some(key.peer_key()));
        }
    }

    #[test]
    fn the_public_key_is_that_of_rfc_8032_test_1() {
        let seed = [
            0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49,
            0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
        ];
        assert_eq!(
            NetworkKey::from_seed(seed).peer_key().to_string(),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
    }

    #[test]
    fn a_secret_key_is_never_printed() {
        let key = NetworkKey::from_seed([7; 32]);
        assert_eq!(format!("{key:?}"), format!("NetworkKey(of {})", key.peer_key()));
    }
}
