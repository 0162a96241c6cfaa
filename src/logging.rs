//! Logging: one JSON object per line, as Lambda's JSON log format requires.

use std::env;

use tracing::Level;
use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// Starts logging to standard output.
///
/// The level is the function's application log level, which Lambda passes in `AWS_LAMBDA_LOG_LEVEL`; the default is
/// `INFO`. It applies to this function. Libraries log warnings only, because at lower levels they log whole payloads.
pub fn init() {
    let level = env::var("AWS_LAMBDA_LOG_LEVEL").ok().and_then(|level| parse(&level)).unwrap_or(Level::INFO);
    let targets = Targets::new()
        .with_default(level.min(Level::WARN))
        // Its span carries the request ID.
        .with_target("lambda_runtime", level.min(Level::INFO))
        .with_target(env!("CARGO_CRATE_NAME"), level);
    let lines = fmt::layer().json().flatten_event(true).with_target(false).with_span_list(false);
    // Only the first call in a process has an effect.
    let _ = tracing_subscriber::registry().with(lines).with(targets).try_init();
}

/// Lambda has the level `FATAL`, for which tracing has no equivalent above `ERROR`.
fn parse(level: &str) -> Option<Level> {
    if level.eq_ignore_ascii_case("FATAL") { Some(Level::ERROR) } else { level.parse().ok() }
}
