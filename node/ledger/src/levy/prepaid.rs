//! Record: money of a payer that waits for an assessment, with its value dates (rulebook §5, instalments).
//!
//! The account `prepaid_levy` holds its sum; the value dates decide later what was paid in time.

use super::{
    account::{LevyAccount, LevyKey, PaidPart, SettledPeriod, add_part, last_period, take_part},
    compute::TooLarge,
    late::{Payment, settle},
};
use crate::{
    state::{Overlay, Record},
    wire::message,
};
use octroi_primitives::*;

message! {
    /// Record: what a payer paid before an assessment, or too much.
    pub struct PrepaidLevy = PrepaidLevy {
        /// Ascending by value date.
        pub parts: Vec<PaidPart>,
    }
}

impl Record for PrepaidLevy {
    type Key = (OrganisationId, ScheduleCode);
}

impl PrepaidLevy {
    /// Minor units.
    pub fn sum(&self) -> u128 {
        self.parts.iter().map(|part| u128::from(part.amount)).sum()
    }
}

fn parts(state: &Overlay<'_>, payer: OrganisationId, schedule: ScheduleCode) -> Vec<PaidPart> {
    state.get::<PrepaidLevy>(&(payer, schedule)).map_or_else(Vec::new, |record| record.parts.clone())
}

fn put(state: &mut Overlay<'_>, payer: OrganisationId, schedule: ScheduleCode, parts: Vec<PaidPart>) {
    if parts.is_empty() {
        state.remove::<PrepaidLevy>(&(payer, schedule));
    } else {
        state.put::<PrepaidLevy>((payer, schedule), PrepaidLevy { parts });
    }
}

/// What a payer has prepaid, in minor units.
pub fn held(state: &Overlay<'_>, payer: OrganisationId, schedule: ScheduleCode) -> u64 {
    let sum: u128 = parts(state, payer, schedule).iter().map(|part| u128::from(part.amount)).sum();
    u64::try_from(sum).unwrap_or(u64::MAX)
}

/// Adds money.
pub fn add(state: &mut Overlay<'_>, payer: OrganisationId, schedule: ScheduleCode, value_date: LegalDate, amount: u64) {
    let mut list = parts(state, payer, schedule);
    add_part(&mut list, value_date, amount);
    put(state, payer, schedule, list);
}

/// Takes money with a value date; false, and nothing taken, if it is not there.
pub fn take(
    state: &mut Overlay<'_>,
    payer: OrganisationId,
    schedule: ScheduleCode,
    value_date: LegalDate,
    amount: u64,
) -> bool {
    let mut list = parts(state, payer, schedule);
    let taken = take_part(&mut list, value_date, amount);
    put(state, payer, schedule, list);
    taken
}

/// Takes so much of it, the latest first: what is paid back is what came last. Answers with what it took.
pub fn take_latest(
    state: &mut Overlay<'_>,
    payer: OrganisationId,
    schedule: ScheduleCode,
    amount: u64,
) -> Vec<PaidPart> {
    let mut list = parts(state, payer, schedule);
    let taken = split_latest(&mut list, amount);
    put(state, payer, schedule, list);
    taken
}

/// Takes so much from a list that ascends by value date, the latest first; the taken parts ascend too.
pub(super) fn split_latest(list: &mut Vec<PaidPart>, amount: u64) -> Vec<PaidPart> {
    let mut left = amount;
    let mut taken = Vec::new();
    while left > 0 {
        let Some(last) = list.last_mut() else { break };
        let part = last.amount.min(left);
        left -= part;
        taken.insert(0, PaidPart { value_date: last.value_date, amount: part });
        last.amount -= part;
        if last.amount == 0 {
            list.pop();
        }
    }
    taken
}

/// Writes that prepaid money settles a period.
pub fn write_settled(state: &mut Overlay<'_>, payer: OrganisationId, schedule: ScheduleCode, settled: &SettledPeriod) {
    let SettledPeriod { period, amount, settlement } = settled;
    let key: LevyKey = (payer, schedule, *period);
    state.update::<LevyAccount>(&key, |account| account.take(settlement));
    take(state, payer, schedule, settlement.value_date, *amount);
}

/// Applies prepaid money, the oldest value date first, to the oldest unpaid period first, and writes it; answers with what it did.
///
/// # Errors
/// A line of the charges that leaves its range.
pub fn apply(
    scratch: &mut Overlay<'_>,
    payer: OrganisationId,
    schedule: ScheduleCode,
    at: LegalDate,
) -> Result<Vec<SettledPeriod>, TooLarge> {
    let mut done = Vec::new();
    for PaidPart { value_date, amount } in parts(scratch, payer, schedule) {
        let settled = settle(scratch, payer, schedule, last_period(), Payment { amount, value_date, at })?;
        let used: u64 = settled.iter().map(|part| part.amount).sum();
        for part in settled {
            write_settled(scratch, payer, schedule, &part);
            done.push(part);
        }
        if used < amount {
            break;
        }
    }
    Ok(done)
}
