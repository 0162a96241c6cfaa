//! What goes to the terminal, and how it fits into a line.

use std::io::{self, Write as _, stderr, stdout};

use console::{Term, colors_enabled_stderr, measure_text_width, strip_ansi_codes, style};
use fake_aws::Published;
use serde_json::Value;

/// What standard output is for, and whether the function's log is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Display {
    /// Standard output is for programs. Notes go to standard error.
    pub(crate) data: bool,
    /// The function's log in place of the bars.
    pub(crate) verbose: bool,
}

impl Display {
    /// Prints a line for people. On a terminal, it breaks between words.
    pub(crate) fn note(self, text: &str) -> io::Result<()> {
        self.line(&wrap(text, self.width()))
    }

    /// Prints a line for people as it is.
    pub(crate) fn line(self, text: &str) -> io::Result<()> {
        match self.data {
            false => writeln!(stdout(), "{text}"),
            true if colors_enabled_stderr() => writeln!(stderr(), "{text}"),
            // Standard output is a terminal, and standard error is a file.
            true => writeln!(stderr(), "{}", strip_ansi_codes(text)),
        }
    }

    /// The width of the terminal that shows the notes. Without a terminal, there is no limit.
    fn width(self) -> usize {
        let terminal = self.terminal();
        if terminal.is_term() { terminal.size().1.into() } else { usize::MAX }
    }

    /// The width for a table or a rule: the terminal's, or 80.
    pub(crate) fn table_width(self) -> usize {
        self.terminal().size().1.into()
    }

    fn terminal(self) -> Term {
        if self.data { Term::stderr() } else { Term::stdout() }
    }
}

/// The subject of a message's email. The new state, with which it starts, has its color.
pub(crate) fn subject(message: &Published) -> String {
    let state = message.json()["To"].as_str().unwrap_or_default().to_owned();
    message.subject.as_deref().unwrap_or("(no subject)").replacen(&state, &colored(&state), 1)
}

/// A state, in a color that says how the import goes. Without color if standard output is not a terminal or if
/// `NO_COLOR` is set.
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

/// The name of a record's or transition's image, if it has one. It is text from outside, so nothing in it may act.
pub(crate) fn name(value: &Value) -> Option<String> {
    let name = value["Name"].as_str()?;
    Some(name.replace(char::is_control, " "))
}

/// The image of a record or transition: its name, if it has one, and its ID.
pub(crate) fn image(value: &Value) -> String {
    let image_id = value["ImageId"].as_str().unwrap_or("(none)");
    name(value).map_or_else(|| image_id.to_owned(), |name| format!("{name} ({image_id})"))
}

/// Breaks lines between words. The rest of a line is indented like its start. A word that is longer than the width,
/// such as a link, stays whole.
pub(crate) fn wrap(text: &str, width: usize) -> String {
    let mut wrapped = String::new();
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            wrapped.push('\n');
        }
        let indent = &line[..line.len() - line.trim_start_matches(' ').len()];
        wrapped.push_str(indent);
        let mut used = indent.len();
        for word in line[indent.len()..].split_inclusive(' ') {
            if used > indent.len() && used + measure_text_width(word.trim_end()) > width {
                wrapped.truncate(wrapped.trim_end().len());
                wrapped.push('\n');
                wrapped.push_str(indent);
                used = indent.len();
            }
            wrapped.push_str(word);
            used += measure_text_width(word);
        }
    }
    wrapped
}

/// Leaves out the last words of a text that is too long, and puts `…` in their place.
pub(crate) fn fit(text: &str, width: usize) -> String {
    if measure_text_width(text) <= width {
        return text.to_owned();
    }
    let mut fitting = text;
    while !fitting.is_empty() && measure_text_width(fitting) >= width {
        fitting = fitting.rsplit_once(' ').map_or("", |(start, _)| start.trim_end_matches(','));
    }
    if width == 0 { String::new() } else { format!("{fitting}…") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_its_name_and_its_id() {
        let id = "wsi-0a1b2c3d4";
        assert_eq!(image(&serde_json::json!({"ImageId": id})), id);
        assert_eq!(image(&serde_json::json!({"ImageId": id, "Name": "a\u{1b}[2Jb"})), "a [2Jb (wsi-0a1b2c3d4)");
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("one two three\n\n  four five", 9), "one two\nthree\n\n  four\n  five");
        assert_eq!(wrap("one two", 7), "one two");
        assert_eq!(wrap("see https://example.com/a now\n", 8), "see\nhttps://example.com/a\nnow\n");
        assert_eq!(wrap("no terminal", usize::MAX), "no terminal");
    }

    #[test]
    fn a_text_that_is_too_long_ends_after_a_word() {
        assert_eq!(fit("VALIDATING, check failed", 24), "VALIDATING, check failed");
        assert_eq!(fit("VALIDATING, check failed", 23), "VALIDATING, check…");
        assert_eq!(fit("VALIDATING, check failed", 11), "VALIDATING…");
        assert_eq!(fit("VALIDATING, check failed", 10), "…");
        assert_eq!(fit("VALIDATING", 0), "");
    }
}
