//! The sign-state file: made once, never made again, written in place.

use octroi_consensus::{Guard, SIGN_STATE_BYTES, SLOT_BYTES, SLOT_OFFSETS, SignState, Step};
use octroi_primitives::*;
use octroi_replica::Disk as _;
use octroi_storage::{FaultClass, Folder, NodeDisk, SignStateFile, SlotHealth, StorageError};

fn key() -> SecretKey {
    SecretKey::from_seed([9; 32])
}

fn network() -> NetworkId {
    NetworkId::from_bytes([5; 32])
}

#[test]
fn a_missing_sign_state_is_an_error_of_its_own_and_no_file_appears() {
    let data = tempfile::tempdir().unwrap();
    let folder = Folder::open(data.path()).unwrap();
    let error = SignStateFile::open(&folder).unwrap_err();
    assert!(matches!(error, StorageError::SignStateMissing { .. }));
    assert_eq!(error.class(), FaultClass::SignState);
    assert!(!SignStateFile::path(&folder).exists());
}

#[test]
fn a_sign_state_is_never_replaced_by_an_empty_one() {
    let data = tempfile::tempdir().unwrap();
    let folder = Folder::open(data.path()).unwrap();
    let state = SignState::new(network(), key().public());
    SignStateFile::create(&folder, &state).unwrap();
    assert!(matches!(SignStateFile::create(&folder, &state), Err(StorageError::Exists { .. })));
}

#[test]
fn what_was_signed_is_there_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let folder = Folder::open(data.path()).unwrap();
    SignStateFile::create(&folder, &SignState::new(network(), key().public())).unwrap();
    NodeDisk::create(&folder, &network()).unwrap();
    let last = sign_some(&folder, 5);
    let disk = NodeDisk::open(&folder, &network(), Height(0)).unwrap();
    let (state, health) = disk.sign_state().unwrap().load(&network(), &key().public()).unwrap();
    assert_eq!(health, SlotHealth::Whole);
    assert_eq!(state.last().map(|signed| signed.height), Some(Height(5)));
    assert_eq!(state, last);
}

/// Signs one thing at each height up to `heights` and writes every slot.
fn sign_some(folder: &Folder, heights: u64) -> SignState {
    let mut disk = NodeDisk::open(folder, &network(), Height(0)).unwrap();
    let (state, _) = disk.sign_state().unwrap().load(&network(), &key().public()).unwrap();
    let mut guard = Guard::new(key(), state).unwrap();
    for height in 1..=heights {
        guard.sign(Height(height), Round(0), Step::Prevote, format!("vote {height}").into_bytes());
        if let Some(slot) = guard.take_write() {
            disk.write_sign_state(&slot).unwrap();
        }
    }
    guard.state().clone()
}

#[test]
fn every_flipped_bit_of_a_slot_is_reported_and_both_slots_damaged_name_the_file() {
    let data = tempfile::tempdir().unwrap();
    let folder = Folder::open(data.path()).unwrap();
    SignStateFile::create(&folder, &SignState::new(network(), key().public())).unwrap();
    NodeDisk::create(&folder, &network()).unwrap();
    let last = sign_some(&folder, 4);
    let path = SignStateFile::path(&folder);
    let good = std::fs::read(&path).unwrap();
    for (number, offset) in SLOT_OFFSETS.into_iter().enumerate() {
        for byte in (0..SLOT_BYTES).step_by(3) {
            let mut bad = good.clone();
            bad[offset + byte] ^= 1 << (byte % 8);
            std::fs::write(&path, &bad).unwrap();
            let (state, health) = SignStateFile::open(&folder).unwrap().load(&network(), &key().public()).unwrap();
            assert_eq!(health, SlotHealth::OneDamaged { offset }, "slot {number}, byte {byte}");
            let heights = (state.last().unwrap().height.0, last.last().unwrap().height.0);
            assert!(heights.0 + 1 >= heights.1, "at most the last thing signed is lost: {heights:?}");
        }
    }
    let mut bad = good.clone();
    SLOT_OFFSETS.iter().for_each(|offset| bad[offset + 20] ^= 1);
    std::fs::write(&path, &bad).unwrap();
    let error = SignStateFile::open(&folder).unwrap().load(&network(), &key().public()).unwrap_err();
    assert_eq!(error.class(), FaultClass::Damage);
    assert!(error.to_string().contains("sign-state"), "{error}");
    std::fs::write(&path, &good[..SIGN_STATE_BYTES - 1]).unwrap();
    let error = SignStateFile::open(&folder).unwrap().load(&network(), &key().public()).unwrap_err();
    assert!(error.to_string().contains("sign-state"), "{error}");
}

#[test]
fn a_sign_state_of_another_network_is_refused_naming_both() {
    let data = tempfile::tempdir().unwrap();
    let folder = Folder::open(data.path()).unwrap();
    let file = SignStateFile::create(&folder, &SignState::new(network(), key().public())).unwrap();
    let other = NetworkId::from_bytes([6; 32]);
    let error = file.load(&other, &key().public()).unwrap_err();
    assert!(matches!(error, StorageError::OtherNetwork { .. }));
    assert_eq!(error.class(), FaultClass::Configuration);
    let stranger = SecretKey::from_seed([10; 32]).public();
    let error = file.load(&network(), &stranger).unwrap_err();
    assert!(matches!(error, StorageError::OtherKey { .. }));
    assert_eq!(error.class(), FaultClass::Configuration);
}

#[test]
fn an_imported_state_replaces_both_slots() {
    let data = tempfile::tempdir().unwrap();
    let folder = Folder::open(data.path()).unwrap();
    SignStateFile::create(&folder, &SignState::new(network(), key().public())).unwrap();
    NodeDisk::create(&folder, &network()).unwrap();
    let signed = sign_some(&folder, 3);
    let elsewhere = tempfile::tempdir().unwrap();
    let folder = Folder::open(elsewhere.path()).unwrap();
    let empty = SignState::new(network(), key().public());
    let mut file = SignStateFile::create(&folder, &empty).unwrap();
    file.replace(&empty.maximum(signed.clone())).unwrap();
    let (state, health) = SignStateFile::open(&folder).unwrap().load(&network(), &key().public()).unwrap();
    assert_eq!(health, SlotHealth::Whole);
    assert_eq!(state.last(), signed.last());
}
