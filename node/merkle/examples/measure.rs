//! Measures the state tree: `cargo run --release -p octroi-merkle --example measure`.
//!
//! Prints the cost per updated key in batches of 1,000 at 10⁶ keys, the bytes a key takes, the cost of building, reading
//! and proving, and the cost of one hash of one block on this machine as the yardstick. Runs some seconds; keys are
//! derived from a counter, so every run does the same work. Machines are noisy and shared: what counts is the CPU time, and
//! its ratio to the yardstick; wall clock is printed beside it.

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Instant;

use octroi_merkle::{Change, Leaf, Tree, blake3_root};
use octroi_primitives::hash::{Hash, hash, keyed_node};

const BLOCKS: u64 = 1_000_000;
const KEYS: u64 = 1_000_000;
const BATCH: u64 = 1_000;
const BATCHES: u64 = 250;
/// Versions kept alive while updating, as a node does to answer with proofs.
const WINDOW: usize = 256;

fn main() {
    let (block_key, mut node) = ([7; 32], Hash::ZERO);
    let clock = Clock::start();
    for _ in 0..BLOCKS {
        node = keyed_node(&block_key, &node, &node);
    }
    println!("one hash of one block       {}", clock.per(BLOCKS));
    black_box(node);

    let mut leaves: Vec<Leaf> = (0..KEYS).map(|i| Leaf { key: key(i), value: value(i, 0) }).collect();
    leaves.sort_unstable();
    let before = resident_bytes();
    let clock = Clock::start();
    let mut tree = Tree::from_sorted(&leaves).expect("derived keys are distinct");
    println!("build of 10^6 keys          {}", clock.per(KEYS));
    if let (Some(before), Some(after)) = (before, resident_bytes()) {
        println!("memory                      {:8.1} bytes/key", (after - before) as f64 / KEYS as f64);
    }

    let mut versions = VecDeque::with_capacity(WINDOW + 1);
    // Each run takes keys that none before it touched: what was written together lies together, and would be fast.
    for (what, window, first, step) in [
        ("set, no version kept", 0, 0, 4),
        ("set, 256 versions kept", WINDOW, 1, 4),
        ("set, 256 and one freed", WINDOW, 2, 4),
        ("insert, 256 and one freed", WINDOW, KEYS, 1),
    ] {
        let id = |batch: u64, place: u64| first + step * (batch * BATCH + place);
        let batches: Vec<_> = (0..BATCHES).map(|batch| changes((0..BATCH).map(|place| id(batch, place)))).collect();
        let clock = Clock::start();
        for changes in &batches {
            let updated = tree.update(changes);
            versions.push_back(std::mem::replace(&mut tree, updated));
            // What falls out of the window is freed within the measured time.
            versions.drain(..versions.len().saturating_sub(window));
        }
        println!("{what:27} {}", clock.per(BATCHES * BATCH));
    }
    let held = versions.len() as u64;
    let full = resident_bytes();
    versions.clear();
    if let Some(full) = full {
        println!("memory with {held} versions    {:8.1} MB in all", full as f64 / 1e6);
    }

    let looked_up: Vec<Hash> = (0..100_000).map(|i| key(i * 7 % KEYS)).collect();
    let clock = Clock::start();
    for key in &looked_up {
        black_box(tree.get(key));
    }
    println!("get                         {}", clock.per(looked_up.len() as u64));

    let root = tree.root();
    let proven = &looked_up[..20_000];
    let clock = Clock::start();
    let proofs: Vec<_> = proven.iter().map(|key| tree.prove(key)).collect();
    println!("prove                       {}", clock.per(proven.len() as u64));
    let bytes: usize = proofs.iter().map(|proof| proof.to_bytes().len()).sum();
    println!("proof                       {:8.1} bytes", bytes as f64 / proven.len() as f64);
    let clock = Clock::start();
    for (key, proof) in proven.iter().zip(&proofs) {
        proof.verify(&root, key, tree.get(key).as_ref()).expect("the proof is of this tree");
    }
    println!("verify (and get)            {}", clock.per(proven.len() as u64));

    let list: Vec<Hash> = (0..4_000).map(|i| value(i, 0)).collect();
    let clock = Clock::start();
    for _ in 0..100 {
        black_box(blake3_root(&list));
    }
    println!("list root, per entry        {}", clock.per(100 * list.len() as u64));
}

/// The changes of one batch, ascending.
fn changes(ids: impl Iterator<Item = u64>) -> Vec<Change> {
    let mut changes: Vec<_> = ids.map(|id| (key(id), Some(value(id, 1)))).collect();
    changes.sort_unstable();
    changes
}

fn key(i: u64) -> Hash {
    hash("measure_key", &[&i.to_be_bytes()])
}

fn value(i: u64, version: u64) -> Hash {
    hash("measure_value", &[&i.to_be_bytes(), &version.to_be_bytes()])
}

/// CPU time of this thread where Linux tells it (to a tick of some milliseconds), and wall clock.
struct Clock {
    cpu: Option<f64>,
    wall: Instant,
}

impl Clock {
    fn start() -> Self {
        Self { cpu: cpu_seconds(), wall: Instant::now() }
    }

    fn per(&self, items: u64) -> String {
        let each = 1e6 / items as f64;
        let wall = self.wall.elapsed().as_secs_f64() * each;
        match self.cpu.zip(cpu_seconds()) {
            Some((start, end)) => format!("{:8.3} µs of CPU each (wall {wall:.3})", (end - start) * each),
            None => format!("{wall:8.3} µs each, wall clock"),
        }
    }
}

fn cpu_seconds() -> Option<f64> {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: u64 = schedstat.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds as f64 / 1e9)
}

/// Resident memory of this process; known on Linux only.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096)
}
