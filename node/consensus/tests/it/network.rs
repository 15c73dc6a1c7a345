//! A network of validators in one thread: virtual time, seeded loss, delay and crashes, and monitors that hold whatever
//! happens. Messages travel as canonical bytes. A crash loses what no barrier made durable; a sign-state write in flight
//! is lost, torn or done.

use octroi_chain::{Block, Canonical, Certified, CommitCertificate, Evidence, Header, Validator, ValidatorSet};
use octroi_consensus::{
    Consensus, Effect, Guard, LogEntry, Message, SLOT_BYTES, SignState, SlotWrite, Timeout, Timeouts, Validity,
};
use octroi_primitives::{
    BlockId, BlockTime, CollegeCode, Hash, Height, NetworkId, OrganisationId, PublicKey, Round, SecretKey, hash,
};
use std::collections::{BTreeMap, BTreeSet};

pub const NETWORK: NetworkId = NetworkId::from_bytes([7; 32]);

/// SplitMix64.
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }
}

pub fn secret(i: usize) -> SecretKey {
    SecretKey::from_seed([i as u8 + 1; 32])
}

pub fn set_of(keys: &[PublicKey]) -> ValidatorSet {
    let member = |key: &PublicKey| Validator {
        consensus_key: *key,
        organisation: OrganisationId::from_bytes(*hash("organisation", &[key.as_bytes()]).as_bytes()),
        network_key: *key,
        college: CollegeCode::new("funders").expect("a code"),
    };
    ValidatorSet::new(keys.iter().map(member).collect()).expect("a set")
}

pub fn set_of_size(n: usize) -> ValidatorSet {
    set_of(&(0..n).map(|i| secret(i).public()).collect::<Vec<_>>())
}

/// A block that says nothing, of one proposer and round.
pub fn block(parent: Option<&(Block, CommitCertificate)>, set: &ValidatorSet, round: Round, salt: &[u8]) -> Block {
    let height = Height(parent.map_or(0, |(b, _)| b.header().height.get()) + 1);
    let last_commit = parent.map(|(_, c)| c.clone());
    let header = Header {
        version: 1,
        network: NETWORK,
        height,
        round,
        time: BlockTime(height.get() * 1000),
        parent: parent.map_or(BlockId::from_bytes(*NETWORK.as_bytes()), |(b, _)| b.id()),
        proposer: set.select(height, round).consensus_key,
        transactions_root: hash("body", &[salt]),
        receipts_root: Hash::ZERO,
        state_root: Hash::ZERO,
        validators_hash: set.hash(),
        next_validators_hash: set.hash(),
        last_commit_hash: Block::last_commit_hash(last_commit.as_ref()),
        log_root: Hash::ZERO,
    };
    Block::new(header, vec![salt.to_vec()], last_commit).expect("well formed")
}

#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Per mille of packets lost.
    pub loss: u64,
    /// Greatest delay in milliseconds beyond the first.
    pub delay: u64,
    /// Per mille of inputs at which a node crashes.
    pub crash: u64,
    pub dead: Option<usize>,
    /// Signs a second vote beside each of its own and sends it to half of the others.
    pub equivocator: Option<usize>,
    /// Sends votes in others' names: with wrong signatures, and with their signatures under other content.
    pub forger: Option<usize>,
    /// Proposes blocks whose body is invalid.
    pub invalid: Option<usize>,
    /// Is no validator: it listens and follows.
    pub observer: Option<usize>,
    /// Loses its whole log at every crash, but not its sign state.
    pub forgetful: Option<usize>,
    /// Loses log and sign state at every crash, as no validator may.
    pub reborn: Option<usize>,
}

/// What survives a crash, up to the durable marks.
#[derive(Clone)]
struct Disk {
    chain: Vec<(Block, CommitCertificate)>,
    log: Vec<Vec<u8>>,
    log_durable: usize,
    bodies: Vec<(BlockId, Block)>,
    bodies_durable: usize,
    sign_state: Vec<u8>,
    in_flight: Vec<SlotWrite>,
    lives: u64,
}

