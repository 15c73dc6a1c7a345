//! The header: the certified summary of a block, and its id.

use crate::{
    Canonical, ChainError,
    wire::{block_id, fixed, hash, public_key},
};
use alloc::vec::Vec;
use octroi_primitives::{BlockId, BlockTime, Hash, Height, NetworkId, PublicKey, Round};
use octroi_proto::v1 as pb;

/// What a header of height 1 names as its last commit: there is none.
pub const NO_COMMIT: Hash = Hash::ZERO;

/// The certified summary of a block. Executing before voting makes the certificate of a height cover its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Selects the rules that judge the block.
    pub version: u32,
    /// Hash of the genesis.
    pub network: NetworkId,
    /// Position, from 1.
    pub height: Height,
    /// Round in which the block was first proposed.
    pub round: Round,
    /// Milliseconds since 1970, later than the parent's.
    pub time: BlockTime,
    /// Id of the block below; at height 1 the hash of the genesis.
    pub parent: BlockId,
    /// Consensus key of select(height, round).
    pub proposer: PublicKey,
    /// RFC 6962 shape over BLAKE3, one leaf a user transaction.
    pub transactions_root: Hash,
    /// RFC 6962 shape over BLAKE3, system receipts first.
    pub receipts_root: Hash,
    /// Root of the state tree after this block.
    pub state_root: Hash,
    /// [`crate::ValidatorSet::hash`] of the set that certifies this block.
    pub validators_hash: Hash,
    /// [`crate::ValidatorSet::hash`] of the set that certifies the next block.
    pub next_validators_hash: Hash,
    /// Hash of the parent's certificate carried in the body; [`NO_COMMIT`] at height 1.
    pub last_commit_hash: Hash,
    /// RFC 6962 root (SHA-256) over the ids of blocks 0..height−1, block 0 being the genesis.
    pub log_root: Hash,
}

impl Header {
    /// The block's id: H("block", canonical header).
    pub fn id(&self) -> BlockId {
        BlockId::from_bytes(*octroi_primitives::hash("block", &[&self.encode()]).as_bytes())
    }

    /// Checks that `self` directly continues `parent`: network, height, parent id, time and set hash.
    ///
    /// # Errors
    /// [`ChainError::NotAChild`] naming the first field that does not fit.
    pub fn continues(&self, parent: &Header) -> Result<(), ChainError> {
        let fits = [
            ("network", self.network == parent.network),
            ("height", parent.height.get().checked_add(1) == Some(self.height.get())),
            ("parent", self.parent == parent.id()),
            ("time", self.time > parent.time),
            ("validator set", self.validators_hash == parent.next_validators_hash),
        ];
        match fits.into_iter().find(|(_, fits)| !fits) {
            Some((what, _)) => Err(ChainError::NotAChild { height: self.height, what }),
            None => Ok(()),
        }
    }
}

impl Canonical for Header {
    type Wire = pb::Header;
    const WHAT: &'static str = "header";

    fn to_wire(&self) -> pb::Header {
        let Header {
            version,
            network,
            height,
            round,
            time,
            parent,
            proposer,
            transactions_root,
            receipts_root,
            state_root,
            validators_hash,
            next_validators_hash,
            last_commit_hash,
            log_root,
        } = self;
        let vec = |h: &Hash| -> Vec<u8> { h.as_bytes().to_vec() };
        pb::Header {
            version: *version,
            network: network.as_bytes().to_vec(),
            height: height.get(),
            round: round.get(),
            time: time.millis(),
            parent: parent.as_bytes().to_vec(),
            proposer: proposer.as_bytes().to_vec(),
            transactions_root: vec(transactions_root),
            receipts_root: vec(receipts_root),
            state_root: vec(state_root),
            validators_hash: vec(validators_hash),
            next_validators_hash: vec(next_validators_hash),
            last_commit_hash: vec(last_commit_hash),
            log_root: vec(log_root),
        }
    }

    fn from_wire(wire: pb::Header) -> Result<Self, ChainError> {
        let pb::Header {
            version,
            network,
            height,
            round,
            time,
            parent,
            proposer,
            transactions_root,
            receipts_root,
            state_root,
            validators_hash,
            next_validators_hash,
            last_commit_hash,
            log_root,
        } = wire;
        if height == 0 {
            return Err(ChainError::Field { field: "header.height", reason: "heights start at 1" });
        }
        Ok(Header {
            version,
            network: NetworkId::from_bytes(fixed("header.network", &network)?),
            height: Height(height),
            round: Round(round),
            time: BlockTime(time),
            parent: block_id("header.parent", &parent)?,
            proposer: public_key("header.proposer", &proposer)?,
            transactions_root: hash("header.transactions_root", &transactions_root)?,
            receipts_root: hash("header.receipts_root", &receipts_root)?,
            state_root: hash("header.state_root", &state_root)?,
            validators_hash: hash("header.validators_hash", &validators_hash)?,
            next_validators_hash: hash("header.next_validators_hash", &next_validators_hash)?,
            last_commit_hash: hash("header.last_commit_hash", &last_commit_hash)?,
            log_root: hash("header.log_root", &log_root)?,
        })
    }
}
