//! The one future of the network: it polls the swarm, every connection and every session, and does what the handle asks.
//!
//! Promises: it never waits for the daemon, so that a slow daemon slows peers and not the handshake or the ping. Connections
//! are polled inside this future too (their "executor" is a queue that the loop empties), so nothing here spawns.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use libp2p::core::ConnectedPoint;
use libp2p::core::upgrade::Version;
use libp2p::gossipsub::{self, MessageAcceptance, MessageId};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, ListenError, NetworkBehaviour, Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Transport, noise, ping, tcp, yamux};
use libp2p_allow_block_list::{self as allow_block_list, AllowedPeers, NotAllowed};
use libp2p_connection_limits::{self as connection_limits, ConnectionLimits, Exceeded};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::config::{
    CONNECTIONS_PER_PEER, INBOUND_BODY_STREAMS, INBOUND_GOSSIP_BYTES, MAX_PEERS, NetworkConfig, PENDING_HANDSHAKES,
    STREAMS_PER_CONNECTION,
};
use crate::error::NetworkError;
use crate::event::{DownReason, GossipId, NetworkEvent, NetworkEvents, Topic, Verdict, lanes};
use crate::gossip::{self, Gossip, Topics};
use crate::handle::{Mailbox, NetworkHandle, Shared};
use crate::key::{NetworkKey, PeerKey};
use crate::link::{Direction, Link, Origin, lock};
use crate::metrics::Refusal;
use crate::roster::{Current, Roster, Socket};
use crate::score::Offence;
use crate::session::{Session, Surroundings, Wanted};
use crate::streams::{self, InboundStream};

/// How often dialling, silence and bans are looked at.
const TICK: Duration = Duration::from_millis(100);
/// How long the system may take to open the socket.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long queued frames, and then connections, get to leave at a shutdown.
const GRACE: Duration = Duration::from_millis(500);
/// Streams that sessions want and the driver has not begun to open; when full, sessions wait.
const WANTED_QUEUE: usize = 256;
/// Inbound streams on the way to one session; more are reset.
const ARRIVING_STREAMS: usize = INBOUND_BODY_STREAMS + 2;
/// What a waiting gossip message costs beyond its data.
const GOSSIP_OVERHEAD_BYTES: usize = 256;

#[derive(NetworkBehaviour)]
struct Protocols {
    allowed: allow_block_list::Behaviour<AllowedPeers>,
    limits: connection_limits::Behaviour,
    streams: streams::Behaviour,
    gossip: Gossip,
    ping: ping::Behaviour,
}

/// The network's future. Nothing happens until [`run`](Driver::run) is polled.
pub struct Driver {
    swarm: Swarm<Protocols>,
    topics: Topics,
    roster: Roster,
    around: Surroundings,
    wanted: mpsc::Receiver<Wanted>,
    new_tasks: mpsc::UnboundedReceiver<BoxFuture<'static, ()>>,
    /// Connections of the swarm.
    tasks: FuturesUnordered<BoxFuture<'static, ()>>,
    sessions: FuturesUnordered<BoxFuture<'static, Arc<Link>>>,
    lookups: FuturesUnordered<BoxFuture<'static, (PeerKey, Vec<Multiaddr>)>>,
    gossip_room: Arc<Semaphore>,
}

