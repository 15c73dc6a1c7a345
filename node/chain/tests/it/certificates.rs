//! Nothing is certified, proven or accused without every signature it needs.

use crate::fixture::{NETWORK, certificate, header, member, secret, secrets, set_of, vote};
use octroi_chain::{
    Certified, ChainError, CommitCertificate, Evidence, PolkaCertificate, Proposal, RoundCertificate, RoundReason,
    RoundSignature, SignedVote, ValidatorSet, VoteKind,
};
use octroi_primitives::{BlockId, Height, NetworkId, Round, SecretKey, Signature};

const ID: BlockId = BlockId::from_bytes([9; 32]);

#[test]
fn a_certificate_needs_more_than_two_thirds() {
    for n in [1u8, 2, 3, 4, 5, 6, 7, 10] {
        let set = set_of(n);
        for signers in 0..=usize::from(n) {
            let result = certificate(5, 0, ID, n, signers).verify(&set, &NETWORK);
            let needed = usize::from(n) * 2 / 3 + 1;
            if signers >= needed {
                assert_eq!(result, Ok(()), "{signers} of {n}");
            } else {
                assert_eq!(result, Err(ChainError::Power { signed: signers, total: usize::from(n), needed }));
            }
        }
    }
}

#[test]
fn a_certificate_with_one_wrong_part_is_none() {
    let set = set_of(4);
    let keys = secrets(4);
    let good = certificate(5, 1, ID, 4, 4);
    let refused = |change: &dyn Fn(&mut CommitCertificate)| {
        let mut c = good.clone();
        change(&mut c);
        c.verify(&set, &NETWORK).expect_err("it is wrong")
    };
    let key = |i: usize| keys[i].public();
    assert_eq!(refused(&|c| c.signatures.insert(1, c.signatures[0])), ChainError::DuplicateSigner(key(0)));
    assert_eq!(refused(&|c| c.signatures.push(c.signatures[0])), ChainError::DuplicateSigner(key(0)));
    assert_eq!(refused(&|c| c.signatures.swap(1, 2)), ChainError::SignerOrder(key(1)));
    let stranger = secret(99);
    let foreign = |c: &mut CommitCertificate| {
        let v = vote(&stranger, VoteKind::Precommit, 5, 1, Some(ID));
        c.signatures[3].validator = v.vote.validator;
        c.signatures[3].signature = v.signature;
    };
    assert_eq!(refused(&foreign), ChainError::UnknownSigner(stranger.public()));
    // Beyond the quorum too, every signature present must verify.
    for i in 0..4 {
        let error = refused(&|c| c.signatures[i].signature.0[7] ^= 1);
        assert_eq!(error, ChainError::Signature(key(i)));
    }
    assert_eq!(refused(&|c| c.signatures[1].signature = c.signatures[0].signature), ChainError::Signature(key(1)));
    assert_eq!(refused(&|c| c.height.0 += 1), ChainError::Signature(key(0)));
    assert_eq!(refused(&|c| c.round.0 += 1), ChainError::Signature(key(0)));
    assert_eq!(refused(&|c| c.block_id = BlockId::from_bytes([8; 32])), ChainError::Signature(key(0)));
    let elsewhere = good.verify(&set, &NetworkId::from_bytes([8; 32]));
    assert_eq!(elsewhere, Err(ChainError::Signature(key(0))));
    assert_ne!(good.hash(), certificate(5, 1, ID, 4, 3).hash());
}

#[test]
fn prevotes_make_no_commit_and_precommits_no_polka() {
    let set = set_of(4);
    let votes = |kind| secrets(4).iter().map(|k| vote(k, kind, 5, 0, Some(ID))).collect::<Vec<_>>();
    let commit = CommitCertificate::of_precommits(Height(5), Round(0), ID, votes(VoteKind::Prevote));
    assert!(matches!(commit.verify(&set, &NETWORK), Err(ChainError::Power { signed: 0, .. })));
    let polka = PolkaCertificate::of_prevotes(Height(5), Round(0), ID, votes(VoteKind::Prevote));
    assert_eq!(polka.verify(&set, &NETWORK), Ok(()));
    // The same signatures under the other name.
    let (height, round, block_id) = (polka.height, polka.round, polka.block_id);
    let renamed = CommitCertificate { height, round, block_id, signatures: polka.signatures };
    assert!(matches!(renamed.verify(&set, &NETWORK), Err(ChainError::Signature(_))));
}

