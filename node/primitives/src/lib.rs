//! octroi-primitives
