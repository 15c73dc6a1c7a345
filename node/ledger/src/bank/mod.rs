//! Family 02: what banks did, as attestors report it, and what it pays (rulebook §3, §4, §17).

pub mod account;
pub mod attest_statement;
pub mod entry;
pub mod match_entry;
pub mod matching;
pub mod owed;
pub mod unmatch_entry;
