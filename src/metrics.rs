//! Metrics, as lines of the log: CloudWatch takes them from there (embedded metric format), without a call.

use std::sync::OnceLock;

use metrics::{Unit, counter, describe_histogram, histogram};
use metrics_cloudwatch_embedded::{Builder, Collector};

use crate::{
    import::Outcome,
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
    let outcomes = |outcome| checked.records.iter().filter(move |record| record.outcome() == outcome).count();
    let stalled = checked.records.iter().filter(|record| record.memory.stalled).count();
    for (name, count) in [
        ("Pending", outcomes(Outcome::Pending)),
        ("Completed", outcomes(Outcome::Completed)),
        ("Failed", outcomes(Outcome::Failed)),
        ("Transitions", checked.announced.len()),
        ("CheckErrors", checked.failed_checks),
        ("Stalled", stalled),
        ("Unchecked", checked.unchecked),
        ("ColdStart", usize::from(cold_start)),
    ] {
        counter!(name).increment(count as u64);
    }
    // A histogram, because a gauge would be written out again with every flush, long after the import has settled.
    for Progressed { image_id, percentage } in &checked.progressed {
        histogram!("Progress", "ImageId" => image_id.clone()).record(f64::from(*percentage));
    }
    if let Err(error) = collector.flush(std::io::stdout()) {
        tracing::warn!(Error = %error, "metrics could not be written");
    }
}

static COLLECTOR: OnceLock<Option<&'static Collector>> = OnceLock::new();

fn start() -> Option<&'static Collector> {
    let collector = Builder::new().cloudwatch_namespace(NAMESPACE).emit_zeros(true).init();
    describe_histogram!("Progress", Unit::Percent, "How far the import of an image is");
    collector.inspect_err(|error| tracing::warn!(Error = %error, "there will be no metrics")).ok()
}
