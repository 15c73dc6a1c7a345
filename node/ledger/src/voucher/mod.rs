//! Family 0b: vouchers for the use of public data (rulebook §3, §4).
//!
//! A batch is paid by an envelope when it is issued; a programme manager assigns vouchers to organisations; the data holder that served them redeems
//! them and is owed their worth; what is not redeemed in time goes back to the envelope.
//! Promises: what a batch's account holds is the worth of its vouchers that are not redeemed.

pub mod assign_voucher;
pub mod batch;
pub mod expire_vouchers;
pub mod issue_vouchers;
pub mod redeem_voucher;
