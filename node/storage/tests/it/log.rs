//! The log of the height under way: what was synced is there, a torn write at the end is not, and damage is noticed.

use octroi_primitives::*;
use octroi_replica::{Disk as _, Logged};
use octroi_storage::{FaultClass, Folder, NodeDisk, StorageError};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const PAGE: usize = 4096;

fn network() -> NetworkId {
    NetworkId::from_bytes([5; 32])
}

fn new() -> (TempDir, Folder) {
    let data = tempfile::tempdir().unwrap();
    let folder = Folder::open(data.path()).unwrap();
    NodeDisk::create(&folder, &network()).unwrap();
    (data, folder)
}

fn open(folder: &Folder, committed: u64) -> Result<NodeDisk, StorageError> {
    NodeDisk::open(folder, &network(), Height(committed))
}

fn file_of(data: &TempDir, height: u64) -> PathBuf {
    data.path().join(format!("log.{}", height % 2))
}

fn entry(height: u64, number: u8, length: usize) -> Logged {
    Logged::Entry { height: Height(height), entry: vec![number; length] }
}

fn append(disk: &mut NodeDisk, record: &Logged) {
    match record {
        Logged::Entry { height, entry } => disk.append_entry(*height, entry).unwrap(),
        Logged::Body { height, block, bytes } => disk.append_body(*height, *block, bytes).unwrap(),
    }
}

/// Three frames of a height: small, large with a body, small.
fn write_height(disk: &mut NodeDisk, height: u64) -> Vec<Vec<Logged>> {
    let body = Logged::Body { height: Height(height), block: BlockId::from_bytes([7; 32]), bytes: vec![8; 10_000] };
    let frames = vec![
        vec![entry(height, 1, 100)],
        vec![body, entry(height, 2, 50)],
        vec![entry(height, 3, 0), entry(height, 4, 9)],
    ];
    for frame in &frames {
        frame.iter().for_each(|record| append(disk, record));
        disk.sync_log().unwrap();
    }
    frames
}

#[test]
fn synced_records_come_back_in_order_and_unsynced_ones_do_not() {
    let (_data, folder) = new();
    let mut disk = open(&folder, 0).unwrap();
    let frames = write_height(&mut disk, 1);
    append(&mut disk, &entry(1, 9, 9));
    drop(disk);
    let disk = open(&folder, 0).unwrap();
    assert_eq!(disk.read_log().unwrap(), frames.concat());
}

#[test]
fn a_reopened_log_goes_on_where_it_ended() {
    let (_data, folder) = new();
    let mut all = write_height(&mut open(&folder, 0).unwrap(), 1).concat();
    let mut disk = open(&folder, 0).unwrap();
    append(&mut disk, &entry(1, 5, 5));
    disk.sync_log().unwrap();
    all.push(entry(1, 5, 5));
    assert_eq!(disk.read_log().unwrap(), all);
    drop(disk);
    assert_eq!(open(&folder, 0).unwrap().read_log().unwrap(), all);
}

#[test]
fn logs_of_committed_heights_are_gone_and_their_files_are_used_again() {
    let (data, folder) = new();
    let mut disk = open(&folder, 0).unwrap();
    for height in 1..=9 {
        let frames = write_height(&mut disk, height);
        assert_eq!(disk.read_log().unwrap(), frames.concat());
        disk.forget(Height(height)).unwrap();
        assert_eq!(disk.read_log().unwrap(), []);
    }
    drop(disk);
    assert_eq!(open(&folder, 9).unwrap().read_log().unwrap(), []);
    // The crash came before height 9 was in the store: its log is still whole.
    assert_eq!(open(&folder, 8).unwrap().read_log().unwrap().len(), 5);
    let length: u64 = (1..=2).map(|height| std::fs::metadata(file_of(&data, height)).unwrap().len()).sum();
    assert_eq!(length, 2 << 20, "files keep the length they were made with");
}

#[test]
fn a_log_that_is_further_than_the_store_can_be_names_the_store() {
    let (_data, folder) = new();
    let mut disk = open(&folder, 0).unwrap();
    for height in 1..=4 {
        write_height(&mut disk, height);
        disk.forget(Height(height)).unwrap();
    }
    drop(disk);
    let error = open(&folder, 2).unwrap_err();
    assert_eq!(error.class(), FaultClass::Damage);
    assert!(error.to_string().contains("store is damaged: it is at height 2"), "{error}");
}

#[test]
fn a_height_may_not_write_over_one_that_is_not_committed() {
    let (_data, folder) = new();
    let mut disk = open(&folder, 0).unwrap();
    write_height(&mut disk, 1);
    assert!(matches!(disk.append_entry(Height(3), b"x"), Err(StorageError::Order { .. })));
}

/// Writes a prefix of every length of the frame that `frames` names, as power loss may leave it, and something else behind.
fn torn(path: &Path, good: &[u8], from: usize, to: usize, mut check: impl FnMut(usize)) {
    for cut in (from..to).step_by(97).chain([from, to - 1]) {
        for rest in [0, 0xa5] {
            let mut bad = good.to_vec();
            bad[cut..to].fill(rest);
            std::fs::write(path, &bad).unwrap();
            check(cut);
        }
    }
}

/// Offsets of the frames in the file of a height: ends of the three frames that [`write_height`] makes.
const ENDS: [usize; 4] = [PAGE, 2 * PAGE, 5 * PAGE, 6 * PAGE];

