//! What the texts for people say: the facts of one announcement, collected once. Email, SMS, and chat lay them out.
//!
//! The texts read well at any width: no columns, and a short line for each fact.

use std::borrow::Cow;

use super::{
    Draft,
    durations::{duration, estimate},
    remedies::{self, Page, Remedy},
};
use crate::import::{Announcement, CurrentState, Description, ImageSource, Kind, Outcome, State, Timestamp};

/// A name that is cut keeps at least this many characters, three dots included. A shorter one would tell nobody
/// anything.
const SHORTEST_NAME: usize = 6;

/// The facts of one announcement.
pub(super) struct Facts<'a> {
    pub(super) announcement: &'a Announcement,
    pub(super) description: &'a Description,
    /// If what is announced is over: the state of the import by now.
    pub(super) state_by_now: Option<&'a str>,
    /// What happened, in a sentence or two. It contains texts from the service.
    pub(super) headline: String,
    /// One fact each, as a label and its text.
    pub(super) lines: Vec<(&'static str, Text<'a>)>,
    /// The errors in the service's order.
    pub(super) errors: Vec<ErrorFact<'a>>,
    /// What to do.
    pub(super) advice: &'static str,
    /// How long the import will still take, in words.
    pub(super) time_left: Option<String>,
    /// The image in the console.
    pub(super) console_link: String,
    /// The pages of the guide about these errors, each of them once.
    pub(super) pages: Vec<Page>,
    /// What is being imported, and the instance that builds the image.
    pub(super) source: Vec<(&'static str, Text<'a>)>,
    /// The account and the Region.
    pub(super) place: String,
    pub(super) account: Option<&'a str>,
    pub(super) region: String,
}

/// A text, and whether it has to be made safe for the place that shows it.
pub(super) enum Text<'a> {
    /// This function's own words.
    Own(String),
    /// What the service sent.
    Foreign(&'a str),
}

/// Makes a text from the service safe for the place that shows it.
pub(super) type Clean = fn(&str) -> Cow<'_, str>;

impl Text<'_> {
    pub(super) fn shown(&self, clean: impl Fn(&str) -> String) -> String {
        match self {
            Self::Own(text) => text.clone(),
            Self::Foreign(text) => clean(text),
        }
    }
}

/// One error of an import.
pub(super) struct ErrorFact<'a> {
    pub(super) code: Option<&'a str>,
    pub(super) message: Option<&'a str>,
    pub(super) remedy: Option<&'static Remedy>,
}

impl ErrorFact<'_> {
    /// The code and the message.
    pub(super) fn shown(&self, clean: impl Fn(&str) -> String) -> String {
        let code = self.code.map_or_else(|| "(no code)".to_owned(), &clean);
        match self.message {
            Some(message) => format!("{code}: {}", clean(message)),
            None => code,
        }
    }
}

impl<'a> Facts<'a> {
    pub(super) fn new(draft: &Draft<'a>, description: &'a Description, has_remedies: bool) -> Self {
        let (announcement, now) = (draft.announcement, draft.observed_at);
        let details = description.error_details.iter().flatten();
        let errors: Vec<ErrorFact<'a>> = details
            .map(|error| {
                let code = error.error_code.as_deref().filter(|code| !code.trim().is_empty());
                let message = error.error_message.as_deref().filter(|message| !message.trim().is_empty());
                let remedy = if has_remedies { code.and_then(remedies::find) } else { None };
                ErrorFact { code, message, remedy }
            })
            .collect();
        let over = draft.current.filter(|current| current.is_past(&announcement.transition));
        let time_left = if over.is_none() { time_left(announcement, description, now) } else { None };
        Self {
            state_by_now: over.map(|current| current.state.as_str()),
            headline: headline(announcement, description, now, over),
            lines: lines(announcement, description, now, time_left.as_deref()),
            advice: match over {
                None => advice(announcement, !errors.is_empty()),
                Some(current) if current.state == announcement.transition.to => "Nothing, because this is over.",
                Some(_) => "Nothing, because this is over. Another message is about the current state.",
            },
            time_left,
            pages: pages(announcement, &errors),
            errors,
            console_link: format!(
                "{}/workspaces/v2/images/{}?region={}",
                draft.origin.console(),
                announcement.image_id,
                draft.origin.safe_region()
            ),
            source: source(description),
            place: draft.origin.place(),
            account: draft.origin.account(),
            region: draft.origin.safe_region(),
            announcement,
            description,
        }
    }

