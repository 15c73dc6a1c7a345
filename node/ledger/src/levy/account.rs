//! Records: what a payer declared, what was assessed, what is paid of it (rulebook §5).

use super::{compute::LevyStep, schedule::LevySchedule};
use crate::{
    state::{Overlay, Record},
    wire::{message, words},
};
use octroi_primitives::*;

words! {
    /// Where a period of a payer stands.
    pub enum LevyStatus {
        /// Neither declared nor assessed, though it should be.
        Expected = "expected",
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
        /// Not at all: the figures are an estimate, or the authority's own.
        NotFiled = "not_filed",
    }

    /// What is to be said of a period besides its status.
    pub enum LevyFlag {
        /// Something that is due has not come.
        Overdue = "overdue",
        /// A dispute waits for an answer.
        Disputed = "disputed",
        /// The assessment rests on an estimate.
        Estimated = "estimated",
        /// Can no longer be assessed or claimed.
        Prescribed = "prescribed",
        /// Given up by a vote.
        WrittenOff = "written_off",
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
        /// The assessment that took its place.
        pub replaced_by: Option<AssessmentId>,
    }

    /// Principal that was paid with one value date.
    pub struct PaidPart = PaidPart {
        /// When it counts as paid.
        pub value_date: LegalDate [required],
        /// Minor units.
        pub amount: u64,
    }

    /// Record: what a payer owes for a period, in the currency of the schedule's fund. All sums are minor units.
    pub struct LevyAccount = LevyAccount {
        /// The current declaration; `None` while the period is only expected.
        pub declaration: Option<DeclarationId>,
        /// The assessment, once there is one.
        pub assessment: Option<AssessmentId>,
        /// Principal.
        pub assessed: u64,
        /// Principal paid.
        pub paid: u64,
        /// Where it stands.
        pub status: LevyStatus,
        /// What `paid` is made of, ascending by value date.
        pub parts: Vec<PaidPart>,
        /// Late interest posted.
        pub interest: u64,
        /// Late interest paid.
        pub interest_paid: u64,
        /// Surcharges posted.
        pub surcharge: u64,
        /// Surcharges paid.
        pub surcharge_paid: u64,
        /// Principal that was written off or is prescribed.
        pub ended: u64,
        /// Instalments that were expected before the assessment.
        pub instalments: u64,
        /// Which failure to file this is for the payer under the schedule; 0: filed in time.
        pub failures: u32,
        /// Ascending, none twice.
        pub flags: Vec<LevyFlag>,
        /// The dispute that waits for an answer.
        pub dispute: Option<Hash>,
    }

    /// What a payment does to one period: the charges for being late, recomputed with it, then what the money pays.
    pub struct LevySettlement = LevySettlement {
        /// Value date of the money.
        pub value_date: LegalDate [required],
        /// Day up to which the unpaid rest counts.
        pub at: LegalDate [required],
        /// Day from which lateness counts.
        pub due: LegalDate [required],
        /// Minor units of the money that pay principal.
        pub principal: u64,
        /// That pay interest.
        pub interest: u64,
        /// That pay surcharges.
        pub surcharge: u64,
        /// Interest posted before.
        pub interest_before: u64,
        /// Interest owed now; the difference is posted.
        pub interest_owed: u64,
        /// Surcharges posted before.
        pub surcharge_before: u64,
        /// Surcharges owed now; the difference is posted.
        pub surcharge_owed: u64,
        /// Every line of the charges.
        pub steps: Vec<LevyStep>,
    }

    /// Part of a payment that settles one period.
    pub struct SettledPeriod = SettledPeriod {
        /// Which.
        pub period: Period,
        /// Minor units.
        pub amount: u64,
        /// What they do.
        pub settlement: LevySettlement [required],
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
    /// Of a period with this status, in which no money has moved.
    pub fn new(declaration: Option<DeclarationId>, status: LevyStatus) -> Self {
        Self {
            declaration,
            assessment: None,
            assessed: 0,
            paid: 0,
            status,
            parts: Vec::new(),
            interest: 0,
            interest_paid: 0,
            surcharge: 0,
            surcharge_paid: 0,
            ended: 0,
            instalments: 0,
            failures: 0,
            flags: Vec::new(),
            dispute: None,
        }
    }

    /// Principal that is still to be paid, in minor units.
    pub fn open(&self) -> u64 {
        self.assessed.saturating_sub(self.paid).saturating_sub(self.ended)
    }

    /// Interest that is posted and still to be paid, in minor units.
    pub fn open_interest(&self) -> u64 {
        self.interest.saturating_sub(self.interest_paid)
    }

    /// Surcharges that are posted and still to be paid, in minor units.
    pub fn open_surcharge(&self) -> u64 {
        self.surcharge.saturating_sub(self.surcharge_paid)
    }

    /// Whether anything that is posted is still to be paid.
    pub fn is_open(&self) -> bool {
        self.open() > 0 || self.open_interest() > 0 || self.open_surcharge() > 0
    }

    /// Whether a flag is set.
    pub fn has(&self, flag: LevyFlag) -> bool {
        self.flags.contains(&flag)
    }

    /// Sets a flag.
    pub fn set(&mut self, flag: LevyFlag) {
        if let Err(place) = self.flags.binary_search(&flag) {
            self.flags.insert(place, flag);
        }
    }

    /// Takes a flag back.
    pub fn unset(&mut self, flag: LevyFlag) {
        self.flags.retain(|set| *set != flag);
    }

    /// Whether it ended unpaid: nothing more is computed or claimed.
    pub fn has_ended(&self) -> bool {
        self.has(LevyFlag::Prescribed) || self.has(LevyFlag::WrittenOff)
    }

    /// Takes in a payment, or charges that were recomputed.
    pub fn take(&mut self, settlement: &LevySettlement) {
        let LevySettlement {
            value_date,
            at: _,
            due,
            principal,
            interest,
            surcharge,
            interest_before: _,
            interest_owed,
            surcharge_before: _,
            surcharge_owed,
            steps: _,
        } = settlement;
        add_part(&mut self.parts, *value_date, *principal);
        self.paid += principal;
        self.interest = *interest_owed;
        self.interest_paid += interest;
        self.surcharge = *surcharge_owed;
        self.surcharge_paid += surcharge;
        self.stand();
        if self.open() > 0 && settlement.at > *due {
            self.set(LevyFlag::Overdue);
        }
    }

    /// Derives the status of an assessed period from what is paid; what is paid in full is not overdue.
    pub fn stand(&mut self) {
        let paid = self.paid + self.interest_paid + self.surcharge_paid;
        self.status = match (self.is_open(), self.assessed, paid) {
            (false, 0, 0) => LevyStatus::Nil,
            (false, ..) => LevyStatus::Paid,
            (true, _, 0) => LevyStatus::Assessed,
            (true, ..) => LevyStatus::PartPaid,
        };
        if !self.is_open() {
            self.unset(LevyFlag::Overdue);
        }
    }
}

/// Adds money with a value date to a list that ascends by it.
pub fn add_part(parts: &mut Vec<PaidPart>, value_date: LegalDate, amount: u64) {
    if amount == 0 {
        return;
    }
    match parts.binary_search_by_key(&value_date, |part| part.value_date) {
        Ok(place) => parts[place].amount += amount,
        Err(place) => parts.insert(place, PaidPart { value_date, amount }),
    }
}

/// Takes money with a value date from such a list; false, and nothing taken, if it is not there.
pub fn take_part(parts: &mut Vec<PaidPart>, value_date: LegalDate, amount: u64) -> bool {
    let Ok(place) = parts.binary_search_by_key(&value_date, |part| part.value_date) else { return amount == 0 };
    let Some(left) = parts[place].amount.checked_sub(amount) else { return false };
    if left == 0 {
        parts.remove(place);
    } else {
        parts[place].amount = left;
    }
    true
}

/// The accounts of a payer under a schedule up to and including a period, oldest first.
pub(super) fn up_to(
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

/// Whether a payer owes anything that is posted under a schedule for the periods up to and including `last`.
pub fn owes_up_to(state: &Overlay<'_>, payer: OrganisationId, schedule: ScheduleCode, last: Period) -> bool {
    up_to(state, payer, schedule, last).iter().any(|(_, account)| account.is_open())
}

/// Fund of a schedule, if there is such a schedule.
pub fn fund_of(state: &Overlay<'_>, schedule: &ScheduleCode) -> Option<FundCode> {
    state.get::<LevySchedule>(schedule).map(|record| record.fund)
}