#[test]
fn a_torn_write_at_the_end_loses_that_frame_alone_and_the_log_goes_on() {
    let (data, folder) = new();
    let frames = write_height(&mut open(&folder, 0).unwrap(), 1);
    let path = file_of(&data, 1);
    let good = std::fs::read(&path).unwrap();
    // The last frame holds 24 bytes of head and 19 of records; what lies behind them in its page is padding.
    torn(&path, &good, ENDS[2], ENDS[2] + 43, |cut| {
        let mut disk = open(&folder, 0).unwrap();
        let left = disk.read_log().unwrap();
        assert_eq!(left, frames[..2].concat(), "cut at {cut}");
        append(&mut disk, &entry(1, 6, 6));
        disk.sync_log().unwrap();
        drop(disk);
        assert_eq!(open(&folder, 0).unwrap().read_log().unwrap(), [left, vec![entry(1, 6, 6)]].concat());
    });
}

#[test]
fn a_torn_first_write_of_a_height_is_no_damage_though_old_frames_stand_behind() {
    let (data, folder) = new();
    let mut disk = open(&folder, 0).unwrap();
    for height in 1..=2 {
        write_height(&mut disk, height);
        disk.forget(Height(height)).unwrap();
    }
    append(&mut disk, &entry(3, 1, 6000));
    disk.sync_log().unwrap();
    drop(disk);
    let path = file_of(&data, 3);
    let good = std::fs::read(&path).unwrap();
    torn(&path, &good, PAGE, PAGE + 6000, |cut| {
        assert_eq!(open(&folder, 2).unwrap().read_log().unwrap(), [], "cut at {cut}");
    });
}

#[test]
fn every_flipped_byte_before_the_last_frame_names_file_and_offset() {
    let (data, folder) = new();
    let frames = write_height(&mut open(&folder, 0).unwrap(), 1);
    let path = file_of(&data, 1);
    let good = std::fs::read(&path).unwrap();
    // Bytes that mean something: the file's head, and head and payload of the first two frames.
    let used = (0..PAGE).chain(PAGE..PAGE + 24 + 105).chain((2 * PAGE..2 * PAGE + 24 + 10_092).step_by(31));
    for at in used {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        std::fs::write(&path, &bad).unwrap();
        let error = open(&folder, 0).err().unwrap_or_else(|| panic!("a flip at {at} is silent"));
        assert_eq!(error.class(), FaultClass::Damage, "{at}: {error}");
        assert!(error.to_string().contains(&path.display().to_string()), "{at}: {error}");
    }
    // Padding means nothing.
    let mut bad = good.clone();
    bad[PAGE + 24 + 105] ^= 1;
    std::fs::write(&path, &bad).unwrap();
    assert_eq!(open(&folder, 0).unwrap().read_log().unwrap(), frames.concat());
}

#[test]
fn a_missing_cut_or_foreign_file_is_named() {
    let (data, folder) = new();
    write_height(&mut open(&folder, 0).unwrap(), 1);
    let path = file_of(&data, 1);
    let good = std::fs::read(&path).unwrap();
    let named = |error: StorageError, class| {
        assert_eq!(error.class(), class, "{error}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    };
    let foreign = NodeDisk::open(&folder, &NetworkId::from_bytes([6; 32]), Height(0)).unwrap_err();
    assert_eq!(foreign.class(), FaultClass::Configuration);
    assert!(foreign.to_string().contains("log.0"), "{foreign}");
    std::fs::write(&path, &good[..PAGE]).unwrap();
    named(open(&folder, 0).unwrap_err(), FaultClass::Damage);
    std::fs::remove_file(&path).unwrap();
    named(open(&folder, 0).unwrap_err(), FaultClass::Damage);
    assert!(matches!(NodeDisk::create(&folder, &network()), Err(StorageError::Exists { .. })));
}

#[test]
fn bytes_in_a_body_never_pass_for_a_frame() {
    let (data, folder) = new();
    let mut disk = open(&folder, 0).unwrap();
    write_height(&mut disk, 1);
    drop(disk);
    // A later frame of the same height, copied from a file with another salt, page by page into a body.
    let (other_data, other) = new();
    write_height(&mut open(&other, 0).unwrap(), 1);
    let foreign = std::fs::read(file_of(&other_data, 1)).unwrap();
    let path = file_of(&data, 1);
    let mut mixed = std::fs::read(&path).unwrap();
    mixed[ENDS[3]..ENDS[3] + PAGE].copy_from_slice(&foreign[ENDS[2]..ENDS[3]]);
    std::fs::write(&path, &mixed).unwrap();
    assert_eq!(open(&folder, 0).unwrap().read_log().unwrap().len(), 5);
}

#[test]
fn a_file_that_grew_is_cut_back_before_its_next_height() {
    let (data, folder) = new();
    let mut disk = open(&folder, 0).unwrap();
    for block in 0..9 {
        disk.append_body(Height(1), BlockId::from_bytes([block; 32]), &vec![block; 2 << 20]).unwrap();
        disk.sync_log().unwrap();
    }
    assert!(std::fs::metadata(file_of(&data, 1)).unwrap().len() > 18 << 20);
    drop(disk);
    let mut disk = open(&folder, 0).unwrap();
    assert_eq!(disk.read_log().unwrap().len(), 9);
    disk.forget(Height(1)).unwrap();
    write_height(&mut disk, 3);
    assert_eq!(std::fs::metadata(file_of(&data, 1)).unwrap().len(), 1 << 20);
}
