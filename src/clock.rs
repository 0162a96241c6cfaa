//! The time, injected, so that tests can pin it.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::import::Timestamp;

/// Tells the time of day.
pub trait Clock {
    /// Now.
    fn now(&self) -> SystemTime;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// The share of an invocation's time that each part of the flow may use up, laid out once, at its start.
///
/// The answer leaves a margin before the deadline; before that margin, time is kept back to announce and to write.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// The ledger is read and imports are described until then.
    pub describe_until: Instant,
    /// What is due is written to the ledger until then.
    pub owe_until: Instant,
    /// What is owed is published until then.
    pub announce_until: Instant,
    /// What was announced is crossed off until then; the response is to leave at once.
    pub settle_until: Instant,
}

impl Schedule {
    /// The least time between the answer and the deadline.
    const MARGIN: Duration = Duration::from_millis(500);
    /// For making and sending the response, at most: where the last write is waited for to its end, that must not eat
    /// into the margin.
    const TO_ANSWER: Duration = Duration::from_millis(100);
    /// More than this is never needed to announce and to write.
    const MOST_KEPT_BACK: Duration = Duration::from_secs(15);

    /// Lays out the time that is left: `None` where nothing of it may be used.
    #[must_use]
    pub fn lay_out(left: Duration) -> Option<Self> {
        let usable = left.checked_sub(Self::MARGIN.max(left / 20)).filter(|usable| !usable.is_zero())?;
        let usable = usable.saturating_sub(Self::TO_ANSWER.min(usable / 10));
        let kept_back = (usable / 3).min(Self::MOST_KEPT_BACK);
        let settle_until = Instant::now() + usable;
        Some(Self {
            describe_until: settle_until - kept_back,
            owe_until: settle_until - kept_back * 2 / 3,
            announce_until: settle_until - kept_back / 3,
            settle_until,
        })
    }

    /// No invocation ended before Lambda did its first, in November 2014.
    const FIRST_DEADLINE_MS: i64 = 1_415_000_000_000;

    /// From now to a deadline that the Runtime API tells in milliseconds since 1970. (`cargo lambda watch` tells how many
    /// milliseconds are left instead, 600,000.)
    #[must_use]
    pub fn until(deadline_ms: u64, now: SystemTime) -> Option<Self> {
        let now = Timestamp::from(now).millis();
        let deadline = i64::try_from(deadline_ms).unwrap_or(i64::MAX);
        let left = if deadline < Self::FIRST_DEADLINE_MS { deadline } else { deadline.saturating_sub(now) };
        Self::lay_out(Duration::from_millis(u64::try_from(left).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_margin_and_what_is_kept_back() {
        for (left, usable) in [(600, 90), (3_000, 2_400), (10_000, 9_400), (20_000, 18_900), (900_000, 854_900)] {
            let start = Instant::now();
            let schedule = Schedule::lay_out(Duration::from_millis(left)).expect("time");
            assert_eq!(schedule.settle_until - start, Duration::from_millis(usable));
            assert!(start < schedule.describe_until && schedule.describe_until < schedule.owe_until);
            assert!(schedule.owe_until < schedule.announce_until && schedule.announce_until < schedule.settle_until);
        }
        assert!(Schedule::lay_out(Duration::from_millis(500)).is_none());
        assert!(Schedule::lay_out(Duration::ZERO).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_is_told_in_milliseconds_since_1970() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_780_001);
        let schedule = Schedule::until(1_767_780_004_000, now).expect("time");
        assert_eq!(schedule.settle_until - Instant::now(), Duration::from_millis(2_400));
        assert!(Schedule::until(1_767_780_000_000, now).is_none(), "past");
        assert!(Schedule::until(u64::MAX, now).is_some());
        assert!(Schedule::until(0, now).is_none());
        let watched = Schedule::until(600_000, now).expect("time");
        assert_eq!(
            watched.settle_until - Instant::now(),
            Duration::from_millis(569_900),
            "as `cargo lambda watch` tells it"
        );
    }
}
