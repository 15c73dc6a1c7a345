//! Certificates: signatures of enough validators on one thing, checked against a set and a network.
//!
//! Signers stand in set order, each once, and every signature present verifies: a certificate with one bad signature is
//! no certificate, so that all nodes judge the same bytes alike.

use crate::{
    Canonical, ChainError, Header, ValidatorSet, Vote, VoteKind,
    vote::SignedVote,
    wire::{block_id, block_id_or_nil, public_key, signature},
};
use alloc::vec::Vec;
use octroi_primitives::{BatchVerifier, BlockId, Hash, Height, NetworkId, PublicKey, Round, Signature, hash, verify};
use octroi_proto::v1 as pb;

/// One validator's signature inside a certificate; what it signed follows from the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidatorSignature {
    /// Consensus key.
    pub validator: PublicKey,
    /// Over the vote the certificate stands for.
    pub signature: Signature,
}

/// More than two thirds of the power precommitted a block: it is decided, for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitCertificate {
    /// Height decided.
    pub height: Height,
    /// Round of the precommits; not before the block's first proposal.
    pub round: Round,
    /// The block decided.
    pub block_id: BlockId,
    /// In set order.
    pub signatures: Vec<ValidatorSignature>,
}

impl CommitCertificate {
    /// Builds one of precommits in any order; those of another kind, height, round or block and repeated signers are
    /// left out. Nothing is verified here.
    pub fn of_precommits(
        height: Height,
        round: Round,
        block_id: BlockId,
        votes: impl IntoIterator<Item = SignedVote>,
    ) -> Self {
        CommitCertificate {
            height,
            round,
            block_id,
            signatures: signatures_of(VoteKind::Precommit, height, round, block_id, votes),
        }
    }

    /// Checks quorum, order and every signature.
    ///
    /// # Errors
    /// [`ChainError::UnknownSigner`], [`ChainError::DuplicateSigner`], [`ChainError::SignerOrder`],
    /// [`ChainError::Power`], [`ChainError::Signature`], in this order of precedence.
    pub fn verify(&self, set: &ValidatorSet, network: &NetworkId) -> Result<(), ChainError> {
        verify_votes(self.votes(), set, network, set.quorum())
    }

    /// H("commit-certificate", canonical bytes): what the next header names.
    pub fn hash(&self) -> Hash {
        hash("commit-certificate", &[&self.encode()])
    }

    /// Who signed, in set order.
    pub fn signers(&self) -> impl Iterator<Item = PublicKey> + '_ {
        self.signatures.iter().map(|s| s.validator)
    }

    /// The precommits it stands for.
    pub fn votes(&self) -> impl Iterator<Item = SignedVote> + '_ {
        votes_of(VoteKind::Precommit, self.height, self.round, self.block_id, &self.signatures)
    }

    /// Those who signed both of two certificates of one height for different blocks; empty when the certificates do not
    /// contradict each other. When both verify they are more than a third of the validators. If the rounds are equal,
    /// each of them signed twice; if not, more than a third of the set left a lock, and the culprits are among these.
    pub fn common_signers(&self, other: &CommitCertificate) -> Vec<PublicKey> {
        if self.height != other.height || self.block_id == other.block_id {
            return Vec::new();
        }
        self.signers().filter(|key| other.signers().any(|k| k == *key)).collect()
    }
}

/// More than two thirds of the power prevoted a block: whoever is locked on an older one may let go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolkaCertificate {
    /// Height voted on.
    pub height: Height,
    /// Round of the prevotes.
    pub round: Round,
    /// The block prevoted.
    pub block_id: BlockId,
    /// In set order.
    pub signatures: Vec<ValidatorSignature>,
}

impl PolkaCertificate {
    /// Builds one of prevotes in any order, as [`CommitCertificate::of_precommits`].
    pub fn of_prevotes(
        height: Height,
        round: Round,
        block_id: BlockId,
        votes: impl IntoIterator<Item = SignedVote>,
    ) -> Self {
        PolkaCertificate {
            height,
            round,
            block_id,
            signatures: signatures_of(VoteKind::Prevote, height, round, block_id, votes),
        }
    }

    /// Checks quorum, order and every signature, as [`CommitCertificate::verify`].
    ///
    /// # Errors
    /// See [`CommitCertificate::verify`].
    pub fn verify(&self, set: &ValidatorSet, network: &NetworkId) -> Result<(), ChainError> {
        verify_votes(self.votes(), set, network, set.quorum())
    }

    /// The prevotes it stands for.
    pub fn votes(&self) -> impl Iterator<Item = SignedVote> + '_ {
        votes_of(VoteKind::Prevote, self.height, self.round, self.block_id, &self.signatures)
    }
}

/// Why a round may be left or entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum RoundReason {
    /// More than two thirds precommitted in the round, for whatever: it may be left.
    Precommit = 1,
    /// More than one third voted in the round: it may be entered.
    Skip = 2,
}

/// One vote inside a round certificate; height and round follow from the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundSignature {
    /// Prevote or precommit.
    pub kind: VoteKind,
    /// The block, or `None` for nil.
    pub block: Option<BlockId>,
    /// Consensus key.
    pub validator: PublicKey,
    /// Over the vote.
    pub signature: Signature,
}

