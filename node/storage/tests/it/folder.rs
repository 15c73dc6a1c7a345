//! One process at a time, and how much room there is.

use octroi_storage::{FaultClass, Folder, StorageError};

#[test]
fn a_folder_in_use_is_refused_and_free_again_when_it_is_dropped() {
    let data = tempfile::tempdir().unwrap();
    let first = Folder::open(data.path()).unwrap();
    let clone = first.clone();
    drop(first);
    let error = Folder::open(data.path()).unwrap_err();
    assert!(matches!(error, StorageError::Locked { .. }));
    assert_eq!(error.class(), FaultClass::Configuration);
    assert!(error.to_string().contains(&data.path().display().to_string()));
    drop(clone);
    Folder::open(data.path()).unwrap();
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("absent");
    let error = Folder::open(&path).unwrap_err();
    assert_eq!(error.to_string(), format!("{} does not exist", path.display()));
    Folder::create(&path.join("deeper")).unwrap();
}

#[test]
fn free_space_is_what_the_system_says() {
    let data = tempfile::tempdir().unwrap();
    let space = Folder::open(data.path()).unwrap().free_space().unwrap();
    assert!(space.available <= space.total && space.total > 0);
}
