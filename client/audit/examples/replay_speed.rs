//! How fast an archive is replayed, on one core and on two.
//!
//! `cargo run --release -p octroi-audit --example replay_speed [-- ARCHIVE | TRANSACTIONS]`: of a file, or of as many declared past grants (default
//! 20,000) as one publisher sends in blocks of 500. Two cores: one cuts and prepares lots, the other takes them; at most four lots wait between.

use octroi_audit::{Expectations, Intake, PreparedLot, Replay, Verdict};
use octroi_ledger::{
    Payload,
    grant::{
        declare_past_grant::{DeclarePastGrant, PublishedParty},
        past_grant::PartialDate,
    },
};
use octroi_primitives::{Amount, FileHash, Note, hash};
use octroi_vectors::network::{Chain, Rounds, genesis};
use std::{sync::mpsc, time::Instant};

fn main() {
    let argument = std::env::args().nth(1).unwrap_or_else(|| "20000".into());
    let archive = match argument.parse() {
        Ok(transactions) => made(transactions),
        Err(_) => std::fs::read(&argument).expect("the archive is read"),
    };
    report("one core", &archive, |archive| {
        let chunks = archive.chunks(1 << 16).map(|chunk| Ok::<_, std::convert::Infallible>(chunk.to_vec()));
        let Ok(verdict) = octroi_audit::replay(Expectations::default(), chunks);
        verdict
    });
    report("two cores", &archive, on_two_cores);
}

fn report(how: &str, archive: &[u8], replay: impl Fn(&[u8]) -> Verdict) {
    let start = Instant::now();
    let verdict = replay(archive);
    let speed = verdict.speed(start.elapsed());
    println!(
        "{how}: {} transactions, {} heights in {} ms: {}/s, sound: {}",
        verdict.transactions,
        verdict.height,
        speed.millis,
        speed.transactions_per_second,
        verdict.is_sound()
    );
}

fn on_two_cores(archive: &[u8]) -> Verdict {
    let (sender, receiver) = mpsc::sync_channel::<PreparedLot>(4);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut intake = Intake::new();
            for chunk in archive.chunks(1 << 16) {
                intake.push(chunk);
                while let Some(lot) = intake.next() {
                    sender.send(lot.prepare()).expect("the replay takes every lot");
                }
            }
            sender.send(intake.finish().prepare()).expect("the replay takes every lot");
        });
        let mut replay = Replay::new(Expectations::default());
        receiver.into_iter().for_each(|lot| replay.take(lot));
        replay.finish()
    })
}

/// A chain of declared past grants.
fn made(transactions: u32) -> Vec<u8> {
    let mut chain = Chain::new(genesis());
    let party = |name: &str| PublishedParty { name: Some(Note::new(name).expect("a note")), identifiers: vec![] };
    for first in (0..transactions).step_by(500) {
        let signed = (first..transactions.min(first + 500))
            .map(|row| {
                let declaration = DeclarePastGrant {
                    file: FileHash::new(hash("speed-file", &[])),
                    row: row + 1,
                    share_number: 1,
                    replaces: None,
                    funder: party("Department of the west (invented)"),
                    beneficiary: party("Choir of the harbour (invented)"),
                    date: PartialDate::new(2016, Some(5), None).expect("a date"),
                    decision: None,
                    purpose: Some(Note::new("concerts").expect("a note")),
                    amount: Some(Amount::eur(u64::from(row) * 100 + 1)),
                    total: None,
                    share_ppm: None,
                    nature: None,
                    conditions: None,
                    period: None,
                    loan: None,
                    guarantee: None,
                    in_kind: None,
                    in_kind_estimate: None,
                    gaps: vec![],
                    row_hash: hash("speed-row", &[&row.to_be_bytes()]),
                    parent: None,
                };
                chain.sign("region", Payload::DeclarePastGrant(declaration))
            })
            .collect();
        chain.block(1_000, Rounds::default(), signed);
    }
    chain.archive()
}
