//! The one rule by which a total is split: largest remainder (rulebook §1).
//!
//! **Promises.** The parts sum to the total exactly; each differs from its exact share by less than one unit; the order
//! in which the targets are listed does not matter. Nothing overflows: products have 320 bits, sums of weights too.

use alloc::vec::Vec;
use core::cmp::Reverse;

use ruint::Uint;

/// The numbers inside a split: a total of 128 bits times a weight of 192.
type Wide = Uint<320, 5>;

/// How much a target weighs against the others: up to 192 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Weight(Uint<192, 3>);

impl Weight {
    /// A weight of up to 192 bits.
    pub const fn new(weight: Uint<192, 3>) -> Self {
        Self(weight)
    }

    /// The number.
    pub const fn get(self) -> Uint<192, 3> {
        self.0
    }

    fn wide(self) -> Wide {
        let [low, middle, high] = self.0.into_limbs();
        Wide::from_limbs([low, middle, high, 0, 0])
    }
}

impl From<u32> for Weight {
    fn from(weight: u32) -> Self {
        u64::from(weight).into()
    }
}

impl From<u64> for Weight {
    fn from(weight: u64) -> Self {
        Self(Uint::from_limbs([weight, 0, 0]))
    }
}

impl From<u128> for Weight {
    fn from(weight: u128) -> Self {
        let [low, high] = limbs(weight);
        Self(Uint::from_limbs([low, high, 0]))
    }
}

/// floor(a · b / (c · d)) without overflow; `None` if a divisor is 0 or the quotient needs more than 128 bits.
pub fn wide_ratio([a, b]: [u128; 2], [c, d]: [u128; 2]) -> Option<u128> {
    let product = |left: u128, right: u128| Uint::<256, 4>::from(left) * Uint::<256, 4>::from(right);
    let quotient = product(a, b).checked_div(product(c, d))?;
    u128::try_from(quotient).ok()
}

/// Splits `total` over `weights`, each with the id of its target; answers in the order of `weights`.
///
/// q_i = floor(T·w_i / W) and r_i = (T·w_i) mod W; the T − Σq_i units left go one each by larger r, then lower id
/// (rulebook §1). Two targets of the same id, which no caller has, are told apart by larger weight.
///
/// `None` if the weights sum to 0, and so if there are none.
pub fn largest_remainder<W: Copy + Into<Weight>>(total: u128, weights: &[(W, &[u8])]) -> Option<Vec<u128>> {
    let sum = weights.iter().fold(Wide::ZERO, |sum, &(weight, _)| sum + weight.into().wide());
    if sum.is_zero() {
        return None;
    }
    let [low, high] = limbs(total);
    let wide_total = Wide::from_limbs([low, high, 0, 0, 0]);

    let mut parts = Vec::with_capacity(weights.len());
    let mut remainders = Vec::with_capacity(weights.len());
    let mut left = total;
    for &(weight, _) in weights {
        let (quotient, remainder) = (wide_total * weight.into().wide()).div_rem(sum);
        let quotient = narrow(quotient);
        left -= quotient;
        parts.push(quotient);
        remainders.push(remainder);
    }

    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|&i| (Reverse(remainders[i]), weights[i].1, Reverse(weights[i].0.into())));
    // Σ r_i = left · W and each r_i < W: so fewer units are left than there are targets with a remainder.
    let units = usize::try_from(left).expect("fewer units are left than there are targets");
    for &i in &order[..units] {
        parts[i] += 1;
    }
    Some(parts)
}

/// The two 64-bit digits of a number, lowest first.
const fn limbs(value: u128) -> [u64; 2] {
    [value as u64, (value >> 64) as u64]
}

