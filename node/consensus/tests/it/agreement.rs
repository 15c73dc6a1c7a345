//! Agreement, no double signing and progress under every fault the network can make.

use crate::network::{Faults, NETWORK, Network, block, secret, set_of_size};
use octroi_chain::{Proposal, Vote, VoteKind};
use octroi_consensus::{Consensus, Effect, Guard, Message, SignState, Timeouts};
use octroi_primitives::{Height, Round};

/// `count` seeds from `first`; a soak multiplies them by OCTROI_SEEDS.
fn seeds(first: u64, count: u64) -> std::ops::Range<u64> {
    let times = std::env::var("OCTROI_SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(1u64);
    first..first + count * times
}

#[test]
fn validators_agree_at_once_when_nothing_fails() {
    let report = Network::new(4, 1, Faults { delay: 2, ..Faults::default() }).run(20, 10_000);
    assert_eq!(report.late_rounds, 0);
    assert_eq!(report.refused, 0);
    assert_eq!(report.rejected, 0);
    assert!(report.evidence.is_empty());
    assert!(report.virtual_ms < 1_000, "20 heights took {} ms", report.virtual_ms);
    println!("{} barriers for 4 validators and 20 heights, {} ms", report.barriers, report.virtual_ms);
    // Proposal and prevote, precommit, decision: at most three and a bit a height and node.
    assert!(report.barriers <= 4 * 22 * 4, "{} barriers", report.barriers);
}

#[test]
fn one_validator_agrees_with_itself() {
    let report = Network::new(1, 1, Faults::default()).run(5, 10_000);
    assert_eq!(report.late_rounds, 0);
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let faults = Faults { loss: 50, delay: 30, crash: 10, ..Faults::default() };
    let one = Network::new(4, 42, faults.clone()).run(8, 600_000);
    let two = Network::new(4, 42, faults).run(8, 600_000);
    assert_eq!(one, two);
}

#[test]
fn agreement_survives_loss_delay_and_crashes() {
    let (mut crashes, mut synced, mut late) = (0, 0, 0);
    for seed in seeds(0, 40) {
        println!("seed {seed}");
        let faults = Faults {
            loss: [0, 50, 150, 250][seed as usize % 4],
            delay: [5, 40, 300][seed as usize % 3],
            crash: [15, 40][seed as usize % 2],
            ..Faults::default()
        };
        let report = Network::new(4, seed, faults).run(6, 3_000_000);
        crashes += report.crashes;
        synced += report.synced;
        late += report.late_rounds;
        assert!(report.evidence.is_empty(), "an honest validator is accused");
    }
    println!("{crashes} crashes, {synced} synced, {late} late rounds");
    assert!(crashes > 100 && synced > 20 && late > 20, "the faults did not bite: {crashes} {synced} {late}");
}

#[test]
fn agreement_survives_an_equivocator_among_crashing_validators() {
    for seed in seeds(10_000, 10) {
        println!("seed {seed}");
        let faults = Faults { loss: 50, delay: 60, crash: 5, equivocator: Some(1), ..Faults::default() };
        let report = Network::new(4, seed, faults).run(5, 3_000_000);
        let honest = |key| key == &secret(1).public();
        assert!(report.evidence.iter().all(honest), "an honest validator is accused");
    }
}

#[test]
fn an_equivocator_is_proven_guilty() {
    let faults = Faults { delay: 3, equivocator: Some(2), ..Faults::default() };
    let report = Network::new(4, 5, faults).run(10, 60_000);
    assert_eq!(report.evidence.into_iter().collect::<Vec<_>>(), [secret(2).public()]);
}

#[test]
fn forged_votes_neither_count_nor_accuse() {
    let faults = Faults { delay: 3, forger: Some(3), ..Faults::default() };
    let report = Network::new(4, 6, faults).run(10, 60_000);
    assert!(report.rejected > 100, "only {} were rejected", report.rejected);
    assert!(report.evidence.is_empty());
    assert_eq!(report.late_rounds, 0);
}

#[test]
fn an_invalid_block_is_voted_down() {
    let faults = Faults { delay: 3, invalid: Some(0), ..Faults::default() };
    let report = Network::new(4, 7, faults).run(8, 60_000);
    assert!(report.invalid > 0 && report.late_rounds > 0);
    assert!(report.evidence.is_empty());
}

#[test]
fn a_dead_validator_costs_one_timeout_in_n_heights() {
    let faults = Faults { delay: 3, dead: Some(0), ..Faults::default() };
    let report = Network::new(4, 8, faults).run(40, 120_000);
    // Three live nodes each start a second round; after a missed turn the dead one is left out for n heights.
    let timeouts = report.late_rounds / 3;
    assert!((4..=12).contains(&timeouts), "{timeouts} timeouts in 40 heights");
}

#[test]
fn a_lost_log_costs_silence_and_never_a_second_signature() {
    let mut refused = 0;
    for seed in seeds(20_000, 15) {
        println!("seed {seed}");
        let faults = Faults { delay: 40, crash: 30, forgetful: Some(1), ..Faults::default() };
        refused += Network::new(4, seed, faults).run(6, 3_000_000).refused;
    }
    assert!(refused > 0, "the sign state was never asked in earnest");
}

#[test]
#[should_panic(expected = "signed twice")]
fn the_monitor_sees_a_validator_that_loses_log_and_sign_state() {
    for seed in 300..400 {
        println!("seed {seed}");
        let faults = Faults { delay: 40, crash: 60, reborn: Some(1), ..Faults::default() };
        Network::new(4, seed, faults).run(6, 3_000_000);
    }
}

#[test]
fn an_observer_follows_and_says_nothing() {
    let faults = Faults { delay: 10, loss: 30, observer: Some(2), ..Faults::default() };
    let report = Network::new(5, 9, faults).run(10, 120_000);
    assert!(report.evidence.is_empty());
}

#[test]
fn seven_validators_agree_under_loss_and_crashes() {
    for seed in seeds(30_000, 4) {
        println!("seed {seed}");
        let faults = Faults { loss: 100, delay: 50, crash: 10, ..Faults::default() };
        Network::new(7, seed, faults).run(5, 3_000_000);
    }
}

#[test]
fn an_idle_validator_is_called_by_a_turn_or_by_a_third_and_by_nobody_else() {
    let set = set_of_size(4);
    let next = Height(1);
    let due = set.due(next).consensus_key;
    let others: Vec<usize> = (0..4).filter(|i| secret(*i).public() != due).collect();
    let turn = (0..4).find(|i| secret(*i).public() == due).expect("a member");
    let idle = || {
        let guard = Guard::new(secret(others[2]), SignState::new(NETWORK, secret(others[2]).public()));
        Consensus::new(guard.expect("its own state"), Timeouts::default(), Height(0), set.clone())
    };
    let hear = |consensus: &mut Consensus, message: Message| {
        let checked = consensus.check(message).expect("it is signed");
        assert_eq!(consensus.receive(checked), Ok(vec![]), "an idle validator does nothing yet");
    };
    let id = block(None, &set, Round(0), b"valid").id();
    let vote = |i: usize, round| {
        let validator = secret(i).public();
        let vote = Vote { kind: VoteKind::Prevote, height: next, round: Round(round), block: Some(id), validator };
        Message::Vote(vote.sign(&NETWORK, &secret(i)))
    };
    let proposal = |i: usize| {
        let proposer = secret(i).public();
        let proposal = Proposal { height: next, round: Round(0), block: id, lock: None, proposer };
        Message::Proposal(proposal.sign(&NETWORK, &secret(i)))
    };

    let mut one = idle();
    for round in 0..5 {
        hear(&mut one, vote(others[0], round));
    }
    hear(&mut one, proposal(others[0]));
    assert!(!one.ahead().calls(next, &set), "one faulty validator drives an empty block");
    hear(&mut one, vote(others[1], 0));
    assert!(one.ahead().calls(next, &set), "two of four are more than a third");

    let mut two = idle();
    hear(&mut two, proposal(turn));
    assert!(two.ahead().calls(next, &set));
    // What was heard is not lost: the proposal is asked for its body as soon as the height starts.
    let effects = two.start_height(next, set.clone(), &[]).expect("it starts");
    assert!(effects.iter().any(|e| matches!(e, Effect::Named { block, .. } if *block == id)), "{effects:?}");
}

#[test]
fn consensus_may_move_between_threads() {
    fn moves<T: Send>() {}
    moves::<Consensus>();
}