/// Opens the listening socket and sets everything up. Call it inside a tokio runtime; then spawn [`Driver::run`].
///
/// # Errors
/// `ListenFailed` with the address, `ConfigInvalid`, `SetupFailed`.
pub async fn start(
    config: NetworkConfig,
    key: NetworkKey,
) -> Result<(NetworkHandle, NetworkEvents, Driver), NetworkError> {
    config.check()?;
    let prefix = config.prefix();
    let topics = Topics::new(&prefix);
    let transport = {
        let noise = noise::Config::new(key.keypair())
            .map_err(|error| NetworkError::SetupFailed { part: "handshake", reason: error.to_string() })?;
        let mut multiplexer = yamux::Config::default();
        multiplexer.set_max_num_streams(STREAMS_PER_CONNECTION);
        tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
            .upgrade(Version::V1Lazy)
            .authenticate(noise)
            .multiplex(multiplexer)
            .timeout(config.handshake_timeout)
            .boxed()
    };
    let behaviour = Protocols {
        allowed: allow_block_list::Behaviour::default(),
        limits: connection_limits::Behaviour::new(
            ConnectionLimits::default()
                .with_max_pending_incoming(Some(PENDING_HANDSHAKES))
                .with_max_established(Some(MAX_PEERS as u32 * CONNECTIONS_PER_PEER))
                .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER)),
        ),
        streams: streams::Behaviour::new(streams::Protocols::new(&prefix)),
        gossip: gossip::behaviour(&config, &key, &topics)?,
        ping: ping::Behaviour::new(
            ping::Config::new().with_interval(config.ping_interval).with_timeout(config.silence_limit),
        ),
    };
    let (new_task, new_tasks) = mpsc::unbounded_channel();
    let executor = move |task: BoxFuture<'static, ()>| {
        // The receiver is gone only while the driver is being dropped, and its connections with it.
        let _ = new_task.send(task);
    };
    let settings = libp2p::swarm::Config::with_executor(executor)
        .with_idle_connection_timeout(Duration::from_secs(u64::MAX))
        .with_max_negotiating_inbound_streams(STREAMS_PER_CONNECTION / 4);
    let mut swarm = Swarm::new(transport, behaviour, key.keypair().public().to_peer_id(), settings);
    let listening = listen(&mut swarm, config.listen).await?;

    let (events_in, events) = lanes();
    let (wanted_in, wanted) = mpsc::channel(WANTED_QUEUE);
    let shared = Arc::new(Shared::new(config.clone(), key.peer_key(), listening));
    let driver = Driver {
        swarm,
        topics,
        roster: Roster::new(key.peer_key(), config),
        around: Surroundings { shared: shared.clone(), events: events_in, wanted: wanted_in },
        wanted,
        new_tasks,
        tasks: FuturesUnordered::new(),
        sessions: FuturesUnordered::new(),
        lookups: FuturesUnordered::new(),
        gossip_room: Arc::new(Semaphore::new(INBOUND_GOSSIP_BYTES)),
    };
    Ok((NetworkHandle { shared }, events, driver))
}

/// Opens the listening socket; returns the bound address.
async fn listen(swarm: &mut Swarm<Protocols>, address: SocketAddr) -> Result<SocketAddr, NetworkError> {
    let failed = |reason: String| NetworkError::ListenFailed { address, reason };
    // The transport shares its port with any process that shares it too, so a second node on the same port would go unseen:
    // a plain socket, closed again at once, finds out.
    TcpListener::bind(address).map_err(|error| failed(error.to_string()))?;
    swarm.listen_on(multiaddress(address)).map_err(|error| failed(error.to_string()))?;
    let bound = timeout(LISTEN_TIMEOUT, async {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { address, .. } => return Ok(address),
                SwarmEvent::ListenerClosed { reason: Err(error), .. } | SwarmEvent::ListenerError { error, .. } => {
                    return Err(error.to_string());
                }
                _ => {}
            }
        }
    });
    match bound.await {
        Ok(Ok(bound)) => {
            let port = bound.iter().find_map(|part| match part {
                Protocol::Tcp(port) => Some(port),
                _ => None,
            });
            Ok(SocketAddr::new(address.ip(), port.unwrap_or(address.port())))
        }
        Ok(Err(reason)) => Err(failed(reason)),
        Err(_) => Err(failed("the system gave no address in time".into())),
    }
}

fn multiaddress(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()))
}

