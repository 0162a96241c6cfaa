//! Progress bars, one for each import, with the announcements above them.

use std::io::{self, Write as _, stderr};

use console::{Term, measure_text_width, truncate_str};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use crate::display::{Display, fit, image, name};

/// The columns of a line that are neither image, bar, nor message, with an empty one at the end.
const FIXED_WIDTH: usize = 12;

/// The longest message: `IMAGE_TESTING_GENERALIZATION, check failed`.
const MESSAGE_WIDTH: usize = 42;

/// The most columns for an image.
const IMAGE_WIDTH: usize = 20;

/// The minimum and maximum widths of a bar.
const BAR_WIDTHS: (usize, usize) = (6, 30);

/// The bars, on standard error. Without a terminal, or with the function's log, there are none.
#[derive(Debug)]
pub(crate) struct Progress {
    display: Display,
    all: MultiProgress,
    bars: Vec<Bar>,
}

#[derive(Debug)]
struct Bar {
    image_id: String,
    /// The name of the image, or else its ID.
    label: String,
    shown: ProgressBar,
    check_error: Option<String>,
}

impl Progress {
    pub(crate) fn new(display: Display) -> Self {
        let all = MultiProgress::new();
        if display.verbose {
            all.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self { display, all, bars: Vec::new() }
    }

    /// The place of this image's bar. Adds a bar for a new image.
    fn index(&mut self, image_id: &str, label: String) -> usize {
        if let Some(index) = self.bars.iter().position(|bar| bar.image_id == image_id) {
            return index;
        }
        let bar = self.all.add(ProgressBar::new(100)).with_prefix(label.clone());
        self.bars.push(Bar { image_id: image_id.to_owned(), label, shown: bar, check_error: None });
        self.bars.len() - 1
    }

    /// Updates the bars from a response. Prints why a check has failed, once per error.
    pub(crate) fn update(&mut self, response: &Value) -> anyhow::Result<()> {
        let columns = Term::stderr().size().1.into();
        for record in response["Imports"].as_array().into_iter().flatten() {
            let Some(image_id) = record["ImageId"].as_str() else { continue };
            let label = name(record).unwrap_or_else(|| image_id.to_owned());
            let index = self.index(image_id, truncate_str(&label, IMAGE_WIDTH, "…").into_owned());
            let check_error = record["CheckError"]["Error"].as_str();
            if let Some(error) = check_error.filter(|error| self.bars[index].check_error.as_deref() != Some(error)) {
                let cause = record["CheckError"]["Cause"].as_str().unwrap_or_default();
                self.note(&format!("{}: check failed: {error}: {cause}", image(record)))?;
            }
            let bar = &mut self.bars[index];
            let (bar_width, message_width) = widths(columns, &bar.label);
            bar.check_error = check_error.map(ToOwned::to_owned);
            bar.shown.set_style(bar_style(bar_width, record["Outcome"].as_str())?);
            if let Some(percentage) = record["Description"]["ProgressPercentage"].as_u64() {
                bar.shown.set_position(percentage);
            }
            bar.shown.set_message(fit(&message(record), message_width));
        }
        Ok(())
    }

    /// Prints a line for people above the bars.
    pub(crate) fn note(&self, text: &str) -> io::Result<()> {
        self.all.suspend(|| self.display.note(text))
    }

    /// Prints a line for programs above the bars.
    pub(crate) fn data(&self, value: &Value) -> io::Result<()> {
        self.all.suspend(|| writeln!(io::stdout(), "{value}"))
    }

    /// Leaves the bars on the screen, in their last state.
    pub(crate) fn finish(self) {
        for bar in &self.bars {
            bar.shown.abandon();
        }
    }
}

impl Drop for Progress {
    /// Leaves the bars on the screen and the cursor below them. Does not draw, because the `^C` that a terminal shows
    /// has moved the cursor.
    fn drop(&mut self) {
        if !self.all.is_hidden() && !self.bars.is_empty() {
            self.all.set_draw_target(ProgressDrawTarget::hidden());
            // Nobody is left to tell if this fails.
            let _ = writeln!(stderr());
        }
    }
}

/// The widths of the bar and of the message on a terminal with this many columns.
fn widths(columns: usize, label: &str) -> (usize, usize) {
    let both = columns.saturating_sub(FIXED_WIDTH + measure_text_width(label));
    let bar = both.saturating_sub(MESSAGE_WIDTH).clamp(BAR_WIDTHS.0, BAR_WIDTHS.1);
    (bar, both.saturating_sub(bar))
}

fn bar_style(width: usize, outcome: Option<&str>) -> anyhow::Result<ProgressStyle> {
    let color = match outcome {
        Some("COMPLETED") => "green",
        Some("FAILED") => "red",
        _ => "cyan",
    };
    let template = format!("{{prefix}} [{{bar:{width}.{color}}}] {{pos:>3}} %  {{msg:.{color}}}");
    Ok(ProgressStyle::with_template(&template)?.progress_chars("=> "))
}

fn message(record: &Value) -> String {
    let state = record["State"].as_str().unwrap_or("not announced yet");
    if record["CheckError"].is_object() {
        return format!("{state}, check failed");
    }
    if record["Missing"].is_string() && record["Outcome"] == "PENDING" {
        return format!("{state}, not found");
    }
    state.to_owned()
}

#[cfg(test)]
mod tests {
    use fake_aws::STATES;
    use serde_json::json;

    use super::*;

    const IMAGE: &str = "wsi-0a1b2c3d4";

    #[test]
    fn a_line_is_shorter_than_the_terminal() {
        for columns in [60, 80, 97, 200] {
            let (bar, message) = widths(columns, IMAGE);
            assert!(FIXED_WIDTH + IMAGE.len() + bar + message <= columns);
        }
        assert_eq!(widths(97, IMAGE).0, 30);
    }

    #[test]
    fn eighty_columns_show_every_message_and_sixty_every_state() {
        for state in STATES {
            let message = message(&json!({"State": state, "CheckError": {"Error": "WorkSpaces.Timeout"}}));
            assert_eq!(fit(&message, widths(80, IMAGE).1), message);
            assert_eq!(fit(&message, widths(80, &"n".repeat(IMAGE_WIDTH)).1), message);
            assert!(fit(&message, widths(60, IMAGE).1).starts_with(state));
        }
    }
}
