//! Why something offline is not believed.

use octroi_chain::ChainError;
use octroi_merkle::MerkleError;
use octroi_primitives::Height;

/// A refusal of this crate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// A header or certificate is wrong.
    #[error("height {height}: {error}")]
    Chain {
        /// Height of the header.
        height: Height,
        /// What is wrong.
        error: ChainError,
    },
    /// A proof does not lead to the log root.
    #[error("log of height {height}: {error}")]
    Log {
        /// Height of the header whose log root is used.
        height: Height,
        /// What is wrong.
        error: MerkleError,
    },
    /// A header is asked for that cannot be below the one trusted.
    #[error("height {asked} is not below height {trusted}")]
    NotBelow {
        /// The height asked for.
        asked: Height,
        /// The height of the header trusted.
        trusted: Height,
    },
}
