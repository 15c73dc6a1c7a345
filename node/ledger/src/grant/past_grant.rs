//! Records of past grants: one for each declared row, one for each file, and totals of their own (rulebook §7, `declare_past_grant`).
//!
//! A record says who declared it and how much; everything a row says stands in its event, which views index by identifiers. Rows of a file that was
//! replaced are withdrawn but kept: ask the file.

use crate::{
    state::Record,
    wire::{Wire, WireError, message, pb},
};
use octroi_primitives::*;

message! {
    /// Record: a past grant; no money of this ledger.
    pub struct PastGrant = PastGrant {
        /// Its id.
        pub id: PastGrantId,
        /// Who declared it.
        pub signer: OrganisationId,
        /// The registered organisation that holds an identifier of the funder.
        pub funder: Option<OrganisationId>,
        /// Year of the grant's date.
        pub year: Year,
        /// The beneficiary's money.
        pub amount: Option<Amount>,
        /// H("past-grant", canonical bytes of the declaration).
        pub content: Hash,
    }

    /// Record: a published file.
    pub struct PastGrantFile = PastGrantFile {
        /// Who declared its first row; only it, or one it has made its publisher, declares more.
        pub signer: OrganisationId,
        /// The file it corrects.
        pub replaces: Option<FileHash>,
        /// The file that corrects it: its own rows are withdrawn.
        pub replaced_by: Option<FileHash>,
        /// Rows declared, shares counted apart.
        pub rows: u64,
    }
}

impl Record for PastGrant {
    /// (file, row, share number): unique for ever.
    type Key = (FileHash, u32, u32);
}

impl Record for PastGrantFile {
    type Key = FileHash;
}

/// Record: sum over the rows of a file, a year and a currency that name an amount.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PastGrantTotal {
    /// Rows with an amount.
    pub rows: u64,
    /// Their sum in minor units.
    pub minor: Balance,
}

impl Record for PastGrantTotal {
    /// (file, year, currency).
    type Key = (FileHash, u16, Currency);
}

impl Wire for PastGrantTotal {
    type Proto = pb::PastGrantTotal;

    fn to_proto(&self) -> pb::PastGrantTotal {
        let Self { rows, minor } = self;
        pb::PastGrantTotal { rows: *rows, minor: minor.to_be_bytes().to_vec() }
    }

    fn from_proto(proto: pb::PastGrantTotal) -> Result<Self, WireError> {
        let pb::PastGrantTotal { rows, minor } = proto;
        let minor: [u8; 16] = minor.try_into().map_err(|_| WireError::invalid("must be 16 bytes").within("minor"))?;
        Ok(Self { rows, minor: Balance::from_be_bytes(minor) })
    }
}

/// A calendar year, 1 ..= 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Year(u16);

impl Year {
    /// # Errors
    /// A year outside 1 ..= 9999.
    pub fn new(year: u16) -> Result<Self, WireError> {
        match LegalDate::new(year, 1, 1) {
            Ok(_) => Ok(Self(year)),
            Err(error) => Err(WireError::invalid(error)),
        }
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl Wire for Year {
    type Proto = u32;
    fn to_proto(&self) -> u32 {
        self.0.into()
    }
    fn from_proto(proto: u32) -> Result<Self, WireError> {
        u16::try_from(proto).map_err(|_| WireError::invalid(format!("{proto} is no year"))).and_then(Self::new)
    }
}

/// A calendar date of which only the year, or year and month, may be known; one that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartialDate {
    year: Year,
    month: Option<u8>,
    day: Option<u8>,
}

impl PartialDate {
    /// # Errors
    /// A date that does not exist, or a day without a month.
    pub fn new(year: u16, month: Option<u8>, day: Option<u8>) -> Result<Self, WireError> {
        if month.is_none() && day.is_some() {
            return Err(WireError::invalid("a day without a month"));
        }
        LegalDate::new(year, month.unwrap_or(1), day.unwrap_or(1)).map_err(WireError::invalid)?;
        Ok(Self { year: Year::new(year)?, month, day })
    }

    /// The year.
    pub const fn year(&self) -> Year {
        self.year
    }

    /// The month, where it is known.
    pub const fn month(&self) -> Option<u8> {
        self.month
    }

    /// The day, where it is known.
    pub const fn day(&self) -> Option<u8> {
        self.day
    }

    /// Whether all that is known of this date allows it to be on or before the other.
    pub fn may_precede(&self, other: &Self) -> bool {
        let earliest = (self.year, self.month.unwrap_or(1), self.day.unwrap_or(1));
        let latest = (other.year, other.month.unwrap_or(12), other.day.unwrap_or(31));
        earliest <= latest
    }
}

impl core::fmt::Display for PartialDate {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:04}", self.year.0)?;
        for part in [self.month, self.day].into_iter().flatten() {
            write!(f, "-{part:02}")?;
        }
        Ok(())
    }
}

impl Wire for PartialDate {
    type Proto = pb::PartialDate;

    fn to_proto(&self) -> pb::PartialDate {
        let Self { year, month, day } = self;
        pb::PartialDate { year: year.0.into(), month: month.map(u32::from), day: day.map(u32::from) }
    }

    fn from_proto(proto: pb::PartialDate) -> Result<Self, WireError> {
        let pb::PartialDate { year, month, day } = proto;
        let narrow = |part: Option<u32>| {
            part.map(|part| u8::try_from(part).map_err(|_| WireError::invalid(format!("{part} is no month or day"))))
                .transpose()
        };
        let year = Year::from_proto(year).map_err(|error| error.within("year"))?;
        Self::new(year.0, narrow(month)?, narrow(day)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Canonical;

    #[test]
    fn a_partial_date_exists_or_is_refused() {
        assert!(PartialDate::new(2016, Some(2), Some(29)).is_ok());
        for (year, month, day) in
            [(2017, Some(2), Some(29)), (2017, None, Some(1)), (2017, Some(13), None), (0, None, None)]
        {
            assert!(PartialDate::new(year, month, day).is_err(), "{year} {month:?} {day:?}");
        }
        for (date, text) in [((2017, None, None), "2017"), ((2017, Some(4), None), "2017-04")] {
            let date = PartialDate::new(date.0, date.1, date.2).unwrap();
            assert_eq!(date.to_string(), text);
            assert_eq!(PartialDate::from_bytes(&date.to_bytes()), Ok(date));
        }
    }

    #[test]
    fn a_date_may_precede_another_unless_what_is_known_forbids_it() {
        let date = |year, month, day| PartialDate::new(year, month, day).unwrap();
        assert!(date(2017, Some(5), None).may_precede(&date(2017, None, None)));
        assert!(date(2017, Some(5), Some(31)).may_precede(&date(2017, Some(5), None)));
        assert!(!date(2017, Some(6), None).may_precede(&date(2017, Some(5), None)));
    }
}
