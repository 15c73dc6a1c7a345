//! `NodeService`: the node about itself.

use crate::{
    NodeCheck, NodeCounter, NodeInfo, NodePeer, NodeStatus, PeerRole,
    core::{Core, clock_offset, read_at},
};
use octroi_ledger::{
    RULES_VERSION,
    network::{NetworkKind, NetworkRecord},
    state::Only,
};
use octroi_proto::v1::{self as pb, node_service_server::NodeService};
use tonic::{Request, Response, Status};

/// The service.
pub(crate) struct Node(pub(crate) Core);

#[tonic::async_trait]
impl NodeService for Node {
    async fn get_node_info(
        &self,
        _: Request<pb::GetNodeInfoRequest>,
    ) -> Result<Response<pb::GetNodeInfoResponse>, Status> {
        let NodeInfo { version, consensus_key, network_key, genesis } = self.0.deps.node.info();
        let view = self.0.deps.views.newest();
        let network = view.state.get::<NetworkRecord>(&Only);
        Ok(Response::new(pb::GetNodeInfoResponse {
            version,
            rules_version: RULES_VERSION,
            network: view.state.network().as_bytes().to_vec(),
            network_name: network.map(|network| network.name.as_str().to_owned()).unwrap_or_default(),
            dev: network.is_some_and(|network| network.dev == NetworkKind::Dev),
            consensus_key: consensus_key.map(|key| key.as_bytes().to_vec()).unwrap_or_default(),
            network_key: network_key.as_bytes().to_vec(),
            genesis,
        }))
    }

    async fn get_status(&self, _: Request<pb::GetStatusRequest>) -> Result<Response<pb::GetStatusResponse>, Status> {
        let NodeStatus { checks, mempool_transactions, mempool_bytes, peers, transactions, counters } =
            self.0.deps.node.status();
        let view = self.0.deps.views.newest();
        let check = |NodeCheck { name, ok, detail }| pb::Check { name: String::from(name), ok, detail };
        let counter = |NodeCounter { name, value }| pb::Counter { name: String::from(name), value };
        Ok(Response::new(pb::GetStatusResponse {
            at: Some(read_at(&view)),
            ledger_time: self.0.ledger_time(&view).0,
            clock_offset: clock_offset(&view),
            ready: *self.0.deps.ready.borrow(),
            checks: checks.into_iter().map(check).collect(),
            mempool_transactions,
            mempool_bytes,
            validators: u32::try_from(view.state.validators().members().len()).unwrap_or(u32::MAX),
            peers,
            transactions,
            counters: counters.into_iter().map(counter).collect(),
        }))
    }

    async fn list_peers(&self, _: Request<pb::ListPeersRequest>) -> Result<Response<pb::ListPeersResponse>, Status> {
        let peer = |NodePeer { network_key, role, address, connected, height }| pb::Peer {
            network_key: network_key.as_bytes().to_vec(),
            role: match role {
                PeerRole::Validator => "validator".into(),
                PeerRole::Observer => "observer".into(),
            },
            address,
            connected,
            height: height.0,
        };
        Ok(Response::new(pb::ListPeersResponse { peers: self.0.deps.node.peers().into_iter().map(peer).collect() }))
    }
}
