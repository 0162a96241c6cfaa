//! Counts concurrent calls and limits their rate.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

/// The number of concurrent calls, now and at most.
#[derive(Debug, Default)]
pub(super) struct Concurrency {
    now: AtomicUsize,
    peak: AtomicUsize,
}

impl Concurrency {
    /// Counts a call until the returned guard is dropped.
    pub(super) fn enter(&self) -> Running<'_> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.peak.fetch_max(now, Ordering::SeqCst);
        Running(self)
    }

    pub(super) fn peak(&self) -> usize {
        self.peak.load(Ordering::SeqCst)
    }
}

pub(super) struct Running<'a>(&'a Concurrency);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A token bucket, as AWS uses for throttling. It holds one second's worth of tokens and starts full.
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

    /// Takes a token for a call at `now`. Returns false if the bucket is empty.
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
    fn admits_a_burst_and_then_the_rate() {
        let start = Instant::now();
        let mut limit = RateLimit::new(10, start);
        let mut admitted = |at: Duration, calls: usize| (0..calls).filter(|_| limit.admits(start + at)).count();
        assert_eq!(admitted(Duration::ZERO, 50), 10);
        assert_eq!(admitted(Duration::from_millis(250), 50), 2);
        assert_eq!(admitted(Duration::from_millis(300), 50), 1);
        assert_eq!(admitted(Duration::from_mins(1), 50), 10, "the bucket holds no more than one second's worth");
    }
}
