//! Family 05: the split of a fund's free money over its envelopes by a voted policy, the caps on what an envelope gives, and what becomes of money
//! that stays unspent (rulebook §6).

pub mod adopt_need_table;
pub mod adopt_policy;
pub mod cap;
pub mod close_due_period;
pub mod close_period;
pub mod envelope;
pub mod expire_carry_over;
pub mod need;
pub mod policy;
pub mod release_reserve;
pub mod split;
pub mod transfer_funds;
