//! Waiting for exactly as long as was asked for.

use std::{thread, time::Duration};

use tokio::{task::spawn_blocking, time::sleep};

/// Up to here, a thread does the waiting.
const SHORT: Duration = Duration::from_millis(100);

/// Waits. Tokio's timer counts in milliseconds and rounds up, nothing at all to one and 20 to 21 or 22: who measures
/// against an exact latency would measure that.
pub(crate) async fn pause(duration: Duration) {
    if duration.is_zero() {
        return;
    }
    if duration > SHORT || spawn_blocking(move || thread::sleep(duration)).await.is_err() {
        sleep(duration).await;
    }
}