impl Disk {
    fn new(key: PublicKey) -> Self {
        let sign_state = SignState::new(NETWORK, key).file();
        Disk {
            chain: vec![],
            log: vec![],
            log_durable: 0,
            bodies: vec![],
            bodies_durable: 0,
            sign_state,
            in_flight: vec![],
            lives: 0,
        }
    }

    fn barrier(&mut self) {
        self.log_durable = self.log.len();
        self.bodies_durable = self.bodies.len();
        for SlotWrite { offset, bytes } in self.in_flight.drain(..) {
            self.sign_state[offset..offset + SLOT_BYTES].copy_from_slice(&bytes);
        }
    }

    fn crash(&mut self, random: &mut Random) {
        // The log may also keep part of what was not synced.
        let kept = |durable: usize, len: usize, r: &mut Random| durable + r.below((len - durable) as u64 + 1) as usize;
        self.log.truncate(kept(self.log_durable, self.log.len(), random));
        self.bodies.truncate(kept(self.bodies_durable, self.bodies.len(), random).max(self.bodies_durable));
        // The sign state is written after the log is synced: it can be ahead of nothing.
        let log_was_whole = self.log.len() > self.log_durable || self.log_durable == self.log.len();
        for SlotWrite { offset, bytes } in self.in_flight.drain(..) {
            let done = if log_was_whole { random.below(SLOT_BYTES as u64 + 1) as usize } else { 0 };
            self.sign_state[offset..offset + done].copy_from_slice(&bytes[..done]);
        }
        self.log_durable = self.log.len();
        self.bodies_durable = self.bodies.len();
    }

    fn body(&self, id: &BlockId) -> Option<&Block> {
        self.bodies.iter().find(|(b, _)| b == id).map(|(_, block)| block)
    }
}

struct Node {
    consensus: Consensus,
    timers: BTreeMap<Timeout, u64>,
    named: BTreeMap<BlockId, Vec<Round>>,
}

#[derive(Clone)]
enum Packet {
    Message(Vec<u8>),
    Body(Vec<u8>),
    WantBody(BlockId),
    WantHeight(Height),
    Decided(Vec<u8>, Vec<u8>),
}

enum Event {
    Deliver {
        from: usize,
        to: usize,
        packet: Packet,
    },
    Timer {
        node: usize,
        timeout: Timeout,
        number: u64,
    },
    /// The block builder answers in its own time.
    Build {
        node: usize,
        height: Height,
        round: Round,
    },
    Restart(usize),
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    pub crashes: u64,
    pub refused: u64,
    pub rejected: u64,
    pub barriers: u64,
    pub late_rounds: u64,
    pub synced: u64,
    pub invalid: u64,
    pub evidence: BTreeSet<PublicKey>,
    pub virtual_ms: u64,
    pub trace: Vec<BlockId>,
}

/// A signer, height and round with the step within the round.
type Slot = (PublicKey, Height, Round, u8);

pub struct Network {
    now: u64,
    number: u64,
    random: Random,
    faults: Faults,
    events: BTreeMap<(u64, u64), Event>,
    nodes: Vec<Option<Node>>,
    disks: Vec<Disk>,
    keys: Vec<PublicKey>,
    set: ValidatorSet,
    decided: BTreeMap<Height, BlockId>,
    signed: BTreeMap<Slot, Vec<u8>>,
    pub report: Report,
}

impl Network {
    pub fn new(n: usize, seed: u64, faults: Faults) -> Self {
        let keys: Vec<_> = (0..n).map(|i| secret(i).public()).collect();
        let members = keys.iter().enumerate().filter(|(i, _)| faults.observer != Some(*i)).map(|(_, key)| *key);
        let set = set_of(&members.collect::<Vec<_>>());
        let mut network = Network {
            now: 0,
            number: 0,
            random: Random(seed),
            faults,
            events: BTreeMap::new(),
            nodes: (0..n).map(|_| None).collect(),
            disks: keys.iter().map(|k| Disk::new(*k)).collect(),
            set,
            keys,
            decided: BTreeMap::new(),
            signed: BTreeMap::new(),
            report: Report::default(),
        };
        for i in 0..n {
            if network.faults.dead != Some(i) {
                network.boot(i);
            }
        }
        network
    }

