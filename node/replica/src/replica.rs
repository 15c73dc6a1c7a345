//! The node itself: takes one input, lets the part it concerns act, begins the next height when there is a reason to.

use crate::{
    Config, Metrics, ReplicaError, Verified,
    candidates::{Candidates, Naming},
    catch_up::CatchUp,
    commit::{clock_offset, due},
    input::{Input, Now, Origin, Peer, Timer},
    mempool::Mempool,
    output::{Action, Offence, Output, Verdict},
    recover::Recovered,
};
use octroi_chain::{Canonical as _, CommitCertificate};
use octroi_consensus::{Consensus, Effect, LogEntry, Message, Step, Timeouts};
use octroi_ledger::{Admission, State, parameters::Parameter};
use octroi_primitives::{BlockTime, Hash, Height, PublicKey, Round, TransactionId, hash};
use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

/// Digests of messages that are remembered at most.
const MAX_HEARD: usize = 8_192;

/// One node: validator with a key, observer without.
#[derive(Debug)]
pub struct Replica {
    pub(crate) config: Config,
    pub(crate) state: State,
    /// Our proof of the last block.
    pub(crate) certificate: Option<CommitCertificate>,
    pub(crate) consensus: Option<Consensus>,
    pub(crate) key: Option<PublicKey>,
    phase: Phase,
    pub(crate) mempool: Mempool,
    pub(crate) candidates: Candidates,
    /// Digests of checked messages of the height under way.
    pub(crate) heard: BTreeSet<Hash>,
    pub(crate) catch_up: CatchUp,
    pub(crate) peers: BTreeSet<Peer>,
    /// The round in which consensus waits for our block.
    pub(crate) our_turn: Option<Round>,
    batch: Vec<Verified>,
    batch_bytes: usize,
    batch_number: u64,
    /// Milliseconds that the state adds to the wall clock.
    pub(crate) clock_offset: u64,
    /// From when on a block without transactions is valid.
    pub(crate) due: BlockTime,
    pub(crate) committed_wall: u64,
    pub(crate) announced_wall: u64,
    pub(crate) committed_since_tick: bool,
    pub(crate) committed_in_this_step: bool,
    pub(crate) now: Now,
    pub(crate) out: Vec<Output>,
    pub(crate) metrics: Metrics,
}

#[derive(Debug)]
enum Phase {
    /// Signs nothing yet; holds the log of the height under way.
    Listening(Vec<LogEntry>),
    Running,
}

impl Replica {
    /// A node that starts from what it left. It signs nothing before [`Input::Start`].
    pub fn new(config: Config, recovered: Recovered) -> Self {
        let Recovered { state, certificate, guard, log, candidates } = recovered;
        let key = guard.as_ref().map(|guard| guard.public());
        let set = state.validators().clone();
        let consensus = guard.map(|guard| Consensus::new(guard, timeouts(&state), state.head().height, set));
        let mut replica = Replica {
            config,
            clock_offset: clock_offset(&state),
            due: due(&state),
            state,
            certificate,
            consensus,
            key,
            phase: Phase::Listening(log),
            mempool: Mempool::new(&config),
            candidates: Candidates::default(),
            heard: BTreeSet::new(),
            catch_up: CatchUp::default(),
            peers: BTreeSet::new(),
            our_turn: None,
            batch: Vec::new(),
            batch_bytes: 0,
            batch_number: 0,
            committed_wall: 0,
            announced_wall: 0,
            committed_since_tick: false,
            committed_in_this_step: false,
            now: Now { wall: 0 },
            out: Vec::new(),
            metrics: Metrics::default(),
        };
        for (executed, body) in candidates {
            replica.candidates.insert(executed, body);
        }
        replica
    }

