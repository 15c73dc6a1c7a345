//! One connection to one peer, as the handle, the driver and the session see it: bounded queues, counters, and the end.
//!
//! Promises: every method returns at once; queues never exceed their written bounds; once closed, nothing is queued any more.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use libp2p::swarm::ConnectionId;
use tokio::sync::{Notify, Semaphore, watch};

use crate::config::{
    INBOUND_ANSWER_BYTES, INBOUND_FRAME_BYTES, INBOUND_PUSH_BYTES, INBOUND_QUESTION_BYTES, NetworkConfig, OUTBOX_BYTES,
    OUTBOX_FRAMES, PUSH_QUEUE, REQUEST_QUEUE, Role,
};
use crate::error::SendRefused;
use crate::event::{DownReason, RequestId};
use crate::frame::{HEAD_BYTES, encode};
use crate::key::PeerKey;
use crate::metrics::ChannelCounters;
use crate::score::Bucket;

/// Frames written together at most, bytes: what one flush carries.
const COALESCED_BYTES: usize = 64 * 1024;

/// A poisoned lock only says that another thread panicked; every critical section here leaves its data whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// We dialled.
    Outbound,
    /// The peer dialled.
    Inbound,
}

/// Ordered frames that wait for one peer.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: Mutex<OutboxQueue>,
    ready: Notify,
}

#[derive(Debug, Default)]
struct OutboxQueue {
    frames: VecDeque<(u8, Bytes)>,
    bytes: usize,
}

impl Outbox {
    /// Queues a frame; returns how many of the oldest were dropped to make room.
    pub(crate) fn push(&self, kind: u8, payload: Bytes) -> usize {
        let mut queue = lock(&self.queue);
        queue.bytes += payload.len() + HEAD_BYTES;
        queue.frames.push_back((kind, payload));
        let mut dropped = 0;
        while queue.frames.len() > OUTBOX_FRAMES || queue.bytes > OUTBOX_BYTES {
            let Some((_, oldest)) = queue.frames.pop_front() else {
                break;
            };
            queue.bytes -= oldest.len() + HEAD_BYTES;
            dropped += 1;
        }
        let was_empty = queue.frames.len() == 1;
        drop(queue);
        if was_empty {
            self.ready.notify_one();
        }
        dropped
    }

    /// Encodes waiting frames behind each other, up to what one flush carries; waits for the first. Returns their number.
    pub(crate) async fn fill(&self, buffer: &mut Vec<u8>) -> usize {
        loop {
            let count = self.fill_now(buffer);
            if count > 0 {
                return count;
            }
            self.ready.notified().await;
        }
    }

    fn fill_now(&self, buffer: &mut Vec<u8>) -> usize {
        let mut queue = lock(&self.queue);
        let mut count = 0;
        while let Some((kind, payload)) = queue.frames.front() {
            if count > 0 && buffer.len() + HEAD_BYTES + payload.len() > COALESCED_BYTES {
                break;
            }
            encode(*kind, payload, buffer);
            queue.bytes -= payload.len() + HEAD_BYTES;
            queue.frames.pop_front();
            count += 1;
        }
        count
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.queue).frames.is_empty()
    }

    /// Takes over what a replaced connection had not sent, in its order.
    pub(crate) fn inherit(&self, older: &Outbox) {
        let frames = {
            let mut queue = lock(&older.queue);
            queue.bytes = 0;
            std::mem::take(&mut queue.frames)
        };
        for (kind, payload) in frames {
            self.push(kind, payload);
        }
    }
}

/// Bodies that wait to be pushed to one peer.
#[derive(Debug, Default)]
pub(crate) struct PushQueue {
    bodies: Mutex<VecDeque<Bytes>>,
    ready: Notify,
}

impl PushQueue {
    /// Queues a body; returns how many of the oldest were dropped to make room.
    pub(crate) fn push(&self, body: Bytes) -> usize {
        let mut bodies = lock(&self.bodies);
        bodies.push_back(body);
        let dropped = bodies.len().saturating_sub(PUSH_QUEUE);
        bodies.drain(..dropped);
        drop(bodies);
        self.ready.notify_one();
        dropped
    }

    pub(crate) async fn next(&self) -> Bytes {
        loop {
            if let Some(body) = lock(&self.bodies).pop_front() {
                return body;
            }
            self.ready.notified().await;
        }
    }
}

/// Requests of ours to one peer: waiting, and in flight.
#[derive(Debug, Default)]
pub(crate) struct RequestQueue {
    state: Mutex<Requests>,
    ready: Notify,
}

#[derive(Debug, Default)]
struct Requests {
    closed: bool,
    waiting: VecDeque<(RequestId, Bytes)>,
    in_flight: BTreeSet<RequestId>,
}

