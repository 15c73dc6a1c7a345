//! Connections on their way in: counted, limited over all and by address, through the TLS handshake within its time.

use crate::{Limits, Metrics, tls::Certificates};
use futures::{FutureExt as _, Stream, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use octroi_primitives::hash;
use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{Sleep, sleep, timeout},
};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

/// Handshakes at once; further connections wait in the system's queue.
const HANDSHAKES: usize = 256;
/// Rest after an accept that failed, since that of too many files comes back at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Who calls, as far as a connection can tell: what rates are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Caller {
    /// By the certificate it showed.
    Certificate([u8; 32]),
    /// By its address; of IPv6 the first 64 bits.
    Address(IpAddr),
}

impl Caller {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                Self::Address(IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))))
            }
            address => Self::Address(address),
        }
    }
}

/// How many connections stand, over all and by address.
pub(crate) struct Doorman {
    all: usize,
    each: usize,
    open: Mutex<(usize, BTreeMap<Caller, usize>)>,
    metrics: Arc<Metrics>,
}

impl Doorman {
    pub(crate) fn new(limits: &Limits, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { all: limits.connections, each: limits.connections_each, open: Mutex::default(), metrics })
    }

    fn admit(self: &Arc<Self>, address: Caller) -> Option<Ticket> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, by_address) = &mut *open;
        let of_address = by_address.get(&address).copied().unwrap_or(0);
        if *all >= self.all || of_address >= self.each {
            self.metrics.connection_refused();
            return None;
        }
        *all += 1;
        by_address.insert(address, of_address + 1);
        self.metrics.connection_opened();
        Some(Ticket { doorman: self.clone(), address })
    }
}

/// One connection's place; given back when it is dropped.
struct Ticket {
    doorman: Arc<Doorman>,
    address: Caller,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut open = self.doorman.open.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, by_address) = &mut *open;
        *all = all.saturating_sub(1);
        match by_address.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                by_address.remove(&self.address);
            }
        }
        self.doorman.metrics.connection_closed();
    }
}

enum Transport {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection that was let in.
pub(crate) struct Connection {
    transport: Transport,
    caller: Caller,
    _ticket: Ticket,
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Clear(stream) => Pin::new(stream).poll_read(cx, buffer),
            Transport::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.transport {
            Transport::Clear(stream) => Pin::new(stream).poll_write(cx, bytes),
            Transport::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}

/// The stream of connections.
pub(crate) struct Incoming {
    listener: TcpListener,
    doorman: Arc<Doorman>,
    certificates: Certificates,
    handshake: Duration,
    handshakes: FuturesUnordered<BoxFuture<'static, Option<Connection>>>,
    pause: Option<Pin<Box<Sleep>>>,
    metrics: Arc<Metrics>,
}

impl Incoming {
    pub(crate) fn new(
        listener: TcpListener,
        limits: &Limits,
        certificates: Certificates,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            listener,
            doorman: Doorman::new(limits, metrics.clone()),
            certificates,
            handshake: limits.handshake,
            handshakes: FuturesUnordered::new(),
            pause: None,
            metrics,
        }
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<(TcpStream, SocketAddr)> {
        loop {
            if let Some(pause) = &mut self.pause {
                if pause.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.pause = None;
            }
            match self.listener.poll_accept(cx) {
                Poll::Ready(Ok(accepted)) => return Poll::Ready(accepted),
                Poll::Ready(Err(error)) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    self.pause = Some(Box::pin(sleep(PAUSE)));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Stream for Incoming {
    type Item = Result<Connection, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        while this.handshakes.len() < HANDSHAKES {
            let Poll::Ready((stream, address)) = this.poll_accept(cx) else { break };
            let caller = Caller::of(address.ip());
            // Dropping the stream closes the connection: the caller sees a reset, not a wait.
            let Some(ticket) = this.doorman.admit(caller) else { continue };
            let _ = stream.set_nodelay(true);
            match this.certificates.acceptor() {
                None => {
                    let connection = Connection { transport: Transport::Clear(stream), caller, _ticket: ticket };
                    return Poll::Ready(Some(Ok(connection)));
                }
                Some(acceptor) => {
                    let handshake = timeout(this.handshake, acceptor.accept(stream));
                    let metrics = this.metrics.clone();
                    this.handshakes.push(
                        async move {
                            let Ok(Ok(stream)) = handshake.await else {
                                metrics.connection_refused();
                                return None;
                            };
                            let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                            let caller = match certificate {
                                Some(shown) => {
                                    Caller::Certificate(hash("client-certificate", &[shown.as_ref()]).to_bytes())
                                }
                                None => caller,
                            };
                            let transport = Transport::Tls(Box::new(stream));
                            Some(Connection { transport, caller, _ticket: ticket })
                        }
                        .boxed(),
                    );
                }
            }
        }
        loop {
            match this.handshakes.poll_next_unpin(cx) {
                Poll::Ready(Some(Some(connection))) => return Poll::Ready(Some(Ok(connection))),
                Poll::Ready(Some(None)) => {}
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }
}
