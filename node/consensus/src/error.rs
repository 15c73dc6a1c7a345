//! Why consensus stops. Every one of these is a bug or a damaged disk, never a peer's doing: the node stops.

use octroi_primitives::Height;

/// A reason to stop the node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsensusError {
    /// Replaying the log gave another message than the one recorded: signing on could sign twice.
    #[error("replay of the log diverges from what was signed: {0}")]
    ReplayDivergence(String),
    /// A log entry does not decode, or is of another height.
    #[error("log entry: {0}")]
    LogEntry(String),
    /// A recorded message in our name does not carry our signature.
    #[error("log of height {0} holds a message in our name that we did not sign")]
    ForeignOwnMessage(Height),
    /// A height was started that is not above what is committed.
    #[error("height {asked} cannot be started above committed height {committed}")]
    Start {
        /// The height asked for.
        asked: Height,
        /// The height committed.
        committed: Height,
    },
    /// A certified block is of another set than this height's.
    #[error("certified block of height {0} names another validator set than the one running")]
    CertifiedBySomebodyElse(Height),
    /// The core failed.
    #[error("consensus core failed: {0}")]
    Core(String),
}
