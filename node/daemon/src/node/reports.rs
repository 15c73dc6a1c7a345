//! What the node says of itself, and the states it publishes for readers.

use octroi_ledger::ExecutedBlock;
use octroi_network::{NetworkHandle, Role};
use octroi_primitives::{Height, PublicKey, Round};
use octroi_replica::Metrics;
use octroi_rpc::{NodeCheck, NodeCounter, NodeInfo, NodePeer, NodeReports, NodeStatus, PeerRole, ViewSource};
use octroi_views::{View, ViewError, Views};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::watch;

/// The states of the last heights, and the signal that there is a new one.
pub struct Published {
    views: RwLock<Views>,
    commits: watch::Sender<Height>,
}

impl Published {
    /// Starts with the state that was loaded.
    pub fn new(first: View) -> Self {
        let height = first.height();
        Self {
            views: RwLock::new(Views::new(first, octroi_views::ViewsLimit::default())),
            commits: watch::Sender::new(height),
        }
    }

    /// A block is in the store: its state can be read, and whoever waits is told.
    pub fn publish(&self, view: View, updated_keys: usize) {
        let height = view.height();
        self.views.write().unwrap_or_else(PoisonError::into_inner).publish(view, updated_keys);
        self.commits.send_replace(height);
    }

    /// Heights as they are committed.
    pub fn commits(&self) -> watch::Receiver<Height> {
        self.commits.subscribe()
    }
}

impl ViewSource for Published {
    fn newest(&self) -> Arc<View> {
        self.views.read().unwrap_or_else(PoisonError::into_inner).newest()
    }

    fn at(&self, height: Height) -> Result<Arc<View>, ViewError> {
        self.views.read().unwrap_or_else(PoisonError::into_inner).at(Some(height))
    }
}

/// A number that only this crate writes.
#[derive(Default)]
pub struct Number(AtomicU64);

impl Number {
    /// More of it.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// What it is now.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A peer as we know it.
struct Known {
    role: Role,
    connected: bool,
    height: Height,
}

/// What is gathered while the node runs.
pub struct Reports {
    info: NodeInfo,
    network: NetworkHandle,
    /// Syncs of log and sign state.
    pub syncs: Number,
    /// Signatures of transactions checked.
    pub signatures: Number,
    transactions: Number,
    replica: Mutex<(Metrics, Option<(Height, Round)>)>,
    peers: Mutex<BTreeMap<PublicKey, Known>>,
    checks: Mutex<Vec<NodeCheck>>,
    ready: watch::Sender<bool>,
}

/// Blocks that a node may be behind its peers and still count as ready.
const LAG: u64 = 10;

impl Reports {
    /// Nothing gathered yet; `transactions` are those committed before.
    pub fn new(info: NodeInfo, network: NetworkHandle, transactions: u64) -> Self {
        let reports = Self {
            info,
            network,
            syncs: Number::default(),
            signatures: Number::default(),
            transactions: Number::default(),
            replica: Mutex::default(),
            peers: Mutex::default(),
            checks: Mutex::default(),
            ready: watch::Sender::new(false),
        };
        reports.transactions.set(transactions);
        reports
    }

    /// Whether the node is ready, as it changes.
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    /// A peer can be sent to.
    pub fn peer_up(&self, peer: PublicKey, role: Role) {
        let known = Known { role, connected: true, height: Height(0) };
        lock(&self.peers).entry(peer).and_modify(|known| (known.role, known.connected) = (role, true)).or_insert(known);
    }

    /// A peer is gone.
    pub fn peer_down(&self, peer: &PublicKey) {
        if let Some(known) = lock(&self.peers).get_mut(peer) {
            known.connected = false;
        }
    }

    /// A peer announced how far it is.
    pub fn tip(&self, peer: &PublicKey, height: Height) {
        if let Some(known) = lock(&self.peers).get_mut(peer) {
            known.height = known.height.max(height);
        }
    }

    /// A block was committed.
    pub fn committed(&self, executed: &ExecutedBlock) {
        self.transactions.add(executed.transactions().len() as u64);
    }

