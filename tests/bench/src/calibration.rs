//! What the machine gives: the bounds that everything else is judged by.

use crate::line;
use anyhow::Result;
use octroi_merkle::tree::Tree;
use octroi_primitives::{BatchVerifier, Hash, SecretKey, hash};
use std::{fs::OpenOptions, os::unix::fs::FileExt, time::Instant};

const BATCH: usize = 256;
const SIGNERS: u8 = 16;

/// Signature checks in batches, as the door makes them.
pub fn signatures() {
    let keys: Vec<SecretKey> = (0..SIGNERS).map(|number| SecretKey::from_seed([number + 1; 32])).collect();
    let messages: Vec<Vec<u8>> = (0..BATCH).map(|number| number.to_be_bytes().to_vec()).collect();
    let signed: Vec<_> = messages.iter().zip(keys.iter().cycle()).map(|(message, key)| key.sign(message)).collect();
    let rounds = 40;
    let start = Instant::now();
    for _ in 0..rounds {
        let mut batch = BatchVerifier::new();
        for ((message, key), signature) in messages.iter().zip(keys.iter().cycle()).zip(&signed) {
            batch.push(&key.public(), message, signature);
        }
        assert!(batch.verify(), "the signatures are good");
    }
    let each = start.elapsed().as_secs_f64() * 1e6 / (rounds * BATCH) as f64;
    line("signature check, batch of 256 with 16 signers", each, "us", "bound: 10.7 us on this class of machine");
}

/// How long a sync takes here: the floor of every commit.
pub fn syncs() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = OpenOptions::new().create_new(true).write(true).open(folder.path().join("sync"))?;
    file.set_len(1 << 20)?;
    file.sync_all()?;
    let mut times = Vec::new();
    for number in 0..200u64 {
        file.write_all_at(&[7; 4096], (number % 256) * 4096)?;
        let start = Instant::now();
        file.sync_data()?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    line("fdatasync, p50", times[100], "us", "");
    line("fdatasync, p99", times[198], "us", "");
    Ok(())
}

/// The state tree at a million keys.
pub fn tree() {
    let leaf = |number: u64| hash("bench-key", &[&number.to_be_bytes()]);
    let mut tree = Tree::new();
    let mut number = 0u64;
    while number < 1_000_000 {
        let mut batch: Vec<(Hash, Option<Hash>)> =
            (number..number + 50_000).map(|key| (leaf(key), Some(leaf(key + 1)))).collect();
        batch.sort_unstable_by_key(|(key, _)| *key);
        tree = tree.update(&batch);
        number += 50_000;
    }
    let rounds = 50u64;
    let batches: Vec<Vec<(Hash, Option<Hash>)>> = (0..rounds)
        .map(|round| {
            let mut batch: Vec<(Hash, Option<Hash>)> =
                (0..1_000).map(|key| (leaf((key * 977 + round * 31) % 1_000_000), Some(leaf(round)))).collect();
            batch.sort_unstable_by_key(|(key, _)| *key);
            batch.dedup_by_key(|(key, _)| *key);
            batch
        })
        .collect();
    let keys: usize = batches.iter().map(Vec::len).sum();
    let start = Instant::now();
    for batch in &batches {
        tree = tree.update(batch);
    }
    let each = start.elapsed().as_secs_f64() * 1e6 / keys as f64;
    line("state tree, per updated key at 10^6 keys, batch 1,000", each, "us", "bar: 4 us");
}
