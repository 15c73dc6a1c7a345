//! What the machine gives: the bounds that everything else is judged by.

use crate::figures::{Bound, line, percentile};
use anyhow::Result;
use octroi_merkle::tree::Tree;
use octroi_primitives::{BatchVerifier, Hash, SecretKey, hash};
use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

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
    line("signature check, batch of 256 with 16 signers", each, "us", Bound::None);
}

/// A file for syncs, long enough that none of them makes it longer.
fn sync_file(folder: &tempfile::TempDir) -> Result<File> {
    let file = OpenOptions::new().create_new(true).write(true).open(folder.path().join("sync"))?;
    file.set_len(1 << 20)?;
    file.sync_all()?;
    Ok(file)
}

/// Seconds of one sync of one page.
fn sync(file: &File, number: u64) -> Result<f64> {
    file.write_all_at(&[7; 4096], (number % 256) * 4096)?;
    let start = Instant::now();
    file.sync_data()?;
    Ok(start.elapsed().as_secs_f64())
}

/// How long a sync takes here: the floor of every commit.
pub fn syncs() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = sync_file(&folder)?;
    let mut times: Vec<f64> = (0..200).map(|number| sync(&file, number)).collect::<Result<_>>()?;
    line("fdatasync, p50", percentile(&mut times, 0.5) * 1e3, "ms", Bound::None);
    line("fdatasync, p99", percentile(&mut times, 0.99) * 1e3, "ms", Bound::None);
    Ok(())
}

/// Syncs beside something else, twenty a second, on a thread of their own.
pub struct SyncsBeside {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<f64>>>,
}

impl SyncsBeside {
    /// Begins.
    pub fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = std::thread::spawn(move || {
            let folder = tempfile::tempdir()?;
            let file = sync_file(&folder)?;
            let mut times = Vec::new();
            while !told.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(50));
                times.push(sync(&file, times.len() as u64)?);
            }
            Ok(times)
        });
        Self { stop, thread }
    }

    /// Ends; seconds of each.
    pub fn finish(self) -> Result<Vec<f64>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the thread of syncs panicked"))?
    }
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
    line("state tree, per updated key at 10^6 keys, batch 1,000", each, "us", Bound::Most(4.0));
}