/// Enough votes of a round, for whatever, that others may follow into it or out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundCertificate {
    /// Height voted on.
    pub height: Height,
    /// Round of the votes.
    pub round: Round,
    /// What the votes justify.
    pub reason: RoundReason,
    /// In set order, each validator once.
    pub signatures: Vec<RoundSignature>,
}

impl RoundCertificate {
    /// Checks power, order, kinds and every signature.
    ///
    /// # Errors
    /// [`ChainError::WrongKind`] for a prevote where precommits are needed, else as [`CommitCertificate::verify`].
    pub fn verify(&self, set: &ValidatorSet, network: &NetworkId) -> Result<(), ChainError> {
        let needed = match self.reason {
            RoundReason::Precommit => {
                if let Some(s) = self.signatures.iter().find(|s| s.kind != VoteKind::Precommit) {
                    return Err(ChainError::WrongKind(s.validator));
                }
                set.quorum()
            }
            RoundReason::Skip => set.honest(),
        };
        verify_votes(self.votes(), set, network, needed)
    }

    /// The votes it stands for.
    pub fn votes(&self) -> impl Iterator<Item = SignedVote> + '_ {
        self.signatures.iter().map(|RoundSignature { kind, block, validator, signature }| SignedVote {
            vote: Vote { kind: *kind, height: self.height, round: self.round, block: *block, validator: *validator },
            signature: *signature,
        })
    }
}

fn signatures_of(
    kind: VoteKind,
    height: Height,
    round: Round,
    block_id: BlockId,
    votes: impl IntoIterator<Item = SignedVote>,
) -> Vec<ValidatorSignature> {
    let matching = |v: &SignedVote| {
        v.vote.kind == kind && v.vote.height == height && v.vote.round == round && v.vote.block == Some(block_id)
    };
    let mut signatures: Vec<_> = votes
        .into_iter()
        .filter(matching)
        .map(|v| ValidatorSignature { validator: v.vote.validator, signature: v.signature })
        .collect();
    signatures.sort_by(|a, b| a.validator.as_bytes().cmp(b.validator.as_bytes()));
    signatures.dedup_by_key(|s| s.validator);
    signatures
}

fn votes_of(
    kind: VoteKind,
    height: Height,
    round: Round,
    block_id: BlockId,
    signatures: &[ValidatorSignature],
) -> impl Iterator<Item = SignedVote> + '_ {
    signatures.iter().map(move |s| SignedVote {
        vote: Vote { kind, height, round, block: Some(block_id), validator: s.validator },
        signature: s.signature,
    })
}

/// Members once each in set order, at least `needed` of them, every signature good: structure first, since it is cheap.
fn verify_votes(
    votes: impl Iterator<Item = SignedVote>,
    set: &ValidatorSet,
    network: &NetworkId,
    needed: usize,
) -> Result<(), ChainError> {
    let mut last = None;
    let mut signed = Vec::with_capacity(set.len());
    for SignedVote { vote, signature } in votes {
        let key = vote.validator;
        let position = set.position(&key).ok_or(ChainError::UnknownSigner(key))?;
        match last {
            Some(before) if position == before => return Err(ChainError::DuplicateSigner(key)),
            Some(before) if position < before => {
                let twice = signed.iter().any(|(k, _, _)| *k == key);
                return Err(if twice { ChainError::DuplicateSigner(key) } else { ChainError::SignerOrder(key) });
            }
            _ => last = Some(position),
        }
        signed.push((key, vote.signing_bytes(network), signature));
    }
    if signed.len() < needed {
        return Err(ChainError::Power { signed: signed.len(), total: set.len(), needed });
    }
    let mut batch = BatchVerifier::new();
    for (key, message, signature) in &signed {
        batch.push(key, message, signature);
    }
    if batch.verify() {
        return Ok(());
    }
    // The rule is the same singly and in a batch, so one of them fails alone; name it.
    let bad = signed.iter().find(|(key, message, signature)| !verify(key, message, signature));
    Err(ChainError::Signature(bad.map_or(signed[0].0, |(key, _, _)| *key)))
}

/// Something a header stands for: the header itself, a block, an executed block.
pub trait HasHeader {
    /// The header whose id is certified.
    fn header(&self) -> &Header;
}

impl HasHeader for Header {
    fn header(&self) -> &Header {
        self
    }
}

/// Proof that a certificate for exactly this value's header was checked against the set the header names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certified<T> {
    value: T,
    certificate: CommitCertificate,
}

