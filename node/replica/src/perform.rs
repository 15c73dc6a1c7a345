//! Performs outputs in order: the one place where writes and what waits for them meet, shared by all hosts.

use crate::{
    output::{Action, Output},
    store::{Disk, Store},
};
use octroi_consensus::SlotWrite;

/// A write failed: the node stops.
#[derive(Debug, thiserror::Error)]
pub enum PerformError<S: std::error::Error, D: std::error::Error> {
    /// Of the committed chain.
    #[error("store: {0}")]
    Store(S),
    /// Of log or sign state.
    #[error("disk: {0}")]
    Disk(D),
}

/// Performs `outputs` in order and hands every action to `act` once everything before it is durable. Returns how many syncs of log and sign state
/// it took.
///
/// # Errors
/// The first write that failed; nothing after it was performed, and nothing may be performed after it.
pub fn perform<S: Store, D: Disk>(
    outputs: impl IntoIterator<Item = Output>,
    store: &mut S,
    disk: &mut D,
    mut act: impl FnMut(Action),
) -> Result<u64, PerformError<S::Error, D::Error>> {
    let mut slots: Vec<SlotWrite> = Vec::new();
    let mut syncs = 0;
    for output in outputs {
        match output {
            Output::Append { height, entry } => disk.append_entry(height, &entry).map_err(PerformError::Disk)?,
            Output::PutBody { height, block, bytes } => {
                disk.append_body(height, block, &bytes).map_err(PerformError::Disk)?;
            }
            Output::SignState(slot) => slots.push(slot),
            Output::Barrier => syncs += barrier(disk, &mut slots).map_err(PerformError::Disk)?,
            Output::Commit(commit) => {
                store.commit(&commit).map_err(PerformError::Store)?;
                let height = commit.executed.block().header().height;
                disk.forget(height).map_err(PerformError::Disk)?;
            }
            Output::Act(action) => act(action),
        }
    }
    if !slots.is_empty() {
        // Nothing waits for it yet, but it is handed out once: it must not be lost between two calls.
        syncs += barrier(disk, &mut slots).map_err(PerformError::Disk)?;
    }
    Ok(syncs)
}

/// Log first, then sign state: a slot never forbids what the log does not record.
fn barrier<D: Disk>(disk: &mut D, slots: &mut Vec<SlotWrite>) -> Result<u64, D::Error> {
    disk.sync_log()?;
    let mut syncs = 1;
    for slot in slots.drain(..) {
        disk.write_sign_state(&slot)?;
        syncs += 1;
    }
    Ok(syncs)
}
