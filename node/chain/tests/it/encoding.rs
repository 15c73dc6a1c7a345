//! Every wire type has one encoding; every change of a byte is refused or is another value.

use crate::fixture::{NETWORK, certificate, header, secret, secrets, set_of, vote};
use octroi_chain::{
    Block, Canonical, ChainError, Evidence, Header, PolkaCertificate, Proposal, RoundCertificate, RoundReason,
    RoundSignature, SignedProposal, SignedVote, ValidatorSet, Vote, VoteKind,
};
use octroi_primitives::{BlockId, Hash, Height, Round};
use prost::Message as _;
use std::fmt::Debug;

const ID: BlockId = BlockId::from_bytes([9; 32]);

/// Decodes to the same, refuses any added or removed byte, and reads every flipped byte as another value or not at all.
fn has_one_encoding<T: Canonical + PartialEq + Debug>(value: &T) {
    let bytes = value.encode();
    assert_eq!(T::decode(&bytes).as_ref(), Ok(value));
    for cut in 0..bytes.len() {
        assert_ne!(T::decode(&bytes[..cut]).as_ref(), Ok(value), "cut at {cut}");
    }
    for at in 0..=bytes.len() {
        for extra in [0, 8, 0x7a] {
            let mut longer = bytes.clone();
            longer.insert(at, extra);
            if let Ok(other) = T::decode(&longer) {
                assert_eq!(other.encode(), longer, "a byte at {at} is read over");
            }
        }
    }
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x41;
        if let Ok(other) = T::decode(&flipped) {
            assert_ne!(other, *value, "byte {at} does not count");
            assert_eq!(other.encode(), flipped);
        }
    }
    // An unknown field at the end.
    let mut unknown = bytes;
    unknown.extend([0xf8, 0x07, 0x01]);
    assert_eq!(T::decode(&unknown), Err(ChainError::NotCanonical { what: T::WHAT }));
}

fn round_certificate() -> RoundCertificate {
    let signature = |k: &octroi_primitives::SecretKey| {
        let SignedVote { vote, signature } = vote(k, VoteKind::Precommit, 5, 2, None);
        RoundSignature { kind: vote.kind, block: vote.block, validator: vote.validator, signature }
    };
    RoundCertificate {
        height: Height(5),
        round: Round(2),
        reason: RoundReason::Precommit,
        signatures: secrets(4)[..3].iter().map(signature).collect(),
    }
}

fn proposal(lock: Option<Round>) -> SignedProposal {
    let key = secret(0);
    Proposal { height: Height(5), round: Round(2), block: ID, lock, proposer: key.public() }.sign(&NETWORK, &key)
}

#[test]
fn every_wire_type_has_one_encoding() {
    let set = set_of(4);
    let commit = certificate(1, 0, ID, 4, 3);
    has_one_encoding(&header(5, ID, &set, None));
    has_one_encoding(&set);
    has_one_encoding(&commit);
    has_one_encoding(&vote(&secret(0), VoteKind::Prevote, 5, 0, None));
    has_one_encoding(&vote(&secret(0), VoteKind::Precommit, 5, 3, Some(ID)));
    has_one_encoding(&proposal(None));
    has_one_encoding(&proposal(Some(Round(0))));
    has_one_encoding(&proposal(Some(Round(1))));
    let prevotes = secrets(4);
    let prevotes = prevotes[..3].iter().map(|k| vote(k, VoteKind::Prevote, 5, 2, Some(ID)));
    has_one_encoding(&PolkaCertificate::of_prevotes(Height(5), Round(2), ID, prevotes));
    has_one_encoding(&round_certificate());
    let (a, b) = (vote(&secret(0), VoteKind::Prevote, 5, 0, None), vote(&secret(0), VoteKind::Prevote, 5, 0, Some(ID)));
    has_one_encoding(&Evidence::of_votes(a, b));
    has_one_encoding(&Evidence::of_proposals(proposal(None), proposal(Some(Round(1)))));
    let first = Block::new(header(1, ID, &set, None), vec![vec![1, 2, 3], vec![4]], None).expect("well formed");
    has_one_encoding(&first);
    let second = Block::new(header(2, ID, &set, Some(&commit)), vec![], Some(commit)).expect("well formed");
    has_one_encoding(&second);
}

#[test]
fn a_header_s_id_covers_every_field() {
    let original = header(5, ID, &set_of(4), None);
    let changed = |change: fn(&mut Header)| {
        let mut h = original.clone();
        change(&mut h);
        h.id()
    };
    let ids = [
        original.id(),
        changed(|h| h.version += 1),
        changed(|h| h.network = octroi_primitives::NetworkId::from_bytes([8; 32])),
        changed(|h| h.height.0 += 1),
        changed(|h| h.round.0 += 1),
        changed(|h| h.time.0 += 1),
        changed(|h| h.parent = BlockId::from_bytes([8; 32])),
        changed(|h| h.proposer = secret(77).public()),
        changed(|h| h.transactions_root = Hash([8; 32])),
        changed(|h| h.receipts_root = Hash([8; 32])),
        changed(|h| h.state_root = Hash([8; 32])),
        changed(|h| h.validators_hash = Hash([8; 32])),
        changed(|h| h.next_validators_hash = Hash([8; 32])),
        changed(|h| h.last_commit_hash = Hash([8; 32])),
        changed(|h| h.log_root = Hash([8; 32])),
    ];
    for (i, a) in ids.iter().enumerate() {
        assert!(ids[i + 1..].iter().all(|b| a != b), "field {i} does not count");
    }
}

