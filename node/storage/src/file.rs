//! The few things done to plain files, with errors that name them.

use crate::StorageError;
use std::{
    fs::{File, OpenOptions},
    io::ErrorKind,
    os::unix::fs::FileExt as _,
    path::Path,
};

/// Makes a new file of these bytes, durable with its name.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> Result<File, StorageError> {
    let file =
        OpenOptions::new().read(true).write(true).create_new(true).open(path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => StorageError::Exists { path: path.display().to_string() },
            _ => StorageError::io("creating", path, &error),
        })?;
    write_at(&file, path, 0, bytes)?;
    file.sync_all().map_err(|error| StorageError::io("syncing", path, &error))?;
    sync_folder(path.parent().expect("a file stands in a folder"))?;
    Ok(file)
}

pub(crate) fn open(path: &Path) -> Result<File, StorageError> {
    OpenOptions::new().read(true).write(true).open(path).map_err(|error| StorageError::io("opening", path, &error))
}

pub(crate) fn write_at(file: &File, path: &Path, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
    file.write_all_at(bytes, offset).map_err(|error| StorageError::io("writing", path, &error))
}

pub(crate) fn read_at(file: &File, path: &Path, offset: u64, length: usize) -> Result<Vec<u8>, StorageError> {
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, offset).map_err(|error| StorageError::io("reading", path, &error))?;
    Ok(bytes)
}

/// Content, and what is needed to find it again.
pub(crate) fn sync(file: &File, path: &Path) -> Result<(), StorageError> {
    file.sync_data().map_err(|error| StorageError::io("syncing", path, &error))
}

/// Names in a folder.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), StorageError> {
    let open = File::open(folder).map_err(|error| StorageError::io("opening", folder, &error))?;
    open.sync_all().map_err(|error| StorageError::io("syncing", folder, &error))
}
