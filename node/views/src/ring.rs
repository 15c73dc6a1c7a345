//! The states of the last heights, for reads that name one.

use crate::ViewError;
use octroi_chain::CommitCertificate;
use octroi_ledger::State;
use octroi_primitives::Height;
use std::{collections::VecDeque, sync::Arc};

/// What a query at a height reads: the state after that block. Rows and blocks need no copy, since theirs carry heights.
#[derive(Debug, Clone)]
pub struct View {
    /// The state; its head names height, block id and time.
    pub state: State,
    /// Certifies the head; `None` before the first block.
    pub certificate: Option<CommitCertificate>,
}

impl View {
    /// The height it shows.
    pub fn height(&self) -> Height {
        self.state.head().height
    }
}

/// How much is kept: whichever bound is met first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewsLimit {
    /// Most heights.
    pub heights: usize,
    /// Most bytes that older states may hold on top of the newest, estimated.
    pub bytes: usize,
}

impl Default for ViewsLimit {
    /// 256 heights or 64 MiB.
    fn default() -> Self {
        Self { heights: 256, bytes: 64 << 20 }
    }
}

/// Bytes that one changed key is reckoned to keep alive in an older state: the record itself and the copied paths in table and tree. Keys of one
/// block share most of their paths, so that this is an estimate from above for imports and one from below for scattered keys.
const BYTES_A_KEY: usize = 4096;

/// The views of the last heights, newest last. Always holds at least one.
#[derive(Debug, Clone)]
pub struct Views {
    kept: VecDeque<(Arc<View>, usize)>,
    bytes: usize,
    limit: ViewsLimit,
}

impl Views {
    /// Starts with the state that was loaded.
    pub fn new(first: View, limit: ViewsLimit) -> Self {
        Self { kept: VecDeque::from([(Arc::new(first), 0)]), bytes: 0, limit }
    }

    /// Adds the view of the next height, in which `updated_keys` records differ from the one before, and drops the oldest over the bounds.
    pub fn publish(&mut self, view: View, updated_keys: usize) {
        let held = updated_keys.saturating_mul(BYTES_A_KEY);
        self.kept.push_back((Arc::new(view), held));
        self.bytes = self.bytes.saturating_add(held);
        while self.kept.len() > 1 && (self.kept.len() > self.limit.heights.max(1) || self.bytes > self.limit.bytes) {
            self.kept.pop_front();
            // What the oldest held on top of its successor is what the successor changed.
            if let Some((_, held)) = self.kept.front_mut() {
                self.bytes -= core::mem::take(held);
            }
        }
    }

    /// The newest view.
    pub fn newest(&self) -> Arc<View> {
        self.kept.back().expect("there is always one").0.clone()
    }

    /// The oldest height kept.
    pub fn oldest_height(&self) -> Height {
        self.kept.front().expect("there is always one").0.height()
    }

    /// The view of a height; the newest for `None`.
    ///
    /// # Errors
    /// [`ViewError::HeightNotAvailable`] for a height that is dropped or not reached.
    pub fn at(&self, height: Option<Height>) -> Result<Arc<View>, ViewError> {
        let newest = self.newest();
        let Some(asked) = height else { return Ok(newest) };
        let oldest = self.oldest_height();
        let index = asked.0.checked_sub(oldest.0).and_then(|index| usize::try_from(index).ok());
        match index.and_then(|index| self.kept.get(index)) {
            Some((view, _)) if view.height() == asked => Ok(view.clone()),
            _ => Err(ViewError::HeightNotAvailable { asked, oldest, newest: newest.height() }),
        }
    }
}
