//! octroi-genesis
