//! Ratios: parts per million, factors and fractions of integers (rulebook §1). Every division names its rounding; here
//! it is `floor`, always in favour of who pays.

use core::fmt;

use crate::error::PrimitiveError;

/// One million: a whole.
const WHOLE: u128 = 1_000_000;

/// Makes one ratio in parts per million with its greatest value.
macro_rules! ratio {
    ($(#[doc = $doc:literal])+ $name:ident, $max:literal) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(u32);

        impl $name {
            /// Greatest value, in parts per million.
            pub const MAX: u32 = $max;
            /// Nothing.
            pub const ZERO: Self = Self(0);
            /// The whole: 1,000,000 parts per million.
            pub const ONE: Self = Self(1_000_000);

            /// That many parts per million.
            ///
            /// # Errors
            ///
            /// [`PrimitiveError::Ratio`] above [`Self::MAX`].
            pub const fn new(parts_per_million: u32) -> Result<Self, PrimitiveError> {
                if parts_per_million > Self::MAX {
                    return Err(PrimitiveError::Ratio { max: Self::MAX, value: parts_per_million });
                }
                Ok(Self(parts_per_million))
            }

            /// Parts per million.
            pub const fn get(self) -> u32 {
                self.0
            }

            /// floor(`value` · ratio / 10^6), exact for every `value`; the greatest u128 where a factor above one would
            /// pass it.
            pub const fn floor_of(self, value: u128) -> u128 {
                // Split at the million, as value · ratio may need more than 128 bits.
                let ratio = self.0 as u128;
                let low = (value % WHOLE) * ratio / WHOLE;
                (value / WHOLE).saturating_mul(ratio).saturating_add(low)
            }
        }

        impl TryFrom<u32> for $name {
            type Error = PrimitiveError;

            fn try_from(parts_per_million: u32) -> Result<Self, PrimitiveError> {
                Self::new(parts_per_million)
            }
        }

        impl fmt::Display for $name {
            /// Writes the number of parts per million and `ppm`.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} ppm", self.0)
            }
        }
    };
}

ratio! {
    /// A share of a whole: 0 ..= 1,000,000 parts per million.
    Ppm, 1_000_000
}
ratio! {
    /// A multiplier: 0 ..= 10,000,000 parts per million, so at most ten times.
    Factor, 10_000_000
}

impl From<Ppm> for Factor {
    fn from(share: Ppm) -> Self {
        Self(share.0)
    }
}

/// A fraction as somebody wrote it: it may be improper, and its denominator may be 0 until it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rational {
    /// The number above the line.
    pub num: u64,
    /// The number below the line; 0 makes no fraction.
    pub den: u64,
}

impl Rational {
    /// `num / den`, unchecked: the ledger refuses a denominator of 0 under a name of its own.
    pub const fn new(num: u64, den: u64) -> Self {
        Self { num, den }
    }

    /// Whether it is a share of a whole: 0 ..= 1 with a denominator other than 0.
    pub const fn is_share(self) -> bool {
        self.den != 0 && self.num <= self.den
    }

    /// floor(`value` · num / den); `None` if the denominator is 0 or the result does not fit.
    pub const fn floor_of(self, value: u128) -> Option<u128> {
        if self.den == 0 {
            return None;
        }
        // Split at the denominator: value · num may need 192 bits, (value mod den) · num never more than 128.
        let (num, den) = (self.num as u128, self.den as u128);
        let low = (value % den) * num / den;
        match (value / den).checked_mul(num) {
            Some(high) => high.checked_add(low),
            None => None,
        }
    }
}

impl fmt::Display for Rational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.num, self.den)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ruint::Uint;

    use super::*;

    /// floor(value · num / den) in 256 bits: the definition.
    fn exact(value: u128, num: u64, den: u64) -> Option<u128> {
        let wide = Uint::<256, 4>::from(value) * Uint::from(num) / Uint::from(den);
        u128::try_from(wide).ok()
    }

    #[test]
    fn the_levy_of_the_rulebook_is_floored() {
        let share = Ppm::new(83_417).unwrap();
        let base = share.floor_of(120_000_000_000);
        assert_eq!(base, 10_010_040_000);
        assert_eq!(Ppm::new(30_000).unwrap().floor_of(base), 300_301_200);
        // Interest: 0.20 % a month on 1,234,567.89 for five started months.
        assert_eq!(Ppm::new(5 * 2_000).unwrap().floor_of(123_456_789), 1_234_567);
    }

    #[test]
    fn bounds_are_inclusive() {
        assert_eq!(Ppm::new(1_000_000), Ok(Ppm::ONE));
        assert_eq!(Ppm::new(1_000_001), Err(PrimitiveError::Ratio { max: 1_000_000, value: 1_000_001 }));
        assert!(Factor::new(10_000_000).is_ok() && Factor::new(10_000_001).is_err());
        assert_eq!(Factor::from(Ppm::ONE), Factor::ONE);
        assert_eq!(Rational::new(1, 0).floor_of(5), None);
        assert!(Rational::new(3, 3).is_share() && !Rational::new(4, 3).is_share() && !Rational::new(0, 0).is_share());
    }

    proptest! {
        #[test]
        fn every_ratio_is_the_exact_floor(value: u128, ppm in 0u32..=1_000_000, factor in 0u32..=10_000_000) {
            prop_assert_eq!(Some(Ppm::new(ppm).unwrap().floor_of(value)), exact(value, ppm.into(), 1_000_000));
            let expected = exact(value, factor.into(), 1_000_000).unwrap_or(u128::MAX);
            prop_assert_eq!(Factor::new(factor).unwrap().floor_of(value), expected);
        }

        #[test]
        fn every_fraction_is_the_exact_floor_or_none(value: u128, num: u64, den in 1u64..) {
            prop_assert_eq!(Rational::new(num, den).floor_of(value), exact(value, num, den));
        }
    }
}
