//! Keys, sets, headers and certificates that are right, for tests that make them wrong.

use octroi_chain::{Block, CommitCertificate, Header, SignedVote, Validator, ValidatorSet, Vote, VoteKind};
use octroi_primitives::{
    BlockId, BlockTime, CollegeCode, Hash, Height, NetworkId, OrganisationId, PublicKey, Round, SecretKey,
};

pub const NETWORK: NetworkId = NetworkId::from_bytes([7; 32]);

pub fn secret(i: u8) -> SecretKey {
    SecretKey::from_seed([i + 1; 32])
}

pub fn member(key: PublicKey) -> Validator {
    Validator {
        consensus_key: key,
        organisation: OrganisationId::from_bytes([1; 32]),
        network_key: key,
        college: CollegeCode::new("users").expect("a code"),
    }
}

pub fn set_of(n: u8) -> ValidatorSet {
    ValidatorSet::new((0..n).map(|i| member(secret(i).public())).collect()).expect("a set")
}

/// The secret keys of a set of `n` in set order.
pub fn secrets(n: u8) -> Vec<SecretKey> {
    let mut keys: Vec<_> = (0..n).map(secret).collect();
    keys.sort_by_key(SecretKey::public);
    keys
}

pub fn header(height: u64, parent: BlockId, set: &ValidatorSet, last_commit: Option<&CommitCertificate>) -> Header {
    Header {
        version: 1,
        network: NETWORK,
        height: Height(height),
        round: Round(0),
        time: BlockTime(1_000 * height),
        parent,
        proposer: set.due(Height(height)).consensus_key,
        transactions_root: Hash([1; 32]),
        receipts_root: Hash([2; 32]),
        state_root: Hash([3; 32]),
        validators_hash: set.hash(),
        next_validators_hash: set.hash(),
        last_commit_hash: Block::last_commit_hash(last_commit),
        log_root: Hash([4; 32]),
    }
}

pub fn vote(key: &SecretKey, kind: VoteKind, height: u64, round: u32, block: Option<BlockId>) -> SignedVote {
    Vote { kind, height: Height(height), round: Round(round), block, validator: key.public() }.sign(&NETWORK, key)
}

/// Signed by the first `signers` of a set of `n`.
pub fn certificate(height: u64, round: u32, block: BlockId, n: u8, signers: usize) -> CommitCertificate {
    let votes = secrets(n);
    let votes = votes[..signers].iter().map(|k| vote(k, VoteKind::Precommit, height, round, Some(block)));
    CommitCertificate::of_precommits(Height(height), Round(round), block, votes)
}
