//! octroi-cli
