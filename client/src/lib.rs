//! octroi-client
