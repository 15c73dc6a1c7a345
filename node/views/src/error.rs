//! Why a query has no answer.

use octroi_primitives::Height;

/// A read that failed below the views: the disk's fault or damage, never the caller's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadFault {
    /// What was read is not what was written.
    #[error("{place}: {reason}")]
    Damaged {
        /// File, or part of the store.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The system refused the read.
    #[error("cannot read {place}: {reason}")]
    Failed {
        /// File, or part of the store.
        place: String,
        /// What the system said.
        reason: String,
    },
}

impl ReadFault {
    /// Damage in a view's rows.
    pub(crate) fn row(view: crate::ViewId, reason: impl core::fmt::Display) -> Self {
        Self::Damaged { place: format!("view {}", view.name()), reason: reason.to_string() }
    }
}

/// Why a query has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// The state of that height is not kept, or not reached yet.
    #[error("height {asked} is not available, heights {oldest} to {newest} are")]
    HeightNotAvailable {
        /// What was asked for.
        asked: Height,
        /// Oldest height kept.
        oldest: Height,
        /// Newest height.
        newest: Height,
    },
    /// The page token was not made for this query.
    #[error("page token: {0}")]
    PageToken(&'static str),
    /// The store could not be read.
    #[error(transparent)]
    Fault(#[from] ReadFault),
}
