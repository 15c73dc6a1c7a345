//! The one task that owns the replica, the store and the disk: takes an input, lets the replica step, performs what it says, in order.
//!
//! It blocks on its own thread: a write that must be durable before a message leaves is waited for right here.

use super::{
    clients::Clients,
    reports::{Published, Reports},
    timers::Timers,
    verifier::{Job, Verifier},
};
use crate::{
    config::Peer as PeerSetting,
    exit::{Exit, Stop},
};
use bytes::Bytes;
use octroi_chain::Canonical;
use octroi_consensus::Message;
use octroi_ledger::State;
use octroi_network::{
    DownReason, GossipId, NetworkEvent, NetworkEvents, NetworkHandle, Offence, PeerEntry, PeerKey, RequestId, Role,
    Topic,
};
use octroi_primitives::PublicKey;
use octroi_replica::{
    Action, Body, CertifiedBody, ClientToken, Commit, GossipToken, Input, NotVerified, Now, Origin, Peer, PerformError,
    Replica, RequestToken, Verdict, Verified, perform,
    wire::{BlocksRequest, CONSENSUS_FRAME, Request, Tip, answer_blocks, encode_batch},
};
use octroi_storage::{Folder, NodeDisk, Store};
use octroi_views::View;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio::sync::{mpsc, watch};
use tracing::{debug, info, warn};

/// What comes back from the thread of signatures.
pub enum Work {
    /// Transactions of a client.
    Client {
        /// Whose.
        client: ClientToken,
        /// One for each.
        answers: Vec<Result<Verified, NotVerified>>,
        /// Signatures checked so far.
        checked: u64,
    },
    /// Transactions of a gossiped batch.
    Gossip {
        /// Who handed it to us.
        peer: Peer,
        /// For the verdict.
        message: GossipToken,
        /// One for each.
        answers: Vec<Result<Verified, NotVerified>>,
        /// Signatures checked so far.
        checked: u64,
    },
    /// A batch that is none.
    BadGossip {
        /// Who handed it to us.
        peer: Peer,
        /// For the verdict.
        message: GossipToken,
        /// What is wrong.
        reason: String,
    },
    /// A body.
    Body {
        /// Who sent it.
        peer: Peer,
        /// Decoded.
        body: Body,
    },
    /// Committed blocks.
    Blocks {
        /// Who answered.
        peer: Peer,
        /// Number of the request.
        number: u64,
        /// What was asked for.
        request: BlocksRequest,
        /// Decoded, or why not.
        blocks: Result<Vec<CertifiedBody>, String>,
    },
    /// Bytes that are no body.
    BadBytes {
        /// Who sent them.
        peer: Peer,
        /// What is wrong.
        reason: String,
    },
}

/// What was asked of a peer.
enum Asked {
    Body,
    Blocks { number: u64, request: BlocksRequest },
}

/// Everything the loop owns.
pub struct Host {
    pub replica: Replica,
    pub store: Store,
    pub disk: NodeDisk,
    pub folder: Folder,
    pub network: NetworkHandle,
    pub events: NetworkEvents,
    pub work: mpsc::Receiver<Work>,
    pub verifier: Verifier,
    pub clients: Arc<Clients>,
    pub published: Arc<Published>,
    pub reports: Arc<Reports>,
    pub stop: watch::Receiver<bool>,
    pub peers: Vec<PeerSetting>,
    pub timers: Timers,
    pub listen: Duration,
    pub pending: Pending,
}

/// Questions and messages under way.
#[derive(Default)]
pub struct Pending {
    asked: BTreeMap<RequestId, Asked>,
    gossip: BTreeMap<GossipToken, GossipId>,
    next_gossip: u64,
    served: BTreeMap<PeerKey, Served>,
}

/// Bytes of blocks that a peer may still ask for.
struct Served {
    left: u64,
    at: Instant,
}

/// Bytes of blocks that a peer gets at once.
const BLOCKS_BURST: u64 = 64 << 20;
/// Bytes of blocks that a peer gets a second in the long run: enough to catch up, too little to keep this thread from its work.
const BLOCKS_RATE: u64 = 32 << 20;

