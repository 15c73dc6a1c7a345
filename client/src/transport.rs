//! Connections to one or several nodes of a network, asked in turn when one does not answer.

use crate::error::{ClientError, Fault};
use octroi_primitives::{BlockTime, NetworkId};
use octroi_proto::v1::{
    self as pb, archive_service_client::ArchiveServiceClient, event_service_client::EventServiceClient,
    ledger_service_client::LedgerServiceClient, node_service_client::NodeServiceClient,
    transaction_service_client::TransactionServiceClient,
};
use std::{
    future::Future,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};
use tokio::sync::OnceCell;
use tonic::{
    Response, Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

/// Greatest answer that is read, bytes: a block with its receipts fits.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a read may take.
const READ: Duration = Duration::from_secs(30);
/// How often all nodes are asked in turn while they say that it passes.
const ATTEMPTS: u32 = 5;

/// Transport security: what to believe, and who we are.
#[derive(Clone, Default)]
pub struct Tls {
    /// Certificates that sign nodes, PEM.
    pub authorities: Option<Vec<u8>>,
    /// Our certificate chain and its secret key, PEM, for mutual TLS.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("authorities", &self.authorities.is_some())
            .field("identity", &self.identity.is_some())
            .finish()
    }
}

/// A network, seen through one or several of its nodes.
#[derive(Debug)]
pub struct Client {
    nodes: Vec<Node>,
    /// The node that answered last.
    current: AtomicUsize,
    info: OnceCell<NodeInfo>,
}

/// One endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) endpoint: String,
    pub(crate) channel: Channel,
}

/// What all nodes of a network say alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeInfo {
    /// Hash of the genesis.
    pub network: NetworkId,
    /// Name in the genesis; ids of genesis objects follow from it.
    pub network_name: String,
    /// Whether the clock may be stepped.
    pub dev: bool,
    /// Canonical bytes of the genesis.
    pub genesis: Vec<u8>,
}

macro_rules! services {
    ($($(#[$doc:meta])+ $name:ident: $client:ident;)+) => {$(
        $(#[$doc])+
        pub fn $name(channel: Channel) -> $client<Channel> {
            $client::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES)
        }
    )+};
}

services! {
    /// Submitting and looking up transactions.
    transactions: TransactionServiceClient;
    /// Blocks, accounts, postings.
    ledger: LedgerServiceClient;
    /// What happened.
    events: EventServiceClient;
    /// The node itself.
    node: NodeServiceClient;
    /// The whole chain.
    archive: ArchiveServiceClient;
}

impl Client {
    /// Names the nodes; connections come about when they are needed. An endpoint is `http://host:port`, `https://host:port` or `host:port`.
    ///
    /// # Errors
    /// No endpoint, one that is no address, or unusable TLS files.
    pub fn connect(endpoints: &[String], tls: Option<&Tls>) -> Result<Self, ClientError> {
        if endpoints.is_empty() {
            return Err(ClientError::NoEndpoint);
        }
        let nodes = endpoints.iter().map(|endpoint| node_of(endpoint, tls)).collect::<Result<_, _>>()?;
        Ok(Self { nodes, current: AtomicUsize::new(0), info: OnceCell::new() })
    }

    /// The endpoints, in the order given.
    pub fn endpoints(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|node| node.endpoint.as_str())
    }

    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Asks the node that answered last, then the others in turn. A request is sent again only as it was, so it must be one that may be repeated: a read, or
    /// the same signed bytes.
    ///
    /// # Errors
    /// The first answer that is an error of the request; [`ClientError::Unreachable`] when no node answers.
    pub async fn call<T, F>(&self, limit: Duration, ask: impl Fn(Channel) -> F) -> Result<T, ClientError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let mut failures: Vec<(String, String)> = Vec::new();
        for attempt in 0..ATTEMPTS {
            let first = self.current.load(Ordering::Relaxed);
            let mut wait = None;
            failures.clear();
            for offset in 0..self.nodes.len() {
                let index = (first + offset) % self.nodes.len();
                let Node { endpoint, channel } = &self.nodes[index];
                let answer = match tokio::time::timeout(limit, ask(channel.clone())).await {
                    Ok(answer) => answer.map_err(Fault::from),
                    Err(_) => Err(Fault::Broken(format!("no answer within {} s", limit.as_secs()))),
                };
                match answer {
                    Ok(answer) => {
                        self.current.store(index, Ordering::Relaxed);
                        return Ok(answer.into_inner());
                    }
                    Err(fault) if fault.elsewhere() => failures.push((endpoint.clone(), fault.words())),
                    Err(Fault::Answer(answer)) if answer.passes() && attempt + 1 < ATTEMPTS => {
                        wait =
                            Some(answer.retry_after.unwrap_or(Duration::from_millis(200)).min(Duration::from_secs(5)));
                        break;
                    }
                    Err(Fault::Answer(answer)) => return Err(ClientError::Answer(Box::new(answer))),
                    Err(Fault::Broken(words)) => failures.push((endpoint.clone(), words)),
                }
            }
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => break,
            }
        }
        Err(ClientError::Unreachable(failures))
    }

    /// [`Client::call`] with the time that a read may take.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn read<T, F>(&self, ask: impl Fn(Channel) -> F) -> Result<T, ClientError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        self.call(READ, ask).await
    }

    /// Which network this is; asked once.
    ///
    /// # Errors
    /// As [`Client::call`]; an answer without a network.
    pub async fn info(&self) -> Result<&NodeInfo, ClientError> {
        self.info
            .get_or_try_init(|| async {
                let answer = self
                    .read(|channel| async move { node(channel).get_node_info(pb::GetNodeInfoRequest {}).await })
                    .await?;
                let pb::GetNodeInfoResponse { network, network_name, dev, genesis, .. } = answer;
                Ok(NodeInfo {
                    network: NetworkId::try_from(network.as_slice())
                        .map_err(|_| ClientError::Incomplete("the network id is not 32 bytes"))?,
                    network_name,
                    dev,
                    genesis,
                })
            })
            .await
    }

    /// What [`Client::info`] has answered before, without asking.
    pub fn known_info(&self) -> Option<&NodeInfo> {
        self.info.get()
    }

    /// Ledger time now: the node's clock and the network's offset.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn ledger_time(&self) -> Result<BlockTime, ClientError> {
        let status =
            self.read(|channel| async move { node(channel).get_status(pb::GetStatusRequest {}).await }).await?;
        Ok(BlockTime(status.ledger_time))
    }
}

