//! Why the network refuses or fails; one enum for the crate, and small ones for single calls.

use std::net::SocketAddr;

/// A fault that keeps the network from running.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The listening socket could not be opened; most often the port is in use.
    #[error("cannot listen on {address}: {reason}")]
    ListenFailed {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        reason: String,
    },
    /// The transport's keys or parameters were refused by the library.
    #[error("cannot set up the {part}: {reason}")]
    SetupFailed {
        /// Which part.
        part: &'static str,
        /// What the library said.
        reason: String,
    },
    /// The configuration contradicts itself.
    #[error("network setting {setting}: {reason}")]
    ConfigInvalid {
        /// Name of the field of [`NetworkConfig`](crate::NetworkConfig).
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The listening socket closed while the node ran.
    #[error("the listener on {address} closed: {reason}")]
    ListenerClosed {
        /// The bound address.
        address: SocketAddr,
        /// What the system said.
        reason: String,
    },
}

/// Why a call on the handle did nothing. None of these is a fault: the caller re-sends, asks another peer, or lets it be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum SendRefused {
    /// No connection to this peer is up.
    #[error("peer is not connected")]
    NotConnected,
    /// The bytes are longer than the channel or the kind of frame carries.
    #[error("{size} bytes are more than the {limit} the channel carries")]
    TooLarge {
        /// Length offered.
        size: usize,
        /// Length carried.
        limit: usize,
    },
    /// The kind of frame is not in the table of the configuration.
    #[error("frame kind {0} is not in the table")]
    UnknownKind(u8),
    /// The bounded queue is full; the new item was not taken.
    #[error("queue is full")]
    QueueFull,
    /// The network has stopped.
    #[error("network has stopped")]
    Stopped,
}

/// Why a body that was asked for did not arrive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The peer has no answer.
    #[error("peer declined")]
    Declined,
    /// The connection ended, or the stream was reset.
    #[error("connection lost: {0}")]
    ConnectionLost(String),
    /// No progress within the time allowed.
    #[error("timed out")]
    TimedOut,
    /// The answer announced more bytes than allowed; the peer is scored.
    #[error("answer of {size} bytes exceeds {limit}")]
    TooLarge {
        /// Announced length.
        size: usize,
        /// The bound.
        limit: usize,
    },
    /// The peer broke the framing; it is scored.
    #[error("peer broke the body protocol: {0}")]
    Malformed(&'static str),
}