impl Pending {
    /// Whether a peer may have more blocks now.
    fn may_serve(&mut self, peer: PeerKey, now: Instant) -> bool {
        let served = self.served.entry(peer).or_insert(Served { left: BLOCKS_BURST, at: now });
        let millis = u64::try_from(now.saturating_duration_since(served.at).as_millis()).unwrap_or(u64::MAX);
        served.left = served.left.saturating_add(millis.saturating_mul(BLOCKS_RATE / 1_000)).min(BLOCKS_BURST);
        served.at = now;
        served.left > 0
    }

    fn served(&mut self, peer: PeerKey, bytes: usize) {
        if let Some(served) = self.served.get_mut(&peer) {
            served.left = served.left.saturating_sub(bytes as u64);
        }
    }
}

/// How often disk and readiness are looked at.
const LOOK_AROUND: Duration = Duration::from_secs(2);

impl Host {
    /// Runs until it is told to stop.
    ///
    /// # Errors
    /// A fault of disk or store, or a state that no honest node reaches: the process ends.
    pub async fn run(mut self) -> Result<(), Stop> {
        self.allow();
        self.look_around()?;
        let mut start = Some(Instant::now() + self.listen);
        let mut look = Instant::now() + LOOK_AROUND;
        loop {
            // Expired timers first: they are few, and a late timeout costs a round.
            while let Some(timer) = self.timers.expired() {
                self.step(Input::Timer(timer))?;
            }
            if start.is_some_and(|at| at <= Instant::now()) {
                start = None;
                self.step(Input::Start)?;
            }
            if look <= Instant::now() {
                self.look_around()?;
                look = Instant::now() + LOOK_AROUND;
            }
            let wake = [self.timers.next(), start, Some(look)].into_iter().flatten().min().unwrap_or(look);
            tokio::select! {
                biased;
                _ = self.stop.changed() => {
                    info!(code = "stopping", "stopping");
                    return Ok(());
                }
                event = self.events.recv() => match event {
                    Some(event) => {
                        self.network_event(event)?;
                        // Peers that never pause must not keep checked work waiting.
                        if let Ok(work) = self.work.try_recv() {
                            self.checked(work)?;
                        }
                    }
                    None => return Err(Stop::new(Exit::Unexpected, "the network stopped")),
                },
                work = self.work.recv() => match work {
                    Some(work) => self.checked(work)?,
                    None => return Err(Stop::new(Exit::Unexpected, "the thread that checks signatures stopped")),
                },
                () = tokio::time::sleep_until(wake.into()) => {}
            }
        }
    }

    fn step(&mut self, input: Input) -> Result<(), Stop> {
        let now = Now { wall: wall_millis() };
        let outputs = self.replica.step(input, now).map_err(|error| {
            let exit = match &error {
                octroi_replica::ReplicaError::KeyInUse(_) => Exit::SignState,
                octroi_replica::ReplicaError::Consensus(_) | octroi_replica::ReplicaError::Diverged { .. } => {
                    Exit::Unexpected
                }
            };
            Stop::new(exit, error)
        })?;
        let Self { store, disk, network, timers, pending, clients, published, reports, peers, .. } = self;
        let mut acting = Acting { network, timers, pending, clients, published, reports, peers };
        let syncs = perform(outputs, store, disk, |action| acting.act(action)).map_err(|error| match error {
            PerformError::Store(error) | PerformError::Disk(error) => Stop::from(error),
        })?;
        self.reports.syncs.add(syncs);
        Ok(())
    }