impl<T: HasHeader> Certified<T> {
    /// The only way in.
    ///
    /// # Errors
    /// [`ChainError::Network`], [`ChainError::Height`], [`ChainError::Block`], [`ChainError::RoundTooEarly`],
    /// [`ChainError::WrongSet`], else as [`CommitCertificate::verify`].
    pub fn new(
        value: T,
        certificate: CommitCertificate,
        set: &ValidatorSet,
        network: &NetworkId,
    ) -> Result<Self, ChainError> {
        let header = value.header();
        if header.network != *network {
            return Err(ChainError::Network);
        }
        if certificate.height != header.height {
            return Err(ChainError::Height { expected: header.height, found: certificate.height });
        }
        let id = header.id();
        if certificate.block_id != id {
            return Err(ChainError::Block { expected: id, found: certificate.block_id });
        }
        if certificate.round < header.round {
            return Err(ChainError::RoundTooEarly { header: header.round, certificate: certificate.round });
        }
        if set.hash() != header.validators_hash {
            return Err(ChainError::WrongSet { expected: header.validators_hash, found: set.hash() });
        }
        certificate.verify(set, network)?;
        Ok(Certified { value, certificate })
    }
}

impl<T> Certified<T> {
    /// What is certified.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// By whom.
    pub fn certificate(&self) -> &CommitCertificate {
        &self.certificate
    }

    /// Both, giving up the proof.
    pub fn into_parts(self) -> (T, CommitCertificate) {
        (self.value, self.certificate)
    }
}

fn to_wire_signatures(signatures: &[ValidatorSignature]) -> Vec<pb::CommitSignature> {
    signatures
        .iter()
        .map(|s| pb::CommitSignature {
            validator: s.validator.as_bytes().to_vec(),
            signature: s.signature.as_bytes().to_vec(),
        })
        .collect()
}

fn from_wire_signatures(wire: &[pb::CommitSignature]) -> Result<Vec<ValidatorSignature>, ChainError> {
    wire.iter()
        .map(|s| {
            Ok(ValidatorSignature {
                validator: public_key("certificate.validator", &s.validator)?,
                signature: signature("certificate.signature", &s.signature)?,
            })
        })
        .collect()
}

impl Canonical for CommitCertificate {
    type Wire = pb::CommitCertificate;
    const WHAT: &'static str = "commit certificate";

    fn to_wire(&self) -> pb::CommitCertificate {
        let CommitCertificate { height, round, block_id, signatures } = self;
        pb::CommitCertificate {
            height: height.get(),
            round: round.get(),
            block_id: block_id.as_bytes().to_vec(),
            signatures: to_wire_signatures(signatures),
        }
    }

    fn from_wire(wire: pb::CommitCertificate) -> Result<Self, ChainError> {
        let pb::CommitCertificate { height, round, block_id: block, signatures } = wire;
        Ok(CommitCertificate {
            height: Height(height),
            round: Round(round),
            block_id: block_id("certificate.block_id", &block)?,
            signatures: from_wire_signatures(&signatures)?,
        })
    }
}

impl Canonical for PolkaCertificate {
    type Wire = pb::PolkaCertificate;
    const WHAT: &'static str = "polka certificate";

    fn to_wire(&self) -> pb::PolkaCertificate {
        let PolkaCertificate { height, round, block_id, signatures } = self;
        pb::PolkaCertificate {
            height: height.get(),
            round: round.get(),
            block_id: block_id.as_bytes().to_vec(),
            signatures: to_wire_signatures(signatures),
        }
    }

    fn from_wire(wire: pb::PolkaCertificate) -> Result<Self, ChainError> {
        let pb::PolkaCertificate { height, round, block_id: block, signatures } = wire;
        Ok(PolkaCertificate {
            height: Height(height),
            round: Round(round),
            block_id: block_id("certificate.block_id", &block)?,
            signatures: from_wire_signatures(&signatures)?,
        })
    }
}

impl Canonical for RoundCertificate {
    type Wire = pb::RoundCertificate;
    const WHAT: &'static str = "round certificate";

    fn to_wire(&self) -> pb::RoundCertificate {
        let RoundCertificate { height, round, reason, signatures } = self;
        let signature = |s: &RoundSignature| pb::RoundSignature {
            kind: s.kind.to_wire(),
            block_id: s.block.map(|id| id.as_bytes().to_vec()).unwrap_or_default(),
            validator: s.validator.as_bytes().to_vec(),
            signature: s.signature.as_bytes().to_vec(),
        };
        pb::RoundCertificate {
            height: height.get(),
            round: round.get(),
            reason: *reason as i32,
            signatures: signatures.iter().map(signature).collect(),
        }
    }

    fn from_wire(wire: pb::RoundCertificate) -> Result<Self, ChainError> {
        let pb::RoundCertificate { height, round, reason, signatures } = wire;
        let reason = match reason {
            1 => RoundReason::Precommit,
            2 => RoundReason::Skip,
            _ => return Err(ChainError::Field { field: "certificate.reason", reason: "neither precommit nor skip" }),
        };
        let one = |s: &pb::RoundSignature| {
            Ok(RoundSignature {
                kind: VoteKind::from_wire(s.kind)?,
                block: block_id_or_nil("certificate.block_id", &s.block_id)?,
                validator: public_key("certificate.validator", &s.validator)?,
                signature: signature("certificate.signature", &s.signature)?,
            })
        };
        Ok(RoundCertificate {
            height: Height(height),
            round: Round(round),
            reason,
            signatures: signatures.iter().map(one).collect::<Result<_, ChainError>>()?,
        })
    }
}
