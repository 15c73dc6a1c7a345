//! What being late costs: interest and surcharges, and how a payment settles what a payer owes (rulebook §5, late interest).
//!
//! Promises: what is owed is a function of the account, the version and a day; nothing accrues by itself, the difference to what is posted is
//! posted when a payment is matched, at a reassessment and at a write-off. Every line is kept, so that anyone can follow it. Payments settle the
//! oldest period first; within a period principal, then interest, then surcharge. Must not know: where money comes from.

use super::{
    account::{LevyAccount, LevyAssessment, LevyKey, LevySettlement, PaidPart, SettledPeriod, up_to},
    compute::{LevyStep, Sheet, StepRule, TooLarge, code},
    schedule::{LevySchedule, ScheduleVersion},
};
use crate::{
    accounts::{Account, Movement},
    state::Overlay,
};
use octroi_primitives::*;

const WHOLE: u128 = 1_000_000;

/// What a version says of being late, for one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateTerms {
    /// Day by which the tax is due, as it is to be declared by then.
    pub declare_by: LegalDate,
    /// Day of the last instalment, where the version has instalments.
    pub last_instalment: Option<LegalDate>,
    /// Shortfall of instalments that is tolerated.
    pub tolerance: Ppm,
    /// Interest per started month.
    pub interest: Ppm,
    /// Surcharge on what was not paid in time.
    pub late_payment: Ppm,
    /// Surcharge for failing to file, of which this account is the n-th case.
    pub non_filing: Ppm,
}

/// What is owed for being late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charges {
    /// Day from which lateness counts.
    pub due: LegalDate,
    /// Minor units.
    pub interest: u64,
    /// Minor units.
    pub surcharge: u64,
    /// Every line.
    pub steps: Vec<LevyStep>,
}

/// Money on its way to what a payer owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payment {
    /// Minor units.
    pub amount: u64,
    /// When it counts as paid.
    pub value_date: LegalDate,
    /// Legal date of the block.
    pub at: LegalDate,
}

/// Surcharge for the n-th failure to file, from 1; later ones cost what the last of the list costs.
pub fn non_filing(version: &ScheduleVersion, failures: u32) -> Ppm {
    let list = &version.late.non_filing_ppm;
    let place = (failures as usize).min(list.len());
    place.checked_sub(1).map_or(Ppm::ZERO, |index| list[index])
}

/// Started months from one day to another: months of the calendar that lie between them, the later one included.
pub fn months_late(due: LegalDate, paid: LegalDate) -> u32 {
    let index = |day: LegalDate| u32::from(day.year()) * 12 + u32::from(day.month());
    index(paid).saturating_sub(index(due))
}

/// The version that an assessed account stands under.
pub fn version_of<'a>(
    state: &'a Overlay<'_>,
    schedule: &ScheduleCode,
    account: &LevyAccount,
) -> Option<&'a ScheduleVersion> {
    let assessment = state.get::<LevyAssessment>(account.assessment.as_ref()?)?;
    let record = state.get::<LevySchedule>(schedule)?;
    record.versions.iter().find(|version| version.version == assessment.version)
}

impl LateTerms {
    /// What a version says of a period.
    pub fn of(version: &ScheduleVersion, period: Period, failures: u32) -> Self {
        let calendar = &version.calendar;
        Self {
            declare_by: calendar.declare_by.of(period),
            last_instalment: calendar.instalments.iter().map(|instalment| instalment.by.of(period)).max(),
            tolerance: calendar.tolerance_ppm,
            interest: version.late.interest_ppm_per_month,
            late_payment: version.late.late_payment_ppm,
            non_filing: non_filing(version, failures),
        }
    }

    /// Day from which lateness counts: that of the last instalment where instalments were expected and fell short by more than is tolerated.
    fn due(&self, account: &LevyAccount, sheet: &mut Sheet) -> LegalDate {
        let Some(last) = self.last_instalment.filter(|_| account.instalments > 0) else { return self.declare_by };
        let in_time: u128 =
            account.parts.iter().filter(|part| part.value_date <= last).map(|part| u128::from(part.amount)).sum();
        let tax = u128::from(account.assessed);
        let shortfall = tax.saturating_sub(in_time);
        sheet.note(StepRule::Shortfall, None, &[tax, in_time], shortfall);
        let tolerance = u128::from(self.tolerance.get());
        let exceeded = shortfall * WHOLE > in_time * tolerance;
        sheet.note(StepRule::Tolerance, None, &[shortfall, in_time, tolerance], exceeded.into());
        if exceeded { last } else { self.declare_by }
    }

