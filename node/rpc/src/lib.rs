//! What a node answers over gRPC: services over the views and committed states, and the way in for transactions.
//!
//! A daemon binds a [`Server`], hands over [`Deps`] (traits that it and the storage implement) and polls [`Server::serve`]; nothing here starts
//! a task of its own for the node's work. Health, reflection and gRPC-Web stand on the same port, TLS on demand.
//!
//! Promises: every size, count, rate and wait has a bound ([`ServeConfig`]); an answer names the height it was read at; submitting the same bytes
//! again gives the same answer; waiting ends with OK; an event stream loses nothing and ends with a reason; an error carries a [`Reason`].
//! Must not know: how blocks are agreed on, how rows are kept on disk, how transactions wait.
#![forbid(unsafe_code)]

mod api;
mod archive;
mod config;
mod core;
mod event;
mod funding;
mod gate;
mod incoming;
mod ledger;
mod metrics;
mod node_service;
mod rate;
mod raw;
mod reason;
mod server;
mod services;
mod status;
mod tls;
mod tracker;
mod transaction;

pub use api::{
    Clock, Deps, NodeCheck, NodeCounter, NodeInfo, NodePeer, NodeReports, NodeStatus, NotAdmitted, PeerRole, Submit,
    ViewSource,
};
pub use config::{ClientCertificates, Limits, Rate, ServeConfig, ServeError, Tls};
pub use metrics::{Metrics, Sample};
pub use reason::{DOMAIN, Reason};
pub use server::Server;
pub use tls::Certificates;
