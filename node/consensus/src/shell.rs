//! The effect handler: synchronous and infallible, as the core demands (it logs a handler's error and goes on). It signs
//! through the guard, answers questions about signatures, and collects everything else for after the input.

use crate::context::{Context, Vote};
use crate::convert::{self, round_out};
use crate::{ConsensusError, Effect, Guard, LogEntry, Message, Signed, Signing, Step, Timeouts, Validity};
use arc_malachitebft_core_consensus as machine;
use arc_malachitebft_core_types as types;
use machine::{ConsensusMsg, LivenessMsg, Resumable as _, Resume, SignedConsensusMsg};
use octroi_chain::{Canonical as _, ChainError, ValidatorSet, VoteKind};
use octroi_primitives::{BlockId, Hash, Height, NetworkId, PublicKey, Round, Signature, hash, verify};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::Duration;
use types::{CertificateError, SignedMessage};

/// Stands where a signature was refused. It is never verified, logged or sent.
const PLACEHOLDER: Signature = Signature([0; 64]);

/// What must wait until the core is no longer borrowed.
#[derive(Debug)]
pub(crate) enum Later {
    GetValue { height: Height, round: Round, within: Duration },
    Named { round: Round, block: BlockId, lock: Option<Round>, proposer: PublicKey },
    SyncVerified { round: Round, block: BlockId },
}

pub(crate) struct Shell {
    pub network: NetworkId,
    pub guard: Guard,
    pub timeouts: Timeouts,
    pub height: Height,
    pub set: ValidatorSet,
    /// Verdicts of this height, by block: the first one given stands.
    pub verdicts: BTreeMap<BlockId, Validity>,
    /// While the log is replayed: the encoded entries it holds, which are not appended again.
    pub replaying: Option<BTreeSet<Vec<u8>>>,
    pub later: Vec<Later>,
    /// Messages that need no verification: hash of key, bytes and signature. Each serves once.
    trusted: BTreeSet<Hash>,
    log: Vec<Vec<u8>>,
    out: Vec<Effect>,
    /// Something of `out` may only be performed behind a barrier.
    needs_barrier: bool,
    /// Something was written since the last barrier.
    unsynced: bool,
    /// A signature was refused during this input.
    silent: bool,
    pub refused: u64,
}

impl Shell {
    pub fn new(guard: Guard, timeouts: Timeouts, height: Height, set: ValidatorSet) -> Self {
        Shell {
            network: guard.network(),
            guard,
            timeouts,
            height,
            set,
            verdicts: BTreeMap::new(),
            replaying: None,
            later: Vec::new(),
            trusted: BTreeSet::new(),
            log: Vec::new(),
            out: Vec::new(),
            needs_barrier: false,
            unsynced: false,
            silent: false,
            refused: 0,
        }
    }