#[test]
fn what_is_signed_is_written_down_byte_for_byte() {
    let key = secret(0).public();
    let vote =
        Vote { kind: VoteKind::Precommit, height: Height(258), round: Round(3), block: Some(ID), validator: key };
    let mut expected = b"octroi/vote/v1\0".to_vec();
    expected.extend([7; 32]);
    expected.extend([2, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3, 1]);
    expected.extend([9; 32]);
    assert_eq!(vote.signing_bytes(&NETWORK), expected);
    let nil = Vote { block: None, kind: VoteKind::Prevote, ..vote };
    let mut expected = b"octroi/vote/v1\0".to_vec();
    expected.extend([7; 32]);
    expected.extend([1, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3, 0]);
    assert_eq!(nil.signing_bytes(&NETWORK), expected);

    let proposal = Proposal { height: Height(258), round: Round(3), block: ID, lock: Some(Round(2)), proposer: key };
    let mut expected = b"octroi/proposal/v1\0".to_vec();
    expected.extend([7; 32]);
    expected.extend([0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3, 1, 0, 0, 0, 2]);
    expected.extend([9; 32]);
    assert_eq!(proposal.signing_bytes(&NETWORK), expected);
    let mut expected = b"octroi/proposal/v1\0".to_vec();
    expected.extend([7; 32]);
    expected.extend([0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3, 0]);
    expected.extend([9; 32]);
    assert_eq!(Proposal { lock: None, ..proposal }.signing_bytes(&NETWORK), expected);
}

#[test]
fn a_proof_of_lock_is_of_an_earlier_round() {
    let mut wire = proposal(Some(Round(1))).to_wire();
    assert_eq!(wire.lock, 2);
    wire.lock = 3;
    let refused = SignedProposal::decode(&wire.encode_to_vec());
    assert!(matches!(refused, Err(ChainError::Field { field: "proposal.lock", .. })), "{refused:?}");
}

#[test]
fn a_set_is_listed_in_order_once_and_not_too_long() {
    let set = set_of(4);
    let mut wire = set.to_wire();
    wire.members.swap(1, 2);
    let key = set.members()[1].consensus_key;
    assert_eq!(ValidatorSet::decode(&wire.encode_to_vec()), Err(ChainError::SetOrder(key)));
    let mut wire = set.to_wire();
    wire.members[2] = wire.members[1].clone();
    assert_eq!(ValidatorSet::decode(&wire.encode_to_vec()), Err(ChainError::SetDuplicate(key)));
    assert_eq!(ValidatorSet::decode(&[]), Err(ChainError::SetSize(0)));
    let mut wire = set.to_wire();
    wire.members = vec![wire.members[0].clone(); 129];
    assert_eq!(ValidatorSet::decode(&wire.encode_to_vec()), Err(ChainError::SetSize(129)));
}

#[test]
fn a_block_carries_its_parent_s_certificate_and_no_other() {
    let set = set_of(4);
    let commit = certificate(1, 0, ID, 4, 3);
    let good = header(2, ID, &set, Some(&commit));
    let build = |header: &Header, commit| Block::new(header.clone(), vec![], commit).map(|_| ());
    assert_eq!(build(&good, Some(commit.clone())), Ok(()));
    assert_eq!(build(&good, None), Err(ChainError::Missing { field: "block.last_commit" }));
    let first = header(1, ID, &set, Some(&commit));
    assert!(matches!(build(&first, Some(commit.clone())), Err(ChainError::Field { .. })));
    let other_signers = certificate(1, 0, ID, 4, 4);
    assert!(matches!(build(&good, Some(other_signers)), Err(ChainError::WrongLastCommit { .. })));
    let other_height = certificate(2, 0, ID, 4, 3);
    let expected = ChainError::Height { expected: Height(1), found: Height(2) };
    assert_eq!(build(&good, Some(other_height)), Err(expected));
    let id = BlockId::from_bytes([8; 32]);
    let other_block = certificate(1, 0, id, 4, 3);
    assert_eq!(build(&good, Some(other_block)), Err(ChainError::Block { expected: ID, found: id }));
}

#[test]
fn a_header_continues_its_parent_or_says_what_does_not_fit() {
    let set = set_of(4);
    let parent = header(4, ID, &set, None);
    let child = header(5, parent.id(), &set, None);
    assert_eq!(child.continues(&parent), Ok(()));
    let refused = |change: fn(&mut Header)| {
        let mut h = child.clone();
        change(&mut h);
        match h.continues(&parent) {
            Err(ChainError::NotAChild { what, .. }) => what,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(|h| h.network = octroi_primitives::NetworkId::from_bytes([8; 32])), "network");
    assert_eq!(refused(|h| h.height.0 += 1), "height");
    assert_eq!(refused(|h| h.parent = ID), "parent");
    assert_eq!(refused(|h| h.time.0 = 4_000), "time");
    assert_eq!(refused(|h| h.validators_hash = Hash([8; 32])), "validator set");
}
