//! Runs of the simulator over many seeds. `OCTROI_SEEDS=1000` plays more of them, `OCTROI_SEED=17` one alone.

use octroi_simulator::{Canary, Faults, Report, Scenario, Violation, run};
use std::collections::BTreeMap;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn play(scenario: &Scenario) -> Report {
    match run(scenario) {
        Ok(report) => report,
        Err(violation) => panic!("seed {}: {violation}\n{scenario:?}", scenario.seed),
    }
}

#[test]
fn the_promises_hold_under_every_fault() {
    let seeds: Vec<u64> = match number("OCTROI_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("OCTROI_SEEDS").unwrap_or(60)).collect(),
    };
    let (mut crashes, mut caught_up, mut late, mut bodies, mut committed) = (0, 0, 0, 0, 0);
    let mut cut_at: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in &seeds {
        let scenario = Scenario::of_seed(*seed);
        let report = play(&scenario);
        println!(
            "seed {seed}: {} validators, height {}, {} transactions, {} crashes, {} caught up, {} late rounds, {} events, healed in {} ms",
            scenario.validators,
            report.height,
            report.committed,
            report.crashes,
            report.caught_up,
            report.late_rounds,
            report.events,
            report.healed_in
        );
        crashes += report.crashes;
        caught_up += report.caught_up;
        late += report.late_rounds;
        bodies += report.bodies_requested;
        committed += report.committed;
        for (operation, times) in report.cut_at {
            *cut_at.entry(operation).or_default() += times;
        }
    }
    println!(
        "{crashes} crashes at {cut_at:?}, {caught_up} caught up, {late} late rounds, {bodies} bodies asked for, {committed} committed"
    );
    if seeds.len() >= 60 {
        assert!(crashes > 200 && caught_up > 100 && late > 100 && bodies > 50, "the faults did not bite");
        for operation in ["append entry", "append body", "sync log", "write sign state", "commit", "forget"] {
            assert!(cut_at.contains_key(operation), "power was never cut at: {operation}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let scenario = Scenario { transactions: 30, ..Scenario::of_seed(11) };
    assert_eq!(play(&scenario), play(&scenario));
    let other = Scenario { seed: 12, ..scenario.clone() };
    assert_ne!(play(&scenario).trace, play(&other).trace);
}

#[test]
fn on_a_calm_network_no_round_fails_and_each_signature_is_checked_once_a_validator() {
    for validators in [1, 4, 7] {
        let report = play(&Scenario::calm(5, validators));
        println!("{validators} validators: {report:?}");
        assert_eq!(report.late_rounds, 0);
        assert_eq!(report.caught_up, 0);
        assert_eq!(report.bodies_requested, 0);
        assert_eq!(report.signatures_checked, 100 * validators as u64);
        assert!(report.syncs <= 6 * report.height * validators as u64, "{} syncs", report.syncs);
    }
}

#[test]
fn an_idle_chain_makes_heartbeats_and_nothing_else() {
    let scenario = Scenario { transactions: 0, fault_ms: 1_000, quiet_ms: 60_000, ..Scenario::calm(6, 4) };
    let report = play(&scenario);
    // A heartbeat every five seconds.
    assert!((11..=12).contains(&report.height), "{} blocks in a minute", report.height);
    assert_eq!(report.empty_blocks, report.height);
}

#[test]
fn one_of_four_dead_costs_time_and_no_more() {
    let scenario = Scenario { dead: 1, ..Scenario::calm(7, 4) };
    let report = play(&scenario);
    assert_eq!(report.committed, 100);
    assert!(report.late_rounds > 0);
}

#[test]
fn an_observer_follows() {
    let scenario = Scenario { observers: 1, ..Scenario::calm(8, 4) };
    let report = play(&scenario);
    assert!(
        report.caught_up >= report.height - 1,
        "the observer took {} of {} blocks",
        report.caught_up,
        report.height
    );
}

fn found(canary: Canary, is_it: impl Fn(&Violation) -> bool) -> usize {
    let faults = Faults { loss: 100, duplication: 0, delay: 60, partition_every: 0, crash_every: 150, skew: 0 };
    let mut found = 0;
    for seed in 0..20 {
        let scenario = Scenario { faults, canary, transactions: 150, ..Scenario::calm(seed, 4) };
        match run(&scenario) {
            Ok(_) => println!("seed {seed}: not noticed"),
            Err(violation) => {
                println!("seed {seed}: {violation}");
                found += usize::from(is_it(&violation));
            }
        }
    }
    found
}

#[test]
fn a_disk_that_loses_what_it_synced_is_found_out() {
    let found = found(Canary::LosesSynced, |violation| matches!(violation, Violation::SignedTwice(..)));
    assert!(found >= 5, "found in {found} of 20 runs");
}

#[test]
fn a_store_that_loses_a_commit_is_found_out() {
    let found = found(Canary::LosesCommit, |violation| {
        matches!(violation, Violation::StoreWentBack { .. } | Violation::Stopped(..))
    });
    assert!(found >= 5, "found in {found} of 20 runs");
}
