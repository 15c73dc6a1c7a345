//! Family 04: levies, declared by payers, assessed by an authority, paid through the bank (rulebook §5, §17).
//!
//! A period of a payer is an account: declared, assessed, corrected, paid or ended. What being late costs is a function of that account and a day
//! ([`late`]); money that comes before an assessment waits with its value dates ([`prepaid`]); [`watch`] plans what happens by itself.

pub mod account;
pub mod answer_dispute;
pub mod assess_by_default;
pub mod assess_levy;
pub mod attest_usage;
pub mod compute;
pub mod correction;
pub mod declare_group;
pub mod declare_levy;
pub mod dispute;
pub mod dispute_levy;
pub mod ending;
pub mod late;
pub mod mark_overdue;
pub mod prepaid;
pub mod prescribe_levy;
pub mod reassess_levy;
pub mod schedule;
pub mod watch;