    /// Starts with the state, so that a list of subjects tells them apart, and ends with the image. If it would be
    /// longer than this many characters, the name of the image is cut. State and ID fit for every state of the service.
    /// The caller shortens longer ones.
    pub(super) fn subject(&self, clean: Clean, max_chars: usize) -> String {
        let Announcement { image_id, name, transition, .. } = self.announcement;
        let to = clean(transition.to.as_str());
        let now = match self.state_by_now {
            None => String::new(),
            Some(now) if now == transition.to.as_str() => ", updated since".to_owned(),
            Some(now) => format!(", now {}", clean(now)),
        };
        let stalled = if transition.kind == Kind::Stalled { "STALLED in " } else { "" };
        let state = format!("{stalled}{to}{now}: ");
        let room = max_chars.saturating_sub(state.chars().count() + image_id.as_str().len());
        let image = match name {
            None if room >= "WorkSpaces image ".len() => format!("WorkSpaces image {image_id}"),
            Some(name) if room > SHORTEST_NAME + " ()".len() => {
                format!("{} ({image_id})", cut(&clean(name.as_str()), room - " ()".len()))
            }
            _ => image_id.to_string(),
        };
        format!("{state}{image}")
    }

    /// Whether this announces that the import ended in `ERROR`.
    pub(super) fn announces_error(&self) -> bool {
        announces_error(self.announcement)
    }

    /// Whether there is nothing to do: the import is pending and has not stalled.
    pub(super) fn is_under_way(&self) -> bool {
        is_under_way(self.announcement) && self.state_by_now.is_none()
    }

    /// Whether the import has failed, and still has.
    fn has_failed(&self) -> bool {
        self.announcement.outcome == Outcome::Failed && self.state_by_now.is_none()
    }

    /// The heading of the errors, if there are any. If the import has not failed, WorkSpaces may have fixed them.
    pub(super) fn errors_heading(&self) -> Option<&'static str> {
        if self.errors.is_empty() {
            None
        } else if self.has_failed() {
            Some("Errors that WorkSpaces reports:")
        } else {
            Some("Errors that WorkSpaces reports, including any that it fixed automatically:")
        }
    }

    /// The remedy of an error as a line, if its code is known.
    pub(super) fn remedy_line(&self, error: &ErrorFact<'_>) -> Option<String> {
        let label = if self.has_failed() { "Remedy" } else { "Remedy, if needed" };
        error.remedy.map(|remedy| format!("{label}: {} {}", remedy.problem, remedy.fix))
    }
}

/// The beginning of a text that is longer than this many characters, and three dots, because a subject is ASCII.
fn cut(text: &str, max_chars: usize) -> Cow<'_, str> {
    if text.chars().count() <= max_chars {
        return text.into();
    }
    let beginning: String = text.chars().take(max_chars - "...".len()).collect();
    format!("{beginning}...").into()
}

/// The image for people: its name, if it is known, and its ID.
fn image_label(announcement: &Announcement) -> String {
    let Announcement { image_id, name, .. } = announcement;
    match name {
        Some(name) => format!("{} ({image_id})", name.as_str()),
        None => image_id.to_string(),
    }
}

fn announces_error(announcement: &Announcement) -> bool {
    announcement.transition.to.as_str() == State::ERROR
}

fn is_under_way(announcement: &Announcement) -> bool {
    announcement.outcome == Outcome::Pending && announcement.transition.kind == Kind::StateChanged
}

fn headline(
    announcement: &Announcement,
    description: &Description,
    now: Timestamp,
    over: Option<&CurrentState>,
) -> String {
    let mut headline = what_happened(announcement, description, now, over.is_some());
    match over {
        None => {}
        Some(current) if current.state == announcement.transition.to => {
            headline.push_str(" By now, this is over, because WorkSpaces has updated it.");
        }
        Some(current) => {
            headline.push_str(" By now, this is over, and its state is ");
            headline.push_str(current.state.as_str());
            headline.push('.');
        }
    }
    headline
}

fn what_happened(announcement: &Announcement, description: &Description, now: Timestamp, is_over: bool) -> String {
    let Announcement { outcome, transition, .. } = announcement;
    let image = image_label(announcement);
    let to = transition.to.as_str();
    let from = transition.from.as_ref().map(State::as_str);
    let last_known = from.map(|from| format!(" Its last known state was {from}.")).unwrap_or_default();
    match (transition.kind, outcome) {
        (Kind::Stalled, _) if is_over => {
            format!("The import of WorkSpaces image {image} had stalled in state {to}.")
        }
        (Kind::Stalled, _) => {
            let silence = match description.last_updated_time {
                Some(updated) => format!("for {}", duration(updated, now)),
                None => "for a long time".to_owned(),
            };
            format!(
                "The import of WorkSpaces image {image} has stalled in state {to}. WorkSpaces has not updated it \
                 {silence}."
            )
        }
        (_, Outcome::Completed) => format!("The import of WorkSpaces image {image} is complete."),
        (_, Outcome::Failed) if to == State::NOT_FOUND => {
            format!("For at least 15 minutes, the checks did not find WorkSpaces image {image}.{last_known}")
        }
        (_, Outcome::Failed) => format!("The import of WorkSpaces image {image} failed.{last_known}"),
        (_, Outcome::Pending) => match from {
            Some(from) => format!("The import of WorkSpaces image {image} has moved from {from} to {to}."),
            None => format!("The import of WorkSpaces image {image} is in state {to}."),
        },
    }
}

