//! The daemon's hand on the network: every call returns at once and says when it did nothing.
//!
//! Promises: a frame goes straight into the peer's bounded queue; rarer things (the allow-list, gossip, verdicts, offences) go
//! through one mailbox that the driver empties. The handle is cheap to clone and may be used from any thread.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};

use crate::config::{
    MAX_BODY_BYTES, MAX_GOSSIP_BYTES, MAX_REQUEST_BYTES, NetworkConfig, OFFENCE_QUEUE, PUBLISH_QUEUE, PeerEntry, Role,
    VERDICT_QUEUE,
};
use crate::error::SendRefused;
use crate::event::{GossipId, RequestId, RequestToken, Topic, Verdict};
use crate::frame::{FrameLimits, HEAD_BYTES};
use crate::key::PeerKey;
use crate::link::{Direction, Link, lock};
use crate::metrics::{ChannelCounters, NetworkMetrics};
use crate::score::Offence;

/// What the daemon wants of the driver and the driver has not done yet.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    pub(crate) allowed: Option<BTreeMap<PeerKey, PeerEntry>>,
    pub(crate) publish: VecDeque<(Topic, Bytes)>,
    pub(crate) verdicts: VecDeque<(GossipId, Verdict)>,
    pub(crate) offences: VecDeque<(PeerKey, Offence)>,
    pub(crate) stop: bool,
}

/// What handle, driver and sessions share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: NetworkConfig,
    pub(crate) limits: FrameLimits,
    pub(crate) metrics: NetworkMetrics,
    pub(crate) links: RwLock<BTreeMap<PeerKey, Arc<Link>>>,
    pub(crate) mailbox: Mutex<Mailbox>,
    pub(crate) wake: Notify,
    pub(crate) answers: Mutex<BTreeMap<RequestToken, oneshot::Sender<Option<Bytes>>>>,
    pub(crate) stopped: AtomicBool,
    pub(crate) local: PeerKey,
    pub(crate) listening: SocketAddr,
    next_request: AtomicU64,
    next_token: AtomicU64,
}

impl Shared {
    pub(crate) fn new(config: NetworkConfig, local: PeerKey, listening: SocketAddr) -> Self {
        Self {
            limits: FrameLimits::new(&config.frame_kinds),
            config,
            metrics: NetworkMetrics::default(),
            links: RwLock::default(),
            mailbox: Mutex::default(),
            wake: Notify::new(),
            answers: Mutex::default(),
            stopped: AtomicBool::new(false),
            local,
            listening,
            next_request: AtomicU64::new(1),
            next_token: AtomicU64::new(1),
        }
    }

    pub(crate) fn link(&self, peer: &PeerKey) -> Option<Arc<Link>> {
        self.links.read().unwrap_or_else(PoisonError::into_inner).get(peer).cloned()
    }

    /// Counts the offence and leaves the judgement to the driver.
    pub(crate) fn offend(&self, peer: PeerKey, offence: Offence) {
        self.metrics.offend(offence);
        let mut mailbox = lock(&self.mailbox);
        if mailbox.offences.len() < OFFENCE_QUEUE {
            mailbox.offences.push_back((peer, offence));
        }
        drop(mailbox);
        self.wake.notify_one();
    }

    /// Registers a request of a peer; the answer arrives on the receiver.
    pub(crate) fn expect_answer(&self) -> (RequestToken, oneshot::Receiver<Option<Bytes>>) {
        let token = RequestToken(self.next_token.fetch_add(1, Ordering::Relaxed));
        let (sender, receiver) = oneshot::channel();
        lock(&self.answers).insert(token, sender);
        (token, receiver)
    }
}

/// A connected peer, for status pages and metrics.
#[derive(Clone, Debug)]
pub struct PeerInfo {
    /// Who.
    pub peer: PeerKey,
    /// As the allow-list says.
    pub role: Role,
    /// The other end of the socket, as a multiaddress.
    pub address: String,
    /// Who dialled.
    pub direction: Direction,
    /// When the connection came up.
    pub connected_since: SystemTime,
    /// How long nothing was heard; at most the limit of silence.
    pub silent_for: Duration,
    /// Bytes and items by channel: ordered, bodies, gossip.
    pub traffic: [ChannelTraffic; 3],
}

/// Traffic of one channel with one peer since the connection came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelTraffic {
    /// `ordered`, `bodies` or `gossip`.
    pub channel: &'static str,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent. Gossip sent is counted for the node, not by peer.
    pub bytes_out: u64,
    /// Items received.
    pub items_in: u64,
    /// Items sent.
    pub items_out: u64,
    /// Items dropped because a queue was full.
    pub dropped: u64,
}

