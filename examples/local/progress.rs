//! Progress bars, one for each import, with the announcements above them.

use std::io::{Write as _, stderr, stdout};

use anyhow::Context as _;
use console::{Term, colors_enabled_stderr, measure_text_width, strip_ansi_codes, style};
use fake_aws::Published;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

/// The width of the terminal from which on a bar has 30 characters. A bar has 20 otherwise.
const WIDE: u16 = 100;

/// What goes to the terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Display {
    /// Transitions as JSON on standard output, and everything else on standard error.
    pub(crate) json: bool,
    /// The function's log in place of the bars.
    pub(crate) verbose: bool,
}

impl Display {
    /// Prints a line for people. A reader that is gone, such as a pipe that Ctrl-C has closed, misses it.
    pub(crate) fn note(self, text: &str) {
        let _ = match self.json {
            false => writeln!(stdout(), "{text}"),
            true if colors_enabled_stderr() => writeln!(stderr(), "{text}"),
            // Standard output is a terminal, and standard error is a file.
            true => writeln!(stderr(), "{}", strip_ansi_codes(text)),
        };
    }
}

/// The bars, on standard error. Without a terminal, or with the function's log, there are none.
#[derive(Debug)]
pub(crate) struct Progress {
    display: Display,
    all: MultiProgress,
    template: &'static str,
    bars: Vec<(String, ProgressBar)>,
}

impl Progress {
    pub(crate) fn new<'a>(image_ids: impl IntoIterator<Item = &'a str>, display: Display) -> anyhow::Result<Self> {
        let all = MultiProgress::new();
        if display.verbose {
            all.set_draw_target(ProgressDrawTarget::hidden());
        }
        let template = match Term::stderr().size() {
            (_, WIDE..) => "{prefix} [{bar:30.cyan}] {pos:>3} %  {wide_msg}",
            _ => "{prefix} [{bar:20.cyan}] {pos:>3} %  {wide_msg}",
        };
        let mut progress = Self { display, all, template, bars: Vec::new() };
        for image_id in image_ids {
            progress.add(image_id)?;
        }
        Ok(progress)
    }

    fn add(&mut self, image_id: &str) -> anyhow::Result<ProgressBar> {
        let style = ProgressStyle::with_template(self.template)?.progress_chars("=> ");
        let bar = self.all.add(ProgressBar::new(100)).with_style(style).with_prefix(image_id.to_owned());
        bar.tick();
        self.bars.push((image_id.to_owned(), bar.clone()));
        Ok(bar)
    }

    /// Updates the bars from a response. Adds a bar for an import that the function has discovered.
    pub(crate) fn update(&mut self, response: &Value) -> anyhow::Result<()> {
        for record in response["Imports"].as_array().into_iter().flatten() {
            let Some(image_id) = record["ImageId"].as_str() else { continue };
            let known = self.bars.iter().find(|(known, _)| known == image_id).map(|(_, bar)| bar.clone());
            let bar = known.map_or_else(|| self.add(image_id), Ok)?;
            if let Some(percentage) = record["Description"]["ProgressPercentage"].as_u64() {
                bar.set_position(percentage);
            }
            let state = record["State"].as_str().unwrap_or("not announced yet");
            bar.set_message(match record["CheckError"]["Error"].as_str() {
                Some(error) => format!("{state}, check failed: {error}"),
                None if record["Missing"] == true && record["Outcome"] == "PENDING" => format!("{state}, not found"),
                None => state.to_owned(),
            });
        }
        Ok(())
    }

    /// Prints a line for people above the bars.
    pub(crate) fn note(&self, text: &str) {
        self.all.suspend(|| self.display.note(text));
    }

    /// Prints a transition above the bars: as JSON, or else this text.
    pub(crate) fn transition(&self, transition: &Value, text: &str) -> anyhow::Result<()> {
        let json = self.display.json;
        let print = || if json { writeln!(stdout(), "{transition}") } else { writeln!(stdout(), "{text}") };
        self.all.suspend(print).context("cannot print the transition")
    }

    /// Leaves the bars on the screen, in their last state.
    pub(crate) fn finish(self) {
        for (_, bar) in &self.bars {
            bar.abandon();
        }
    }
}

impl Drop for Progress {
    /// Leaves the bars on the screen and the cursor below them. Does not draw, because the `^C` that a terminal shows has
    /// moved the cursor.
    fn drop(&mut self) {
        if !self.all.is_hidden() && !self.bars.is_empty() {
            self.all.set_draw_target(ProgressDrawTarget::hidden());
            eprintln!();
        }
    }
}

/// The subject and the first line of an email, as an inbox shows them.
pub(crate) fn summary(message: &Published) -> String {
    let subject = message.subject.as_deref().unwrap_or("(no subject)");
    let email = message.body("email").unwrap_or_default();
    format!("{subject}\n    {}", email.lines().next().unwrap_or_default())
}

/// A state, in a color that says how the import goes. Without color if standard output is not a terminal or if `NO_COLOR`
/// is set.
pub(crate) fn colored(state: &str) -> String {
    let styled = style(state);
    let colored = match state {
        "COMPLETED" => styled.green(),
        "ERROR" | "NOT_FOUND" => styled.red(),
        "STALLED" => styled.yellow(),
        _ => styled.cyan(),
    };
    colored.to_string()
}

/// The width of the terminal that standard output goes to, or 80 if it goes elsewhere.
pub(crate) fn width() -> usize {
    Term::stdout().size().1.into()
}

/// Breaks long lines between words on a terminal. Without one, the text stays as it is.
pub(crate) fn wrapped(text: &str) -> String {
    if Term::stdout().is_term() { wrap(text, width()) } else { text.to_owned() }
}

/// Breaks lines between words. A word that is longer than the width, such as a link, stays whole.
fn wrap(text: &str, width: usize) -> String {
    let mut wrapped = String::new();
    for (index, line) in text.lines().enumerate() {
        if index > 0 {
            wrapped.push('\n');
        }
        let mut used = 0;
        for word in line.split_inclusive(' ') {
            if used > 0 && used + measure_text_width(word.trim_end()) > width {
                wrapped.truncate(wrapped.trim_end().len());
                wrapped.push('\n');
                used = 0;
            }
            wrapped.push_str(word);
            used += measure_text_width(word);
        }
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("one two three\n\n  four", 8), "one two\nthree\n\n  four");
        assert_eq!(wrap("one two", 7), "one two");
        assert_eq!(wrap("see https://example.com/a now", 8), "see\nhttps://example.com/a\nnow");
    }
}