    /// Whether an account has principal open after the day from which lateness counts.
    pub fn is_late(&self, account: &LevyAccount, at: LegalDate) -> bool {
        account.open() > 0 && at > self.due(account, &mut Sheet(Vec::new()))
    }

    /// What is owed at a day: over the principal parts paid, each at its value date, and the rest at that day.
    ///
    /// # Errors
    /// A line that leaves its range.
    pub fn charges(&self, account: &LevyAccount, at: LegalDate) -> Result<Charges, TooLarge> {
        let mut sheet = Sheet(Vec::new());
        let due = self.due(account, &mut sheet);
        let rest = PaidPart { value_date: at, amount: account.open() };
        let (mut products, mut late) = (Vec::new(), Vec::new());
        for PaidPart { value_date, amount } in account.parts.iter().chain([&rest]) {
            let (amount, months) = (u128::from(*amount), u128::from(months_late(due, *value_date)));
            if amount > 0 && months > 0 && self.interest > Ppm::ZERO {
                let product = amount.checked_mul(months);
                products.push(sheet.line(StepRule::LatePart, None, &[amount, months], product)?);
            }
            if *value_date > due {
                late.push(amount);
            }
        }
        let interest = if products.is_empty() {
            0
        } else {
            let sum = sheet.sum("late_parts", &products)?;
            share(StepRule::Interest, sum, self.interest, &mut sheet)?
        };
        let late: u128 = late.iter().sum();
        let paying = share(StepRule::LatePayment, late, self.late_payment, &mut sheet)?;
        let filing = self.filing(account.assessed, &mut sheet)?;
        let surcharge = paying.checked_add(filing).ok_or(TooLarge(StepRule::LatePayment))?;
        Ok(Charges { due, interest, surcharge, steps: sheet.0 })
    }

    /// Surcharge for failing to file.
    pub(super) fn filing(&self, tax: u64, sheet: &mut Sheet) -> Result<u64, TooLarge> {
        share(StepRule::NonFiling, tax.into(), self.non_filing, sheet)
    }
}

/// floor(of · ppm / 10^6), with a line unless either is 0.
fn share(rule: StepRule, of: u128, ppm: Ppm, sheet: &mut Sheet) -> Result<u64, TooLarge> {
    if of == 0 || ppm == Ppm::ZERO {
        return Ok(0);
    }
    let result = ppm.floor_of(of);
    sheet.note(rule, None, &[of, ppm.get().into()], result);
    u64::try_from(result).ok().filter(|result| *result <= Amount::MAX_MINOR).ok_or(TooLarge(rule))
}

/// The charges of a period as they are now, taken in by nothing yet; pays nothing. What was paid is never taken back here.
///
/// # Errors
/// A line that leaves its range.
pub fn recompute(terms: &LateTerms, account: &LevyAccount, at: LegalDate) -> Result<LevySettlement, TooLarge> {
    let Charges { due, interest, surcharge, steps } = terms.charges(account, at)?;
    Ok(LevySettlement {
        value_date: at,
        at,
        due,
        principal: 0,
        interest: 0,
        surcharge: 0,
        interest_before: account.interest,
        interest_owed: interest.max(account.interest_paid),
        surcharge_before: account.surcharge,
        surcharge_owed: surcharge.max(account.surcharge_paid),
        steps,
    })
}

/// What a payment does to one account: principal first, then the charges that it leaves owed.
fn settle_one(terms: &LateTerms, account: &LevyAccount, payment: &Payment) -> Result<LevySettlement, TooLarge> {
    let Payment { amount, value_date, at } = *payment;
    let principal = account.open().min(amount);
    let mut after = account.clone();
    super::account::add_part(&mut after.parts, value_date, principal);
    after.paid += principal;
    let mut settlement = recompute(terms, &after, at)?;
    settlement.value_date = value_date;
    settlement.principal = principal;
    settlement.interest = (settlement.interest_owed - account.interest_paid).min(amount - principal);
    settlement.surcharge =
        (settlement.surcharge_owed - account.surcharge_paid).min(amount - principal - settlement.interest);
    Ok(settlement)
}

impl LevySettlement {
    /// Minor units of the money that it uses.
    pub fn total(&self) -> u64 {
        self.principal + self.interest + self.surcharge
    }
}

