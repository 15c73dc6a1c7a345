//! octroi-consensus
