//! Blocks proposed for the next height: their bodies, what execution said of them, and when the answer may be told.
//!
//! A body is judged when a checked proposal names it. The verdict is a function of block and parent state alone; only the moment at which a valid
//! one is told depends on our clock (consensus design, timeliness).

use crate::{
    ReplicaError,
    input::{Body, Peer, Timer},
    output::{Action, Offence, Output},
    replica::Replica,
    wire::BodyRequest,
};
use octroi_chain::VoteKind;
use octroi_consensus::{Effect, Message, Validity};
use octroi_ledger::{CheckedBlock, ExecutedBlock, execute};
use octroi_primitives::{BlockId, BlockTime, Height, PublicKey, Round};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// A fresh proposal's time may be so far behind our clock, milliseconds.
pub(crate) const BEHIND_MS: u64 = 10_000;
/// A fresh proposal's time may be so far ahead of our clock, milliseconds.
pub(crate) const AHEAD_MS: u64 = 2_000;
/// Executed candidates of a height that are held with all they do; of the others the body is kept.
const MAX_EXECUTED: usize = 4;
/// Bodies kept before a proposal names them.
const MAX_UNNAMED: usize = 16;
/// Votes are counted up to so many rounds above the current one.
const MAX_ROUND_AHEAD: u32 = 10;

/// Of one height; emptied at its commit, save the bodies of the next.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    /// Not judged yet, of the next height and the one after it.
    bodies: BTreeMap<(Height, BlockId), (Peer, Body)>,
    valid: BTreeMap<BlockId, Candidate>,
    wanted: BTreeMap<BlockId, Wanted>,
    /// The first vote of each validator: a polka or precommits make an untimely block feedable.
    votes: BTreeMap<(Round, VoteKind, PublicKey), BlockId>,
    /// Blocks with a proof of lock of their own.
    locked: Vec<BlockId>,
    counter: u64,
}

#[derive(Debug)]
pub(crate) struct Candidate {
    /// Dropped when there are too many; the body brings it back.
    executed: Option<ExecutedBlock>,
    /// Of its header: in which round it was made.
    round: Round,
    /// Of its header.
    time: BlockTime,
    pub body: Arc<[u8]>,
    told: Told,
    number: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Consensus,
    Nobody,
}

#[derive(Debug)]
struct Wanted {
    /// Proposals that name it and have no answer yet.
    namings: Vec<Naming>,
    proposer: PublicKey,
    asked: usize,
}

/// A proposal that names a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Naming {
    /// Its round.
    pub round: Round,
    /// Round of the lock that its proposer claims.
    pub lock: Option<Round>,
}

impl Naming {
    /// Whether a block made in a round may be proposed so: a new one in the round in which it was made, one proposed again with a lock of that round
    /// or a later one. Else the certificate could be of an earlier round than the header, which proves nothing to anybody.
    fn fits(&self, made: Round) -> bool {
        match self.lock {
            None => self.round == made,
            Some(lock) => made <= lock && lock < self.round,
        }
    }
}

/// Whether a time is near our clock.
enum Timely {
    Yes,
    /// In so many milliseconds it will be.
    Ahead(u64),
    Behind,
}

impl Candidates {
    /// The height is over.
    pub fn clear(&mut self, committed: Height) {
        self.bodies.retain(|(height, _), _| *height > committed);
        self.valid.clear();
        self.wanted.clear();
        self.votes.clear();
        self.locked.clear();
    }

    /// A valid block that consensus knows of, or is about to.
    pub fn insert(&mut self, executed: ExecutedBlock, body: Arc<[u8]>) {
        self.put(executed, body, Told::Consensus);
    }

    fn put(&mut self, executed: ExecutedBlock, body: Arc<[u8]>, told: Told) {
        self.counter += 1;
        let id = executed.id();
        let header = executed.block().header();
        let (round, time) = (header.round, header.time);
        let executed = Some(executed);
        self.valid.insert(id, Candidate { executed, round, time, body, told, number: self.counter });
        if self.valid.values().filter(|c| c.executed.is_some()).count() > MAX_EXECUTED {
            let oldest = self.valid.values_mut().filter(|c| c.executed.is_some()).min_by_key(|c| c.number);
            oldest.expect("there are more than four").executed = None;
        }
    }

    pub fn body(&self, block: &BlockId) -> Option<Arc<[u8]>> {
        self.valid.get(block).map(|candidate| candidate.body.clone())
    }

    /// Takes a valid block out, with its effects if they are still held.
    pub fn take(&mut self, block: &BlockId) -> Option<(Option<ExecutedBlock>, Arc<[u8]>)> {
        self.valid.remove(block).map(|candidate| (candidate.executed, candidate.body))
    }