#[test]
fn a_round_certificate_needs_what_its_reason_needs() {
    let set = set_of(4);
    let of = |reason, votes: Vec<SignedVote>| {
        let signature = |v: SignedVote| RoundSignature {
            kind: v.vote.kind,
            block: v.vote.block,
            validator: v.vote.validator,
            signature: v.signature,
        };
        let signatures = votes.into_iter().map(signature).collect();
        RoundCertificate { height: Height(5), round: Round(2), reason, signatures }.verify(&set, &NETWORK)
    };
    let keys = secrets(4);
    let precommit = |k: &SecretKey| vote(k, VoteKind::Precommit, 5, 2, None);
    let prevote = |k: &SecretKey| vote(k, VoteKind::Prevote, 5, 2, Some(ID));
    let mixed = |n: usize| keys[..n].iter().enumerate().map(|(i, k)| if i == 0 { prevote(k) } else { precommit(k) });
    assert_eq!(of(RoundReason::Skip, mixed(2).collect()), Ok(()));
    let one = of(RoundReason::Skip, mixed(1).collect());
    assert_eq!(one, Err(ChainError::Power { signed: 1, total: 4, needed: 2 }));
    assert_eq!(of(RoundReason::Precommit, keys[..3].iter().map(precommit).collect()), Ok(()));
    let two = of(RoundReason::Precommit, keys[..2].iter().map(precommit).collect());
    assert_eq!(two, Err(ChainError::Power { signed: 2, total: 4, needed: 3 }));
    let kind = of(RoundReason::Precommit, mixed(3).collect());
    assert_eq!(kind, Err(ChainError::WrongKind(keys[0].public())));
}

#[test]
fn only_the_block_the_certificate_names_is_certified() {
    let set = set_of(4);
    let block = header(5, ID, &set, None);
    let good = certificate(5, 0, block.id(), 4, 3);
    let certify = |h: &octroi_chain::Header, c: &CommitCertificate, s: &ValidatorSet, n: &NetworkId| {
        Certified::new(h.clone(), c.clone(), s, n).map(|c| c.value().id())
    };
    assert_eq!(certify(&block, &good, &set, &NETWORK), Ok(block.id()));
    assert_eq!(certify(&block, &good, &set, &NetworkId::from_bytes([8; 32])), Err(ChainError::Network));
    let height = certificate(6, 0, block.id(), 4, 3);
    let expected = ChainError::Height { expected: Height(5), found: Height(6) };
    assert_eq!(certify(&block, &height, &set, &NETWORK), Err(expected));
    let other = certificate(5, 0, ID, 4, 3);
    assert_eq!(certify(&block, &other, &set, &NETWORK), Err(ChainError::Block { expected: block.id(), found: ID }));
    let bigger = set_of(5);
    let expected = ChainError::WrongSet { expected: set.hash(), found: bigger.hash() };
    assert_eq!(certify(&block, &good, &bigger, &NETWORK), Err(expected));
    let mut late = block.clone();
    late.round = Round(1);
    let early = certificate(5, 0, late.id(), 4, 3);
    let expected = ChainError::RoundTooEarly { header: Round(1), certificate: Round(0) };
    assert_eq!(certify(&late, &early, &set, &NETWORK), Err(expected));
    let few = certificate(5, 0, block.id(), 4, 2);
    assert_eq!(certify(&block, &few, &set, &NETWORK), Err(ChainError::Power { signed: 2, total: 4, needed: 3 }));
}

