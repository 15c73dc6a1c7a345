//! octroi-chain
