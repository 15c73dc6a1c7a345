//! octroi-storage
