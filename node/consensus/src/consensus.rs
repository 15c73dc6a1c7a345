//! One validator's part in the agreement, driven by its replica: inputs go in one at a time, effects come out.

use crate::context::{Address, Context, Height as CoreHeight, ValidatorSet as CoreSet, Value};
use crate::convert::{self, round_in};
use crate::shell::{Later, Shell};
use crate::{Checked, ConsensusError, Effect, Guard, LogEntry, Message, SignState, Timeout, Timeouts, Validity};
use arc_malachitebft_core_consensus as machine;
use arc_malachitebft_core_types as types;
use octroi_chain::{Certified, ChainError, HasHeader, ValidatorSet, VoteKind};
use octroi_primitives::{BlockId, Height, PublicKey, Round};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use types::{ValueOrigin, VoteExtensionPolicy};

/// Messages of the next height are kept up to this round; honest validators start it at round 0.
const MAX_ROUND_AHEAD: u32 = 10;
/// Votes and proposals kept for the next height: three a validator and round.
const MAX_KEPT: usize = 3 * (MAX_ROUND_AHEAD as usize + 1) * octroi_chain::MAX_VALIDATORS;

/// Blocks of one round that are asked for: the two the core keeps of a proposer that equivocates, and one it keeps
/// beyond them because more than two thirds prevoted it.
const MAX_NAMED: usize = 3;

/// The core with its shell.
///
/// Call order: [`Consensus::new`] at the committed height, [`Consensus::start_height`] when the next is to start, any
/// inputs, until [`Effect::Decided`]; then commit and start the next height. Between a decision and the next start only
/// messages of the next height are taken, for [`Consensus::ahead`].
pub struct Consensus {
    core: machine::State<Context>,
    shell: Shell,
    /// Heights up to this one are decided.
    committed: Height,
    ahead: Ahead,
    /// (signer, kind, round) of what is kept for the next height; kind 0 is a proposal.
    kept: BTreeSet<(PublicKey, u8, Round)>,
    /// Blocks that checked proposals of this height name.
    named: BTreeMap<Round, Vec<BlockId>>,
}

impl fmt::Debug for Consensus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consensus")
            .field("committed", &self.committed)
            .field("height", &self.shell.height)
            .field("round", &self.round())
            .field("refused", &self.shell.refused)
            .finish_non_exhaustive()
    }
}

/// Checked messages seen for the height after the current one: whether others have begun it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ahead {
    proposals: BTreeSet<(Round, PublicKey)>,
    voters: BTreeSet<PublicKey>,
}

impl Ahead {
    /// Whether an idle node has to start `height` with this set: a proposal from whose turn it is, or votes of more than
    /// a third. One faulty validator can drive neither unless it is its turn.
    pub fn calls(&self, height: Height, set: &ValidatorSet) -> bool {
        let proposed = self.proposals.iter().any(|(r, key)| set.select(height, *r).consensus_key == *key);
        let voting = self.voters.iter().filter(|key| set.position(key).is_some()).count();
        proposed || voting >= set.honest()
    }
}

impl Consensus {
    /// At rest above `committed`. `next_set` is the set of the height after it, with its skips.
    pub fn new(guard: Guard, timeouts: Timeouts, committed: Height, next_set: ValidatorSet) -> Self {
        let params = machine::Params {
            address: Address(guard.public()),
            threshold_params: types::ThresholdParams::default(),
            value_payload: types::ValuePayload::ProposalAndParts,
            enabled: true,
        };
        let core =
            machine::State::new(Context, CoreHeight(committed), CoreSet::new(next_set.clone()), params, 2, MAX_KEPT);
        let shell = Shell::new(guard, timeouts, committed, next_set);
        Consensus { core, shell, committed, ahead: Ahead::default(), kept: BTreeSet::new(), named: BTreeMap::new() }
    }

