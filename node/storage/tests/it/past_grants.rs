//! Past grants: found by identifier, totalled by query, and small on disk.

use crate::{
    chain::Chain,
    store::{create, open, state_of},
};
use octroi_ledger::{
    Payload,
    grant::declare_past_grant::DeclarePastGrant,
    wire::{Wire as _, pb},
};
use octroi_primitives::*;
use octroi_replica::Store as _;
use octroi_views::{Order, Page, lists::List, past_grants};

/// Bytes on disk for one past grant with all indexes after compaction, at most.
const BYTES_A_GRANT: u64 = 1_500;

fn file() -> FileHash {
    FileHash::new(hash("test-file", &[]))
}

/// Numbers whose Luhn sum is right, so that they pass for SIRETs.
fn siret(number: u64) -> String {
    (0..10)
        .map(|check| format!("{number:013}{check}"))
        .find(|text| Identifier::new("SIRET".parse().unwrap(), text).is_ok_and(|siret| siret.check().is_ok()))
        .expect("one of ten check digits fits")
}

/// A row as real files have them: texts and identifiers of usual lengths, one of about a thousand beneficiaries.
fn row(number: u32) -> Payload {
    let party = |name: String, siret: String| {
        let identifier = pb::PublishedIdentifier { scheme: "SIRET".into(), value: siret, verified: true };
        Some(pb::PublishedParty { name: Some(name), identifiers: vec![identifier] })
    };
    let random = hash("test-row", &[&number.to_be_bytes()]);
    let random = |index: usize| u64::from(random.as_bytes()[index]);
    let words = ["programme", "culture", "soutien", "projet", "sport", "action", "festival", "annuel", "jeunesse"];
    let purpose: Vec<&str> = (0..8).map(|index| words[random(index) as usize % words.len()]).collect();
    let beneficiary = u64::from(number) * 7 % 1009;
    let proto = pb::DeclarePastGrant {
        file: file().as_bytes().to_vec(),
        row: number,
        share_number: 1,
        funder: party("Test department (invented)".into(), siret(44_000_000_000)),
        beneficiary: party(
            format!("Association {} {beneficiary} (invented)", words[beneficiary as usize % words.len()]),
            siret(77_000_000_000 + beneficiary),
        ),
        date: Some(pb::PartialDate {
            year: 2008 + number % 10,
            month: Some(1 + random(9) as u32 % 12),
            day: Some(1 + random(10) as u32 % 28),
        }),
        decision: Some(format!("C{number:05}")),
        purpose: Some(purpose.join(" ")),
        amount: Some(pb::Amount { minor: 100 * (1 + u64::from(number)), currency: "EUR".into() }),
        nature: Some("cash".into()),
        conditions: Some("unique".into()),
        row_hash: hash("test-row-bytes", &[&number.to_be_bytes()]).as_bytes().to_vec(),
        parent: None,
        ..Default::default()
    };
    Payload::DeclarePastGrant(DeclarePastGrant::from_proto(proto).unwrap())
}

#[test]
fn past_grants_are_found_totalled_and_take_little_room() {
    const ROWS: u32 = 4_000;
    let mut chain = Chain::new();
    let (data, mut store) = create(&chain);
    let mut commits = Vec::new();
    let rows: Vec<u32> = (1..=ROWS).collect();
    for block in rows.chunks(250) {
        let commit = chain.block_of(block.iter().copied().map(row).collect(), vec![]);
        assert!(commit.executed.receipts().iter().all(|receipt| receipt.event().is_some()));
        commits.push(commit);
    }
    let (before, cpu) = (std::time::Instant::now(), cpu());
    commits.iter().for_each(|commit| store.commit(commit).unwrap());
    let (cpu, wall) = (self::cpu() - cpu, before.elapsed());
    let reader = store.reader();
    reader.compact().unwrap();
    let parts = reader.table_bytes().unwrap();
    let bytes: u64 = parts.iter().map(|(_, bytes)| bytes).sum();
    println!("{} bytes a past grant: {parts:?}", bytes / u64::from(ROWS));
    println!(
        "{} µs of CPU and {} µs a past grant to commit",
        cpu / u64::from(ROWS),
        wall.as_micros() / u128::from(ROWS)
    );
    assert!(bytes / u64::from(ROWS) <= BYTES_A_GRANT, "{bytes} bytes for {ROWS} past grants: {parts:?}");
    drop((store, reader));

    let before = std::time::Instant::now();
    let store = open(&data, &chain).unwrap();
    let state = state_of(&store, chain.network());
    println!("{ROWS} past grants are loaded in {:?}", before.elapsed());
    let reader = store.reader();
    let totals = past_grants::totals(&state, &file());
    assert_eq!(totals.len(), 10);
    assert_eq!(totals.iter().map(|total| total.rows).sum::<u64>(), u64::from(ROWS));
    assert_eq!(
        totals.iter().map(|total| total.minor).sum::<i128>(),
        (1..=ROWS).map(|n| 100 * (1 + i128::from(n))).sum()
    );
    let year = List::PastGrantsOfYear(2010);
    let identifier = Identifier::new("SIRET".parse().unwrap(), &siret(77_000_000_007)).unwrap();
    let beneficiary = List::PastGrantsOfBeneficiary(identifier);
    for (list, expected) in
        [(year, totals[2].rows), (beneficiary, (1..=ROWS).filter(|n| n * 7 % 1009 == 7).count() as u64)]
    {
        let (mut found, mut token) = (Vec::new(), vec![]);
        loop {
            let page = Page::new(&[&list.owner()], 3, &token, store.height()).unwrap();
            let part = past_grants::declared(&state, &reader, &reader, &list, &page, Order::Ascending).unwrap();
            found.extend(part.items.into_iter().map(|row| row.declared.declaration.row));
            match part.next {
                Some(next) if found.len() < 30 => token = next,
                _ => break,
            }
        }
        assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "{found:?}");
        assert_eq!(found.len() as u64, expected.min(30), "{list:?}");
    }
    let page = Page::first(store.height(), 10_000);
    let declared = past_grants::rows_of_file(&state, &file(), &page);
    assert_eq!(declared.items, (1..=ROWS).map(|row| (row, 1)).collect::<Vec<_>>());
}

/// User and system time of this process, in microseconds.
fn cpu() -> u64 {
    let usage = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = usage.rsplit(')').next().unwrap().split_whitespace().collect();
    // Fields 14 and 15 of proc(5), in ticks of 10 ms.
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10_000
}
