//! The life of one connection: announce the peer, carry its streams, and say goodbye.
//!
//! Promises: `PeerUp` comes before the first frame and `PeerDown` after the last; every request that was taken is answered,
//! by an error if need be; the session of a replaced connection ends before that of its successor announces itself.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use libp2p::swarm::{ConnectionId, Stream};
use tokio::sync::{mpsc, oneshot};

use crate::body;
use crate::config::{INBOUND_BODY_STREAMS, MAX_BODY_BYTES, REQUESTS_IN_FLIGHT};
use crate::error::BodyError;
use crate::event::{DownReason, EventSender, NetworkEvent};
use crate::handle::Shared;
use crate::key::PeerKey;
use crate::link::Link;
use crate::metrics::Refusal;
use crate::ordered::{self, ReadEnd};
use crate::score::Offence;
use crate::streams::{Channel, OpenError};

/// Wait before an ordered stream that the peer reset is opened again.
const REOPEN_AFTER: Duration = Duration::from_millis(200);
/// Ordered streams one peer may have open towards us: the old and the new while it opens again.
const INBOUND_ORDERED_STREAMS: usize = 2;

/// A stream that a session wants on its connection.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) peer: PeerKey,
    pub(crate) connection: ConnectionId,
    pub(crate) channel: Channel,
    pub(crate) reply: oneshot::Sender<Result<Stream, OpenError>>,
}

/// What every session shares.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) shared: Arc<Shared>,
    pub(crate) events: EventSender,
    pub(crate) wanted: mpsc::Sender<Wanted>,
}

/// One connection to one peer.
pub(crate) struct Session {
    pub(crate) link: Arc<Link>,
    /// Streams that the peer opens.
    pub(crate) inbound: mpsc::Receiver<(Channel, Stream)>,
    pub(crate) around: Surroundings,
    /// Resolves when the session that this one replaces has said goodbye.
    pub(crate) after: Option<oneshot::Receiver<()>>,
    /// Dropped when this one has.
    pub(crate) ended: oneshot::Sender<()>,
}

/// What ended inside a session.
enum Ended {
    /// The connection is of no more use.
    Link(DownReason),
    /// One inbound ordered stream.
    OrderedStream,
    /// One inbound transfer.
    BodyStream,
}

impl Session {
    /// Runs to the end of the connection; returns the link, whose connection the driver then closes.
    pub(crate) async fn run(self) -> Arc<Link> {
        let Self { link, inbound, around, after, ended } = self;
        if let Some(after) = after {
            // An error means that the other session is gone altogether, which serves as well.
            let _ = after.await;
        }
        let (reason, announced) = live(&link, inbound, &around).await;
        link.close(reason);
        // The first reason given stands: it may be older than what the streams saw.
        let reason = link.closed().await;
        for id in link.requests.close() {
            let result = Err(BodyError::ConnectionLost(format!("{reason:?}")));
            // The daemon may be gone; then nobody waits.
            let _ = around.events.bulk(NetworkEvent::BodyResponse { peer: link.peer, id, result }, None).await;
        }
        if announced {
            around.shared.metrics.disconnected.one();
            let _ = around.events.priority(NetworkEvent::PeerDown { peer: link.peer, reason }, None).await;
        }
        drop(ended);
        link
    }
}

async fn live(
    link: &Link,
    mut inbound: mpsc::Receiver<(Channel, Stream)>,
    around: &Surroundings,
) -> (DownReason, bool) {
    let mut closed = pin!(link.closed());
    let opened = tokio::select! {
        biased;
        reason = &mut closed => return (reason, false),
        opened = open(link, around, Channel::Ordered) => opened,
    };
    let stream = match opened {
        Ok(stream) => stream,
        Err(error) => return (unopened(error, around), false),
    };
    link.set_up();
    around.shared.metrics.connected.one();
    let up = NetworkEvent::PeerUp { peer: link.peer, role: link.role() };
    if around.events.priority(up, None).await.is_err() {
        return (DownReason::Stopped, false);
    }

    let mut work: FuturesUnordered<BoxFuture<'_, Ended>> = FuturesUnordered::new();
    work.push(Box::pin(write_ordered(stream, link, around)));
    work.push(Box::pin(push_bodies(link, around)));
    for _ in 0..REQUESTS_IN_FLIGHT {
        work.push(Box::pin(ask_for_bodies(link, around)));
    }
    let (mut ordered_streams, mut body_streams) = (0, 0);
    loop {
        tokio::select! {
            biased;
            reason = &mut closed => return (reason, true),
            Some(ended) = work.next() => match ended {
                Ended::Link(reason) => return (reason, true),
                Ended::OrderedStream => ordered_streams -= 1,
                Ended::BodyStream => body_streams -= 1,
            },
            Some((channel, stream)) = inbound.recv() => match channel {
                Channel::Ordered if ordered_streams < INBOUND_ORDERED_STREAMS => {
                    ordered_streams += 1;
                    work.push(Box::pin(read_ordered(stream, link, around)));
                }
                Channel::Body if body_streams < INBOUND_BODY_STREAMS => {
                    body_streams += 1;
                    work.push(Box::pin(serve_body(stream, link, around)));
                }
                // The stream is reset by its drop.
                Channel::Ordered | Channel::Body => offend(link, around, Offence::OverBudget),
            },
        }
    }
}

