//! octroi-exchange
