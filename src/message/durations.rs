//! How long things took, and how long they will still take.

use crate::import::Timestamp;

/// The progress, in percent, from which the pace says something.
const MIN_PERCENTAGE: i64 = 5;
/// The longest estimate. An import takes hours, so a longer one only says that it is hardly moving.
const MAX_MINUTES: i64 = 3 * 24 * 60;

/// How long something will still take if it keeps its pace, in words. It was created at one time and had made this
/// progress, in percent, at the other. Returns `None` if the progress says too little, or if the estimate is longer
/// than three days.
pub(super) fn estimate(percentage: i32, created: Timestamp, now: Timestamp) -> Option<String> {
    let percentage = i64::from(percentage);
    let elapsed = (now.millis() - created.millis()) / 60_000;
    if !(MIN_PERCENTAGE..100).contains(&percentage) || elapsed <= 0 {
        return None;
    }
    let minutes = elapsed * (100 - percentage) / percentage;
    // An estimate is no more exact than this.
    let step = if minutes < 60 { 5 } else { 10 };
    let rounded = ((minutes + step / 2) / step * step).max(step);
    (minutes <= MAX_MINUTES).then(|| in_words(rounded * 60))
}

/// `3 d 4 h`, `4 h 12 min`, `2 h`, `12 min`, `40 s`.
pub(super) fn duration(from: Timestamp, to: Timestamp) -> String {
    in_words((to.millis() - from.millis()).max(0) / 1000)
}

fn in_words(seconds: i64) -> String {
    match (seconds / 86_400, seconds % 86_400 / 3600, seconds % 3600 / 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, 0, _) => format!("{days} d"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_follows_from_the_pace_so_far() {
        let after = |percentage, minutes: i64| {
            let created = Timestamp::from_millis(1_767_776_400_000).expect("in range");
            let now = Timestamp::from_millis(created.millis() + minutes * 60_000).expect("in range");
            estimate(percentage, created, now)
        };
        for (percentage, minutes, left) in [
            (50, 90, Some("1 h 30 min")),
            (62, 192, Some("2 h")),
            (99, 90, Some("5 min")),
            (90, 90, Some("10 min")),
            (5, 60, Some("19 h")),
            (4, 60, None),
            (100, 60, None),
            (-1, 60, None),
            (i32::MAX, 60, None),
            (5, 227, Some("2 d 23 h")),
            (5, 228, None),
            (50, 0, None),
            (50, -60, None),
        ] {
            assert_eq!(after(percentage, minutes).as_deref(), left, "{percentage}% after {minutes} min");
        }
    }

    #[test]
    fn durations_have_at_most_two_units() {
        for (seconds, words) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_599, "59 min"),
            (7_200, "2 h"),
            (15_120, "4 h 12 min"),
            (86_400, "1 d"),
            (273_600, "3 d 4 h"),
        ] {
            assert_eq!(in_words(seconds), words);
        }
    }
}
