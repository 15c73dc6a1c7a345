//! Why a node stops, or does not start. None of it is a peer's doing.

use octroi_consensus::{ConsensusError, SignStateError};
use octroi_ledger::state::LoadError;
use octroi_primitives::{BlockId, Height, NetworkId};

/// A running node must stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplicaError {
    /// Of the agreement.
    #[error(transparent)]
    Consensus(#[from] ConsensusError),
    /// More than two thirds certified a block that this node finds invalid: its build or its state differs from theirs.
    #[error("block {block} at height {height} is certified, but invalid here: {reason}")]
    Diverged {
        /// Its height.
        height: Height,
        /// The block.
        block: BlockId,
        /// Why it is invalid here.
        reason: String,
    },
    /// Somebody else signs with this node's consensus key now.
    #[error(
        "a message of height {0} was signed with this node's consensus key by somebody else; another node runs with the same key"
    )]
    KeyInUse(Height),
}

/// A node does not start.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The store cannot be read.
    #[error("store: {0}")]
    Store(Box<dyn std::error::Error + Send + Sync>),
    /// Log or sign state cannot be read.
    #[error("disk: {0}")]
    Disk(Box<dyn std::error::Error + Send + Sync>),
    /// The store is another network's.
    #[error("store is of network {found}, this node is configured for {expected}")]
    OtherNetwork {
        /// Of the genesis given.
        expected: NetworkId,
        /// In the store.
        found: NetworkId,
    },
    /// The stored state does not fit together.
    #[error("store: {0}")]
    State(#[from] LoadError),
    /// There is no sign state; only `init`, `recover` and `sign-state import` create it.
    #[error("there is no sign state for this node's key")]
    NoSignState,
    /// The sign state is damaged, another's, or far ahead of the store.
    #[error(transparent)]
    SignState(#[from] SignStateError),
    /// An entry of the log cannot be read.
    #[error(transparent)]
    Log(#[from] ConsensusError),
    /// A body in the log cannot be read.
    #[error("log of height {height}: body {block} is damaged")]
    Body {
        /// Its height.
        height: Height,
        /// The block.
        block: BlockId,
    },
    /// The log says that a block is valid whose body it does not hold.
    #[error("log of height {height}: the body of block {block}, which is logged as valid, is missing or invalid")]
    NoBody {
        /// Its height.
        height: Height,
        /// The block.
        block: BlockId,
    },
}
