//! Record: money that came in and is owed back, on the account `payable:refund` of its id (rulebook §3, table A; §8).

use crate::{
    accounts::Account,
    history::RecordRef,
    registry::organisation::Organisation,
    state::{Overlay, Record},
    wire::{message, words},
};
use octroi_primitives::*;

words! {
    /// Why money is owed back.
    pub enum RefundCause {
        /// It came after the close.
        Late = "late",
        /// It came after the hard cap was reached.
        OverCap = "over_cap",
        /// The pledge was withdrawn.
        Withdrawn = "withdrawn",
        /// The campaign missed its goal.
        Failed = "failed",
    }
}

message! {
    /// Record: what is owed back under one id.
    pub struct Owed = Owed {
        /// The fund whose bank account it came in on.
        pub fund: FundCode,
        /// To whom.
        pub to: OrganisationId,
        /// The bank account.
        pub account: BankAccountId,
        /// Minor units: all that was ever owed under this id.
        pub amount: u64,
        /// Why.
        pub cause: RefundCause,
        /// The pledge or contribution that it was meant for.
        pub object: Hash,
    }

    /// What an event adds to what is owed back.
    pub struct OwedRefund = OwedRefund {
        /// Under which id.
        pub id: RefundId,
        /// To whom, why, and how much more.
        pub refund: Owed [required],
    }
}

impl Record for Owed {
    type Key = RefundId;
}

impl OwedRefund {
    /// Money of an entry that could not be taken for what it was meant for.
    pub fn of_entry(entry: &EntryKey, refund: Owed) -> Self {
        let parts: [&[u8]; 3] = [refund.account.as_bytes(), entry.as_bytes(), refund.object.as_bytes()];
        Self { id: RefundId::new(hash("refund-of-entry", &parts)), refund }
    }

    /// All the money of a pledge.
    pub fn of_pledge(refund: Owed) -> Self {
        Self { id: RefundId::new(hash("refund-of-pledge", &[refund.object.as_bytes()])), refund }
    }

    /// The account that holds it.
    pub fn owed(&self) -> Account {
        Account::PayableRefund { refund: *self.id.hash() }
    }

    /// Writes it.
    pub fn apply(&self, state: &mut Overlay<'_>) {
        let before = state.get::<Owed>(&self.id).map_or(0, |refund| refund.amount);
        let amount = before.saturating_add(self.refund.amount);
        state.put::<Owed>(self.id, Owed { amount, ..self.refund.clone() });
    }

    /// The refund and whom it is owed to.
    pub fn subjects(&self) -> [RecordRef; 2] {
        [RecordRef::of::<Owed>(&self.id), RecordRef::of::<Organisation>(&self.refund.to)]
    }
}
