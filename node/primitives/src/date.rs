//! The legal calendar: the date of Paris for all, and periods of it (rulebook §1).
//!
//! The fixed EU rule and no time-zone database: UTC+1, and UTC+2 from the last Sunday of March 01:00 UTC to the last
//! Sunday of October 01:00 UTC, in every year. Gregorian calendar, years 1 to 9999.
//!
//! **Must not know** what day it is.

use alloc::format;
use core::fmt;
use core::str::FromStr;

use crate::error::PrimitiveError;
use crate::hash::shortened;
use crate::time::BlockTime;

const HOUR_MILLIS: i64 = 3_600_000;
const DAY_MILLIS: i64 = 24 * HOUR_MILLIS;
/// The first and the last year of the calendar.
const YEARS: core::ops::RangeInclusive<u16> = 1..=9999;

/// A day of the legal calendar. Ordered in time; written `2027-07-14`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegalDate {
    year: u16,
    month: u8,
    day: u8,
}

impl LegalDate {
    /// The first day there is.
    pub const MIN: Self = Self { year: 1, month: 1, day: 1 };
    /// The last day there is.
    pub const MAX: Self = Self { year: 9999, month: 12, day: 31 };

    /// The day of these numbers, month and day from 1.
    ///
    /// # Errors
    ///
    /// [`PrimitiveError::Date`] if the calendar has no such day, or the year is not 1 ..= 9999.
    pub fn new(year: u16, month: u8, day: u8) -> Result<Self, PrimitiveError> {
        if !YEARS.contains(&year) || !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
            return Err(PrimitiveError::Date { value: format!("{year:04}-{month:02}-{day:02}") });
        }
        Ok(Self { year, month, day })
    }

    /// The date of Paris at a block time; the last day of 9999 for all that comes after it.
    pub fn at(time: BlockTime) -> Self {
        let last = Self::MAX.start_millis() + DAY_MILLIS - 1;
        let utc = i64::try_from(time.0).unwrap_or(last).min(last);
        let local = utc + if is_summer(utc) { 2 * HOUR_MILLIS } else { HOUR_MILLIS };
        Self::from_days(local.div_euclid(DAY_MILLIS)).unwrap_or(Self::MAX)
    }

    /// Its year, 1 ..= 9999.
    pub const fn year(self) -> u16 {
        self.year
    }

    /// Its month, 1 ..= 12.
    pub const fn month(self) -> u8 {
        self.month
    }

    /// Its day of the month, from 1.
    pub const fn day(self) -> u8 {
        self.day
    }

    /// `days` later, or earlier if negative; `None` outside the years 1 to 9999.
    pub fn plus_days(self, days: i64) -> Option<Self> {
        Self::from_days(self.days().checked_add(days)?)
    }

    /// Days from `earlier` to this day; negative if `earlier` is later.
    pub fn days_since(self, earlier: Self) -> i64 {
        self.days() - earlier.days()
    }

    /// `months` later on the same day of the month, or on the month's last day if it has no such day; `None` after the
    /// year 9999.
    pub fn plus_months(self, months: u32) -> Option<Self> {
        let index = u32::from(self.year) * 12 + u32::from(self.month) - 1;
        let index = index.checked_add(months)?;
        let year = u16::try_from(index / 12).ok().filter(|year| YEARS.contains(year))?;
        let month = (index % 12) as u8 + 1;
        Some(Self { year, month, day: self.day.min(days_in_month(year, month)) })
    }

    /// 00:00 legal time of this day. The beginning of 1970 for every earlier day: no block time lies before it.
    pub fn start_time(self) -> BlockTime {
        BlockTime(u64::try_from(self.start_millis()).unwrap_or(0))
    }

    /// Days since 1970-01-01; negative before it.
    pub fn days(self) -> i64 {
        // Years counted from March, so that the leap day is the last of its year; 400 years are 146,097 days.
        let (year, month, day) = (i64::from(self.year), i64::from(self.month), i64::from(self.day));
        let shifted_year = if month > 2 { year } else { year - 1 };
        let shifted_month = (month + 9) % 12;
        let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
        let century_days = shifted_year.div_euclid(4) - shifted_year.div_euclid(100) + shifted_year.div_euclid(400);
        365 * shifted_year + century_days + day_of_year - 719_468
    }

    /// The day that many days after 1970-01-01; `None` outside the years 1 to 9999.
    pub fn from_days(days: i64) -> Option<Self> {
        if !(Self::MIN.days()..=Self::MAX.days()).contains(&days) {
            return None;
        }
        // The inverse of `days`: within 400 years the year follows from the day by taking out the leap days.
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        Some(Self { year: year as u16, month: month as u8, day: day as u8 })
    }

    fn start_millis(self) -> i64 {
        // Both changes happen after midnight, so the first day of summer time begins in winter time, and the first of
        // winter time in summer time.
        let local = self.days() * DAY_MILLIS;
        let winter = local - HOUR_MILLIS;
        if is_summer(winter) { winter - HOUR_MILLIS } else { winter }
    }
}

