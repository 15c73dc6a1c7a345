//! octroi-model
