//! octroi-vectors