impl fmt::Display for LegalDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl fmt::Debug for LegalDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for LegalDate {
    type Err = PrimitiveError;

    /// Reads `YYYY-MM-DD` and nothing else.
    fn from_str(text: &str) -> Result<Self, PrimitiveError> {
        let read = || {
            let (year, rest) = text.split_once('-')?;
            let (month, day) = rest.split_once('-')?;
            Self::new(digits(year, 4)?, digits(month, 2)? as u8, digits(day, 2)? as u8).ok()
        };
        read().ok_or_else(|| PrimitiveError::Date { value: shortened(text) })
    }
}

/// How long a fund's periods are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeriodLength {
    /// Twelve months from January.
    Year,
    /// Three months from January, April, July or October.
    Quarter,
    /// One month.
    Month,
}

impl PeriodLength {
    /// All lengths, longest first.
    pub const ALL: [Self; 3] = [Self::Year, Self::Quarter, Self::Month];

    /// Its months: 12, 3 or 1.
    pub const fn months(self) -> u8 {
        match self {
            Self::Year => 12,
            Self::Quarter => 3,
            Self::Month => 1,
        }
    }

    /// Its name: `year`, `quarter` or `month`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Quarter => "quarter",
            Self::Month => "month",
        }
    }
}

impl fmt::Display for PeriodLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for PeriodLength {
    type Err = PrimitiveError;

    fn from_str(text: &str) -> Result<Self, PrimitiveError> {
        Self::ALL
            .into_iter()
            .find(|length| length.as_str() == text)
            .ok_or_else(|| PrimitiveError::Period { value: shortened(text) })
    }
}

/// A year, a quarter or a month of the legal calendar, written `2027`, `2027Q3`, `2027-07`. Ordered by first day, then
/// the longest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    first_day: LegalDate,
    length: PeriodLength,
}

impl Period {
    /// The year.
    ///
    /// # Errors
    ///
    /// [`PrimitiveError::Period`] unless 1 ..= 9999; and so for the others.
    pub fn year(year: u16) -> Result<Self, PrimitiveError> {
        Self::starting(year, 1, PeriodLength::Year)
            .ok_or_else(|| PrimitiveError::Period { value: format!("{year:04}") })
    }

    /// The quarter of a year, 1 ..= 4.
    ///
    /// # Errors
    ///
    /// [`PrimitiveError::Period`].
    pub fn quarter(year: u16, quarter: u8) -> Result<Self, PrimitiveError> {
        (1..=4)
            .contains(&quarter)
            .then(|| Self::starting(year, 3 * quarter - 2, PeriodLength::Quarter))
            .flatten()
            .ok_or_else(|| PrimitiveError::Period { value: format!("{year:04}Q{quarter}") })
    }

    /// The month of a year, 1 ..= 12.
    ///
    /// # Errors
    ///
    /// [`PrimitiveError::Period`].
    pub fn month(year: u16, month: u8) -> Result<Self, PrimitiveError> {
        Self::starting(year, month, PeriodLength::Month)
            .ok_or_else(|| PrimitiveError::Period { value: format!("{year:04}-{month:02}") })
    }

    /// The period of this length that holds the day.
    pub fn containing(date: LegalDate, length: PeriodLength) -> Self {
        let months = length.months();
        let month = (date.month - 1) / months * months + 1;
        Self { first_day: LegalDate { month, day: 1, ..date }, length }
    }

