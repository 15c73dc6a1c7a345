//! Records: a batch of vouchers, who holds how many, and what is owed to data holders.

use crate::{
    accounts::Account,
    call::call::Eligibility,
    state::Record,
    wire::{message, words},
};
use octroi_primitives::*;

words! {
    /// Where a batch stands.
    pub enum BatchStatus {
        /// Its vouchers can be assigned and redeemed.
        Open = "open",
        /// What was left went back to the envelope.
        Expired = "expired",
    }
}

message! {
    /// Record: a batch of vouchers.
    pub struct VoucherBatch = VoucherBatch {
        /// The fund that pays.
        pub fund: FundCode,
        /// The envelope that pays, and gets back what is not redeemed.
        pub envelope: EnvelopeCode,
        /// Title.
        pub title: Name,
        /// Vouchers of the batch.
        pub count: u32,
        /// What one is worth.
        pub value: Amount [required],
        /// Schedule whose data holders redeem them.
        pub schedule: ScheduleCode,
        /// From this time on they are worth nothing.
        pub expires_at: BlockTime,
        /// What a holder must be; none: anybody.
        pub eligibility: Vec<Eligibility>,
        /// Hash of the batch's document.
        pub document: Commitment,
        /// Who issued it.
        pub manager: OrganisationId,
        /// Where it stands.
        pub status: BatchStatus,
        /// Vouchers that somebody holds, or held.
        pub assigned: u32,
        /// Vouchers that were redeemed.
        pub redeemed: u32,
    }

    /// Record: the vouchers of a batch that an organisation holds.
    pub struct VoucherHolding = VoucherHolding {
        /// Given to it.
        pub assigned: u32,
        /// Redeemed of them.
        pub redeemed: u32,
    }

    /// Record: what is owed to a data holder for vouchers, on the account `payable:cost` of its id.
    pub struct VoucherCost = VoucherCost {
        /// The fund that pays.
        pub fund: FundCode,
        /// For vouchers of which batch.
        pub batch: VoucherBatchId,
        /// To whom.
        pub data_holder: OrganisationId,
        /// Minor units.
        pub amount: u64,
    }
}

impl Record for VoucherBatch {
    type Key = VoucherBatchId;
}

impl Record for VoucherHolding {
    type Key = (VoucherBatchId, OrganisationId);
}

impl Record for VoucherCost {
    type Key = Hash;
}

impl VoucherHolding {
    /// No vouchers.
    pub const NONE: Self = Self { assigned: 0, redeemed: 0 };

    /// Vouchers that are left.
    pub fn left(&self) -> u32 {
        self.assigned - self.redeemed
    }
}

impl VoucherBatch {
    /// The account that holds its worth.
    pub fn account(id: &VoucherBatchId) -> Account {
        Account::Voucher { batch: *id.hash() }
    }

    /// Minor units that so many vouchers are worth. `issue_vouchers` has checked that the whole batch has a worth within bounds.
    pub fn worth(&self, count: u32) -> u64 {
        self.value.minor * u64::from(count)
    }

    /// Vouchers that nobody was given.
    pub fn unassigned(&self) -> u32 {
        self.count - self.assigned
    }

    /// Vouchers that were not redeemed.
    pub fn unredeemed(&self) -> u32 {
        self.count - self.redeemed
    }

    /// Whether its vouchers can be assigned and redeemed at this time.
    pub fn is_open(&self, time: BlockTime) -> bool {
        self.status == BatchStatus::Open && time < self.expires_at
    }
}
