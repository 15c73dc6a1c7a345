//! The running timers of the replica; at most a few dozen.

use octroi_replica::Timer;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// By name, with the time each expires.
#[derive(Default)]
pub struct Timers(BTreeMap<Timer, Instant>);

impl Timers {
    /// Starts a timer, or starts it again.
    pub fn set(&mut self, timer: Timer, after: Duration) {
        self.0.insert(timer, Instant::now() + after);
    }

    /// Stops a timer.
    pub fn cancel(&mut self, timer: &Timer) {
        self.0.remove(timer);
    }

    /// Stops all timers of consensus.
    pub fn cancel_consensus(&mut self) {
        self.0.retain(|timer, _| !matches!(timer, Timer::Consensus(_)));
    }

    /// When the next one expires.
    pub fn next(&self) -> Option<Instant> {
        self.0.values().min().copied()
    }

    /// Takes the one that expired first, if any has.
    pub fn expired(&mut self) -> Option<Timer> {
        let now = Instant::now();
        let (timer, _) = self.0.iter().filter(|(_, at)| **at <= now).min_by_key(|(_, at)| **at)?;
        let timer = *timer;
        self.0.remove(&timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_expire_in_order_and_not_before_their_time() {
        let mut timers = Timers::default();
        timers.set(Timer::Tick, Duration::from_secs(60));
        timers.set(Timer::Pace, Duration::ZERO);
        assert_eq!(timers.expired(), Some(Timer::Pace));
        assert_eq!(timers.expired(), None);
    }
}
