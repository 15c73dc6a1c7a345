//! Building transactions, handing them in, learning what became of them.
//!
//! **Promises.** What was signed is sent again as it is, to any node, until it is known to be in a block or can no longer enter one: nothing is lost when
//! a node dies, and nothing happens twice, since an id enters a block once.

use crate::{
    error::{ClientError, Fault},
    transport::{Client, Node, transactions},
};
use futures::future::join_all;
use octroi_ledger::{Payload, SignedTransaction, Transaction};
use octroi_primitives::{BlockTime, NetworkId, OrganisationId, Salt, SecretKey, TransactionId};
use octroi_proto::v1::{self as pb, TransactionState};
use prost::Message as _;
use std::{
    collections::VecDeque,
    sync::Mutex,
    time::{Duration, Instant},
};

/// How long a transaction may wait before it can no longer enter a block: half of the shortest window that networks have by default.
pub const VALIDITY: Duration = Duration::from_secs(30 * 60);
/// Transactions in one stream: the node names every one of them that was refused, since it names up to 1,000.
const WINDOW: usize = 1_000;
/// Bytes of transactions in one window, about: a batch of them is one message.
const WINDOW_BYTES: usize = 1024 * 1024;
/// Transactions in one message of a stream, and their bytes, about.
const MESSAGE: usize = 250;
const MESSAGE_BYTES: usize = 256 * 1024;
/// How long a node may take over one window before its transactions are asked for elsewhere.
const WINDOW_WAIT: Duration = Duration::from_secs(15);
/// How long no node may take anything before a bulk submission gives up.
const GIVE_UP: Duration = Duration::from_secs(60);
/// What a call may take longer than the node was asked to wait.
const GRACE: Duration = Duration::from_secs(10);

/// Until when to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Until a node has taken it; that is no promise.
    Accepted,
    /// Until it is in a block.
    Committed,
}

impl Until {
    const fn wire(self) -> i32 {
        match self {
            Self::Accepted => pb::WaitFor::Accepted as i32,
            Self::Committed => pb::WaitFor::Committed as i32,
        }
    }
}

/// A transaction with a fresh salt, still unsigned.
///
/// # Errors
/// No randomness.
pub fn build(
    network: NetworkId,
    organisation: OrganisationId,
    valid_until: BlockTime,
    payload: Payload,
) -> Result<Transaction, ClientError> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| ClientError::Random(error.to_string()))?;
    Ok(Transaction { network, organisation, valid_until, salt: Salt::from_bytes(salt), payload })
}

/// Adds signatures to a transaction that has some.
///
/// # Errors
/// Too many signatures.
pub fn countersign(signed: SignedTransaction, keys: &[&SecretKey]) -> Result<SignedTransaction, ClientError> {
    let again = signed.transaction().sign(keys);
    Ok(signed.combine(again)?)
}

/// What has become of a bulk submission so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Handed to a node at least once.
    pub sent: u64,
    /// In a block, and happened.
    pub applied: u64,
    /// In a block, and changed nothing; or can no longer enter one.
    pub failed: u64,
    /// Connections that broke on the way.
    pub broken: u64,
}

/// The end of a bulk submission: every transaction is in a block or in `failed`.
#[derive(Debug, Clone, Default)]
pub struct BulkReport {
    /// Counts.
    pub progress: Progress,
    /// Those that changed nothing, each with its reason.
    pub failed: Vec<pb::TransactionStatus>,
    /// Greatest height at which one of them was committed.
    pub last_height: u64,
}

impl Client {
    /// Builds a transaction for this network that is valid for [`VALIDITY`].
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn build(&self, organisation: OrganisationId, payload: Payload) -> Result<Transaction, ClientError> {
        let network = self.info().await?.network;
        let until = self.ledger_time().await?.saturating_add(VALIDITY.as_millis() as u64);
        build(network, organisation, until, payload)
    }

