//! What a replica wants done, in this order. Writes first become durable, then what depends on them leaves.

use crate::{
    Verified,
    input::{ClientToken, GossipToken, Peer, RequestToken, Timer},
    mempool::Refused,
    wire::{BlocksRequest, BodyRequest, Tip},
};
use octroi_chain::{CommitCertificate, Evidence};
use octroi_consensus::{Message, SlotWrite};
use octroi_ledger::{ExecutedBlock, Inadmissible, State};
use octroi_primitives::{BlockId, Height, TransactionId};
use std::{sync::Arc, time::Duration};

/// A decided block with everything it does: what the store keeps in one atomic batch.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The block with receipts, rows, ids and the next set.
    pub executed: ExecutedBlock,
    /// Canonical bytes of the block.
    pub body: Arc<[u8]>,
    /// Our proof of it. The block above may carry another.
    pub certificate: CommitCertificate,
    /// Equivocations seen at this height.
    pub evidence: Vec<Evidence>,
    /// The state after it, a cheap copy: its head, root and tree are those of this height.
    pub state: State,
}

/// One thing to do. Performed in order by [`crate::perform`]; an error of a write stops the node.
#[derive(Clone, Debug)]
pub enum Output {
    /// Append an entry to the log of the height.
    Append {
        /// Of which height.
        height: Height,
        /// One encoded [`octroi_consensus::LogEntry`].
        entry: Vec<u8>,
    },
    /// Keep the body of a block that is about to be prevoted or proposed, in the same log.
    PutBody {
        /// Height of the block.
        height: Height,
        /// The block.
        block: BlockId,
        /// Its canonical bytes.
        bytes: Arc<[u8]>,
    },
    /// The slot of the sign state to write once the log is durable.
    SignState(SlotWrite),
    /// Log durable, then sign state durable, before anything after this is performed.
    Barrier,
    /// Commit a block, in one atomic and synced batch; then its log is of no more use.
    Commit(Arc<Commit>),
    /// Not for the disk.
    Act(Action),
}

/// What a host does outside store and disk. Losing one of these costs time, never safety.
#[derive(Clone, Debug)]
pub enum Action {
    /// To all validators, on the ordered channel.
    Broadcast(Message),
    /// The body of our proposal to all validators, after the message that names it.
    PushBody {
        /// Height of the block.
        height: Height,
        /// The block.
        block: BlockId,
        /// Canonical block.
        bytes: Arc<[u8]>,
    },
    /// Ask a peer for a body; the answer is [`crate::Input::Body`], a failure none.
    RequestBody {
        /// Whom.
        peer: Peer,
        /// What.
        request: BodyRequest,
    },
    /// Ask a peer for committed blocks; the answer is [`crate::Input::Blocks`].
    RequestBlocks {
        /// Whom.
        peer: Peer,
        /// Names the request.
        number: u64,
        /// What.
        request: BlocksRequest,
    },
    /// Answer a request for a body.
    Respond {
        /// Which request.
        token: RequestToken,
        /// Canonical block.
        bytes: Arc<[u8]>,
    },
    /// We have not got the body asked for.
    Decline(RequestToken),
    /// Gossip a batch, within [`crate::Config::batch_transactions`] and `batch_bytes` or one larger transaction.
    Gossip {
        /// Makes the batch a new message.
        number: u64,
        /// What.
        transactions: Vec<Verified>,
    },
    /// Gossip how far we are.
    Announce(Tip),
    /// Start this timer, or start it again.
    SetTimer {
        /// Its name.
        timer: Timer,
        /// From now; zero means: after what is queued already.
        after: Duration,
    },
    /// Stop this timer.
    CancelTimer(Timer),
    /// Stop all timers of consensus.
    CancelConsensusTimers,
    /// What became of a client's transactions at the door of the mempool, in their order. Accepted is no promise.
    Reply {
        /// Whose.
        client: ClientToken,
        /// One answer for each.
        results: Vec<Result<(), Refused>>,
    },
    /// Whether a gossip message is handed on.
    Verdict {
        /// Which.
        message: GossipToken,
        /// The verdict.
        verdict: Verdict,
    },
    /// These left the mempool without being committed, and why; whoever waits for them is to be told.
    Dropped(Vec<(TransactionId, Inadmissible)>),
    /// A peer did what no honest node does.
    Penalise {
        /// Who.
        peer: Peer,
        /// What.
        offence: Offence,
    },
    /// The block is in the store: answer those who wait for it, publish the view.
    Committed(Arc<Commit>),
}

/// The verdict on a gossip message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Hand it on.
    Accept,
    /// Nothing in it is news to us.
    Ignore,
}

/// Why a peer is penalised.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Offence {
    /// A consensus message whose signer or signature is wrong.
    #[error("consensus message: {0}")]
    Message(octroi_chain::ChainError),
    /// A body of another block than the one asked for, or one that no proposal names.
    #[error("body {0} was not asked for")]
    Body(BlockId),
    /// Blocks that the certificate does not cover, or of other heights than asked for.
    #[error("blocks: {0}")]
    Blocks(String),
    /// It said to be ahead of us and did not hand over what it has.
    #[error("said to be at height {0} and handed nothing over")]
    NoBlocks(Height),
}
