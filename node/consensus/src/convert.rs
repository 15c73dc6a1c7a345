//! Between the core's messages and ours, one function a direction and kind.
//!
//! The core's rounds may be nil; a message that is signed, logged or sent never is of a nil round, so those conversions
//! hold by the core's own construction.

use crate::context::{Address, Context, Height, Proposal, Value, Vote};
use crate::{LogEntry, Timeout, TimeoutKind, Validity};
use arc_malachitebft_core_consensus as machine;
use arc_malachitebft_core_types as types;
use octroi_chain as chain;
use octroi_primitives as prim;
use octroi_primitives::Signature;
use types::{NilOrVal, RoundCertificateType, SignedMessage, VoteType};

pub(crate) type CoreVote = SignedMessage<Context, Vote>;
pub(crate) type CoreProposal = SignedMessage<Context, Proposal>;

pub(crate) fn round_in(round: prim::Round) -> types::Round {
    types::Round::new(round.get())
}

pub(crate) fn round_out(round: types::Round) -> prim::Round {
    prim::Round(round.as_u32().expect("signed, logged and sent messages are of a started round"))
}

fn kind_out(kind: VoteType) -> chain::VoteKind {
    match kind {
        VoteType::Prevote => chain::VoteKind::Prevote,
        VoteType::Precommit => chain::VoteKind::Precommit,
    }
}

fn kind_in(kind: chain::VoteKind) -> VoteType {
    match kind {
        chain::VoteKind::Prevote => VoteType::Prevote,
        chain::VoteKind::Precommit => VoteType::Precommit,
    }
}

fn value_out(value: &NilOrVal<Value>) -> Option<prim::BlockId> {
    match value {
        NilOrVal::Nil => None,
        NilOrVal::Val(Value(id)) => Some(*id),
    }
}

fn value_in(block: Option<prim::BlockId>) -> NilOrVal<Value> {
    block.map_or(NilOrVal::Nil, |id| NilOrVal::Val(Value(id)))
}

pub(crate) fn vote_out(vote: &Vote) -> chain::Vote {
    let Vote { kind, height, round, value, voter } = vote;
    chain::Vote {
        kind: kind_out(*kind),
        height: height.0,
        round: round_out(*round),
        block: value_out(value),
        validator: voter.0,
    }
}

pub(crate) fn signed_vote_out(vote: &CoreVote) -> chain::SignedVote {
    chain::SignedVote { vote: vote_out(&vote.message), signature: vote.signature }
}

pub(crate) fn signed_vote_in(vote: &chain::SignedVote) -> CoreVote {
    let chain::SignedVote { vote: chain::Vote { kind, height, round, block, validator }, signature } = vote;
    let message = Vote {
        kind: kind_in(*kind),
        height: Height(*height),
        round: round_in(*round),
        value: value_in(*block),
        voter: Address(*validator),
    };
    SignedMessage::new(message, *signature)
}

pub(crate) fn proposal_out(proposal: &Proposal) -> chain::Proposal {
    let Proposal { height, round, value, lock, proposer } = proposal;
    chain::Proposal {
        height: height.0,
        round: round_out(*round),
        block: value.0,
        lock: lock.as_u32().map(prim::Round),
        proposer: proposer.0,
    }
}

pub(crate) fn signed_proposal_out(proposal: &CoreProposal) -> chain::SignedProposal {
    chain::SignedProposal { proposal: proposal_out(&proposal.message), signature: proposal.signature }
}

pub(crate) fn signed_proposal_in(proposal: &chain::SignedProposal) -> CoreProposal {
    let chain::SignedProposal { proposal: chain::Proposal { height, round, block, lock, proposer }, signature } =
        proposal;
    let message = Proposal {
        height: Height(*height),
        round: round_in(*round),
        value: Value(*block),
        lock: lock.map_or(types::Round::Nil, round_in),
        proposer: Address(*proposer),
    };
    SignedMessage::new(message, *signature)
}

