//! octroi-network
