//! Commands whose arguments are their own.

pub mod audit;
pub mod context;
pub mod explain;
pub mod export;
pub mod import;
pub mod key;
pub mod status;
pub mod tx;
pub mod watch;