    /// The period of this length at a block time.
    pub fn at(time: BlockTime, length: PeriodLength) -> Self {
        Self::containing(LegalDate::at(time), length)
    }

    /// Its length.
    pub const fn length(self) -> PeriodLength {
        self.length
    }

    /// Its first day.
    pub const fn first_day(self) -> LegalDate {
        self.first_day
    }

    /// Its last day.
    pub fn last_day(self) -> LegalDate {
        let LegalDate { year, month, .. } = self.first_day;
        let month = month + self.length.months() - 1;
        LegalDate { year, month, day: days_in_month(year, month) }
    }

    /// Whether the day belongs to it.
    pub fn contains(self, date: LegalDate) -> bool {
        (self.first_day..=self.last_day()).contains(&date)
    }

    /// The period after it, of the same length; `None` after the last of 9999.
    pub fn next(self) -> Option<Self> {
        Some(Self { first_day: self.first_day.plus_months(self.length.months().into())?, length: self.length })
    }

    /// When it begins: 00:00 legal time of its first day; the beginning of 1970 for every earlier period.
    pub fn start_time(self) -> BlockTime {
        self.first_day.start_time()
    }

    /// When it has ended, which is when the next begins: the first millisecond that is not in it.
    pub fn end_time(self) -> BlockTime {
        match self.next() {
            Some(next) => next.start_time(),
            // No clock changes in December.
            None => BlockTime(self.last_day().start_time().0 + DAY_MILLIS as u64),
        }
    }

