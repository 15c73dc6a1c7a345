//! Votes and proposals: what is signed, and how it is checked.
//!
//! Signed bytes are `octroi/vote/v1` ‖ 0 ‖ network ‖ kind u8 ‖ height u64 ‖ round u32 ‖ (0 | 1 ‖ block id), and for a
//! proposal `octroi/proposal/v1` ‖ 0 ‖ network ‖ height u64 ‖ round u32 ‖ (0 | 1 ‖ round of the proof of lock u32) ‖
//! block id. Integers are big-endian. The signer is not part of them: its key verifies them.

use crate::{
    Canonical, ChainError, ValidatorSet,
    wire::{block_id, block_id_or_nil, public_key, signature},
};
use alloc::vec::Vec;
use octroi_primitives::{BlockId, Height, NetworkId, PublicKey, Round, SecretKey, Signature, signed_message, verify};
use octroi_proto::v1 as pb;

/// The two votes of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum VoteKind {
    /// First vote: the block is valid and not in conflict with a lock.
    Prevote = 1,
    /// Second vote: more than two thirds prevoted it.
    Precommit = 2,
}

impl VoteKind {
    pub(crate) fn to_wire(self) -> i32 {
        self as i32
    }

    pub(crate) fn from_wire(kind: i32) -> Result<Self, ChainError> {
        match kind {
            1 => Ok(VoteKind::Prevote),
            2 => Ok(VoteKind::Precommit),
            _ => Err(ChainError::Field { field: "vote.kind", reason: "neither prevote nor precommit" }),
        }
    }
}

/// A validator's vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Vote {
    /// Prevote or precommit.
    pub kind: VoteKind,
    /// Height voted on.
    pub height: Height,
    /// Attempt within the height.
    pub round: Round,
    /// The block, or `None` for nil.
    pub block: Option<BlockId>,
    /// Consensus key of the voter.
    pub validator: PublicKey,
}

impl Vote {
    /// The bytes a validator signs; an auditor rebuilds them from a certificate.
    pub fn signing_bytes(&self, network: &NetworkId) -> Vec<u8> {
        let Vote { kind, height, round, block, validator: _ } = self;
        let mut fields = Vec::with_capacity(46);
        fields.push(*kind as u8);
        fields.extend(height.get().to_be_bytes());
        fields.extend(round.get().to_be_bytes());
        match block {
            None => fields.push(0),
            Some(id) => {
                fields.push(1);
                fields.extend(id.as_bytes());
            }
        }
        signed_message("vote", network, &fields)
    }

    /// Signs it. The caller has asked its sign state first.
    pub fn sign(self, network: &NetworkId, key: &SecretKey) -> SignedVote {
        SignedVote { vote: self, signature: key.sign(&self.signing_bytes(network)) }
    }
}

/// A vote with its signature, which has not been checked by holding one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedVote {
    /// What is signed, and by whom.
    pub vote: Vote,
    /// Over [`Vote::signing_bytes`].
    pub signature: Signature,
}

impl SignedVote {
    /// Checks membership and signature.
    ///
    /// # Errors
    /// [`ChainError::UnknownSigner`], [`ChainError::Signature`].
    pub fn verify(&self, set: &ValidatorSet, network: &NetworkId) -> Result<(), ChainError> {
        signed_by(set, &self.vote.validator, &self.vote.signing_bytes(network), &self.signature)
    }
}

/// A proposer's signed pointer to a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Proposal {
    /// Height proposed for.
    pub height: Height,
    /// Attempt within the height.
    pub round: Round,
    /// The block proposed.
    pub block: BlockId,
    /// Round of the proof of lock when the block is proposed again; always below `round`.
    pub lock: Option<Round>,
    /// Consensus key of the proposer.
    pub proposer: PublicKey,
}

impl Proposal {
    /// The bytes a proposer signs.
    pub fn signing_bytes(&self, network: &NetworkId) -> Vec<u8> {
        let Proposal { height, round, block, lock, proposer: _ } = self;
        let mut fields = Vec::with_capacity(49);
        fields.extend(height.get().to_be_bytes());
        fields.extend(round.get().to_be_bytes());
        match lock {
            None => fields.push(0),
            Some(round) => {
                fields.push(1);
                fields.extend(round.get().to_be_bytes());
            }
        }
        fields.extend(block.as_bytes());
        signed_message("proposal", network, &fields)
    }

