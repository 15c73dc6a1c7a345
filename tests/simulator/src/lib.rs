//! octroi-simulator
