//! The load: transactions signed before, sent in windows over client streams, one window after the other in each lane, so that the number of
//! transactions under way stands still while the network is saturated.

use crate::workload::Lane;
use anyhow::{Context, Result, bail};
use octroi_client::transactions;
use octroi_ledger::SignedTransaction;
use octroi_proto::v1::{self as pb, TransactionState, WaitFor};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};
use tonic::transport::{Channel, Endpoint};

/// Transactions of a message; the service takes 256.
const MESSAGE: usize = 250;
/// How long a node may hold a window.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a window is sent before the load gives up.
const ATTEMPTS: usize = 60;

/// The nodes, and which of them live.
pub struct Nodes {
    channels: Vec<Channel>,
    alive: Vec<Cell<bool>>,
}

impl Nodes {
    /// Connections come about when they are needed.
    pub fn new(endpoints: &[String]) -> Result<Self> {
        let channels = endpoints
            .iter()
            .map(|endpoint| {
                let endpoint = Endpoint::from_shared(endpoint.clone())?;
                Ok(endpoint.initial_stream_window_size(1 << 20).tcp_nodelay(true).connect_lazy())
            })
            .collect::<Result<Vec<_>>>()?;
        let alive = channels.iter().map(|_| Cell::new(true)).collect();
        Ok(Self { channels, alive })
    }

    /// How many there are, dead ones included.
    pub fn len(&self) -> usize {
        self.channels.len()
    }

    /// A connection.
    pub fn channel(&self, node: usize) -> Channel {
        self.channels[node].clone()
    }

    /// Numbers of those that live.
    pub fn living(&self) -> Vec<usize> {
        (0..self.len()).filter(|node| self.alive[*node].get()).collect()
    }

    /// From now on nothing is sent there.
    pub fn set_alive(&self, node: usize, alive: bool) {
        self.alive[node].set(alive);
    }

    /// The node itself while it lives, else another one that does.
    fn near(&self, node: usize) -> usize {
        let living = self.living();
        if living.contains(&node) { node } else { living[node % living.len()] }
    }

    /// How a node is.
    pub async fn status(&self, node: usize) -> Result<pb::GetStatusResponse> {
        let answer = octroi_client::node(self.channel(node)).get_status(pb::GetStatusRequest {}).await;
        Ok(answer.with_context(|| format!("status of node {node}"))?.into_inner())
    }

    /// A counter of a node.
    pub async fn counter(&self, node: usize, name: &str) -> Result<u64> {
        let status = self.status(node).await?;
        let counter = status.counters.iter().find(|counter| counter.name == name);
        Ok(counter.with_context(|| format!("node {node} has no counter {name}"))?.value)
    }
}

/// Transactions that are sent together.
#[derive(Clone, Default)]
pub struct Window {
    transactions: Vec<pb::SignedTransaction>,
    /// Their signatures.
    pub signatures: u64,
}

impl Window {
    /// Of signed transactions.
    pub fn of(signed: impl IntoIterator<Item = SignedTransaction>) -> Self {
        let mut window = Self::default();
        for signed in signed {
            window.signatures += signed.signatures().len() as u64;
            window.transactions.push(signed.to_message());
        }
        window
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.transactions.len()
    }
}

/// What became of all that was sent.
#[derive(Debug, Default)]
pub struct Tally {
    /// Sent, each counted once.
    pub sent: u64,
    /// Their signatures.
    pub signatures: u64,
    /// Applied.
    pub applied: u64,
    /// Refused.
    pub refused: u64,
    /// Windows that had to be sent again.
    pub again: u64,
    /// Reasons of refusals and of what was not admitted.
    pub reasons: BTreeMap<String, u64>,
    /// Seconds from sending a window to the commit of its last transaction, with the moment of the answer.
    pub waits: Vec<(Instant, f64)>,
}

/// Sends a window until a living node says that all of it is in blocks.
pub async fn send(nodes: &Nodes, first: usize, window: &Window, tally: &RefCell<Tally>) -> Result<()> {
    let start = Instant::now();
    let mut problem = String::new();
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            tally.borrow_mut().again += 1;
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        let node = nodes.near(first + attempt / 4);
        let messages: Vec<pb::StreamTransactionsRequest> = window
            .transactions
            .chunks(MESSAGE)
            .map(|chunk| pb::StreamTransactionsRequest {
                transactions: chunk.to_vec(),
                wait_for: WaitFor::Committed as i32,
                max_wait_ms: PATIENCE.as_millis() as u32,
            })
            .collect();
        let mut client = transactions(nodes.channel(node));
        let answer = client.stream_transactions(futures::stream::iter(messages));
        let answer = match tokio::time::timeout(PATIENCE + Duration::from_secs(5), answer).await {
            Ok(Ok(answer)) => answer.into_inner(),
            Ok(Err(status)) => {
                problem = status.to_string();
                continue;
            }
            Err(_) => {
                problem = "no answer".into();
                continue;
            }
        };
        if answer.applied + answer.refused < window.len() as u64 {
            problem = format!(
                "node {node}: {} of {} are in blocks, {} wait, {} were not admitted: {:?}",
                answer.applied + answer.refused,
                window.len(),
                answer.pending,
                answer.not_admitted,
                answer.problems.iter().find(|status| status.state() != TransactionState::Refused)
            );
            continue;
        }
        let mut tally = tally.borrow_mut();
        tally.sent += window.len() as u64;
        tally.signatures += window.signatures;
        tally.applied += answer.applied;
        tally.refused += answer.refused;
        for status in answer.problems {
            *tally.reasons.entry(status.reason).or_default() += 1;
        }
        tally.waits.push((Instant::now(), start.elapsed().as_secs_f64()));
        return Ok(());
    }
    bail!("a window could not be brought into blocks: {problem}")
}

