//! octroi-audit
