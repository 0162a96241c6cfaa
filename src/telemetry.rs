//! Logs and metrics, on standard output. Lambda's JSON log format requires one JSON object per line. Metrics are log
//! lines in CloudWatch's [embedded metric format][emf], from which CloudWatch extracts them, so that no call is needed.
//!
//! [emf]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

use std::{
    env,
    io::{self, Write},
    sync::OnceLock,
    time::Duration,
};

use metrics::{Unit, counter, describe_histogram, histogram};
use metrics_cloudwatch_embedded::{Builder, Collector};
use serde::Serialize;
use serde_json::{Value, json};
use tracing::Level;
use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::{
    import::{ImageId, Timestamp},
    response::Response,
    tracker::Progress,
};

const NAMESPACE: &str = "WorkSpacesImageImport";
/// The dimension of all metrics, so that several functions in a Region do not add up.
const FUNCTION_NAME: &str = "FunctionName";

/// How long an import took.
const DURATION: &str = "DurationSeconds";
/// The most values that CloudWatch takes of one metric in one line.
const MAX_VALUES: usize = 100;

/// Starts logging.
///
/// The level is the function's application log level, which Lambda passes in `AWS_LAMBDA_LOG_LEVEL`; the default is
/// `INFO`. It applies to this function. Libraries log warnings only, because at lower levels they log whole payloads.
pub(crate) fn start_logging() {
    let level = env::var("AWS_LAMBDA_LOG_LEVEL").ok().and_then(|level| parse_level(&level)).unwrap_or(Level::INFO);
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
fn parse_level(level: &str) -> Option<Level> {
    if level.eq_ignore_ascii_case("FATAL") { Some(Level::ERROR) } else { level.parse().ok() }
}

/// Writes the metrics of one invocation, if there is anything to say: CloudWatch charges for each metric in each hour
/// with a value. The first call in a process that writes marks a cold start.
pub(crate) fn write_metrics(
    response: &Response,
    check_errors: usize,
    progress: &[Progress],
    durations: &[u64],
    now: Timestamp,
) {
    let counts = [response.pending, response.transitions.len(), response.unchecked, check_errors];
    if counts.into_iter().sum::<usize>() == 0 {
        return;
    }
    let mut cold_start = false;
    let metrics = METRICS.get_or_init(|| {
        cold_start = true;
        start_metrics()
    });
    let Some(metrics) = metrics else { return };
    let stalled = response.imports.iter().filter(|import| import.record.checkpoint.stalled).count();
    for (name, count) in [
        ("Pending", response.pending),
        ("Completed", response.completed),
        ("Failed", response.failed),
        ("Transitions", response.transitions.len()),
        ("CheckErrors", check_errors),
        ("Stalled", stalled),
        ("Unchecked", response.unchecked),
        ("ColdStart", usize::from(cold_start)),
    ] {
        counter!(name).increment(count as u64);
    }
    for seconds in durations.iter().take(MAX_VALUES) {
        histogram!(DURATION).record(Duration::from_secs(*seconds).as_secs_f64());
    }
    let mut log = io::stdout().lock();
    let written =
        metrics.collector.flush(&mut log).and_then(|()| write_progress(&metrics.function_name, progress, now, log));
    if let Err(error) = written {
        tracing::warn!(Error = %error, "metrics could not be written");
    }
}

/// Writes one line per import. The library would keep 4 KB for each set of dimensions that it has ever seen and visit
/// all of them at each flush. That is too much for a dimension that keeps getting new values, such as the image ID.
fn write_progress(function_name: &str, progress: &[Progress], now: Timestamp, mut log: impl Write) -> io::Result<()> {
    let metric = json!({"Name": "Progress", "Unit": "Percent"});
    let metrics = json!([{"Namespace": NAMESPACE, "Dimensions": [[FUNCTION_NAME, "ImageId"]], "Metrics": [metric]}]);
    for Progress { image_id, percentage } in progress {
        let aws = Metadata { timestamp: now.millis(), cloud_watch_metrics: &metrics };
        serde_json::to_writer(&mut log, &ProgressLine { aws, function_name, image_id, progress: *percentage })?;
        log.write_all(b"\n")?;
    }
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ProgressLine<'a> {
    #[serde(rename = "_aws")]
    aws: Metadata<'a>,
    function_name: &'a str,
    image_id: &'a ImageId,
    progress: i32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata<'a> {
    timestamp: i64,
    cloud_watch_metrics: &'a Value,
}

struct Metrics {
    collector: &'static Collector,
    function_name: String,
}

static METRICS: OnceLock<Option<Metrics>> = OnceLock::new();

fn start_metrics() -> Option<Metrics> {
    // Lambda sets this variable. The runtime does not start without it.
    let function_name = env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default();
    let collector = Builder::new()
        .cloudwatch_namespace(NAMESPACE)
        .with_dimension(FUNCTION_NAME, function_name.clone())
        .emit_zeros(true)
        .init()
        .inspect_err(|error| tracing::warn!(Error = %error, "metrics are unavailable"))
        .ok()?;
    describe_histogram!(DURATION, Unit::Seconds, "how long an import took");
    Some(Metrics { collector, function_name })
}
