//! Equivocation: two signed messages that one honest validator can never both sign. Self-verifying: a set and a network
//! are all it takes to check it.

use crate::{Canonical, ChainError, SignedProposal, SignedVote, ValidatorSet, wire::required};
use octroi_primitives::{Hash, Height, NetworkId, PublicKey, hash};
use octroi_proto::v1 as pb;

/// Two conflicting messages of one signer, the one with the smaller signed content first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Two votes of one kind, height and round for different blocks.
    Votes(SignedVote, SignedVote),
    /// Two proposals for one height and round that differ.
    Proposals(SignedProposal, SignedProposal),
}

impl Evidence {
    /// Of two votes, in canonical order. Nothing is checked before [`Evidence::verify`].
    pub fn of_votes(a: SignedVote, b: SignedVote) -> Self {
        if a.vote <= b.vote { Evidence::Votes(a, b) } else { Evidence::Votes(b, a) }
    }

    /// Of two proposals, in canonical order. Nothing is checked before [`Evidence::verify`].
    pub fn of_proposals(a: SignedProposal, b: SignedProposal) -> Self {
        if a.proposal <= b.proposal { Evidence::Proposals(a, b) } else { Evidence::Proposals(b, a) }
    }

    /// Whom it accuses.
    pub fn validator(&self) -> PublicKey {
        match self {
            Evidence::Votes(a, _) => a.vote.validator,
            Evidence::Proposals(a, _) => a.proposal.proposer,
        }
    }

    /// The height of the offence.
    pub fn height(&self) -> Height {
        match self {
            Evidence::Votes(a, _) => a.vote.height,
            Evidence::Proposals(a, _) => a.proposal.height,
        }
    }

    /// H("evidence", canonical bytes).
    pub fn hash(&self) -> Hash {
        hash("evidence", &[&self.encode()])
    }

    /// Checks that both messages are signed by one member of the set and contradict each other. `set` is the one of
    /// [`Evidence::height`].
    ///
    /// # Errors
    /// [`ChainError::NoConflict`], [`ChainError::UnknownSigner`], [`ChainError::Signature`].
    pub fn verify(&self, set: &ValidatorSet, network: &NetworkId) -> Result<(), ChainError> {
        match self {
            Evidence::Votes(a, b) => {
                if (a.vote.validator, a.vote.height, a.vote.round, a.vote.kind)
                    != (b.vote.validator, b.vote.height, b.vote.round, b.vote.kind)
                {
                    return Err(ChainError::NoConflict("votes of different signer, height, round or kind"));
                }
                if a.vote.block == b.vote.block {
                    return Err(ChainError::NoConflict("votes for the same block"));
                }
                a.verify(set, network)?;
                b.verify(set, network)
            }
            Evidence::Proposals(a, b) => {
                if (a.proposal.proposer, a.proposal.height, a.proposal.round)
                    != (b.proposal.proposer, b.proposal.height, b.proposal.round)
                {
                    return Err(ChainError::NoConflict("proposals of different signer, height or round"));
                }
                if a.proposal == b.proposal {
                    return Err(ChainError::NoConflict("the same proposal"));
                }
                a.verify_signature(set, network)?;
                b.verify_signature(set, network)
            }
        }
    }
}

impl Canonical for Evidence {
    type Wire = pb::Evidence;
    const WHAT: &'static str = "evidence";

    fn to_wire(&self) -> pb::Evidence {
        use pb::evidence::Conflict;
        let conflict = match self {
            Evidence::Votes(a, b) => {
                Conflict::Votes(pb::VoteConflict { first: Some(a.to_wire()), second: Some(b.to_wire()) })
            }
            Evidence::Proposals(a, b) => {
                Conflict::Proposals(pb::ProposalConflict { first: Some(a.to_wire()), second: Some(b.to_wire()) })
            }
        };
        pb::Evidence { conflict: Some(conflict) }
    }

    fn from_wire(wire: pb::Evidence) -> Result<Self, ChainError> {
        use pb::evidence::Conflict;
        let evidence = match required("evidence.conflict", wire.conflict)? {
            Conflict::Votes(pb::VoteConflict { first, second }) => Evidence::Votes(
                SignedVote::from_wire(required("evidence.first", first)?)?,
                SignedVote::from_wire(required("evidence.second", second)?)?,
            ),
            Conflict::Proposals(pb::ProposalConflict { first, second }) => Evidence::Proposals(
                SignedProposal::from_wire(required("evidence.first", first)?)?,
                SignedProposal::from_wire(required("evidence.second", second)?)?,
            ),
        };
        let ordered = match &evidence {
            Evidence::Votes(a, b) => a.vote < b.vote,
            Evidence::Proposals(a, b) => a.proposal < b.proposal,
        };
        if ordered {
            Ok(evidence)
        } else {
            Err(ChainError::Field { field: "evidence", reason: "messages are not in ascending order" })
        }
    }
}