    fn supported(&self, block: &BlockId, quorum: usize, honest: usize) -> bool {
        let mut votes: BTreeMap<(Round, VoteKind), usize> = BTreeMap::new();
        for ((round, kind, _), voted) in &self.votes {
            if voted == block {
                *votes.entry((*round, *kind)).or_default() += 1;
            }
        }
        self.locked.contains(block)
            || votes.iter().any(|((_, kind), count)| match kind {
                VoteKind::Prevote => *count >= quorum,
                VoteKind::Precommit => *count >= honest,
            })
    }
}

impl Replica {
    /// A proposal names a block.
    pub(crate) fn named(
        &mut self,
        block: BlockId,
        naming: Naming,
        proposer: PublicKey,
    ) -> Result<Vec<Effect>, ReplicaError> {
        let wanted = self.candidates.wanted.entry(block).or_insert(Wanted { namings: Vec::new(), proposer, asked: 0 });
        if !wanted.namings.contains(&naming) {
            wanted.namings.push(naming);
        }
        let at_hand = self.candidates.valid.contains_key(&block)
            || self.candidates.bodies.contains_key(&(self.next_height(), block));
        if !at_hand {
            self.set_timer(Timer::Body(block), self.config.body_wait);
        }
        self.judge(block)
    }

    /// A body came.
    pub(crate) fn body_came(&mut self, peer: Peer, body: Body) -> Result<Vec<Effect>, ReplicaError> {
        let (height, block) = (body.height(), body.id());
        let next = self.next_height();
        if height != next && Some(height) != next.next() {
            return Ok(Vec::new());
        }
        if self.consensus.is_none() || self.candidates.valid.contains_key(&block) {
            return Ok(Vec::new());
        }
        let named = height == next && self.candidates.wanted.contains_key(&block);
        if !named {
            // Before its proposal: from a validator, two a peer, so that nobody crowds out the others.
            let is_validator = self.state.validators().members().iter().any(|v| Peer(v.network_key) == peer);
            let of_peer = self.candidates.bodies.values().filter(|(from, _)| *from == peer).count();
            if !is_validator || of_peer >= 2 || self.candidates.bodies.len() >= MAX_UNNAMED {
                return Ok(Vec::new());
            }
        }
        self.candidates.bodies.entry((height, block)).or_insert((peer, body));
        if named { self.judge(block) } else { Ok(Vec::new()) }
    }

    /// Asks for a body that has not come: the proposer first, then the others in turn.
    pub(crate) fn ask_for_body(&mut self, block: BlockId) {
        let height = self.next_height();
        let wait = self.config.body_wait;
        let Some(wanted) = self.candidates.wanted.get_mut(&block) else { return };
        if self.candidates.valid.contains_key(&block) {
            return;
        }
        let members = self.state.validators().members();
        let first = self.state.validators().position(&wanted.proposer).unwrap_or(0);
        let others = members.iter().cycle().skip(first).take(members.len());
        let peers: Vec<Peer> = others
            .filter(|member| Some(member.consensus_key) != self.key)
            .map(|member| Peer(member.network_key))
            .filter(|peer| self.peers.contains(peer))
            .collect();
        let asked = wanted.asked;
        wanted.asked += 1;
        if let Some(peer) = peers.get(asked % peers.len().max(1)) {
            self.metrics.bodies_requested += 1;
            let request = BodyRequest { height, block };
            self.act(Action::RequestBody { peer: *peer, request });
        }
        let factor = u32::try_from(asked + 1).unwrap_or(u32::MAX).min(20);
        self.set_timer(Timer::Body(block), wait.saturating_mul(factor));
    }

    /// Executes a body that a proposal names, and tells consensus when it is time.
    fn judge(&mut self, block: BlockId) -> Result<Vec<Effect>, ReplicaError> {
        let height = self.next_height();
        if !self.candidates.wanted.contains_key(&block) {
            return Ok(Vec::new());
        }
        if !self.candidates.valid.contains_key(&block) {
            let Some((_, body)) = self.candidates.bodies.remove(&(height, block)) else { return Ok(Vec::new()) };
            self.act(Action::CancelTimer(Timer::Body(block)));
            let bytes = body.bytes.clone();
            match self.check_and_execute(body) {
                Ok(executed) => {
                    self.metrics.valid += 1;
                    self.candidates.put(executed, bytes, Told::Nobody);
                }
                Err(_) => {
                    self.metrics.invalid += 1;
                    let namings = self.candidates.wanted.remove(&block).map(|wanted| wanted.namings);
                    return self.tell(block, &namings.unwrap_or_default(), Validity::Invalid);
                }
            }
        }
        self.tell_when_timely(block)
    }

