//! Record: a dispute of an assessment, and what of the paid money it holds in provision (rulebook §3, §5).
//!
//! The account `provision` of a fund is the sum of what its open disputes hold.

use super::account::{LevyAccount, LevyFlag, LevyKey};
use crate::{
    state::{Overlay, Record},
    wire::{message, words},
};
use octroi_primitives::*;

words! {
    /// Where a dispute stands.
    pub enum DisputeStatus {
        /// Waits for the authority's answer.
        Open = "open",
        /// The assessment stands.
        Rejected = "rejected",
        /// The assessment was corrected.
        Accepted = "accepted",
    }
}

message! {
    /// Record: a dispute.
    pub struct LevyDispute = LevyDispute {
        /// Who disputes.
        pub payer: OrganisationId,
        /// Under which schedule.
        pub schedule: ScheduleCode,
        /// Which period.
        pub period: Period,
        /// The assessment as it stood.
        pub assessment: AssessmentId,
        /// How much of it.
        pub amount: Amount [required],
        /// Why.
        pub reason: ReasonCode,
        /// Commitment to the grounds.
        pub grounds: Commitment,
        /// Minor units of paid money that wait in provision.
        pub held: u64,
        /// Where it stands.
        pub status: DisputeStatus,
    }
}

impl Record for LevyDispute {
    type Key = Hash;
}

impl LevyDispute {
    /// The period that it is about.
    pub fn key(&self) -> LevyKey {
        (self.payer, self.schedule, self.period)
    }
}

/// Notes that so much no longer is held.
pub(super) fn release(state: &mut Overlay<'_>, dispute: &Hash, amount: u64) {
    state.update::<LevyDispute>(dispute, |record| record.held -= amount);
}

/// Writes a new dispute.
pub(super) fn open(state: &mut Overlay<'_>, id: Hash, dispute: &LevyDispute) {
    state.update::<LevyAccount>(&dispute.key(), |account| {
        account.dispute = Some(id);
        account.set(LevyFlag::Disputed);
    });
    state.put::<LevyDispute>(id, dispute.clone());
}

/// Writes that a dispute is answered; what it held has left the provision.
pub(super) fn answered(state: &mut Overlay<'_>, id: &Hash, status: DisputeStatus) {
    let key = state.get::<LevyDispute>(id).expect("decide: the dispute exists").key();
    state.update::<LevyDispute>(id, |record| {
        record.status = status;
        record.held = 0;
    });
    state.update::<LevyAccount>(&key, |account| {
        account.dispute = None;
        account.unset(LevyFlag::Disputed);
    });
}