    /// Hands in one transaction and waits at most `max_wait`; the same bytes go to another node when a connection breaks. A wait that ends gives state
    /// PENDING and no error.
    ///
    /// # Errors
    /// It was not admitted; no node answers, and then it may still be committed later.
    pub async fn submit(
        &self,
        signed: &SignedTransaction,
        until: Until,
        max_wait: Duration,
    ) -> Result<pb::TransactionStatus, ClientError> {
        let deadline = Instant::now() + max_wait;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let request = pb::SubmitTransactionRequest {
                transaction: Some(signed.to_message()),
                wait_for: until.wire(),
                max_wait_ms: millis(left),
                preflight: false,
            };
            let answer = self
                .call(left.min(Duration::from_secs(60)) + GRACE, |channel| {
                    let request = request.clone();
                    async move { transactions(channel).submit_transaction(request).await }
                })
                .await?;
            let status = answer.status.ok_or(ClientError::Incomplete("no status of the transaction"))?;
            let unknown = state(&status) == TransactionState::Pending && until == Until::Committed;
            if !unknown || Instant::now() >= deadline {
                return Ok(status);
            }
        }
    }

    /// What would happen to it now: advice, no promise. Nothing is submitted.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn simulate(&self, signed: &SignedTransaction) -> Result<pb::SimulateTransactionResponse, ClientError> {
        let request = pb::SimulateTransactionRequest { transaction: Some(signed.to_message()) };
        self.read(|channel| {
            let request = request.clone();
            async move { transactions(channel).simulate_transaction(request).await }
        })
        .await
    }

    /// A transaction by its id, committed or waiting.
    ///
    /// # Errors
    /// As [`Client::call`]; `NOT_FOUND`.
    pub async fn transaction(&self, id: &TransactionId) -> Result<pb::GetTransactionResponse, ClientError> {
        let request = pb::GetTransactionRequest { id: id.as_bytes().to_vec() };
        self.read(|channel| {
            let request = request.clone();
            async move { transactions(channel).get_transaction(request).await }
        })
        .await
    }

    /// Waits until a transaction that was handed in is in a block, has expired, or `max_wait` is over; gives the last state known.
    ///
    /// # Errors
    /// No node answers, or none has heard of it when the time is over.
    pub async fn wait(&self, id: &TransactionId, max_wait: Duration) -> Result<pb::TransactionStatus, ClientError> {
        let deadline = Instant::now() + max_wait;
        let mut pause = Duration::from_millis(20);
        loop {
            let over = Instant::now() + pause >= deadline;
            match self.transaction(id).await {
                Ok(pb::GetTransactionResponse { status: Some(status), .. }) => {
                    let settled = !matches!(state(&status), TransactionState::Pending | TransactionState::Unspecified);
                    if settled || over {
                        return Ok(status);
                    }
                }
                Ok(_) => return Err(ClientError::Incomplete("no status of the transaction")),
                Err(ClientError::Answer(answer)) if answer.code == tonic::Code::NotFound && !over => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(Duration::from_millis(500));
        }
    }

    /// Hands in a long list through all nodes at once and waits until every transaction is in a block or can no longer enter one. Between transactions of
    /// different windows there is no order. A node that dies is left out until it answers again; what it had is sent elsewhere.
    ///
    /// # Errors
    /// No node took anything for a minute, or a node refused the request itself.
    pub async fn submit_all(
        &self,
        list: impl Iterator<Item = pb::SignedTransaction>,
        progress: impl FnMut(Progress),
    ) -> Result<BulkReport, ClientError> {
        let bulk = Bulk {
            shared: Mutex::new(Shared {
                list,
                returned: VecDeque::new(),
                in_flight: 0,
                report: BulkReport::default(),
                last_success: Instant::now(),
                failures: Vec::new(),
                fatal: None,
                progress,
            }),
        };
        join_all(self.nodes().iter().map(|node| bulk.feed(node))).await;
        let Shared { report, fatal, .. } = bulk.shared.into_inner().expect("no worker panics while it holds the lock");
        match fatal {
            Some(error) => Err(error),
            None => Ok(report),
        }
    }
}

/// The state of a status; a number of a later version counts as unspecified.
pub fn state(status: &pb::TransactionStatus) -> TransactionState {
    TransactionState::try_from(status.state).unwrap_or(TransactionState::Unspecified)
}

fn millis(duration: Duration) -> u32 {
    // 0 would mean the node's default.
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX).max(1)
}

