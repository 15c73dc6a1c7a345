//! What the services share: the node around them, the bounds, and how a read settles its height and its page.

use crate::{Deps, Limits, Metrics, NotAdmitted, Reason, raw, status, tracker::Tracker};
use octroi_ledger::{
    network::NetworkRecord,
    state::{Only, hex},
};
use octroi_primitives::{BlockTime, Height};
use octroi_proto::v1 as pb;
use octroi_views::{Page, View};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tonic::Status;

/// Shared by all services. Clones are the same core.
#[derive(Clone)]
pub(crate) struct Core {
    pub(crate) deps: Deps,
    pub(crate) limits: Arc<Limits>,
    pub(crate) tracker: Arc<Tracker>,
    pub(crate) transactions: Arc<crate::rate::Buckets>,
    pub(crate) recent: Arc<crate::event::Recent>,
    closed: watch::Receiver<bool>,
    scans: Arc<Semaphore>,
    subscriptions: Arc<Semaphore>,
    exports: Arc<Semaphore>,
}

impl Core {
    pub(crate) fn new(deps: Deps, limits: Limits, metrics: Arc<Metrics>, closed: watch::Receiver<bool>) -> Self {
        Self {
            deps,
            tracker: Tracker::new(limits.awaited, metrics),
            transactions: Arc::new(crate::rate::Buckets::new(limits.transaction_rate, limits.callers)),
            recent: Arc::default(),
            closed,
            scans: Arc::new(Semaphore::new(limits.scans)),
            subscriptions: Arc::new(Semaphore::new(limits.subscriptions)),
            exports: Arc::new(Semaphore::new(limits.exports)),
            limits: Arc::new(limits),
        }
    }

    /// Follows commits for those who wait, until the daemon is gone.
    pub(crate) async fn follow(&self) {
        let mut commits = self.deps.commits.clone();
        let mut done = *commits.borrow_and_update();
        while commits.changed().await.is_ok() {
            let newest = *commits.borrow_and_update();
            while done < newest {
                done = Height(done.0 + 1);
                if let Err(fault) = self.tracker.settle(done, self.deps.blocks.as_ref()) {
                    tracing::error!(code = "RPC_STORE_FAULT", %fault, height = %done, "waiters are not told");
                }
                tokio::task::yield_now().await;
            }
        }
        std::future::pending::<()>().await;
    }

    /// Completes when the server stops.
    pub(crate) async fn closed(&self) {
        let mut closed = self.closed.clone();
        // A sender that is gone has stopped as well.
        let _ = closed.wait_for(|closed| *closed).await;
    }

