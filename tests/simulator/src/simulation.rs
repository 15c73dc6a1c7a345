//! The loop: events in the order of virtual time, each handed to a node, its outputs performed on its store and disk, its actions turned into
//! packets and timers.

use crate::{
    Random, Scenario, Violation,
    checks::Checks,
    surroundings::{Fuse, ModelDisk, ModelStore},
    world::{Clients, START, consensus_key, genesis, network_key},
};
use octroi_chain::{Canonical, CommitCertificate};
use octroi_consensus::Message;
use octroi_ledger::State;
use octroi_primitives::{Hash, Hasher, Height, TransactionId};
use octroi_replica::{
    Action, Body, ClientToken, Config, Door, GossipToken, Input, Metrics, Now, Origin, Peer, PerformError, Replica,
    RequestToken, Store, Timer, perform, recover,
    wire::{self, BlocksRequest, Request, Tip},
};
use std::collections::{BTreeMap, BTreeSet};

/// What happened in a run without a violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Hash over everything that happened, in order.
    pub trace: Hash,
    /// Height of the chain.
    pub height: u64,
    /// Blocks without transactions.
    pub empty_blocks: u64,
    /// Transactions committed.
    pub committed: u64,
    /// Transactions acknowledged to clients.
    pub acknowledged: u64,
    /// Power cuts.
    pub crashes: u64,
    /// Operations at which power was cut.
    pub cut_at: BTreeMap<&'static str, u64>,
    /// Blocks taken from others' certificates, all nodes.
    pub caught_up: u64,
    /// Rounds above 0 that began, all nodes.
    pub late_rounds: u64,
    /// Syncs of log and sign state, all nodes.
    pub syncs: u64,
    /// Bodies that had to be asked for, all nodes.
    pub bodies_requested: u64,
    /// Signatures checked at the doors, all nodes.
    pub signatures_checked: u64,
    /// Events handled.
    pub events: u64,
    /// Virtual milliseconds from the end of the faults until all nodes had everything.
    pub healed_in: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum Packet {
    /// The connection ended: the other side is gone.
    Gone,
    Frame(Vec<u8>),
    Batch(Vec<u8>),
    Tip(Vec<u8>),
    Pushed(Vec<u8>),
    Ask {
        number: u64,
        request: Vec<u8>,
    },
    Answer {
        number: u64,
        answer: Option<Vec<u8>>,
    },
}

#[derive(Debug)]
pub(crate) enum Event {
    Deliver { from: usize, to: usize, packet: Packet },
    Timer { node: usize, life: u64, timer: Timer, number: u64 },
    Listened { node: usize, life: u64 },
    Cut { node: usize },
    CutNow { node: usize, life: u64 },
    Restart { node: usize },
    Submit { transaction: usize, attempt: u64 },
    Partition,
    Heal,
}

/// What a question was about, at the node that asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked {
    Body,
    Blocks { number: u64, request: BlocksRequest },
}

pub(crate) struct Node {
    pub(crate) replica: Option<Replica>,
    pub(crate) life: u64,
    pub(crate) store: ModelStore,
    pub(crate) disk: ModelDisk,
    pub(crate) fuse: Fuse,
    pub(crate) door: Door,
    pub(crate) timers: BTreeMap<Timer, u64>,
    pub(crate) asked: BTreeMap<u64, Asked>,
    /// Questions of peers that wait for the replica: who, and the number there.
    pub(crate) answering: BTreeMap<u64, (usize, u64)>,
    /// Submissions that wait for the commit of these at this node.
    pub(crate) waiting: BTreeSet<TransactionId>,
    pub(crate) skew: i64,
    /// The greatest height it ever committed durably.
    pub(crate) reached: u64,
    pub(crate) metrics: Metrics,
}

pub(crate) struct Submission {
    bytes: Vec<u8>,
    id: TransactionId,
}

pub(crate) struct Simulation {
    pub(crate) scenario: Scenario,
    pub(crate) random: Random,
    pub(crate) now: u64,
    pub(crate) number: u64,
    pub(crate) events: BTreeMap<(u64, u64), Event>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) genesis: State,
    pub(crate) checks: Checks,
    pub(crate) submissions: Vec<Submission>,
    /// Pairs (from, to) between which nothing passes.
    pub(crate) cut_off: BTreeSet<(usize, usize)>,
    pub(crate) faulty: bool,
    pub(crate) trace: Hasher,
    pub(crate) crashes: u64,
    pub(crate) syncs: u64,
    pub(crate) acknowledged: u64,
    pub(crate) handled: u64,
}

