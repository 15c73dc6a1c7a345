//! What validators say to each other about one height, and the proof that it was checked.

use octroi_chain::{
    Canonical, ChainError, PolkaCertificate, RoundCertificate, SignedProposal, SignedVote, ValidatorSet,
};
use octroi_primitives::{Height, NetworkId, Round};
use octroi_proto::v1 as pb;

/// A message between validators. Bodies travel apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A vote.
    Vote(SignedVote),
    /// A proposal.
    Proposal(SignedProposal),
    /// A proof of lock, sent ahead of a proposal that leans on it.
    Polka(PolkaCertificate),
    /// A reason to follow into a round or out of it.
    Round(RoundCertificate),
}

impl Message {
    /// The height it is about.
    pub fn height(&self) -> Height {
        match self {
            Message::Vote(v) => v.vote.height,
            Message::Proposal(p) => p.proposal.height,
            Message::Polka(c) => c.height,
            Message::Round(c) => c.height,
        }
    }

    /// The round it is about.
    pub fn round(&self) -> Round {
        match self {
            Message::Vote(v) => v.vote.round,
            Message::Proposal(p) => p.proposal.round,
            Message::Polka(c) => c.round,
            Message::Round(c) => c.round,
        }
    }

    /// Checks signers and signatures against the set of the message's height; costs tens of microseconds and may run on
    /// any thread. Whose turn a proposal is, is left to the core: the skips of the next height may not be known yet.
    ///
    /// # Errors
    /// The first thing wrong; the peer that sent it is to be scored.
    pub fn check(self, set: &ValidatorSet, network: &NetworkId) -> Result<Checked, ChainError> {
        match &self {
            Message::Vote(v) => v.verify(set, network)?,
            Message::Proposal(p) => p.verify_signature(set, network)?,
            Message::Polka(c) => c.verify(set, network)?,
            Message::Round(c) => c.verify(set, network)?,
        }
        Ok(Checked(self))
    }
}

impl Canonical for Message {
    type Wire = pb::ConsensusMessage;
    const WHAT: &'static str = "consensus message";

    fn to_wire(&self) -> pb::ConsensusMessage {
        use pb::consensus_message::Message as Wire;
        let message = match self {
            Message::Vote(v) => Wire::Vote(v.to_wire()),
            Message::Proposal(p) => Wire::Proposal(p.to_wire()),
            Message::Polka(c) => Wire::Polka(c.to_wire()),
            Message::Round(c) => Wire::Round(c.to_wire()),
        };
        pb::ConsensusMessage { message: Some(message) }
    }

    fn from_wire(wire: pb::ConsensusMessage) -> Result<Self, ChainError> {
        use pb::consensus_message::Message as Wire;
        Ok(match wire.message.ok_or(ChainError::Missing { field: "consensus message" })? {
            Wire::Vote(v) => Message::Vote(SignedVote::from_wire(v)?),
            Wire::Proposal(p) => Message::Proposal(SignedProposal::from_wire(p)?),
            Wire::Polka(c) => Message::Polka(PolkaCertificate::from_wire(c)?),
            Wire::Round(c) => Message::Round(RoundCertificate::from_wire(c)?),
        })
    }
}

/// A message whose signers are validators and whose signatures verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked(Message);

impl Checked {
    /// The message.
    pub fn message(&self) -> &Message {
        &self.0
    }

    /// The message, giving up the proof.
    pub fn into_message(self) -> Message {
        self.0
    }
}
