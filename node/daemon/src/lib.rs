//! octroi-daemon