    /// Signs it. The caller has asked its sign state first.
    pub fn sign(self, network: &NetworkId, key: &SecretKey) -> SignedProposal {
        SignedProposal { proposal: self, signature: key.sign(&self.signing_bytes(network)) }
    }
}

/// A proposal with its signature, which has not been checked by holding one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedProposal {
    /// What is signed, and by whom.
    pub proposal: Proposal,
    /// Over [`Proposal::signing_bytes`].
    pub signature: Signature,
}

impl SignedProposal {
    /// Checks that the proposer's turn it is and the signature.
    ///
    /// # Errors
    /// [`ChainError::WrongProposer`], [`ChainError::Signature`].
    pub fn verify(&self, set: &ValidatorSet, network: &NetworkId) -> Result<(), ChainError> {
        let expected = set.select(self.proposal.height, self.proposal.round).consensus_key;
        let found = self.proposal.proposer;
        if expected != found {
            return Err(ChainError::WrongProposer { expected, found });
        }
        self.verify_signature(set, network)
    }

    /// Checks membership and signature, not the turn: evidence may come from a set whose skips are not known.
    ///
    /// # Errors
    /// [`ChainError::UnknownSigner`], [`ChainError::Signature`].
    pub fn verify_signature(&self, set: &ValidatorSet, network: &NetworkId) -> Result<(), ChainError> {
        signed_by(set, &self.proposal.proposer, &self.proposal.signing_bytes(network), &self.signature)
    }
}

fn signed_by(set: &ValidatorSet, key: &PublicKey, message: &[u8], signature: &Signature) -> Result<(), ChainError> {
    if set.position(key).is_none() {
        return Err(ChainError::UnknownSigner(*key));
    }
    if verify(key, message, signature) { Ok(()) } else { Err(ChainError::Signature(*key)) }
}

impl Canonical for SignedVote {
    type Wire = pb::Vote;
    const WHAT: &'static str = "vote";

    fn to_wire(&self) -> pb::Vote {
        let SignedVote { vote: Vote { kind, height, round, block, validator }, signature } = self;
        pb::Vote {
            kind: kind.to_wire(),
            height: height.get(),
            round: round.get(),
            block_id: block.map(|id| id.as_bytes().to_vec()).unwrap_or_default(),
            validator: validator.as_bytes().to_vec(),
            signature: signature.as_bytes().to_vec(),
        }
    }

    fn from_wire(wire: pb::Vote) -> Result<Self, ChainError> {
        let pb::Vote { kind, height, round, block_id, validator, signature: sig } = wire;
        let vote = Vote {
            kind: VoteKind::from_wire(kind)?,
            height: Height(height),
            round: Round(round),
            block: block_id_or_nil("vote.block_id", &block_id)?,
            validator: public_key("vote.validator", &validator)?,
        };
        Ok(SignedVote { vote, signature: signature("vote.signature", &sig)? })
    }
}

impl Canonical for SignedProposal {
    type Wire = pb::Proposal;
    const WHAT: &'static str = "proposal";

    fn to_wire(&self) -> pb::Proposal {
        let SignedProposal { proposal: Proposal { height, round, block, lock, proposer }, signature } = self;
        pb::Proposal {
            height: height.get(),
            round: round.get(),
            block_id: block.as_bytes().to_vec(),
            // A lock is always below a round, so adding one cannot overflow in a value made by decoding.
            lock: lock.map_or(0, |round| round.get().saturating_add(1)),
            proposer: proposer.as_bytes().to_vec(),
            signature: signature.as_bytes().to_vec(),
        }
    }

    fn from_wire(wire: pb::Proposal) -> Result<Self, ChainError> {
        let pb::Proposal { height, round, block_id: block, lock, proposer, signature: sig } = wire;
        if lock > round {
            return Err(ChainError::Field {
                field: "proposal.lock",
                reason: "proof of lock is not of an earlier round",
            });
        }
        let proposal = Proposal {
            height: Height(height),
            round: Round(round),
            block: block_id("proposal.block_id", &block)?,
            lock: lock.checked_sub(1).map(Round),
            proposer: public_key("proposal.proposer", &proposer)?,
        };
        Ok(SignedProposal { proposal, signature: signature("proposal.signature", &sig)? })
    }
}
