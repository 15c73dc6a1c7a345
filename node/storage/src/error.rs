//! Faults of disk and files. None of them is the caller's to try again.

use octroi_primitives::{Height, NetworkId, PublicKey};
use octroi_views::ReadFault;
use std::{io, path::Path};

/// Why the disk cannot be used, or cannot be used any more.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Another process holds the folder.
    #[error("data folder {folder} is in use by another process")]
    Locked {
        /// The folder.
        folder: String,
    },
    /// A file or folder that must be there is not.
    #[error("{path} does not exist")]
    Missing {
        /// Which.
        path: String,
    },
    /// A file or folder that is to be created exists.
    #[error("{path} exists already")]
    Exists {
        /// Which.
        path: String,
    },
    /// There is no sign state; `run` never makes one.
    #[error("sign state {path} does not exist; only init, recover and sign-state import create it")]
    SignStateMissing {
        /// Where it should be.
        path: String,
    },
    /// The store belongs to another network.
    #[error("{place} is of network {found}, this node is configured for {expected}")]
    OtherNetwork {
        /// Which file or folder.
        place: String,
        /// Of the genesis that was given.
        expected: NetworkId,
        /// On disk.
        found: NetworkId,
    },
    /// The file belongs to another key.
    #[error("{place} is of key {found}, this node's key is {expected}")]
    OtherKey {
        /// Which file.
        place: String,
        /// Of this node.
        expected: PublicKey,
        /// In the file.
        found: PublicKey,
    },
    /// Written by a program that this one does not understand.
    #[error("{place} has format version {found}, this program reads {expected}")]
    Version {
        /// Which file or folder.
        place: String,
        /// What this program writes.
        expected: u32,
        /// On disk.
        found: u32,
    },
    /// What was read is not what was written.
    #[error("{place} is damaged: {reason}")]
    Damaged {
        /// File, or part of the store.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No room is left.
    #[error("disk full while {doing} {place}")]
    Full {
        /// File, or part of the store.
        place: String,
        /// What failed.
        doing: &'static str,
    },
    /// The system refused; after a failed write or sync nobody knows what is on disk.
    #[error("{doing} {place}: {reason}")]
    Failed {
        /// File, or part of the store.
        place: String,
        /// What failed.
        doing: &'static str,
        /// What the system said.
        reason: String,
    },
    /// An earlier write failed, so nothing is written any more.
    #[error("{place} was given up after a failed write")]
    GivenUp {
        /// File, or part of the store.
        place: String,
    },
    /// The caller's order of heights is wrong: a bug.
    #[error("{place}: height {found} where {expected} was expected")]
    Order {
        /// File, or part of the store.
        place: String,
        /// What could come.
        expected: Height,
        /// What came.
        found: Height,
    },
}

/// What a program does about a fault: each class has its own exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultClass {
    /// Wrong folder, genesis, key or configuration: exit code 3.
    Configuration,
    /// No sign state: exit code 12.
    SignState,
    /// Full, or a write or sync failed: exit code 13. A supervisor must not restart.
    Disk,
    /// Damaged or of another version: exit code 14. A supervisor must not restart.
    Damage,
    /// A bug of this program: exit code 1.
    Bug,
}

impl StorageError {
    /// What to do about it.
    pub const fn class(&self) -> FaultClass {
        match self {
            Self::Locked { .. }
            | Self::Exists { .. }
            | Self::Missing { .. }
            | Self::OtherNetwork { .. }
            | Self::OtherKey { .. } => FaultClass::Configuration,
            Self::SignStateMissing { .. } => FaultClass::SignState,
            Self::Full { .. } | Self::Failed { .. } | Self::GivenUp { .. } => FaultClass::Disk,
            Self::Damaged { .. } | Self::Version { .. } => FaultClass::Damage,
            Self::Order { .. } => FaultClass::Bug,
        }
    }

    /// What the system said of a file.
    pub(crate) fn io(doing: &'static str, path: &Path, error: &io::Error) -> Self {
        let place = path.display().to_string();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { place, doing },
            io::ErrorKind::NotFound => Self::Missing { path: place },
            _ => Self::Failed { place, doing, reason: error.to_string() },
        }
    }

    /// What RocksDB said.
    pub(crate) fn rocks(doing: &'static str, place: impl Into<String>, error: &rocksdb::Error) -> Self {
        let (place, reason) = (place.into(), error.to_string());
        match error.kind() {
            rocksdb::ErrorKind::Corruption => Self::Damaged { place, reason },
            // A table or log that ends early, or a file that the manifest names and that is gone.
            _ if reason.contains("No such file or directory") || reason.contains("does not exist") => {
                Self::Damaged { place, reason }
            }
            _ if reason.contains("No space left on device") || reason.contains("Disk quota exceeded") => {
                Self::Full { place, doing }
            }
            _ => Self::Failed { place, doing, reason },
        }
    }
}

impl From<ReadFault> for StorageError {
    fn from(fault: ReadFault) -> Self {
        match fault {
            ReadFault::Damaged { place, reason } => Self::Damaged { place, reason },
            ReadFault::Failed { place, reason } => Self::Failed { place, doing: "reading", reason },
        }
    }
}

impl From<StorageError> for ReadFault {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Damaged { place, reason } => Self::Damaged { place, reason },
            StorageError::Failed { place, doing: _, reason } => Self::Failed { place, reason },
            other => Self::Failed { place: "store".into(), reason: other.to_string() },
        }
    }
}
