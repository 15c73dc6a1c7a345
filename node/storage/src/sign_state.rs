//! The file of the sign state: made once, written in place, synced before a signature leaves.
//!
//! Its slots are octroi-consensus'; this file knows only where they stand.

use crate::{Folder, StorageError, file};
use octroi_consensus::{SIGN_STATE_BYTES, SLOT_BYTES, SLOT_OFFSETS, SignState, SignStateError, SlotWrite};
use octroi_primitives::{NetworkId, PublicKey};
use std::{fs::File, io::ErrorKind, path::PathBuf};

const NAME: &str = "sign-state";

/// The file, open for writing slots.
#[derive(Debug)]
pub struct SignStateFile {
    file: File,
    path: PathBuf,
    failed: bool,
}

/// What a look at both slots shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotHealth {
    /// Both are whole.
    Whole,
    /// One is damaged: a write was torn, or the disk lost it. The log covers what it may have held; to be reported, and gone with the next write.
    OneDamaged {
        /// Its offset in the file.
        offset: usize,
    },
}

impl SignStateFile {
    /// Creates the file of a key. Only `init`, `recover` and `sign-state import` may.
    ///
    /// # Errors
    /// [`StorageError::Exists`]: a sign state is never replaced by an empty one.
    pub fn create(folder: &Folder, state: &SignState) -> Result<Self, StorageError> {
        let path = folder.file(NAME);
        Ok(Self { file: file::create(&path, &state.file())?, path, failed: false })
    }

    /// Opens the file.
    ///
    /// # Errors
    /// [`StorageError::SignStateMissing`], or what the system says.
    pub fn open(folder: &Folder) -> Result<Self, StorageError> {
        let path = folder.file(NAME);
        match file::open(&path) {
            Ok(file) => Ok(Self { file, path, failed: false }),
            Err(StorageError::Missing { path }) => Err(StorageError::SignStateMissing { path }),
            Err(error) => Err(error),
        }
    }

    /// Where a folder keeps it.
    pub fn path(folder: &Folder) -> PathBuf {
        folder.file(NAME)
    }

    /// The whole file.
    ///
    /// # Errors
    /// What the system says; a file of another length is damaged.
    pub fn read(&self) -> Result<Vec<u8>, StorageError> {
        let length = self.file.metadata().map_err(|error| StorageError::io("reading", &self.path, &error))?.len();
        if length != SIGN_STATE_BYTES as u64 {
            let reason = SignStateError::Length(usize::try_from(length).unwrap_or(usize::MAX)).to_string();
            return Err(StorageError::Damaged { place: self.path.display().to_string(), reason });
        }
        file::read_at(&self.file, &self.path, 0, SIGN_STATE_BYTES)
    }

    /// Reads and checks the state of this key on this network, and says how its slots are.
    ///
    /// # Errors
    /// [`StorageError::Damaged`] when neither slot is whole, [`StorageError::OtherNetwork`], [`StorageError::OtherKey`].
    pub fn load(&self, network: &NetworkId, key: &PublicKey) -> Result<(SignState, SlotHealth), StorageError> {
        let bytes = self.read()?;
        let place = self.path.display().to_string();
        let state = SignState::read(&bytes, network, key).map_err(|error| match error {
            SignStateError::OtherNetwork(found) => {
                StorageError::OtherNetwork { place: place.clone(), expected: *network, found }
            }
            SignStateError::OtherKey(found) => StorageError::OtherKey { place: place.clone(), expected: *key, found },
            error @ (SignStateError::Length(_) | SignStateError::Damaged | SignStateError::StoreBehind { .. }) => {
                StorageError::Damaged { place: place.clone(), reason: error.to_string() }
            }
        })?;
        Ok((state, health(&bytes, network, key)))
    }

    /// Writes a slot in place; durable when it returns.
    ///
    /// # Errors
    /// What the system says; after that the file is given up.
    pub fn write(&mut self, slot: &SlotWrite) -> Result<(), StorageError> {
        let SlotWrite { offset, bytes } = slot;
        if self.failed {
            return Err(StorageError::GivenUp { place: self.path.display().to_string() });
        }
        assert!(SLOT_OFFSETS.contains(offset) && bytes.len() == SLOT_BYTES, "a slot has its place and length");
        self.failed = true;
        file::write_at(&self.file, &self.path, *offset as u64, bytes)?;
        file::sync(&self.file, &self.path)?;
        self.failed = false;
        Ok(())
    }

    /// Replaces the content by another state of the same key, for `sign-state import`: the maximum of both, which the caller has made.
    ///
    /// # Errors
    /// What the system says.
    pub fn replace(&mut self, state: &SignState) -> Result<(), StorageError> {
        let bytes = state.file();
        // One slot after the other, so that a torn write leaves one.
        for offset in SLOT_OFFSETS {
            self.write(&SlotWrite { offset, bytes: bytes[offset..offset + SLOT_BYTES].to_vec() })?;
        }
        Ok(())
    }
}

/// A slot is whole if the file can be read with the other one blanked.
fn health(bytes: &[u8], network: &NetworkId, key: &PublicKey) -> SlotHealth {
    let [first, second] = SLOT_OFFSETS;
    for (offset, other) in [(first, second), (second, first)] {
        let mut alone = bytes.to_vec();
        alone[other..other + SLOT_BYTES].fill(0);
        if SignState::read(&alone, network, key).is_err() {
            return SlotHealth::OneDamaged { offset };
        }
    }
    SlotHealth::Whole
}

/// Whole file of a folder, `None` if there is none.
pub(crate) fn read_if_there(folder: &Folder) -> Result<Option<Vec<u8>>, StorageError> {
    let path = folder.file(NAME);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StorageError::io("reading", &path, &error)),
    }
}
