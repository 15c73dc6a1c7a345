//! octroi-merkle