fn node_of(endpoint: &str, tls: Option<&Tls>) -> Result<Node, ClientError> {
    let wrong = |reason: &dyn std::fmt::Display| ClientError::Endpoint {
        endpoint: endpoint.to_owned(),
        reason: reason.to_string(),
    };
    let address = match endpoint.split_once("://") {
        Some(("http" | "https", _)) => endpoint.to_owned(),
        Some((other, _)) => return Err(wrong(&format!("{other} is neither http nor https"))),
        None if tls.is_some() => format!("https://{endpoint}"),
        None => format!("http://{endpoint}"),
    };
    let mut builder = Endpoint::from_shared(address.clone()).map_err(|error| wrong(&error))?;
    if builder.uri().host().is_none_or(str::is_empty) {
        return Err(wrong(&"it names no host"));
    }
    if address.starts_with("https://") {
        builder = builder.tls_config(tls_config(tls)).map_err(|error| wrong(&error))?;
    }
    let channel = builder
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(10))
        .initial_connection_window_size(8 * 1024 * 1024)
        .initial_stream_window_size(4 * 1024 * 1024)
        .user_agent(concat!("octroi-client/", env!("CARGO_PKG_VERSION")))
        .map_err(|error| wrong(&error))?
        .connect_lazy();
    Ok(Node { endpoint: address, channel })
}

fn tls_config(tls: Option<&Tls>) -> ClientTlsConfig {
    let mut config = ClientTlsConfig::new();
    if let Some(Tls { authorities, identity }) = tls {
        if let Some(pem) = authorities {
            config = config.ca_certificate(Certificate::from_pem(pem));
        }
        if let Some((chain, key)) = identity {
            config = config.identity(Identity::from_pem(chain, key));
        }
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_endpoint_is_a_host_and_a_port_with_or_without_a_scheme() {
        for good in ["127.0.0.1:27300", "http://localhost:1", "https://[::1]:443"] {
            assert!(Client::connect(&[good.to_owned()], None).is_ok(), "{good}");
        }
        for bad in ["", "ftp://x:1", "http://", "a b"] {
            assert!(matches!(Client::connect(&[bad.to_owned()], None), Err(ClientError::Endpoint { .. })), "{bad}");
        }
        assert!(matches!(Client::connect(&[], None), Err(ClientError::NoEndpoint)));
    }

    #[tokio::test]
    async fn nodes_that_do_not_answer_are_named_with_why() {
        // Port 1 of loopback: nothing listens there.
        let client = Client::connect(&["127.0.0.1:1".to_owned(), "localhost:1".to_owned()], None).unwrap();
        let error = client.info().await.unwrap_err();
        let ClientError::Unreachable(failures) = &error else { panic!("{error}") };
        assert_eq!(failures.len(), 2);
        assert!(
            error.to_string().contains("http://127.0.0.1:1: ") && error.to_string().to_lowercase().contains("refused"),
            "{error}"
        );
    }
}
