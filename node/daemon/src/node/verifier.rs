//! The thread in front of the replica: decoding and signatures, once a transaction, in batches over whatever waits.

use super::{host::Work, reports::Published};
use bytes::Bytes;
use octroi_ledger::{SignedTransaction, State, check_known};
use octroi_replica::{
    Arrival, Body, ClientToken, Door, GossipToken, NotVerified, Peer, Verified,
    wire::{BlocksRequest, decode_batch, open_blocks},
};
use octroi_rpc::ViewSource;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError, mpsc as threads},
    thread,
};
use tokio::sync::mpsc;

/// Jobs that wait at most; a submission that finds the queue full is told to come again, gossip is dropped and comes again by itself.
pub const QUEUE: usize = 1_024;
/// Bodies and answers with blocks that wait at most. They go before all transactions: a round waits for them.
const BODIES: usize = 32;
/// Jobs of transactions that are checked in one batch at most.
const JOBS_A_BATCH: usize = 64;
/// A batch takes no more jobs once it has so many transactions, so that a body never waits long behind one.
const TRANSACTIONS_A_BATCH: usize = 512;
/// Signed bytes that the door remembers.
pub const DOOR_BYTES: usize = 32 * 1024 * 1024;

/// What is to be checked.
pub enum Job {
    /// Transactions of a client, decoded by the service.
    Client {
        /// For the answer.
        client: ClientToken,
        /// In order.
        transactions: Vec<SignedTransaction>,
    },
    /// A gossiped batch.
    Gossip {
        /// Who handed it to us.
        peer: Peer,
        /// For the verdict.
        message: GossipToken,
        /// Undecoded.
        bytes: Bytes,
    },
    /// A body.
    Body {
        /// Who sent it.
        peer: Peer,
        /// Undecoded.
        bytes: Bytes,
    },
    /// Committed blocks that were asked for.
    Blocks {
        /// Who answered.
        peer: Peer,
        /// Number of the request.
        number: u64,
        /// What was asked for.
        request: BlocksRequest,
        /// Undecoded.
        bytes: Bytes,
    },
    /// A body or blocks wait in their own queue.
    Look,
}

type Bodies = Arc<Mutex<VecDeque<Job>>>;

/// The way to the thread.
#[derive(Clone)]
pub struct Verifier {
    jobs: threads::SyncSender<Job>,
    bodies: Bodies,
}

impl Verifier {
    /// Starts the thread; it ends when the last handle is dropped or nobody takes its results.
    pub fn start(door: Door, published: Arc<Published>, results: mpsc::Sender<Work>) -> std::io::Result<Self> {
        let (jobs, queue) = threads::sync_channel(QUEUE);
        let bodies = Bodies::default();
        let thread = Thread { door, published, queue, bodies: bodies.clone(), results };
        thread::Builder::new().name("verify".into()).spawn(move || thread.work())?;
        Ok(Self { jobs, bodies })
    }

    /// Queues a job; gives it back when the queue is full or the node stops.
    pub fn check(&self, job: Job) -> Result<(), Job> {
        match job {
            Job::Body { .. } | Job::Blocks { .. } => {
                let mut bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
                if bodies.len() >= BODIES {
                    return Err(job);
                }
                bodies.push_back(job);
                drop(bodies);
                // A full queue needs no waking.
                let _ = self.jobs.try_send(Job::Look);
                Ok(())
            }
            Job::Client { .. } | Job::Gossip { .. } | Job::Look => {
                self.jobs.try_send(job).map_err(|error| match error {
                    threads::TrySendError::Full(job) | threads::TrySendError::Disconnected(job) => job,
                })
            }
        }
    }
}

/// Transactions of one job, on their way through a batch.
struct Part {
    whose: Whose,
    arrivals: Vec<Arrival>,
}

enum Whose {
    Client(ClientToken),
    Gossip(Peer, GossipToken),
}

/// What the thread owns.
struct Thread {
    door: Door,
    published: Arc<Published>,
    queue: threads::Receiver<Job>,
    bodies: Bodies,
    results: mpsc::Sender<Work>,
}