    /// Takes one input at this time of the host's clock and says what to do, in order.
    ///
    /// # Errors
    /// See [`ReplicaError`]: the node stops, and what was said to do by this call is not done.
    pub fn step(&mut self, input: Input, now: Now) -> Result<Vec<Output>, ReplicaError> {
        self.now = now;
        self.committed_in_this_step = false;
        match input {
            Input::Start => self.start()?,
            Input::Timer(timer) => self.timer(timer)?,
            Input::Message { peer, message } => self.message(peer, message)?,
            Input::Transactions { origin, transactions } => self.transactions(origin, transactions)?,
            Input::Body { peer, body } => {
                let effects = self.body_came(peer, body)?;
                self.run(effects)?;
            }
            Input::BodyRequest { peer: _, token, request } => self.answer_body(token, &request),
            Input::Blocks { peer, number, request: _, blocks } => self.blocks_came(peer, number, blocks),
            Input::Tip { peer, tip } => self.hint(peer, tip.height),
            Input::PeerUp(peer) => {
                self.peers.insert(peer);
            }
            Input::PeerDown(peer) => {
                self.peers.remove(&peer);
                self.catch_up_without(peer);
            }
        }
        self.begin_height_if_called()?;
        self.metrics.pending = self.mempool.len() as u64;
        self.metrics.pending_bytes = self.mempool.bytes() as u64;
        Ok(std::mem::take(&mut self.out))
    }

    /// The state after the last committed block.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Our proof of the last committed block; `None` before the first.
    pub fn certificate(&self) -> Option<&CommitCertificate> {
        self.certificate.as_ref()
    }

    /// Whether a transaction waits for a block here.
    pub fn is_pending(&self, id: &TransactionId) -> bool {
        self.mempool.contains(id)
    }

    /// Counters.
    pub fn metrics(&self) -> Metrics {
        let sign_refused = self.consensus.as_ref().map_or(0, Consensus::refused);
        Metrics { sign_refused, ..self.metrics }
    }

    /// Height and round under way; `None` while the node is idle or only follows.
    pub fn under_way(&self) -> Option<(Height, Round)> {
        let consensus = self.consensus.as_ref().filter(|consensus| consensus.running())?;
        Some((consensus.height(), consensus.round()?))
    }

    pub(crate) fn next_height(&self) -> Height {
        Height(self.state.head().height.get() + 1)
    }

    /// Whether this node may vote on the next height.
    pub(crate) fn takes_part(&self) -> bool {
        matches!(self.phase, Phase::Running)
            && self.key.is_some_and(|key| self.state.validators().position(&key).is_some())
    }

    pub(crate) fn act(&mut self, action: Action) {
        self.out.push(Output::Act(action));
    }

    pub(crate) fn set_timer(&mut self, timer: Timer, after: Duration) {
        self.act(Action::SetTimer { timer, after });
    }

    fn start(&mut self) -> Result<(), ReplicaError> {
        let Phase::Listening(log) = std::mem::replace(&mut self.phase, Phase::Running) else { return Ok(()) };
        self.set_timer(Timer::Tick, self.config.tick);
        self.set_due_timer();
        // The chain may have gone on while we listened; then the log is of no more use.
        let current = log.first().is_some_and(|entry| entry.height() == self.next_height());
        if current && self.takes_part() { self.begin_height(&log) } else { Ok(()) }
    }

    fn timer(&mut self, timer: Timer) -> Result<(), ReplicaError> {
        match timer {
            Timer::Consensus(timeout) => {
                if let Some(consensus) = &mut self.consensus
                    && timeout.height == Height(self.state.head().height.get() + 1)
                {
                    let effects = consensus.timeout(timeout)?;
                    self.run(effects)?;
                }
            }
            Timer::Pace | Timer::Due => {
                if timer == Timer::Due && !self.is_work_due() {
                    self.set_due_timer();
                }
                let effects = self.propose_if_ready()?;
                self.run(effects)?;
            }
            Timer::Gossip => self.flush_batch(),
            Timer::Tick => self.tick(),
            Timer::Body(block) => self.ask_for_body(block),
            Timer::Timely(block) => {
                let effects = self.tell_when_timely(block)?;
                self.run(effects)?;
            }
            Timer::Behind => self.still_behind(),
            Timer::CatchUp(number) => self.blocks_late(number),
            Timer::Apply => self.apply_fetched()?,
        }
        Ok(())
    }

    /// Once a second: the tip for those behind; transactions again when nothing moves, since a batch may have been lost.
    fn tick(&mut self) {
        self.set_timer(Timer::Tick, self.config.tick);
        self.announce();
        self.fetch();
        if !self.committed_since_tick && !self.mempool.is_empty() {
            let again = self.mempool.first(self.config.batch_transactions, self.config.batch_bytes);
            self.gossip(again);
        }
        self.committed_since_tick = false;
    }