    fn network_event(&mut self, event: NetworkEvent) -> Result<(), Stop> {
        match event {
            NetworkEvent::PeerUp { peer, role } => {
                info!(code = "peer_up", %peer, ?role, "peer connected");
                self.reports.peer_up(key_of(peer), role);
                self.step(Input::PeerUp(Peer(key_of(peer))))
            }
            NetworkEvent::PeerDown { peer, reason } => {
                match reason {
                    DownReason::NotAllowed | DownReason::OtherNetwork | DownReason::Banned => {
                        warn!(code = "peer_down", %peer, ?reason, "peer refused")
                    }
                    DownReason::Lost(_) | DownReason::Silent | DownReason::Replaced | DownReason::Stopped => {
                        info!(code = "peer_down", %peer, ?reason, "peer gone")
                    }
                }
                self.reports.peer_down(&key_of(peer));
                self.step(Input::PeerDown(Peer(key_of(peer))))
            }
            NetworkEvent::Frame { peer, kind: CONSENSUS_FRAME, bytes } => match Message::decode(&bytes) {
                Ok(message) => self.step(Input::Message { peer: Peer(key_of(peer)), message }),
                Err(error) => {
                    self.penalise(peer, &error.to_string());
                    Ok(())
                }
            },
            NetworkEvent::Frame { peer, kind, .. } => {
                self.penalise(peer, &format!("frame of unknown kind {kind}"));
                Ok(())
            }
            NetworkEvent::Gossip { peer, topic: Topic::Transactions, id, bytes } => {
                let message = self.pending.gossip_token(id);
                if self.verifier.check(Job::Gossip { peer: Peer(key_of(peer)), message, bytes }).is_err() {
                    self.pending.verdict(&self.network, message, octroi_network::Verdict::Ignore);
                }
                Ok(())
            }
            NetworkEvent::Gossip { peer, topic: Topic::Tip, id, bytes } => match Tip::decode(&bytes) {
                Ok(tip) => {
                    self.network.report(id, octroi_network::Verdict::Accept);
                    self.reports.tip(&key_of(peer), tip.height);
                    self.step(Input::Tip { peer: Peer(key_of(peer)), tip })
                }
                Err(_) => {
                    self.network.report(id, octroi_network::Verdict::Reject);
                    Ok(())
                }
            },
            NetworkEvent::BodyRequest { peer, bytes, token } => match Request::decode(&bytes) {
                Ok(Request::Body(request)) => {
                    self.step(Input::BodyRequest { peer: Peer(key_of(peer)), token: RequestToken(token.0), request })
                }
                Ok(Request::Blocks(request)) => {
                    if !self.pending.may_serve(peer, Instant::now()) {
                        self.network.decline(token);
                        return Ok(());
                    }
                    let answer = answer_blocks(&self.store, &request)?;
                    self.pending.served(peer, answer.len());
                    if self.network.respond(token, Bytes::from(answer)).is_err() {
                        self.network.decline(token);
                    }
                    Ok(())
                }
                Err(error) => {
                    self.network.decline(token);
                    self.penalise(peer, &error.to_string());
                    Ok(())
                }
            },
            NetworkEvent::BodyPushed { peer, bytes } => {
                // Only who may propose has a body to push; its signatures are checked before anything else is known of it.
                let members = self.replica.state().validators().members();
                if members.iter().any(|member| member.network_key == key_of(peer)) {
                    self.check_body(peer, bytes);
                }
                Ok(())
            }
            NetworkEvent::BodyResponse { peer, id, result } => match (self.pending.asked.remove(&id), result) {
                (Some(Asked::Body), Ok(bytes)) => {
                    self.check_body(peer, bytes);
                    Ok(())
                }
                (Some(Asked::Blocks { number, request }), Ok(bytes)) => {
                    let peer = Peer(key_of(peer));
                    match self.verifier.check(Job::Blocks { peer, number, request, bytes }) {
                        Ok(()) => Ok(()),
                        Err(_) => self.step(Input::Blocks { peer, number, request, blocks: Vec::new() }),
                    }
                }
                (Some(Asked::Blocks { number, request }), Err(_)) => {
                    self.step(Input::Blocks { peer: Peer(key_of(peer)), number, request, blocks: Vec::new() })
                }
                (Some(Asked::Body), Err(_)) | (None, _) => Ok(()),
            },
        }
    }

    /// A body that finds the queue full is asked for again when its timer expires.
    fn check_body(&self, peer: PeerKey, bytes: Bytes) {
        if self.verifier.check(Job::Body { peer: Peer(key_of(peer)), bytes }).is_err() {
            debug!(code = "body_dropped", %peer, "too much to check, body dropped");
        }
    }

