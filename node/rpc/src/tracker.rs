//! Who waits for which transaction: each committed block is read once for all of them.

use crate::{Metrics, raw};
use octroi_primitives::{BlockTime, Cursor, Height, TransactionId};
use octroi_views::{Blocks, ReadFault};
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// What became of a transaction that somebody waits for.
#[derive(Debug, Clone)]
pub(crate) struct Fate {
    pub(crate) id: TransactionId,
    pub(crate) at: Cursor,
    pub(crate) outcome: raw::Outcome,
    /// The receipt, for those who asked for it.
    pub(crate) receipt: Option<Vec<u8>>,
}

/// Whether a waiter wants to see receipts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    Outcomes,
    Receipts,
}

/// Where fates are put for one waiter. Holds at most as many as it registered.
pub(crate) struct Inbox {
    wants: Wants,
    fates: Mutex<Vec<Fate>>,
    bell: Notify,
}

impl Inbox {
    /// Fates that came, once there are some. Safe to cancel.
    pub(crate) async fn fates(&self) -> Vec<Fate> {
        loop {
            let rung = self.bell.notified();
            let fates = std::mem::take(&mut *lock(&self.fates));
            if !fates.is_empty() {
                return fates;
            }
            rung.await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Waiters {
    first: Arc<Inbox>,
    /// Few wait for what others wait for: no allocation until then.
    others: Vec<Arc<Inbox>>,
}

/// All waiters.
pub(crate) struct Tracker {
    limit: usize,
    waiting: Mutex<HashMap<TransactionId, Waiters>>,
    metrics: Arc<Metrics>,
}

/// More are awaited than may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl Tracker {
    pub(crate) fn new(limit: usize, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { limit, waiting: Mutex::default(), metrics })
    }

    /// Hands a committed block to those who wait for something in it.
    pub(crate) fn settle(&self, height: Height, blocks: &dyn Blocks) -> Result<(), ReadFault> {
        if lock(&self.waiting).is_empty() {
            return Ok(());
        }
        let Some(stored) = blocks.receipts_bytes(height)? else { return Ok(()) };
        let mut rung: Vec<Arc<Inbox>> = Vec::new();
        let mut waiting = lock(&self.waiting);
        for (index, receipt) in raw::receipts(&stored).enumerate() {
            let receipt = receipt?;
            let Some(Waiters { first, others }) = waiting.remove(&receipt.transaction) else { continue };
            let at = Cursor { height, receipt: index as u32 };
            for inbox in std::iter::once(first).chain(others) {
                let bytes = (inbox.wants == Wants::Receipts).then(|| receipt.bytes.to_vec());
                let fate = Fate { id: receipt.transaction, at, outcome: receipt.outcome, receipt: bytes };
                let mut fates = lock(&inbox.fates);
                fates.push(fate);
                if fates.len() == 1 {
                    drop(fates);
                    rung.push(inbox);
                }
            }
        }
        self.metrics.set_awaited(waiting.len());
        drop(waiting);
        for inbox in rung {
            inbox.bell.notify_one();
        }
        Ok(())
    }
}

/// What a waiter knows of a transaction that it waits for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Open {
    /// How often it was handed in.
    pub(crate) copies: u32,
    /// End of its validity.
    pub(crate) valid_until: BlockTime,
}

/// One waiter and what it waits for. Forgets all of it when dropped.
pub(crate) struct Wait {
    tracker: Arc<Tracker>,
    inbox: Arc<Inbox>,
    open: HashMap<TransactionId, Open>,
}

impl Wait {
    pub(crate) fn new(tracker: &Arc<Tracker>, wants: Wants) -> Self {
        let inbox = Arc::new(Inbox { wants, fates: Mutex::default(), bell: Notify::new() });
        Self { tracker: tracker.clone(), inbox, open: HashMap::new() }
    }

    /// Starts to wait for transactions, before they are handed in: so none is committed unseen.
    pub(crate) fn add(&mut self, ids: &[(TransactionId, BlockTime)]) -> Result<(), Full> {
        let mut waiting = lock(&self.tracker.waiting);
        if waiting.len() + ids.len() > self.tracker.limit {
            return Err(Full);
        }
        for (id, valid_until) in ids {
            let open = self.open.entry(*id).or_insert(Open { copies: 0, valid_until: *valid_until });
            open.copies += 1;
            if open.copies > 1 {
                continue;
            }
            match waiting.entry(*id) {
                Entry::Vacant(place) => {
                    place.insert(Waiters { first: self.inbox.clone(), others: Vec::new() });
                }
                Entry::Occupied(mut place) => place.get_mut().others.push(self.inbox.clone()),
            }
        }
        self.tracker.metrics.set_awaited(waiting.len());
        Ok(())
    }

