//! The email.

use std::fmt::Write as _;

use super::{Facts, one_line, source_id};

/// What happened, since when, the progress and the time left, every error with its remedy, what to do, a link to the
/// console, and last the account, the Region, and the ID of the announcement.
pub(in crate::announcement) fn email(facts: &Facts<'_>) -> String {
    let mut email = format!("{}\n\n", facts.headline(one_line));
    write_facts(&mut email, facts);
    write_errors(&mut email, facts);
    let _ = write!(email, "What to do: {}\n\n", facts.advice());
    write_links(&mut email, facts);
    write_origin(&mut email, facts);
    email
}

/// One line per fact, and an empty line if there is any.
fn write_facts(email: &mut String, facts: &Facts<'_>) {
    let description = facts.description;
    let start = email.len();
    let mut line = |label: &str, value: &str| write_line(email, label, value);
    if let Some(now) = facts.state_now() {
        line("State by now", now);
    }
    if let Some((label, time)) = facts.time_taken() {
        line(label, &time);
    }
    if let Some(progress) = description.progress_percentage {
        line("Progress", &format!("{progress}%"));
    }
    if let Some(estimate) = facts.estimate() {
        line("Estimated time left", &estimate);
    }
    if let Some(updated) = description.last_updated_time.filter(|_| facts.is_pending()) {
        line("Last update", &facts.ago(updated));
    }
    if let Some(message) = &description.state_message {
        line("WorkSpaces says", message);
    }
    if email.len() > start {
        email.push('\n');
    }
}

/// Each error in a paragraph of its own.
fn write_errors(email: &mut String, facts: &Facts<'_>) {
    if let Some(heading) = facts.errors_heading() {
        let _ = write!(email, "{heading}\n\n");
    }
    for (number, error) in (1..).zip(facts.errors()) {
        let _ = writeln!(email, "{number}. {}", Facts::error(error, |text| one_line(text).into_owned()));
        if let Some(remedy) = facts.remedy_line(error) {
            let _ = writeln!(email, "{remedy}");
        }
        email.push('\n');
    }
}

fn write_links(email: &mut String, facts: &Facts<'_>) {
    let _ = write!(email, "The image in the console:\n{}\n\n", facts.console_link());
    for page in facts.pages() {
        let _ = write!(email, "{} in the WorkSpaces guide:\n{}\n\n", page.title(), page.url());
    }
}

/// Where this comes from, for people who look after several accounts, and for support.
fn write_origin(email: &mut String, facts: &Facts<'_>) {
    if let Some(source) = &facts.description.image_source {
        write_line(email, "Source", source_id(source));
    }
    if let Some(instance) = &facts.description.image_builder_instance_id {
        write_line(email, "Build instance", instance);
    }
    let id = one_line(facts.announcement.id.as_str());
    let _ = writeln!(email, "{}\nAnnouncement {id} (a repeated email has the same ID)", facts.place());
}

fn write_line(email: &mut String, label: &str, value: &str) {
    let _ = writeln!(email, "{label}: {}", one_line(value));
}
