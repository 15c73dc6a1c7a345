//! octroi-rpc
