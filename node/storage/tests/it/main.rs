//! Real files and real RocksDB: what is kept, what survives, what is noticed.

mod chain;
mod contract;
mod corruption;
mod crash;
mod folder;
mod log;
mod past_grants;
mod sign_state;
mod store;