/// A quotient back in 128 bits.
fn narrow(quotient: Wide) -> u128 {
    let [low, high, ..] = quotient.into_limbs();
    // T·w_i / W ≤ T as w_i ≤ W: the upper three digits are zero.
    u128::from(low) | u128::from(high) << 64
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::String;
    use std::vec;

    use proptest::prelude::*;

    use super::*;

    fn split(total: u128, weights: &[u128]) -> Option<Vec<u128>> {
        let ids: Vec<String> = (0..weights.len()).map(|i| format!("{i:04}")).collect();
        let listed: Vec<(u128, &[u8])> = weights.iter().zip(&ids).map(|(&w, id)| (w, id.as_bytes())).collect();
        largest_remainder(total, &listed)
    }

    #[test]
    fn the_vectors_of_the_rulebook_hold() {
        assert_eq!(split(100, &[1, 1, 1]), Some(vec![34, 33, 33]));
        assert_eq!(split(1_000_001, &[4000, 3500, 2000, 500]), Some(vec![400_001, 350_000, 200_000, 50_000]));
        assert_eq!(
            split(27_700_000_000, &[1_413_341, 820_655, 306_323, 566_901, 680_191]),
            Some(vec![10_336_756_613, 6_002_027_110, 2_240_355_510, 4_146_145_665, 4_974_715_102])
        );
    }

    #[test]
    fn no_weight_is_no_split() {
        assert_eq!(split(100, &[]), None);
        assert_eq!(split(100, &[0, 0]), None);
        assert_eq!(split(0, &[0, 1]), Some(vec![0, 0]));
    }

    #[test]
    fn a_tie_goes_to_the_lower_id_wherever_it_stands() {
        let listed: [(u64, &[u8]); 3] = [(1, b"c"), (1, b"a"), (1, b"b")];
        assert_eq!(largest_remainder(1, &listed), Some(vec![0, 1, 0]));
    }

    #[test]
    fn the_greatest_total_and_weights_do_not_overflow() {
        let weight = Weight::new(Uint::MAX);
        let listed: [(Weight, &[u8]); 3] = [(weight, b"a"), (weight, b"b"), (weight, b"c")];
        let third = u128::MAX / 3;
        assert_eq!(u128::MAX % 3, 0);
        assert_eq!(largest_remainder(u128::MAX, &listed), Some(vec![third; 3]));
    }

    proptest! {
        #[test]
        fn parts_sum_to_the_total_and_none_is_a_unit_off(
            total: u128,
            weights in prop::collection::vec(prop_oneof![Just(0u128), 0u128..1000, any::<u128>()], 1..20),
        ) {
            let sum: Wide = weights.iter().map(|&w| Weight::from(w).wide()).fold(Wide::ZERO, |a, b| a + b);
            let Some(parts) = split(total, &weights) else {
                prop_assert!(sum.is_zero());
                return Ok(());
            };
            prop_assert_eq!(parts.iter().try_fold(0u128, |a, &b| a.checked_add(b)), Some(total));
            for (part, weight) in parts.iter().zip(&weights) {
                // |q − T·w/W| < 1, multiplied by W.
                let part = Weight::from(*part).wide() * sum;
                let share = Weight::from(total).wide() * Weight::from(*weight).wide();
                let distance = if part > share { part - share } else { share - part };
                prop_assert!(distance < sum);
            }
        }

        #[test]
        fn the_order_of_the_list_does_not_matter(
            total in 0u128..1_000_000,
            weights in prop::collection::vec(0u64..50, 1..20),
            rotation in 0usize..20,
        ) {
            let ids: Vec<[u8; 1]> = (0..weights.len()).map(|i| [(i as u8).wrapping_mul(37)]).collect();
            let mut listed: Vec<(u64, &[u8])> = weights.iter().zip(&ids).map(|(&w, id)| (w, id.as_slice())).collect();
            let Some(mut parts) = largest_remainder(total, &listed) else { return Ok(()) };
            let rotation = rotation % listed.len();
            listed.rotate_left(rotation);
            parts.rotate_left(rotation);
            prop_assert_eq!(largest_remainder(total, &listed), Some(parts.clone()));
            listed.reverse();
            parts.reverse();
            prop_assert_eq!(largest_remainder(total, &listed), Some(parts));
        }
    }
}