impl Driver {
    /// Runs the network until [`NetworkHandle::shutdown`], or until the events are dropped.
    ///
    /// # Errors
    /// `ListenerClosed` when the listening socket fails.
    pub async fn run(mut self) -> Result<(), NetworkError> {
        let shared = self.around.shared.clone();
        let events = self.around.events.clone();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let outcome = loop {
            tokio::select! {
                biased;
                () = shared.wake.notified() => {
                    if self.read_mail() {
                        break Ok(());
                    }
                }
                event = self.swarm.select_next_some() => {
                    if let Err(error) = self.on_swarm(event) {
                        break Err(error);
                    }
                }
                Some(task) = self.new_tasks.recv() => self.tasks.push(task),
                Some(wanted) = self.wanted.recv() => self.open(wanted),
                Some(()) = self.tasks.next() => {}
                Some(link) = self.sessions.next() => self.on_session_end(&link),
                Some((peer, addresses)) = self.lookups.next() => self.dial(peer, addresses),
                _ = tick.tick() => self.on_tick(),
                () = events.gone() => break Ok(()),
            }
        };
        self.stop().await;
        outcome
    }

    /// Does what the handle asked for; true when it asked to stop.
    fn read_mail(&mut self) -> bool {
        let Mailbox { allowed, publish, verdicts, offences, stop } =
            std::mem::take(&mut *lock(&self.around.shared.mailbox));
        if let Some(entries) = allowed {
            let now = Instant::now();
            // The list is replaced after the links of those who leave are closed, for the roster forgets them.
            for (peer, known) in self.roster.iter() {
                if !entries.contains_key(peer)
                    && let Some(current) = &known.current
                {
                    current.link.close(DownReason::NotAllowed);
                }
            }
            let changes = self.roster.replace(entries, now);
            let allowed = &mut self.swarm.behaviour_mut().allowed;
            for peer in &changes.disallow {
                allowed.disallow_peer(peer.to_peer_id());
                self.around.shared.links.write().unwrap_or_else(PoisonError::into_inner).remove(peer);
            }
            for peer in &changes.allow {
                allowed.allow_peer(peer.to_peer_id());
            }
            self.dial_due(now);
        }
        for (topic, bytes) in publish {
            self.publish(topic, bytes);
        }
        for (id, verdict) in verdicts {
            self.judge(id, verdict);
        }
        for (peer, offence) in offences {
            self.offend(peer, offence);
        }
        stop
    }

    fn publish(&mut self, topic: Topic, bytes: Bytes) {
        let size = bytes.len();
        let hash = self.topics.hash(topic);
        let gossip = &self.around.shared.metrics.gossip;
        match self.swarm.behaviour_mut().gossip.publish(hash, Vec::from(bytes)) {
            Ok(_) => gossip.sent(size),
            // The same bytes again: everybody has them.
            Err(gossipsub::PublishError::Duplicate) => {}
            Err(error) => {
                gossip.dropped.one();
                tracing::debug!(%error, "gossip not sent");
            }
        }
    }