/// Plays a scenario to its end.
///
/// # Errors
/// The first promise that is broken.
pub fn run(scenario: &Scenario) -> Result<Report, Violation> {
    let mut simulation = Simulation::new(scenario.clone());
    simulation.play()
}

const LISTEN_MS: u64 = 50;
pub(crate) const DOOR_BYTES: usize = 1 << 20;
/// Submitting again what was not seen committed: clients are advised to.
const RETRY_MS: u64 = 3_000;
const VALID_MS: u64 = 50 * 60_000;
/// After the faults everything must have arrived within this time.
const HEAL_MS: u64 = 90_000;

impl Simulation {
    fn new(scenario: Scenario) -> Self {
        let mut random = Random::new(scenario.seed);
        let genesis_file = genesis(scenario.validators);
        let state = genesis_file.state().expect("the genesis obeys the rules");
        let mut clients = Clients::new(&genesis_file);
        let submissions = (0..scenario.transactions)
            .map(|_| {
                let signed = clients.promise(random.number() >> 1, START, VALID_MS);
                Submission { bytes: signed.encode(), id: signed.id() }
            })
            .collect();
        let nodes = (0..scenario.validators + scenario.observers)
            .map(|i| {
                let fuse = Fuse::new(Random::new(random.number()));
                let key = (i < scenario.validators).then(|| consensus_key(i).public());
                let disk = ModelDisk::new(fuse.clone(), Random::new(random.number()), state.network(), key);
                let skew = random.below(2 * scenario.faults.skew + 1) as i64 - scenario.faults.skew as i64;
                Node {
                    replica: None,
                    life: 0,
                    store: ModelStore::new(fuse.clone()),
                    disk,
                    fuse,
                    door: Door::new(state.network(), DOOR_BYTES),
                    timers: BTreeMap::new(),
                    asked: BTreeMap::new(),
                    answering: BTreeMap::new(),
                    waiting: BTreeSet::new(),
                    skew,
                    reached: 0,
                    metrics: Metrics::default(),
                }
            })
            .collect();
        Simulation {
            random,
            now: 1_000,
            number: 0,
            events: BTreeMap::new(),
            nodes,
            checks: Checks::new(&genesis_file),
            genesis: state,
            submissions,
            cut_off: BTreeSet::new(),
            faulty: true,
            trace: Hasher::new("simulated-trace"),
            crashes: 0,
            syncs: 0,
            acknowledged: 0,
            handled: 0,
            scenario,
        }
    }

    fn play(&mut self) -> Result<Report, Violation> {
        let start = self.now;
        for node in 0..self.nodes.len() {
            if !self.is_dead(node) {
                self.schedule(start, Event::Restart { node });
            }
        }
        for transaction in 0..self.submissions.len() {
            let at = start + 100 + self.random.below(self.scenario.fault_ms);
            self.schedule(at, Event::Submit { transaction, attempt: 0 });
        }
        self.plan_faults();
        self.until(start + self.scenario.fault_ms, |_| false)?;

        self.faulty = false;
        self.cut_off.clear();
        for node in 0..self.nodes.len() {
            self.nodes[node].fuse.disarm();
        }
        let healed = self.now;
        let deadline = healed + HEAL_MS;
        self.until(deadline, Simulation::everything_arrived)?;
        if !self.everything_arrived() {
            return Err(Violation::Stuck(self.whereabouts()));
        }
        let healed_in = self.now - healed;
        let calm = self.now + self.scenario.quiet_ms;
        self.until(calm, |_| false)?;
        if !self.everything_arrived() {
            return Err(Violation::Stuck(format!("after the quiet part: {}", self.whereabouts())));
        }
        self.checks.finish()?;
        Ok(self.report(healed_in))
    }

    fn report(&self, healed_in: u64) -> Report {
        let mut cut_at: BTreeMap<&'static str, u64> = BTreeMap::new();
        for node in &self.nodes {
            for (operation, times) in node.fuse.blown() {
                *cut_at.entry(operation).or_default() += times;
            }
        }
        let metrics = |of: fn(&Metrics) -> u64| -> u64 {
            self.nodes.iter().map(|n| of(&n.metrics) + n.replica.as_ref().map_or(0, |r| of(&r.metrics()))).sum()
        };
        Report {
            trace: self.trace.finish(),
            height: self.checks.height(),
            empty_blocks: self.checks.empty_blocks(),
            committed: self.submissions.iter().filter(|s| self.checks.place_of(&s.id).is_some()).count() as u64,
            acknowledged: self.acknowledged,
            crashes: self.crashes,
            cut_at,
            caught_up: metrics(|m| m.caught_up),
            late_rounds: metrics(|m| m.late_rounds),
            syncs: self.syncs,
            bodies_requested: metrics(|m| m.bodies_requested),
            signatures_checked: self.nodes.iter().map(|n| n.door.signatures_checked()).sum(),
            events: self.handled,
            healed_in,
        }
    }