/// How a payment settles what is owed up to and including `last`: the oldest period first. What is more than owed is left out.
///
/// # Errors
/// A line that leaves its range.
pub fn settle(
    state: &Overlay<'_>,
    payer: OrganisationId,
    schedule: ScheduleCode,
    last: Period,
    payment: Payment,
) -> Result<Vec<SettledPeriod>, TooLarge> {
    let mut left = payment.amount;
    let mut settled = Vec::new();
    for ((_, _, period), account) in up_to(state, payer, schedule, last) {
        if left == 0 {
            break;
        }
        if !account.is_open() {
            continue;
        }
        let Some(version) = version_of(state, &schedule, &account) else { continue };
        let terms = LateTerms::of(version, period, account.failures);
        let settlement = settle_one(&terms, &account, &Payment { amount: left, ..payment })?;
        left -= settlement.total();
        settled.push(SettledPeriod { period, amount: settlement.total(), settlement });
    }
    Ok(settled)
}

/// Postings of charges that differ from what is posted: a receivable against uncollected, or back (rulebook §3, table A).
pub fn post_charges(movement: &mut Movement, key: LevyKey, fund: FundCode, settlement: &LevySettlement) {
    let (payer, schedule, period) = key;
    let before = u128::from(settlement.interest_before) + u128::from(settlement.surcharge_before);
    let owed = u128::from(settlement.interest_owed) + u128::from(settlement.surcharge_owed);
    let receivable = Account::PenaltyReceivable { payer, schedule, period };
    let uncollected = Account::Uncollected { fund };
    let difference = u64::try_from(before.abs_diff(owed)).unwrap_or(u64::MAX);
    if owed > before {
        movement.transfer(receivable, uncollected, difference);
    } else {
        movement.transfer(uncollected, receivable, difference);
    }
}

/// Postings of a payment that comes from `from`: the charges, then the receivables are settled and the money becomes free (rulebook §3, table A).
pub fn post_payment(movement: &mut Movement, from: Account, key: LevyKey, fund: FundCode, settlement: &LevySettlement) {
    post_charges(movement, key, fund, settlement);
    let (payer, schedule, period) = key;
    let source = schedule.code();
    let penalties = settlement.interest + settlement.surcharge;
    movement.transfer(from.clone(), Account::LevyReceivable { payer, schedule, period }, settlement.principal);
    movement.transfer(from, Account::PenaltyReceivable { payer, schedule, period }, penalties);
    movement.transfer(Account::Uncollected { fund }, Account::Unallocated { fund, source }, settlement.total());
}

