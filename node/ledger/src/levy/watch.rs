//! What is due of a levy and when: the plan of its duties (rulebook §1, due work; §5).
//!
//! A duty carries a hash alone; [`LevyWatch`] says which period it is about. On the day after the calendar's last day a period is marked overdue; a
//! month later what was never declared is assessed by default; when the years of prescription are over, what is open ends.

use super::{
    account::{LevyAccount, LevyFlag, LevyKey},
    late::{LateTerms, version_of},
    schedule::{LevySchedule, ScheduleVersion},
};
use crate::{
    action::{Kind, Place},
    due,
    state::{Overlay, Record},
    wire::message,
};
use octroi_primitives::*;

message! {
    /// Record: which period a duty is about.
    pub struct LevyWatch = LevyWatch {
        /// Who owes.
        pub payer: OrganisationId,
        /// Under which schedule.
        pub schedule: ScheduleCode,
        /// For which period.
        pub period: Period,
    }
}

impl Record for LevyWatch {
    type Key = Hash;
}

impl LevyWatch {
    /// The period.
    pub fn key(&self) -> LevyKey {
        (self.payer, self.schedule, self.period)
    }
}

/// The object of the duties of a period.
pub fn object((payer, schedule, period): &LevyKey) -> Hash {
    hash("levy-period", &[payer.as_bytes(), schedule.as_str().as_bytes(), period.to_string().as_bytes()])
}

/// The day on which a period is marked overdue, unless all that is due has come: the day after the last one to declare and pay.
pub fn overdue_on(version: &ScheduleVersion, period: Period) -> LegalDate {
    version.calendar.declare_by.of(period).plus_days(1).unwrap_or(LegalDate::MAX)
}

/// The day on which a period that was never declared is assessed by default: a month after it was marked overdue.
pub fn default_on(version: &ScheduleVersion, period: Period) -> LegalDate {
    overdue_on(version, period).plus_months(1).unwrap_or(LegalDate::MAX)
}

/// The first day on which a period can no longer be assessed or claimed; `None` where the version knows no prescription.
pub fn prescribed_on(version: &ScheduleVersion, period: Period) -> Option<LegalDate> {
    let years = Some(version.prescription_years).filter(|years| *years > 0)?;
    period.last_day().plus_months(years.checked_mul(12)?)?.plus_days(1)
}

fn plan(state: &mut Overlay<'_>, key: &LevyKey, kind: Kind, day: LegalDate) {
    let (payer, schedule, period) = *key;
    let object = object(key);
    state.put::<LevyWatch>(object, LevyWatch { payer, schedule, period });
    due::schedule(state, day.start_time(), kind, object);
}

/// Plans what a period that is declared or expected waits for. Days that have passed are not planned again: lateness shows when it is assessed.
pub fn expect(state: &mut Overlay<'_>, key: &LevyKey, version: &ScheduleVersion, today: LegalDate) {
    let (_, _, period) = *key;
    let overdue = overdue_on(version, period);
    // Use that is attested late makes a period expected whose day has passed.
    if overdue > today || !state.has::<LevyAccount>(key) {
        plan(state, key, Kind::MarkOverdue, overdue.max(today));
    }
    if let Some(day) = prescribed_on(version, period)
        && day > today
    {
        plan(state, key, Kind::PrescribeLevy, day);
    }
}

/// After an assessment with something to pay, the period after it is expected too.
pub fn expect_next(state: &mut Overlay<'_>, (payer, schedule, period): LevyKey, place: &Place) {
    let taxed = state.get::<LevyAccount>(&(payer, schedule, period)).is_some_and(|account| account.assessed > 0);
    let Some(next) = period.next().filter(|_| taxed) else { return };
    let key = (payer, schedule, next);
    let version = state.get::<LevySchedule>(&schedule).and_then(|record| record.version_for(next)).cloned();
    if let Some(version) = version
        && !state.has::<LevyAccount>(&key)
    {
        expect(state, &key, &version, place.date());
    }
}

/// Plans the default assessment of a period that was not declared in time.
pub fn expect_default(state: &mut Overlay<'_>, key: &LevyKey, at: LegalDate) {
    plan(state, key, Kind::AssessByDefault, at);
}

/// Plans prescription at once: its day passed while a dispute waited.
pub fn prescribe_now(state: &mut Overlay<'_>, key: &LevyKey, today: LegalDate) {
    plan(state, key, Kind::PrescribeLevy, today);
}

/// Sets the flag of a period that is assessed after its day with something open.
pub fn mark_if_late(state: &mut Overlay<'_>, key: LevyKey, today: LegalDate) {
    let Some(account) = state.get::<LevyAccount>(&key).cloned() else { return };
    let Some(version) = version_of(state, &key.1, &account) else { return };
    if LateTerms::of(version, key.2, account.failures).is_late(&account, today) {
        state.update::<LevyAccount>(&key, |account| account.set(LevyFlag::Overdue));
    }
}
