//! What the services ask of the node around them.

use crate::Reason;
use futures::future::BoxFuture;
use octroi_ledger::{
    Inadmissible, SignedTransaction,
    transaction::{DecodeError, SignatureInvalid},
    wire::WireError,
};
use octroi_primitives::{Height, PublicKey, TransactionId};
use octroi_views::{Blocks, Rows, View, ViewError, Views};
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::sync::watch;

/// Why a transaction does not wait for a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAdmitted {
    /// For programs.
    pub reason: Reason,
    /// For people, with values.
    pub message: String,
    /// When it may be worth trying again.
    pub retry_after: Option<Duration>,
}

impl NotAdmitted {
    /// A reason in words, with the usual wait of reasons that pass by themselves.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        let retry_after = match reason {
            Reason::MempoolFull | Reason::OrganisationFull | Reason::RateLimited | Reason::Overloaded => {
                Some(Duration::from_secs(1))
            }
            Reason::NotReady | Reason::ShuttingDown => Some(Duration::from_secs(5)),
            Reason::SeenFull => Some(Duration::from_secs(60)),
            Reason::Quota => Some(Duration::from_secs(3600)),
            _ => None,
        };
        Self { reason, message: message.into(), retry_after }
    }

    /// By the name of the reason, as a mempool gives it; a name outside the list is an overload.
    pub fn named(reason: &str, message: impl Into<String>) -> Self {
        Self::new(Reason::of_name(reason).unwrap_or(Reason::Overloaded), message)
    }
}

impl From<&Inadmissible> for NotAdmitted {
    fn from(error: &Inadmissible) -> Self {
        let reason = match error {
            Inadmissible::WrongNetwork(_) => Reason::WrongNetwork,
            Inadmissible::Expired { .. } => Reason::Expired,
            Inadmissible::TooEarly { .. } => Reason::TooEarly,
            Inadmissible::Duplicate(_) => Reason::Duplicate,
            Inadmissible::UnknownOrganisation(_) | Inadmissible::UnknownKey(_) => Reason::UnknownSigner,
            Inadmissible::Threshold { .. } => Reason::Threshold,
            Inadmissible::Quota(_) => Reason::Quota,
            Inadmissible::SeenFull(_) => Reason::SeenFull,
        };
        Self::new(reason, error.to_string())
    }
}

impl From<&DecodeError> for NotAdmitted {
    fn from(error: &DecodeError) -> Self {
        let reason = match error {
            DecodeError::TooLarge(_) => Reason::TransactionTooLarge,
            DecodeError::Wire(WireError::NotCanonical(_)) => Reason::NotCanonical,
            DecodeError::Wire(WireError::Malformed(_) | WireError::Field { .. }) => Reason::TransactionMalformed,
            DecodeError::Signatures(_) => Reason::SignatureCount,
            DecodeError::KeyOrder => Reason::KeyOrder,
        };
        Self::new(reason, error.to_string())
    }
}

impl From<&SignatureInvalid> for NotAdmitted {
    fn from(error: &SignatureInvalid) -> Self {
        Self::new(Reason::SignatureInvalid, error.to_string())
    }
}

/// The way to the mempool: the daemon checks signatures on its pool and asks the replica.
pub trait Submit: Send + Sync + 'static {
    /// Hands transactions in, kept in order; one answer for each. Calls are served in the order in which their futures are first polled. A
    /// transaction that waits already or is committed is answered with [`Reason::Pending`] or [`Reason::Duplicate`]: the caller of the service is
    /// then told where it stands. Dropping the future after its first poll loses answers, not transactions.
    fn submit(&self, transactions: Vec<SignedTransaction>) -> BoxFuture<'static, Vec<Result<(), NotAdmitted>>>;

    /// Whether a transaction waits here for a block, as far as this node knows at this moment. Answers from memory.
    fn waits(&self, id: &TransactionId) -> bool;
}

/// States of the last heights.
pub trait ViewSource: Send + Sync + 'static {
    /// After the last committed block.
    fn newest(&self) -> Arc<View>;

    /// After the block of a height.
    ///
    /// # Errors
    /// [`ViewError::HeightNotAvailable`].
    fn at(&self, height: Height) -> Result<Arc<View>, ViewError>;
}

impl ViewSource for RwLock<Views> {
    fn newest(&self) -> Arc<View> {
        self.read().unwrap_or_else(PoisonError::into_inner).newest()
    }

    fn at(&self, height: Height) -> Result<Arc<View>, ViewError> {
        self.read().unwrap_or_else(PoisonError::into_inner).at(Some(height))
    }
}

/// The node's wall clock.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970, UTC, without the network's offset.
    fn wall_millis(&self) -> u64;
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeInfo {
    /// Version of the program.
    pub version: String,
    /// `None` for an observer.
    pub consensus_key: Option<PublicKey>,
    /// Identity among peers.
    pub network_key: PublicKey,
    /// Canonical bytes of the genesis.
    pub genesis: Vec<u8>,
}

/// One check of readiness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeCheck {
    /// Stable name in snake case.
    pub name: &'static str,
    /// Whether it is met.
    pub ok: bool,
    /// In words, with values.
    pub detail: String,
}

/// A number of the node, for measuring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeCounter {
    /// Stable name in snake case.
    pub name: &'static str,
    /// Since the node started, or now.
    pub value: u64,
}

/// How a node is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeStatus {
    /// Ready when all of them are met.
    pub checks: Vec<NodeCheck>,
    /// Waiting transactions.
    pub mempool_transactions: u64,
    /// Their bytes.
    pub mempool_bytes: u64,
    /// Connected peers.
    pub peers: u32,
    /// Committed user transactions that this node knows of.
    pub transactions: u64,
    /// Numbers for measuring.
    pub counters: Vec<NodeCounter>,
}

/// What a peer is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerRole {
    /// Of the set of the next height.
    Validator,
    /// Any other.
    Observer,
}

/// A peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodePeer {
    /// Its identity.
    pub network_key: PublicKey,
    /// What it is to us.
    pub role: PeerRole,
    /// Where it is.
    pub address: String,
    /// Whether it can be sent to.
    pub connected: bool,
    /// Height it last announced.
    pub height: Height,
}

/// The node about itself. Called on the server's threads: answers from memory, at once.
pub trait NodeReports: Send + Sync + 'static {
    /// What it is.
    fn info(&self) -> NodeInfo;
    /// How it is.
    fn status(&self) -> NodeStatus;
    /// Whom it knows.
    fn peers(&self) -> Vec<NodePeer>;
}

/// Everything the services stand on.
#[derive(Clone)]
pub struct Deps {
    /// States of the last heights.
    pub views: Arc<dyn ViewSource>,
    /// Rows of the views.
    pub rows: Arc<dyn Rows>,
    /// Committed blocks.
    pub blocks: Arc<dyn Blocks>,
    /// The way in.
    pub submit: Arc<dyn Submit>,
    /// The node about itself.
    pub node: Arc<dyn NodeReports>,
    /// Wall clock.
    pub clock: Arc<dyn Clock>,
    /// Height of the last committed block, sent **after** view, rows and block of that height can be read.
    pub commits: watch::Receiver<Height>,
    /// Whether the node is ready: what the health service says.
    pub ready: watch::Receiver<bool>,
}
