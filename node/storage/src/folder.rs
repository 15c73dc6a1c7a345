//! The data folder: used by one process at a time.

use crate::{StorageError, file};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A data folder, locked until the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Folder {
    path: Arc<Path>,
    /// The lock lasts as long as the file is open; the kernel lets go of it when the process dies.
    _lock: Arc<File>,
}

/// Room on the disk that holds a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreeSpace {
    /// Bytes that this process may still write.
    pub available: u64,
    /// Bytes of the whole disk.
    pub total: u64,
}

impl FreeSpace {
    /// Below 5 %: no new transactions are taken in.
    pub const fn is_low(&self) -> bool {
        self.available < self.total / 20
    }
}

impl Folder {
    /// Locks an existing folder.
    ///
    /// # Errors
    /// [`StorageError::Missing`], [`StorageError::Locked`], or what the system says.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        if !path.is_dir() {
            return Err(StorageError::Missing { path: path.display().to_string() });
        }
        let lock_path = path.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.map_err(|error| StorageError::io("opening", &lock_path, &error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.into(), _lock: Arc::new(lock) }),
            Err(TryLockError::WouldBlock) => Err(StorageError::Locked { folder: path.display().to_string() }),
            Err(TryLockError::Error(error)) => Err(StorageError::io("locking", &lock_path, &error)),
        }
    }

    /// Makes the folder with its parents if need be, durable with its name, and locks it.
    ///
    /// # Errors
    /// As [`Folder::open`].
    pub fn create(path: &Path) -> Result<Self, StorageError> {
        fs::create_dir_all(path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => StorageError::Exists { path: path.display().to_string() },
            _ => StorageError::io("creating", path, &error),
        })?;
        match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => file::sync_folder(parent)?,
            _ => {}
        }
        Self::open(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Room that is left.
    ///
    /// # Errors
    /// What the system says.
    pub fn free_space(&self) -> Result<FreeSpace, StorageError> {
        let stat = rustix::fs::statvfs(self.path())
            .map_err(|error| StorageError::io("measuring", self.path(), &std::io::Error::from(error)))?;
        Ok(FreeSpace {
            available: stat.f_bavail.saturating_mul(stat.f_frsize),
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
        })
    }
}