/// Transactions that go to one node together.
struct Window {
    transactions: Vec<pb::SignedTransaction>,
    /// Whether some of them are known to be waiting or settled: then each is asked for by itself.
    one_by_one: bool,
}

struct Shared<I, P> {
    list: I,
    returned: VecDeque<Window>,
    in_flight: usize,
    report: BulkReport,
    last_success: Instant,
    failures: Vec<(String, String)>,
    fatal: Option<ClientError>,
    progress: P,
}

struct Bulk<I, P> {
    shared: Mutex<Shared<I, P>>,
}

enum Next {
    Window(Window),
    /// Nothing now, but another node may give a window back.
    Later,
    Done,
}

impl<I: Iterator<Item = pb::SignedTransaction>, P: FnMut(Progress)> Bulk<I, P> {
    fn with<T>(&self, act: impl FnOnce(&mut Shared<I, P>) -> T) -> T {
        act(&mut self.shared.lock().expect("no worker panics while it holds the lock"))
    }

    /// One node's worker.
    async fn feed(&self, node: &Node) {
        let mut pause = Duration::from_millis(100);
        loop {
            let window = match self.with(Shared::next) {
                Next::Window(window) => window,
                Next::Later => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
                Next::Done => return,
            };
            let sent = if window.one_by_one { batch(node, &window).await } else { stream(node, &window).await };
            match sent {
                Ok(outcome) => {
                    let stuck = self.with(|shared| shared.settle(window, outcome));
                    pause = Duration::from_millis(100);
                    if stuck {
                        tokio::time::sleep(pause).await;
                    }
                }
                Err(fault) => {
                    let wait = match &fault {
                        Fault::Answer(answer) => answer.retry_after.unwrap_or(pause).min(Duration::from_secs(5)),
                        Fault::Broken(_) => pause,
                    };
                    self.with(|shared| shared.give_back(window, node, fault));
                    tokio::time::sleep(wait).await;
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
            }
        }
    }
}

/// What a node said of a window.
struct Outcome {
    applied: u64,
    failed: Vec<pb::TransactionStatus>,
    /// Those whose end is not known.
    open: Vec<pb::SignedTransaction>,
    last_height: u64,
}

impl<I: Iterator<Item = pb::SignedTransaction>, P: FnMut(Progress)> Shared<I, P> {
    fn next(&mut self) -> Next {
        if self.fatal.is_some() {
            return Next::Done;
        }
        let window = self.returned.pop_front().or_else(|| {
            let transactions = take(&mut self.list, WINDOW, WINDOW_BYTES);
            self.report.progress.sent += transactions.len() as u64;
            (!transactions.is_empty()).then_some(Window { transactions, one_by_one: false })
        });
        match window {
            Some(window) => {
                self.in_flight += 1;
                Next::Window(window)
            }
            None if self.in_flight > 0 => Next::Later,
            None => Next::Done,
        }
    }

    /// Books what is settled; the rest goes on. Says whether nothing moved.
    fn settle(&mut self, window: Window, outcome: Outcome) -> bool {
        let Outcome { applied, failed, open, last_height } = outcome;
        self.in_flight -= 1;
        let moved = open.len() < window.transactions.len();
        if moved {
            self.last_success = Instant::now();
        }
        let Progress { applied: all_applied, failed: all_failed, .. } = &mut self.report.progress;
        *all_applied += applied;
        *all_failed += failed.len() as u64;
        self.report.failed.extend(failed);
        self.report.last_height = self.report.last_height.max(last_height);
        if !open.is_empty() {
            self.returned.push_back(Window { transactions: open, one_by_one: true });
            self.check_patience();
        }
        (self.progress)(self.report.progress);
        !moved
    }

    fn give_back(&mut self, window: Window, node: &Node, fault: Fault) {
        self.in_flight -= 1;
        self.returned.push_back(window);
        self.failures.retain(|(endpoint, _)| *endpoint != node.endpoint);
        self.failures.push((node.endpoint.clone(), fault.words()));
        match fault {
            Fault::Answer(answer) if !answer.passes() && answer.reason != "STORE_FAULT" => {
                self.fatal = Some(ClientError::Answer(Box::new(answer)));
            }
            Fault::Answer(_) => {}
            Fault::Broken(_) => self.report.progress.broken += 1,
        }
        self.check_patience();
        (self.progress)(self.report.progress);
    }