    /// Starts a height above the committed one, with its set and the entries of its log, in order; none when the log is
    /// new. The bodies of blocks recorded in it must be at hand again: the caller cuts a log at the first
    /// [`LogEntry::Value`] whose body was lost, since bodies are stored before their verdict is given and no barrier was
    /// passed after it.
    ///
    /// # Errors
    /// See [`ConsensusError`]; all of them stop the node.
    pub fn start_height(
        &mut self,
        height: Height,
        set: ValidatorSet,
        log: &[LogEntry],
    ) -> Result<Vec<Effect>, ConsensusError> {
        if height <= self.committed || (self.running() && height <= self.shell.height) {
            return Err(ConsensusError::Start { asked: height, committed: self.committed });
        }
        if let Some(entry) = log.iter().find(|e| e.height() != height) {
            let reason = format!("of height {} in the log of height {height}", entry.height());
            return Err(ConsensusError::LogEntry(reason));
        }
        self.committed = Height(height.get() - 1);
        self.ahead = Ahead::default();
        self.kept.clear();
        self.named.clear();
        self.shell.enter(height, set.clone());
        for entry in log {
            self.shell.observe(entry)?;
            if let LogEntry::Value { block, validity, .. } = entry {
                self.shell.verdicts.entry(*block).or_insert(*validity);
            }
        }
        if !log.is_empty() {
            self.shell.replaying = Some(log.iter().map(LogEntry::encode).collect());
        }
        let start = machine::Input::StartHeight(
            CoreHeight(height),
            CoreSet::new(set),
            !log.is_empty(),
            None,
            VoteExtensionPolicy::Disabled,
        );
        self.step(start)?;
        self.shell.forget_trusted();
        if !log.is_empty() {
            let inputs: Vec<_> = log.iter().map(convert::log_entry_in).collect();
            self.core.index_wal_entries(inputs.iter());
            for input in inputs {
                self.step(input)?;
            }
            self.core.reset_entries_index();
            self.shell.replaying = None;
            self.send_own_proposal_again(log);
        }
        self.settle()
    }

    /// The core sends its votes again after a replay, but not its proposal, which may never have left.
    fn send_own_proposal_again(&mut self, log: &[LogEntry]) {
        let me = self.shell.guard.public();
        let round = self.round();
        for entry in log {
            if let LogEntry::Proposal(p) = entry
                && p.proposal.proposer == me
                && Some(p.proposal.round) == round
            {
                self.shell.publish(Message::Proposal(*p));
                self.shell.push(Effect::Restream { height: p.proposal.height, block: p.proposal.block });
            }
        }
    }

    /// Checks a peer's message against the set at hand, for callers without a pool of threads.
    ///
    /// # Errors
    /// See [`Message::check`].
    pub fn check(&self, message: Message) -> Result<Checked, ChainError> {
        message.check(&self.shell.set, &self.shell.network)
    }

    /// Takes a checked message. Those of other heights than the running one and the next are dropped.
    ///
    /// # Errors
    /// See [`ConsensusError`]; no message causes one.
    pub fn receive(&mut self, message: Checked) -> Result<Vec<Effect>, ConsensusError> {
        let message = message.into_message();
        let height = message.height();
        if self.running() && height == self.shell.height {
            let digest = self.shell.trust(&message);
            self.step(input_of(&message))?;
            self.shell.distrust(&digest);
        } else if height.get().checked_sub(1) == Some(self.shell.height.get()) {
            self.keep(&message)?;
        }
        self.settle()
    }

    /// A timer expired. Timers of other heights are ignored.
    ///
    /// # Errors
    /// See [`ConsensusError`].
    pub fn timeout(&mut self, timeout: Timeout) -> Result<Vec<Effect>, ConsensusError> {
        if self.running() && timeout.height == self.shell.height {
            self.step(machine::Input::TimeoutElapsed(convert::timeout_in(&timeout)))?;
        }
        self.settle()
    }

    /// Answers [`Effect::GetValue`]: propose this block, which is valid and whose body is stored. Too late is ignored.
    ///
    /// # Errors
    /// See [`ConsensusError`].
    pub fn propose(&mut self, height: Height, round: Round, block: BlockId) -> Result<Vec<Effect>, ConsensusError> {
        if self.running() && (height, Some(round)) == (self.shell.height, self.round()) {
            self.shell.verdicts.entry(block).or_insert(Validity::Valid);
            let value = machine::LocallyProposedValue::new(CoreHeight(height), round_in(round), Value(block));
            self.step(machine::Input::Propose(value))?;
        }
        self.settle()
    }

