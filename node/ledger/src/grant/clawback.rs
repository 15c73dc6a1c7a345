//! Records: money of a grant that is to come back, since it was asked for or is sent of the beneficiary's own accord (rulebook §7, clawback).
//!
//! A clawback is a receivable against `uncollected` until it is received, kept from a later payment of the same beneficiary, or waived. What comes
//! back goes to the account that the grant's money came from; it is no new money of the envelope, so no base of its caps.
//! Both have references (C, B and 26 characters) for the payer to write.

use super::grant::Grant;
use crate::{
    accounts::{Account, Movement},
    refusal::SignerRefusal,
    registry::role::{Role, Scope},
    signer::Context,
    state::{Overlay, Record},
    wire::{message, words},
};
use octroi_primitives::*;

words! {
    /// Why money is to come back.
    pub enum ClawbackReason {
        /// More was paid than the final report allows.
        Overpaid = "overpaid",
        /// What was agreed was not done.
        NotDone = "not_done",
        /// The beneficiary or the cost was not eligible.
        Ineligible = "ineligible",
        /// Fraud.
        Fraud = "fraud",
        /// A commons that was closed.
        LicenceBreach = "licence_breach",
    }
}

message! {
    /// Record: a demand that money of a grant comes back.
    pub struct Clawback = Clawback {
        /// Of which grant.
        pub grant: GrantId,
        /// To which fund.
        pub fund: FundCode,
        /// Who owes it: the lead beneficiary.
        pub lead: OrganisationId,
        /// How much.
        pub amount: Amount [required],
        /// Why.
        pub reason: ClawbackReason,
        /// Hash of the document that explains it.
        pub document: Commitment,
        /// The two organisations that asked for it.
        pub opened_by: Vec<OrganisationId>,
        /// Minor units received.
        pub received: u64,
        /// Minor units kept from later payments.
        pub offset: u64,
        /// Minor units that nobody asks for any more.
        pub waived: u64,
    }

    /// Record: money of a grant that its beneficiary sends back.
    pub struct MoneyReturn = MoneyReturn {
        /// Of which grant.
        pub grant: GrantId,
        /// To which fund.
        pub fund: FundCode,
        /// Who sends it.
        pub lead: OrganisationId,
        /// How much was announced.
        pub amount: Amount [required],
        /// Minor units received.
        pub received: u64,
    }
}

impl Record for Clawback {
    type Key = ClawbackId;
}

impl Record for MoneyReturn {
    type Key = ReturnId;
}

impl Clawback {
    /// Minor units that are still to come.
    pub fn open(&self) -> u64 {
        self.amount.minor - self.received - self.offset - self.waived
    }

    /// What it stands on until it is paid.
    fn receivable(&self) -> Account {
        Account::ClawbackReceivable { grant: self.grant }
    }

    fn uncollected(&self) -> Account {
        Account::Uncollected { fund: self.fund }
    }

    /// Posts that it was opened.
    pub(super) fn post_opened(&self, movement: &mut Movement) {
        movement.transfer(self.receivable(), self.uncollected(), self.amount.minor);
    }

    /// Posts that so much of it needs to come back no more: what was paid goes to its envelope besides.
    pub(crate) fn post_settled(&self, amount: u64, movement: &mut Movement) {
        movement.transfer(self.uncollected(), self.receivable(), amount);
    }

    /// Writes that so much was received.
    pub(crate) fn receive(state: &mut Overlay<'_>, id: &ClawbackId, amount: u64) {
        state.update::<Self>(id, |clawback| clawback.received += amount);
        Self::recover(state, id, amount);
    }

    /// Writes that so much was not received for it after all.
    pub(crate) fn receive_back(state: &mut Overlay<'_>, id: &ClawbackId, amount: u64) {
        let grant = state.get::<Self>(id).expect("decide: the clawback exists").grant;
        state.update::<Self>(id, |clawback| clawback.received -= amount);
        state.update::<Grant>(&grant, |record| record.recovered -= amount);
    }

    /// Writes that so much was kept from a payment.
    pub(super) fn keep(state: &mut Overlay<'_>, id: &ClawbackId, amount: u64) {
        state.update::<Self>(id, |clawback| clawback.offset += amount);
        Self::recover(state, id, amount);
    }

    fn recover(state: &mut Overlay<'_>, id: &ClawbackId, amount: u64) {
        let grant = state.get::<Self>(id).expect("decide: the clawback exists").grant;
        state.update::<Grant>(&grant, |record| record.recovered += amount);
    }

    /// Writes that what is open of it is waived.
    pub(crate) fn waive(state: &mut Overlay<'_>, id: &ClawbackId) {
        let clawback = state.get::<Self>(id).expect("enact: the clawback exists");
        let (grant, open) = (clawback.grant, clawback.open());
        state.update::<Self>(id, |clawback| clawback.waived += open);
        state.update::<Grant>(&grant, |record| record.waived += open);
    }

    /// Writes a new one.
    pub(super) fn enter(self, state: &mut Overlay<'_>, id: ClawbackId) {
        state.update::<Grant>(&self.grant, |grant| grant.clawed += self.amount.minor);
        state.put::<Self>(id, self);
    }
}

impl MoneyReturn {
    /// Minor units that can still be received: what was announced, and no more than was paid and is not asked back otherwise.
    pub fn open(&self, state: &Overlay<'_>) -> u64 {
        let refundable = state.get::<Grant>(&self.grant).map_or(0, Grant::refundable);
        (self.amount.minor - self.received).min(refundable)
    }

    /// Writes that so much was received.
    pub(crate) fn receive(state: &mut Overlay<'_>, id: &ReturnId, amount: u64) {
        let grant = state.get::<Self>(id).expect("decide: the return exists").grant;
        state.update::<Self>(id, |record| record.received += amount);
        state.update::<Grant>(&grant, |record| record.returned += amount);
    }

    /// Writes that so much was not received for it after all.
    pub(crate) fn receive_back(state: &mut Overlay<'_>, id: &ReturnId, amount: u64) {
        let grant = state.get::<Self>(id).expect("decide: the return exists").grant;
        state.update::<Self>(id, |record| record.received -= amount);
        state.update::<Grant>(&grant, |record| record.returned -= amount);
    }
}

/// The signer answers for the fund's grants: it is ordonnateur, comptable or programme manager of it.
///
/// # Errors
/// `suspended`, then `role`.
pub(super) fn authorise_steward(cx: &Context<'_>, state: &Overlay<'_>, fund: FundCode) -> Result<(), SignerRefusal> {
    let try_as = |role| cx.authorise(state, role, Scope::Fund(fund));
    try_as(Role::Comptable).or_else(|_| try_as(Role::ProgrammeManager)).or_else(|_| try_as(Role::Ordonnateur))
}