    /// The whole check of a block on the state; what the door has checked is not checked again.
    pub(crate) fn check_and_execute(&self, body: Body) -> Result<ExecutedBlock, octroi_ledger::BlockInvalid> {
        let Body { block, mut verified, .. } = body;
        let known = |index: usize| verified.get_mut(index)?.take();
        execute(&self.state, CheckedBlock::check(*block, &self.state, known)?)
    }

    /// Tells consensus of a valid block in each round that names it as it may be named: at once when it is timely or others stand behind it, later
    /// when it is ahead of our clock, else never. A lock counts once it is proved, not when it is claimed.
    pub(crate) fn tell_when_timely(&mut self, block: BlockId) -> Result<Vec<Effect>, ReplicaError> {
        let set = self.state.validators();
        let (quorum, honest) = (set.quorum(), set.honest());
        let Some(candidate) = self.candidates.valid.get(&block) else { return Ok(Vec::new()) };
        let (made, time) = (candidate.round, candidate.time);
        let Some(wanted) = self.candidates.wanted.get_mut(&block) else { return Ok(Vec::new()) };
        let before = wanted.namings.len();
        wanted.namings.retain(|naming| naming.fits(made));
        self.metrics.misplaced += (before - wanted.namings.len()) as u64;
        let excused = self.candidates.supported(&block, quorum, honest);
        let timely = if excused { Timely::Yes } else { self.timely(time) };
        match timely {
            Timely::Yes => {
                let namings = self.candidates.wanted.remove(&block).map(|wanted| wanted.namings).unwrap_or_default();
                self.tell(block, &namings, Validity::Valid)
            }
            Timely::Ahead(wait) => {
                self.metrics.untimely += 1;
                self.set_timer(Timer::Timely(block), Duration::from_millis(wait));
                Ok(Vec::new())
            }
            Timely::Behind => {
                self.metrics.untimely += 1;
                Ok(Vec::new())
            }
        }
    }

    fn timely(&self, time: BlockTime) -> Timely {
        let (time, clock) = (time.millis(), self.clock().millis());
        let latest = clock.saturating_add(AHEAD_MS);
        if time > latest {
            Timely::Ahead(time - latest)
        } else if time.saturating_add(BEHIND_MS) < clock {
            Timely::Behind
        } else {
            Timely::Yes
        }
    }

    fn tell(&mut self, block: BlockId, namings: &[Naming], validity: Validity) -> Result<Vec<Effect>, ReplicaError> {
        let height = self.next_height();
        if validity == Validity::Valid && !namings.is_empty() {
            let Some(candidate) = self.candidates.valid.get_mut(&block) else { return Ok(Vec::new()) };
            if candidate.told == Told::Nobody {
                candidate.told = Told::Consensus;
                let bytes = candidate.body.clone();
                self.out.push(Output::PutBody { height, block, bytes });
            }
        }
        let mut effects = Vec::new();
        if let Some(consensus) = &mut self.consensus {
            for naming in namings {
                effects.extend(consensus.value(height, naming.round, block, validity)?);
            }
        }
        Ok(effects)
    }

    /// Counts what stands behind a block, and tells of untimely ones that gained a polka.
    pub(crate) fn count_support(&mut self, message: &Message) -> Result<Vec<Effect>, ReplicaError> {
        let current = self.consensus.as_ref().and_then(|c| c.round()).unwrap_or(Round(0)).get();
        if message.height() != self.next_height() || message.round().get() > current.saturating_add(MAX_ROUND_AHEAD) {
            return Ok(Vec::new());
        }
        match message {
            Message::Vote(signed) => {
                let vote = &signed.vote;
                let Some(block) = vote.block else { return Ok(Vec::new()) };
                self.candidates.votes.entry((vote.round, vote.kind, vote.validator)).or_insert(block);
                self.tell_when_timely(block)
            }
            Message::Polka(polka) => {
                if !self.candidates.locked.contains(&polka.block_id) {
                    self.candidates.locked.push(polka.block_id);
                }
                self.tell_when_timely(polka.block_id)
            }
            Message::Proposal(_) | Message::Round(_) => Ok(Vec::new()),
        }
    }

    /// Answers a peer that asks for a body.
    pub(crate) fn answer_body(&mut self, token: crate::RequestToken, request: &BodyRequest) {
        let unjudged = self.candidates.bodies.get(&(request.height, request.block)).map(|(_, b)| b.bytes.clone());
        match self.candidates.body(&request.block).or(unjudged) {
            Some(bytes) => self.act(Action::Respond { token, bytes }),
            None => self.act(Action::Decline(token)),
        }
    }

    /// Penalises a peer.
    pub(crate) fn penalise(&mut self, peer: Peer, offence: Offence) {
        self.metrics.penalties += 1;
        self.act(Action::Penalise { peer, offence });
    }
}