    pub(crate) fn is_dead(&self, node: usize) -> bool {
        node < self.scenario.dead
    }

    /// All transactions are in the chain and all nodes at its tip.
    fn everything_arrived(&self) -> bool {
        let height = self.checks.height();
        self.submissions.iter().all(|s| self.checks.place_of(&s.id).is_some())
            && (0..self.nodes.len()).all(|i| self.is_dead(i) || self.nodes[i].store.height() + 1 >= height)
            && self.nodes.iter().enumerate().all(|(i, n)| self.is_dead(i) || n.replica.is_some())
    }

    fn whereabouts(&self) -> String {
        let nodes: Vec<String> = self
            .nodes
            .iter()
            .map(|node| {
                let under_way = node.replica.as_ref().map(|r| (r.under_way(), r.metrics().pending));
                format!("height {} {under_way:?}", node.store.height())
            })
            .collect();
        let missing = self.submissions.iter().filter(|s| self.checks.place_of(&s.id).is_none()).count();
        format!("{missing} transactions are missing; nodes: {}", nodes.join(", "))
    }

    pub(crate) fn schedule(&mut self, at: u64, event: Event) {
        self.number += 1;
        self.events.insert((at, self.number), event);
    }

    fn until(&mut self, end: u64, done: impl Fn(&Self) -> bool) -> Result<(), Violation> {
        while let Some(entry) = self.events.first_entry() {
            let (at, number) = *entry.key();
            if at > end || done(self) {
                break;
            }
            let event = self.events.remove(&(at, number)).expect("it was the first");
            self.now = at;
            self.handled += 1;
            self.handle(event)?;
        }
        if !done(self) {
            self.now = self.now.max(end);
        }
        Ok(())
    }

