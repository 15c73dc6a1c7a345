//! What stands in the log of a height: everything the core must see again, in this order, to be where it was.
//!
//! An entry is a version byte and a borsh value of our own types; framing, checksums and the file are the storage's.
//! Messages stand in it as their canonical bytes, so that the recorded signature is the one that is used again.

use crate::{ConsensusError, Timeout, TimeoutKind, Validity};
use borsh::{BorshDeserialize, BorshSerialize};
use octroi_chain::{Canonical, PolkaCertificate, SignedProposal, SignedVote};
use octroi_primitives::{BlockId, Height, PublicKey, Round};

const VERSION: u8 = 1;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogEntry {
    /// A vote, ours or another's.
    Vote(SignedVote),
    /// A proposal, ours or another's.
    Proposal(SignedProposal),
    /// A block with its verdict.
    Value {
        /// Height of the block.
        height: Height,
        /// Round of the proposal that named it.
        round: Round,
        /// The block.
        block: BlockId,
        /// Proposer of that round.
        proposer: PublicKey,
        /// The verdict.
        validity: Validity,
    },
    /// A proof of lock.
    Polka(PolkaCertificate),
    /// A timer that expired.
    Timeout(Timeout),
}

#[derive(BorshSerialize, BorshDeserialize)]
enum Stored {
    Vote(Vec<u8>),
    Proposal(Vec<u8>),
    Value { height: u64, round: u32, block: [u8; 32], proposer: [u8; 32], valid: bool },
    Polka(Vec<u8>),
    Timeout { height: u64, round: u32, kind: u8 },
}

impl LogEntry {
    /// The height it belongs to.
    pub fn height(&self) -> Height {
        match self {
            LogEntry::Vote(v) => v.vote.height,
            LogEntry::Proposal(p) => p.proposal.height,
            LogEntry::Value { height, .. } => *height,
            LogEntry::Polka(c) => c.height,
            LogEntry::Timeout(t) => t.height,
        }
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let stored = match self {
            LogEntry::Vote(v) => Stored::Vote(v.encode()),
            LogEntry::Proposal(p) => Stored::Proposal(p.encode()),
            LogEntry::Value { height, round, block, proposer, validity } => Stored::Value {
                height: height.get(),
                round: round.get(),
                block: block.to_bytes(),
                proposer: proposer.to_bytes(),
                valid: matches!(validity, Validity::Valid),
            },
            LogEntry::Polka(c) => Stored::Polka(c.encode()),
            LogEntry::Timeout(Timeout { height, round, kind }) => {
                Stored::Timeout { height: height.get(), round: round.get(), kind: *kind as u8 }
            }
        };
        let mut bytes = vec![VERSION];
        borsh::to_writer(&mut bytes, &stored).expect("writing to memory does not fail");
        bytes
    }

    /// The entry of these bytes, exactly as [`LogEntry::encode`] wrote them.
    ///
    /// # Errors
    /// [`ConsensusError::LogEntry`] with the reason.
    pub fn decode(bytes: &[u8]) -> Result<Self, ConsensusError> {
        let refuse = |reason: String| ConsensusError::LogEntry(reason);
        let (version, rest) = bytes.split_first().ok_or_else(|| refuse("empty".into()))?;
        if *version != VERSION {
            return Err(refuse(format!("version {version} is unknown")));
        }
        let stored = Stored::try_from_slice(rest).map_err(|e| refuse(e.to_string()))?;
        Ok(match stored {
            Stored::Vote(v) => LogEntry::Vote(SignedVote::decode(&v).map_err(|e| refuse(e.to_string()))?),
            Stored::Proposal(p) => LogEntry::Proposal(SignedProposal::decode(&p).map_err(|e| refuse(e.to_string()))?),
            Stored::Value { height, round, block, proposer, valid } => LogEntry::Value {
                height: Height(height),
                round: Round(round),
                block: BlockId::from_bytes(block),
                proposer: PublicKey::from_bytes_unchecked(proposer),
                validity: if valid { Validity::Valid } else { Validity::Invalid },
            },
            Stored::Polka(c) => LogEntry::Polka(PolkaCertificate::decode(&c).map_err(|e| refuse(e.to_string()))?),
            Stored::Timeout { height, round, kind } => {
                let kind = match kind {
                    1 => TimeoutKind::Propose,
                    2 => TimeoutKind::Prevote,
                    3 => TimeoutKind::Precommit,
                    _ => return Err(refuse(format!("timeout kind {kind} is never logged"))),
                };
                LogEntry::Timeout(Timeout { height: Height(height), round: Round(round), kind })
            }
        })
    }
}
