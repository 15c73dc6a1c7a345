//! octroi-bench
