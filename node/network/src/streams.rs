//! Streams of our own protocols on chosen connections: a small libp2p behaviour that negotiates them and hands them over.
//!
//! Promises: an inbound stream is never lost between negotiation and the driver; an outbound stream is opened on exactly the
//! connection named, so that of two connections to one peer the one about to be closed is not used by chance.
//! Must not know: what is said on a stream.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::swarm::handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
    NotifyHandler, Stream, StreamProtocol, StreamUpgradeError, SubstreamProtocol, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::oneshot;

/// A stream that is not negotiated in this time is given up.
const NEGOTIATION_TIMEOUT: Duration = Duration::from_secs(5);

/// What a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Channel {
    /// Frames in order, one direction, kept open.
    Ordered,
    /// One transfer.
    Body,
}

/// The protocol names of one network.
#[derive(Clone, Debug)]
pub(crate) struct Protocols {
    ordered: StreamProtocol,
    body: StreamProtocol,
}

impl Protocols {
    pub(crate) fn new(network_prefix: &str) -> Self {
        let name = |channel: &str| {
            StreamProtocol::try_from_owned(format!("/octroi/{network_prefix}/{channel}/1"))
                .expect("the name starts with a slash")
        };
        Self { ordered: name("ordered"), body: name("body") }
    }

    fn named(&self, channel: Channel) -> Named {
        let name = match channel {
            Channel::Ordered => self.ordered.clone(),
            Channel::Body => self.body.clone(),
        };
        Named { channel, name }
    }
}

/// Why a stream could not be opened.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// The peer does not speak this protocol.
    Unsupported,
    /// Anything else; the connection is most likely gone.
    Failed(String),
}

/// What is wanted of a handler: a stream, to be sent to `reply`.
#[derive(Debug)]
pub(crate) struct OpenStream {
    channel: Channel,
    reply: oneshot::Sender<Result<Stream, OpenError>>,
}

/// A stream that a peer opened.
#[derive(Debug)]
pub(crate) struct InboundStream {
    pub(crate) peer: PeerId,
    pub(crate) connection: ConnectionId,
    pub(crate) channel: Channel,
    pub(crate) stream: Stream,
}

/// The behaviour.
pub(crate) struct Behaviour {
    protocols: Protocols,
    actions: VecDeque<ToSwarm<InboundStream, OpenStream>>,
    waker: Option<Waker>,
}

impl Behaviour {
    pub(crate) fn new(protocols: Protocols) -> Self {
        Self { protocols, actions: VecDeque::new(), waker: None }
    }

    /// Opens a stream. When the connection is gone, `reply` is dropped.
    pub(crate) fn open(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        channel: Channel,
        reply: oneshot::Sender<Result<Stream, OpenError>>,
    ) {
        self.actions.push_back(ToSwarm::NotifyHandler {
            peer_id: peer,
            handler: NotifyHandler::One(connection),
            event: OpenStream { channel, reply },
        });
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn handler(&self) -> Handler {
        Handler { protocols: self.protocols.clone(), wanted: VecDeque::new(), arrived: VecDeque::new() }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = InboundStream;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler())
    }

    fn on_swarm_event(&mut self, _: FromSwarm) {}

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        (channel, stream): THandlerOutEvent<Self>,
    ) {
        self.actions.push_back(ToSwarm::GenerateEvent(InboundStream { peer, connection, channel, stream }));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        match self.actions.pop_front() {
            Some(action) => Poll::Ready(action),
            None => {
                self.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// The part that lives with one connection.
pub(crate) struct Handler {
    protocols: Protocols,
    wanted: VecDeque<OpenStream>,
    arrived: VecDeque<(Channel, Stream)>,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = OpenStream;
    type ToBehaviour = (Channel, Stream);
    type InboundProtocol = Upgrade;
    type OutboundProtocol = Upgrade;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = OpenStream;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        let offered = vec![self.protocols.named(Channel::Ordered), self.protocols.named(Channel::Body)];
        SubstreamProtocol::new(Upgrade { offered }, ()).with_timeout(NEGOTIATION_TIMEOUT)
    }

    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Self::OutboundOpenInfo, Self::ToBehaviour>> {
        if let Some(arrived) = self.arrived.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(arrived));
        }
        if let Some(wanted) = self.wanted.pop_front() {
            let offered = vec![self.protocols.named(wanted.channel)];
            let protocol = SubstreamProtocol::new(Upgrade { offered }, wanted).with_timeout(NEGOTIATION_TIMEOUT);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        // Both queues are filled only by the two methods below, after which the connection polls again.
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, wanted: OpenStream) {
        self.wanted.push_back(wanted);
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<Self::InboundProtocol, Self::OutboundProtocol, (), Self::OutboundOpenInfo>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, info: () }) => {
                self.arrived.push_back(protocol);
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol: (_, stream), info }) => {
                // Who asked may have given up meanwhile; the stream is then reset by its drop.
                let _ = info.reply.send(Ok(stream));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error }) => {
                let error = match error {
                    StreamUpgradeError::NegotiationFailed => OpenError::Unsupported,
                    StreamUpgradeError::Timeout => OpenError::Failed("stream negotiation timed out".into()),
                    StreamUpgradeError::Io(error) => OpenError::Failed(error.to_string()),
                    StreamUpgradeError::Apply(never) => match never {},
                };
                let _ = info.reply.send(Err(error));
            }
            // The rest tells of addresses and of protocols of others.
            _ => {}
        }
    }
}

/// One of our protocol names with its meaning.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    channel: Channel,
    name: StreamProtocol,
}

impl AsRef<str> for Named {
    fn as_ref(&self) -> &str {
        self.name.as_ref()
    }
}

/// Negotiates one of the offered protocols and adds nothing to it.
#[derive(Debug)]
pub(crate) struct Upgrade {
    offered: Vec<Named>,
}

impl UpgradeInfo for Upgrade {
    type Info = Named;
    type InfoIter = std::vec::IntoIter<Named>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.offered.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Upgrade {
    type Output = (Channel, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, stream: Stream, chosen: Named) -> Self::Future {
        ready(Ok((chosen.channel, stream)))
    }
}

impl OutboundUpgrade<Stream> for Upgrade {
    type Output = (Channel, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_outbound(self, stream: Stream, chosen: Named) -> Self::Future {
        ready(Ok((chosen.channel, stream)))
    }
}