    /// How many are open.
    pub(crate) fn open(&self) -> usize {
        self.open.len()
    }

    /// Those whose validity has ended at this block time.
    pub(crate) fn ended(&self, time: BlockTime) -> Vec<TransactionId> {
        self.open.iter().filter(|(_, open)| open.valid_until <= time).map(|(id, _)| *id).collect()
    }

    /// Those that are open.
    pub(crate) fn ids(&self) -> Vec<TransactionId> {
        self.open.keys().copied().collect()
    }

    /// Closes one, if it was open.
    pub(crate) fn close(&mut self, id: &TransactionId) -> Option<Open> {
        let open = self.open.remove(id)?;
        forget(&mut lock(&self.tracker.waiting), id, &self.inbox);
        Some(open)
    }

    /// The next fates of open ones, each closed. Without any open one it never completes. Safe to cancel.
    pub(crate) async fn fates(&mut self) -> Vec<(Open, Fate)> {
        loop {
            if self.open.is_empty() {
                std::future::pending::<()>().await;
            }
            let fates = self.inbox.fates().await;
            let open = &mut self.open;
            let fates: Vec<_> =
                fates.into_iter().filter_map(|fate| open.remove(&fate.id).map(|open| (open, fate))).collect();
            if !fates.is_empty() {
                return fates;
            }
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut waiting = lock(&self.tracker.waiting);
        for id in self.open.keys() {
            forget(&mut waiting, id, &self.inbox);
        }
        self.tracker.metrics.set_awaited(waiting.len());
    }
}

fn forget(waiting: &mut HashMap<TransactionId, Waiters>, id: &TransactionId, inbox: &Arc<Inbox>) {
    let Some(waiters) = waiting.get_mut(id) else { return };
    waiters.others.retain(|other| !Arc::ptr_eq(other, inbox));
    if Arc::ptr_eq(&waiters.first, inbox) {
        match waiters.others.pop() {
            Some(next) => waiters.first = next,
            None => {
                waiting.remove(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use octroi_chain::CommitCertificate;
    use octroi_primitives::Hash;
    use octroi_proto::v1 as pb;
    use prost::Message as _;

    struct OneBlock(Vec<u8>);

    impl Blocks for OneBlock {
        fn block_bytes(&self, _: Height) -> Result<Option<Vec<u8>>, ReadFault> {
            Ok(None)
        }
        fn receipts_bytes(&self, _: Height) -> Result<Option<Vec<u8>>, ReadFault> {
            Ok(Some(self.0.clone()))
        }
        fn certificate(&self, _: Height) -> Result<Option<CommitCertificate>, ReadFault> {
            Ok(None)
        }
    }

    fn id(byte: u8) -> TransactionId {
        TransactionId::new(Hash::from_bytes([byte; 32]))
    }

    fn block(ids: &[u8]) -> OneBlock {
        let receipts = ids
            .iter()
            .map(|byte| pb::Receipt {
                transaction: vec![*byte; 32],
                outcome: Some(pb::receipt::Outcome::Refused(pb::Refusal { kind: 1, code: 2 })),
            })
            .collect();
        OneBlock(pb::Receipts { receipts }.encode_to_vec())
    }

    #[tokio::test]
    async fn everyone_who_waits_is_told_once_and_nothing_is_kept() {
        let tracker = Tracker::new(3, Arc::default());
        let mut one = Wait::new(&tracker, Wants::Receipts);
        let mut two = Wait::new(&tracker, Wants::Outcomes);
        let until = |byte, time| (id(byte), BlockTime(time));
        one.add(&[until(1, 10), until(2, 20), until(2, 20)]).unwrap();
        two.add(&[until(2, 20)]).unwrap();
        assert_eq!(two.add(&[until(3, 1), until(4, 1)]), Err(Full));
        assert_eq!(one.ended(BlockTime(10)), vec![id(1)]);
        tracker.settle(Height(5), &block(&[9, 2])).unwrap();
        let told = one.fates().await;
        assert_eq!((told.len(), told[0].0.copies, told[0].1.at), (1, 2, Cursor { height: Height(5), receipt: 1 }));
        assert!(told[0].1.receipt.is_some());
        let told = two.fates().await;
        assert_eq!((told[0].0.copies, told[0].1.receipt.is_none()), (1, true));
        assert_eq!((one.open(), two.open()), (1, 0));
        drop(one);
        assert!(lock(&tracker.waiting).is_empty());
    }
}
