//! What ends a levy unpaid: prescription, and a write-off by a vote (rulebook §3, table A; §5).
//!
//! Promises: what is open of principal, interest and surcharges leaves the receivables against uncollected; nothing is computed or claimed of the
//! period afterwards. A write-off posts the charges up to its day first, so that what is given up is seen; prescription does not.

use super::{
    account::{LevyAccount, LevyFlag, LevyKey, LevySettlement, fund_of},
    compute::TooLarge,
    late::{LateTerms, post_charges, recompute, version_of},
    schedule::LevySchedule,
};
use crate::{
    accounts::{Account, Movement},
    history::RecordRef,
    registry::{fund::Fund, organisation::Organisation},
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// What ends unpaid.
    pub struct LevyEnded = LevyEnded {
        /// Who owed.
        pub payer: OrganisationId,
        /// Under which schedule.
        pub schedule: ScheduleCode,
        /// For which period.
        pub period: Period,
        /// The fund.
        pub fund: FundCode,
        /// Minor units of principal that were open.
        pub principal: u64,
        /// Minor units of interest that were open.
        pub interest: u64,
        /// Minor units of surcharges that were open.
        pub surcharge: u64,
        /// The charges, recomputed before; pays nothing.
        pub late: Option<LevySettlement>,
    }
}

impl LevyEnded {
    /// The period.
    pub fn key(&self) -> LevyKey {
        (self.payer, self.schedule, self.period)
    }

    /// What is posted as open, as it is.
    pub(super) fn posted(key: LevyKey, account: &LevyAccount, state: &Overlay<'_>) -> Self {
        let (payer, schedule, period) = key;
        Self {
            payer,
            schedule,
            period,
            fund: fund_of(state, &schedule).expect("an account is of a schedule"),
            principal: account.open(),
            interest: account.open_interest(),
            surcharge: account.open_surcharge(),
            late: None,
        }
    }

    /// What is open with the charges up to a day.
    ///
    /// # Errors
    /// A line of the charges that leaves its range.
    pub(crate) fn charged(
        key: LevyKey,
        account: &LevyAccount,
        at: LegalDate,
        state: &Overlay<'_>,
    ) -> Result<Self, TooLarge> {
        let mut ended = Self::posted(key, account, state);
        let Some(version) = version_of(state, &key.1, account) else { return Ok(ended) };
        let late = recompute(&LateTerms::of(version, key.2, account.failures), account, at)?;
        ended.interest = late.interest_owed - account.interest_paid;
        ended.surcharge = late.surcharge_owed - account.surcharge_paid;
        ended.late = Some(late);
        Ok(ended)
    }

    /// Postings: the charges, then uncollected against the receivables.
    pub(crate) fn movement(&self) -> Movement {
        let Self { payer, schedule, period, fund, principal, interest, surcharge, late } = self.clone();
        let mut movement = Movement::in_fund(fund);
        if let Some(late) = &late {
            post_charges(&mut movement, self.key(), fund, late);
        }
        let uncollected = Account::Uncollected { fund };
        movement.transfer(uncollected.clone(), Account::LevyReceivable { payer, schedule, period }, principal);
        let penalties = interest + surcharge;
        movement.transfer(uncollected, Account::PenaltyReceivable { payer, schedule, period }, penalties);
        movement
    }

    /// Writes it.
    pub(crate) fn write(&self, flag: LevyFlag, state: &mut Overlay<'_>) {
        state.update::<LevyAccount>(&self.key(), |account| {
            account.ended += self.principal;
            account.interest = account.interest_paid;
            account.surcharge = account.surcharge_paid;
            account.unset(LevyFlag::Overdue);
            account.set(flag);
        });
    }

    /// The records whose story it belongs to.
    pub(crate) fn subjects(&self) -> Vec<RecordRef> {
        vec![
            RecordRef::of::<LevyAccount>(&self.key()),
            RecordRef::of::<LevySchedule>(&self.schedule),
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<Organisation>(&self.payer),
        ]
    }
}
