//! The data folder: made by `init`, opened by `run`, and the sign state's way in and out.

use crate::exit::{Exit, Stop};
use octroi_consensus::SignState;
use octroi_ledger::Genesis;
use octroi_primitives::{NetworkId, PublicKey};
use octroi_replica::Store as _;
use octroi_storage::{FaultClass, Folder, NodeDisk, Settings, SignStateFile, StorageError, Store};
use std::path::Path;

/// What to do about damage. A validator that begins anew with an old or empty sign state could sign twice.
pub const DAMAGED: &str = "nothing is repaired in silence: keep this folder, take its sign state out with 'octroid sign-state export' if it can be read, \
                           and make the node anew from its peers with that sign state; without it a validator needs a new consensus key";

impl From<StorageError> for Stop {
    fn from(error: StorageError) -> Self {
        let exit = match error.class() {
            FaultClass::Configuration => Exit::Config,
            FaultClass::SignState => Exit::SignState,
            FaultClass::Disk => Exit::Disk,
            FaultClass::Damage => Exit::Damaged,
            FaultClass::Bug => Exit::Unexpected,
        };
        let stop = Self::new(exit, &error);
        match &error {
            StorageError::Locked { .. } => stop.hint("another octroid runs on this folder; stop it first"),
            StorageError::Missing { .. } => stop.hint("make the node's folder with 'octroid init'"),
            StorageError::Exists { .. } => stop.hint("nothing was overwritten"),
            StorageError::SignStateMissing { .. } => stop.hint(
                "without it this node could sign twice: take it in with 'octroid sign-state import', never make it anew for a key that has signed",
            ),
            StorageError::OtherNetwork { .. } => stop.hint("the genesis file is not the one this data folder was made with"),
            StorageError::OtherKey { .. } => stop.hint("name the consensus key that this data folder was made with"),
            StorageError::Full { .. } => stop.hint("make room on this disk, then start the node again; nothing was lost"),
            StorageError::Damaged { .. } | StorageError::Version { .. } => {
                stop.hint(DAMAGED)
            }
            StorageError::Failed { .. } | StorageError::GivenUp { .. } => stop.hint("check the disk before starting again"),
            StorageError::Order { .. } => stop,
        }
    }
}

/// Makes the data folder of a new node: store with the genesis state, log, and, for a validator, the sign state.
pub fn create(path: &Path, genesis: &Genesis, consensus: Option<PublicKey>) -> Result<(), Stop> {
    let network = genesis.network();
    let state = genesis.state().map_err(Stop::config)?;
    let folder = Folder::create(path)?;
    let mut store = Store::create(&folder, &network, &Settings::default())?;
    store.begin(&state)?;
    NodeDisk::create(&folder, &network)?;
    if let Some(key) = consensus {
        SignStateFile::create(&folder, &SignState::new(network, key))?;
    }
    Ok(())
}

/// Opens store and disk of a node.
pub fn open(path: &Path, network: &NetworkId) -> Result<(Folder, Store, NodeDisk), Stop> {
    let folder = Folder::open(path)?;
    let store = Store::open(&folder, network, &Settings::default())?;
    let disk = NodeDisk::open(&folder, network, store.height())?;
    Ok((folder, store, disk))
}

/// The sign state of a stopped node.
pub fn read_sign_state(path: &Path, network: &NetworkId, key: &PublicKey) -> Result<SignState, Stop> {
    let folder = Folder::open(path)?;
    Ok(SignStateFile::open(&folder)?.load(network, key)?.0)
}

/// Takes in a sign state; the higher of the two stays.
pub fn import_sign_state(path: &Path, network: &NetworkId, key: &PublicKey, state: SignState) -> Result<(), Stop> {
    let folder = Folder::open(path)?;
    match SignStateFile::open(&folder) {
        Ok(mut file) => {
            let here = file.load(network, key)?.0;
            Ok(file.replace(&here.maximum(state))?)
        }
        Err(StorageError::SignStateMissing { .. }) => {
            SignStateFile::create(&folder, &state)?;
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