    fn starting(year: u16, month: u8, length: PeriodLength) -> Option<Self> {
        Some(Self { first_day: LegalDate::new(year, month, 1).ok()?, length })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LegalDate { year, month, .. } = self.first_day;
        match self.length {
            PeriodLength::Year => write!(f, "{year:04}"),
            PeriodLength::Quarter => write!(f, "{year:04}Q{}", month / 3 + 1),
            PeriodLength::Month => write!(f, "{year:04}-{month:02}"),
        }
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Period {
    type Err = PrimitiveError;

    /// Reads what `Display` writes and nothing else.
    fn from_str(text: &str) -> Result<Self, PrimitiveError> {
        let read = || {
            if let Some((year, quarter)) = text.split_once('Q') {
                return Self::quarter(digits(year, 4)?, digits(quarter, 1)? as u8).ok();
            }
            match text.split_once('-') {
                Some((year, month)) => Self::month(digits(year, 4)?, digits(month, 2)? as u8).ok(),
                None => Self::year(digits(text, 4)?).ok(),
            }
        };
        read().ok_or_else(|| PrimitiveError::Period { value: shortened(text) })
    }
}

/// Exactly `count` decimal digits, at most four.
fn digits(text: &str, count: usize) -> Option<u16> {
    let right = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    if right { text.parse().ok() } else { None }
}

const fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Whether summer time holds at a moment, milliseconds UTC since 1970.
fn is_summer(utc: i64) -> bool {
    let Some(date) = LegalDate::from_days(utc.div_euclid(DAY_MILLIS)) else {
        return false;
    };
    let change = |month| last_sunday(date.year, month) * DAY_MILLIS + HOUR_MILLIS;
    (change(3)..change(10)).contains(&utc)
}

/// The last Sunday of March or October, which have 31 days; days since 1970.
fn last_sunday(year: u16, month: u8) -> i64 {
    let last = LegalDate { year, month, day: 31 }.days();
    // 1970-01-01 was a Thursday: day 3 was the first Sunday.
    last - (last - 3).rem_euclid(7)
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> LegalDate {
        text.parse().unwrap()
    }

    fn period(text: &str) -> Period {
        text.parse().unwrap()
    }

    /// Moments in UTC, computed with `date -u -d … +%s`, and the date a clock in Paris shows.
    #[test]
    fn the_legal_date_follows_the_clock_of_paris() {
        for (utc, seconds, expected) in [
            ("1970-01-01T00:00:00Z", 0, "1970-01-01"),
            ("2026-12-31T22:59:59Z", 1_798_757_999, "2026-12-31"),
            ("2026-12-31T23:00:00Z", 1_798_758_000, "2027-01-01"),
            // Winter still: the clocks change on Sunday 28 March 2027 at 01:00 UTC.
            ("2027-03-27T22:59:59Z", 1_806_188_399, "2027-03-27"),
            ("2027-03-27T23:00:00Z", 1_806_188_400, "2027-03-28"),
            ("2027-03-28T21:59:59Z", 1_806_271_199, "2027-03-28"),
            ("2027-03-28T22:00:00Z", 1_806_271_200, "2027-03-29"),
            ("2027-06-30T21:59:59Z", 1_814_392_799, "2027-06-30"),
            ("2027-06-30T22:00:00Z", 1_814_392_800, "2027-07-01"),
            // Summer still: back on Sunday 31 October 2027 at 01:00 UTC.
            ("2027-10-30T21:59:59Z", 1_824_933_599, "2027-10-30"),
            ("2027-10-30T22:00:00Z", 1_824_933_600, "2027-10-31"),
            ("2027-10-31T22:59:59Z", 1_825_023_599, "2027-10-31"),
            ("2027-10-31T23:00:00Z", 1_825_023_600, "2027-11-01"),
            ("2028-02-28T23:00:00Z", 1_835_391_600, "2028-02-29"),
            ("2028-02-29T23:00:00Z", 1_835_478_000, "2028-03-01"),
        ] {
            assert_eq!(LegalDate::at(BlockTime(seconds * 1000)), day(expected), "{utc}");
        }
    }

    #[test]
    fn the_clock_changes_at_one_o_clock_utc_to_the_millisecond() {
        // 2027-03-28 and 2027-10-31, 01:00 UTC.
        for (seconds, before, after) in [(1_806_195_600, false, true), (1_824_944_400, true, false)] {
            assert_eq!(is_summer(seconds * 1000 - 1), before);
            assert_eq!(is_summer(seconds * 1000), after);
        }
        let sundays = [
            (2024, "2024-03-31", "2024-10-27"),
            (2025, "2025-03-30", "2025-10-26"),
            (2026, "2026-03-29", "2026-10-25"),
        ];
        for (year, march, october) in sundays {
            assert_eq!(last_sunday(year, 3), day(march).days());
            assert_eq!(last_sunday(year, 10), day(october).days());
        }
    }

    #[test]
    fn every_day_follows_the_one_before_and_begins_at_its_own_midnight() {
        let mut date = LegalDate::MIN;
        for number in date.days()..=LegalDate::MAX.days() {
            assert_eq!(date.days(), number);
            assert_eq!(LegalDate::from_days(number), Some(date));
            if date.year() >= 1971 {
                let start = date.start_time();
                assert_eq!(LegalDate::at(start), date);
                assert_eq!(LegalDate::at(BlockTime(start.0 - 1)), date.plus_days(-1).unwrap());
            }
            let last_of_month = date.day() == days_in_month(date.year(), date.month());
            let expected = match (last_of_month, date.month()) {
                (false, _) => LegalDate::new(date.year(), date.month(), date.day() + 1).ok(),
                (true, 12) => LegalDate::new(date.year() + 1, 1, 1).ok(),
                (true, month) => LegalDate::new(date.year(), month + 1, 1).ok(),
            };
            let Some(next) = expected else { break };
            assert!(date < next);
            date = next;
        }
        assert_eq!(date, LegalDate::MAX);
        assert_eq!(LegalDate::from_days(LegalDate::MAX.days() + 1), None);
        assert_eq!(LegalDate::from_days(LegalDate::MIN.days() - 1), None);
        assert_eq!(LegalDate::from_days(i64::MAX), None);
    }

    #[test]
    fn the_end_of_time_is_the_last_day() {
        assert_eq!(LegalDate::at(BlockTime(u64::MAX)), LegalDate::MAX);
        assert_eq!(LegalDate::at(LegalDate::MAX.start_time()), LegalDate::MAX);
        assert_eq!(LegalDate::MIN.start_time(), BlockTime(0));
        assert_eq!(LegalDate::MAX.plus_days(1), None);
        assert_eq!(LegalDate::MAX.plus_days(i64::MAX), None);
    }

    #[test]
    fn months_are_added_on_the_same_day_or_the_last_one() {
        assert_eq!(day("2027-01-31").plus_months(1), Some(day("2027-02-28")));
        assert_eq!(day("2028-01-31").plus_months(1), Some(day("2028-02-29")));
        assert_eq!(day("2027-11-30").plus_months(2), Some(day("2028-01-30")));
        assert_eq!(day("2027-12-01").plus_months(12), Some(day("2028-12-01")));
        assert_eq!(day("9999-12-01").plus_months(1), None);
        assert_eq!(LegalDate::MAX.plus_months(u32::MAX), None);
    }

    #[test]
    fn only_days_of_the_calendar_are_dates_in_one_writing() {
        assert_eq!(day("2027-07-14").to_string(), "2027-07-14");
        assert_eq!(day("0800-12-25").to_string(), "0800-12-25");
        assert!(LegalDate::new(2000, 2, 29).is_ok() && LegalDate::new(1900, 2, 29).is_err());
        for wrong in [
            "",
            "2027-7-14",
            "2027-07-1",
            "2027/07/14",
            "2027-02-29",
            "2027-04-31",
            "2027-00-01",
            "2027-13-01",
            "2027-01-00",
            "2027-01-32",
            "0000-01-01",
            "10000-01-01",
            "+027-01-01",
            "2027-01-01 ",
            "2027-07",
        ] {
            assert!(wrong.parse::<LegalDate>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn periods_have_first_and_last_days_and_follow_each_other() {
        for (text, first, last, next) in [
            ("2027", "2027-01-01", "2027-12-31", "2028"),
            ("2027Q1", "2027-01-01", "2027-03-31", "2027Q2"),
            ("2027Q3", "2027-07-01", "2027-09-30", "2027Q4"),
            ("2027Q4", "2027-10-01", "2027-12-31", "2028Q1"),
            ("2028-02", "2028-02-01", "2028-02-29", "2028-03"),
            ("2027-12", "2027-12-01", "2027-12-31", "2028-01"),
        ] {
            let this = period(text);
            assert_eq!(this.to_string(), text);
            assert_eq!((this.first_day(), this.last_day()), (day(first), day(last)));
            assert_eq!(this.next(), Some(period(next)));
            assert!(this < period(next));
            assert_eq!(this.end_time(), period(next).start_time());
            assert_eq!(Period::at(this.start_time(), this.length()), this);
            assert_eq!(Period::at(BlockTime(this.end_time().0 - 1), this.length()), this);
        }
        assert_eq!(period("9999Q4").next(), None);
        assert_eq!(period("9999Q4").end_time(), BlockTime(LegalDate::MAX.start_time().0 + 86_400_000));
    }

    /// `TZ=Europe/Paris date -d '2027-07-01' +%s` and its like.
    #[test]
    fn periods_begin_at_midnight_of_paris() {
        assert_eq!(period("2027").start_time(), BlockTime(1_798_758_000_000));
        assert_eq!(period("2027Q3").start_time(), BlockTime(1_814_392_800_000));
        assert_eq!(period("2027-11").start_time(), BlockTime(1_825_023_600_000));
    }

    #[test]
    fn only_the_three_writings_are_periods() {
        for wrong in [
            "",
            "27",
            "2027Q0",
            "2027Q5",
            "2027q3",
            "2027-Q3",
            "2027Q03",
            "2027-13",
            "2027-7",
            "0000",
            "20270",
            "2027-07-01",
        ] {
            assert!(wrong.parse::<Period>().is_err(), "{wrong}");
        }
        for length in PeriodLength::ALL {
            assert_eq!(length.as_str().parse(), Ok(length));
        }
    }

    proptest! {
        #[test]
        fn a_day_lies_in_the_period_that_contains_it(days in -719_162i64..=2_932_896, length in 0usize..3) {
            let date = LegalDate::from_days(days).unwrap();
            let period = Period::containing(date, PeriodLength::ALL[length]);
            prop_assert!(period.contains(date));
            prop_assert_eq!(period.to_string().parse(), Ok(period));
        }
    }
}
