//! Record: a payment on its way, from the comptable's release to the attested debit.
//!
//! A payout's reference is T and 26 characters of its id; the payer's bank writes it, an attestor finds it, and [`find`] leads back. A debit
//! pays it only if it equals it ([`Payout::is_paid_by`]); any other debit is unexplained (rulebook §4, bank statements).

use super::grant::{Grant, PartStatus};
use crate::{
    accounts::Account,
    history::RecordRef,
    parameters::Parameter,
    state::{Overlay, Record},
    wire::{message, words},
};
use octroi_primitives::*;

words! {
    /// Where a payout stands.
    pub enum PayoutStatus {
        /// Instructed; its debit is not attested yet.
        InTransit = "in_transit",
        /// Its debit is attested.
        Paid = "paid",
        /// The bank did not pay it.
        Failed = "failed",
    }
}

message! {
    /// Record: a payout.
    pub struct Payout = Payout {
        /// The grant.
        pub grant: GrantId,
        /// The tranche.
        pub tranche: u32,
        /// The part of the tranche, from 0.
        pub part: u32,
        /// From 1 within the tranche.
        pub attempt: u32,
        /// The fund that pays.
        pub fund: FundCode,
        /// From which account.
        pub from_account: BankAccountId,
        /// To which account, as in the convention.
        pub payee_account: Commitment,
        /// The lead beneficiary.
        pub payee: OrganisationId,
        /// How much.
        pub amount: Amount [required],
        /// When the bank should pay.
        pub execution_date: LegalDate [required],
        /// Where it stands.
        pub status: PayoutStatus,
        /// The bank entry that paid it.
        pub entry: Option<EntryKey>,
    }

    /// Record: what is on its way from a bank account, so that no more is released than it holds.
    pub struct TransitTotal = TransitTotal {
        /// Minor units.
        pub amount: u64,
    }
}

impl Record for Payout {
    type Key = PayoutId;
}

impl Record for TransitTotal {
    type Key = BankAccountId;
}

impl Payout {
    /// The account that holds it until its debit is attested: debit this, credit `bank`.
    pub fn account(id: &PayoutId) -> Account {
        Account::InTransit { payout: *id }
    }

    /// What the bank is given as the reference of the transfer.
    pub fn reference(id: &PayoutId) -> Reference {
        Reference::of(ReferenceKind::Payout, id.hash())
    }

    /// Whether a debit of so many minor units from this account is this payout's.
    pub fn is_paid_by(&self, account: &BankAccountId, minor: u64) -> bool {
        self.status == PayoutStatus::InTransit && self.from_account == *account && self.amount.minor == minor
    }
}

/// The payout of a reference; `None` for a reference of another kind or of nothing.
pub fn find(state: &Overlay<'_>, reference: &Reference) -> Option<(PayoutId, Payout)> {
    if reference.kind != ReferenceKind::Payout {
        return None;
    }
    let bound = |fill: u8| {
        let mut bytes = [fill; 32];
        bytes[..16].copy_from_slice(&reference.bytes);
        PayoutId::from_bytes(bytes)
    };
    state.first::<Payout>(bound(0)..=bound(0xff)).map(|(id, payout)| (id, payout.clone()))
}

/// Minor units on their way from a bank account.
pub fn in_transit_from(state: &Overlay<'_>, account: &BankAccountId) -> u64 {
    state.get::<TransitTotal>(account).map_or(0, |total| total.amount)
}

/// Writes a release: the payout, its part in transit, the total of its account. The postings are the event's own.
pub(super) fn released(state: &mut Overlay<'_>, id: &PayoutId, payout: &Payout) {
    let amount = in_transit_from(state, &payout.from_account) + payout.amount.minor;
    state.put::<TransitTotal>(payout.from_account, TransitTotal { amount });
    state.update::<Grant>(&payout.grant, |grant| {
        grant.tranche_mut(payout.tranche).attempts = payout.attempt;
        let part = grant.part_mut(payout.tranche, payout.part);
        part.status = PartStatus::InTransit;
        part.payout = Some(*id);
    });
    state.put::<Payout>(*id, payout.clone());
}

/// Writes that a final statement holds the equal debit: the payout and its part are paid. The caller has found it with [`find`], checked
/// [`Payout::is_paid_by`], and posts [`Payout::account`] → `bank` itself.
pub fn paid(state: &mut Overlay<'_>, id: &PayoutId, entry: &EntryKey) {
    let mut payout = arrived(state, id);
    payout.entry = Some(*entry);
    settled(state, id, payout, PayoutStatus::Paid, PartStatus::Paid);
}

/// Writes that the bank did not pay, or sent the money back: the payout and its part have failed, a new release is a new attempt.
pub(super) fn failed(state: &mut Overlay<'_>, id: &PayoutId) {
    let payout = arrived(state, id);
    settled(state, id, payout, PayoutStatus::Failed, PartStatus::Failed);
}

/// The payout, which is no longer on its way from its account if it was.
fn arrived(state: &mut Overlay<'_>, id: &PayoutId) -> Payout {
    let payout = state.get::<Payout>(id).expect("decide: the payout exists").clone();
    if payout.status == PayoutStatus::InTransit {
        let left = in_transit_from(state, &payout.from_account).saturating_sub(payout.amount.minor);
        match left {
            0 => state.remove::<TransitTotal>(&payout.from_account),
            amount => state.put::<TransitTotal>(payout.from_account, TransitTotal { amount }),
        }
    }
    payout
}

fn settled(state: &mut Overlay<'_>, id: &PayoutId, mut payout: Payout, status: PayoutStatus, part: PartStatus) {
    payout.status = status;
    state.update::<Grant>(&payout.grant, |grant| grant.part_mut(payout.tranche, payout.part).status = part);
    state.put::<Payout>(*id, payout);
}

/// Payouts that are in transit for longer than `payout_lag_days` after the day on which the bank should have paid: a finding (I15).
pub fn overdue(state: &Overlay<'_>, today: LegalDate) -> Vec<PayoutId> {
    let lag = i64::try_from(state.parameter(Parameter::PayoutLagDays)).unwrap_or(i64::MAX);
    let waits =
        |payout: &Payout| payout.status == PayoutStatus::InTransit && today.days_since(payout.execution_date) > lag;
    state.range::<Payout>(..).into_iter().filter(|(_, payout)| waits(payout)).map(|(id, _)| id).collect()
}

/// The records whose story a payment belongs to, besides those of the bank: the payout and its grant.
pub fn subjects(id: &PayoutId, payout: &Payout) -> [RecordRef; 2] {
    [RecordRef::of::<Payout>(id), RecordRef::of::<Grant>(&payout.grant)]
}