    /// Runs a read that touches many records or the disk, off the threads that carry connections.
    pub(crate) async fn scan<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        let permit = self.scans.clone().acquire_owned().await.map_err(|_| status::shutting_down())?;
        let core = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work(&core)
        });
        match task.await {
            Ok(answer) => answer,
            Err(error) => match error.try_into_panic() {
                // A bug is not turned into an answer.
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(status::shutting_down()),
            },
        }
    }

    /// A place among the long-lived streams.
    pub(crate) fn subscribe(&self) -> Result<OwnedSemaphorePermit, Status> {
        self.subscriptions.clone().try_acquire_owned().map_err(|_| status::overloaded("subscriptions"))
    }

    /// A place among the exports.
    pub(crate) fn export(&self) -> Result<OwnedSemaphorePermit, Status> {
        self.exports.clone().try_acquire_owned().map_err(|_| status::overloaded("exports"))
    }

    /// The state to read.
    pub(crate) fn view(&self, options: Option<pb::ReadOptions>) -> Result<Arc<View>, Status> {
        let pb::ReadOptions { at_height, with_proof } = options.unwrap_or_default();
        if with_proof {
            return Err(status::proof_not_served());
        }
        match at_height {
            0 => Ok(self.deps.views.newest()),
            height => self.deps.views.at(Height(height)).map_err(status::of_view),
        }
    }

    /// The page to read, with its height settled: the token's, else the one asked for, else the newest. `query` names the query and its filters.
    /// Of rows of views, which reach back to the first block; the state of that height may be gone.
    pub(crate) fn page(
        &self,
        query: &[&[u8]],
        page: Option<pb::PageRequest>,
        options: Option<pb::ReadOptions>,
    ) -> Result<Page, Status> {
        let pb::PageRequest { page_size, page_token } = page.unwrap_or_default();
        let pb::ReadOptions { at_height, with_proof } = options.unwrap_or_default();
        if with_proof {
            return Err(status::proof_not_served());
        }
        let bad = |why: &str| status::Answer::new(Reason::PageToken, format!("page token: {why}")).status();
        let token = from_hex(&page_token).ok_or_else(|| bad("not hexadecimal"))?;
        let newest = self.deps.views.newest().height();
        let at = if at_height == 0 { newest } else { Height(at_height) };
        let page = Page::new(query, page_size, &token, at).map_err(status::of_view)?;
        if at_height != 0 && page.height() != at {
            return Err(bad("of another height than the one asked for"));
        }
        if page.height() > newest {
            return Err(status::of_view(octroi_views::ViewError::HeightNotAvailable {
                asked: page.height(),
                oldest: Height(0),
                newest,
            }));
        }
        Ok(page)
    }

    /// The same, and the state of that height.
    pub(crate) fn page_of_state(
        &self,
        query: &[&[u8]],
        page: Option<pb::PageRequest>,
        options: Option<pb::ReadOptions>,
    ) -> Result<(Page, Arc<View>), Status> {
        let page = self.page(query, page, options)?;
        let view = self.deps.views.at(page.height()).map_err(status::of_view)?;
        Ok((page, view))
    }

    /// Where an answer of rows stands.
    pub(crate) fn read_at_height(&self, height: Height) -> Result<pb::ReadAt, Status> {
        if let Ok(view) = self.deps.views.at(height) {
            return Ok(read_at(&view));
        }
        let block = self.deps.blocks.block_bytes(height).map_err(status::of_fault)?;
        let block = block.ok_or_else(|| status::not_found("block", height))?;
        let header = raw::header(&block).map_err(status::of_fault)?;
        Ok(pb::ReadAt { height: height.0, time: header.time, state_root: header.state_root })
    }

    /// Ledger time now: the wall clock and the network's offset, and never before the last block.
    pub(crate) fn ledger_time(&self, view: &View) -> BlockTime {
        let wall = BlockTime(self.deps.clock.wall_millis()).saturating_add(clock_offset(view));
        wall.max(view.state.head().time.saturating_add(1))
    }
}

/// Milliseconds that the network adds to wall clocks.
pub(crate) fn clock_offset(view: &View) -> u64 {
    view.state.get::<NetworkRecord>(&Only).map_or(0, |network| network.clock_offset)
}

/// Where an answer of the state stands.
pub(crate) fn read_at(view: &View) -> pb::ReadAt {
    let head = view.state.head();
    pb::ReadAt { height: head.height.0, time: head.time.0, state_root: view.state.root().as_bytes().to_vec() }
}

/// A page's end.
pub(crate) fn page_info(next: Option<Vec<u8>>) -> Option<pb::PageInfo> {
    Some(pb::PageInfo { next_page_token: next.map(|token| hex(&token)).unwrap_or_default() })
}

/// An id of 32 bytes.
pub(crate) fn id<T>(field: &str, bytes: &[u8]) -> Result<T, Status>
where
    T: for<'a> TryFrom<&'a [u8], Error: core::fmt::Display>,
{
    T::try_from(bytes).map_err(|error| status::argument(field, error))
}

/// A code or another word with a type of its own.
pub(crate) fn word<T: std::str::FromStr<Err: core::fmt::Display>>(field: &str, text: &str) -> Result<T, Status> {
    text.parse().map_err(|error| status::argument(field, error))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

/// Turned into a status for a request of one transaction.
impl From<NotAdmitted> for Status {
    fn from(error: NotAdmitted) -> Self {
        status::of_not_admitted(&error)
    }
}