fn lines<'a>(
    announcement: &Announcement,
    description: &'a Description,
    now: Timestamp,
    time_left: Option<&str>,
) -> Vec<(&'static str, Text<'a>)> {
    let mut lines = Vec::new();
    let ago = |time: Timestamp| Text::Own(format!("{}, {} ago", minute(time), duration(time, now)));
    if let Some(state) = description.state.as_deref()
        && state != announcement.transition.to.as_str()
    {
        lines.push(("State by now", Text::Foreign(state)));
    }
    let is_pending = announcement.outcome == Outcome::Pending;
    match (description.created, description.last_updated_time) {
        (Some(created), Some(ended)) if !is_pending => {
            let taken = format!("{}, {}", duration(created, ended), span(created, ended));
            lines.push(("Time taken", Text::Own(taken)));
        }
        (Some(created), _) => lines.push(("Started", ago(created))),
        (None, _) => {}
    }
    if let Some(progress) = description.progress_percentage {
        lines.push(("Progress", Text::Own(format!("{progress}%"))));
        if let (Some(left), Some(created)) = (time_left, description.created) {
            let elapsed = duration(created, now);
            let estimate = format!("about {left} at the pace so far ({progress}% in {elapsed})");
            lines.push(("Estimated time left", Text::Own(estimate)));
        }
    }
    if let Some(updated) = description.last_updated_time
        && is_pending
    {
        lines.push(("Last update", ago(updated)));
    }
    lines
}

/// Estimates how long an import under way will still take, in words.
fn time_left(announcement: &Announcement, description: &Description, now: Timestamp) -> Option<String> {
    let state = description.state.as_deref().and_then(State::parse);
    let has_settled = state.is_some_and(|state| state.outcome() != Outcome::Pending);
    if has_settled || !is_under_way(announcement) {
        return None;
    }
    estimate(description.progress_percentage?, description.created?, now)
}

fn advice(announcement: &Announcement, has_errors: bool) -> &'static str {
    match (announcement.transition.kind, announcement.outcome) {
        (Kind::Stalled, _) => {
            "Look at the image in the WorkSpaces console and at its build in EC2 Image Builder. If there is no progress \
             there either, delete the image and import it again, or contact AWS Support."
        }
        (_, Outcome::Completed) => "You can now create bundles from the image.",
        (_, Outcome::Failed) if !announces_error(announcement) => {
            "If you deleted the image on purpose, nothing. Otherwise, check the image ID, the account, and the Region, \
             and import the image again."
        }
        (_, Outcome::Failed) if has_errors => {
            "Fix the errors on the source machine, create a new image, and import it. If WorkSpaces kept the build \
             instance, you can fix them there instead and retry the import on the Images page of the console."
        }
        (_, Outcome::Failed) => {
            "This message has no error details. Look at the image in the WorkSpaces console and at its build in EC2 \
             Image Builder to find the cause."
        }
        (_, Outcome::Pending) if has_errors => {
            "Nothing yet. WorkSpaces may fix the errors automatically. Another message comes when the import ends or \
             stalls, if not before."
        }
        // Not everyone receives every change of state, so this promises what everyone receives.
        (_, Outcome::Pending) => "Nothing. Another message comes when the import ends or stalls, if not before.",
    }
}

fn pages(announcement: &Announcement, errors: &[ErrorFact<'_>]) -> Vec<Page> {
    let mut pages = Vec::new();
    for error in errors {
        let page = error.remedy.map_or(Page::CommonErrors, |remedy| remedy.page);
        if !pages.contains(&page) {
            pages.push(page);
        }
    }
    if errors.is_empty() && announces_error(announcement) {
        pages.push(Page::CommonErrors);
    }
    pages
}

fn source(description: &Description) -> Vec<(&'static str, Text<'_>)> {
    let mut source = Vec::new();
    match &description.image_source {
        Some(
            ImageSource::Ec2ImageId(id)
            | ImageSource::Ec2ImportTaskId(id)
            | ImageSource::ImageBuildVersionArn(id)
            | ImageSource::Unknown { name: id },
        ) => source.push(("Source", Text::Foreign(id))),
        None => {}
    }
    if let Some(instance) = &description.image_builder_instance_id {
        source.push(("Build instance", Text::Foreign(instance)));
    }
    source
}

/// `2026-01-07 09:00 UTC`.
pub(super) fn minute(time: Timestamp) -> String {
    let (day, minute) = day_and_minute(time);
    format!("{day} {minute} UTC")
}

/// `from 2026-01-07 09:00 to 12:10 UTC`.
fn span(from: Timestamp, to: Timestamp) -> String {
    let ((from_day, from_minute), (to_day, to_minute)) = (day_and_minute(from), day_and_minute(to));
    let to_day = if to_day == from_day { String::new() } else { format!("{to_day} ") };
    format!("from {from_day} {from_minute} to {to_day}{to_minute} UTC")
}

/// `2026-01-07` and `09:00`.
fn day_and_minute(time: Timestamp) -> (String, String) {
    let time = time.to_string();
    let part = |range: std::ops::Range<usize>| time.get(range).unwrap_or_default().to_owned();
    (part(0..10), part(11..16))
}
