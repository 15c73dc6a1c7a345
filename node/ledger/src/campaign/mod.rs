//! Family 09: campaigns, all or nothing (rulebook §8).
//!
//! Pledges are promises; what counts is the money that comes in for them before the close, in the order of arrival, up to the hard cap. It is held
//! in escrow, one account a pledge. At the close it becomes a grant of the project, or every pledge is owed back in full.
//! Promises: escrow = money of open pledges (I8); what comes late, or above the cap, is owed back and never taken.

#[allow(clippy::module_inception)]
pub mod campaign;
#[cfg(test)]
pub(crate) mod fixture;
pub mod open_campaign;
pub mod pledge;
pub mod pledge_batch;
pub mod pledge_record;
pub mod settle_campaign;
pub mod withdraw_pledge;
