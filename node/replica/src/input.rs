//! What a replica is told. Everything from outside is decoded, and bounded, before it gets here.

use crate::{
    Verified,
    door::Door,
    wire::{BlocksRequest, BodyRequest, Tip},
};
use octroi_chain::{Block, Canonical, ChainError, CommitCertificate};
use octroi_consensus::{Message, Timeout};
use octroi_ledger::SignedTransaction;
use octroi_merkle::log::blake3_root;
use octroi_primitives::{BlockId, Hash, Height, PublicKey};
use std::sync::Arc;

/// The host's clock at an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Milliseconds since 1970, UTC, of the wall clock; may step back.
    pub wall: u64,
}

/// A node at the other end of an authenticated connection, by its network key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer(pub PublicKey);

/// Names a submission of a client that waits for [`crate::Action::Reply`]. Chosen by the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientToken(pub u64);

/// Names a gossip message that waits for [`crate::Action::Verdict`]. Chosen by the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GossipToken(pub u64);

/// Names a question of a peer that waits for [`crate::Action::Respond`]. Chosen by the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestToken(pub u64);

/// Where transactions came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client of this node.
    Client(ClientToken),
    /// A batch gossiped by others.
    Gossip {
        /// Who handed it to us.
        peer: Peer,
        /// For the verdict.
        message: GossipToken,
    },
}

/// A timer of a replica. At most one of each name is running; starting it again replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// Of the agreement on a height.
    Consensus(Timeout),
    /// The least interval since the parent's commit is over.
    Pace,
    /// Work is due, or the heartbeat.
    Due,
    /// The batch of transactions to be gossiped is old enough.
    Gossip,
    /// Once a second: announce the tip, notice what got lost.
    Tick,
    /// A body that a proposal named has not come.
    Body(BlockId),
    /// A block from ahead of our clock becomes timely.
    Timely(BlockId),
    /// Somebody was ahead of us a moment ago; are they still?
    Behind,
    /// The answer to a request for blocks is late.
    CatchUp(u64),
    /// Fetched blocks wait to be applied.
    Apply,
}

/// The body of a block with those of its transactions whose signatures were checked at the door. Holding one proves that its transactions are
/// those its header names, so that a verdict on it is a verdict on the block.
#[derive(Clone, Debug)]
pub struct Body {
    pub(crate) block: Box<Block>,
    pub(crate) id: BlockId,
    /// The canonical bytes of the block.
    pub(crate) bytes: Arc<[u8]>,
    /// At the position of each transaction that was checked.
    pub(crate) verified: Vec<Option<Verified>>,
}

impl Body {
    /// Decodes a block strictly and checks the signatures of its transactions that the door does not know. A transaction that fails is left for
    /// the block's check to find.
    ///
    /// # Errors
    /// The bytes are no canonical block, or its transactions are not those its header names; whoever sent them is to be scored.
    pub fn open(bytes: &[u8], door: &mut Door) -> Result<Self, ChainError> {
        let block = Block::decode(bytes)?;
        let verified = door.open(block.transactions()).into_iter().map(Result::ok).collect();
        Self::of(block, bytes, verified)
    }

    /// Decodes a block strictly; its signatures will be checked when the block is.
    ///
    /// # Errors
    /// As [`Body::open`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ChainError> {
        let block = Block::decode(bytes)?;
        let unknown = vec![None; block.transactions().len()];
        Self::of(block, bytes, unknown)
    }

    fn of(block: Block, bytes: &[u8], verified: Vec<Option<Verified>>) -> Result<Self, ChainError> {
        let other = ChainError::Field { field: "block.transactions", reason: "not those that the header names" };
        let leaf = |(signed, verified): (&Vec<u8>, &Option<Verified>)| match verified {
            Some(transaction) => Some(transaction.leaf()),
            None => SignedTransaction::decode(signed).ok().map(|transaction| transaction.leaf()),
        };
        let leaves: Option<Vec<Hash>> = block.transactions().iter().zip(&verified).map(leaf).collect();
        if leaves.map(|leaves| blake3_root(&leaves)) != Some(block.header().transactions_root) {
            return Err(other);
        }
        let id = block.id();
        Ok(Body { block: Box::new(block), id, bytes: bytes.into(), verified })
    }

    /// The block.
    pub fn block(&self) -> &Block {
        &self.block
    }

    /// Its id.
    pub fn id(&self) -> BlockId {
        self.id
    }

    /// Its height.
    pub fn height(&self) -> Height {
        self.block.header().height
    }
}

/// A committed block as a peer hands it over: nothing of it is believed yet.
#[derive(Clone, Debug)]
pub struct CertifiedBody {
    /// The block.
    pub body: Body,
    /// Said to prove it.
    pub certificate: CommitCertificate,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// The time of listening is over: take part, and sign. The first input of a validator that may; an observer needs none but may be given it.
    Start,
    /// A timer expired. Expired timers that were cancelled meanwhile do no harm.
    Timer(Timer),
    /// A message of consensus, on the ordered channel.
    Message {
        /// Who sent it.
        peer: Peer,
        /// Unchecked.
        message: Message,
    },
    /// Transactions whose signatures were checked at the door, in the order of arrival.
    Transactions {
        /// Whence.
        origin: Origin,
        /// None of them twice.
        transactions: Vec<Verified>,
    },
    /// A body, pushed or asked for.
    Body {
        /// Who sent it.
        peer: Peer,
        /// What it says.
        body: Body,
    },
    /// A peer asks for a body; answered by [`crate::Action::Respond`] or [`crate::Action::Decline`]. Requests for committed blocks do not come here:
    /// [`crate::wire::answer_blocks`] answers them from the store.
    BodyRequest {
        /// Who asks.
        peer: Peer,
        /// For the answer.
        token: RequestToken,
        /// What is asked for.
        request: BodyRequest,
    },
    /// The answer to [`crate::Action::RequestBlocks`]; empty when it was declined, lost or could not be decoded.
    Blocks {
        /// Who answered.
        peer: Peer,
        /// The number of the request.
        number: u64,
        /// What was asked for.
        request: BlocksRequest,
        /// Of consecutive heights.
        blocks: Vec<CertifiedBody>,
    },
    /// A peer says how far it is.
    Tip {
        /// Who handed it to us, which need not be its author.
        peer: Peer,
        /// What it says.
        tip: Tip,
    },
    /// A peer can be sent to.
    PeerUp(Peer),
    /// A peer can no longer be sent to.
    PeerDown(Peer),
}