    /// Performs one effect of the core, or takes note of it.
    pub fn perform(&mut self, effect: machine::Effect<Context>) -> Result<Resume<Context>, Infallible> {
        use machine::Effect as E;
        Ok(match effect {
            E::CancelAllTimeouts(r) => {
                self.out.push(Effect::CancelTimers);
                r.resume_with(())
            }
            E::CancelTimeout(timeout, r) => {
                self.out.extend(convert::timeout_out(self.height, timeout).map(Effect::CancelTimer));
                r.resume_with(())
            }
            E::ScheduleTimeout(timeout, r) => {
                if let Some(timeout) = convert::timeout_out(self.height, timeout) {
                    let after = self.timeouts.of(timeout.kind, timeout.round);
                    self.out.push(Effect::StartTimer { timeout, after });
                }
                r.resume_with(())
            }
            E::StartRound(height, round, proposer, _, r) => {
                self.out.push(Effect::RoundStarted { height: height.0, round: round_out(round), proposer: proposer.0 });
                r.resume_with(())
            }
            E::PublishConsensusMsg(message, r) => {
                self.publish(match message {
                    SignedConsensusMsg::Vote(vote) => Message::Vote(convert::signed_vote_out(&vote)),
                    SignedConsensusMsg::Proposal(p) => Message::Proposal(convert::signed_proposal_out(&p)),
                });
                r.resume_with(())
            }
            E::PublishLivenessMsg(message, r) => {
                self.publish(match message {
                    LivenessMsg::Vote(vote) => Message::Vote(convert::signed_vote_out(&vote)),
                    LivenessMsg::PolkaCertificate(c) => Message::Polka(convert::polka_out(&c)),
                    LivenessMsg::SkipRoundCertificate(c) => Message::Round(convert::round_certificate_out(&c)),
                });
                r.resume_with(())
            }
            E::RepublishVote(vote, r) => {
                self.publish(Message::Vote(convert::signed_vote_out(&vote)));
                r.resume_with(())
            }
            E::RepublishRoundCertificate(certificate, r) => {
                self.publish(Message::Round(convert::round_certificate_out(&certificate)));
                r.resume_with(())
            }
            E::GetValue(height, round, timeout, r) => {
                let round = round_out(round);
                let within = convert::timeout_out(height.0, timeout)
                    .map_or(self.timeouts.propose, |t| self.timeouts.of(t.kind, t.round));
                self.later.push(Later::GetValue { height: height.0, round, within });
                r.resume_with(())
            }
            E::RestreamProposal(height, _, _, _, value, r) => {
                if !self.silent {
                    self.out.push(Effect::Restream { height: height.0, block: value.0 });
                }
                r.resume_with(())
            }
            E::CertVerifiedSyncValue(response, _, r) => {
                let round = round_out(response.certificate.round);
                self.later.push(Later::SyncVerified { round, block: response.certificate.value_id.0 });
                r.resume_with(())
            }
            // Certificates come in certified, so none is rejected.
            E::CertRejectedSyncValue(_, _, _, r) => r.resume_with(()),
            // The height ends with `Finalize`, which follows at once: no target time is ever set.
            E::Decide(_, _, r) => r.resume_with(()),
            E::Finalize(certificate, _, evidence, r) => {
                self.needs_barrier = true;
                self.out.push(Effect::Decided {
                    certificate: convert::commit_out(&certificate),
                    evidence: convert::evidence_out(evidence),
                });
                r.resume_with(())
            }
            E::SignVote(vote, r) => r.resume_with(self.sign_vote(vote)),
            E::SignProposal(proposal, r) => {
                let ours = convert::proposal_out(&proposal);
                let bytes = ours.signing_bytes(&self.network);
                let signature = self.sign(ours.height, ours.round, Step::Proposal, bytes);
                r.resume_with(SignedMessage::new(proposal, signature))
            }
            E::VerifySignature(message, key, r) => r.resume_with(self.verified(&message, &key.0)),
            // The core builds it of precommits each of which was checked on arrival.
            E::VerifyCommitCertificate(_, _, _, r) => r.resume_with(Ok(())),
            // It comes out of a `Certified` value of this height's set.
            E::VerifyExtendedCommitCertificate(_, _, _, _, r) => r.resume_with(Ok(())),
            E::VerifyPolkaCertificate(certificate, _, _, r) => {
                let ours = convert::polka_out(&certificate);
                let known = self.trusted.remove(&certificate_digest(&ours.encode()));
                r.resume_with(outcome(known, || ours.verify(&self.set, &self.network)))
            }
            E::VerifyRoundCertificate(certificate, _, _, r) => {
                let ours = convert::round_certificate_out(&certificate);
                let known = self.trusted.remove(&certificate_digest(&ours.encode()));
                r.resume_with(outcome(known, || ours.verify(&self.set, &self.network)))
            }
            E::WalAppend(height, input, r) => {
                self.append(height.0, &input);
                r.resume_with(())
            }
            // Vote extensions are disabled, so neither is asked for.
            E::ExtendVote(.., r) => r.resume_with(None),
            E::VerifyVoteExtension(.., r) => r.resume_with(Ok(())),
        })
    }

    /// Trusts a message that was checked, until the core asks for it once.
    pub fn trust(&mut self, message: &Message) -> Hash {
        let digest = match message {
            Message::Vote(v) => message_digest(&v.vote.validator, &v.vote.signing_bytes(&self.network), &v.signature),
            Message::Proposal(p) => {
                message_digest(&p.proposal.proposer, &p.proposal.signing_bytes(&self.network), &p.signature)
            }
            Message::Polka(c) => certificate_digest(&c.encode()),
            Message::Round(c) => certificate_digest(&c.encode()),
        };
        self.trusted.insert(digest);
        digest
    }

    /// Ends the trust when the core did not ask.
    pub fn distrust(&mut self, digest: &Hash) {
        self.trusted.remove(digest);
    }

    /// Forgets what belongs to the height below.
    pub fn enter(&mut self, height: Height, set: ValidatorSet) {
        self.height = height;
        self.set = set;
        self.verdicts.clear();
        self.later.clear();
    }

    /// All trust ends when messages kept for this height have been fed.
    pub fn forget_trusted(&mut self) {
        self.trusted.clear();
    }