impl RequestQueue {
    pub(crate) fn push(&self, id: RequestId, request: Bytes) -> Result<(), SendRefused> {
        let mut state = lock(&self.state);
        if state.closed {
            return Err(SendRefused::NotConnected);
        }
        if state.waiting.len() >= REQUEST_QUEUE {
            return Err(SendRefused::QueueFull);
        }
        state.waiting.push_back((id, request));
        drop(state);
        self.ready.notify_one();
        Ok(())
    }

    pub(crate) async fn next(&self) -> (RequestId, Bytes) {
        loop {
            let taken = {
                let mut state = lock(&self.state);
                let taken = state.waiting.pop_front();
                if let Some((id, _)) = &taken {
                    state.in_flight.insert(*id);
                }
                // Several lanes wait, and a notification wakes one: who takes one of several wakes the next.
                if !state.waiting.is_empty() {
                    self.ready.notify_one();
                }
                taken
            };
            if let Some(request) = taken {
                return request;
            }
            self.ready.notified().await;
        }
    }

    /// False when the request was already answered by [`Self::close`].
    pub(crate) fn finish(&self, id: RequestId) -> bool {
        lock(&self.state).in_flight.remove(&id)
    }

    /// Takes no more requests; returns those that will never be answered by the peer.
    pub(crate) fn close(&self) -> Vec<RequestId> {
        let mut state = lock(&self.state);
        state.closed = true;
        let mut orphans: Vec<RequestId> = std::mem::take(&mut state.in_flight).into_iter().collect();
        orphans.extend(state.waiting.drain(..).map(|(id, _)| id));
        orphans
    }
}

/// What one peer sent and received over one connection.
#[derive(Debug, Default)]
pub(crate) struct LinkCounters {
    pub(crate) ordered: ChannelCounters,
    pub(crate) bodies: ChannelCounters,
    pub(crate) gossip: ChannelCounters,
}

/// Where a connection comes from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) connection: ConnectionId,
    pub(crate) address: String,
    pub(crate) direction: Direction,
}

/// One connection to one peer.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) peer: PeerKey,
    pub(crate) origin: Origin,
    pub(crate) since: SystemTime,
    pub(crate) outbox: Outbox,
    pub(crate) pushes: PushQueue,
    pub(crate) requests: RequestQueue,
    pub(crate) counters: LinkCounters,
    /// One permit: who holds it has the one body chunk in flight.
    pub(crate) chunk: Semaphore,
    pub(crate) frame_room: Arc<Semaphore>,
    pub(crate) question_room: Arc<Semaphore>,
    pub(crate) push_room: Arc<Semaphore>,
    pub(crate) answer_room: Arc<Semaphore>,
    pub(crate) body_budget: Mutex<Bucket>,
    validator: AtomicBool,
    up: AtomicBool,
    was_up: AtomicBool,
    started: Instant,
    heard_millis: AtomicU64,
    closed: watch::Sender<Option<DownReason>>,
}

impl Link {
    pub(crate) fn new(peer: PeerKey, role: Role, origin: Origin, config: &NetworkConfig) -> Self {
        let now = Instant::now();
        Self {
            peer,
            origin,
            since: SystemTime::now(),
            outbox: Outbox::default(),
            pushes: PushQueue::default(),
            requests: RequestQueue::default(),
            counters: LinkCounters::default(),
            chunk: Semaphore::new(1),
            frame_room: Arc::new(Semaphore::new(INBOUND_FRAME_BYTES)),
            question_room: Arc::new(Semaphore::new(INBOUND_QUESTION_BYTES)),
            push_room: Arc::new(Semaphore::new(INBOUND_PUSH_BYTES)),
            answer_room: Arc::new(Semaphore::new(INBOUND_ANSWER_BYTES)),
            body_budget: Mutex::new(Bucket::new(config.body_budget, now)),
            validator: AtomicBool::new(role == Role::Validator),
            up: AtomicBool::new(false),
            was_up: AtomicBool::new(false),
            started: now,
            heard_millis: AtomicU64::new(0),
            closed: watch::Sender::new(None),
        }
    }

    pub(crate) fn role(&self) -> Role {
        if self.validator.load(Ordering::Relaxed) { Role::Validator } else { Role::Observer }
    }

    pub(crate) fn set_role(&self, role: Role) {
        self.validator.store(role == Role::Validator, Ordering::Relaxed);
    }

