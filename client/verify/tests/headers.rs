//! A light client believes what is certified and nothing else.

use octroi_chain::{Block, Certified, CommitCertificate, Header, Validator, ValidatorSet, Vote, VoteKind};
use octroi_merkle::{ConsistencyProof, InclusionProof, LogFrontier, Sha256Log, log::leaf_hashes};
use octroi_primitives::{BlockId, BlockTime, CollegeCode, Hash, Height, NetworkId, OrganisationId, Round, SecretKey};
use octroi_verify::{Fork, Tip, VerifyError, verify_ancestor, verify_header_chain, verify_log_extends};

const NETWORK: NetworkId = NetworkId::from_bytes([7; 32]);

type Step = (Header, CommitCertificate, ValidatorSet);

fn secret(i: u8) -> SecretKey {
    SecretKey::from_seed([i + 1; 32])
}

/// Validators `from..from + 4`.
fn set(from: u8) -> ValidatorSet {
    let member = |i: u8| Validator {
        consensus_key: secret(i).public(),
        organisation: OrganisationId::from_bytes([i; 32]),
        network_key: secret(i).public(),
        college: CollegeCode::new("users").expect("a code"),
    };
    ValidatorSet::new((from..from + 4).map(member).collect()).expect("a set")
}

fn certify(header: &Header, from: u8) -> CommitCertificate {
    let precommit = |i: u8| {
        let vote = Vote {
            kind: VoteKind::Precommit,
            height: header.height,
            round: header.round,
            block: Some(header.id()),
            validator: secret(i).public(),
        };
        vote.sign(&NETWORK, &secret(i))
    };
    CommitCertificate::of_precommits(header.height, header.round, header.id(), (from..from + 3).map(precommit))
}

/// Ten heights; validator `h / 4` of the genesis set is replaced every four heights.
fn chain() -> (Vec<Step>, Vec<BlockId>) {
    let mut steps: Vec<Step> = vec![];
    let mut ids = vec![BlockId::from_bytes(*NETWORK.as_bytes())];
    let mut log = LogFrontier::new();
    for height in 1..=10u64 {
        log.push(ids[ids.len() - 1].as_bytes());
        let from = (height / 4) as u8;
        let last = steps.last().map(|(_, c, _)| c.clone());
        let header = Header {
            version: 1,
            network: NETWORK,
            height: Height(height),
            round: Round(0),
            time: BlockTime(1_000 * height),
            parent: ids[ids.len() - 1],
            proposer: set(from).due(Height(height)).consensus_key,
            transactions_root: Hash::ZERO,
            receipts_root: Hash::ZERO,
            state_root: Hash([height as u8; 32]),
            validators_hash: set(from).hash(),
            next_validators_hash: set(((height + 1) / 4) as u8).hash(),
            last_commit_hash: Block::last_commit_hash(last.as_ref()),
            log_root: log.root(),
        };
        ids.push(header.id());
        steps.push((header.clone(), certify(&header, from), set(from)));
    }
    (steps, ids)
}

fn certified(step: &Step) -> Certified<Header> {
    Certified::new(step.0.clone(), step.1.clone(), &step.2, &NETWORK).expect("it is right")
}

#[test]
fn a_chain_is_followed_over_changes_of_validators() {
    let (steps, _) = chain();
    let tip = verify_header_chain(Tip::genesis(NETWORK, &set(0)), steps.clone()).expect("it is right");
    assert_eq!((tip.height(), tip.header()), (Height(10), Some(&steps[9].0)));
    let tip = verify_header_chain(Tip::trusted(steps[4].0.clone()), steps[5..].to_vec()).expect("it is right");
    assert_eq!(tip.next_set(), set(2).hash());
}