impl Thread {
    fn work(mut self) {
        while let Ok(first) = self.queue.recv() {
            if self.bodies().is_none() {
                return;
            }
            let mut parts = Vec::new();
            let mut next = Some(first);
            let (mut jobs, mut transactions) = (0, 0);
            while let Some(job) = next {
                match self.part(job) {
                    Ok(Some(part)) => {
                        transactions += part.arrivals.len();
                        parts.push(part);
                    }
                    Ok(None) => {}
                    Err(refused) => {
                        if self.results.blocking_send(refused).is_err() {
                            return;
                        }
                    }
                }
                jobs += 1;
                let room = jobs < JOBS_A_BATCH && transactions < TRANSACTIONS_A_BATCH;
                next = if room { self.queue.try_recv().ok() } else { None };
            }
            if !open(&mut self.door, parts, &self.results) || self.bodies().is_none() {
                return;
            }
        }
    }

    /// Bodies and blocks that wait; `None` when nobody listens any more.
    fn bodies(&mut self) -> Option<()> {
        loop {
            let job = self.bodies.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let done = match job {
                None => return Some(()),
                Some(Job::Body { peer, bytes }) => match Body::open(&bytes, &mut self.door) {
                    Ok(body) => Work::Body { peer, body },
                    Err(error) => Work::BadBytes { peer, reason: error.to_string() },
                },
                Some(Job::Blocks { peer, number, request, bytes }) => {
                    let blocks = open_blocks(&bytes, &mut self.door);
                    Work::Blocks { peer, number, request, blocks: blocks.map_err(|error| error.to_string()) }
                }
                Some(Job::Client { .. } | Job::Gossip { .. } | Job::Look) => continue,
            };
            self.results.blocking_send(done).ok()?;
        }
    }

    /// Transactions of a job.
    fn part(&self, job: Job) -> Result<Option<Part>, Work> {
        match job {
            Job::Client { client, transactions } => Ok(Some(Part {
                whose: Whose::Client(client),
                arrivals: transactions.into_iter().map(Arrival::from).collect(),
            })),
            Job::Gossip { peer, message, bytes } => match decode_batch(&bytes) {
                Ok(signed) => {
                    let view = self.published.newest();
                    let arrivals = signed
                        .iter()
                        .map(|bytes| Arrival::decode(bytes))
                        .filter(|one| is_known(one, &view.state))
                        .collect();
                    Ok(Some(Part { whose: Whose::Gossip(peer, message), arrivals }))
                }
                Err(error) => Err(Work::BadGossip { peer, message, reason: error.to_string() }),
            },
            Job::Body { .. } | Job::Blocks { .. } | Job::Look => Ok(None),
        }
    }
}

/// Whether a gossiped transaction is worth the check of its signatures. Who handed it on may be a block ahead of us, so that what we do not know is
/// no offence. What cannot be decoded goes on, for the door to say so.
fn is_known(arrival: &Arrival, state: &State) -> bool {
    let Some(signed) = arrival.signed() else { return true };
    let keys: Vec<_> = signed.signatures().iter().map(|signature| signature.key).collect();
    check_known(signed.transaction(), signed.id(), &keys, state, state.head().time).is_ok()
}

/// Checks all parts in one batch and hands each its answers; false when nobody listens any more.
fn open(door: &mut Door, parts: Vec<Part>, results: &mpsc::Sender<Work>) -> bool {
    let (shapes, arrivals): (Vec<(Whose, usize)>, Vec<Vec<Arrival>>) =
        parts.into_iter().map(|part| ((part.whose, part.arrivals.len()), part.arrivals)).unzip();
    let mut answers = door.admit(arrivals.into_iter().flatten().collect()).into_iter();
    let checked = door.signatures_checked();
    for (whose, count) in shapes {
        let mine: Vec<Result<Verified, NotVerified>> = answers.by_ref().take(count).collect();
        let done = match whose {
            Whose::Client(client) => Work::Client { client, answers: mine, checked },
            Whose::Gossip(peer, message) => Work::Gossip { peer, message, answers: mine, checked },
        };
        if results.blocking_send(done).is_err() {
            return false;
        }
    }
    true
}
