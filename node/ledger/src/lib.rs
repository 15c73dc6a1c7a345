//! octroi-ledger
