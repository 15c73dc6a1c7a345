//! octroi-verify