    /// Whether the peer can be sent to.
    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }

    pub(crate) fn set_up(&self) {
        self.was_up.store(true, Ordering::Relaxed);
        self.up.store(true, Ordering::Release);
    }

    /// Whether the peer could ever be sent to.
    pub(crate) fn worked(&self) -> bool {
        self.was_up.load(Ordering::Relaxed)
    }

    /// Takes the link down for good; the first reason stays.
    pub(crate) fn close(&self, reason: DownReason) {
        self.up.store(false, Ordering::Release);
        self.closed.send_if_modified(|closed| {
            let first = closed.is_none();
            if first {
                *closed = Some(reason);
            }
            first
        });
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.borrow().is_some()
    }

    /// Resolves when the link is closed.
    pub(crate) async fn closed(&self) -> DownReason {
        let mut closed = self.closed.subscribe();
        match closed.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or(DownReason::Stopped),
            Err(_) => DownReason::Stopped,
        }
    }

    /// The peer gave a sign of life.
    pub(crate) fn heard(&self) {
        let millis = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard_millis.store(millis, Ordering::Relaxed);
    }

    /// How long the peer has been silent.
    pub(crate) fn silence(&self) -> Duration {
        self.started.elapsed().saturating_sub(Duration::from_millis(self.heard_millis.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MAX_FRAME_BYTES;

    #[test]
    fn a_full_outbox_drops_the_oldest_frames_and_counts_them() {
        let outbox = Outbox::default();
        let mut dropped = 0;
        for index in 0..OUTBOX_FRAMES as u32 + 10 {
            dropped += outbox.push(1, Bytes::copy_from_slice(&index.to_be_bytes()));
        }
        assert_eq!(dropped, 10);
        let mut buffer = Vec::new();
        assert!(outbox.fill_now(&mut buffer) > 0);
        assert_eq!(buffer[HEAD_BYTES..HEAD_BYTES + 4], 10u32.to_be_bytes());
    }

    #[test]
    fn an_outbox_is_bounded_in_bytes_too() {
        let outbox = Outbox::default();
        let frame = Bytes::from(vec![0; MAX_FRAME_BYTES]);
        let fit = OUTBOX_BYTES / (MAX_FRAME_BYTES + HEAD_BYTES);
        for _ in 0..fit {
            assert_eq!(outbox.push(1, frame.clone()), 0);
        }
        assert_eq!(outbox.push(1, frame.clone()), 1);
        assert!(lock(&outbox.queue).bytes <= OUTBOX_BYTES);
    }

    #[test]
    fn one_flush_carries_many_small_frames_but_at_least_one_large() {
        let outbox = Outbox::default();
        for _ in 0..3 {
            outbox.push(1, Bytes::from_static(b"vote"));
        }
        outbox.push(2, Bytes::from(vec![0; MAX_FRAME_BYTES]));
        let mut buffer = Vec::new();
        assert_eq!(outbox.fill_now(&mut buffer), 3);
        buffer.clear();
        assert_eq!(outbox.fill_now(&mut buffer), 1);
        assert_eq!(buffer.len(), MAX_FRAME_BYTES + HEAD_BYTES);
        assert!(outbox.is_empty());
    }

    #[test]
    fn frames_of_a_replaced_connection_come_first_and_in_order() {
        let (older, newer) = (Outbox::default(), Outbox::default());
        older.push(1, Bytes::from_static(b"a"));
        older.push(1, Bytes::from_static(b"b"));
        newer.inherit(&older);
        newer.push(1, Bytes::from_static(b"c"));
        let mut buffer = Vec::new();
        assert_eq!(newer.fill_now(&mut buffer), 3);
        assert_eq!([buffer[5], buffer[11], buffer[17]], [b'a', b'b', b'c']);
        assert!(older.is_empty());
    }

    #[test]
    fn a_closed_request_queue_returns_every_orphan_once() {
        let queue = RequestQueue::default();
        queue.push(RequestId(1), Bytes::new()).unwrap();
        queue.push(RequestId(2), Bytes::new()).unwrap();
        let taken = futures::FutureExt::now_or_never(queue.next()).unwrap();
        assert_eq!(taken.0, RequestId(1));
        assert_eq!(queue.close(), [RequestId(1), RequestId(2)]);
        assert!(!queue.finish(RequestId(1)));
        assert_eq!(queue.push(RequestId(3), Bytes::new()), Err(SendRefused::NotConnected));
    }

    #[test]
    fn a_full_request_queue_refuses_and_a_full_push_queue_drops_the_oldest() {
        let requests = RequestQueue::default();
        for index in 0..REQUEST_QUEUE as u64 {
            requests.push(RequestId(index), Bytes::new()).unwrap();
        }
        assert_eq!(requests.push(RequestId(99), Bytes::new()), Err(SendRefused::QueueFull));
        let pushes = PushQueue::default();
        let dropped: usize = (0..PUSH_QUEUE as u8 + 2).map(|index| pushes.push(Bytes::from(vec![index]))).sum();
        assert_eq!(dropped, 2);
        assert_eq!(futures::FutureExt::now_or_never(pushes.next()).unwrap()[..], [2]);
    }
}
