//! Both ends of the ordered channel: frames out of the outbox in one write and one flush, frames in to the first lane of events.
//!
//! Promises: frames of one stream arrive in the order they were queued; a reader that the daemon does not relieve stops
//! reading, and the peer's queue, not our memory, grows. See the crate's page for the wire form.

use std::io;
use std::time::Instant;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::event::{EventSender, NetworkEvent};
use crate::frame::{FrameBuffer, HEAD_BYTES};
use crate::handle::Shared;
use crate::link::Link;
use crate::score::{Bucket, Offence};

/// What a queued event costs beyond its payload, so that empty frames are bounded too.
const EVENT_OVERHEAD_BYTES: usize = 128;

/// Writes frames until the stream fails.
pub(crate) async fn write<S: AsyncWrite + Unpin>(mut stream: S, link: &Link) -> io::Error {
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        link.outbox.fill(&mut buffer).await;
        if let Err(error) = stream.write_all(&buffer).await {
            return error;
        }
        if let Err(error) = stream.flush().await {
            return error;
        }
    }
}

/// Why a reader ended.
#[derive(Debug)]
pub(crate) enum ReadEnd {
    /// The peer closed or reset its stream, or the daemon is gone.
    Closed,
    /// The peer broke a bound; the stream is to be reset.
    Offence(Offence),
}

/// Reads frames until the stream ends or offends.
pub(crate) async fn read<S: AsyncRead + Unpin>(
    mut stream: S,
    link: &Link,
    shared: &Shared,
    events: &EventSender,
) -> ReadEnd {
    let mut buffer = FrameBuffer::new();
    let mut budget = Bucket::new(shared.config.ordered_budget, Instant::now());
    loop {
        let count = match stream.read(buffer.room()).await {
            Ok(0) | Err(_) => return ReadEnd::Closed,
            Ok(count) => count,
        };
        link.heard();
        buffer.filled(count);
        let now = Instant::now();
        loop {
            let (kind, bytes) = match buffer.next(&shared.limits) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(offence) => return ReadEnd::Offence(offence),
            };
            let size = HEAD_BYTES + bytes.len();
            if !budget.take(size, now) {
                return ReadEnd::Offence(Offence::OverBudget);
            }
            shared.metrics.ordered.received(size);
            link.counters.ordered.received(size);
            let cost = (bytes.len() + EVENT_OVERHEAD_BYTES) as u32;
            let Ok(room) = link.frame_room.clone().acquire_many_owned(cost).await else {
                return ReadEnd::Closed;
            };
            let event = NetworkEvent::Frame { peer: link.peer, kind, bytes };
            if events.priority(event, Some(room)).await.is_err() {
                return ReadEnd::Closed;
            }
        }
    }
}