/// Brings a list into blocks, over all living nodes; the order is kept only within windows.
pub async fn send_all(
    nodes: &Nodes,
    list: impl Iterator<Item = SignedTransaction>,
    window: usize,
    tally: &RefCell<Tally>,
) -> Result<()> {
    let list = RefCell::new(list);
    let senders = (0..nodes.len() * 4).map(|sender| {
        let list = &list;
        async move {
            loop {
                let next = Window::of(list.borrow_mut().by_ref().take(window));
                if next.len() == 0 {
                    return Ok(());
                }
                send(nodes, sender % nodes.len(), &next, tally).await?;
            }
        }
    });
    futures::future::try_join_all(senders).await.map(|_: Vec<()>| ())
}

/// A lane with windows signed before.
pub struct Prepared {
    /// Makes more.
    pub lane: Lane,
    ready: VecDeque<Window>,
    size: usize,
    /// Windows that had to be signed while the load ran.
    pub late: u64,
}

impl Prepared {
    /// Nothing is signed yet.
    pub fn new(lane: Lane, size: usize) -> Self {
        Self { lane, ready: VecDeque::new(), size, late: 0 }
    }

    /// Signs up to so many windows.
    ///
    /// # Errors
    /// The ground is used up.
    pub fn fill(&mut self, windows: usize) -> Result<()> {
        while self.ready.len() < windows {
            let window = self.sign()?;
            self.ready.push_back(window);
        }
        Ok(())
    }

    fn sign(&mut self) -> Result<Window> {
        let signed: Vec<SignedTransaction> = (0..self.size).map(|_| self.lane.next()).collect::<Result<_>>()?;
        Ok(Window::of(signed))
    }

    /// The next window.
    ///
    /// # Errors
    /// The ground is used up.
    pub fn take(&mut self) -> Result<Window> {
        match self.ready.pop_front() {
            Some(window) => Ok(window),
            None => {
                self.late += 1;
                self.sign()
            }
        }
    }
}

/// Sends one lane's windows one after the other until it is told to stop.
pub async fn drive(
    nodes: &Nodes,
    number: usize,
    lane: &mut Prepared,
    stop: &Cell<bool>,
    tally: &RefCell<Tally>,
) -> Result<()> {
    while !stop.get() {
        let window = lane.take()?;
        send(nodes, number % nodes.len(), &window, tally).await?;
    }
    Ok(())
}

/// Hands in single transactions at a fixed rate, each by a call of its own that waits for the commit; seconds from the moment each was due.
pub async fn at_rate(
    nodes: &Nodes,
    lanes: &mut [Prepared],
    each_second: f64,
    seconds: f64,
    tally: &RefCell<Tally>,
) -> Result<Vec<f64>> {
    let count = (each_second * seconds) as usize;
    let turns = lanes.len();
    let signed: Vec<SignedTransaction> =
        (0..count).map(|number| lanes[number % turns].lane.next()).collect::<Result<_>>()?;
    let start = Instant::now();
    let calls = signed.into_iter().enumerate().map(|(number, signed)| async move {
        let due = start + Duration::from_secs_f64(number as f64 / each_second);
        tokio::time::sleep_until(due.into()).await;
        let request = pb::SubmitTransactionRequest {
            transaction: Some(signed.to_message()),
            wait_for: WaitFor::Committed as i32,
            max_wait_ms: PATIENCE.as_millis() as u32,
            preflight: false,
        };
        let node = nodes.near(number % nodes.len());
        let answer = transactions(nodes.channel(node)).submit_transaction(request).await?.into_inner();
        let status = answer.status.context("an answer without a status")?;
        let mut tally = tally.borrow_mut();
        tally.sent += 1;
        tally.signatures += signed.signatures().len() as u64;
        match status.state() {
            TransactionState::Applied => tally.applied += 1,
            TransactionState::Refused => tally.refused += 1,
            state => bail!("a transaction at {each_second} tx/s ended as {state:?}: {}", status.message),
        }
        Ok(due.elapsed().as_secs_f64())
    });
    futures::future::try_join_all(calls).await
}

/// Hands the same windows to all living nodes at once.
pub async fn to_all(nodes: &Nodes, windows: &[Window], tally: &RefCell<Tally>) -> Result<()> {
    for window in windows {
        let copies = RefCell::new(Tally::default());
        let sends = nodes.living().into_iter().map(|node| send(nodes, node, window, &copies));
        futures::future::try_join_all(sends).await?;
        let mut tally = tally.borrow_mut();
        tally.sent += window.len() as u64;
        tally.signatures += window.signatures;
    }
    Ok(())
}