    /// Takes note of a recorded own message: it counts as signed.
    ///
    /// # Errors
    /// [`ConsensusError::ForeignOwnMessage`] when the signature is not ours.
    pub fn observe(&mut self, entry: &LogEntry) -> Result<(), ConsensusError> {
        let me = self.guard.public();
        let (step, round, signer, bytes, signature) = match entry {
            LogEntry::Vote(v) => {
                let bytes = v.vote.signing_bytes(&self.network);
                (step_of(v.vote.kind), v.vote.round, v.vote.validator, bytes, v.signature)
            }
            LogEntry::Proposal(p) => {
                let bytes = p.proposal.signing_bytes(&self.network);
                (Step::Proposal, p.proposal.round, p.proposal.proposer, bytes, p.signature)
            }
            LogEntry::Value { .. } | LogEntry::Polka(_) | LogEntry::Timeout(_) => return Ok(()),
        };
        if signer != me {
            return Ok(());
        }
        if !verify(&me, &bytes, &signature) {
            return Err(ConsensusError::ForeignOwnMessage(entry.height()));
        }
        self.guard.observe(Signed { height: entry.height(), round, step, bytes, signature });
        Ok(())
    }

    /// Adds an effect that the core did not ask for.
    pub fn push(&mut self, effect: Effect) {
        self.out.push(effect);
    }

    /// Everything since the last call, in the order that [`Effect`] promises.
    pub fn drain(&mut self) -> Vec<Effect> {
        let height = self.height;
        let mut effects: Vec<Effect> = self.log.drain(..).map(|entry| Effect::LogAppend { height, entry }).collect();
        effects.extend(self.guard.take_write().map(Effect::WriteSignState));
        self.unsynced |= !effects.is_empty();
        if self.needs_barrier && self.unsynced {
            effects.push(Effect::Barrier);
            self.unsynced = false;
        }
        self.needs_barrier = false;
        self.silent = false;
        effects.append(&mut self.out);
        effects
    }

    fn sign_vote(&mut self, vote: Vote) -> SignedMessage<Context, Vote> {
        let ours = convert::vote_out(&vote);
        let bytes = ours.signing_bytes(&self.network);
        let signature = self.sign(ours.height, ours.round, step_of(ours.kind), bytes);
        SignedMessage::new(vote, signature)
    }

    fn sign(&mut self, height: Height, round: Round, step: Step, bytes: Vec<u8>) -> Signature {
        match self.guard.sign(height, round, step, bytes.clone()) {
            Signing::New(signature) | Signing::Again(signature) => {
                self.trusted.insert(message_digest(&self.guard.public(), &bytes, &signature));
                signature
            }
            Signing::Refused => {
                self.refused += 1;
                self.silent = true;
                PLACEHOLDER
            }
        }
    }

    fn verified(&mut self, message: &SignedMessage<Context, ConsensusMsg<Context>>, key: &PublicKey) -> bool {
        if message.signature == PLACEHOLDER {
            return false;
        }
        let (bytes, named) = match &message.message {
            ConsensusMsg::Vote(vote) => (convert::vote_out(vote).signing_bytes(&self.network), None),
            ConsensusMsg::Proposal(proposal) => {
                let ours = convert::proposal_out(proposal);
                let named =
                    Later::Named { round: ours.round, block: ours.block, lock: ours.lock, proposer: ours.proposer };
                (ours.signing_bytes(&self.network), Some(named))
            }
        };
        let known = self.trusted.remove(&message_digest(key, &bytes, &message.signature));
        let good = known || verify(key, &bytes, &message.signature);
        if good {
            self.later.extend(named);
        }
        good
    }

    /// Has a message sent, behind a barrier, unless its signature was refused.
    pub fn publish(&mut self, message: Message) {
        let signature = match &message {
            Message::Vote(v) => Some(v.signature),
            Message::Proposal(p) => Some(p.signature),
            Message::Polka(_) | Message::Round(_) => None,
        };
        if signature == Some(PLACEHOLDER) {
            return;
        }
        self.needs_barrier = true;
        self.out.push(Effect::Publish(message));
    }

    fn append(&mut self, height: Height, input: &machine::Input<Context>) {
        if height != self.height {
            return;
        }
        let Some(entry) = convert::log_entry_out(height, input) else { return };
        let bytes = entry.encode();
        if self.replaying.as_ref().is_none_or(|recorded| !recorded.contains(&bytes)) {
            self.log.push(bytes);
        }
    }
}

fn step_of(kind: VoteKind) -> Step {
    match kind {
        VoteKind::Prevote => Step::Prevote,
        VoteKind::Precommit => Step::Precommit,
    }
}

fn message_digest(key: &PublicKey, bytes: &[u8], signature: &Signature) -> Hash {
    hash("checked-message", &[key.as_bytes(), bytes, signature.as_bytes()])
}

fn certificate_digest(bytes: &[u8]) -> Hash {
    hash("checked-certificate", &[bytes])
}

#[allow(clippy::result_large_err, reason = "the core's own type")]
fn outcome(known: bool, verify: impl FnOnce() -> Result<(), ChainError>) -> Result<(), CertificateError<Context>> {
    if known {
        return Ok(());
    }
    verify().map_err(|error| {
        let error: Box<dyn std::error::Error + Send + Sync> = Box::new(error);
        CertificateError::VerificationError(Some(error.into()))
    })
}
