//! What the daemon decides about the network, and the bounds that are not settings.
//!
//! Settings differ between operators (address, allowed peers); bounds do not, and stand here as constants with their reason.
//! Times are settable so that tests can be short.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::error::NetworkError;

/// Longest ordered frame of any kind, bytes (architecture, Network).
pub const MAX_FRAME_BYTES: usize = 64 * 1024;
/// Longest request for a body, bytes.
pub const MAX_REQUEST_BYTES: usize = 64 * 1024;
/// Longest body or answer, bytes.
pub const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;
/// A body travels in chunks of this many bytes, one in flight per peer, so that a vote waits for at most one.
pub const CHUNK_BYTES: usize = 64 * 1024;
/// Longest gossip message before signature and envelope, bytes.
pub const MAX_GOSSIP_BYTES: usize = 128 * 1024;
/// Longest gossip message on the wire, bytes (architecture, Network).
pub const MAX_TRANSMIT_BYTES: usize = 192 * 1024;

/// Ordered frames waiting for one peer: at most this many; when full the oldest is dropped and counted.
pub const OUTBOX_FRAMES: usize = 4_096;
/// Ordered frames waiting for one peer: at most this many bytes; when full the oldest is dropped and counted.
pub const OUTBOX_BYTES: usize = 8 * 1024 * 1024;
/// Bodies waiting to be pushed to one peer; when full the oldest is dropped and counted, as a newer proposal supersedes it.
pub const PUSH_QUEUE: usize = 4;
/// Requests waiting for one peer; when full a new one is refused to the caller.
pub const REQUEST_QUEUE: usize = 64;
/// Requests of ours that one peer works on at a time.
pub const REQUESTS_IN_FLIGHT: usize = 2;
/// Body streams one peer may have open towards us; more are reset and counted.
pub const INBOUND_BODY_STREAMS: usize = 6;
/// Gossip messages waiting to be published; when full a new one is refused to the caller.
pub const PUBLISH_QUEUE: usize = 1_024;
/// Events of connections and ordered frames waiting for the daemon; when full, peers' ordered streams are not read.
pub const PRIORITY_EVENTS: usize = 4_096;
/// Gossip and body events waiting for the daemon; when full, body streams wait and gossip is dropped and counted.
pub const BULK_EVENTS: usize = 1_024;
/// Bytes of ordered frames of one peer waiting for the daemon; when full its ordered stream is not read.
pub const INBOUND_FRAME_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of questions of one peer waiting for the daemon; when full its further questions wait, and in the end are reset.
pub const INBOUND_QUESTION_BYTES: usize = 4 * MAX_REQUEST_BYTES;
/// Bytes of pushed bodies of one peer being received or waiting for the daemon; when full its push is reset, for what is missing
/// is asked for.
pub const INBOUND_PUSH_BYTES: usize = 2 * MAX_BODY_BYTES;
/// Bytes of answers of one peer being received or waiting for the daemon; when full our next request to it waits.
pub const INBOUND_ANSWER_BYTES: usize = REQUESTS_IN_FLIGHT * MAX_BODY_BYTES;
/// Bytes of gossip waiting for the daemon, over all peers; when full gossip is dropped and counted.
pub const INBOUND_GOSSIP_BYTES: usize = 32 * 1024 * 1024;
/// Gossip verdicts waiting for the driver; when full the oldest is dropped: its message is then not forwarded.
pub const VERDICT_QUEUE: usize = 8_192;
/// Reports of misbehaviour waiting for the driver; when full a new one is dropped and counted.
pub const OFFENCE_QUEUE: usize = 1_024;
/// Handshakes in progress from outside; more are refused before the handshake.
pub const PENDING_HANDSHAKES: u32 = 64;
/// Peers on the allow-list; a longer list is cut and logged (32 validators in full mesh, and observers).
pub const MAX_PEERS: usize = 128;
/// Sockets of one peer at a time: one, one more while a duplicate is being resolved, and room for sockets that the transport
/// cannot close in peace because the other side stands still.
pub const CONNECTIONS_PER_PEER: u32 = 4;
/// Multiplexed streams on one connection: four of our channels, body transfers, gossip and ping, with room.
pub const STREAMS_PER_CONNECTION: usize = 64;

