//! Agreement, no double signing and progress under every fault the network can make.

use crate::network::{Faults, Network, secret};

#[test]
fn validators_agree_at_once_when_nothing_fails() {
    let report = Network::new(4, 1, Faults { delay: 2, ..Faults::default() }).run(20, 10_000);
    assert_eq!(report.late_rounds, 0);
    assert_eq!(report.refused, 0);
    assert_eq!(report.rejected, 0);
    assert!(report.evidence.is_empty());
    assert!(report.virtual_ms < 1_000, "20 heights took {} ms", report.virtual_ms);
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
    for seed in 0..40 {
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
    for seed in 100..110 {
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
    for seed in 200..215 {
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