    fn handle(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Deliver { from, to, packet } => self.deliver(from, to, packet),
            Event::Timer { node, life, timer, number } => {
                let running = &mut self.nodes[node];
                if running.life != life || running.timers.get(&timer) != Some(&number) {
                    return Ok(());
                }
                running.timers.remove(&timer);
                self.step(node, Input::Timer(timer))
            }
            Event::Listened { node, life } => {
                if self.nodes[node].life == life {
                    self.step(node, Input::Start)
                } else {
                    Ok(())
                }
            }
            Event::Cut { node } => {
                if self.nodes[node].replica.is_some() && self.faulty {
                    let operations = self.random.below(12);
                    self.nodes[node].fuse.arm(operations);
                    let (at, life) = (self.now + 50 + self.random.below(2_000), self.nodes[node].life);
                    self.schedule(at, Event::CutNow { node, life });
                }
                Ok(())
            }
            Event::CutNow { node, life } => {
                if self.nodes[node].life == life && self.faulty {
                    self.crash(node);
                }
                Ok(())
            }
            Event::Restart { node } => self.boot(node),
            Event::Submit { transaction, attempt } => self.submit(transaction, attempt),
            Event::Partition => {
                self.partition();
                Ok(())
            }
            Event::Heal => {
                self.cut_off.clear();
                Ok(())
            }
        }
    }

    fn boot(&mut self, i: usize) -> Result<(), Violation> {
        let validator = i < self.scenario.validators;
        let key = validator.then(|| consensus_key(i));
        let node = &mut self.nodes[i];
        if node.replica.is_some() {
            return Ok(());
        }
        node.fuse.disarm();
        node.life += 1;
        let recovered = recover(&mut node.store, &node.disk, &self.genesis, key)
            .map_err(|error| Violation::Stopped(i, error.to_string()))?;
        let (found, tip) = (recovered.state().head().height.get(), recovered.state().head().id);
        if found < node.reached {
            return Err(Violation::StoreWentBack { node: i, committed: node.reached, found });
        }
        // A block may have become durable in the moment of the power cut, before anybody could be told.
        for height in self.checks.height() + 1..=found {
            let (block, certificate) = (node.store.block(Height(height)), node.store.certificate(Height(height)));
            if let (Ok(Some(block)), Ok(Some(certificate))) = (block, certificate) {
                let certificate = CommitCertificate::decode(&certificate)
                    .map_err(|error| Violation::Certificate(Height(height), error.to_string()))?;
                self.checks.extend(&block, certificate)?;
            }
        }
        self.checks.stands_on(Height(found), tip)?;
        node.replica = Some(Replica::new(Config::default(), recovered));
        let life = node.life;
        for other in 0..self.nodes.len() {
            if other != i && self.nodes[other].replica.is_some() {
                self.step(i, Input::PeerUp(Peer(network_key(other))))?;
                self.step(other, Input::PeerUp(Peer(network_key(i))))?;
            }
        }
        self.schedule(self.now + LISTEN_MS, Event::Listened { node: i, life });
        Ok(())
    }

    fn submit(&mut self, transaction: usize, attempt: u64) -> Result<(), Violation> {
        let Submission { bytes, id } = &self.submissions[transaction];
        let (bytes, id) = (bytes.clone(), *id);
        if self.checks.place_of(&id).is_some() {
            return Ok(());
        }
        self.schedule(self.now + RETRY_MS, Event::Submit { transaction, attempt: attempt + 1 });
        let i = self.random.below(self.nodes.len() as u64) as usize;
        let node = &mut self.nodes[i];
        if node.replica.is_none() {
            return Ok(());
        }
        let verified = node.door.open(&[bytes]).remove(0).expect("clients sign well");
        node.waiting.insert(id);
        let origin = Origin::Client(ClientToken(transaction as u64));
        self.step(i, Input::Transactions { origin, transactions: vec![verified] })
    }

    fn deliver(&mut self, from: usize, to: usize, packet: Packet) -> Result<(), Violation> {
        let peer = Peer(network_key(from));
        let back = self.nodes[from].replica.is_some();
        let node = &mut self.nodes[to];
        if node.replica.is_none() {
            return Ok(());
        }
        let malformed = |what: &str| Violation::Penalised(to, format!("{what} of an honest node does not decode"));
        let input = match packet {
            Packet::Gone if back => return Ok(()),
            Packet::Gone => Input::PeerDown(peer),
            Packet::Frame(bytes) => {
                Input::Message { peer, message: Message::decode(&bytes).map_err(|_| malformed("a message"))? }
            }
            Packet::Batch(bytes) => {
                let signed = wire::decode_batch(&bytes).map_err(|_| malformed("a batch"))?;
                let transactions = node.door.open(&signed).into_iter().flatten().collect();
                Input::Transactions { origin: Origin::Gossip { peer, message: GossipToken(0) }, transactions }
            }
            Packet::Tip(bytes) => Input::Tip { peer, tip: Tip::decode(&bytes).map_err(|_| malformed("a tip"))? },
            Packet::Pushed(bytes) => {
                Input::Body { peer, body: Body::open(&bytes, &mut node.door).map_err(|_| malformed("a body"))? }
            }
            Packet::Ask { number, request } => match Request::decode(&request).map_err(|_| malformed("a question"))? {
                Request::Blocks(request) => {
                    let answer = wire::answer_blocks(&node.store, &request).expect("reading does not fail");
                    self.send(to, from, Packet::Answer { number, answer: Some(answer) });
                    return Ok(());
                }
                Request::Body(request) => {
                    self.number += 1;
                    node.answering.insert(self.number, (from, number));
                    Input::BodyRequest { peer, token: RequestToken(self.number), request }
                }
            },
            Packet::Answer { number, answer } => match (node.asked.remove(&number), answer) {
                (Some(Asked::Body), Some(bytes)) => {
                    Input::Body { peer, body: Body::open(&bytes, &mut node.door).map_err(|_| malformed("a body"))? }
                }
                (Some(Asked::Blocks { number, request }), Some(bytes)) => {
                    let blocks = wire::open_blocks(&bytes, &mut node.door).map_err(|_| malformed("blocks"))?;
                    Input::Blocks { peer, number, request, blocks }
                }
                (Some(Asked::Body | Asked::Blocks { .. }), None) | (None, _) => return Ok(()),
            },
        };
        self.step(to, input)
    }

    /// One input into a node; its outputs are performed, unless the power goes away.
    fn step(&mut self, i: usize, input: Input) -> Result<(), Violation> {
        let wall = (START + self.now).saturating_add_signed(self.nodes[i].skew);
        let node = &mut self.nodes[i];
        let Some(replica) = &mut node.replica else { return Ok(()) };
        let outputs = replica.step(input, Now { wall }).map_err(|error| Violation::Stopped(i, error.to_string()))?;
        let mut actions = Vec::new();
        let performed = perform(outputs, &mut node.store, &mut node.disk, |action| actions.push(action));
        for action in actions {
            self.act(i, action)?;
        }
        match performed {
            Ok(syncs) => self.syncs += syncs,
            Err(PerformError::Store(_) | PerformError::Disk(_)) => self.crash(i),
        }
        Ok(())
    }

    fn act(&mut self, i: usize, action: Action) -> Result<(), Violation> {
        match action {
            Action::Broadcast(message) => {
                self.checks.sent(&message)?;
                let bytes = message.encode();
                self.trace.part(&(i as u64).to_be_bytes()).part(&bytes);
                for to in 0..self.scenario.validators {
                    self.send(i, to, Packet::Frame(bytes.clone()));
                }
            }
            Action::PushBody { height: _, block: _, bytes } => {
                for to in 0..self.scenario.validators {
                    self.send(i, to, Packet::Pushed(bytes.to_vec()));
                }
            }
            Action::RequestBody { peer, request } => self.ask(i, peer, Request::Body(request), Asked::Body),
            Action::RequestBlocks { peer, number, request } => {
                self.ask(i, peer, Request::Blocks(request), Asked::Blocks { number, request });
            }
            Action::Respond { token, bytes } => {
                if let Some((to, number)) = self.nodes[i].answering.remove(&token.0) {
                    self.send(i, to, Packet::Answer { number, answer: Some(bytes.to_vec()) });
                }
            }
            Action::Decline(token) => {
                if let Some((to, number)) = self.nodes[i].answering.remove(&token.0) {
                    self.send(i, to, Packet::Answer { number, answer: None });
                }
            }
            Action::Gossip { number, transactions } => {
                let bytes = wire::encode_batch(number, &transactions);
                for to in 0..self.nodes.len() {
                    self.send(i, to, Packet::Batch(bytes.clone()));
                }
            }
            Action::Announce(tip) => {
                let bytes = tip.encode();
                for to in 0..self.nodes.len() {
                    self.send(i, to, Packet::Tip(bytes.clone()));
                }
            }
            Action::SetTimer { timer, after } => {
                self.number += 1;
                let (life, number) = (self.nodes[i].life, self.number);
                self.nodes[i].timers.insert(timer, number);
                let at = self.now + u64::try_from(after.as_millis()).unwrap_or(u64::MAX / 2);
                self.schedule(at, Event::Timer { node: i, life, timer, number });
            }
            Action::CancelTimer(timer) => {
                self.nodes[i].timers.remove(&timer);
            }
            Action::CancelConsensusTimers => {
                self.nodes[i].timers.retain(|timer, _| !matches!(timer, Timer::Consensus(_)));
            }
            Action::Committed(commit) => {
                self.checks.committed(i, &commit)?;
                let height: Height = commit.executed.block().header().height;
                self.nodes[i].reached = height.get();
                self.trace.part(b"commit").part(&(i as u64).to_be_bytes()).part(commit.executed.id().as_bytes());
                for transaction in commit.executed.transactions() {
                    if self.nodes[i].waiting.remove(&transaction.id()) {
                        self.acknowledged += 1;
                        self.checks.acknowledged(transaction.id(), height);
                    }
                }
            }
            Action::Penalise { peer, offence } => {
                // A late answer is what a lossy network makes of an honest peer.
                if !matches!(offence, octroi_replica::Offence::NoBlocks(_)) {
                    return Err(Violation::Penalised(i, format!("{peer:?}: {offence}")));
                }
            }
            Action::Reply { .. } | Action::Verdict { .. } | Action::Dropped(_) => {}
        }
        Ok(())
    }

    fn ask(&mut self, i: usize, peer: Peer, request: Request, asked: Asked) {
        self.number += 1;
        let number = self.number;
        self.nodes[i].asked.insert(number, asked);
        if let Some(to) = (0..self.nodes.len()).find(|to| Peer(network_key(*to)) == peer) {
            self.send(i, to, Packet::Ask { number, request: request.encode() });
        }
    }

    fn send(&mut self, from: usize, to: usize, packet: Packet) {
        if from == to || self.is_dead(to) || self.cut_off.contains(&(from, to)) {
            return;
        }
        let faults = self.scenario.faults;
        let copies = match self.faulty {
            true if self.random.chance(faults.loss) => 0,
            true if self.random.chance(faults.duplication) => 2,
            true | false => 1,
        };
        for _ in 0..copies {
            let delay = 1 + self.random.below(faults.delay.max(1));
            self.schedule(self.now + delay, Event::Deliver { from, to, packet: packet.clone() });
        }
    }
}