/// Whether a peer votes. Broadcasts go to validators; everything else treats both alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// In the validator set, or about to be.
    Validator,
    /// Follows the chain and answers queries.
    Observer,
}

/// An allowed peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerEntry {
    /// `host:port`, host being an IP address (IPv6 in brackets) or a name resolved at each attempt. Empty: we never dial, it must.
    pub addresses: Vec<String>,
    /// What the peer is.
    pub role: Role,
}

/// What the channels of one peer may carry in a second; a burst of [`Budget::BURST_SECONDS`] is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Items (frames, requests, messages) per second.
    pub items: u32,
    /// Bytes per second.
    pub bytes: u32,
}

impl Budget {
    /// A receiver that stood still for this long may get everything at once without blame on the sender.
    pub const BURST_SECONDS: u32 = 4;
}

/// What the daemon decides.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// Genesis hash: nodes of another network share no protocol name with us.
    pub network: [u8; 32],
    /// Address to listen on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Kinds of ordered frames and the longest payload of each, bytes, at most [`MAX_FRAME_BYTES`].
    pub frame_kinds: BTreeMap<u8, u32>,
    /// Budget of the ordered channel per peer.
    pub ordered_budget: Budget,
    /// Budget of body streams per peer.
    pub body_budget: Budget,
    /// Budget of gossip per forwarding peer.
    pub gossip_budget: Budget,
    /// A handshake (TCP, Noise, Yamux) that takes longer is dropped.
    pub handshake_timeout: Duration,
    /// Ping interval; also how often liveness is looked at.
    pub ping_interval: Duration,
    /// A connection that answered nothing for this long is closed.
    pub silence_limit: Duration,
    /// First wait between attempts to dial; doubled until `dial_backoff_max`.
    pub dial_backoff_min: Duration,
    /// Longest wait between attempts to dial; attempts never end while the peer is allowed.
    pub dial_backoff_max: Duration,
    /// Longest wait for the next piece of a body, or for the daemon's answer to a request.
    pub body_timeout: Duration,
    /// How long a peer that crossed the score is refused.
    pub ban: Duration,
}

impl NetworkConfig {
    /// The settings of a node; only the network's identity, the address and the table of frames differ.
    pub fn new(network: [u8; 32], listen: SocketAddr, frame_kinds: BTreeMap<u8, u32>) -> Self {
        Self {
            network,
            listen,
            frame_kinds,
            ordered_budget: Budget { items: 20_000, bytes: 16 * 1024 * 1024 },
            body_budget: Budget { items: 500, bytes: 64 * 1024 * 1024 },
            gossip_budget: Budget { items: 4_000, bytes: 32 * 1024 * 1024 },
            handshake_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(2),
            silence_limit: Duration::from_secs(8),
            dial_backoff_min: Duration::from_millis(200),
            dial_backoff_max: Duration::from_secs(3),
            body_timeout: Duration::from_secs(5),
            ban: Duration::from_secs(60),
        }
    }

    pub(crate) fn check(&self) -> Result<(), NetworkError> {
        for (kind, limit) in &self.frame_kinds {
            if *limit as usize > MAX_FRAME_BYTES {
                return Err(NetworkError::ConfigInvalid {
                    setting: "frame_kinds",
                    reason: format!("kind {kind} allows {limit} bytes, more than {MAX_FRAME_BYTES}"),
                });
            }
        }
        for (setting, time) in [
            ("handshake_timeout", self.handshake_timeout),
            ("ping_interval", self.ping_interval),
            ("silence_limit", self.silence_limit),
            ("dial_backoff_min", self.dial_backoff_min),
            ("body_timeout", self.body_timeout),
        ] {
            if time.is_zero() {
                return Err(NetworkError::ConfigInvalid { setting, reason: "is zero".into() });
            }
        }
        Ok(())
    }

    /// First eight bytes of the network's hash in hex: short enough for a protocol name, long enough to tell networks apart.
    pub(crate) fn prefix(&self) -> String {
        self.network[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
