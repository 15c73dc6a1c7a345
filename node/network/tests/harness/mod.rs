//! Nodes on loopback for the tests of the network: start, allow, await an event, freeze, kill. Every wait is bounded.

// Each test file is a crate of its own and uses a part of this.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use octroi_network::{
    NetworkConfig, NetworkEvent, NetworkEvents, NetworkHandle, NetworkKey, PeerEntry, PeerKey, Role, start,
};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Kind of frame for votes: at most 256 bytes.
pub const VOTE: u8 = 1;
/// Kind of frame for larger messages: at most 64 KiB.
pub const LARGE: u8 = 2;

/// No test waits longer than this for one event; reached only when the claim is false.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Settings on a free port of loopback.
pub fn config() -> NetworkConfig {
    let kinds = BTreeMap::from([(VOTE, 256), (LARGE, 64 * 1024)]);
    NetworkConfig::new([0xAB; 32], "127.0.0.1:0".parse().expect("a literal address"), kinds)
}

/// A running node.
pub struct Node {
    pub handle: NetworkHandle,
    pub events: NetworkEvents,
    frozen: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Node {
    pub async fn new(seed: u8) -> Self {
        Self::with(seed, config()).await
    }

    pub async fn with(seed: u8, config: NetworkConfig) -> Self {
        let (handle, events, driver) =
            start(config, NetworkKey::from_seed([seed; 32])).await.expect("a free port and valid settings");
        let frozen = Arc::new(AtomicBool::new(false));
        let gate = frozen.clone();
        let task =
            tokio::spawn(async move {
                let mut run = Box::pin(driver.run());
                let outcome = std::future::poll_fn(move |cx| {
                    if gate.load(Ordering::Acquire) { Poll::Pending } else { run.as_mut().poll(cx) }
                });
                outcome.await.expect("the listener stays open");
            });
        Self { handle, events, frozen, task }
    }

    pub fn key(&self) -> PeerKey {
        self.handle.local_peer()
    }

    pub fn address(&self) -> SocketAddr {
        self.handle.listen_address()
    }

    /// This node as others have it on their list.
    pub fn entry(&self) -> (PeerKey, PeerEntry) {
        let addresses = vec![self.address().to_string()];
        (self.key(), PeerEntry { addresses, role: Role::Validator })
    }

    pub fn allow(&self, peers: &[&Node]) {
        self.handle.set_allowed(peers.iter().map(|peer| peer.entry()).collect());
    }

    /// Awaits the first event that `pick` takes; others are passed over.
    pub async fn expect<T>(&mut self, what: &str, mut pick: impl FnMut(NetworkEvent) -> Option<T>) -> T {
        let wait = async {
            loop {
                let event = self.events.recv().await.unwrap_or_else(|| panic!("events ended before {what}"));
                if let Some(found) = pick(event) {
                    return found;
                }
            }
        };
        timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("no {what} within {PATIENCE:?}"))
    }

    pub async fn expect_up(&mut self, peer: PeerKey) {
        self.expect("PeerUp", |event| match event {
            NetworkEvent::PeerUp { peer: up, .. } if up == peer => Some(()),
            _ => None,
        })
        .await;
    }

    /// Takes what has arrived within the time.
    pub async fn collect(&mut self, time: Duration) -> Vec<NetworkEvent> {
        let mut seen = Vec::new();
        let _ = timeout(time, async {
            while let Some(event) = self.events.recv().await {
                seen.push(event);
            }
        })
        .await;
        seen
    }

    /// The node stands still, as a stopped process does: its sockets stay open and nobody serves them.
    pub fn freeze(&self) {
        self.frozen.store(true, Ordering::Release);
    }

    /// The node is gone at once, as after `kill -9`: its sockets are closed by the system.
    pub async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// The node stops in peace; its remaining events are returned.
    pub async fn stop(mut self) -> Vec<NetworkEvent> {
        self.handle.shutdown();
        timeout(PATIENCE, self.task).await.expect("a shutdown is bounded").expect("the driver does not panic");
        let mut rest = Vec::new();
        while let Some(event) = timeout(PATIENCE, self.events.recv()).await.expect("the events end") {
            rest.push(event);
        }
        rest
    }
}

/// Two nodes that know and reach each other.
pub async fn pair() -> (Node, Node) {
    pair_with(config(), config()).await
}

pub async fn pair_with(first: NetworkConfig, second: NetworkConfig) -> (Node, Node) {
    let (mut first, mut second) = (Node::with(1, first).await, Node::with(2, second).await);
    first.allow(&[&second]);
    second.allow(&[&first]);
    first.expect_up(second.key()).await;
    second.expect_up(first.key()).await;
    (first, second)
}
