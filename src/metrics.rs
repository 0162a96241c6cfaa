//! Metrics, as lines of the log: CloudWatch takes them from there (embedded metric format), without a call.

use std::{
    io::{self, Write},
    sync::OnceLock,
};

use metrics::counter;
use metrics_cloudwatch_embedded::{Builder, Collector};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    clock::{Clock as _, SystemClock},
    import::{Outcome, Record, Timestamp},
    tracker::{Checked, Progressed},
};

const NAMESPACE: &str = "WorkSpacesImageImport";

/// Counts what a check came to, and writes it out. The first call of a process is its cold start.
pub(crate) fn emit(checked: &Checked) {
    let mut cold_start = false;
    let collector = COLLECTOR.get_or_init(|| {
        cold_start = true;
        start()
    });
    let Some(collector) = collector else { return };
    let outcomes: Vec<Outcome> = checked.records.iter().map(Record::outcome).collect();
    let count = |outcome| outcomes.iter().filter(|other| **other == outcome).count();
    let stalled = checked.records.iter().filter(|record| record.memory.stalled).count();
    for (name, count) in [
        ("Pending", count(Outcome::Pending)),
        ("Completed", count(Outcome::Completed)),
        ("Failed", count(Outcome::Failed)),
        ("Transitions", checked.announced.len()),
        ("CheckErrors", checked.failed_checks),
        ("Stalled", stalled),
        ("Unchecked", checked.unchecked),
        ("ColdStart", usize::from(cold_start)),
    ] {
        counter!(name).increment(count as u64);
    }
    let mut log = io::stdout().lock();
    if let Err(error) = collector.flush(&mut log).and_then(|()| write_progress(&checked.progressed, log)) {
        tracing::warn!(Error = %error, "metrics could not be written");
    }
}

/// Writes a line for each import. The library would keep 4 KB for every set of dimensions that it has ever seen, and
/// go through all of them with each flush: too much where that is an image, of which ever new ones come.
fn write_progress(progressed: &[Progressed], mut log: impl Write) -> io::Result<()> {
    let now = Timestamp::from(SystemClock.now()).millis();
    let metric = json!({"Name": "Progress", "Unit": "Percent"});
    let about = json!([{"Namespace": NAMESPACE, "Dimensions": [["ImageId"]], "Metrics": [metric]}]);
    for Progressed { image_id, percentage } in progressed {
        let aws = Embedded { timestamp: now, cloud_watch_metrics: &about };
        serde_json::to_writer(&mut log, &ProgressLine { aws, image_id, progress: *percentage })?;
        log.write_all(b"\n")?;
    }
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ProgressLine<'a> {
    #[serde(rename = "_aws")]
    aws: Embedded<'a>,
    image_id: &'a str,
    progress: i32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Embedded<'a> {
    timestamp: i64,
    cloud_watch_metrics: &'a Value,
}

static COLLECTOR: OnceLock<Option<&'static Collector>> = OnceLock::new();

fn start() -> Option<&'static Collector> {
    let collector = Builder::new().cloudwatch_namespace(NAMESPACE).emit_zeros(true).init();
    collector.inspect_err(|error| tracing::warn!(Error = %error, "there will be no metrics")).ok()
}
