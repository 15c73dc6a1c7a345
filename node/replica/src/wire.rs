//! The bytes between nodes that are neither votes nor bodies, and the bounds a host holds them to before decoding.
//!
//! Strict: what does not encode to the same bytes again is refused.

use crate::{Body, CertifiedBody, Door, Store, Verified};
use octroi_chain::{Canonical, ChainError, CommitCertificate};
use octroi_primitives::{BlockId, Height};
use octroi_proto::v1 as pb;
use prost::Message as _;

/// Kind of the ordered frames that carry consensus messages.
pub const CONSENSUS_FRAME: u8 = 1;
/// Longest consensus message, bytes: a certificate of every member of the largest set.
pub const MAX_CONSENSUS_BYTES: usize = 32 * 1024;
/// Longest tip, bytes.
pub const MAX_TIP_BYTES: usize = 64;
/// Longest question, bytes.
pub const MAX_REQUEST_BYTES: usize = 64;
/// Answers with blocks stop before they are longer, bytes; a single longer block goes alone.
pub const BLOCKS_BYTES: usize = 4 * 1024 * 1024;
/// Most blocks of an answer.
pub const MAX_BLOCKS: u32 = 256;
/// Most transactions of a batch that is decoded.
pub const MAX_BATCH_TRANSACTIONS: usize = 1_024;

/// Which body is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BodyRequest {
    /// Height of the block.
    pub height: Height,
    /// The block.
    pub block: BlockId,
}

/// Which committed blocks are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlocksRequest {
    /// The first height.
    pub from: Height,
    /// How many at most.
    pub count: u32,
}

/// A question of one node to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// For a proposed block; goes to the replica.
    Body(BodyRequest),
    /// For committed blocks; [`answer_blocks`] answers it from the store.
    Blocks(BlocksRequest),
}

impl Canonical for Request {
    type Wire = pb::PeerRequest;
    const WHAT: &'static str = "request";

    fn to_wire(&self) -> pb::PeerRequest {
        use pb::peer_request::Request as Wire;
        let request = match self {
            Request::Body(BodyRequest { height, block }) => {
                Wire::Body(pb::BodyRequest { height: height.get(), block_id: block.as_bytes().to_vec() })
            }
            Request::Blocks(BlocksRequest { from, count }) => {
                Wire::Blocks(pb::BlocksRequest { from: from.get(), count: *count })
            }
        };
        pb::PeerRequest { request: Some(request) }
    }

    fn from_wire(wire: pb::PeerRequest) -> Result<Self, ChainError> {
        use pb::peer_request::Request as Wire;
        Ok(match wire.request.ok_or(ChainError::Missing { field: "request" })? {
            Wire::Body(pb::BodyRequest { height, block_id }) => {
                Request::Body(BodyRequest { height: Height(height), block: block_of("request.block_id", &block_id)? })
            }
            Wire::Blocks(pb::BlocksRequest { from, count }) => {
                Request::Blocks(BlocksRequest { from: Height(from), count })
            }
        })
    }
}

/// How far a node says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Height of its last block.
    pub height: Height,
    /// Its last block.
    pub block: BlockId,
}

impl Canonical for Tip {
    type Wire = pb::Tip;
    const WHAT: &'static str = "tip";

    fn to_wire(&self) -> pb::Tip {
        let Tip { height, block } = self;
        pb::Tip { height: height.get(), block_id: block.as_bytes().to_vec() }
    }

    fn from_wire(pb::Tip { height, block_id }: pb::Tip) -> Result<Self, ChainError> {
        Ok(Tip { height: Height(height), block: block_of("tip.block_id", &block_id)? })
    }
}

/// Bytes of a gossiped batch.
pub fn encode_batch(number: u64, transactions: &[Verified]) -> Vec<u8> {
    pb::TransactionBatch { number, transactions: transactions.iter().map(|t| t.encode()).collect() }.encode_to_vec()
}

/// Signed transactions of a gossiped batch, for the door.
///
/// # Errors
/// No such message, or too many transactions.
pub fn decode_batch(bytes: &[u8]) -> Result<Vec<Vec<u8>>, ChainError> {
    let batch: pb::TransactionBatch = strict("transaction batch", bytes)?;
    if batch.transactions.is_empty() || batch.transactions.len() > MAX_BATCH_TRANSACTIONS {
        return Err(ChainError::Field { field: "batch.transactions", reason: "none, or more than 1024" });
    }
    Ok(batch.transactions)
}

/// Answers a request for committed blocks from the store: those that are there, in order, up to [`BLOCKS_BYTES`].
///
/// # Errors
/// A fault of the store.
pub fn answer_blocks<S: Store>(store: &S, request: &BlocksRequest) -> Result<Vec<u8>, S::Error> {
    let mut blocks = Vec::new();
    let mut bytes = 0;
    let mut height = request.from;
    for _ in 0..request.count.min(MAX_BLOCKS) {
        let (Some(block), Some(certificate)) = (store.block(height)?, store.certificate(height)?) else { break };
        bytes += block.len() + certificate.len();
        if bytes > BLOCKS_BYTES && !blocks.is_empty() {
            break;
        }
        blocks.push(pb::CertifiedBlock { block, certificate });
        let Some(next) = height.next() else { break };
        height = next;
    }
    Ok(pb::BlocksResponse { blocks }.encode_to_vec())
}

/// Reads an answer with blocks and checks the signatures of their transactions at the door. Whether the heights are those asked for, and whether
/// the certificates prove anything, is the replica's to say.
///
/// # Errors
/// The bytes are no such answer; whoever sent them is to be scored.
pub fn open_blocks(bytes: &[u8], door: &mut Door) -> Result<Vec<CertifiedBody>, ChainError> {
    let response: pb::BlocksResponse = strict("blocks", bytes)?;
    if response.blocks.len() > MAX_BLOCKS as usize {
        return Err(ChainError::Field { field: "blocks", reason: "more than 256" });
    }
    response
        .blocks
        .into_iter()
        .map(|pb::CertifiedBlock { block, certificate }| {
            Ok(CertifiedBody { body: Body::open(&block, door)?, certificate: CommitCertificate::decode(&certificate)? })
        })
        .collect()
}

fn strict<M: prost::Message + Default>(what: &'static str, bytes: &[u8]) -> Result<M, ChainError> {
    let message = M::decode(bytes).map_err(|e| ChainError::Malformed { what, reason: e.to_string() })?;
    if message.encoded_len() != bytes.len() || message.encode_to_vec() != bytes {
        return Err(ChainError::NotCanonical { what });
    }
    Ok(message)
}

fn block_of(field: &'static str, bytes: &[u8]) -> Result<BlockId, ChainError> {
    let bytes: [u8; 32] =
        bytes.try_into().map_err(|_| ChainError::Length { field, expected: 32, found: bytes.len() })?;
    Ok(BlockId::from_bytes(bytes))
}
