//! What the network tells the daemon, in two bounded lanes: connections and ordered frames first, then gossip and bodies.
//!
//! Promises: events of one lane keep their order; the first lane is always served before the second, so that a vote does not
//! wait behind a backlog of transactions. A peer's `Frame` events lie between its `PeerUp` and its `PeerDown`; gossip and
//! bodies travel in the other lane and may be seen after the `PeerDown`. Every lane is bounded in number
//! ([`PRIORITY_EVENTS`](crate::config::PRIORITY_EVENTS), [`BULK_EVENTS`](crate::config::BULK_EVENTS)) and every peer in bytes.

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::config::{BULK_EVENTS, PRIORITY_EVENTS, Role};
use crate::error::BodyError;
use crate::gossip::ID_BYTES;
use crate::key::PeerKey;

/// What is gossiped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Batches of signed transactions.
    Transactions,
    /// Announcements of the tip.
    Tip,
}

impl Topic {
    /// All topics.
    pub const ALL: [Topic; 2] = [Topic::Transactions, Topic::Tip];

    /// Last part of the topic's name on the wire.
    pub fn label(self) -> &'static str {
        match self {
            Topic::Transactions => "transactions",
            Topic::Tip => "tip",
        }
    }
}

/// Names one body that we asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Names one request of a peer that waits for our answer. Dead after the body timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestToken(pub u64);

/// Names one gossip message that waits for a verdict: first 16 bytes of the hash of its data, and who handed it to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GossipId {
    pub(crate) message: [u8; ID_BYTES],
    pub(crate) from: PeerKey,
}

/// The daemon's verdict on a gossip message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Hand it on to those who lack it.
    Accept,
    /// Not ours to judge, or nothing in it is news: do not hand it on.
    Ignore,
    /// Invalid: do not hand it on, and score who sent it.
    Reject,
}

/// Why a peer went down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DownReason {
    /// The connection ended; text of the transport.
    Lost(String),
    /// Nothing was heard for the limit of silence.
    Silent,
    /// Taken off the allow-list.
    NotAllowed,
    /// Dropped for its score.
    Banned,
    /// Both sides had dialled; another connection takes over.
    Replaced,
    /// It speaks no protocol of our network.
    OtherNetwork,
    /// This node stops.
    Stopped,
}

/// What the network tells the daemon.
#[derive(Debug)]
pub enum NetworkEvent {
    /// The peer can be sent to.
    PeerUp {
        /// Who.
        peer: PeerKey,
        /// As the allow-list says.
        role: Role,
    },
    /// The peer can no longer be sent to; what was queued for it is gone.
    PeerDown {
        /// Who.
        peer: PeerKey,
        /// Why.
        reason: DownReason,
    },
    /// An ordered frame.
    Frame {
        /// Who sent it.
        peer: PeerKey,
        /// One of the kinds of the table.
        kind: u8,
        /// At most the kind's limit.
        bytes: Bytes,
    },
    /// A gossip message; answer with [`NetworkHandle::report`](crate::NetworkHandle::report), as it is held until then.
    Gossip {
        /// Who handed it to us, not necessarily its author.
        peer: PeerKey,
        /// What it is about.
        topic: Topic,
        /// For the verdict.
        id: GossipId,
        /// At most [`MAX_TRANSMIT_BYTES`](crate::config::MAX_TRANSMIT_BYTES).
        bytes: Bytes,
    },
    /// A peer asks for something; answer with [`NetworkHandle::respond`](crate::NetworkHandle::respond) or
    /// [`decline`](crate::NetworkHandle::decline).
    BodyRequest {
        /// Who asks.
        peer: PeerKey,
        /// The question, at most [`MAX_REQUEST_BYTES`](crate::config::MAX_REQUEST_BYTES).
        bytes: Bytes,
        /// For the answer.
        token: RequestToken,
    },
    /// A body that the peer sent unasked.
    BodyPushed {
        /// Who sent it.
        peer: PeerKey,
        /// At most [`MAX_BODY_BYTES`](crate::config::MAX_BODY_BYTES).
        bytes: Bytes,
    },
    /// The answer to a request of ours. Every request that was taken is answered exactly once, unless the node stops.
    BodyResponse {
        /// Who was asked.
        peer: PeerKey,
        /// Which request.
        id: RequestId,
        /// The body, at most [`MAX_BODY_BYTES`](crate::config::MAX_BODY_BYTES).
        result: Result<Bytes, BodyError>,
    },
}

