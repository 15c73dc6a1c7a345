//! Record: money that goes back to whom it came from: ordered, released, paid (rulebook §3, refunds).
//!
//! A refund is a liability from its order on (`payable:refund`), on its way once released (`in_transit`, under the refund's own id), and paid when a
//! final statement holds the equal debit with its reference (R and 26 characters). Must not know: why money is refunded.

use crate::{
    accounts::Account,
    grant::payout::{TransitTotal, in_transit_from},
    state::{Overlay, Record},
    wire::{message, words},
};
use octroi_primitives::*;

words! {
    /// Where a refund stands.
    pub enum RefundStatus {
        /// Waits for the comptable.
        Ordered = "ordered",
        /// Instructed; its debit is not attested yet.
        InTransit = "in_transit",
        /// Its debit is attested.
        Paid = "paid",
    }
}

message! {
    /// Record: a refund.
    pub struct Refund = Refund {
        /// The fund that pays.
        pub fund: FundCode,
        /// The account that the money was on.
        pub from: Account,
        /// How much.
        pub amount: Amount [required],
        /// To which account.
        pub payee_account: Commitment,
        /// Whose money it is, where that is known.
        pub payee: Option<OrganisationId>,
        /// Why.
        pub reason: ReasonCode,
        /// Who ordered it.
        pub ordered_by: OrganisationId,
        /// Where it stands.
        pub status: RefundStatus,
        /// The bank account that pays it, once released.
        pub paying_account: Option<BankAccountId>,
        /// When the bank should pay.
        pub execution_date: Option<LegalDate>,
        /// The bank entry that paid it.
        pub entry: Option<EntryKey>,
    }
}

impl Record for Refund {
    type Key = Hash;
}

impl Refund {
    /// The liability while it waits.
    pub fn payable(id: &Hash) -> Account {
        Account::PayableRefund { refund: *id }
    }

    /// The liability while it is on its way.
    pub fn in_transit(id: &Hash) -> Account {
        Account::InTransit { payout: PayoutId::new(*id) }
    }

    /// What the bank is given as the reference of the transfer.
    pub fn reference(id: &Hash) -> Reference {
        Reference::of(ReferenceKind::Refund, id)
    }

    /// Whether a debit of so many minor units from this account is this refund's.
    pub fn is_paid_by(&self, account: &BankAccountId, minor: u64) -> bool {
        self.status == RefundStatus::InTransit && self.paying_account == Some(*account) && self.amount.minor == minor
    }
}

/// Writes that it is released: what is on its way from the account grows.
pub(super) fn released(state: &mut Overlay<'_>, id: &Hash, account: BankAccountId, execution_date: LegalDate) {
    let minor = state.get::<Refund>(id).expect("decide: the refund exists").amount.minor;
    let amount = in_transit_from(state, &account) + minor;
    state.put::<TransitTotal>(account, TransitTotal { amount });
    state.update::<Refund>(id, |refund| {
        refund.status = RefundStatus::InTransit;
        refund.paying_account = Some(account);
        refund.execution_date = Some(execution_date);
    });
}

/// Writes that a refund no longer is on its way.
pub(super) fn arrived(state: &mut Overlay<'_>, id: &Hash) {
    let refund = state.get::<Refund>(id).expect("decide: the refund exists");
    let (paying_account, minor) = (refund.paying_account, refund.amount.minor);
    if let Some(account) = paying_account {
        match in_transit_from(state, &account).saturating_sub(minor) {
            0 => state.remove::<TransitTotal>(&account),
            amount => state.put::<TransitTotal>(account, TransitTotal { amount }),
        }
    }
}

/// Writes that a final statement holds the equal debit.
pub(super) fn paid(state: &mut Overlay<'_>, id: &Hash, entry: &EntryKey) {
    arrived(state, id);
    state.update::<Refund>(id, |refund| {
        refund.status = RefundStatus::Paid;
        refund.entry = Some(*entry);
    });
}

/// Writes that it was not paid after all and waits to be released again.
pub(super) fn waits_again(state: &mut Overlay<'_>, id: &Hash) {
    state.update::<Refund>(id, |refund| {
        refund.status = RefundStatus::Ordered;
        refund.paying_account = None;
        refund.execution_date = None;
        refund.entry = None;
    });
}
