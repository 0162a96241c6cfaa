//! The texts without markup: email and SMS.

use std::fmt::Write as _;

use super::{
    facts::{Facts, Text},
    safe::one_line,
    sns::MAX_SUBJECT_CHARS,
};

/// The maximum length of an SMS, in characters: one [SMS message][sms] holds 140 bytes.
///
/// [sms]: https://docs.aws.amazon.com/sns/latest/dg/sms_sending-overview.html
const MAX_SMS_CHARS: usize = 140;

/// The email: what happened, since when, the progress and the time left, every error with its remedy, what to do, a
/// link to the console, and last the account, the Region, and the ID of the announcement.
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

/// The SMS: one line, the most important first. It names as many error codes as fit.
pub(super) fn sms(facts: &Facts<'_>) -> String {
    let mut sms = facts.subject(one_line, MAX_SUBJECT_CHARS);
    if let Some(progress) = facts.description.progress_percentage {
        let _ = write!(sms, ", {progress}%");
    }
    if let Some(left) = &facts.time_left {
        let _ = write!(sms, ", about {left} left");
    }
    match facts.errors.len() {
        0 => {}
        1 => sms.push_str(". 1 error"),
        errors => {
            let _ = write!(sms, ". {errors} errors");
        }
    }
    let mut separator = ": ";
    for code in facts.errors.iter().filter_map(|error| error.code) {
        let code = one_line(code);
        if sms.chars().count() + separator.len() + code.chars().count() > MAX_SMS_CHARS {
            break;
        }
        sms.push_str(separator);
        sms.push_str(&code);
        separator = ", ";
    }
    sms.chars().take(MAX_SMS_CHARS).collect()
}
