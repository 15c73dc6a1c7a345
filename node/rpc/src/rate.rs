//! Token buckets by caller, in bounded memory.

use crate::{Rate, incoming::Caller};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

#[derive(Clone, Copy)]
struct Bucket {
    /// When the bucket would be full again; the further ahead, the emptier it is.
    full_at: Instant,
}

/// The buckets of all callers.
pub(crate) struct Buckets {
    rate: Rate,
    callers: usize,
    known: Mutex<HashMap<Caller, Bucket>>,
}

impl Buckets {
    pub(crate) fn new(rate: Rate, callers: usize) -> Self {
        Self { rate, callers: callers.max(1), known: Mutex::default() }
    }

    /// Takes `units` at `now`, all or none.
    ///
    /// # Errors
    /// How long until they are there; more than the burst can hold come when the bucket is full.
    pub(crate) fn take(&self, caller: Caller, units: u32, now: Instant) -> Result<(), Duration> {
        let each = self.span(1);
        let burst = self.span(self.rate.burst.max(1));
        let cost = self.span(units.min(self.rate.burst.max(1)));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains_key(&caller) && known.len() >= self.callers {
            known.retain(|_, bucket| bucket.full_at > now);
            if known.len() >= self.callers {
                // Everyone remembered is active: a newcomer waits for a place rather than pushing one out.
                return Err(each.max(Duration::from_millis(100)));
            }
        }
        let bucket = known.entry(caller).or_insert(Bucket { full_at: now });
        let full_at = bucket.full_at.max(now) + cost;
        match full_at.checked_duration_since(now + burst) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                bucket.full_at = full_at;
                Ok(())
            }
        }
    }

    /// How long it takes until so many units come back.
    fn span(&self, units: u32) -> Duration {
        Duration::from_nanos(u64::from(units) * 1_000_000_000 / u64::from(self.rate.each_second.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    fn caller(last: u8) -> Caller {
        Caller::Address(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)))
    }

    #[test]
    fn a_burst_is_given_then_the_rate_and_callers_do_not_share() {
        let buckets = Buckets::new(Rate { each_second: 10, burst: 3 }, 10);
        let now = Instant::now();
        for _ in 0..3 {
            assert_eq!(buckets.take(caller(1), 1, now), Ok(()));
        }
        assert_eq!(buckets.take(caller(1), 1, now), Err(Duration::from_millis(100)));
        assert_eq!(buckets.take(caller(2), 3, now), Ok(()));
        let later = now + Duration::from_millis(100);
        assert_eq!(buckets.take(caller(1), 1, later), Ok(()));
        assert!(buckets.take(caller(1), 1, later).is_err());
        assert_eq!(buckets.take(caller(1), 500, now + Duration::from_secs(10)), Ok(()));
    }

    #[test]
    fn memory_is_bounded_and_idle_callers_make_room() {
        let buckets = Buckets::new(Rate { each_second: 1, burst: 1 }, 2);
        let now = Instant::now();
        assert_eq!(buckets.take(caller(1), 1, now), Ok(()));
        assert_eq!(buckets.take(caller(2), 1, now), Ok(()));
        assert!(buckets.take(caller(3), 1, now).is_err());
        assert_eq!(buckets.take(caller(3), 1, now + Duration::from_secs(2)), Ok(()));
        assert_eq!(buckets.known.lock().unwrap().len(), 1);
    }
}