/// In set order, since the core keeps the order of arrival.
pub(crate) fn commit_out(certificate: &types::CommitCertificate<Context>) -> chain::CommitCertificate {
    let types::CommitCertificate { height, round, value_id, commit_signatures } = certificate;
    let mut signatures: Vec<_> = commit_signatures.iter().map(|s| signature_out(&s.address, s.signature)).collect();
    set_order(&mut signatures);
    chain::CommitCertificate { height: height.0, round: round_out(*round), block_id: value_id.0, signatures }
}

pub(crate) fn commit_in(certificate: &chain::CommitCertificate) -> types::ExtendedCommitCertificate<Context> {
    let chain::CommitCertificate { height, round, block_id, signatures } = certificate;
    let commit_signatures = signatures
        .iter()
        .map(|s| types::ExtendedCommitSignature::new(Address(s.validator), s.signature, None))
        .collect();
    types::ExtendedCommitCertificate {
        height: Height(*height),
        round: round_in(*round),
        value_id: Value(*block_id),
        commit_signatures,
    }
}

/// In set order.
pub(crate) fn polka_out(certificate: &types::PolkaCertificate<Context>) -> chain::PolkaCertificate {
    let types::PolkaCertificate { height, round, value_id, polka_signatures } = certificate;
    let mut signatures: Vec<_> = polka_signatures.iter().map(|s| signature_out(&s.address, s.signature)).collect();
    set_order(&mut signatures);
    chain::PolkaCertificate { height: height.0, round: round_out(*round), block_id: value_id.0, signatures }
}

pub(crate) fn polka_in(certificate: &chain::PolkaCertificate) -> types::PolkaCertificate<Context> {
    let chain::PolkaCertificate { height, round, block_id, signatures } = certificate;
    let polka_signatures =
        signatures.iter().map(|s| types::PolkaSignature::new(Address(s.validator), s.signature)).collect();
    types::PolkaCertificate {
        height: Height(*height),
        round: round_in(*round),
        value_id: Value(*block_id),
        polka_signatures,
    }
}

/// In set order.
pub(crate) fn round_certificate_out(certificate: &types::RoundCertificate<Context>) -> chain::RoundCertificate {
    let types::RoundCertificate { height, round, cert_type, round_signatures } = certificate;
    let reason = match cert_type {
        RoundCertificateType::Skip => chain::RoundReason::Skip,
        RoundCertificateType::Precommit => chain::RoundReason::Precommit,
    };
    let mut signatures: Vec<_> = round_signatures
        .iter()
        .map(|s| chain::RoundSignature {
            kind: kind_out(s.vote_type),
            block: value_out(&s.value_id),
            validator: s.address.0,
            signature: s.signature,
        })
        .collect();
    signatures.sort_by_key(|s| s.validator);
    signatures.dedup_by_key(|s| s.validator);
    chain::RoundCertificate { height: height.0, round: round_out(*round), reason, signatures }
}

pub(crate) fn round_certificate_in(certificate: &chain::RoundCertificate) -> types::RoundCertificate<Context> {
    let chain::RoundCertificate { height, round, reason, signatures } = certificate;
    let cert_type = match reason {
        chain::RoundReason::Skip => RoundCertificateType::Skip,
        chain::RoundReason::Precommit => RoundCertificateType::Precommit,
    };
    let round_signatures = signatures
        .iter()
        .map(|s| types::RoundSignature::new(kind_in(s.kind), value_in(s.block), Address(s.validator), s.signature))
        .collect();
    types::RoundCertificate { height: Height(*height), round: round_in(*round), cert_type, round_signatures }
}

/// `None` for the core's timer of a finalization period, which is never asked for.
pub(crate) fn timeout_out(height: prim::Height, timeout: types::Timeout) -> Option<Timeout> {
    let kind = match timeout.kind {
        types::TimeoutKind::Propose => TimeoutKind::Propose,
        types::TimeoutKind::Prevote => TimeoutKind::Prevote,
        types::TimeoutKind::Precommit => TimeoutKind::Precommit,
        types::TimeoutKind::Rebroadcast => TimeoutKind::Rebroadcast,
        types::TimeoutKind::FinalizeHeight(_) => return None,
    };
    Some(Timeout { height, round: round_out(timeout.round), kind })
}

