//! How long each import was in each state, as a table.

use std::{iter, time::Duration};

use console::{measure_text_width, pad_str, style, truncate_str};
use serde_json::Value;

use crate::display::{colored, name};

/// The width of the column with the states. The longest state has 28 characters.
const STATES_WIDTH: usize = 28;

/// The minimum and maximum widths of an image's column, without the two blanks before it. An ID has 13 characters, or
/// more.
const IMAGE_WIDTHS: (usize, usize) = (13, 24);

/// The states of each image, in the order in which the checks saw them.
#[derive(Debug)]
pub(crate) struct StateTimes {
    images: Vec<Image>,
    /// Whether the first check of an import sees the start of its first state.
    from_start: bool,
}

#[derive(Debug)]
struct Image {
    id: String,
    /// The name of the image, or else its ID.
    label: String,
    stays: Vec<Stay>,
    settled: bool,
}

/// The time that an image was in a state, between the first check that saw it and the first one that saw the next.
#[derive(Debug)]
struct Stay {
    state: String,
    time: Duration,
    /// Whether the image can have been in this state before the first check.
    at_least: bool,
}

impl StateTimes {
    pub(crate) fn new(from_start: bool) -> Self {
        Self { images: Vec::new(), from_start }
    }

    /// Takes the states from a response. `elapsed` is the time since the response before it.
    pub(crate) fn observe(&mut self, response: &Value, elapsed: Duration) {
        for record in response["Imports"].as_array().into_iter().flatten() {
            let (Some(id), Some(state)) = (record["ImageId"].as_str(), record["State"].as_str()) else { continue };
            let index = self.images.iter().position(|image| image.id == id).unwrap_or_else(|| {
                let label = name(record).unwrap_or_else(|| id.to_owned());
                self.images.push(Image { id: id.to_owned(), label, stays: Vec::new(), settled: false });
                self.images.len() - 1
            });
            self.images[index].observe(state, record["Outcome"] != "PENDING", elapsed, !self.from_start);
        }
    }

    /// The table, in as many blocks as the width of the terminal requires. Empty if no image was seen.
    pub(crate) fn table(&self, width: usize) -> String {
        let longest = self.images.iter().map(|image| measure_text_width(&image.label)).max().unwrap_or_default();
        let column = longest.clamp(IMAGE_WIDTHS.0, IMAGE_WIDTHS.1);
        let columns = (width.saturating_sub(STATES_WIDTH) / (column + 2)).max(1);
        let blocks: Vec<String> = self.images.chunks(columns).map(|images| block(images, column)).collect();
        blocks.join("\n\n")
    }
}

impl Image {
    fn observe(&mut self, state: &str, settled: bool, elapsed: Duration, first_at_least: bool) {
        if let Some(last) = self.stays.last_mut() {
            last.time += elapsed;
        }
        self.settled = settled;
        if self.stays.last().is_none_or(|last| last.state != state) {
            let at_least = first_at_least && self.stays.is_empty();
            self.stays.push(Stay { state: state.to_owned(), time: Duration::ZERO, at_least });
        }
    }

    /// The stays that have a time. The state of a settled import has none.
    fn timed(&self) -> &[Stay] {
        let settled = usize::from(self.settled);
        &self.stays[..self.stays.len().saturating_sub(settled)]
    }

    /// The text for the time in a state.
    fn time_in(&self, state: &str) -> Option<String> {
        let stays: Vec<&Stay> = self.timed().iter().filter(|stay| stay.state == state).collect();
        let time = stays.iter().map(|stay| stay.time).sum();
        let running = !self.settled && self.stays.last().is_some_and(|last| last.state == state);
        (!stays.is_empty()).then(|| text(time, running || stays.iter().any(|stay| stay.at_least)))
    }

    fn total(&self) -> String {
        let stays = self.timed();
        if stays.is_empty() {
            return "-".to_owned();
        }
        text(stays.iter().map(|stay| stay.time).sum(), !self.settled || stays.iter().any(|stay| stay.at_least))
    }

    /// The state in which the import has settled.
    fn end(&self) -> String {
        let last = self.stays.last().filter(|_| self.settled);
        last.map_or_else(|| "-".to_owned(), |stay| colored(&stay.state))
    }
}