/// An event with the room it occupies; the room is given back when the daemon takes the event.
struct Queued {
    event: NetworkEvent,
    _room: Option<OwnedSemaphorePermit>,
}

/// The daemon's end of both lanes.
pub struct NetworkEvents {
    priority: mpsc::Receiver<Queued>,
    bulk: mpsc::Receiver<Queued>,
}

impl NetworkEvents {
    /// The next event, the first lane before the second; `None` after the network has stopped. Safe to cancel.
    pub async fn recv(&mut self) -> Option<NetworkEvent> {
        tokio::select! {
            biased;
            Some(queued) = self.priority.recv() => Some(queued.event),
            Some(queued) = self.bulk.recv() => Some(queued.event),
            else => None,
        }
    }

    /// The next event if one waits, the first lane before the second.
    pub fn try_recv(&mut self) -> Option<NetworkEvent> {
        let queued = self.priority.try_recv().or_else(|_| self.bulk.try_recv()).ok()?;
        Some(queued.event)
    }
}

/// The network's end of both lanes.
#[derive(Clone)]
pub(crate) struct EventSender {
    priority: mpsc::Sender<Queued>,
    bulk: mpsc::Sender<Queued>,
}

/// The daemon has dropped its end.
#[derive(Debug)]
pub(crate) struct EventsGone;

/// The second lane is full, or the daemon is gone.
#[derive(Debug)]
pub(crate) struct BulkFull;

impl EventSender {
    /// Waits while the first lane is full.
    pub(crate) async fn priority(
        &self,
        event: NetworkEvent,
        room: Option<OwnedSemaphorePermit>,
    ) -> Result<(), EventsGone> {
        self.priority.send(Queued { event, _room: room }).await.map_err(|_| EventsGone)
    }

    /// Waits while the second lane is full.
    pub(crate) async fn bulk(&self, event: NetworkEvent, room: Option<OwnedSemaphorePermit>) -> Result<(), EventsGone> {
        self.bulk.send(Queued { event, _room: room }).await.map_err(|_| EventsGone)
    }

    /// Never waits.
    pub(crate) fn try_bulk(&self, event: NetworkEvent, room: Option<OwnedSemaphorePermit>) -> Result<(), BulkFull> {
        self.bulk.try_send(Queued { event, _room: room }).map_err(|_| BulkFull)
    }

    /// Resolves when the daemon has dropped its end.
    pub(crate) async fn gone(&self) {
        self.priority.closed().await;
    }
}

pub(crate) fn lanes() -> (EventSender, NetworkEvents) {
    let (priority_in, priority) = mpsc::channel(PRIORITY_EVENTS);
    let (bulk_in, bulk) = mpsc::channel(BULK_EVENTS);
    (EventSender { priority: priority_in, bulk: bulk_in }, NetworkEvents { priority, bulk })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8) -> NetworkEvent {
        NetworkEvent::Frame { peer: PeerKey([1; 32]), kind, bytes: Bytes::new() }
    }

    #[tokio::test]
    async fn a_frame_overtakes_waiting_bodies_and_the_end_comes_after_all() {
        let (sender, mut events) = lanes();
        let peer = PeerKey([1; 32]);
        sender.bulk(NetworkEvent::BodyPushed { peer, bytes: Bytes::new() }, None).await.unwrap();
        sender.priority(frame(7), None).await.unwrap();
        drop(sender);
        assert!(matches!(events.recv().await, Some(NetworkEvent::Frame { kind: 7, .. })));
        assert!(matches!(events.recv().await, Some(NetworkEvent::BodyPushed { .. })));
        assert!(events.recv().await.is_none());
    }

    #[tokio::test]
    async fn a_full_second_lane_refuses_and_does_not_wait() {
        let (sender, mut events) = lanes();
        for _ in 0..BULK_EVENTS {
            sender.try_bulk(frame(1), None).unwrap();
        }
        assert!(sender.try_bulk(frame(2), None).is_err());
        assert!(events.try_recv().is_some());
        assert!(sender.try_bulk(frame(2), None).is_ok());
    }
}
