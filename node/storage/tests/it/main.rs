//! Real files and real RocksDB: what is kept, what survives, what is noticed.

mod chain;
mod corruption;
mod crash;
mod folder;
mod log;
mod sign_state;
mod store;
