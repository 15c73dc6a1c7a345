//! Positions and times of the chain: heights, rounds, block time, cursors.
//!
//! Block time is milliseconds UTC since 1970 and strictly increasing (rulebook §1). This module holds numbers; it must
//! not know a clock.

use core::fmt;
use core::str::FromStr;

use crate::error::PrimitiveError;
use crate::hash::shortened;

/// The position of a block. Genesis is 0, the first block 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Height(pub u64);

impl Height {
    /// The height of genesis.
    pub const GENESIS: Self = Self(0);

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The height after this one; `None` after the last.
    pub const fn next(self) -> Option<Self> {
        self.checked_add(1)
    }

    /// The height before this one; `None` before genesis.
    pub const fn previous(self) -> Option<Self> {
        self.checked_sub(1)
    }

    /// `blocks` later.
    pub const fn checked_add(self, blocks: u64) -> Option<Self> {
        match self.0.checked_add(blocks) {
            Some(height) => Some(Self(height)),
            None => None,
        }
    }

    /// `blocks` earlier.
    pub const fn checked_sub(self, blocks: u64) -> Option<Self> {
        match self.0.checked_sub(blocks) {
            Some(height) => Some(Self(height)),
            None => None,
        }
    }
}

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// An attempt to decide within a height, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Round(pub u32);

impl Round {
    /// The first attempt.
    pub const ZERO: Self = Self(0);

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The round after this one; `None` after the last.
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(round) => Some(Self(round)),
            None => None,
        }
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Milliseconds UTC since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BlockTime(pub u64);

impl BlockTime {
    /// The beginning of 1970.
    pub const ZERO: Self = Self(0);

    /// Milliseconds since 1970.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// `millis` milliseconds later.
    pub const fn checked_add(self, millis: u64) -> Option<Self> {
        match self.0.checked_add(millis) {
            Some(time) => Some(Self(time)),
            None => None,
        }
    }

    /// `millis` milliseconds earlier.
    pub const fn checked_sub(self, millis: u64) -> Option<Self> {
        match self.0.checked_sub(millis) {
            Some(time) => Some(Self(time)),
            None => None,
        }
    }

    /// `millis` milliseconds later, or the end of time.
    pub const fn saturating_add(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to this; `None` if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Option<u64> {
        self.0.checked_sub(earlier.0)
    }
}

impl fmt::Display for BlockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A place in the log: a block and a receipt of it, from 0. Written `height.receipt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cursor {
    /// The block.
    pub height: Height,
    /// The receipt's index within the block, system receipts first.
    pub receipt: u32,
}

impl Cursor {
    /// The place of a receipt.
    pub const fn new(height: Height, receipt: u32) -> Self {
        Self { height, receipt }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.height, self.receipt)
    }
}

impl FromStr for Cursor {
    type Err = PrimitiveError;

    /// Reads what `Display` writes and nothing else: no sign, no leading zero, so that a cursor has one text.
    fn from_str(text: &str) -> Result<Self, PrimitiveError> {
        let read = || {
            let (height, receipt) = text.split_once('.')?;
            Some(Self { height: Height(decimal(height)?), receipt: decimal(receipt)? })
        };
        read().ok_or_else(|| PrimitiveError::Cursor { value: shortened(text) })
    }
}

/// A plain decimal number without sign or leading zeros.
fn decimal<N: FromStr>(text: &str) -> Option<N> {
    let canonical = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn arithmetic_stops_at_the_ends_instead_of_wrapping() {
        assert_eq!(Height(u64::MAX).next(), None);
        assert_eq!(Height::GENESIS.previous(), None);
        assert_eq!(Height(7).checked_sub(3).and_then(Height::next), Some(Height(5)));
        assert_eq!(Round(u32::MAX).next(), None);
        assert_eq!(Round::ZERO.next(), Some(Round(1)));
        assert_eq!(BlockTime(u64::MAX).checked_add(1), None);
        assert_eq!(BlockTime(u64::MAX).saturating_add(1), BlockTime(u64::MAX));
        assert_eq!(BlockTime(5).since(BlockTime(3)), Some(2));
        assert_eq!(BlockTime(3).since(BlockTime(5)), None);
    }

    #[test]
    fn a_cursor_has_exactly_one_text() {
        let cursor = Cursor::new(Height(12), 0);
        assert_eq!(cursor.to_string(), "12.0");
        assert_eq!("12.0".parse(), Ok(cursor));
        for wrong in ["", "12", "12.", ".0", "012.0", "12.00", "+12.0", "12.-1", "12.0.0", "12.4294967296", " 12.0"] {
            assert!(wrong.parse::<Cursor>().is_err(), "{wrong}");
        }
        assert!(Cursor::new(Height(2), 9) < Cursor::new(Height(3), 0));
    }
}
