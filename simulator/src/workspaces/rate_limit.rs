//! How many calls a second are let through, by a token bucket, as AWS throttles.

use std::time::Instant;

/// Holds one second's worth of tokens, and starts full.
#[derive(Debug)]
pub(super) struct RateLimit {
    per_second: f64,
    tokens: f64,
    refilled: Instant,
}

impl RateLimit {
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        let per_second = f64::from(per_second);
        Self { per_second, tokens: per_second, refilled: now }
    }

    /// Whether a call at `now` is let through.
    pub(super) fn admits(&mut self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.refilled);
        self.tokens = (self.tokens + since.as_secs_f64() * self.per_second).min(self.per_second);
        self.refilled = now;
        let admitted = self.tokens >= 1.0;
        if admitted {
            self.tokens -= 1.0;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let start = Instant::now();
        let mut limit = RateLimit::new(10, start);
        let mut admitted = |at: Duration, calls: usize| (0..calls).filter(|_| limit.admits(start + at)).count();
        assert_eq!(admitted(Duration::ZERO, 50), 10);
        assert_eq!(admitted(Duration::from_millis(250), 50), 2);
        assert_eq!(admitted(Duration::from_millis(300), 50), 1);
        assert_eq!(admitted(Duration::from_mins(1), 50), 10, "no more than a second's worth is saved");
    }
}