    fn judge(&mut self, id: GossipId, verdict: Verdict) {
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Ignore => MessageAcceptance::Ignore,
            Verdict::Reject => {
                self.around.shared.metrics.offend(Offence::InvalidContent);
                self.offend(id.from, Offence::InvalidContent);
                MessageAcceptance::Reject
            }
        };
        let message = MessageId::new(&id.message);
        self.swarm.behaviour_mut().gossip.report_message_validation_result(&message, &id.from.to_peer_id(), acceptance);
    }

    /// Scores an offence that is already counted, and bans for it if it was one too many.
    fn offend(&mut self, peer: PeerKey, offence: Offence) {
        if !self.roster.offend(&peer, offence, Instant::now()) {
            return;
        }
        tracing::warn!(%peer, offence = offence.label(), "peer is banned for a while");
        self.around.shared.metrics.bans.one();
        if let Some(current) = self.roster.get(&peer).and_then(|known| known.current.as_ref()) {
            current.link.close(DownReason::Banned);
        }
        self.swarm.behaviour_mut().allowed.disallow_peer(peer.to_peer_id());
    }

    fn on_tick(&mut self) {
        let now = Instant::now();
        for peer in self.roster.pardon(now) {
            self.swarm.behaviour_mut().allowed.allow_peer(peer.to_peer_id());
        }
        let limit = self.around.shared.config.silence_limit;
        for (_, known) in self.roster.iter() {
            if let Some(current) = &known.current
                && current.link.silence() > limit
            {
                current.link.close(DownReason::Silent);
            }
        }
        self.dial_due(now);
    }

    fn dial_due(&mut self, now: Instant) {
        for (peer, addresses) in self.roster.due(now) {
            self.lookups.push(Box::pin(async move {
                let mut found = Vec::new();
                for address in addresses {
                    match tokio::net::lookup_host(&address).await {
                        Ok(hosts) => found.extend(hosts.map(multiaddress)),
                        Err(error) => tracing::debug!(%peer, address, %error, "address of a peer is not resolved"),
                    }
                }
                (peer, found)
            }));
        }
    }

    fn dial(&mut self, peer: PeerKey, addresses: Vec<Multiaddr>) {
        // A port of its own: the listening port towards the same peer may still be held by a dead connection.
        let wish = DialOpts::peer_id(peer.to_peer_id())
            .condition(PeerCondition::NotDialing)
            .addresses(addresses)
            .allocate_new_port()
            .build();
        let connected = self.roster.get(&peer).is_none_or(|known| !known.sockets.is_empty());
        if connected {
            self.roster.dial_ended(&peer);
        } else if let Err(error) = self.swarm.dial(wish) {
            self.on_dial_failed(peer, &error);
        }
    }

    fn on_dial_failed(&mut self, peer: PeerKey, error: &DialError) {
        tracing::debug!(%peer, %error, "dialling failed");
        self.around.shared.metrics.dial_failures.one();
        self.roster.dial_ended(&peer);
    }

    fn on_swarm(&mut self, event: SwarmEvent<ProtocolsEvent>) -> Result<(), NetworkError> {
        match event {
            SwarmEvent::Behaviour(event) => match event {
                ProtocolsEvent::Streams(stream) => self.on_stream(stream),
                ProtocolsEvent::Gossip(gossipsub::Event::Message { propagation_source, message_id, message }) => {
                    self.on_gossip(&propagation_source, &message_id, message);
                }
                ProtocolsEvent::Ping(ping::Event { peer, connection, result }) => {
                    if result.is_ok() {
                        self.on_pong(&peer, connection);
                    }
                }
                // Subscriptions and slow peers are gossipsub's own business.
                ProtocolsEvent::Gossip(_) => {}
                ProtocolsEvent::Allowed(never) | ProtocolsEvent::Limits(never) => match never {},
            },
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_connected(&peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, .. } => {
                let reason = cause.map_or_else(|| "closed".into(), |cause| cause.to_string());
                self.on_disconnected(&peer_id, connection_id, reason);
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                if let Some(peer) = PeerKey::from_peer_id(&peer) {
                    self.on_dial_failed(peer, &error);
                }
            }
            SwarmEvent::IncomingConnectionError { error, peer_id, .. } => self.on_refused(&error, peer_id),
            SwarmEvent::ListenerClosed { reason, .. } => {
                return Err(NetworkError::ListenerClosed {
                    address: self.around.shared.listening,
                    reason: reason.err().map_or_else(|| "closed".into(), |error: io::Error| error.to_string()),
                });
            }
            _ => {}
        }
        Ok(())
    }

    fn on_refused(&self, error: &ListenError, peer: Option<PeerId>) {
        let reason = match error {
            ListenError::Denied { cause } if cause.downcast_ref::<NotAllowed>().is_some() => Refusal::NotAllowed,
            ListenError::Denied { cause } if cause.downcast_ref::<Exceeded>().is_some() => Refusal::Limit,
            _ => Refusal::Handshake,
        };
        tracing::debug!(?peer, %error, "connection refused");
        self.around.shared.metrics.refuse(reason);
    }

    fn on_connected(&mut self, peer_id: &PeerId, connection: ConnectionId, endpoint: &ConnectedPoint) {
        let Some(peer) = PeerKey::from_peer_id(peer_id) else {
            self.swarm.close_connection(connection);
            return;
        };
        let direction = if endpoint.is_dialer() { Direction::Outbound } else { Direction::Inbound };
        if direction == Direction::Outbound {
            self.roster.dial_ended(&peer);
        }
        let origin = Origin { connection, address: endpoint.get_remote_address().to_string(), direction };
        let socket = Socket { origin: origin.clone(), since: Instant::now() };
        let Some(known) = self.roster.get_mut(&peer) else {
            // Taken off the list since the handshake.
            self.swarm.close_connection(connection);
            return;
        };
        let in_use = known.current.as_ref().filter(|current| !current.link.is_closed());
        let older = in_use.and_then(|current| known.sockets.get(&current.link.origin.connection)).cloned();
        known.sockets.insert(connection, socket.clone());
        match older {
            Some(older) if !self.roster.newer_wins(&peer, &older, &socket) => {
                self.swarm.close_connection(connection);
            }
            Some(older) => {
                self.begin(peer, origin);
                self.swarm.close_connection(older.origin.connection);
            }
            None => self.begin(peer, origin),
        }
    }

    /// Starts the session of a connection; one that is in use gives way to it.
    fn begin(&mut self, peer: PeerKey, origin: Origin) {
        let shared = self.around.shared.clone();
        let Some(known) = self.roster.get_mut(&peer) else {
            return;
        };
        let link = Arc::new(Link::new(peer, known.entry.role, origin, &shared.config));
        let (inbound_in, inbound) = mpsc::channel(ARRIVING_STREAMS);
        let (ended_in, ended) = oneshot::channel();
        let current = Current { link: link.clone(), inbound: inbound_in, ended: Some(ended) };
        let after = known.current.replace(current).and_then(|older| {
            older.link.close(DownReason::Replaced);
            link.outbox.inherit(&older.link.outbox);
            older.ended
        });
        shared.links.write().unwrap_or_else(PoisonError::into_inner).insert(peer, link.clone());
        let session = Session { link, inbound, around: self.around.clone(), after, ended: ended_in };
        self.sessions.push(Box::pin(session.run()));
    }

    fn on_disconnected(&mut self, peer: &PeerId, connection: ConnectionId, reason: String) {
        let Some(known) = PeerKey::from_peer_id(peer).and_then(|peer| self.roster.get_mut(&peer)) else {
            return;
        };
        known.sockets.remove(&connection);
        if let Some(current) = &known.current
            && current.link.origin.connection == connection
        {
            current.link.close(DownReason::Lost(reason));
        }
    }

    /// The session has said goodbye: its socket goes too, and another socket to the peer takes over if there is one.
    fn on_session_end(&mut self, link: &Arc<Link>) {
        let connection = link.origin.connection;
        self.swarm.close_connection(connection);
        let now = Instant::now();
        let Some(known) = self.roster.get_mut(&link.peer) else {
            return;
        };
        // A socket that the transport cannot close in peace (a stopped peer, a full buffer) must not keep us from dialling.
        known.sockets.remove(&connection);
        if !known.current.as_ref().is_some_and(|current| Arc::ptr_eq(&current.link, link)) {
            return;
        }
        known.current = None;
        let spare = known.sockets.values().next_back().map(|socket| socket.origin.clone());
        self.around.shared.links.write().unwrap_or_else(PoisonError::into_inner).remove(&link.peer);
        if link.worked() {
            self.roster.worked(&link.peer, now);
        }
        if let Some(origin) = spare {
            self.begin(link.peer, origin);
        }
    }

    fn on_stream(&mut self, InboundStream { peer, connection, channel, stream }: InboundStream) {
        let Some(known) = PeerKey::from_peer_id(&peer).and_then(|peer| self.roster.get(&peer)) else {
            return;
        };
        // A stream on a connection that is being given up is reset by its drop; the peer opens another where it belongs.
        if let Some(current) = &known.current
            && current.link.origin.connection == connection
            && current.inbound.try_send((channel, stream)).is_err()
        {
            self.around.shared.metrics.resets.one();
        }
    }

    fn on_pong(&self, peer: &PeerId, connection: ConnectionId) {
        if let Some(known) = PeerKey::from_peer_id(peer).and_then(|peer| self.roster.get(&peer))
            && let Some(current) = &known.current
            && current.link.origin.connection == connection
        {
            current.link.heard();
        }
    }

    fn on_gossip(&mut self, from: &PeerId, message_id: &MessageId, message: gossipsub::Message) {
        let shared = self.around.shared.clone();
        let size = message.data.len();
        let known = PeerKey::from_peer_id(from).and_then(|peer| self.roster.get_mut(&peer).map(|known| (peer, known)));
        let (Some((peer, known)), Some(topic), Ok(message_name)) =
            (known, self.topics.of(&message.topic), <[u8; gossip::ID_BYTES]>::try_from(message_id.0.as_slice()))
        else {
            return self.ignore(message_id, from);
        };
        shared.metrics.gossip.received(size);
        if let Some(current) = &known.current {
            current.link.heard();
            current.link.counters.gossip.received(size);
        }
        if !known.gossip_budget.take(size, Instant::now()) {
            shared.metrics.offend(Offence::OverBudget);
            self.offend(peer, Offence::OverBudget);
            return self.ignore(message_id, from);
        }
        let cost = u32::try_from(size + GOSSIP_OVERHEAD_BYTES).unwrap_or(u32::MAX);
        let id = GossipId { message: message_name, from: peer };
        let event = NetworkEvent::Gossip { peer, topic, id, bytes: message.data.into() };
        let taken = match self.gossip_room.clone().try_acquire_many_owned(cost) {
            Ok(room) => self.around.events.try_bulk(event, Some(room)).is_ok(),
            Err(_) => false,
        };
        if !taken {
            shared.metrics.gossip.dropped.one();
            self.ignore(message_id, from);
        }
    }

    fn ignore(&mut self, message: &MessageId, from: &PeerId) {
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        gossip.report_message_validation_result(message, from, MessageAcceptance::Ignore);
    }

    fn open(&mut self, Wanted { peer, connection, channel, reply }: Wanted) {
        self.swarm.behaviour_mut().streams.open(peer.to_peer_id(), connection, channel, reply);
    }

    /// Lets queued frames leave, says goodbye to every peer, closes every connection.
    async fn stop(mut self) {
        self.around.shared.stopped.store(true, Ordering::Release);
        let drained = |shared: &Shared| {
            let links = shared.links.read().unwrap_or_else(PoisonError::into_inner);
            links.values().all(|link| !link.is_up() || link.outbox.is_empty())
        };
        let shared = self.around.shared.clone();
        let _ = timeout(GRACE, async {
            let mut tick = interval(Duration::from_millis(5));
            // One look is not enough: what the outbox gave away still goes through the multiplexer.
            let mut calm = 0;
            while calm < 3 {
                tokio::select! {
                    _ = tick.tick() => calm = if drained(&shared) { calm + 1 } else { 0 },
                    () = self.idle() => {}
                }
            }
        })
        .await;
        for link in shared.links.read().unwrap_or_else(PoisonError::into_inner).values() {
            link.close(DownReason::Stopped);
        }
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        let _ = timeout(GRACE, async {
            while let Some(link) = self.sessions.next().await {
                tracing::debug!(peer = %link.peer, "said goodbye");
            }
        })
        .await;
        for peer in peers {
            // An error says that it is disconnected already.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let _ = timeout(GRACE, async {
            while self.swarm.network_info().num_peers() > 0 {
                self.idle().await;
            }
        })
        .await;
        shared.links.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// One step of the transport and of the sessions, without taking anything new.
    async fn idle(&mut self) {
        tokio::select! {
            biased;
            _ = self.swarm.select_next_some() => {}
            Some(task) = self.new_tasks.recv() => self.tasks.push(task),
            Some(wanted) = self.wanted.recv() => self.open(wanted),
            Some(()) = self.tasks.next() => {}
            Some(_) = self.sessions.next() => {}
        }
    }
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Driver(of {})", self.around.shared.local)
    }
}
