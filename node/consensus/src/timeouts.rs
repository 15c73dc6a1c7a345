//! How long to wait, from the genesis parameters: growing linearly with the round, capped. On the happy path no timer
//! expires.

use crate::TimeoutKind;
use octroi_primitives::Round;
use std::time::Duration;

/// Durations of round 0 and their growth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Wait for a proposal.
    pub propose: Duration,
    /// Wait for more prevotes.
    pub prevote: Duration,
    /// Wait for more precommits.
    pub precommit: Duration,
    /// Send own votes again after this long without progress.
    pub rebroadcast: Duration,
    /// Added to each of them for every round.
    pub growth: Duration,
    /// None of them is longer.
    pub cap: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            propose: Duration::from_millis(500),
            prevote: Duration::from_millis(200),
            precommit: Duration::from_millis(200),
            rebroadcast: Duration::from_millis(1_000),
            growth: Duration::from_millis(100),
            cap: Duration::from_secs(10),
        }
    }
}

impl Timeouts {
    /// How long a timer of this kind runs in this round.
    pub fn of(&self, kind: TimeoutKind, round: Round) -> Duration {
        let first = match kind {
            TimeoutKind::Propose => self.propose,
            TimeoutKind::Prevote => self.prevote,
            TimeoutKind::Precommit => self.precommit,
            TimeoutKind::Rebroadcast => self.rebroadcast,
        };
        first.saturating_add(self.growth.saturating_mul(round.get())).min(self.cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_grow_linearly_up_to_the_cap() {
        let t = Timeouts::default();
        let ms = |kind, round| t.of(kind, Round(round)).as_millis();
        assert_eq!(ms(TimeoutKind::Propose, 0), 500);
        assert_eq!(ms(TimeoutKind::Prevote, 0), 200);
        assert_eq!(ms(TimeoutKind::Precommit, 3), 500);
        assert_eq!(ms(TimeoutKind::Propose, 1_000), 10_000);
        assert_eq!(ms(TimeoutKind::Rebroadcast, u32::MAX), 10_000);
    }
}
