//! Family 08: grants from the award to the payment (rulebook §7).
//!
//! An enacted award [`offer`]s grants: money goes from an envelope to `encumbered`. All parties sign the convention; evidence is judged; the
//! ordonnateur orders (`payable`), the comptable releases (`in_transit`), and the attested debit makes it paid ([`payout::paid`]).
//! Promises: the parts of a tranche sum to it, the tranches to the award (I5); what the parts say is what the accounts hold (I4);
//! nothing but an advance is paid without accepted evidence (I11). See [`invariants`].

pub mod amend_grant;
pub mod cancel_order;
pub mod clawback;
pub mod declare_past_grant;
pub mod fail_payment;
pub mod file_final_report;
#[cfg(any(test, feature = "fixture"))]
pub mod fixture;
pub mod funded;
#[allow(clippy::module_inception)]
pub mod grant;
pub mod invariants;
pub mod judge_evidence;
pub mod lapse_offer;
pub mod offer;
pub mod offset_clawback;
pub mod open_clawback;
pub mod order_payment;
pub mod past_grant;
pub mod payout;
pub mod refuse_payment;
pub mod release_payment;
pub mod return_money;
pub mod sign_convention;
pub mod submit_evidence;
pub mod suspend_grant;
pub mod terminate_grant;

pub use funded::FundedGrant;
pub use offer::{GrantOffer, offer, refuse};
