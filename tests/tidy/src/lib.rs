//! octroi-tidy