    /// A verdict on a block of the running height that a checked proposal of this round names, and whose body is stored if it is valid; the first
    /// verdict on a block stands. Answers [`Effect::Named`]; a proposal that is never answered counts as one that never came.
    ///
    /// # Errors
    /// See [`ConsensusError`].
    pub fn value(
        &mut self,
        height: Height,
        round: Round,
        block: BlockId,
        validity: Validity,
    ) -> Result<Vec<Effect>, ConsensusError> {
        if self.running() && height == self.shell.height {
            let validity = *self.shell.verdicts.entry(block).or_insert(validity);
            let named = self.named.get(&round).is_some_and(|blocks| blocks.contains(&block));
            if named && !self.is_full(round, &block) {
                self.feed(round, block, validity, ValueOrigin::Consensus)?;
            }
        }
        self.settle()
    }

    /// A block of the running height that others decided, with its certificate; it has been executed and its body is
    /// stored. Leads to [`Effect::Decided`].
    ///
    /// # Errors
    /// [`ConsensusError::CertifiedBySomebodyElse`] when it is another set's, else see [`ConsensusError`].
    pub fn synced<T: HasHeader>(&mut self, block: &Certified<T>) -> Result<Vec<Effect>, ConsensusError> {
        let height = block.certificate().height;
        if self.running() && height == self.shell.height {
            if block.value().header().validators_hash != self.shell.set.hash() {
                return Err(ConsensusError::CertifiedBySomebodyElse(height));
            }
            let certificate = convert::commit_in(block.certificate());
            let response = types::ValueResponse::new(nobody(), bytes::Bytes::new(), certificate);
            self.step(machine::Input::SyncValueResponse(response))?;
        }
        self.settle()
    }

    /// Rests above a height that was committed without agreement here, as after [`Consensus::new`]: what runs is given up. All timers are to be
    /// stopped.
    pub fn rest_at(&mut self, committed: Height, next_set: ValidatorSet) {
        self.committed = committed;
        self.ahead = Ahead::default();
        self.kept.clear();
        self.named.clear();
        self.shell.enter(committed, next_set);
        self.shell.forget_trusted();
    }

    /// Durations of timers started from now on: they are parameters that governance may change.
    pub fn set_timeouts(&mut self, timeouts: Timeouts) {
        self.shell.timeouts = timeouts;
    }

    /// The running height, or the last one run.
    pub fn height(&self) -> Height {
        self.shell.height
    }

    /// The running round; `None` before the first height.
    pub fn round(&self) -> Option<Round> {
        self.core.round().as_u32().map(Round)
    }

    /// Whether a height is started and not decided.
    pub fn running(&self) -> bool {
        self.shell.height > self.committed
    }

    /// The set of the running height, or of the next one before the first start.
    pub fn set(&self) -> &ValidatorSet {
        &self.shell.set
    }

    /// What was seen of the height after [`Consensus::height`].
    pub fn ahead(&self) -> &Ahead {
        &self.ahead
    }

    /// How often a signature was refused by the sign state; anything but 0 wants an operator.
    pub fn refused(&self) -> u64 {
        self.shell.refused
    }

    /// What was signed last.
    pub fn sign_state(&self) -> &SignState {
        self.shell.guard.state()
    }

    /// Keeps a message of the next height in the core, one a signer, kind and round: the core keeps them unverified.
    fn keep(&mut self, message: &Message) -> Result<(), ConsensusError> {
        let (signer, kind) = match message {
            Message::Vote(v) => (v.vote.validator, kind_number(v.vote.kind)),
            Message::Proposal(p) => (p.proposal.proposer, 0),
            Message::Polka(_) | Message::Round(_) => return Ok(()),
        };
        let round = message.round();
        if round.get() > MAX_ROUND_AHEAD || !self.kept.insert((signer, kind, round)) {
            return Ok(());
        }
        self.shell.trust(message);
        match message {
            Message::Proposal(_) => {
                self.ahead.proposals.insert((round, signer));
            }
            Message::Vote(_) | Message::Polka(_) | Message::Round(_) => {
                self.ahead.voters.insert(signer);
            }
        }
        self.step(input_of(message))
    }

