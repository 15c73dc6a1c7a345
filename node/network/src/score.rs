//! What a peer may do before it is dropped: budgets per channel, and a score of offences that fades.
//!
//! Promises: everything here is arithmetic on times handed in, so that tests need no clock. A validator is never refused for
//! ever: a ban ends, and the score starts again from nothing.

use std::time::{Duration, Instant};

use crate::config::Budget;

/// What a peer did wrong. The daemon reports what only it can see (undecodable bytes, bad signatures); the rest is seen here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Offence {
    /// A frame, request or body longer than its bound.
    TooLarge,
    /// A frame of a kind that is not in the table.
    UnknownKind,
    /// The framing itself was broken.
    Malformed,
    /// More items or bytes than the budget.
    OverBudget,
    /// Bytes that do not decode (reported by the daemon).
    InvalidBytes,
    /// A signature that does not verify (reported by the daemon).
    InvalidSignature,
    /// Well-formed content that no honest node sends (reported by the daemon).
    InvalidContent,
    /// An answer that never came, or useless traffic.
    Unhelpful,
}

impl Offence {
    /// All offences, in the order of the counters.
    pub const ALL: [Offence; 8] = [
        Offence::TooLarge,
        Offence::UnknownKind,
        Offence::Malformed,
        Offence::OverBudget,
        Offence::InvalidBytes,
        Offence::InvalidSignature,
        Offence::InvalidContent,
        Offence::Unhelpful,
    ];

    /// Points added to the score. What a correct node of any version cannot do costs a third of the limit; what can be an
    /// accident of load costs little.
    pub fn points(self) -> u32 {
        match self {
            Offence::TooLarge | Offence::UnknownKind | Offence::Malformed => 34,
            Offence::InvalidBytes | Offence::InvalidSignature | Offence::InvalidContent => 34,
            Offence::OverBudget => 20,
            Offence::Unhelpful => 2,
        }
    }

    /// Label in metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Offence::TooLarge => "too_large",
            Offence::UnknownKind => "unknown_kind",
            Offence::Malformed => "malformed",
            Offence::OverBudget => "over_budget",
            Offence::InvalidBytes => "invalid_bytes",
            Offence::InvalidSignature => "invalid_signature",
            Offence::InvalidContent => "invalid_content",
            Offence::Unhelpful => "unhelpful",
        }
    }
}

/// Score at which a peer is dropped.
pub(crate) const SCORE_LIMIT: u32 = 100;
/// One point fades in this time.
const POINT_FADES_IN: Duration = Duration::from_secs(1);

/// The score of one peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Score {
    points: u32,
    since: Instant,
}

impl Score {
    pub(crate) fn new(now: Instant) -> Self {
        Self { points: 0, since: now }
    }

    /// Adds the offence; true when the limit is reached, after which the score starts again.
    pub(crate) fn add(&mut self, offence: Offence, now: Instant) -> bool {
        let faded = now.saturating_duration_since(self.since).as_secs() / POINT_FADES_IN.as_secs();
        self.points = self.points.saturating_sub(u32::try_from(faded).unwrap_or(u32::MAX));
        self.points = self.points.saturating_add(offence.points());
        self.since = now;
        let crossed = self.points >= SCORE_LIMIT;
        if crossed {
            self.points = 0;
        }
        crossed
    }
}

/// What is left of a channel's budget, in thousandths so that short times refill too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    budget: Budget,
    milli_items: u64,
    milli_bytes: u64,
    filled: Instant,
}

impl Bucket {
    pub(crate) fn new(budget: Budget, now: Instant) -> Self {
        let (milli_items, milli_bytes) = Self::full(budget);
        Self { budget, milli_items, milli_bytes, filled: now }
    }

    fn full(budget: Budget) -> (u64, u64) {
        let burst = 1_000 * u64::from(Budget::BURST_SECONDS);
        (u64::from(budget.items) * burst, u64::from(budget.bytes) * burst)
    }

    /// Takes one item of so many bytes; false when the budget is spent, and then nothing is taken.
    pub(crate) fn take(&mut self, bytes: usize, now: Instant) -> bool {
        let elapsed = u64::try_from(now.saturating_duration_since(self.filled).as_millis()).unwrap_or(u64::MAX);
        if elapsed > 0 {
            let (full_items, full_bytes) = Self::full(self.budget);
            self.milli_items =
                elapsed.saturating_mul(u64::from(self.budget.items)).saturating_add(self.milli_items).min(full_items);
            self.milli_bytes =
                elapsed.saturating_mul(u64::from(self.budget.bytes)).saturating_add(self.milli_bytes).min(full_bytes);
            self.filled = now;
        }
        let cost = bytes as u64 * 1_000;
        if self.milli_items < 1_000 || self.milli_bytes < cost {
            return false;
        }
        self.milli_items -= 1_000;
        self.milli_bytes -= cost;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_grave_offences_cross_the_limit_and_the_score_starts_again() {
        let now = Instant::now();
        let mut score = Score::new(now);
        assert!(!score.add(Offence::InvalidBytes, now));
        assert!(!score.add(Offence::TooLarge, now));
        assert!(score.add(Offence::InvalidSignature, now));
        assert!(!score.add(Offence::InvalidSignature, now));
    }

    #[test]
    fn a_score_fades_one_point_a_second() {
        let start = Instant::now();
        let mut score = Score::new(start);
        assert!(!score.add(Offence::InvalidBytes, start));
        assert!(!score.add(Offence::InvalidBytes, start + Duration::from_secs(1)));
        // 34 + 34 − 1 − 2 + 34 = 99: just below.
        assert!(!score.add(Offence::InvalidBytes, start + Duration::from_secs(3)));
        assert!(score.add(Offence::Unhelpful, start + Duration::from_secs(3)));
    }

    #[test]
    fn a_budget_allows_its_burst_then_its_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Budget { items: 10, bytes: 1_000_000 }, start);
        let burst = 10 * Budget::BURST_SECONDS;
        for _ in 0..burst {
            assert!(bucket.take(1, start));
        }
        assert!(!bucket.take(1, start));
        assert!(!bucket.take(1, start + Duration::from_millis(99)));
        assert!(bucket.take(1, start + Duration::from_millis(100)));
        assert!(!bucket.take(1, start + Duration::from_millis(100)));
    }

    #[test]
    fn bytes_are_a_budget_of_their_own() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Budget { items: 1_000, bytes: 100 }, start);
        assert!(!bucket.take(401, start));
        assert!(bucket.take(400, start));
        assert!(!bucket.take(1, start));
        assert!(bucket.take(100, start + Duration::from_secs(1)));
    }
}
