//! Transfers of bodies: asked for or pushed, in chunks, each answered before the next is sent.
//!
//! Promises: over all transfers to one peer there is one unanswered chunk, so that a vote waits for at most one; a body's
//! announced length is checked before room for it is taken, and room is taken before a byte is read; every wait ends.
//! Nobody waits for room while the other side waits to be told that its chunk arrived, for all its transfers to us would then
//! stand still: who asks takes room for the longest answer first, and a push that finds no room is reset.
//! See the crate's page for the wire form.

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::config::{CHUNK_BYTES, MAX_BODY_BYTES, MAX_REQUEST_BYTES};
use crate::error::BodyError;
use crate::event::{EventSender, NetworkEvent, RequestToken};
use crate::handle::Shared;
use crate::link::{Link, lock};
use crate::score::Offence;

const ASK: u8 = 0x01;
const PUSH: u8 = 0x02;
const FOUND: u8 = 0x00;
const DECLINED: u8 = 0x01;
const CHUNK_RECEIVED: u8 = 0x06;

/// Why a transfer ended early.
#[derive(Debug)]
pub(crate) enum TransferEnd {
    /// The stream or the connection ended, or the daemon is gone.
    Lost(String),
    /// No progress.
    TimedOut,
    /// The peer announced more than the bound.
    TooLarge(usize),
    /// The peer broke the framing.
    Malformed(&'static str),
    /// The peer is over its budget.
    OverBudget,
}

impl TransferEnd {
    /// What the peer is scored for, if anything.
    pub(crate) fn offence(&self) -> Option<Offence> {
        match self {
            TransferEnd::Lost(_) => None,
            TransferEnd::TimedOut => Some(Offence::Unhelpful),
            TransferEnd::TooLarge(_) => Some(Offence::TooLarge),
            TransferEnd::Malformed(_) => Some(Offence::Malformed),
            TransferEnd::OverBudget => Some(Offence::OverBudget),
        }
    }

    /// What the daemon is told about a request of its own.
    pub(crate) fn into_error(self) -> BodyError {
        match self {
            TransferEnd::Lost(reason) => BodyError::ConnectionLost(reason),
            TransferEnd::TimedOut => BodyError::TimedOut,
            TransferEnd::TooLarge(size) => BodyError::TooLarge { size, limit: MAX_BODY_BYTES },
            TransferEnd::Malformed(what) => BodyError::Malformed(what),
            TransferEnd::OverBudget => BodyError::Malformed("more bodies than the budget"),
        }
    }
}

impl From<io::Error> for TransferEnd {
    fn from(error: io::Error) -> Self {
        TransferEnd::Lost(error.to_string())
    }
}

/// Waits for I/O, but not longer than the limit.
async fn soon<T>(limit: Duration, io: impl Future<Output = io::Result<T>>) -> Result<T, TransferEnd> {
    match timeout(limit, io).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(TransferEnd::TimedOut),
    }
}

async fn read_length<S: AsyncRead + Unpin>(stream: &mut S, limit: Duration) -> Result<usize, TransferEnd> {
    let mut length = [0; 4];
    soon(limit, stream.read_exact(&mut length)).await?;
    Ok(u32::from_be_bytes(length) as usize)
}

fn head(kind: u8, length: usize) -> [u8; 5] {
    let length = u32::try_from(length).expect("a body is at most 8 MiB");
    let [a, b, c, d] = length.to_be_bytes();
    [kind, a, b, c, d]
}

/// Asks for a body and waits for it whole. `room` is for the longest answer; what the body occupies of it comes back with it.
pub(crate) async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    request: &[u8],
    mut room: OwnedSemaphorePermit,
    link: &Link,
    shared: &Shared,
) -> Result<Option<(Bytes, OwnedSemaphorePermit)>, TransferEnd> {
    let limit = shared.config.body_timeout;
    let mut question = Vec::with_capacity(5 + request.len());
    question.extend_from_slice(&head(ASK, request.len()));
    question.extend_from_slice(request);
    soon(limit, stream.write_all(&question)).await?;
    soon(limit, stream.flush()).await?;
    count_sent(link, shared, question.len());
    let mut status = [0; 1];
    // The other side gives its daemon one limit to answer; the answer may then take another to come through.
    soon(limit * 2, stream.read_exact(&mut status)).await?;
    let body = match status[0] {
        FOUND => {
            let length = announced(&mut stream, link, limit).await?;
            let Some(occupied) = room.split(length) else {
                return Err(TransferEnd::TooLarge(length));
            };
            drop(room);
            Some((receive(&mut stream, length, link, shared).await?, occupied))
        }
        DECLINED => None,
        _ => return Err(TransferEnd::Malformed("unknown status of an answer")),
    };
    // The body is whole; whether the stream closes neatly changes nothing.
    let _ = timeout(limit, stream.close()).await;
    Ok(body)
}

/// Sends a body unasked and waits until the peer has it.
pub(crate) async fn push<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    body: &[u8],
    link: &Link,
    shared: &Shared,
) -> Result<(), TransferEnd> {
    send(&mut stream, PUSH, body, link, shared).await?;
    let _ = timeout(shared.config.body_timeout, stream.close()).await;
    Ok(())
}