    fn message(&mut self, peer: Peer, message: Message) -> Result<(), ReplicaError> {
        let (height, next) = (message.height(), self.next_height());
        if height < next {
            return Ok(());
        }
        if height > next {
            self.hint(peer, Height(height.get() - 1));
        }
        if self.consensus.is_none() || height.get() > next.get() + 1 {
            return Ok(());
        }
        // Votes come again by many ways; what was checked once costs a hash the second time.
        let digest = hash("heard-message", &[&message.encode()]);
        if self.heard.contains(&digest) {
            return Ok(());
        }
        let checked = match message.check(self.state.validators(), &self.state.network()) {
            Ok(checked) => checked,
            // The set of the height after the next may be another one than that of the next.
            Err(_) if height > next => return Ok(()),
            Err(error) => {
                self.penalise(peer, Offence::Message(error));
                return Ok(());
            }
        };
        // Of rounds that have begun only: what was too early to be taken in must be heard when it comes again.
        let begun = self.consensus.as_ref().is_some_and(|consensus| {
            consensus.running() && consensus.height() == height && Some(checked.message().round()) <= consensus.round()
        });
        if begun && self.heard.len() < MAX_HEARD {
            self.heard.insert(digest);
        }
        if signer(checked.message()) == self.key {
            return self.own_message(checked.message());
        }
        let effects = self.count_support(checked.message())?;
        self.run(effects)?;
        let Some(consensus) = &mut self.consensus else { return Ok(()) };
        let effects = consensus.receive(checked)?;
        self.run(effects)
    }

    /// Somebody hands us a message in our name. What we signed before says nothing; what lies above it was signed by another node with our key.
    fn own_message(&self, message: &Message) -> Result<(), ReplicaError> {
        let Some(consensus) = &self.consensus else { return Ok(()) };
        let position = match message {
            Message::Vote(signed) => {
                let step = match signed.vote.kind {
                    octroi_chain::VoteKind::Prevote => Step::Prevote,
                    octroi_chain::VoteKind::Precommit => Step::Precommit,
                };
                (signed.vote.height, signed.vote.round, step)
            }
            Message::Proposal(signed) => (signed.proposal.height, signed.proposal.round, Step::Proposal),
            Message::Polka(_) | Message::Round(_) => return Ok(()),
        };
        let last = consensus.sign_state().last().map(|last| (last.height, last.round, last.step));
        if Some(position) > last { Err(ReplicaError::KeyInUse(position.0)) } else { Ok(()) }
    }

    fn transactions(&mut self, origin: Origin, transactions: Vec<Verified>) -> Result<(), ReplicaError> {
        let time = self.next_time();
        let mut results = Vec::with_capacity(transactions.len());
        let mut taken = Vec::new();
        let admission = Admission::new(&self.state, time);
        for transaction in transactions {
            let result = self.mempool.admit(transaction.clone(), &admission);
            match &result {
                Ok(()) => {
                    self.metrics.admitted += 1;
                    taken.push(transaction);
                }
                Err(_) => self.metrics.not_admitted += 1,
            }
            results.push(result);
        }
        let news = !taken.is_empty();
        match origin {
            Origin::Client(client) => {
                self.act(Action::Reply { client, results });
                self.add_to_batch(taken);
            }
            Origin::Gossip { peer: _, message } => {
                let verdict = if news { Verdict::Accept } else { Verdict::Ignore };
                self.act(Action::Verdict { message, verdict });
            }
        }
        if news {
            let effects = self.propose_if_ready()?;
            self.run(effects)?;
        }
        Ok(())
    }

    fn add_to_batch(&mut self, transactions: Vec<Verified>) {
        for transaction in transactions {
            let full = self.batch.len() >= self.config.batch_transactions
                || self.batch_bytes + transaction.size() > self.config.batch_bytes;
            if full {
                self.flush_batch();
            }
            if self.batch.is_empty() {
                self.set_timer(Timer::Gossip, self.config.batch_wait);
            }
            self.batch_bytes += transaction.size();
            self.batch.push(transaction);
        }
    }

    fn flush_batch(&mut self) {
        self.batch_bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        self.gossip(batch);
    }

