//! The words for people: subject, email and SMS.

use std::{borrow::Cow, fmt::Write as _};

use super::Announcement;
use crate::import::{Description, ImageSource, Kind, Outcome, Timestamp};

/// Short enough for any state of the service; longer ones are cut by the caller.
pub(super) fn subject(announcement: &Announcement<'_>) -> String {
    let to = &announcement.transition.to;
    match announcement.transition.kind {
        Kind::StateChanged => format!("WorkSpaces image {}: {to}", announcement.image_id),
        Kind::Stalled => format!("WorkSpaces image {}: STALLED in {to}", announcement.image_id),
    }
}

pub(super) fn sms(announcement: &Announcement<'_>, description: &Description) -> String {
    let mut sms = subject(announcement);
    if let Some(progress) = description.progress_percentage {
        let _ = write!(sms, ", {progress}%");
    }
    match description.error_details.as_deref().unwrap_or_default() {
        [] => {}
        [error] => {
            let _ = write!(sms, ". {}", error.error_code.as_deref().unwrap_or("1 error"));
        }
        errors => {
            let _ = write!(sms, ". {} errors", errors.len());
        }
    }
    one_line(&sms).into_owned()
}

/// What happened, how far it is, how long it has taken, every error, what to do, and where to look.
pub(super) fn email(announcement: &Announcement<'_>, description: &Description) -> String {
    let transition = announcement.transition;
    let mut email = format!("{}\n\n", headline(announcement));
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(email, "{name:<12}{}", one_line(value));
    };
    row("Image", announcement.image_id);
    row("Region", announcement.region);
    match &transition.from {
        Some(from) if *from != transition.to => row("State", &format!("{} (was {from})", transition.to)),
        _ => row("State", transition.to.as_str()),
    }
    if let Some(now) = description.state.as_deref().filter(|now| *now != transition.to.as_str()) {
        row("By now", now);
    }
    if let Some(message) = &description.state_message {
        row("Message", message);
    }
    if let Some(progress) = description.progress_percentage {
        row("Progress", &format!("{progress} %"));
    }
    if let Some(created) = description.created {
        match (transition.outcome(), description.last_updated_time) {
            (Outcome::Completed | Outcome::Failed, Some(ended)) => {
                row("Took", &format!("{}, from {created} on", duration(created, ended)));
            }
            _ => row("Running for", &format!("{}, since {created}", duration(created, announcement.observed_at))),
        }
    }
    if let Some(updated) = description.last_updated_time {
        row("Last update", &format!("{updated}, {} ago", duration(updated, announcement.observed_at)));
    }
    if let Some(source) = &description.image_source {
        row("Source", source_id(source));
    }
    if let Some(instance) = &description.image_builder_instance_id {
        row("Built on", instance);
    }
    let errors = description.error_details.as_deref().unwrap_or_default();
    if !errors.is_empty() {
        email.push_str("\nErrors that WorkSpaces reports (those that it fixed by itself are among them):\n");
    }
    for error in errors {
        let code = error.error_code.as_deref().unwrap_or("(no code)");
        let message = error.error_message.as_deref().unwrap_or("(no message)");
        let _ = writeln!(email, "- {}: {}", one_line(code), one_line(message));
    }
    let _ = write!(email, "\nWhat to do: {}\n\n{}\n", advice(announcement), console_link(announcement));
    let _ = write!(email, "\nAnnouncement {}", one_line(&transition.id(announcement.image_id)));
    email.push_str(" (a repeat of it carries the same name)\n");
    email
}

fn headline(announcement: &Announcement<'_>) -> String {
    let (image, to) = (announcement.image_id, &announcement.transition.to);
    let headline = match (announcement.transition.kind, to.outcome()) {
        (Kind::Stalled, _) => {
            format!("The import of image {image} has not moved for a long time: it is still in {to}.")
        }
        (_, Outcome::Completed) => format!("The import of image {image} is complete."),
        (_, Outcome::Failed) if to.as_str() == "NOT_FOUND" => {
            format!("The image {image} is gone: two checks in a row did not find it.")
        }
        (_, Outcome::Failed) => format!("The import of image {image} failed."),
        (_, Outcome::Pending) => format!("The import of image {image} has gone on to {to}."),
    };
    one_line(&headline).into_owned()
}

fn advice(announcement: &Announcement<'_>) -> &'static str {
    match (announcement.transition.kind, announcement.transition.to.outcome()) {
        (Kind::Stalled, _) => {
            "look at the image in the console, and at the instance that builds it in EC2 Image Builder. \
             If nothing moves there either, delete the image and import it again, or ask AWS Support."
        }
        (_, Outcome::Completed) => "nothing. Bundles can be made of the image now.",
        (_, Outcome::Failed) if announcement.transition.to.as_str() == "NOT_FOUND" => {
            "nothing, if the image was deleted on purpose. Else check the image id, the account and the region, \
             and import the image again."
        }
        (_, Outcome::Failed) => {
            "put right on the source machine what the errors name, make a new image of it, and import that. \
             The failed image can be deleted."
        }
        (_, Outcome::Pending) => "nothing. You will hear of the next state.",
    }
}

/// The image in the console of the region's partition. The id was checked; the region is as the environment has it, and
/// must not lead to another host.
fn console_link(announcement: &Announcement<'_>) -> String {
    let image = announcement.image_id;
    let of_a_region = |char: &char| char.is_ascii_alphanumeric() || *char == '-';
    let region: String = announcement.region.chars().filter(of_a_region).collect();
    let domain = match &region {
        region if region.starts_with("cn-") => "console.amazonaws.cn",
        region if region.starts_with("us-gov-") => "console.amazonaws-us-gov.com",
        _ => "console.aws.amazon.com",
    };
    format!("https://{region}.{domain}/workspaces/v2/images/{image}?region={region}")
}

fn source_id(source: &ImageSource) -> &str {
    match source {
        ImageSource::Ec2ImageId(id) | ImageSource::Ec2ImportTaskId(id) | ImageSource::ImageBuildVersionArn(id) => id,
        ImageSource::Unknown { name } => name,
    }
}

/// `3 d 4 h`, `4 h 12 min`, `12 min`, `40 s`.
fn duration(from: Timestamp, to: Timestamp) -> String {
    let seconds = (to.millis() - from.millis()).max(0) / 1000;
    match (seconds / 86_400, seconds % 86_400 / 3600, seconds % 3600 / 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// The service's words, kept on one line and in sight: they cannot forge another line of the text around them, nor make
/// this one read otherwise than it is.
fn one_line(text: &str) -> Cow<'_, str> {
    let unseen = |char: char| char.is_control() || is_invisible(char);
    if text.contains(unseen) { text.replace(unseen, " ").into() } else { text.into() }
}

/// Line and paragraph separators, what has no width, what turns the direction of writing, and tags.
fn is_invisible(char: char) -> bool {
    matches!(
        char,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}
