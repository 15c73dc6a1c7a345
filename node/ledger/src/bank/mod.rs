//! Family 02: what banks did, as attestors report it, and what it pays (rulebook §3, §4, §17).

pub mod account;
pub mod attest_statement;
pub mod book_cost;
pub mod entry;
pub mod fail_refund;
pub mod match_entry;
pub mod matching;
pub mod order_refund;
pub mod owed;
pub mod refund;
pub mod release_refund;
pub mod unmatch_entry;
