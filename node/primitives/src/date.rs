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
    pub const MIN: Self = Self {
        year: 1,
        month: 1,
        day: 1,
    };
    /// The last day there is.
    pub const MAX: Self = Self {
        year: 9999,
        month: 12,
        day: 31,
    };

    /// The day of these numbers, month and day from 1.
    ///
    /// # Errors
    ///
    /// [`PrimitiveError::Date`] if the calendar has no such day, or the year is not 1 ..= 9999.
    pub fn new(year: u16, month: u8, day: u8) -> Result<Self, PrimitiveError> {
        if !YEARS.contains(&year)
            || !(1..=12).contains(&month)
            || day == 0
            || day > days_in_month(year, month)
        {
            return Err(PrimitiveError::Date {
                value: format!("{year:04}-{month:02}-{day:02}"),
            });
        }
        Ok(Self { year, month, day })
    }

    /// The date of Paris at a block time; the last day of 9999 for all that comes after it.
    pub fn at(time: BlockTime) -> Self {
        let last = Self::MAX.start_millis() + DAY_MILLIS - 1;
        let utc = i64::try_from(time.0).unwrap_or(last).min(last);
        let local = utc
            + if is_summer(utc) {
                2 * HOUR_MILLIS
            } else {
                HOUR_MILLIS
            };
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
        let year = u16::try_from(index / 12)
            .ok()
            .filter(|year| YEARS.contains(year))?;
        let month = (index % 12) as u8 + 1;
        Some(Self {
            year,
            month,
            day: self.day.min(days_in_month(year, month)),
        })
    }

    /// 00:00 legal time of this day. The beginning of 1970 for every earlier day: no block time lies before it.
    pub fn start_time(self) -> BlockTime {
        BlockTime(u64::try_from(self.start_millis()).unwrap_or(0))
    }

    /// Days since 1970-01-01; negative before it.
    pub fn days(self) -> i64 {
        // Years counted from March, so that the leap day is the last of its year; 400 years are 146,097 days.
        let (year, month, day) = (
            i64::from(self.year),
            i64::from(self.month),
            i64::from(self.day),
        );
        let shifted_year = if month > 2 { year } else { year - 1 };
        let shifted_month = (month + 9) % 12;
        let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
        let century_days = shifted_year.div_euclid(4) - shifted_year.div_euclid(100)
            + shifted_year.div_euclid(400);
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
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        Some(Self {
            year: year as u16,
            month: month as u8,
            day: day as u8,
        })
    }

    fn start_millis(self) -> i64 {
        // Both changes happen after midnight, so the first day of summer time begins in winter time, and the first of
        // winter time in summer time.
        let local = self.days() * DAY_MILLIS;
        let winter = local - HOUR_MILLIS;
        if is_summer(winter) {
            winter - HOUR_MILLIS
        } else {
            winter
        }
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
            Self::new(
                digits(year, 4)?,
                digits(month, 2)? as u8,
                digits(day, 2)? as u8,
            )
            .ok()
        };
        read().ok_or_else(|| PrimitiveError::Date {
            value: shortened(text),
        })
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
            .ok_or_else(|| PrimitiveError::Period {
                value: shortened(text),
            })
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
        Self::starting(year, 1, PeriodLength::Year).ok_or_else(|| PrimitiveError::Period {
            value: format!("{year:04}"),
        })
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
            .ok_or_else(|| PrimitiveError::Period {
                value: format!("{year:04}Q{quarter}"),
            })
    }

    /// The month of a year, 1 ..= 12.
    ///
    /// # Errors
    ///
    /// [`PrimitiveError::Period`].
    pub fn month(year: u16, month: u8) -> Result<Self, PrimitiveError> {
        Self::starting(year, month, PeriodLength::Month).ok_or_else(|| PrimitiveError::Period {
            value: format!("{year:04}-{month:02}"),
        })
    }

    /// The period of this length that holds the day.
    pub fn containing(date: LegalDate, length: PeriodLength) -> Self {
        let months = length.months();
        let month = (date.month - 1) / months * months + 1;
        Self {
            first_day: LegalDate {
                month,
                day: 1,
                ..date
            },
            length,
        }
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
        LegalDate {
            year,
            month,
            day: days_in_month(year, month),
        }
    }

    /// Whether the day belongs to it.
    pub fn contains(self, date: LegalDate) -> bool {
        (self.first_day..=self.last_day()).contains(&date)
    }

    /// The period after it, of the same length; `None` after the last of 9999.
    pub fn next(self) -> Option<Self> {
        Some(Self {
            first_day: self.first_day.plus_months(self.length.months().into())?,
            length: self.length,
        })
    }

    /// When it begins: 00:00 legal time of its first day; the beginning of 1970 for every earlier period.
    pub fn start_time(self) -> BlockTime {
        self.first_day.start_time()
    }

    /// When it has ended, which is when the next begins: the first millisecond that is not in it.
    pub fn end_time(self) -> BlockTime {
        // A change of the clock never falls on the midnight after a period: the last Sundays of March and October
        // change at 01:00 UTC, and a month ends at midnight of Paris.
        match self.next() {
            Some(next) => next.start_time(),
            None => BlockTime(self.last_day().start_time().0 + DAY_MILLIS as u64),
        }
    }

    fn starting(year: u16, month: u8, length: PeriodLength) -> Option<Self> {
        Some(Self {
            first_day: LegalDate::new(year, month, 1).ok()?,
            length,
        })
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
        read().ok_or_else(|| PrimitiveError::Period {
            value: shortened(text),
        })
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
    let last = LegalDate {
        year,
        month,
        day: 31,
    }
    .days();
    // 1970-01-01 was a Thursday: day 3 was the first Sunday.
    last - (last - 3).rem_euclid(7)
}