/// Instalments that the previous period's tax makes expected, with a line for each.
///
/// # Errors
/// A line that leaves its range.
pub(super) fn instalments(version: &ScheduleVersion, previous: u64, sheet: &mut Sheet) -> Result<u64, TooLarge> {
    let mut sum = 0u64;
    for (index, instalment) in version.calendar.instalments.iter().enumerate() {
        let share = instalment.share_ppm_of_previous;
        let due = share.floor_of(previous.into());
        let inputs = [previous.into(), share.get().into()];
        sheet.note(StepRule::Instalment, code(&index.to_string()), &inputs, due);
        let due = u64::try_from(due).map_err(|_| TooLarge(StepRule::Instalment))?;
        sum = sum.checked_add(due).ok_or(TooLarge(StepRule::Instalment))?;
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixture::money::{date, ppm},
        levy::account::{LevyStatus, add_part},
    };

    fn terms() -> LateTerms {
        LateTerms {
            declare_by: date(2027, 4, 25),
            last_instalment: None,
            tolerance: ppm(200_000),
            interest: ppm(2_000),
            late_payment: ppm(0),
            non_filing: ppm(0),
        }
    }

    fn owing(assessed: u64, parts: &[(LegalDate, u64)]) -> LevyAccount {
        let mut account = LevyAccount::new(None, LevyStatus::Assessed);
        account.assessed = assessed;
        for (day, amount) in parts {
            add_part(&mut account.parts, *day, *amount);
            account.paid += amount;
        }
        account
    }

    fn interest(terms: &LateTerms, account: &LevyAccount, at: LegalDate) -> u64 {
        terms.charges(account, at).unwrap().interest
    }

    #[test]
    fn the_vector_of_five_started_months() {
        let account = owing(123_456_789, &[]);
        let charges = terms().charges(&account, date(2027, 9, 1)).unwrap();
        assert_eq!(charges.interest, 1_234_567);
        let lines: Vec<String> = charges.steps.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "late_part(123456789, 5) = 617283945",
                "sum late_parts(617283945) = 617283945",
                "interest(617283945, 2000) = 1234567",
            ]
        );
    }

    #[test]
    fn a_started_month_counts_whole_and_the_month_of_the_due_day_does_not_count() {
        let account = owing(1_000_000, &[]);
        let at = |day| interest(&terms(), &account, day);
        assert_eq!(at(date(2027, 4, 30)), 0);
        assert_eq!(at(date(2027, 5, 1)), 2_000);
        assert_eq!(at(date(2027, 5, 31)), 2_000);
        assert_eq!(at(date(2028, 4, 1)), 24_000);
        assert_eq!(at(date(2026, 1, 1)), 0, "before the due day nothing is late");
    }

    #[test]
    fn parts_that_were_paid_count_at_their_value_dates_and_one_floor_stands_at_the_end() {
        // 250 and 249 one month late, 1 two months late: floor((499 + 2) · 2,000 / 10^6) = 1; line by line it would be 0.
        let account = owing(500, &[(date(2027, 5, 1), 250), (date(2027, 5, 20), 249)]);
        assert_eq!(interest(&terms(), &account, date(2027, 6, 1)), 1);
        let early = owing(500, &[(date(2026, 10, 1), 500)]);
        assert_eq!(interest(&terms(), &early, date(2030, 1, 1)), 0);
    }

    #[test]
    fn a_shortfall_at_the_tolerance_is_borne_and_one_unit_more_counts_from_the_last_instalment() {
        let terms = LateTerms { last_instalment: Some(date(2026, 10, 25)), ..terms() };
        let with = |in_time, instalments| {
            let mut account = owing(1_200, &[(date(2026, 10, 25), in_time)]);
            account.instalments = instalments;
            terms.charges(&account, date(2027, 4, 25)).unwrap().due
        };
        assert_eq!(with(1_000, 900), date(2027, 4, 25), "200 of 1,000 is exactly 20 %");
        assert_eq!(with(999, 900), date(2026, 10, 25));
        assert_eq!(with(999, 0), date(2027, 4, 25), "without an assessed previous period no instalment is expected");
        let mut late = owing(1_200, &[(date(2026, 10, 26), 1_000)]);
        late.instalments = 900;
        let charges = terms.charges(&late, date(2027, 4, 25)).unwrap();
        // 1,000 a day late in the same month, 200 six months late.
        assert_eq!((charges.due, charges.interest), (date(2026, 10, 25), 2));
    }

    #[test]
    fn surcharges_fall_on_what_was_late_and_on_the_tax_that_was_not_declared() {
        let terms = LateTerms { late_payment: ppm(50_000), non_filing: ppm(100_000), ..terms() };
        let account = owing(1_000, &[(date(2027, 4, 25), 600), (date(2027, 4, 26), 100)]);
        assert_eq!(terms.charges(&account, date(2027, 4, 25)).unwrap().surcharge, 5 + 100, "a day late is late");
        assert_eq!(terms.charges(&account, date(2027, 4, 26)).unwrap().surcharge, 20 + 100);
    }

    #[test]
    fn a_payment_settles_principal_then_interest_then_surcharge() {
        let terms = LateTerms { late_payment: ppm(50_000), ..terms() };
        let account = owing(1_000_000, &[]);
        let pay = |amount| {
            let payment = Payment { amount, value_date: date(2027, 5, 1), at: date(2027, 5, 3) };
            let settled = settle_one(&terms, &account, &payment).unwrap();
            (settled.principal, settled.interest, settled.surcharge)
        };
        assert_eq!(pay(999_999), (999_999, 0, 0));
        assert_eq!(pay(1_001_000), (1_000_000, 1_000, 0));
        assert_eq!(pay(1_010_000), (1_000_000, 2_000, 8_000));
        assert_eq!(pay(2_000_000), (1_000_000, 2_000, 50_000));
    }

    #[test]
    fn charges_that_leave_their_range_are_an_answer() {
        let terms = LateTerms { interest: ppm(1_000_000), ..terms() };
        let account = owing(Amount::MAX_MINOR, &[]);
        assert_eq!(terms.charges(&account, date(9999, 1, 1)), Err(TooLarge(StepRule::Interest)));
    }

    #[test]
    fn the_surcharge_for_not_filing_follows_the_list_and_stays_at_its_last() {
        let mut version = crate::fixture::money::version(crate::levy::schedule::Tariff::Flat(ppm(1)));
        assert_eq!(non_filing(&version, 1), ppm(0));
        version.late.non_filing_ppm = vec![ppm(100_000), ppm(400_000)];
        assert_eq!([0, 1, 2, 3].map(|n| non_filing(&version, n).get()), [0, 100_000, 400_000, 400_000]);
    }
}
