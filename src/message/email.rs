//! The email.

use std::fmt::Write as _;

use super::{
    facts::{Facts, Text},
    safe::one_line,
};

/// What happened, since when, the progress and the time left, every error with its remedy, what to do, a link to the
/// console, and last the account, the Region, and the ID of the announcement.
pub(super) fn email(facts: &Facts<'_>) -> String {
    let mut email = format!("{}\n\n", one_line(&facts.headline));
    let says = facts.description.state_message.as_deref().map(|message| ("WorkSpaces says", Text::Foreign(message)));
    for line in facts.lines.iter().chain(&says) {
        write_line(&mut email, line);
    }
    if !facts.lines.is_empty() || says.is_some() {
        email.push('\n');
    }
    write_errors(&mut email, facts);
    let _ = write!(email, "What to do: {}\n\nThe image in the console:\n{}\n\n", facts.advice, facts.console_link);
    for page in &facts.pages {
        let _ = write!(email, "{} in the WorkSpaces guide:\n{}\n\n", page.title(), page.url());
    }
    // Where this comes from, for people who look after several accounts, and for support.
    for line in &facts.source {
        write_line(&mut email, line);
    }
    let id = one_line(facts.announcement.transition_id.as_str());
    let _ = writeln!(email, "{}\nAnnouncement {id} (a repeated email has the same ID)", facts.place);
    email
}

/// Each error in a paragraph of its own.
fn write_errors(email: &mut String, facts: &Facts<'_>) {
    if let Some(heading) = facts.errors_heading() {
        let _ = write!(email, "{heading}\n\n");
    }
    for (number, error) in (1..).zip(&facts.errors) {
        let _ = writeln!(email, "{number}. {}", error.shown(|text| one_line(text).into_owned()));
        if let Some(remedy) = facts.remedy_line(error) {
            let _ = writeln!(email, "{remedy}");
        }
        email.push('\n');
    }
}

fn write_line(email: &mut String, (label, text): &(&str, Text<'_>)) {
    let _ = writeln!(email, "{label}: {}", text.shown(|text| one_line(text).into_owned()));
}
