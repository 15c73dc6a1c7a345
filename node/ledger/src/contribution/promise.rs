//! Record: a promise, what was received of it, and where that money went.

use crate::{
    accounts::Account,
    action::Kind,
    due,
    state::{Overlay, Record},
    wire::{message, words},
};
use octroi_primitives::*;

words! {
    /// Where a promise stands. That it is kept is derived.
    pub enum PromiseStatus {
        /// Can be paid.
        Open = "open",
        /// The funder took back what was open.
        Cancelled = "cancelled",
        /// Its day passed; only money of a value date up to then still pays it.
        Expired = "expired",
    }
}

message! {
    /// A tranche of a grant whose beneficiary passes the money on (rulebook §7, regrants).
    pub struct ParentTranche = ParentTranche {
        /// Which grant.
        pub grant: GrantId,
        /// Which tranche of it.
        pub tranche: u32,
    }

    /// Money of a promise on the account that received it.
    pub struct CreditedPart = CreditedPart {
        /// An envelope, or unallocated money of a source.
        pub account: Account,
        /// Minor units.
        pub amount: u64,
    }

    /// A promised contribution.
    pub struct Promise = Promise {
        /// Who promised.
        pub funder: OrganisationId,
        /// To which fund.
        pub fund: FundCode,
        /// How much.
        pub amount: Amount [required],
        /// Until when.
        pub due: LegalDate [required],
        /// Envelope it is meant for.
        pub earmark: Option<EnvelopeCode>,
        /// Commitment to conditions.
        pub conditions: Option<Commitment>,
        /// Minor units received and matched.
        pub received: u64,
        /// A regrant: the tranche that the money comes from. Regrants are left out of totals by default.
        pub parent: Option<ParentTranche>,
        /// Where it stands.
        pub status: PromiseStatus,
        /// Minor units of it that go back.
        pub returned: u64,
        /// Where what was received, and did not go back, went; in the order of arrival.
        pub credited: Vec<CreditedPart>,
    }
}

impl Record for Promise {
    type Key = PromiseId;
}

impl Promise {
    /// What is still open, in minor units; nothing of a promise that was cancelled or has expired.
    pub fn open(&self) -> u64 {
        match self.status {
            PromiseStatus::Open => self.missing(),
            PromiseStatus::Cancelled | PromiseStatus::Expired => 0,
        }
    }

    /// Writes a new one, and plans the day after its last one.
    pub(crate) fn enter(self, state: &mut Overlay<'_>, id: PromiseId) {
        if let Some(after) = self.due.plus_days(1) {
            due::schedule(state, after.start_time(), Kind::ExpirePromise, *id.hash());
        }
        state.put::<Self>(id, self);
    }

    /// What money of a value date can still pay: due dates look at that date, whenever the bank reports it (rulebook §1).
    pub fn open_on(&self, value_date: LegalDate) -> u64 {
        match self.status {
            PromiseStatus::Open => self.missing(),
            PromiseStatus::Expired if value_date <= self.due => self.missing(),
            PromiseStatus::Cancelled | PromiseStatus::Expired => 0,
        }
    }

    /// What was promised and not received.
    fn missing(&self) -> u64 {
        self.amount.minor.saturating_sub(self.received)
    }

    /// Takes in money that went to an account.
    pub fn receive(&mut self, account: &Account, amount: u64) {
        self.received += amount;
        match self.credited.iter_mut().find(|part| part.account == *account) {
            Some(part) => part.amount += amount,
            None => self.credited.push(CreditedPart { account: account.clone(), amount }),
        }
    }

    /// Takes it back; false, and nothing taken, if it is not there any more.
    pub fn take_back(&mut self, account: &Account, amount: u64) -> bool {
        let Some(place) = self.credited.iter().position(|part| part.account == *account) else { return false };
        let Some(left) = self.credited[place].amount.checked_sub(amount) else { return false };
        self.credited[place].amount = left;
        self.credited.retain(|part| part.amount > 0);
        self.received -= amount;
        true
    }

    /// Which parts so much leaves, the last account first.
    pub fn leaving(&self, amount: u64) -> Vec<CreditedPart> {
        let mut left = amount;
        let mut parts = Vec::new();
        for CreditedPart { account, amount } in self.credited.iter().rev() {
            let part = left.min(*amount);
            if part > 0 {
                parts.push(CreditedPart { account: account.clone(), amount: part });
                left -= part;
            }
        }
        parts
    }

    /// Notes that so much goes back to the funder.
    pub fn give_back(&mut self, parts: &[CreditedPart]) {
        for CreditedPart { account, amount } in parts {
            for part in self.credited.iter_mut().filter(|part| part.account == *account) {
                part.amount -= amount;
            }
            self.returned += amount;
        }
        self.credited.retain(|part| part.amount > 0);
    }
}
