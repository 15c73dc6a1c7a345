//! Records: what a payer declared, what was assessed, what is paid of it (rulebook §5).

use super::schedule::LevySchedule;
use crate::{
    accounts::{Account, Movement},
    state::{Overlay, Record},
    wire::{message, words},
};
use octroi_primitives::*;

words! {
    /// Where a period of a payer stands. That one is expected is derived.
    pub enum LevyStatus {
        /// Declared, not assessed.
        Declared = "declared",
        /// Assessed, nothing paid.
        Assessed = "assessed",
        /// Some of it paid.
        PartPaid = "part_paid",
        /// All of it paid.
        Paid = "paid",
        /// Assessed at nothing.
        Nil = "nil",
    }

    /// Whether a declaration came in time.
    pub enum Filing {
        /// By the day of the calendar.
        InTime = "in_time",
        /// After it.
        Late = "late",
    }
}

message! {
    /// A deduction from the receipts of a service.
    pub struct DeclaredDeduction = DeclaredDeduction {
        /// Code of the schedule's version.
        pub code: Code,
        /// How much.
        pub amount: Amount [required],
    }

    /// What a payer declares for one service.
    pub struct DeclaredService = DeclaredService {
        /// Code of the schedule's version.
        pub code: ServiceCode,
        /// Receipts; 0 for services counted in units.
        pub receipts: Amount [required],
        /// Deductions from them.
        pub deductions: Vec<DeclaredDeduction>,
        /// Share of the territory; `None` where the schedule apportions nothing.
        pub share: Option<Rational>,
        /// Units, such as calls.
        pub units: Option<u64>,
    }

    /// Record: a declaration.
    pub struct LevyDeclaration = LevyDeclaration {
        /// Who declares, for its group where the schedule says so.
        pub payer: OrganisationId,
        /// Under which schedule.
        pub schedule: ScheduleCode,
        /// For which period.
        pub period: Period,
        /// By service.
        pub services: Vec<DeclaredService>,
        /// Receipts of the group in the world.
        pub world_receipts: Amount [required],
        /// Receipts of the group on the territory.
        pub local_receipts: Amount [required],
        /// Hash of the description of the method.
        pub method: Commitment,
        /// Hash of the evidence.
        pub evidence: Commitment,
        /// Class of the schedule's modulation that the payer claims.
        pub class: Option<Code>,
        /// Legal date of the block.
        pub filed_on: LegalDate [required],
        /// Whether that was in time.
        pub filing: Filing,
    }

    /// Record: an assessment. Its computation stands in its event, and recomputes from declaration and version (I12).
    pub struct LevyAssessment = LevyAssessment {
        /// Who owes.
        pub payer: OrganisationId,
        /// Under which schedule.
        pub schedule: ScheduleCode,
        /// For which period.
        pub period: Period,
        /// What it rests on.
        pub declaration: DeclarationId,
        /// Version of the schedule.
        pub version: u32,
        /// 0 where the payer is not liable or owes nothing.
        pub tax: Amount [required],
    }

    /// Record: what a payer owes for a period, in the currency of the schedule's fund.
    pub struct LevyAccount = LevyAccount {
        /// The current declaration.
        pub declaration: DeclarationId,
        /// The assessment, once there is one.
        pub assessment: Option<AssessmentId>,
        /// Minor units.
        pub assessed: u64,
        /// Minor units.
        pub paid: u64,
        /// Where it stands.
        pub status: LevyStatus,
    }

    /// Part of a payment that settles one period.
    pub struct SettledPeriod = SettledPeriod {
        /// Which.
        pub period: Period,
        /// Minor units.
        pub amount: u64,
    }
}

/// Who owes, under which schedule, for which period.
pub type LevyKey = (OrganisationId, ScheduleCode, Period);

impl Record for LevyDeclaration {
    type Key = DeclarationId;
}

impl Record for LevyAssessment {
    type Key = AssessmentId;
}

impl Record for LevyAccount {
    type Key = LevyKey;
}

impl LevyAccount {
    /// What is still to be paid, in minor units.
    pub fn open(&self) -> u64 {
        self.assessed.saturating_sub(self.paid)
    }

    /// Takes in a payment of at most what is open.
    pub fn pay(&mut self, amount: u64) {
        self.paid += amount;
        self.status = if self.open() == 0 { LevyStatus::Paid } else { LevyStatus::PartPaid };
    }
}

/// The accounts of a payer under a schedule up to and including a period, oldest first.
fn up_to(
    state: &Overlay<'_>,
    payer: OrganisationId,
    schedule: ScheduleCode,
    last: Period,
) -> Vec<(LevyKey, LevyAccount)> {
    let first = Period::year(1).expect("the year 1 is a period");
    state.range::<LevyAccount>((payer, schedule, first)..=(payer, schedule, last))
}

/// The last period there can be, in the order of periods.
pub fn last_period() -> Period {
    Period::month(9999, 12).expect("the last month is a period")
}

/// What a payer owes under a schedule for all periods up to and including `last`, in minor units.
pub fn open_up_to(state: &Overlay<'_>, payer: OrganisationId, schedule: ScheduleCode, last: Period) -> u64 {
    up_to(state, payer, schedule, last).iter().fold(0, |sum, (_, account)| sum.saturating_add(account.open()))
}

/// How a payment settles what is open up to and including `last`: the oldest period first (rulebook §5). What is more than open is left out.
pub fn settle(
    state: &Overlay<'_>,
    payer: OrganisationId,
    schedule: ScheduleCode,
    last: Period,
    amount: u64,
) -> Vec<SettledPeriod> {
    let mut left = amount;
    let mut settled = Vec::new();
    for ((_, _, period), account) in up_to(state, payer, schedule, last) {
        let part = account.open().min(left);
        if part > 0 {
            left -= part;
            settled.push(SettledPeriod { period, amount: part });
        }
    }
    settled
}

/// Postings of a payment of principal that comes from `from`: the receivable is settled and the money becomes free (rulebook §3, table A).
pub fn post_payment(movement: &mut Movement, from: Account, key: LevyKey, fund: FundCode, amount: u64) {
    let (payer, schedule, period) = key;
    let source = schedule.code();
    movement.transfer(from, Account::LevyReceivable { payer, schedule, period }, amount);
    movement.transfer(Account::Uncollected { fund }, Account::Unallocated { fund, source }, amount);
}

/// Fund of a schedule, if there is such a schedule.
pub fn fund_of(state: &Overlay<'_>, schedule: &ScheduleCode) -> Option<FundCode> {
    state.get::<LevySchedule>(schedule).map(|record| record.fund)
}
