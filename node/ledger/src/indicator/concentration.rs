//! How concentrated amounts and power are (rulebook §11): pure functions, integers alone.
//!
//! Amounts are at most 2^63 each and at most 2^32 many, so that every sum fits. Quotients are rounded down.

use octroi_primitives::wide_ratio;

/// Herfindahl–Hirschman index: Σx² · 10^4 / (Σx)², from 0 to 10,000. `None` if the amounts sum to 0.
pub fn herfindahl(amounts: &[u64]) -> Option<u64> {
    let squares: u128 = amounts.iter().map(|amount| u128::from(*amount).pow(2)).sum();
    let sum: u128 = amounts.iter().map(|amount| u128::from(*amount)).sum();
    let index = wide_ratio([squares, 10_000], [sum, sum])?;
    Some(u64::try_from(index).expect("a sum of squares is at most the square of the sum"))
}

/// Gini coefficient in ppm: (2·Σ i·x_(i) − (n+1)·Σx) · 10^6 / (n·Σx), x ascending, i from 1. `None` if the amounts sum to 0.
pub fn gini_ppm(amounts: &[u64]) -> Option<u32> {
    let mut ascending = amounts.to_vec();
    ascending.sort_unstable();
    let count = ascending.len() as u128;
    let sum: u128 = ascending.iter().map(|amount| u128::from(*amount)).sum();
    let ranked: u128 = (1..).zip(&ascending).map(|(rank, amount): (u128, &u64)| rank * u128::from(*amount)).sum();
    // Ranks ascend with the amounts, so that this never falls below 0.
    let spread = 2 * ranked - (count + 1) * sum;
    let gini = wide_ratio([spread, 1_000_000], [count, sum])?;
    Some(u32::try_from(gini).expect("the coefficient is below 1"))
}

/// The fewest holders that together hold a part of all power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FewestHolders {
    /// Of a third or more: they can halt the network.
    pub third: usize,
    /// Of two thirds or more.
    pub two_thirds: usize,
}

/// The smallest numbers of holders, validators or groups, that hold a third and two thirds of the power.
pub fn fewest_holders(powers: &[u64]) -> FewestHolders {
    let mut descending = powers.to_vec();
    descending.sort_unstable_by(|a, b| b.cmp(a));
    let all: u128 = descending.iter().map(|power| u128::from(*power)).sum();
    let fewest = |part: u128| {
        let mut held = 0u128;
        let enough = descending.iter().position(|power| {
            held += u128::from(*power);
            3 * held >= part * all
        });
        enough.map_or(0, |last| last + 1)
    };
    FewestHolders { third: fewest(1), two_thirds: fewest(2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concentration_of_500_300_200_is_that_of_the_rulebook() {
        assert_eq!(herfindahl(&[500, 300, 200]), Some(3_800));
        assert_eq!(gini_ppm(&[500, 300, 200]), Some(200_000));
    }

    #[test]
    fn one_holder_is_all_concentration_and_equal_holders_are_none() {
        assert_eq!((herfindahl(&[7]), gini_ppm(&[7])), (Some(10_000), Some(0)));
        assert_eq!((herfindahl(&[5; 4]), gini_ppm(&[5; 4])), (Some(2_500), Some(0)));
        assert_eq!((herfindahl(&[]), gini_ppm(&[])), (None, None));
        assert_eq!((herfindahl(&[0, 0]), gini_ppm(&[0, 0])), (None, None));
    }

    #[test]
    fn the_greatest_amounts_do_not_overflow_and_order_does_not_matter() {
        let most = vec![1_000_000_000_000_000; 100_000];
        assert_eq!((herfindahl(&most), gini_ppm(&most)), (Some(0), Some(0)));
        let mut mixed: Vec<u64> = (1..=1_000).collect();
        let before = (herfindahl(&mixed), gini_ppm(&mixed));
        mixed.reverse();
        assert_eq!((herfindahl(&mixed), gini_ppm(&mixed)), before);
        assert_eq!(before.1, Some(333_000));
    }

    #[test]
    fn the_fewest_holders_of_a_third_and_of_two_thirds_are_counted_from_the_top() {
        assert_eq!(fewest_holders(&[1; 4]), FewestHolders { third: 2, two_thirds: 3 });
        assert_eq!(fewest_holders(&[1; 6]), FewestHolders { third: 2, two_thirds: 4 });
        assert_eq!(fewest_holders(&[1, 5, 1, 1]), FewestHolders { third: 1, two_thirds: 2 });
        assert_eq!(fewest_holders(&[]), FewestHolders { third: 0, two_thirds: 0 });
    }
}