    fn gossip(&mut self, transactions: Vec<Verified>) {
        if transactions.is_empty() {
            return;
        }
        // Starting from the wall clock, so that numbers of an earlier life are not used again.
        self.batch_number = self.batch_number.max(self.now.wall.saturating_mul(1_000)) + 1;
        self.act(Action::Gossip { number: self.batch_number, transactions });
    }

    /// The idle gate: the next height begins when something waits for a block, when work or the heartbeat is due, or when others have begun it.
    fn begin_height_if_called(&mut self) -> Result<(), ReplicaError> {
        let next = self.next_height();
        let Some(consensus) = &self.consensus else { return Ok(()) };
        if consensus.running() || !self.takes_part() || self.catch_up.is_under_way(next, self.now.wall) {
            return Ok(());
        }
        let called =
            !self.mempool.is_empty() || self.is_work_due() || consensus.ahead().calls(next, self.state.validators());
        if called { self.begin_height(&[]) } else { Ok(()) }
    }

    fn begin_height(&mut self, log: &[LogEntry]) -> Result<(), ReplicaError> {
        let (next, set) = (self.next_height(), self.state.validators().clone());
        let timeouts = timeouts(&self.state);
        let Some(consensus) = &mut self.consensus else { return Ok(()) };
        consensus.set_timeouts(timeouts);
        let effects = consensus.start_height(next, set, log)?;
        self.run(effects)
    }

    /// The height under way was decided without us.
    pub(crate) fn give_up_height(&mut self) {
        let (height, set) = (self.state.head().height, self.state.validators().clone());
        if let Some(consensus) = &mut self.consensus {
            if consensus.running() {
                self.out.push(Output::Act(Action::CancelConsensusTimers));
            }
            consensus.rest_at(height, set);
        }
    }

    /// Turns what consensus asks for into outputs, answering its questions on the way.
    pub(crate) fn run(&mut self, effects: Vec<Effect>) -> Result<(), ReplicaError> {
        let mut queue = VecDeque::from(effects);
        while let Some(effect) = queue.pop_front() {
            match effect {
                Effect::LogAppend { height, entry } => self.out.push(Output::Append { height, entry }),
                Effect::WriteSignState(slot) => self.out.push(Output::SignState(slot)),
                Effect::Barrier => {
                    self.metrics.barriers += 1;
                    self.out.push(Output::Barrier);
                }
                Effect::Publish(message) => self.act(Action::Broadcast(message)),
                Effect::StartTimer { timeout, after } => self.set_timer(Timer::Consensus(timeout), after),
                Effect::CancelTimer(timeout) => self.act(Action::CancelTimer(Timer::Consensus(timeout))),
                Effect::CancelTimers => self.act(Action::CancelConsensusTimers),
                Effect::RoundStarted { height: _, round, proposer: _ } => {
                    self.our_turn = None;
                    self.metrics.late_rounds += u64::from(round.get() > 0);
                }
                Effect::GetValue { height: _, round, within: _ } => {
                    self.our_turn = Some(round);
                    queue.extend(self.propose_if_ready()?);
                }
                Effect::Named { height: _, round, block, lock, proposer } => {
                    queue.extend(self.named(block, Naming { round, lock }, proposer)?);
                }
                Effect::Restream { height, block } => {
                    if let Some(bytes) = self.candidates.body(&block) {
                        self.act(Action::PushBody { height, block, bytes });
                    }
                }
                Effect::Decided { certificate, evidence } => self.decided(certificate, evidence)?,
            }
        }
        Ok(())
    }
}

fn signer(message: &Message) -> Option<PublicKey> {
    match message {
        Message::Vote(signed) => Some(signed.vote.validator),
        Message::Proposal(signed) => Some(signed.proposal.proposer),
        Message::Polka(_) | Message::Round(_) => None,
    }
}

fn timeouts(state: &State) -> Timeouts {
    let overlay = state.overlay();
    let millis = |parameter| Duration::from_millis(overlay.parameter(parameter));
    let vote = millis(Parameter::TimeoutVoteMs);
    Timeouts { propose: millis(Parameter::TimeoutProposeMs), prevote: vote, precommit: vote, ..Timeouts::default() }
}