    /// Counters of the replica.
    pub fn replica(&self, metrics: Metrics, under_way: Option<(Height, Round)>) {
        *lock(&self.replica) = (metrics, under_way);
    }

    /// Judges whether the node is ready.
    pub fn look(&self, disk_low: bool, published: &Published) {
        let view = published.newest();
        let set = view.state.validators();
        let (connected, ahead) = {
            let peers = lock(&self.peers);
            let validators = peers.values().filter(|known| known.connected && known.role == Role::Validator).count();
            (
                validators,
                peers.values().filter(|known| known.connected).map(|known| known.height).max().unwrap_or(Height(0)),
            )
        };
        let own = usize::from(self.info.consensus_key.is_some_and(|key| set.position(&key).is_some()));
        let quorum = set.quorum();
        let lag = ahead.0.saturating_sub(view.height().0);
        let checks = vec![
            NodeCheck {
                name: "quorum",
                ok: connected + own >= quorum,
                detail: format!("{} of {} validators can be reached, {quorum} are needed", connected + own, set.len()),
            },
            NodeCheck {
                name: "lag",
                ok: lag <= LAG,
                detail: format!("{lag} blocks behind the peers, at most {LAG} are fine"),
            },
            NodeCheck {
                name: "disk",
                ok: !disk_low,
                detail: if disk_low { "less than 5 % is free" } else { "5 % or more is free" }.into(),
            },
        ];
        let ready = checks.iter().all(|check| check.ok);
        *lock(&self.checks) = checks;
        self.ready.send_if_modified(|was| std::mem::replace(was, ready) != ready);
    }
}

impl NodeReports for Reports {
    fn info(&self) -> NodeInfo {
        self.info.clone()
    }

    fn status(&self) -> NodeStatus {
        let (replica, under_way) = *lock(&self.replica);
        let Metrics {
            committed,
            caught_up,
            transactions,
            refused,
            proposed,
            valid,
            invalid,
            untimely,
            misplaced,
            late_rounds,
            bodies_requested,
            admitted,
            not_admitted,
            dropped,
            barriers,
            evidence,
            penalties,
            sign_refused,
            pending,
            pending_bytes,
        } = replica;
        let counter = |name, value| NodeCounter { name, value };
        let mut counters = vec![
            counter("committed_blocks", committed),
            counter("caught_up_blocks", caught_up),
            counter("committed_transactions", transactions),
            counter("refused_transactions", refused),
            counter("proposed_blocks", proposed),
            counter("valid_blocks", valid),
            counter("invalid_blocks", invalid),
            counter("untimely_blocks", untimely),
            counter("misplaced_proposals", misplaced),
            counter("late_rounds", late_rounds),
            counter("bodies_requested", bodies_requested),
            counter("admitted", admitted),
            counter("not_admitted", not_admitted),
            counter("dropped", dropped),
            counter("barriers", barriers),
            counter("syncs", self.syncs.get()),
            counter("signatures_checked", self.signatures.get()),
            counter("evidence", evidence),
            counter("penalties", penalties),
            counter("sign_refused", sign_refused),
        ];
        if let Some((height, round)) = under_way {
            counters.push(counter("height_under_way", height.0));
            counters.push(counter("round_under_way", round.0.into()));
        }
        let peers = lock(&self.peers).values().filter(|known| known.connected).count();
        NodeStatus {
            checks: lock(&self.checks).clone(),
            mempool_transactions: pending,
            mempool_bytes: pending_bytes,
            peers: u32::try_from(peers).unwrap_or(u32::MAX),
            transactions: self.transactions.get(),
            counters,
        }
    }

    fn peers(&self) -> Vec<NodePeer> {
        let addresses: BTreeMap<[u8; 32], String> =
            self.network.peers().into_iter().map(|info| (info.peer.0, info.address)).collect();
        lock(&self.peers)
            .iter()
            .map(|(key, known)| NodePeer {
                network_key: *key,
                role: match known.role {
                    Role::Validator => PeerRole::Validator,
                    Role::Observer => PeerRole::Observer,
                },
                address: addresses.get(key.as_bytes()).cloned().unwrap_or_default(),
                connected: known.connected,
                height: known.height,
            })
            .collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
