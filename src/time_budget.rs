//! The time of one invocation: the time of day, and how the time that is left is divided.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::import::Timestamp;

/// The time of day during one invocation. It is read once and moves on with Tokio's clock, which tests can pause.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: SystemTime,
    instant: Instant,
}

impl Clock {
    /// A clock that shows this time now.
    #[must_use]
    pub fn starting_at(started: SystemTime) -> Self {
        Self { started, instant: Instant::now() }
    }

    /// The time of day.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from(self.started + self.instant.elapsed())
    }
}

/// The deadlines of the steps of the flow, computed once when the invocation starts.
///
/// The response leaves a margin before Lambda's deadline. Before that margin, time is reserved for announcing and for
/// writing to the ledger, so that describing cannot use it up.
#[derive(Clone, Copy, Debug)]
pub struct TimeBudget {
    /// Discovering imports must finish by then. Two thirds of the time for checking are left for reading and
    /// describing.
    pub discover_until: Instant,
    /// Reading the ledger must finish by then. A third of the time for checking is left for describing.
    pub recall_until: Instant,
    /// Describing imports must finish by then.
    pub describe_until: Instant,
    /// Recording in the ledger what is owed must finish by then.
    pub record_until: Instant,
    /// Publishing must finish by then.
    pub announce_until: Instant,
    /// Marking announcements as published in the ledger, and then writing names, must finish by then. The response
    /// follows at once.
    pub mark_until: Instant,
}

impl TimeBudget {
    /// The minimum time between the response and Lambda's deadline.
    const MIN_MARGIN: Duration = Duration::from_millis(500);
    /// The time reserved for building and sending the response, so that a last write that uses all its time does not
    /// eat into the margin.
    const FOR_RESPONSE: Duration = Duration::from_millis(100);
    /// What each record adds to that. With the CPU of 128 MB, building its part of the response and logging its error
    /// takes about as long.
    const FOR_RECORD: Duration = Duration::from_micros(100);
    /// The maximum time reserved for announcing and writing.
    const MAX_RESERVED: Duration = Duration::from_secs(15);
    /// No Lambda invocation ended before November 2014, when AWS introduced the service.
    const FIRST_DEADLINE_MS: i64 = 1_415_000_000_000;

    /// Divides the remaining time of an invocation that returns this many records. Returns `None` if there is not
    /// enough to do anything.
    #[must_use]
    pub fn divide(remaining: Duration, records: usize) -> Option<Self> {
        let margin = Self::MIN_MARGIN.max(remaining / 20);
        let usable = remaining.checked_sub(margin).filter(|usable| !usable.is_zero())?;
        let for_records = Self::FOR_RECORD.saturating_mul(u32::try_from(records).unwrap_or(u32::MAX));
        let usable = usable.saturating_sub(Self::FOR_RESPONSE.saturating_add(for_records).min(usable / 10));
        let reserved = (usable / 3).min(Self::MAX_RESERVED);
        let now = Instant::now();
        let mark_until = now + usable;
        Some(Self {
            discover_until: now + usable.saturating_sub(reserved) / 3,
            recall_until: now + usable.saturating_sub(reserved) * 2 / 3,
            describe_until: mark_until - reserved,
            record_until: mark_until - reserved * 2 / 3,
            announce_until: mark_until - reserved / 3,
            mark_until,
        })
    }

    /// Divides the time from `now` to a deadline in milliseconds since 1970, as the Runtime API reports it. A value
    /// before 2014 is the number of milliseconds left instead: `cargo lambda watch` reports 600,000. The invocation
    /// returns this many records.
    #[must_use]
    pub fn until(deadline_ms: u64, now: Timestamp, records: usize) -> Option<Self> {
        let deadline = i64::try_from(deadline_ms).unwrap_or(i64::MAX);
        let remaining =
            if deadline < Self::FIRST_DEADLINE_MS { deadline } else { deadline.saturating_sub(now.millis()) };
        Self::divide(Duration::from_millis(u64::try_from(remaining).unwrap_or_default()), records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_margin_and_the_reserved_time() {
        for (remaining, usable) in [(600, 90), (3_000, 2_400), (10_000, 9_400), (20_000, 18_900), (900_000, 854_900)] {
            let start = Instant::now();
            let budget = TimeBudget::divide(Duration::from_millis(remaining), 0).expect("enough time");
            assert_eq!(budget.mark_until - start, Duration::from_millis(usable));
            let reserved = budget.mark_until - budget.describe_until;
            assert!((budget.record_until - budget.describe_until).abs_diff(reserved / 3) < Duration::from_micros(1));
            assert!((budget.announce_until - budget.record_until).abs_diff(reserved / 3) < Duration::from_micros(1));
            assert!(start < budget.discover_until && budget.discover_until < budget.recall_until);
            assert!(budget.discover_until - start <= (budget.describe_until - start) / 3);
            assert!(budget.recall_until < budget.describe_until && budget.describe_until < budget.record_until);
            assert!(budget.record_until < budget.announce_until && budget.announce_until < budget.mark_until);
        }
        assert!(TimeBudget::divide(Duration::from_millis(500), 0).is_none());
        assert!(TimeBudget::divide(Duration::ZERO, 0).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn more_records_leave_more_time_for_the_response() {
        for (remaining, records, usable) in
            [(10_000, 1_000, 9_300), (10_000, 10_000, 8_550), (900_000, 10_000, 853_900)]
        {
            let start = Instant::now();
            let budget = TimeBudget::divide(Duration::from_millis(remaining), records).expect("enough time");
            assert_eq!(budget.mark_until - start, Duration::from_millis(usable));
        }
        assert!(TimeBudget::divide(Duration::from_millis(501), usize::MAX).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_is_in_milliseconds_since_1970() {
        let now = Timestamp::from_millis(1_767_780_001_000).expect("in range");
        let budget = TimeBudget::until(1_767_780_004_000, now, 0).expect("enough time");
        assert_eq!(budget.mark_until - Instant::now(), Duration::from_millis(2_400));
        assert!(TimeBudget::until(1_767_780_000_000, now, 0).is_none(), "in the past");
        assert!(TimeBudget::until(u64::MAX, now, 0).is_some());
        assert!(TimeBudget::until(0, now, 0).is_none());
        let watched = TimeBudget::until(600_000, now, 0).expect("enough time");
        assert_eq!(
            watched.mark_until - Instant::now(),
            Duration::from_millis(569_900),
            "milliseconds left, as `cargo lambda watch` reports them"
        );
    }
}