impl ChannelTraffic {
    fn of(channel: &'static str, counters: &ChannelCounters) -> Self {
        let ChannelCounters { bytes_in, bytes_out, items_in, items_out, dropped } = counters;
        Self {
            channel,
            bytes_in: bytes_in.get(),
            bytes_out: bytes_out.get(),
            items_in: items_in.get(),
            items_out: items_out.get(),
            dropped: dropped.get(),
        }
    }
}

/// The daemon's hand on the network.
#[derive(Clone, Debug)]
pub struct NetworkHandle {
    pub(crate) shared: Arc<Shared>,
}

impl NetworkHandle {
    /// The name of this node.
    pub fn local_peer(&self) -> PeerKey {
        self.shared.local
    }

    /// The bound address; the port is the real one when 0 was asked for.
    pub fn listen_address(&self) -> SocketAddr {
        self.shared.listening
    }

    /// Counters of the node.
    pub fn metrics(&self) -> &NetworkMetrics {
        &self.shared.metrics
    }

    /// Queues an ordered frame for one peer. When its queue is full the oldest frame is dropped and counted: consensus sends
    /// again what matters.
    ///
    /// # Errors
    /// `NotConnected`, `UnknownKind`, `TooLarge`.
    pub fn send(&self, peer: PeerKey, kind: u8, bytes: Bytes) -> Result<(), SendRefused> {
        self.check_frame(kind, &bytes)?;
        let link = self.up(&peer)?;
        self.enqueue(&link, kind, bytes);
        Ok(())
    }

    /// Queues an ordered frame for every connected validator; returns how many.
    ///
    /// # Errors
    /// `UnknownKind`, `TooLarge`. Having no validator connected is no error.
    pub fn broadcast(&self, kind: u8, bytes: Bytes) -> Result<usize, SendRefused> {
        self.check_frame(kind, &bytes)?;
        let mut count = 0;
        for link in self.shared.links.read().unwrap_or_else(PoisonError::into_inner).values() {
            if link.is_up() && link.role() == Role::Validator {
                self.enqueue(link, kind, bytes.clone());
                count += 1;
            }
        }
        Ok(count)
    }

    fn check_frame(&self, kind: u8, bytes: &Bytes) -> Result<(), SendRefused> {
        let limit = self.shared.limits.of(kind).ok_or(SendRefused::UnknownKind(kind))?;
        within(bytes, limit)
    }

    fn up(&self, peer: &PeerKey) -> Result<Arc<Link>, SendRefused> {
        self.shared.link(peer).filter(|link| link.is_up()).ok_or(SendRefused::NotConnected)
    }

    fn enqueue(&self, link: &Link, kind: u8, bytes: Bytes) {
        let size = HEAD_BYTES + bytes.len();
        let dropped = link.outbox.push(kind, bytes);
        for counters in [&self.shared.metrics.ordered, &link.counters.ordered] {
            counters.sent(size);
            counters.dropped.add(dropped);
        }
    }

    /// Queues a message for all peers that follow the topic.
    ///
    /// # Errors
    /// `TooLarge`; `QueueFull` when the driver cannot keep up; `Stopped`.
    pub fn gossip(&self, topic: Topic, bytes: Bytes) -> Result<(), SendRefused> {
        within(&bytes, MAX_GOSSIP_BYTES)?;
        self.running()?;
        let mut mailbox = lock(&self.shared.mailbox);
        if mailbox.publish.len() >= PUBLISH_QUEUE {
            drop(mailbox);
            self.shared.metrics.gossip.dropped.one();
            return Err(SendRefused::QueueFull);
        }
        mailbox.publish.push_back((topic, bytes));
        drop(mailbox);
        self.shared.wake.notify_one();
        Ok(())
    }

    /// Says what a gossip message was worth; without it, or when it comes later than 3 s after the event, the message is
    /// never handed on.
    pub fn report(&self, id: GossipId, verdict: Verdict) {
        let mut mailbox = lock(&self.shared.mailbox);
        if mailbox.verdicts.len() >= VERDICT_QUEUE {
            mailbox.verdicts.pop_front();
        }
        mailbox.verdicts.push_back((id, verdict));
        drop(mailbox);
        self.shared.wake.notify_one();
    }

