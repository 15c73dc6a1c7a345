//! Log and sign state of a running node, as the replica asks for them.

use crate::{Folder, SignStateFile, StorageError, log::LogFile, sign_state};
use octroi_consensus::SlotWrite;
use octroi_primitives::{BlockId, Height, NetworkId};
use octroi_replica::{Disk, Logged};
use std::path::PathBuf;

const NAMES: [&str; 2] = ["log.0", "log.1"];

/// The log files and the sign-state file of one data folder.
#[derive(Debug)]
pub struct NodeDisk {
    folder: Folder,
    logs: [LogFile; 2],
    sign_state: Option<SignStateFile>,
    /// Logs of heights up to this one may be written over.
    committed: Height,
    failed: Option<PathBuf>,
}

impl NodeDisk {
    /// Makes the log files of a new node. Like the sign state they are made once: a missing one is damage, never an empty one.
    ///
    /// # Errors
    /// [`StorageError::Exists`], or what the system says.
    pub fn create(folder: &Folder, network: &NetworkId) -> Result<(), StorageError> {
        NAMES.iter().try_for_each(|name| LogFile::create(&folder.file(name), network))
    }

    /// Opens log and sign state beside a store that is at height `committed`. A node without a sign state may open it, but never write it.
    ///
    /// # Errors
    /// Damage, another network, or a log that is further than the store can be: then the store has lost blocks.
    pub fn open(folder: &Folder, network: &NetworkId, committed: Height) -> Result<Self, StorageError> {
        let open = |name: &str| {
            let path = folder.file(name);
            LogFile::open(&path, network, committed).map_err(|error| match error {
                StorageError::Missing { path } => {
                    StorageError::Damaged { place: path, reason: "the file is gone".into() }
                }
                error => error,
            })
        };
        let [first, second] = NAMES;
        let logs = [open(first)?, open(second)?];
        for log in &logs {
            if log.height().0 > committed.0 + 1 {
                return Err(StorageError::Damaged {
                    place: folder.file("store").display().to_string(),
                    reason: format!(
                        "it is at height {committed}, but {} is the log of height {}: blocks that were committed are lost",
                        log.path().display(),
                        log.height()
                    ),
                });
            }
        }
        let sign_state = match SignStateFile::open(folder) {
            Ok(file) => Some(file),
            Err(StorageError::SignStateMissing { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(Self { folder: folder.clone(), logs, sign_state, committed, failed: None })
    }

    /// The file of the sign state, if there is one.
    pub fn sign_state(&self) -> Option<&SignStateFile> {
        self.sign_state.as_ref()
    }

    fn append(&mut self, height: Height, record: &Logged) -> Result<(), StorageError> {
        let log = &mut self.logs[(height.0 % 2) as usize];
        if log.height() != height {
            if log.height() > height || log.height() > self.committed {
                let place = log.path().display().to_string();
                return Err(StorageError::Order { place, expected: log.height(), found: height });
            }
            log.restart(height)?;
        }
        log.append(record);
        Ok(())
    }

    fn usable(&self) -> Result<(), StorageError> {
        match &self.failed {
            None => Ok(()),
            Some(path) => Err(StorageError::GivenUp { place: path.display().to_string() }),
        }
    }
}

impl Disk for NodeDisk {
    type Error = StorageError;

    fn append_entry(&mut self, height: Height, entry: &[u8]) -> Result<(), StorageError> {
        self.append(height, &Logged::Entry { height, entry: entry.to_vec() })
    }

    fn append_body(&mut self, height: Height, block: BlockId, bytes: &[u8]) -> Result<(), StorageError> {
        self.append(height, &Logged::Body { height, block, bytes: bytes.to_vec() })
    }

    fn sync_log(&mut self) -> Result<(), StorageError> {
        self.usable()?;
        let mut order = [0, 1];
        order.sort_by_key(|index| self.logs[*index].height());
        for index in order {
            if let Err(error) = self.logs[index].sync() {
                // After a failed sync nobody knows what is on disk: it is never tried again.
                self.failed = Some(self.logs[index].path().into());
                return Err(error);
            }
        }
        Ok(())
    }

    fn write_sign_state(&mut self, slot: &SlotWrite) -> Result<(), StorageError> {
        let missing =
            || StorageError::SignStateMissing { path: SignStateFile::path(&self.folder).display().to_string() };
        self.sign_state.as_mut().ok_or_else(missing)?.write(slot)
    }

    fn forget(&mut self, committed: Height) -> Result<(), StorageError> {
        self.committed = self.committed.max(committed);
        for log in &mut self.logs {
            if log.height() <= self.committed {
                log.drop_pending();
            }
        }
        Ok(())
    }

    fn read_log(&self) -> Result<Vec<Logged>, StorageError> {
        let mut logs: Vec<&LogFile> = self.logs.iter().filter(|log| log.height() > self.committed).collect();
        logs.sort_by_key(|log| log.height());
        let mut records = Vec::new();
        for log in logs {
            records.extend(log.records()?);
        }
        Ok(records)
    }

    fn read_sign_state(&self) -> Result<Option<Vec<u8>>, StorageError> {
        match &self.sign_state {
            Some(file) => file.read().map(Some),
            None => sign_state::read_if_there(&self.folder),
        }
    }
}