    /// Runs until every live node has `heights` blocks; fails when that takes longer than `limit` of virtual time.
    pub fn run(&mut self, heights: u64, limit_ms: u64) -> Report {
        while (0..self.nodes.len()).any(|i| self.faults.dead != Some(i) && (self.disks[i].chain.len() as u64) < heights)
        {
            let ((at, _), event) = self.events.pop_first().expect("something is always going to happen");
            self.now = at;
            let reached: Vec<_> = self.disks.iter().map(|d| d.chain.len()).collect();
            assert!(at <= limit_ms, "no progress: heights {reached:?} after {at} ms, {:?}", self.report);
            match event {
                Event::Deliver { from, to, packet } => self.deliver(from, to, packet),
                Event::Timer { node, timeout, number } => {
                    let live = self.nodes[node].as_mut();
                    if let Some(live) = live.filter(|l| l.timers.get(&timeout) == Some(&number)) {
                        live.timers.remove(&timeout);
                        let effects = live.consensus.timeout(timeout).expect("no fault");
                        self.perform(node, effects);
                    }
                }
                Event::Build { node, height, round } => {
                    let live = self.nodes[node].as_ref();
                    if live.is_some_and(|l| l.consensus.height() == height && l.consensus.round() == Some(round)) {
                        self.build(node, height, round);
                    }
                }
                Event::Restart(i) => self.boot(i),
            }
        }
        self.report.virtual_ms = self.now;
        self.report.trace = self.decided.values().copied().collect();
        self.report.refused = self.nodes.iter().flatten().map(|n| n.consensus.refused()).sum();
        self.report.clone()
    }

    fn schedule(&mut self, at: u64, event: Event) {
        self.number += 1;
        self.events.insert((at, self.number), event);
    }

    fn set_after(&self, chain: &[(Block, CommitCertificate)]) -> ValidatorSet {
        let mut missed: BTreeMap<PublicKey, Height> = BTreeMap::new();
        let mut set = self.set.clone();
        for (block, _) in chain {
            let header = block.header();
            if let Some(key) = set.missed_turn(header.height, &header.proposer) {
                missed.insert(key, header.height);
                set = self.set.with_missed(missed.iter().map(|(k, h)| (*k, *h)));
            }
        }
        set
    }

    fn boot(&mut self, i: usize) {
        self.disks[i].lives += 1;
        let disk = &self.disks[i];
        let state = SignState::read(&disk.sign_state, &NETWORK, &self.keys[i]).expect("one slot is always whole");
        let committed = Height(disk.chain.len() as u64);
        state.fits_store(committed).expect("the store keeps up with what is signed");
        let log: Vec<_> = disk.log.iter().map(|e| LogEntry::decode(e).expect("what was written")).collect();
        let log: Vec<_> = log.into_iter().filter(|e| e.height() > committed).collect();
        // Bodies are stored before their verdict is logged and synced with it: an entry without its body is behind the
        // last barrier, and so is everything after it.
        let lost = |e: &LogEntry| matches!(e, LogEntry::Value { block, .. } if disk.body(block).is_none());
        let whole = log.iter().position(lost).unwrap_or(log.len());
        let log = log[..whole].to_vec();
        self.disks[i].log.truncate(whole);
        self.disks[i].log_durable = whole;
        let disk = &self.disks[i];
        let set = self.set_after(&disk.chain);
        let guard = Guard::new(secret(i), state).expect("its own state");
        let mut consensus = Consensus::new(guard, Timeouts::default(), committed, set.clone());
        let next = committed.next().expect("few heights");
        let effects = consensus.start_height(next, set, &log).expect("replay agrees with what was signed");
        self.nodes[i] = Some(Node { consensus, timers: BTreeMap::new(), named: BTreeMap::new() });
        self.perform(i, effects);
    }

