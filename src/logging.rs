//! Logs: one JSON object a line, as Lambda's JSON logging has them.

use std::env;

use tracing::Level;
use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// Logs to standard output from here on.
///
/// The level is Lambda's own `AWS_LAMBDA_LOG_LEVEL` (the function's application log level), `INFO` by default. It
/// governs this function's lines; libraries keep to warnings, since at lower levels they log whole payloads.
pub fn init() {
    let level = env::var("AWS_LAMBDA_LOG_LEVEL").ok().and_then(|level| parse(&level)).unwrap_or(Level::INFO);
    let targets = Targets::new()
        .with_default(level.min(Level::WARN))
        // Its span tells the request id.
        .with_target("lambda_runtime", level.min(Level::INFO))
        .with_target(env!("CARGO_CRATE_NAME"), level);
    let lines = fmt::layer().json().flatten_event(true).with_target(false).with_span_list(false);
    // Only the first call of a process counts.
    let _ = tracing_subscriber::registry().with(lines).with(targets).try_init();
}

/// Lambda says `FATAL` where tracing has nothing above `ERROR`.
fn parse(level: &str) -> Option<Level> {
    if level.eq_ignore_ascii_case("FATAL") { Some(Level::ERROR) } else { level.parse().ok() }
}