    /// Asks a peer for a body; the answer is one [`NetworkEvent::BodyResponse`](crate::NetworkEvent::BodyResponse).
    ///
    /// # Errors
    /// `NotConnected`, `TooLarge`, `QueueFull`; then there is no event.
    pub fn request(&self, peer: PeerKey, bytes: Bytes) -> Result<RequestId, SendRefused> {
        within(&bytes, MAX_REQUEST_BYTES)?;
        let link = self.up(&peer)?;
        let id = RequestId(self.shared.next_request.fetch_add(1, Ordering::Relaxed));
        link.requests.push(id, bytes)?;
        Ok(id)
    }

    /// Answers a peer's request. An unknown or expired token is ignored: the peer has given up.
    ///
    /// # Errors
    /// `TooLarge`; the request then still waits for an answer.
    pub fn respond(&self, token: RequestToken, bytes: Bytes) -> Result<(), SendRefused> {
        within(&bytes, MAX_BODY_BYTES)?;
        self.answer(token, Some(bytes));
        Ok(())
    }

    /// Tells the peer that there is no answer.
    pub fn decline(&self, token: RequestToken) {
        self.answer(token, None);
    }

    fn answer(&self, token: RequestToken, answer: Option<Bytes>) {
        if let Some(waiting) = lock(&self.shared.answers).remove(&token) {
            // The receiver is gone when the peer has given up in between.
            let _ = waiting.send(answer);
        }
    }

    /// Sends a body unasked. When its queue is full the oldest body is dropped and counted: the peer asks for what it lacks.
    ///
    /// # Errors
    /// `NotConnected`, `TooLarge`.
    pub fn push(&self, peer: PeerKey, bytes: Bytes) -> Result<(), SendRefused> {
        within(&bytes, MAX_BODY_BYTES)?;
        let link = self.up(&peer)?;
        self.enqueue_body(&link, bytes);
        Ok(())
    }

    /// Sends a body unasked to every connected validator; returns how many.
    ///
    /// # Errors
    /// `TooLarge`.
    pub fn push_to_validators(&self, bytes: Bytes) -> Result<usize, SendRefused> {
        within(&bytes, MAX_BODY_BYTES)?;
        let mut count = 0;
        for link in self.shared.links.read().unwrap_or_else(PoisonError::into_inner).values() {
            if link.is_up() && link.role() == Role::Validator {
                self.enqueue_body(link, bytes.clone());
                count += 1;
            }
        }
        Ok(count)
    }

    fn enqueue_body(&self, link: &Link, bytes: Bytes) {
        let dropped = link.pushes.push(bytes);
        link.counters.bodies.dropped.add(dropped);
        self.shared.metrics.bodies.dropped.add(dropped);
    }

    /// Replaces the allow-list: peers no longer on it are disconnected, new ones are dialled. The node itself may be on it.
    pub fn set_allowed(&self, peers: BTreeMap<PeerKey, PeerEntry>) {
        lock(&self.shared.mailbox).allowed = Some(peers);
        self.shared.wake.notify_one();
    }

    /// Scores a peer for what only the daemon can see. Past the limit it is dropped and refused for the time of the ban.
    pub fn penalise(&self, peer: PeerKey, offence: Offence) {
        self.shared.offend(peer, offence);
    }

    /// The connected peers, by key.
    pub fn peers(&self) -> Vec<PeerInfo> {
        let links = self.shared.links.read().unwrap_or_else(PoisonError::into_inner);
        links
            .values()
            .filter(|link| link.is_up())
            .map(|link| PeerInfo {
                peer: link.peer,
                role: link.role(),
                address: link.origin.address.clone(),
                direction: link.origin.direction,
                connected_since: link.since,
                silent_for: link.silence(),
                traffic: [
                    ChannelTraffic::of("ordered", &link.counters.ordered),
                    ChannelTraffic::of("bodies", &link.counters.bodies),
                    ChannelTraffic::of("gossip", &link.counters.gossip),
                ],
            })
            .collect()
    }

    /// Stops the network: queued frames get a moment to leave, connections close, the driver returns, and the events end.
    pub fn shutdown(&self) {
        lock(&self.shared.mailbox).stop = true;
        self.shared.wake.notify_one();
    }

    fn running(&self) -> Result<(), SendRefused> {
        if self.shared.stopped.load(Ordering::Acquire) { Err(SendRefused::Stopped) } else { Ok(()) }
    }
}

fn within(bytes: &Bytes, limit: usize) -> Result<(), SendRefused> {
    if bytes.len() > limit { Err(SendRefused::TooLarge { size: bytes.len(), limit }) } else { Ok(()) }
}