#[test]
fn a_chain_with_a_gap_or_a_swap_or_another_beginning_is_refused_at_its_height() {
    let (steps, _) = chain();
    let refused = |tip: Tip, steps: Vec<Step>| match verify_header_chain(tip, steps) {
        Err(VerifyError::Chain { height, error }) => (height.get(), error.to_string()),
        other => panic!("{other:?}"),
    };
    let genesis = || Tip::genesis(NETWORK, &set(0));
    let mut gap = steps.clone();
    gap.remove(5);
    assert_eq!(refused(genesis(), gap).0, 7);
    let mut swapped = steps.clone();
    swapped.swap(2, 3);
    assert_eq!(refused(genesis(), swapped).0, 4);
    let (height, why) = refused(Tip::genesis(NETWORK, &set(1)), steps.clone());
    assert_eq!((height, why.contains("validator set")), (1, true), "{why}");
    let (height, why) = refused(Tip::genesis(NetworkId::from_bytes([8; 32]), &set(0)), steps.clone());
    assert_eq!((height, why.contains("network")), (1, true), "{why}");
    assert_eq!(refused(genesis(), steps[1..].to_vec()).0, 2);
}

#[test]
fn validators_who_left_certify_nothing_any_more() {
    let (mut steps, _) = chain();
    // Height 8 belongs to set 2; three of set 0, which have left or are about to, sign it with their own set.
    let (header, certificate, own) = &mut steps[7];
    *certificate = certify(header, 0);
    let mut tip = verify_header_chain(Tip::genesis(NETWORK, &set(0)), chain().0[..7].to_vec()).expect("it is right");
    let before = tip.clone();
    assert!(tip.advance(header.clone(), certificate.clone(), own).is_err());
    assert!(tip.advance(header.clone(), certificate.clone(), &set(0)).is_err());
    assert_eq!(tip, before, "a refused step moves nothing");
    header.validators_hash = set(0).hash();
    *certificate = certify(header, 0);
    assert!(tip.advance(header.clone(), certificate.clone(), &set(0)).is_err());
}

#[test]
fn an_old_header_is_proven_from_a_new_one() {
    let (steps, ids) = chain();
    let newest = certified(&steps[9]);
    let leaves = |n: usize| leaf_hashes::<Sha256Log>(&ids[..n].iter().map(|id| *id.hash()).collect::<Vec<_>>());
    for height in 0..10 {
        let proof = InclusionProof::new::<Sha256Log>(&leaves(10), height).expect("it is inside");
        let id = &ids[height as usize];
        assert_eq!(verify_ancestor(&newest, Height(height), id, &proof), Ok(()));
        let other = verify_ancestor(&newest, Height(height), &ids[10], &proof);
        assert!(matches!(other, Err(VerifyError::Log { .. })), "{other:?}");
        let moved = verify_ancestor(&newest, Height((height + 1) % 10), id, &proof);
        assert!(matches!(moved, Err(VerifyError::Log { .. })), "{moved:?}");
    }
    let proof = InclusionProof::new::<Sha256Log>(&leaves(10), 0).expect("it is inside");
    let same = verify_ancestor(&newest, Height(10), &ids[10], &proof);
    assert_eq!(same, Err(VerifyError::NotBelow { asked: Height(10), trusted: Height(10) }));

    let extends = ConsistencyProof::new::<Sha256Log>(&leaves(10), 4).expect("it is inside");
    assert_eq!(verify_log_extends(&steps[3].0, &newest, &extends), Ok(()));
    assert!(verify_log_extends(&steps[4].0, &newest, &extends).is_err());
}

#[test]
fn a_fork_names_who_signed_both_sides() {
    let (steps, _) = chain();
    let one = certified(&steps[8]);
    let mut other = steps[8].0.clone();
    other.state_root = Hash([99; 32]);
    let certificate = certify(&other, 2);
    let two = Certified::new(other, certificate, &steps[8].2, &NETWORK).expect("it is certified too");
    let fork = Fork::of(&one, &two).expect("they differ");
    assert_eq!(fork.signers_of_both().len(), 3);
    assert_eq!(fork.sides(), (&one, &two));
    assert_eq!(Fork::of(&one, &one), None);
    assert_eq!(Fork::of(&one, &certified(&steps[7])), None);
}
