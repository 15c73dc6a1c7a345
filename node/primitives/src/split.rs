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

/// Splits `total` over `weights`, each with the id of its target; answers in the order of `weights`.
///
/// q_i = floor(T·w_i / W) and r_i = (T·w_i) mod W; the T − Σq_i units left go one each by larger r, then lower id
/// (rulebook §1). Two targets of the same id, which no caller has, are told apart by larger weight.
///
/// `None` if the weights sum to 0, and so if there are none.
pub fn largest_remainder<W: Copy + Into<Weight>>(
    total: u128,
    weights: &[(W, &[u8])],
) -> Option<Vec<u128>> {
    let sum = weights
        .iter()
        .fold(Wide::ZERO, |sum, &(weight, _)| sum + weight.into().wide());
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
    order.sort_by_key(|&i| {
        (
            Reverse(remainders[i]),
            weights[i].1,
            Reverse(weights[i].0.into()),
        )
    });
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