/// A table of these images.
fn block(images: &[Image], column: usize) -> String {
    let mut states: Vec<&str> = Vec::new();
    for stay in images.iter().flat_map(Image::timed) {
        if !states.contains(&stay.state.as_str()) {
            states.push(&stay.state);
        }
    }
    let row = |name: &str, cells: Vec<String>| {
        let cells = cells.iter().map(|cell| {
            let cell = truncate_str(cell, column, "…");
            format!("  {}", pad_str(&cell, column, console::Alignment::Right, None))
        });
        format!("{}{}", pad_str(name, STATES_WIDTH, console::Alignment::Left, None), cells.collect::<String>())
    };
    let header = row("", images.iter().map(|image| style(&image.label).bold().to_string()).collect());
    let times = states.iter().map(|state| {
        let cells = images.iter().map(|image| image.time_in(state).unwrap_or_else(|| "-".to_owned()));
        row(state, cells.collect())
    });
    let total = row("total", images.iter().map(Image::total).collect());
    let end = row("end", images.iter().map(Image::end).collect());
    let rows: Vec<String> = iter::once(header).chain(times).chain([total, end]).collect();
    rows.join("\n")
}

/// A time such as `45 s`, `12 min`, or `3 h 05 min`. A `>` says that it can have been longer.
fn text(time: Duration, at_least: bool) -> String {
    let seconds = time.as_secs();
    let time = match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600.. => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    };
    if at_least { format!("> {time}") } else { time }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn minutes(minutes: u64) -> Duration {
        Duration::from_mins(minutes)
    }

    fn response(records: &[(&str, &str, &str)]) -> Value {
        let record =
            |(id, state, outcome): &(&str, &str, &str)| json!({"ImageId": id, "State": state, "Outcome": outcome});
        json!({"Imports": records.iter().map(record).collect::<Vec<_>>()})
    }

    /// The words of each line.
    fn words(table: &str) -> Vec<String> {
        table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn each_state_lasts_until_the_check_that_sees_the_next() {
        let mut times = StateTimes::new(true);
        times.observe(&response(&[("wsi-a", "PENDING", "PENDING"), ("wsi-b", "ERROR", "FAILED")]), minutes(0));
        times.observe(&response(&[("wsi-a", "PENDING", "PENDING"), ("wsi-b", "ERROR", "FAILED")]), minutes(5));
        times.observe(&response(&[("wsi-a", "VALIDATING", "PENDING"), ("wsi-b", "ERROR", "FAILED")]), minutes(5));
        times.observe(&response(&[("wsi-a", "COMPLETED", "COMPLETED"), ("wsi-b", "ERROR", "FAILED")]), minutes(120));
        times.observe(&response(&[("wsi-a", "COMPLETED", "COMPLETED"), ("wsi-b", "ERROR", "FAILED")]), minutes(5));
        let expected =
            ["wsi-a wsi-b", "PENDING 10 min -", "VALIDATING 2 h 00 min -", "total 2 h 10 min -", "end COMPLETED ERROR"];
        assert_eq!(words(&times.table(80)), expected);
    }

    #[test]
    fn a_state_without_a_known_start_or_end_lasted_at_least_that_long() {
        let mut times = StateTimes::new(false);
        times.observe(&response(&[("wsi-a", "PENDING", "PENDING")]), minutes(0));
        times.observe(&response(&[("wsi-a", "VALIDATING", "PENDING")]), Duration::from_secs(59));
        times.observe(&response(&[("wsi-a", "VALIDATING", "PENDING")]), minutes(1));
        let expected = ["wsi-a", "PENDING > 59 s", "VALIDATING > 1 min", "total > 1 min", "end -"];
        assert_eq!(words(&times.table(80)), expected);
    }

    #[test]
    fn no_line_is_longer_than_the_terminal() {
        let mut times = StateTimes::new(true);
        let ids: Vec<String> = (0..7).map(|number| format!("wsi-{number:09}")).collect();
        let records: Vec<_> = ids.iter().map(|id| (id.as_str(), "IMAGE_TESTING_GENERALIZATION", "PENDING")).collect();
        times.observe(&response(&records), minutes(0));
        for width in [80, 120] {
            let table = times.table(width);
            assert!(table.lines().all(|line| measure_text_width(line) <= width), "{table}");
            assert!(ids.iter().all(|id| table.contains(id)), "{table}");
        }
        times.observe(&response(&[(&format!("wsi-{}", "x".repeat(63)), "PENDING", "PENDING")]), minutes(0));
        assert!(times.table(80).lines().all(|line| measure_text_width(line) <= 80));
        assert_eq!(StateTimes::new(true).table(80), "");
    }
}
