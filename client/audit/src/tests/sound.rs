//! An honest archive is sound, and the verdict says how much that means.

use super::{Bench, at, verdict};
use crate::{Check, Expectations, Intake, Replay, Spot};
use octroi_ledger::{
    Head, Kind, State,
    accounts::{Account, AccountBalance},
    receipt::Outcome,
    state::{Entry, Key as _, Table},
};
use octroi_primitives::{Currency, FileHash, Hash, Height, NetworkId, hash};
use octroi_vectors::{network, year};
use std::time::Duration;

#[test]
fn an_honest_archive_is_sound_however_it_is_cut_into_chunks() {
    let chain = year::chain();
    let archive = chain.archive();
    let expected = Expectations {
        network: Some(chain.state.network()),
        reaches: Some(chain.state.head().height),
        blocks: [(Height(3), chain.links[2].executed.id())].into(),
        invariants_every: 5,
    };
    let whole = verdict(expected.clone(), &archive, archive.len());
    assert!(whole.is_sound(), "{:#?}", whole.findings);
    for chunk in [1, 17, 4_096] {
        assert_eq!(verdict(expected.clone(), &archive, chunk), whole);
    }
    assert_eq!(whole.height, chain.state.head().height);
    assert_eq!(whole.block, chain.state.head().id);
    assert_eq!(whole.state_root, chain.state.root());
    assert_eq!(whole.name, network::NAME);
    for check in Check::ALL {
        assert!(whole.checks.contains_key(check), "{check} was never made");
    }
}

#[test]
fn the_archive_of_the_tests_holds_every_kind_both_outcomes_and_at_least_twenty_heights() {
    let chain = year::chain();
    assert!(chain.links.len() >= 20, "{} heights", chain.links.len());
    let receipts = || chain.links.iter().flat_map(|link| link.executed.receipts());
    assert!(receipts().any(|receipt| matches!(receipt.outcome, Outcome::Refused(_))));
    let missing: Vec<Kind> =
        Kind::ALL.iter().copied().filter(|kind| !receipts().any(|receipt| receipt.kind() == *kind)).collect();
    assert!(missing.is_empty(), "the year does not reach {missing:?}");
}

#[test]
fn counts_and_control_totals_are_those_of_the_year() {
    let chain = year::chain();
    let verdict = verdict(Expectations::default(), &chain.archive(), 1 << 16);
    let links = &chain.links;
    let transactions: u64 = links.iter().map(|link| link.executed.transactions().len() as u64).sum();
    let receipts: u64 = links.iter().map(|link| link.executed.receipts().len() as u64).sum();
    // Each certificate is counted once: in the block above, or at the end.
    let votes: u64 = links.iter().map(|link| link.certificate.signatures.len() as u64).sum();
    assert_eq!((verdict.transactions, verdict.receipts, verdict.votes), (transactions, receipts, votes));
    assert_eq!(verdict.signatures, transactions, "each has one signature");
    assert_eq!(verdict.checks[&Check::Certificate], links.len() as u64);

    let fund = verdict.totals.funds[&network::fund()];
    assert_eq!(fund.currency, Currency::EUR);
    // Contributions, the levy, then a second contribution with a credit that is nobody's, a return, a campaign and a round.
    let later = 340_000 + 100_000 + 550_000 + 52_500;
    assert_eq!(fund.money_in, 12_500_000 + 333_333 + 15_498_000 + later);
    // Two of three applications were awarded, the campaign reached its goal; the round gives what came in and, to one project, five times as much.
    assert_eq!((fund.grants, fund.awarded), (5, 5_000_000 + 550_000 + 52_500 + 5 * 12_500));
    // The first grant was paid in full; the bank took a charge.
    assert_eq!((fund.money_out, fund.paid), (2_001_500, 2_000_000));
    let file = &verdict.totals.past_grants[&FileHash::new(hash("vectors-file", &[]))];
    assert_eq!((file.rows, file.withdrawn), (2, false));
    assert_eq!(file.sums[&Currency::EUR], (2, 150_000));
    let past = verdict.totals.kinds[&Kind::DeclarePastGrant];
    assert_eq!((past.applied, past.refused), (2, 1));
    let sum: u64 = verdict.totals.kinds.values().map(|kind| kind.applied + kind.refused).sum();
    assert_eq!(sum, receipts);
}

#[test]
fn what_was_not_checked_depends_on_what_the_auditor_was_told() {
    let chain = year::chain();
    let archive = chain.archive();
    let alone = verdict(Expectations::default(), &archive, 1 << 16);
    let told =
        Expectations { network: Some(chain.state.network()), reaches: Some(Height(1)), ..Expectations::default() };
    let told = verdict(told, &archive, 1 << 16);
    assert_eq!(alone.not_checked.len(), told.not_checked.len() + 2);
    assert!(told.not_checked.iter().all(|sentence| alone.not_checked.contains(sentence)));
    assert!(told.not_checked.iter().any(|sentence| sentence.contains("attested from outside")));
}

