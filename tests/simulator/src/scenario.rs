//! What is played: sizes, faults, load. Everything follows from the seed.

use crate::{Canary, Random};

/// Faults of network and nodes while they last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Packets lost, per mille.
    pub loss: u64,
    /// Packets doubled, per mille.
    pub duplication: u64,
    /// Greatest delay, milliseconds.
    pub delay: u64,
    /// Partitions begun, one in so many milliseconds; 0: none.
    pub partition_every: u64,
    /// Power cuts, one in so many milliseconds; 0: none.
    pub crash_every: u64,
    /// Wall clocks are off by up to so many milliseconds either way.
    pub skew: u64,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Of everything.
    pub seed: u64,
    /// Validators.
    pub validators: usize,
    /// Observers.
    pub observers: usize,
    /// While the first part lasts.
    pub faults: Faults,
    /// Length of the first part, virtual milliseconds.
    pub fault_ms: u64,
    /// Transactions submitted during it.
    pub transactions: u64,
    /// Length of the quiet part at the end, virtual milliseconds: nothing is submitted.
    pub quiet_ms: u64,
    /// Validators that never run.
    pub dead: usize,
    /// A planted bug.
    pub canary: Canary,
}

impl Scenario {
    /// A scenario chosen by the seed: 1, 4, 5 or 7 validators, with or without an observer, mild to heavy faults.
    pub fn of_seed(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x5eed);
        let validators = *random.pick(&[1, 4, 4, 4, 5, 7]);
        Scenario {
            seed,
            validators,
            observers: random.below(2) as usize,
            faults: Faults {
                loss: *random.pick(&[0, 10, 50, 150, 300]),
                duplication: *random.pick(&[0, 50, 300]),
                delay: *random.pick(&[2, 20, 100]),
                partition_every: *random.pick(&[0, 4_000, 8_000]),
                crash_every: *random.pick(&[0, 600, 2_000, 6_000]),
                skew: *random.pick(&[0, 100, 900]),
            },
            fault_ms: 20_000,
            transactions: 40 + random.below(160),
            quiet_ms: 11_000,
            dead: 0,
            canary: Canary::None,
        }
    }

    /// Nothing fails.
    pub fn calm(seed: u64, validators: usize) -> Self {
        Scenario {
            seed,
            validators,
            observers: 0,
            faults: Faults { delay: 2, ..Faults::default() },
            fault_ms: 10_000,
            transactions: 100,
            quiet_ms: 21_000,
            dead: 0,
            canary: Canary::None,
        }
    }
}