    fn crash(&mut self, i: usize) {
        self.nodes[i] = None;
        let mut disk = self.disks[i].clone();
        disk.crash(&mut self.random);
        if [self.faults.forgetful, self.faults.reborn].contains(&Some(i)) {
            disk.log.clear();
            disk.log_durable = 0;
        }
        if self.faults.reborn == Some(i) {
            disk.sign_state = SignState::new(NETWORK, self.keys[i]).file();
        }
        self.disks[i] = disk;
        self.report.crashes += 1;
        let at = self.now + 50 + self.random.below(2_000);
        self.schedule(at, Event::Restart(i));
    }

    fn perform(&mut self, i: usize, effects: Vec<Effect>) {
        let crash_at = self.random.chance(self.faults.crash).then(|| self.random.below(effects.len() as u64 + 1));
        let mut behind_barrier = true;
        for (position, effect) in effects.into_iter().enumerate() {
            if crash_at == Some(position as u64) {
                return self.crash(i);
            }
            match effect {
                Effect::LogAppend { height, entry } => {
                    assert_eq!(LogEntry::decode(&entry).expect("our own encoding").height(), height);
                    behind_barrier = false;
                    self.disks[i].log.push(entry);
                }
                Effect::WriteSignState(write) => {
                    // The log is synced before this is written.
                    behind_barrier = false;
                    self.disks[i].log_durable = self.disks[i].log.len();
                    self.disks[i].bodies_durable = self.disks[i].bodies.len();
                    self.disks[i].in_flight.push(write);
                }
                Effect::Barrier => {
                    behind_barrier = true;
                    self.report.barriers += 1;
                    self.disks[i].barrier();
                }
                Effect::Publish(message) => {
                    assert!(behind_barrier || !self.is_own(i, &message), "an own message left before the barrier");
                    self.publish(i, message);
                }
                Effect::StartTimer { timeout, after } => {
                    self.number += 1;
                    let number = self.number;
                    let node = self.nodes[i].as_mut().expect("it is running");
                    node.timers.insert(timeout, number);
                    let at = self.now + after.as_millis() as u64;
                    self.schedule(at, Event::Timer { node: i, timeout, number });
                }
                Effect::CancelTimer(timeout) => {
                    self.nodes[i].as_mut().expect("it is running").timers.remove(&timeout);
                }
                Effect::CancelTimers => self.nodes[i].as_mut().expect("it is running").timers.clear(),
                Effect::RoundStarted { round, .. } => self.report.late_rounds += u64::from(round.get() > 0),
                Effect::GetValue { height, round, .. } => {
                    self.schedule(self.now + 1, Event::Build { node: i, height, round });
                }
                Effect::Named { round, block, proposer, .. } => {
                    self.nodes[i].as_mut().expect("it is running").named.entry(block).or_default().push(round);
                    if self.disks[i].body(&block).is_some() {
                        self.judge(i, block);
                    } else if let Some(to) = self.keys.iter().position(|k| *k == proposer) {
                        self.send(i, to, Packet::WantBody(block));
                    }
                }
                Effect::Restream { block, .. } => {
                    if let Some(body) = self.disks[i].body(&block).map(Canonical::encode) {
                        self.broadcast(i, Packet::Body(body));
                    }
                }
                Effect::Decided { certificate, evidence } => {
                    assert!(behind_barrier, "a decision was applied before the barrier");
                    self.commit(i, certificate, evidence);
                }
            }
            // A nested input may have crashed the node, or replaced its height.
            if self.nodes[i].is_none() {
                return;
            }
        }
    }

    fn is_own(&self, i: usize, message: &Message) -> bool {
        match message {
            Message::Vote(v) => v.vote.validator == self.keys[i],
            Message::Proposal(p) => p.proposal.proposer == self.keys[i],
            Message::Polka(_) | Message::Round(_) => false,
        }
    }