    fn check_patience(&mut self) {
        if self.last_success.elapsed() > GIVE_UP && self.fatal.is_none() {
            let failures = if self.failures.is_empty() {
                vec![("all nodes".to_owned(), format!("nothing was committed for {} s", GIVE_UP.as_secs()))]
            } else {
                std::mem::take(&mut self.failures)
            };
            self.fatal = Some(ClientError::Unreachable(failures));
        }
    }
}

/// The next ones: at most `count`, and none more once they have `bytes`.
fn take(
    list: &mut impl Iterator<Item = pb::SignedTransaction>,
    count: usize,
    bytes: usize,
) -> Vec<pb::SignedTransaction> {
    let (mut taken, mut size) = (Vec::new(), 0);
    while taken.len() < count && size < bytes {
        let Some(next) = list.next() else { break };
        size += next.encoded_len();
        taken.push(next);
    }
    taken
}

/// Hands a window in as a stream, which is cheap: the node answers with counts and with what failed.
async fn stream(node: &Node, window: &Window) -> Result<Outcome, Fault> {
    let mut rest = window.transactions.iter().cloned();
    let messages = std::iter::from_fn(|| {
        let transactions = take(&mut rest, MESSAGE, MESSAGE_BYTES);
        (!transactions.is_empty()).then(|| pb::StreamTransactionsRequest {
            transactions,
            wait_for: Until::Committed.wire(),
            max_wait_ms: millis(WINDOW_WAIT),
        })
    });
    let messages: Vec<_> = messages.collect();
    let mut client = transactions(node.channel.clone());
    let answer = within(WINDOW_WAIT + GRACE, client.stream_transactions(tokio_stream::iter(messages))).await?;
    let pb::StreamTransactionsResponse { received, applied, refused, pending, not_admitted, problems, last_height } =
        answer;
    let all = window.transactions.len() as u64;
    if received == all && applied + refused == all && pending + not_admitted == 0 && problems.len() as u64 == refused {
        return Ok(Outcome { applied, failed: problems, open: Vec::new(), last_height });
    }
    // Which of them wait is not said: each is asked for by itself.
    Ok(Outcome { applied: 0, failed: Vec::new(), open: window.transactions.clone(), last_height: 0 })
}

/// Hands a window in as a batch: every transaction gets its own answer.
async fn batch(node: &Node, window: &Window) -> Result<Outcome, Fault> {
    let request = pb::SubmitTransactionsRequest {
        transactions: window.transactions.clone(),
        wait_for: Until::Committed.wire(),
        max_wait_ms: millis(WINDOW_WAIT),
    };
    let mut client = transactions(node.channel.clone());
    let pb::SubmitTransactionsResponse { statuses } =
        within(WINDOW_WAIT + GRACE, client.submit_transactions(request)).await?;
    if statuses.len() != window.transactions.len() {
        return Err(Fault::Broken(format!("{} answers to {} transactions", statuses.len(), window.transactions.len())));
    }
    let mut outcome = Outcome { applied: 0, failed: Vec::new(), open: Vec::new(), last_height: 0 };
    for (transaction, status) in window.transactions.iter().zip(statuses) {
        outcome.last_height = outcome.last_height.max(status.height);
        match state(&status) {
            TransactionState::Applied => outcome.applied += 1,
            TransactionState::Refused | TransactionState::Expired => outcome.failed.push(status),
            TransactionState::NotAdmitted if !crate::error::passes(&status.reason) => outcome.failed.push(status),
            TransactionState::NotAdmitted | TransactionState::Pending | TransactionState::Unspecified => {
                outcome.open.push(transaction.clone());
            }
        }
    }
    Ok(outcome)
}

async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
) -> Result<T, Fault> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => Ok(answer?.into_inner()),
        Err(_) => Err(Fault::Broken(format!("no answer within {} s", limit.as_secs()))),
    }
}
