//! Processes that die: what was acknowledged is there, nothing is there by half.
//!
//! The test starts itself as a child, which commits blocks, writes the log of the next height, and says on its output what is durable. The parent
//! kills it at an arbitrary moment, opens the folder and compares.

use crate::{chain::Chain, store};
use octroi_primitives::*;
use octroi_replica::{Disk as _, Logged, Store as _};
use octroi_storage::{Folder, NodeDisk, Settings, Store};
use octroi_views::Blocks as _;
use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
};

const CHILD: &str = "OCTROI_STORAGE_CRASH_CHILD";
const BLOCKS: u64 = 400;

/// Not a test of its own: what the child does. Without the variable it does nothing.
#[test]
fn child_commits_until_it_is_killed() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let mut chain = Chain::new();
    let folder = Folder::create(Path::new(&path)).unwrap();
    let (mut store, begun) = if Store::exists(&folder) {
        (Store::open(&folder, &chain.network(), &Settings::default()).unwrap(), true)
    } else {
        (Store::create(&folder, &chain.network(), &Settings::default()).unwrap(), false)
    };
    if !begun {
        store.begin(&chain.state).unwrap();
        NodeDisk::create(&folder, &chain.network()).unwrap();
    }
    let mut disk = NodeDisk::open(&folder, &chain.network(), store.height()).unwrap();
    let mut say = std::io::stdout();
    for height in 1..=BLOCKS {
        let commit = chain.block(1 + height % 7);
        if height <= store.height().0 {
            continue;
        }
        disk.append_body(Height(height), commit.executed.id(), &commit.body).unwrap();
        disk.append_entry(Height(height), &height.to_be_bytes()).unwrap();
        disk.sync_log().unwrap();
        writeln!(say, "logged {height}").unwrap();
        store.commit(&commit).unwrap();
        disk.forget(Height(height)).unwrap();
        writeln!(say, "committed {height}").unwrap();
    }
    std::process::abort();
}

#[test]
fn a_killed_process_leaves_every_acknowledged_block_and_log_whole() {
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
    println!("seed {seed}");
    let mut random = u64::from(seed) | 1;
    let data = tempfile::tempdir().unwrap();
    let (mut logged, mut committed) = (0, 0);
    let mut kills = 0;
    while committed < BLOCKS && kills < 12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child_commits_until_it_is_killed", "--nocapture"])
            .env(CHILD, data.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let mut lines_left = 2 + random % 60;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            // The harness of the child writes lines of its own, one of them without an end.
            let said = |what: &str| line.split(what).nth(1).and_then(|height| height.parse::<u64>().ok());
            let (log, commit) = (said("logged "), said("committed "));
            logged = log.unwrap_or(logged);
            committed = commit.unwrap_or(committed);
            lines_left -= u64::from(log.or(commit).is_some());
            if lines_left == 0 {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        check(&data, logged, committed);
    }
    println!("{kills} kills, {committed} blocks");
    assert!(kills > 3, "the child was killed {kills} times only");
}

/// Opens what a dead process left and compares it with the chain as it must be.
fn check(data: &tempfile::TempDir, logged: u64, committed: u64) {
    let mut chain = Chain::new();
    let store = match store::open(data, &chain) {
        Ok(store) => store,
        Err(error) => panic!("after {committed} blocks: {error}"),
    };
    let height = store.height();
    assert!(height.0 >= committed, "block {committed} was acknowledged, the store is at {height}");
    let reader = store.reader();
    for at in 1..=height.0 {
        let commit = chain.block(1 + at % 7);
        assert_eq!(reader.block_bytes(Height(at)).unwrap().as_deref(), Some(&*commit.body));
        assert!(reader.receipts(Height(at)).unwrap().is_some());
    }
    assert_eq!(store::state_of(&store, chain.network()).root(), chain.state.root());
    drop((store, reader));
    let folder = Folder::open(data.path()).unwrap();
    let disk = match NodeDisk::open(&folder, &chain.network(), height) {
        Ok(disk) => disk,
        Err(error) => panic!("after {committed} blocks: {error}"),
    };
    let records = disk.read_log().unwrap();
    if logged > height.0 {
        let next = chain.block(1 + logged % 7);
        let body = Logged::Body { height: Height(logged), block: next.executed.id(), bytes: next.body.to_vec() };
        let entry = Logged::Entry { height: Height(logged), entry: logged.to_be_bytes().to_vec() };
        assert_eq!(records, [body, entry], "the log of height {logged} was acknowledged");
    }
}
