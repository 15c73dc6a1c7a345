//! The services of package `octroi.v1`, each with the size of its messages.

use crate::{
    Limits, archive::Archive, core::Core, event::Events, funding::Funding, ledger::Ledger, node_service::Node,
    transaction::Transactions,
};
use octroi_proto::v1::{
    archive_service_server::ArchiveServiceServer, event_service_server::EventServiceServer,
    funding_service_server::FundingServiceServer, ledger_service_server::LedgerServiceServer,
    node_service_server::NodeServiceServer, transaction_service_server::TransactionServiceServer,
};
use tonic::service::Routes;

macro_rules! services {
    ($core:ident, $limits:ident: $($server:ident($service:expr), $bytes:ident;)+) => {
        /// Names that the health service knows.
        pub(crate) const NAMES: &[&str] = &[$(<$server<Never> as tonic::server::NamedService>::NAME),+];

        pub(crate) fn routes($core: &Core, $limits: &Limits) -> Routes {
            let mut routes = Routes::default();
            $(routes = routes.add_service(
                $server::new($service)
                    .max_decoding_message_size($limits.$bytes)
                    .max_encoding_message_size($limits.answer_bytes),
            );)+
            routes
        }
    };
}

/// Stands where only the name of a service is wanted.
enum Never {}

services! { core, limits:
    TransactionServiceServer(Transactions(core.clone())), submit_bytes;
    LedgerServiceServer(Ledger(core.clone())), read_bytes;
    FundingServiceServer(Funding(core.clone())), read_bytes;
    EventServiceServer(Events(core.clone())), read_bytes;
    NodeServiceServer(Node(core.clone())), read_bytes;
    ArchiveServiceServer(Archive(core.clone())), read_bytes;
}