/// Serves one stream that the peer opened, a question or a push.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    link: &Link,
    shared: &Shared,
    events: &EventSender,
) -> Result<(), TransferEnd> {
    let limit = shared.config.body_timeout;
    let mut kind = [0; 1];
    soon(limit, stream.read_exact(&mut kind)).await?;
    match kind[0] {
        ASK => answer(&mut stream, link, shared, events).await?,
        PUSH => {
            let length = announced(&mut stream, link, limit).await?;
            let wanted = u32::try_from(length).expect("a body is at most 8 MiB");
            let Ok(room) = link.push_room.clone().try_acquire_many_owned(wanted) else {
                return Err(TransferEnd::Lost("no room for a push".into()));
            };
            let bytes = receive(&mut stream, length, link, shared).await?;
            let event = NetworkEvent::BodyPushed { peer: link.peer, bytes };
            events.bulk(event, Some(room)).await.map_err(|_| TransferEnd::Lost("node stops".into()))?;
        }
        _ => return Err(TransferEnd::Malformed("unknown kind of transfer")),
    }
    let _ = timeout(limit, stream.close()).await;
    Ok(())
}

/// Hands a question to the daemon and carries its answer back.
async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    link: &Link,
    shared: &Shared,
    events: &EventSender,
) -> Result<(), TransferEnd> {
    let limit = shared.config.body_timeout;
    let length = read_length(stream, limit).await?;
    if length > MAX_REQUEST_BYTES {
        return Err(TransferEnd::TooLarge(length));
    }
    take_budget(link, length)?;
    let room = take_room(link, length, limit).await?;
    let mut request = vec![0; length];
    soon(limit, stream.read_exact(&mut request)).await?;
    link.heard();
    count_received(link, shared, 5 + length);

    let (token, waiting) = shared.expect_answer();
    let _forget = ForgetAnswer { shared, token };
    let event = NetworkEvent::BodyRequest { peer: link.peer, bytes: request.into(), token };
    events.bulk(event, Some(room)).await.map_err(|_| TransferEnd::Lost("node stops".into()))?;
    // A daemon that does not answer in time declines; that is no fault of the peer.
    match timeout(limit, waiting).await {
        Ok(Ok(Some(body))) => send(stream, FOUND, &body, link, shared).await,
        Ok(Ok(None)) | Ok(Err(_)) | Err(_) => {
            soon(limit, stream.write_all(&[DECLINED])).await?;
            soon(limit, stream.flush()).await
        }
    }
}

/// Takes the token back when the transfer ends first.
struct ForgetAnswer<'a> {
    shared: &'a Shared,
    token: RequestToken,
}

impl Drop for ForgetAnswer<'_> {
    fn drop(&mut self) {
        lock(&self.shared.answers).remove(&self.token);
    }
}

/// Sends `kind ‖ length` and the body, chunk by chunk.
async fn send<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    kind: u8,
    body: &[u8],
    link: &Link,
    shared: &Shared,
) -> Result<(), TransferEnd> {
    let limit = shared.config.body_timeout;
    soon(limit, stream.write_all(&head(kind, body.len()))).await?;
    for chunk in body.chunks(CHUNK_BYTES) {
        let Ok(_turn) = link.chunk.acquire().await else {
            return Err(TransferEnd::Lost("link closed".into()));
        };
        soon(limit, stream.write_all(chunk)).await?;
        soon(limit, stream.flush()).await?;
        let mut received = [0; 1];
        soon(limit, stream.read_exact(&mut received)).await?;
        if received[0] != CHUNK_RECEIVED {
            return Err(TransferEnd::Malformed("unknown answer to a chunk"));
        }
        link.heard();
    }
    soon(limit, stream.flush()).await?;
    count_sent(link, shared, 5 + body.len());
    Ok(())
}

/// Reads a body's length and judges it.
async fn announced<S: AsyncRead + Unpin>(stream: &mut S, link: &Link, limit: Duration) -> Result<usize, TransferEnd> {
    let length = read_length(stream, limit).await?;
    if length > MAX_BODY_BYTES {
        return Err(TransferEnd::TooLarge(length));
    }
    take_budget(link, length)?;
    Ok(length)
}

/// Receives a body of this length, chunk by chunk.
async fn receive<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    length: usize,
    link: &Link,
    shared: &Shared,
) -> Result<Bytes, TransferEnd> {
    let limit = shared.config.body_timeout;
    let mut body = Vec::with_capacity(length);
    while body.len() < length {
        let start = body.len();
        body.resize(length.min(start + CHUNK_BYTES), 0);
        soon(limit, stream.read_exact(&mut body[start..])).await?;
        soon(limit, stream.write_all(&[CHUNK_RECEIVED])).await?;
        soon(limit, stream.flush()).await?;
        link.heard();
    }
    count_received(link, shared, 5 + length);
    Ok(body.into())
}

fn take_budget(link: &Link, length: usize) -> Result<(), TransferEnd> {
    if lock(&link.body_budget).take(length, Instant::now()) { Ok(()) } else { Err(TransferEnd::OverBudget) }
}

/// Room for a question. When the daemon is slow, the wait ends and so does the transfer: the peer is not to blame.
async fn take_room(link: &Link, length: usize, limit: Duration) -> Result<OwnedSemaphorePermit, TransferEnd> {
    let wanted = u32::try_from(length).expect("a request is at most 64 KiB");
    match timeout(limit, link.question_room.clone().acquire_many_owned(wanted)).await {
        Ok(Ok(room)) => Ok(room),
        Ok(Err(_)) => Err(TransferEnd::Lost("link closed".into())),
        Err(_) => Err(TransferEnd::Lost("no room for a question".into())),
    }
}

fn count_sent(link: &Link, shared: &Shared, bytes: usize) {
    shared.metrics.bodies.sent(bytes);
    link.counters.bodies.sent(bytes);
}

fn count_received(link: &Link, shared: &Shared, bytes: usize) {
    shared.metrics.bodies.received(bytes);
    link.counters.bodies.received(bytes);
}
