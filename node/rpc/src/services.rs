//! The services of package `octroi.v1`, each with the size of its messages.

use crate::{Limits, core::Core, node_service::Node, transaction::Transactions};
use octroi_proto::v1::{node_service_server::NodeServiceServer, transaction_service_server::TransactionServiceServer};
use tonic::service::Routes;

/// Names that the health service knows.
pub(crate) const NAMES: &[&str] = &["octroi.v1.TransactionService", "octroi.v1.NodeService"];

pub(crate) fn routes(core: &Core, limits: &Limits) -> Routes {
    let (reads, answers) = (limits.read_bytes, limits.answer_bytes);
    Routes::new(
        TransactionServiceServer::new(Transactions(core.clone()))
            .max_decoding_message_size(limits.submit_bytes)
            .max_encoding_message_size(answers),
    )
    .add_service(
        NodeServiceServer::new(Node(core.clone())).max_decoding_message_size(reads).max_encoding_message_size(answers),
    )
}
