//! The way of transactions from the services to the replica, and of answers back.

use super::{
    reports::Published,
    verifier::{Job, Verifier},
};
use futures::{FutureExt, future::BoxFuture};
use octroi_ledger::{SignedTransaction, check_known};
use octroi_primitives::TransactionId;
use octroi_replica::{ClientToken, NotVerified, Refused, Verified};
use octroi_rpc::{NotAdmitted, Reason, Submit, ViewSource};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use tokio::sync::oneshot;

type Answer = Result<(), NotAdmitted>;

/// Submissions that wait for their answer.
#[derive(Default)]
pub struct Clients {
    next: AtomicU64,
    waiting: Mutex<BTreeMap<ClientToken, Waiting>>,
    /// Taken from clients of this node, and in no block yet.
    pending: Mutex<BTreeSet<TransactionId>>,
    /// Set below 5 % of free disk: reads go on, nothing new is taken.
    pub disk_low: AtomicBool,
}

struct Waiting {
    sender: oneshot::Sender<Vec<Answer>>,
    /// One place for each transaction: filled where it was refused before its signatures were checked, then by the door, then by the replica, in order.
    answers: Vec<Option<Answer>>,
    /// Those that passed the door, in order.
    passed: Vec<TransactionId>,
}

impl Clients {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<ClientToken, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, answers: Vec<Option<Answer>>) -> (ClientToken, oneshot::Receiver<Vec<Answer>>) {
        let token = ClientToken(self.next.fetch_add(1, Ordering::Relaxed));
        let (sender, receiver) = oneshot::channel();
        self.lock().insert(token, Waiting { sender, answers, passed: Vec::new() });
        (token, receiver)
    }

    /// Takes the door's answers for those that have none yet; gives the transactions that go on to the replica.
    pub fn opened(&self, client: ClientToken, answers: Vec<Result<Verified, NotVerified>>) -> Vec<Verified> {
        let mut passed = Vec::with_capacity(answers.len());
        let mut waiting = self.lock();
        let Some(entry) = waiting.get_mut(&client) else { return passed };
        for (place, answer) in entry.answers.iter_mut().filter(|place| place.is_none()).zip(answers) {
            match answer {
                Ok(verified) => {
                    entry.passed.push(verified.id());
                    passed.push(verified);
                }
                Err(NotVerified::Decode(error)) => *place = Some(Err(NotAdmitted::from(&error))),
                Err(NotVerified::Signature(error)) => *place = Some(Err(NotAdmitted::from(&error))),
            }
        }
        if passed.is_empty()
            && let Some(entry) = waiting.remove(&client)
        {
            entry.finish();
        }
        passed
    }

    /// Takes the replica's answers for those that passed the door.
    pub fn replied(&self, client: ClientToken, results: Vec<Result<(), Refused>>) {
        let Some(mut entry) = self.lock().remove(&client) else { return };
        {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            pending.extend(entry.passed.iter().zip(&results).filter(|(_, result)| result.is_ok()).map(|(id, _)| *id));
        }
        let mut results = results.into_iter();
        for place in entry.answers.iter_mut().filter(|place| place.is_none()) {
            let answer = results.next().unwrap_or(Ok(()));
            *place = Some(answer.map_err(|refused| NotAdmitted::named(refused.reason(), refused.to_string())));
        }
        entry.finish();
    }
}

impl Clients {
    /// These are in a block, or will be in none.
    pub fn gone(&self, ids: impl IntoIterator<Item = TransactionId>) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            pending.remove(&id);
        }
    }
}

impl Waiting {
    fn finish(self) {
        // The caller may have gone; its transactions have not.
        let _ = self.sender.send(self.answers.into_iter().map(|answer| answer.unwrap_or(Ok(()))).collect());
    }
}

/// What the services hold.
pub struct Door {
    /// Shared with the host.
    pub clients: Arc<Clients>,
    /// The thread of signatures.
    pub verifier: Verifier,
    /// What is known before signatures are checked.
    pub published: Arc<Published>,
}

impl Submit for Door {
    fn waits(&self, id: &TransactionId) -> bool {
        self.clients.pending.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    fn submit(&self, transactions: Vec<SignedTransaction>) -> BoxFuture<'static, Vec<Answer>> {
        let count = transactions.len();
        let refuse = |reason: Reason, message: &str| -> BoxFuture<'static, Vec<Answer>> {
            let answer = vec![Err(NotAdmitted::new(reason, message)); count];
            async move { answer }.boxed()
        };
        if self.clients.disk_low.load(Ordering::Relaxed) {
            return refuse(
                Reason::NotReady,
                "less than 5 % of the disk is free on this node; send it to another validator",
            );
        }
        let view = self.published.newest();
        let known = |signed: &SignedTransaction| {
            let keys: Vec<_> = signed.signatures().iter().map(|signature| signature.key).collect();
            check_known(signed.transaction(), signed.id(), &keys, &view.state, view.state.head().time)
        };
        let places: Vec<Option<Answer>> =
            transactions.iter().map(|signed| known(signed).err().map(|error| Err(NotAdmitted::from(&error)))).collect();
        let transactions: Vec<SignedTransaction> = transactions
            .into_iter()
            .zip(&places)
            .filter(|(_, place)| place.is_none())
            .map(|(signed, _)| signed)
            .collect();
        if transactions.is_empty() {
            let answers = places.into_iter().flatten().collect();
            return async move { answers }.boxed();
        }
        let (client, answers) = self.clients.enter(places);
        if self.verifier.check(Job::Client { client, transactions }).is_err() {
            self.clients.lock().remove(&client);
            return refuse(Reason::Overloaded, "the node has more to check than it can; send it again in a second");
        }
        async move {
            answers.await.unwrap_or_else(|_| vec![Err(NotAdmitted::new(Reason::ShuttingDown, "the node stops")); count])
        }
        .boxed()
    }
}