    fn build(&mut self, i: usize, height: Height, round: Round) {
        let disk = &self.disks[i];
        let set = self.set_after(&disk.chain);
        // A rebuilt block differs from the one before the crash.
        let valid = if self.faults.invalid == Some(i) { "invalid" } else { "valid" };
        let salt = format!("{valid} {height} {round} by {i} in life {}", disk.lives);
        let block = block(disk.chain.last(), &set, round, salt.as_bytes());
        let id = block.id();
        self.disks[i].bodies.push((id, block.clone()));
        self.broadcast(i, Packet::Body(block.encode()));
        let effects = self.consensus(i).propose(height, round, id).expect("no fault");
        self.perform(i, effects);
    }

    fn judge(&mut self, i: usize, id: BlockId) {
        let disk = &self.disks[i];
        let Some(block) = disk.body(&id) else { return };
        let header = block.header().clone();
        let set = self.set_after(&disk.chain);
        let parent = disk.chain.last().map_or(BlockId::from_bytes(*NETWORK.as_bytes()), |(b, _)| b.id());
        let at_hand = header.height.get() == disk.chain.len() as u64 + 1;
        if !at_hand {
            return;
        }
        let valid = header.parent == parent
            && header.proposer == set.select(header.height, header.round).consensus_key
            && block.transactions()[0].starts_with(b"valid");
        self.report.invalid += u64::from(!valid);
        let verdict = if valid { Validity::Valid } else { Validity::Invalid };
        let rounds = self.nodes[i].as_mut().expect("it is running").named.remove(&id).unwrap_or_default();
        for round in rounds {
            let effects = self.consensus(i).value(header.height, round, id, verdict).expect("no fault");
            self.perform(i, effects);
        }
    }

    fn consensus(&mut self, i: usize) -> &mut Consensus {
        &mut self.nodes[i].as_mut().expect("it is running").consensus
    }

    fn commit(&mut self, i: usize, certificate: CommitCertificate, evidence: Vec<Evidence>) {
        let height = certificate.height;
        let set = self.set_after(&self.disks[i].chain);
        certificate.verify(&set, &NETWORK).expect("a decision comes with its proof");
        for found in &evidence {
            found.verify(&set, &NETWORK).expect("evidence verifies by itself");
            self.report.evidence.insert(found.validator());
        }
        let before = self.decided.insert(height, certificate.block_id);
        assert!(before.is_none_or(|id| id == certificate.block_id), "two blocks were decided at {height}");
        let block = self.disks[i].body(&certificate.block_id).expect("a decided body is stored").clone();
        assert!(block.transactions()[0].starts_with(b"valid"), "an invalid block was decided");
        let disk = &mut self.disks[i];
        assert_eq!(disk.chain.len() as u64 + 1, height.get());
        disk.chain.push((block, certificate));
        disk.log.clear();
        disk.log_durable = 0;
        disk.bodies.retain(|(_, b)| b.header().height > height);
        disk.bodies_durable = disk.bodies.len();
        let set = self.set_after(&self.disks[i].chain);
        let next = height.next().expect("few heights");
        let effects = self.consensus(i).start_height(next, set, &[]).expect("the next height starts");
        self.perform(i, effects);
    }

    fn publish(&mut self, i: usize, message: Message) {
        assert_ne!(self.faults.observer, Some(i), "an observer speaks");
        self.monitor(i, &message);
        if self.faults.equivocator == Some(i)
            && let Message::Vote(v) = &message
            && v.vote.validator == self.keys[i]
        {
            let mut other = v.vote;
            other.block = match other.block {
                Some(_) => None,
                None => Some(BlockId::from_bytes([9; 32])),
            };
            let other = Message::Vote(other.sign(&NETWORK, &secret(i)));
            for to in 0..self.nodes.len() {
                if to != i && to % 2 == 0 {
                    self.send(i, to, Packet::Message(other.encode()));
                }
            }
        }
        if self.faults.forger == Some(i)
            && let Message::Vote(v) = &message
        {
            for (victim, key) in self.keys.clone().into_iter().enumerate() {
                let mut forged = *v;
                forged.vote.validator = key;
                if victim != i {
                    self.broadcast(i, Packet::Message(Message::Vote(forged).encode()));
                }
            }
        }
        self.broadcast(i, Packet::Message(message.encode()));
    }

