//! The thread in front of the replica: decoding and signatures, once a transaction, in batches over whatever waits.

use super::host::Work;
use bytes::Bytes;
use octroi_ledger::SignedTransaction;
use octroi_replica::{
    Body, ClientToken, Door, GossipToken, NotVerified, Peer, Verified,
    wire::{BlocksRequest, decode_batch, open_blocks},
};
use std::{sync::mpsc as threads, thread};
use tokio::sync::mpsc;

/// Jobs that wait at most; a submission that finds the queue full is told to come again, gossip is dropped and comes again by itself.
pub const QUEUE: usize = 1_024;
/// Jobs of transactions that are checked in one batch at most.
const JOBS_A_BATCH: usize = 64;
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
}

/// The way to the thread.
#[derive(Clone)]
pub struct Verifier(threads::SyncSender<Job>);

impl Verifier {
    /// Starts the thread; it ends when the last handle is dropped or nobody takes its results.
    pub fn start(door: Door, results: mpsc::Sender<Work>) -> std::io::Result<Self> {
        let (jobs, queue) = threads::sync_channel(QUEUE);
        thread::Builder::new().name("verify".into()).spawn(move || work(door, &queue, &results))?;
        Ok(Self(jobs))
    }

    /// Queues a job; gives it back when the queue is full or the node stops.
    pub fn check(&self, job: Job) -> Result<(), Job> {
        self.0.try_send(job).map_err(|error| match error {
            threads::TrySendError::Full(job) | threads::TrySendError::Disconnected(job) => job,
        })
    }
}

/// Transactions of one job, on their way through a batch.
struct Part {
    whose: Whose,
    signed: Vec<Vec<u8>>,
}

enum Whose {
    Client(ClientToken),
    Gossip(Peer, GossipToken),
}

fn work(mut door: Door, queue: &threads::Receiver<Job>, results: &mpsc::Sender<Work>) {
    while let Ok(first) = queue.recv() {
        let mut jobs = vec![first];
        while jobs.len() < JOBS_A_BATCH
            && let Ok(job) = queue.try_recv()
        {
            jobs.push(job);
        }
        let mut parts = Vec::new();
        for job in jobs {
            let done = match job {
                Job::Client { client, transactions } => {
                    parts.push(Part {
                        whose: Whose::Client(client),
                        signed: transactions.iter().map(SignedTransaction::encode).collect(),
                    });
                    continue;
                }
                Job::Gossip { peer, message, bytes } => match decode_batch(&bytes) {
                    Ok(signed) => {
                        parts.push(Part { whose: Whose::Gossip(peer, message), signed });
                        continue;
                    }
                    Err(error) => Work::BadGossip { peer, message, reason: error.to_string() },
                },
                Job::Body { peer, bytes } => match Body::open(&bytes, &mut door) {
                    Ok(body) => Work::Body { peer, body },
                    Err(error) => Work::BadBytes { peer, reason: error.to_string() },
                },
                Job::Blocks { peer, number, request, bytes } => {
                    let blocks = open_blocks(&bytes, &mut door);
                    Work::Blocks { peer, number, request, blocks: blocks.map_err(|error| error.to_string()) }
                }
            };
            if results.blocking_send(done).is_err() {
                return;
            }
        }
        if !open(&mut door, parts, results) {
            return;
        }
    }
}

/// Checks all parts in one batch and hands each its answers; false when nobody listens any more.
fn open(door: &mut Door, parts: Vec<Part>, results: &mpsc::Sender<Work>) -> bool {
    let (shapes, signed): (Vec<(Whose, usize)>, Vec<Vec<Vec<u8>>>) =
        parts.into_iter().map(|part| ((part.whose, part.signed.len()), part.signed)).unzip();
    let signed: Vec<Vec<u8>> = signed.into_iter().flatten().collect();
    let mut answers = door.open(&signed).into_iter();
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