    fn checked(&mut self, work: Work) -> Result<(), Stop> {
        match work {
            Work::Client { client, answers, checked } => {
                self.reports.signatures.set(checked);
                let transactions = self.clients.opened(client, answers);
                if transactions.is_empty() {
                    return Ok(());
                }
                self.step(Input::Transactions { origin: Origin::Client(client), transactions })
            }
            Work::Gossip { peer, message, answers, checked } => {
                self.reports.signatures.set(checked);
                let count = answers.len();
                if count == 0 {
                    self.pending.verdict(&self.network, message, octroi_network::Verdict::Ignore);
                    return Ok(());
                }
                let transactions: Vec<Verified> = answers.into_iter().flatten().collect();
                if transactions.len() < count {
                    // Whoever hands on a batch has checked it: one bad signature in it is an offence.
                    self.pending.verdict(&self.network, message, octroi_network::Verdict::Reject);
                    return Ok(());
                }
                self.step(Input::Transactions { origin: Origin::Gossip { peer, message }, transactions })
            }
            Work::BadGossip { peer, message, reason } => {
                debug!(code = "bad_gossip", peer = %peer.0, reason, "batch refused");
                self.pending.verdict(&self.network, message, octroi_network::Verdict::Reject);
                Ok(())
            }
            Work::Body { peer, body } => self.step(Input::Body { peer, body }),
            Work::Blocks { peer, number, request, blocks } => {
                let blocks = blocks.unwrap_or_else(|reason| {
                    self.penalise(PeerKey(peer.0.to_bytes()), &reason);
                    Vec::new()
                });
                self.step(Input::Blocks { peer, number, request, blocks })
            }
            Work::BadBytes { peer, reason } => {
                self.penalise(PeerKey(peer.0.to_bytes()), &reason);
                Ok(())
            }
        }
    }

    fn penalise(&self, peer: PeerKey, reason: &str) {
        warn!(code = "offence", %peer, reason, "peer sent what no honest node sends");
        self.network.penalise(peer, Offence::InvalidBytes);
    }

    fn allow(&self) {
        self.network.set_allowed(allowed(self.replica.state(), &self.peers, self.network.local_peer()));
    }

    /// Room on the disk, and what the node says of itself.
    fn look_around(&mut self) -> Result<(), Stop> {
        let space = self.folder.free_space()?;
        let low = space.is_low();
        if self.clients.disk_low.swap(low, std::sync::atomic::Ordering::Relaxed) != low {
            warn!(code = "disk_space", low, "free space crossed 5 %");
        }
        self.reports.replica(self.replica.metrics(), self.replica.under_way());
        self.reports.look(low, &self.published);
        Ok(())
    }
}

/// Whom we talk to: the validators of our height, those that wait for theirs, and the peers of the settings.
fn allowed(state: &State, settings: &[PeerSetting], me: PeerKey) -> BTreeMap<PeerKey, PeerEntry> {
    let mut allowed: BTreeMap<PeerKey, PeerEntry> = BTreeMap::new();
    for peer in settings {
        if let Ok(key) = peer.network_key.parse::<PublicKey>() {
            let addresses = peer.address.iter().map(ToString::to_string).collect();
            allowed.insert(PeerKey(key.to_bytes()), PeerEntry { addresses, role: Role::Observer });
        }
    }
    let pending = octroi_ledger::registry::validator_seat::pending_network_keys(state);
    for key in state.validators().members().iter().map(|validator| validator.network_key).chain(pending) {
        let entry = allowed
            .entry(PeerKey(key.to_bytes()))
            .or_insert(PeerEntry { addresses: Vec::new(), role: Role::Validator });
        entry.role = Role::Validator;
    }
    allowed.remove(&me);
    allowed
}

fn key_of(peer: PeerKey) -> PublicKey {
    PublicKey::from_bytes_unchecked(peer.0)
}

/// Milliseconds since 1970; a clock before 1970 reads 0.
pub fn wall_millis() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

impl Pending {
    fn gossip_token(&mut self, id: GossipId) -> GossipToken {
        let token = GossipToken(self.next_gossip);
        self.next_gossip += 1;
        self.gossip.insert(token, id);
        token
    }

    fn verdict(&mut self, network: &NetworkHandle, message: GossipToken, verdict: octroi_network::Verdict) {
        if let Some(id) = self.gossip.remove(&message) {
            network.report(id, verdict);
        }
    }
}