    /// No validator ever signs two different things for one slot, over all its lives.
    fn monitor(&mut self, i: usize, message: &Message) {
        let (slot, bytes) = match message {
            Message::Vote(v) => {
                ((v.vote.validator, v.vote.height, v.vote.round, v.vote.kind as u8), v.vote.signing_bytes(&NETWORK))
            }
            Message::Proposal(p) => {
                ((p.proposal.proposer, p.proposal.height, p.proposal.round, 0), p.proposal.signing_bytes(&NETWORK))
            }
            Message::Polka(_) | Message::Round(_) => return,
        };
        if slot.0 == self.keys[i] {
            let before = self.signed.insert(slot, bytes.clone());
            assert!(before.is_none_or(|b| b == bytes), "validator {i} signed twice for {slot:?}");
        }
    }

    fn broadcast(&mut self, from: usize, packet: Packet) {
        for to in 0..self.nodes.len() {
            if to != from {
                self.send(from, to, packet.clone());
            }
        }
    }

    fn send(&mut self, from: usize, to: usize, packet: Packet) {
        if self.random.chance(self.faults.loss) {
            return;
        }
        let at = self.now + 1 + self.random.below(self.faults.delay + 1);
        self.schedule(at, Event::Deliver { from, to, packet });
    }

    fn deliver(&mut self, from: usize, to: usize, packet: Packet) {
        if self.nodes[to].is_none() {
            return;
        }
        match packet {
            Packet::Message(bytes) => {
                let message = Message::decode(&bytes).expect("peers here encode canonically");
                let running = self.consensus(to).height();
                if message.height() > running {
                    self.send(to, from, Packet::WantHeight(running));
                }
                match self.consensus(to).check(message) {
                    Err(_) => self.report.rejected += 1,
                    Ok(checked) => {
                        let effects = self.consensus(to).receive(checked).expect("no message causes a fault");
                        self.perform(to, effects);
                    }
                }
            }
            Packet::Body(bytes) => {
                let block = Block::decode(&bytes).expect("peers here encode canonically");
                let (id, height) = (block.id(), block.header().height);
                if height.get() > self.disks[to].chain.len() as u64 && self.disks[to].body(&id).is_none() {
                    self.disks[to].bodies.push((id, block));
                    self.judge(to, id);
                }
            }
            Packet::WantBody(id) => {
                if let Some(body) = self.disks[to].body(&id).map(Canonical::encode) {
                    self.send(to, from, Packet::Body(body));
                }
            }
            Packet::WantHeight(height) => {
                if let Some((block, certificate)) = self.disks[to].chain.get(height.get() as usize - 1) {
                    let packet = Packet::Decided(block.encode(), certificate.encode());
                    self.send(to, from, packet);
                }
            }
            Packet::Decided(block, certificate) => {
                let block = Block::decode(&block).expect("peers here encode canonically");
                let certificate = CommitCertificate::decode(&certificate).expect("peers here encode canonically");
                if block.header().height.get() != self.disks[to].chain.len() as u64 + 1 {
                    return;
                }
                let set = self.set_after(&self.disks[to].chain);
                let certified = Certified::new(block.clone(), certificate, &set, &NETWORK).expect("peers do not lie");
                if self.disks[to].body(&block.id()).is_none() {
                    self.disks[to].bodies.push((block.id(), block));
                }
                self.report.synced += 1;
                let effects = self.consensus(to).synced(&certified).expect("no fault");
                self.perform(to, effects);
            }
        }
    }
}