/// Opens a stream on this link's connection.
async fn open(link: &Link, around: &Surroundings, channel: Channel) -> Result<Stream, OpenError> {
    let (reply, answer) = oneshot::channel();
    let wanted = Wanted { peer: link.peer, connection: link.origin.connection, channel, reply };
    if around.wanted.send(wanted).await.is_err() {
        return Err(OpenError::Failed("node stops".into()));
    }
    answer.await.unwrap_or_else(|_| Err(OpenError::Failed("connection closed".into())))
}

fn unopened(error: OpenError, around: &Surroundings) -> DownReason {
    match error {
        OpenError::Unsupported => {
            around.shared.metrics.refuse(Refusal::OtherNetwork);
            DownReason::OtherNetwork
        }
        OpenError::Failed(reason) => DownReason::Lost(reason),
    }
}

fn offend(link: &Link, around: &Surroundings, offence: Offence) {
    around.shared.metrics.resets.one();
    around.shared.offend(link.peer, offence);
}

/// Keeps our ordered stream open and fed.
async fn write_ordered(first: Stream, link: &Link, around: &Surroundings) -> Ended {
    let mut stream = first;
    loop {
        let error = ordered::write(stream, link).await;
        tracing::debug!(peer = %link.peer, %error, "ordered stream ended");
        tokio::time::sleep(REOPEN_AFTER).await;
        stream = match open(link, around, Channel::Ordered).await {
            Ok(stream) => stream,
            Err(error) => return Ended::Link(unopened(error, around)),
        };
    }
}

async fn read_ordered(stream: Stream, link: &Link, around: &Surroundings) -> Ended {
    match ordered::read(stream, link, &around.shared, &around.events).await {
        ReadEnd::Closed => {}
        ReadEnd::Offence(offence) => offend(link, around, offence),
    }
    Ended::OrderedStream
}

async fn serve_body(stream: Stream, link: &Link, around: &Surroundings) -> Ended {
    if let Err(end) = body::serve(stream, link, &around.shared, &around.events).await {
        tracing::debug!(peer = %link.peer, ?end, "inbound transfer ended early");
        if let Some(offence) = end.offence() {
            offend(link, around, offence);
        }
    }
    Ended::BodyStream
}

/// Sends pushed bodies, one after the other. A body that fails is not sent again: the peer asks for what it lacks.
async fn push_bodies(link: &Link, around: &Surroundings) -> Ended {
    loop {
        let bytes = link.pushes.next().await;
        let stream = match open(link, around, Channel::Body).await {
            Ok(stream) => stream,
            Err(error) => return Ended::Link(unopened(error, around)),
        };
        if let Err(end) = body::push(stream, &bytes, link, &around.shared).await {
            tracing::debug!(peer = %link.peer, ?end, "push ended early");
            around.shared.metrics.bodies.dropped.one();
            link.counters.bodies.dropped.one();
        }
    }
}

/// Carries our requests, one after the other; several of these run beside each other.
async fn ask_for_bodies(link: &Link, around: &Surroundings) -> Ended {
    loop {
        let longest = u32::try_from(MAX_BODY_BYTES).expect("8 MiB fit");
        let Ok(room) = link.answer_room.clone().acquire_many_owned(longest).await else {
            return Ended::Link(DownReason::Stopped);
        };
        let (id, request) = link.requests.next().await;
        let stream = match open(link, around, Channel::Body).await {
            Ok(stream) => stream,
            // The request is an orphan that the end of the session answers.
            Err(error) => return Ended::Link(unopened(error, around)),
        };
        let (result, room) = match body::ask(stream, &request, room, link, &around.shared).await {
            Ok(Some((bytes, room))) => (Ok(bytes), Some(room)),
            Ok(None) => (Err(BodyError::Declined), None),
            Err(end) => {
                if let Some(offence) = end.offence() {
                    offend(link, around, offence);
                }
                (Err(end.into_error()), None)
            }
        };
        if link.requests.finish(id) {
            let event = NetworkEvent::BodyResponse { peer: link.peer, id, result };
            if around.events.bulk(event, room).await.is_err() {
                return Ended::Link(DownReason::Stopped);
            }
        }
    }
}