#[test]
fn evidence_convicts_whoever_signed_both_and_nobody_else() {
    let set = set_of(4);
    let guilty = secret(0);
    let yes = vote(&guilty, VoteKind::Prevote, 5, 0, Some(ID));
    let nil = vote(&guilty, VoteKind::Prevote, 5, 0, None);
    let verify = |a, b| Evidence::of_votes(a, b).verify(&set, &NETWORK);
    assert_eq!(verify(yes, nil), Ok(()));
    assert_eq!(Evidence::of_votes(yes, nil), Evidence::of_votes(nil, yes));
    assert_eq!(Evidence::of_votes(yes, nil).validator(), guilty.public());
    assert_eq!(Evidence::of_votes(yes, nil).height(), Height(5));
    for harmless in [
        vote(&guilty, VoteKind::Precommit, 5, 0, None),
        vote(&guilty, VoteKind::Prevote, 5, 1, None),
        vote(&guilty, VoteKind::Prevote, 6, 0, None),
        vote(&secret(1), VoteKind::Prevote, 5, 0, None),
        yes,
    ] {
        assert!(matches!(verify(yes, harmless), Err(ChainError::NoConflict(_))), "{harmless:?}");
    }
    // The same vote under another valid-looking signature is no second vote.
    let mut forged = nil;
    forged.signature = Signature([0; 64]);
    assert_eq!(verify(yes, forged), Err(ChainError::Signature(guilty.public())));
    let others = ValidatorSet::new((1..5).map(|i| member(secret(i).public())).collect()).expect("a set");
    let stranger = Evidence::of_votes(yes, nil).verify(&others, &NETWORK);
    assert_eq!(stranger, Err(ChainError::UnknownSigner(guilty.public())));

    let proposal = |block, lock, round| {
        Proposal { height: Height(5), round: Round(round), block, lock, proposer: guilty.public() }
            .sign(&NETWORK, &guilty)
    };
    let verify = |a, b| Evidence::of_proposals(a, b).verify(&set, &NETWORK);
    let first = proposal(ID, None, 3);
    assert_eq!(verify(first, proposal(BlockId::from_bytes([8; 32]), None, 3)), Ok(()));
    assert_eq!(verify(first, proposal(ID, Some(Round(1)), 3)), Ok(()));
    assert!(matches!(verify(first, first), Err(ChainError::NoConflict(_))));
    assert!(matches!(verify(first, proposal(BlockId::from_bytes([8; 32]), None, 4)), Err(ChainError::NoConflict(_))));
}

#[test]
fn a_proposal_is_its_proposer_s_alone() {
    let set = set_of(4);
    let due = set.due(Height(5)).consensus_key;
    for key in secrets(4) {
        let proposal = Proposal { height: Height(5), round: Round(0), block: ID, lock: None, proposer: key.public() };
        let result = proposal.sign(&NETWORK, &key).verify(&set, &NETWORK);
        if key.public() == due {
            assert_eq!(result, Ok(()));
        } else {
            assert_eq!(result, Err(ChainError::WrongProposer { expected: due, found: key.public() }));
        }
        let borrowed = Proposal { proposer: due, ..proposal }.sign(&NETWORK, &key).verify(&set, &NETWORK);
        assert_eq!(borrowed.is_ok(), key.public() == due);
    }
}

#[test]
fn two_certificates_of_one_height_name_more_than_a_third() {
    let keys = secrets(4);
    let of = |signers: &[usize], height, block| {
        let votes = signers.iter().map(|i| vote(&keys[*i], VoteKind::Precommit, height, 0, Some(block)));
        CommitCertificate::of_precommits(Height(height), Round(0), block, votes)
    };
    let other = BlockId::from_bytes([8; 32]);
    let (a, b) = (of(&[0, 1, 2], 5, ID), of(&[1, 2, 3], 5, other));
    assert_eq!(a.common_signers(&b), [keys[1].public(), keys[2].public()]);
    assert!(a.common_signers(&of(&[1, 2, 3], 6, other)).is_empty());
    assert!(a.common_signers(&of(&[1, 2, 3], 5, ID)).is_empty());
}
