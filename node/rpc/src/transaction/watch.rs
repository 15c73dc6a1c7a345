//! The states of one transaction, as they change.

use super::{Found, found::status_of_fate, hand_in};
use crate::{
    core::Core,
    status,
    tracker::{Wait, Wants},
};
use futures::StreamExt as _;
use octroi_primitives::{BlockTime, TransactionId};
use octroi_proto::v1 as pb;
use std::pin::Pin;
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;

/// What a watcher is sent.
pub(crate) type Stream = Pin<Box<dyn futures::Stream<Item = Result<pb::TransactionStatus, Status>> + Send>>;

/// A watcher between two states.
struct Watch {
    core: Core,
    id: TransactionId,
    wait: Wait,
    _place: OwnedSemaphorePermit,
}

/// Starts to watch.
pub(super) async fn start(core: &Core, id: TransactionId) -> Result<Stream, Status> {
    let place = core.subscribe()?;
    let mut wait = Wait::new(&core.tracker, Wants::Receipts);
    // Before it is looked up, so that a commit in between is not missed. Until when it is valid is not known from its id.
    wait.add(&[(id, BlockTime(u64::MAX))]).map_err(|_| status::overloaded("awaited transactions"))?;
    if let Some(found) = look_up(core, id).await? {
        return Ok(futures::stream::iter([Ok(found)]).boxed());
    }
    if !core.deps.submit.waits(&id) {
        // It may have been committed between the two questions.
        return match look_up(core, id).await? {
            Some(found) => Ok(futures::stream::iter([Ok(found)]).boxed()),
            None => Err(status::not_found("transaction", id)),
        };
    }
    let watch = Watch { core: core.clone(), id, wait, _place: place };
    let last = futures::stream::once(watch.last());
    Ok(futures::stream::iter([Ok(hand_in::pending(id))]).chain(last).boxed())
}

async fn look_up(core: &Core, id: TransactionId) -> Result<Option<pb::TransactionStatus>, Status> {
    core.scan(move |core| Ok(Found::look_up(core, &[id])?.remove(&id).map(|found| found.status()))).await
}

impl Watch {
    /// The state after which there is no other.
    async fn last(mut self) -> Result<pb::TransactionStatus, Status> {
        let mut commits = self.core.deps.commits.clone();
        loop {
            tokio::select! {
                fates = self.wait.fates() => {
                    if let Some((_, fate)) = fates.into_iter().next() {
                        return status_of_fate(&self.core, &fate);
                    }
                }
                changed = commits.changed() => {
                    if changed.is_err() {
                        return Err(status::shutting_down());
                    }
                    if self.core.deps.submit.waits(&self.id) {
                        continue;
                    }
                    return Ok(match look_up(&self.core, self.id).await? {
                        Some(found) => found,
                        None => pb::TransactionStatus {
                            id: self.id.as_bytes().to_vec(),
                            state: pb::TransactionState::Expired.into(),
                            reason: crate::Reason::Expired.name().to_owned(),
                            message: format!("transaction {} no longer waits and is in no block", self.id),
                            ..Default::default()
                        },
                    });
                }
                () = self.core.closed() => return Err(status::shutting_down()),
            }
        }
    }
}