/// What acting needs, while store and disk are busy performing.
struct Acting<'a> {
    network: &'a NetworkHandle,
    timers: &'a mut Timers,
    pending: &'a mut Pending,
    clients: &'a Clients,
    published: &'a Published,
    reports: &'a Reports,
    peers: &'a [PeerSetting],
}

impl Acting<'_> {
    /// Losing any of these costs time, never safety: a peer that is not there now is asked again later.
    fn act(&mut self, action: Action) {
        match action {
            Action::Broadcast(message) => {
                let _ = self.network.broadcast(CONSENSUS_FRAME, Bytes::from(message.encode()));
            }
            Action::PushBody { bytes, .. } => {
                let _ = self.network.push_to_validators(Bytes::from_owner(bytes));
            }
            Action::RequestBody { peer, request } => self.ask(peer, Request::Body(request), Asked::Body),
            Action::RequestBlocks { peer, number, request } => {
                self.ask(peer, Request::Blocks(request), Asked::Blocks { number, request })
            }
            Action::Respond { token, bytes } => {
                let token = octroi_network::RequestToken(token.0);
                if self.network.respond(token, Bytes::from_owner(bytes)).is_err() {
                    self.network.decline(token);
                }
            }
            Action::Decline(token) => self.network.decline(octroi_network::RequestToken(token.0)),
            Action::Gossip { number, transactions } => {
                let _ = self.network.gossip(Topic::Transactions, Bytes::from(encode_batch(number, &transactions)));
            }
            Action::Announce(tip) => {
                let _ = self.network.gossip(Topic::Tip, Bytes::from(tip.encode()));
            }
            Action::SetTimer { timer, after } => self.timers.set(timer, after),
            Action::CancelTimer(timer) => self.timers.cancel(&timer),
            Action::CancelConsensusTimers => self.timers.cancel_consensus(),
            Action::Reply { client, results } => self.clients.replied(client, results),
            Action::Verdict { message, verdict } => {
                let verdict = match verdict {
                    Verdict::Accept => octroi_network::Verdict::Accept,
                    Verdict::Ignore => octroi_network::Verdict::Ignore,
                };
                self.pending.verdict(self.network, message, verdict);
            }
            Action::Penalise { peer, offence: offence @ octroi_replica::Offence::NoBlocks(_) } => {
                // It may be slow, or have nothing to spare for us: that is no lie.
                info!(code = "slow_peer", peer = %peer.0, %offence, "peer handed no blocks over");
            }
            Action::Penalise { peer, offence } => {
                warn!(code = "offence", peer = %peer.0, %offence, "peer did what no honest node does");
                self.network.penalise(PeerKey(peer.0.to_bytes()), Offence::InvalidContent);
            }
            Action::Dropped(gone) => {
                // Whoever waits for one of these learns of it by its validity, which has ended.
                debug!(
                    code = "dropped",
                    transactions = gone.len(),
                    "transactions left the mempool without being committed"
                );
                self.clients.gone(gone.into_iter().map(|(id, _)| id));
            }
            Action::Committed(commit) => self.committed(&commit),
        }
    }

    fn ask(&mut self, peer: Peer, request: Request, asked: Asked) {
        if let Ok(id) = self.network.request(PeerKey(peer.0.to_bytes()), Bytes::from(request.encode())) {
            self.pending.asked.insert(id, asked);
        }
    }

    fn committed(&mut self, commit: &Arc<Commit>) {
        let Commit { executed, certificate, evidence, state, .. } = commit.as_ref();
        let height = state.head().height;
        for evidence in evidence {
            warn!(code = "equivocation", %height, validator = %evidence.validator(), "a validator signed two different messages");
        }
        debug!(code = "committed", %height, transactions = executed.transactions().len(), "block committed");
        let view = View { state: state.clone(), certificate: Some(certificate.clone()) };
        self.published.publish(view, executed.updated_keys());
        self.clients.gone(executed.transactions().iter().map(|transaction| transaction.id()));
        self.reports.committed(executed);
        let block = executed.block().header();
        if block.validators_hash != block.next_validators_hash
            || !octroi_ledger::registry::validator_seat::pending_network_keys(state).is_empty()
        {
            info!(code = "validators", %height, next = %block.next_validators_hash, "the validator set changes");
            self.network.set_allowed(allowed(state, self.peers, self.network.local_peer()));
        }
    }
}
