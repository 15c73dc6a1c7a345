//! Where to listen, and every bound. The defaults are meant for a validator on the open network.

use std::{net::SocketAddr, time::Duration};

/// Where and how to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeConfig {
    /// Address and port; port 0 lets the system choose.
    pub address: SocketAddr,
    /// `None`: in clear.
    pub tls: Option<Tls>,
    /// The bounds.
    pub limits: Limits,
}

impl ServeConfig {
    /// In clear, with the default bounds.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, tls: None, limits: Limits::default() }
    }
}

/// Certificates, as the contents of PEM files.
#[derive(Clone, PartialEq, Eq)]
pub struct Tls {
    /// The server's certificate, then those up to its root.
    pub certificates: Vec<u8>,
    /// Its private key.
    pub key: Vec<u8>,
    /// What clients have to show.
    pub clients: ClientCertificates,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("clients", &self.clients).finish_non_exhaustive()
    }
}

/// Whether clients show a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Nobody is asked.
    NotAsked,
    /// Who shows one must be certified by these roots; its rate is counted by certificate.
    Optional(Vec<u8>),
    /// As before, and nobody gets in without.
    Required(Vec<u8>),
}

/// A token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Units that come back each second.
    pub each_second: u32,
    /// Most units at once.
    pub burst: u32,
}

/// Bounds of what callers can use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once, over all callers.
    pub connections: usize,
    /// Connections at once of one address.
    pub connections_each: usize,
    /// Time for a TLS handshake.
    pub handshake: Duration,
    /// Streams at once of a connection.
    pub streams: u32,
    /// Requests at once of a connection; more wait.
    pub requests_each: usize,
    /// Requests at once over all connections; more are shed.
    pub requests: usize,
    /// Requests at once that may carry megabytes of transactions, over all connections; more are shed.
    pub uploads: usize,
    /// Long-lived streams at once over all connections.
    pub subscriptions: usize,
    /// Scans of the state or the store at once; more wait.
    pub scans: usize,
    /// Exports of the chain at once.
    pub exports: usize,
    /// Requests of one caller.
    pub request_rate: Rate,
    /// Transactions of one caller; a stream is slowed down, anything else refused.
    pub transaction_rate: Rate,
    /// Callers whose rate is remembered.
    pub callers: usize,
    /// Bytes of a request of a read.
    pub read_bytes: usize,
    /// Bytes of a message that carries transactions.
    pub submit_bytes: usize,
    /// Bytes of an answer.
    pub answer_bytes: usize,
    /// Bytes of the headers of a request.
    pub header_bytes: u32,
    /// Time for a request that is no stream, waiting for a commit apart.
    pub request: Duration,
    /// Longest wait for a commit.
    pub wait: Duration,
    /// A client stream that sends nothing for so long is ended.
    pub idle: Duration,
    /// A ping is sent after so long without a sign of life.
    pub keepalive: Duration,
    /// And its answer waited for.
    pub keepalive_timeout: Duration,
    /// After so long a connection is asked to come again.
    pub connection_age: Duration,
    /// Transactions of one stream whose commit is awaited; then reading stops until some are.
    pub awaited_each: usize,
    /// Transactions whose commit is awaited, over all callers.
    pub awaited: usize,
    /// At most so long between two messages of an event stream.
    pub heartbeat: Duration,
    /// Time to let requests end when the node stops.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_each: 128,
            handshake: Duration::from_secs(5),
            streams: 256,
            requests_each: 128,
            requests: 4096,
            uploads: 128,
            subscriptions: 1024,
            scans: 4,
            exports: 2,
            request_rate: Rate { each_second: 2_000, burst: 4_000 },
            transaction_rate: Rate { each_second: 50_000, burst: 100_000 },
            callers: 65_536,
            read_bytes: 64 * 1024,
            submit_bytes: 4 * 1024 * 1024,
            answer_bytes: 32 * 1024 * 1024,
            header_bytes: 16 * 1024,
            request: Duration::from_secs(30),
            wait: Duration::from_secs(60),
            idle: Duration::from_secs(60),
            keepalive: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(20),
            connection_age: Duration::from_secs(6 * 3600),
            awaited_each: 100_000,
            awaited: 1_000_000,
            heartbeat: Duration::from_secs(10),
            drain: Duration::from_secs(5),
        }
    }
}

/// Why the server does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Somebody listens there already.
    #[error("address {0} is in use")]
    AddressInUse(SocketAddr),
    /// The system does not let us listen there.
    #[error("cannot listen on {address}: {reason}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The certificates or the key cannot be used.
    #[error("tls: {0}")]
    Tls(String),
    /// The transport gave up.
    #[error("grpc server: {0}")]
    Transport(String),
}
