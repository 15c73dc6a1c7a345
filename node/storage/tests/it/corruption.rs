//! One flipped byte anywhere in the files of a node: an error that names where, or nothing lost. Never another answer.

use crate::{chain::Chain, store};
use octroi_ledger::{State, history::RecordRef, registry::organisation::Organisation};
use octroi_primitives::*;
use octroi_replica::{Disk as _, Loaded, Store as _};
use octroi_storage::{FaultClass, Folder, NodeDisk, Settings, StorageError, Store};
use octroi_views::{Blocks as _, Order, Page, lists, lists::List, stories, transactions};
use std::path::{Path, PathBuf};

/// Everything a node reads, in one value that two runs can compare.
#[derive(Debug, PartialEq)]
struct Everything {
    root: Hash,
    blocks: Vec<(Vec<u8>, Vec<u8>)>,
    views: Vec<Vec<u8>>,
    log: usize,
}

/// Opens a folder as `run` does and reads all of it.
fn read(path: &Path, chain: &Chain) -> Result<Everything, StorageError> {
    let folder = Folder::open(path)?;
    let store = Store::open(&folder, &chain.network(), &Settings::default())?;
    let disk = NodeDisk::open(&folder, &chain.network(), store.height())?;
    let Loaded { head, rows, seen, .. } =
        store.load()?.ok_or(StorageError::Damaged { place: "store".into(), reason: "there is no head".into() })?;
    let state = State::load(chain.network(), head, rows, seen)
        .map_err(|error| StorageError::Damaged { place: "store".into(), reason: error.to_string() })?;
    let reader = store.reader();
    let mut blocks = Vec::new();
    let mut views = Vec::new();
    let gone = |what: &str| StorageError::Damaged { place: "store".into(), reason: format!("no {what}") };
    for height in 1..=store.height().0 {
        let block = reader.block_bytes(Height(height))?.ok_or_else(|| gone("block"))?;
        let receipts = reader.receipts(Height(height))?.ok_or_else(|| gone("receipts"))?;
        for receipt in &receipts {
            let located = transactions::locate(&reader, Height(height), &receipt.transaction)?;
            views.push(format!("{located:?}").into_bytes());
        }
        let bytes = reader.receipts_bytes(Height(height))?.ok_or_else(|| gone("receipts"))?;
        reader.certificate(Height(height))?.ok_or_else(|| gone("certificate"))?;
        blocks.push((block, bytes));
    }
    let page = Page::first(store.height(), usize::MAX);
    let fault = |error: octroi_views::ViewError| match error {
        octroi_views::ViewError::Fault(fault) => StorageError::from(fault),
        other => panic!("no token was given: {other}"),
    };
    let list = List::PromisesOfFunder(chain.funder());
    let listed = lists::list::<PromiseId>(&reader, &list, &page, Order::Ascending).map_err(fault)?;
    views.push(format!("{listed:?}").into_bytes());
    let funder = RecordRef::of::<Organisation>(&chain.funder());
    views.push(format!("{:?}", stories::story(&reader, &funder, &page, Order::Ascending).map_err(fault)?).into_bytes());
    Ok(Everything { root: state.root(), blocks, views, log: disk.read_log()?.len() })
}

/// A node's folder: part of the chain in tables, the rest in RocksDB's log, and the log of the next height begun.
fn node() -> (tempfile::TempDir, Chain) {
    let mut chain = Chain::new();
    let (data, mut store) = store::create(&chain);
    for _ in 0..12 {
        store.commit(&chain.block(9)).unwrap();
    }
    store.reader().compact().unwrap();
    for _ in 0..5 {
        store.commit(&chain.block(9)).unwrap();
    }
    drop(store);
    let folder = Folder::open(data.path()).unwrap();
    NodeDisk::create(&folder, &chain.network()).unwrap();
    let mut disk = NodeDisk::open(&folder, &chain.network(), chain.height()).unwrap();
    disk.append_entry(Height(18), b"a vote").unwrap();
    disk.sync_log().unwrap();
    (data, chain)
}

fn files(path: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(path.join("store"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target)
        } else {
            let _ = std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// So many offsets, spread over a file from its first byte to its last.
fn offsets(length: usize, count: usize) -> impl Iterator<Item = usize> {
    let count = count.clamp(2, length.max(2));
    (0..count).map(move |step| (length - 1) * step / (count - 1))
}

/// `OCTROI_INJECTIONS` sets how many bytes of each file are flipped, one at a time; long runs take a thousand.
#[test]
fn a_flipped_byte_in_any_file_of_the_store_is_an_error_that_names_the_place_or_changes_nothing() {
    let (data, chain) = node();
    let good = read(data.path(), &chain).unwrap();
    // Reading changes files (RocksDB starts a new log each time), so that every injection works on a copy of one folder.
    let frozen = tempfile::tempdir().unwrap();
    copy(data.path(), frozen.path());
    let injections =
        std::env::var("OCTROI_INJECTIONS").map_or(23, |count| count.parse().expect("a number of injections a file"));
    let (mut refused, mut unchanged) = (0, 0);
    for file in files(frozen.path()) {
        let length = std::fs::metadata(&file).unwrap().len() as usize;
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        if length == 0 || name == "LOCK" {
            continue;
        }
        for at in offsets(length, injections) {
            let copied = tempfile::tempdir().unwrap();
            copy(frozen.path(), copied.path());
            let target = copied.path().join("store").join(&name);
            let mut bytes = std::fs::read(&target).unwrap();
            bytes[at] ^= 1 << (at % 8);
            std::fs::write(&target, bytes).unwrap();
            match read(copied.path(), &chain) {
                Ok(everything) => {
                    assert!(everything == good, "a flip in {name} at {at} of {length} is silent");
                    unchanged += 1;
                }
                Err(error) => {
                    assert_eq!(error.class(), FaultClass::Damage, "{name} at {at}: {error}");
                    assert!(error.to_string().contains("store"), "{name} at {at}: {error}");
                    refused += 1;
                }
            }
        }
    }
    println!("{refused} refused, {unchanged} changed nothing");
    assert!(refused > 100, "{refused} refused, {unchanged} changed nothing");
}

#[test]
fn a_missing_table_log_or_manifest_is_an_error_that_names_the_store() {
    let (data, chain) = node();
    for kind in [".sst", ".log", "MANIFEST", "CURRENT"] {
        let copied = tempfile::tempdir().unwrap();
        copy(data.path(), copied.path());
        let found: Vec<PathBuf> = files(copied.path())
            .into_iter()
            .filter(|path| path.file_name().unwrap().to_str().unwrap().contains(kind))
            .filter(|path| std::fs::metadata(path).unwrap().len() > 0)
            .collect();
        let gone = found.last().unwrap_or_else(|| panic!("there is no {kind}"));
        std::fs::remove_file(gone).unwrap();
        let error = read(copied.path(), &chain).err().unwrap_or_else(|| panic!("a missing {kind} is silent"));
        assert_eq!(error.class(), FaultClass::Damage, "{kind}: {error}");
        assert!(error.to_string().contains("store"), "{kind}: {error}");
    }
}