    fn feed(
        &mut self,
        round: Round,
        block: BlockId,
        validity: Validity,
        origin: ValueOrigin,
    ) -> Result<(), ConsensusError> {
        let height = self.shell.height;
        let proposer = self.shell.set.select(height, round).consensus_key;
        self.step(convert::proposed_value(height, round, block, proposer, validity, origin))
    }

    /// One input into the core.
    fn step(&mut self, input: machine::Input<Context>) -> Result<(), ConsensusError> {
        let Consensus { core, shell, .. } = self;
        let result: Result<(), machine::Error<Context>> =
            machine::process!(input: input, state: core, metrics: &(), with: effect => shell.perform(effect));
        result.map_err(|error| match error {
            machine::Error::ReplayDivergence(..) => ConsensusError::ReplayDivergence(error.to_string()),
            error => ConsensusError::Core(error.to_string()),
        })
    }

    /// Does what had to wait for the core, then hands out the effects.
    fn settle(&mut self) -> Result<Vec<Effect>, ConsensusError> {
        while !self.shell.later.is_empty() {
            for later in std::mem::take(&mut self.shell.later) {
                match later {
                    Later::GetValue { height, round, within } => {
                        // After a replay the question may have been answered by the log.
                        let open = self.core.driver.step_is_propose() && self.round() == Some(round);
                        if height == self.shell.height && open {
                            self.shell.push(Effect::GetValue { height, round, within });
                        }
                    }
                    Later::Named { round, block, lock, proposer } => self.named(round, block, lock, proposer)?,
                    Later::SyncVerified { round, block } => {
                        self.shell.verdicts.insert(block, Validity::Valid);
                        self.feed(round, block, Validity::Valid, ValueOrigin::Sync)?;
                    }
                }
            }
        }
        let effects = self.shell.drain();
        if effects.iter().any(|e| matches!(e, Effect::Decided { .. })) {
            self.committed = self.shell.height;
        }
        Ok(effects)
    }

    fn named(
        &mut self,
        round: Round,
        block: BlockId,
        lock: Option<Round>,
        proposer: PublicKey,
    ) -> Result<(), ConsensusError> {
        let named = self.named.entry(round).or_default();
        if !named.contains(&block) {
            if named.len() == MAX_NAMED {
                return Ok(());
            }
            named.push(block);
        }
        // What we proposed, and what the core paired already, needs no second feeding. A valid block is judged anew for each round that names it:
        // whether it may be proposed there is not a fact of the block alone.
        match self.shell.verdicts.get(&block).copied() {
            _ if self.is_full(round, &block) => Ok(()),
            Some(Validity::Invalid) => self.feed(round, block, Validity::Invalid, ValueOrigin::Consensus),
            Some(Validity::Valid) | None => {
                let height = self.shell.height;
                self.shell.push(Effect::Named { height, round, block, lock, proposer });
                Ok(())
            }
        }
    }

    fn is_full(&self, round: Round, block: &BlockId) -> bool {
        let height = CoreHeight(self.shell.height);
        self.core.full_proposal_at_round_and_value(&height, round_in(round), &Value(*block)).is_some()
    }
}

fn input_of(message: &Message) -> machine::Input<Context> {
    match message {
        Message::Vote(v) => machine::Input::Vote(convert::signed_vote_in(v)),
        Message::Proposal(p) => machine::Input::Proposal(convert::signed_proposal_in(p)),
        Message::Polka(c) => machine::Input::PolkaCertificate(convert::polka_in(c)),
        Message::Round(c) => machine::Input::RoundCertificate(convert::round_certificate_in(c)),
    }
}

fn kind_number(kind: VoteKind) -> u8 {
    match kind {
        VoteKind::Prevote => 1,
        VoteKind::Precommit => 2,
    }
}

/// The core wants to know which peer to blame for a certificate; ours come in proven, so it is nobody.
fn nobody() -> machine::PeerId {
    machine::PeerId::from_bytes(&[0, 0]).expect("the empty identity multihash is a peer id")
}
