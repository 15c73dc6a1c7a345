//! octroi-replica
