//! octroi-x