#[test]
fn an_archive_of_another_network_or_branch_or_too_short_is_found() {
    let chain = year::chain();
    let archive = chain.archive();
    let (tip, other) = (chain.links.len() as u64, Hash::from_bytes([7; 32]));
    let first = |expected| verdict(expected, &archive, 1 << 16).findings[0].clone();
    let network = first(Expectations { network: Some(NetworkId::new(other)), ..Expectations::default() });
    assert_eq!((network.spot, network.check), (Spot::FileHeader, Check::Expected));
    let block = Expectations { blocks: [(Height(5), other.into())].into(), ..Expectations::default() };
    assert_eq!((first(block.clone()).spot, first(block).check), (at(5), Check::Expected));
    let longer = Expectations { reaches: Some(Height(tip + 1)), ..Expectations::default() };
    assert_eq!((first(longer.clone()).spot, first(longer).check), (at(tip), Check::Expected));
    let later = Expectations { blocks: [(Height(tip + 9), other.into())].into(), ..Expectations::default() };
    assert_eq!((first(later.clone()).spot, first(later).check), (at(tip), Check::Expected));
}

#[test]
fn nothing_at_all_and_noise_are_findings_and_no_panic() {
    for bytes in [&b""[..], b"x", &[0; 64], &[0xff; 4_096], b"OCTROIAR"] {
        let verdict = verdict(Expectations::default(), bytes.to_vec().as_slice(), 7);
        assert_eq!(verdict.findings.first().map(|finding| finding.spot), Some(Spot::FileHeader), "{bytes:?}");
    }
    let never_fed = Replay::new(Expectations::default()).finish();
    assert!(!never_fed.is_sound());
}

#[test]
fn a_replay_that_is_left_before_the_end_says_so() {
    let bench = Bench::new();
    let replay = bench.after[4].clone();
    assert_eq!(replay.height(), Height(3));
    assert_eq!(replay.finish().findings.first().map(|finding| finding.spot), Some(at(3)));
}

#[test]
fn a_wrong_block_ends_the_replay_and_what_follows_is_counted_but_not_believed() {
    let mut bench = Bench::new();
    bench.forge.piece(5).header.state_root = Hash::ZERO;
    let verdict = verdict(Expectations::default(), &bench.forge.archive(), 1 << 16);
    assert_eq!(verdict.height, Height(4));
    assert_eq!(verdict.heights_not_replayed, bench.forge.tip() - 4);
    assert_eq!(verdict.findings.len(), 1);
    assert_eq!(verdict.findings[0].evidence[0].bytes, bench.forge.piece(5).bytes());
    assert!(verdict.findings[0].to_string().starts_with("height 5: execution: header field state_root is 0000"));
}

#[test]
fn lots_can_be_prepared_on_other_threads_and_in_any_order() {
    let chain = year::chain();
    let mut intake = Intake::new();
    intake.push(&chain.archive());
    let mut lots: Vec<_> = std::iter::from_fn(|| intake.next()).collect();
    lots.push(intake.finish());
    let prepared: Vec<_> = std::thread::scope(|scope| {
        let handles: Vec<_> = lots.into_iter().rev().map(|lot| scope.spawn(|| lot.prepare())).collect();
        handles.into_iter().map(|handle| handle.join().expect("prepared")).collect()
    });
    let mut replay = Replay::new(Expectations::default());
    prepared.into_iter().rev().for_each(|lot| replay.take(lot));
    assert!(replay.finish().is_sound());
}

#[test]
fn speed_is_what_the_callers_clock_says() {
    let chain = year::chain();
    let verdict = verdict(Expectations::default(), &chain.archive(), 1 << 16);
    let speed = verdict.speed(Duration::from_millis(500));
    assert_eq!(speed.transactions_per_second, verdict.transactions * 2);
    assert_eq!(verdict.speed(Duration::ZERO).millis, 1);
}

/// The state of the year with one minor unit more on the bank account than was attested.
fn too_rich(chain: &network::Chain) -> State {
    let state = &chain.state;
    let bank = Account::Bank { account: network::account() }.to_key_bytes();
    let mut rows = state.rows();
    let row = rows.iter_mut().find(|row| row.table == Table::accounts.number() && row.key == bank).expect("an account");
    let mut entry = Entry::<AccountBalance>::from_stored(row.value.as_deref().expect("a record")).expect("it is read");
    entry.record.balance += 1;
    row.value = Some(entry.to_stored());
    // Without a header nobody asks for the root.
    let head = Head { header: None, ..state.head().clone() };
    State::load(state.network(), head, rows, []).expect("it is loaded")
}

#[test]
fn money_that_nobody_attested_is_found_by_the_invariants_whole_and_touched() {
    let chain = year::chain();
    let broken = too_rich(&chain);
    let touches_the_bank = |link: &&network::Link| {
        let attested = |receipt: &octroi_ledger::Receipt| match receipt.event() {
            Some(octroi_ledger::Event::AttestStatement(event)) => event.booked.is_some(),
            _ => false,
        };
        link.executed.receipts().iter().any(attested)
    };
    let link = chain.links.iter().rev().find(touches_the_bank).expect("a booked statement");
    for whole in [true, false] {
        let mut replay = Replay::new(Expectations::default());
        if whole {
            replay.invariants(&broken)
        } else {
            replay.touched(&broken, &link.executed)
        }
        let found = replay.findings();
        assert!(found.iter().any(|finding| finding.check == Check::Invariants), "{found:?}");
        assert!(found.iter().all(|finding| finding.spot == at(chain.state.head().height.0)));
    }
}