pub(crate) fn timeout_in(timeout: &Timeout) -> types::Timeout {
    let kind = match timeout.kind {
        TimeoutKind::Propose => types::TimeoutKind::Propose,
        TimeoutKind::Prevote => types::TimeoutKind::Prevote,
        TimeoutKind::Precommit => types::TimeoutKind::Precommit,
        TimeoutKind::Rebroadcast => types::TimeoutKind::Rebroadcast,
    };
    types::Timeout::new(round_in(timeout.round), kind)
}

pub(crate) fn validity_in(validity: Validity) -> types::Validity {
    match validity {
        Validity::Valid => types::Validity::Valid,
        Validity::Invalid => types::Validity::Invalid,
    }
}

/// `None` for inputs that are never logged.
pub(crate) fn log_entry_out(height: prim::Height, input: &machine::Input<Context>) -> Option<LogEntry> {
    Some(match input {
        machine::Input::Vote(vote) => LogEntry::Vote(signed_vote_out(vote)),
        machine::Input::Proposal(proposal) => LogEntry::Proposal(signed_proposal_out(proposal)),
        machine::Input::ProposedValue(value, _) => LogEntry::Value {
            height: value.height.0,
            round: round_out(value.round),
            block: value.value.0,
            proposer: value.proposer.0,
            validity: match value.validity {
                types::Validity::Valid => Validity::Valid,
                types::Validity::Invalid => Validity::Invalid,
            },
        },
        machine::Input::PolkaCertificate(certificate) => LogEntry::Polka(polka_out(certificate)),
        machine::Input::TimeoutElapsed(timeout) => LogEntry::Timeout(timeout_out(height, *timeout)?),
        machine::Input::StartHeight(..)
        | machine::Input::RoundCertificate(_)
        | machine::Input::Propose(_)
        | machine::Input::SyncValueResponse(_) => return None,
    })
}

pub(crate) fn log_entry_in(entry: &LogEntry) -> machine::Input<Context> {
    match entry {
        LogEntry::Vote(vote) => machine::Input::Vote(signed_vote_in(vote)),
        LogEntry::Proposal(proposal) => machine::Input::Proposal(signed_proposal_in(proposal)),
        LogEntry::Value { height, round, block, proposer, validity } => {
            proposed_value(*height, *round, *block, *proposer, *validity, types::ValueOrigin::Consensus)
        }
        LogEntry::Polka(certificate) => machine::Input::PolkaCertificate(polka_in(certificate)),
        LogEntry::Timeout(timeout) => machine::Input::TimeoutElapsed(timeout_in(timeout)),
    }
}

pub(crate) fn proposed_value(
    height: prim::Height,
    round: prim::Round,
    block: prim::BlockId,
    proposer: prim::PublicKey,
    validity: Validity,
    origin: types::ValueOrigin,
) -> machine::Input<Context> {
    let value = machine::ProposedValue {
        height: Height(height),
        round: round_in(round),
        valid_round: types::Round::Nil,
        proposer: Address(proposer),
        value: Value(block),
        validity: validity_in(validity),
    };
    machine::Input::ProposedValue(value, origin)
}

/// In the order of the accused, votes after proposals.
pub(crate) fn evidence_out(evidence: machine::MisbehaviorEvidence<Context>) -> Vec<chain::Evidence> {
    let proposals = evidence
        .proposals
        .iter()
        .flat_map(|(_, pairs)| pairs)
        .map(|(a, b)| chain::Evidence::of_proposals(signed_proposal_out(a), signed_proposal_out(b)));
    let votes = evidence
        .votes
        .iter()
        .flat_map(|(_, pairs)| pairs)
        .map(|(a, b)| chain::Evidence::of_votes(signed_vote_out(a), signed_vote_out(b)));
    proposals.chain(votes).collect()
}

fn signature_out(address: &Address, signature: Signature) -> chain::ValidatorSignature {
    chain::ValidatorSignature { validator: address.0, signature }
}

fn set_order(signatures: &mut Vec<chain::ValidatorSignature>) {
    signatures.sort_by_key(|s| s.validator);
    signatures.dedup_by_key(|s| s.validator);
}
