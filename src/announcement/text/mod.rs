//! The texts for people: subject, email, SMS and chat.
//!
//! Each of them says the same in its own form, so the sentences are here. They read well at any width: no columns, and a
//! short line for each fact.

mod chat;
mod email;
mod estimate;
mod safe;
mod sms;

use std::borrow::Cow;

pub(super) use self::{chat::chat, email::email, sms::sms};
use self::{
    estimate::{duration, estimate},
    safe::one_line,
};
use super::Announcement;
use crate::{
    import::{Description, ErrorDetail, ImageSource, Kind, Outcome, State, Timestamp},
    remedies::{self, Page, Remedy},
};

/// What the texts are written from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    /// The announcement.
    pub(super) announcement: &'a Announcement<'a>,
    /// The newest description.
    pub(super) description: &'a Description,
    /// Whether the errors come with their remedies.
    pub(super) with_remedies: bool,
}

/// Makes a text from the service safe for the place that shows it.
pub(super) type Clean = fn(&str) -> Cow<'_, str>;

/// Starts with the state, so that a list of subjects tells them apart. Fits into a subject for every state of the service.
/// The caller shortens longer ones.
pub(super) fn subject(announcement: &Announcement<'_>, clean: Clean) -> String {
    let (image, to) = (announcement.image_id, clean(announcement.transition.to.as_str()));
    match announcement.transition.kind {
        Kind::StateChanged => format!("{to}: WorkSpaces image {image}"),
        Kind::Stalled => format!("STALLED in {to}: WorkSpaces image {image}"),
    }
}

impl<'a> Facts<'a> {
    /// What happened, in a sentence or two.
    fn headline(&self, clean: Clean) -> String {
        let Announcement { image_id, transition, .. } = self.announcement;
        let to = clean(transition.to.as_str());
        let from = transition.from.as_ref().map(|from| clean(from.as_str()));
        let last_known = from.as_ref().map(|from| format!(" Its last known state was {from}.")).unwrap_or_default();
        match (transition.kind, transition.outcome()) {
            (Kind::Stalled, _) => {
                let silence = self.description.last_updated_time.map_or_else(
                    || "for a long time".to_owned(),
                    |updated| format!("for {}", duration(updated, self.announcement.observed_at)),
                );
                format!(
                    "The import of WorkSpaces image {image_id} has stalled in state {to}. WorkSpaces has not updated it \
                     {silence}."
                )
            }
            (_, Outcome::Completed) => format!("The import of WorkSpaces image {image_id} is complete."),
            (_, Outcome::Failed) if transition.to.as_str() == State::NOT_FOUND => {
                format!("Two checks in a row did not find WorkSpaces image {image_id}.{last_known}")
            }
            (_, Outcome::Failed) => format!("The import of WorkSpaces image {image_id} failed.{last_known}"),
            (_, Outcome::Pending) => match from {
                Some(from) => format!("The import of WorkSpaces image {image_id} has moved from {from} to {to}."),
                None => format!("The import of WorkSpaces image {image_id} is in state {to}."),
            },
        }
    }

    /// The state that the import is in by now, if it is not the announced one.
    fn state_now(&self) -> Option<&'a str> {
        self.description.state.as_deref().filter(|now| *now != self.announcement.transition.to.as_str())
    }

    /// Since when, as a label and its text: how long a settled import took, or when a pending one started.
    fn time_taken(&self) -> Option<(&'static str, String)> {
        let created = self.description.created?;
        Some(match (self.announcement.transition.outcome(), self.description.last_updated_time) {
            (Outcome::Completed | Outcome::Failed, Some(ended)) => {
                ("Time taken", format!("{}, {}", duration(created, ended), span(created, ended)))
            }
            _ => ("Started", self.ago(created)),
        })
    }

    /// A time and how long ago it was.
    fn ago(&self, time: Timestamp) -> String {
        format!("{}, {} ago", minute(time), duration(time, self.announcement.observed_at))
    }

    /// Estimates how long an import under way will still take, in words, and says how long it has taken so far.
    fn time_left(&self) -> Option<(String, String)> {
        let described = self.description.state.as_deref().and_then(State::parse);
        let has_settled = described.is_some_and(|state| state.outcome() != Outcome::Pending);
        if !self.is_under_way() || has_settled {
            return None;
        }
        let (created, now) = (self.description.created?, self.announcement.observed_at);
        let left = estimate(self.description.progress_percentage?, created, now)?;
        Some((left, duration(created, now)))
    }

    /// How long the import will still take at its pace so far, with the grounds.
    fn estimate(&self) -> Option<String> {
        let (left, elapsed) = self.time_left()?;
        let percentage = self.description.progress_percentage?;
        Some(format!("about {left} at the pace so far ({percentage}% in {elapsed})"))
    }

    fn is_pending(&self) -> bool {
        self.announcement.transition.outcome() == Outcome::Pending
    }

    /// Whether the import is pending and has not stalled.
    fn is_under_way(&self) -> bool {
        self.is_pending() && self.announcement.transition.kind == Kind::StateChanged
    }

    fn errors(&self) -> &'a [ErrorDetail] {
        self.description.error_details.as_deref().unwrap_or_default()
    }

    /// Whether the import has failed. Otherwise, WorkSpaces may have fixed the errors automatically.
    fn has_failed(&self) -> bool {
        self.announcement.transition.outcome() == Outcome::Failed
    }

    /// The heading of the errors, if there are any.
    fn errors_heading(&self) -> Option<&'static str> {
        let heading = if self.has_failed() {
            "Errors that WorkSpaces reports:"
        } else {
            "Errors that WorkSpaces reports, including any that it fixed automatically:"
        };
        (!self.errors().is_empty()).then_some(heading)
    }

    /// An error's code and message.
    fn error(error: &ErrorDetail, clean: impl Fn(&str) -> String) -> String {
        let code = error.error_code.as_deref().map_or_else(|| "(no code)".to_owned(), &clean);
        error.error_message.as_deref().map_or_else(|| code.clone(), |message| format!("{code}: {}", clean(message)))
    }

    fn remedy(&self, error: &ErrorDetail) -> Option<&'static Remedy> {
        error.error_code.as_deref().filter(|_| self.with_remedies).and_then(remedies::find)
    }

    /// The remedy of an error as a line, if its code is known.
    fn remedy_line(&self, error: &ErrorDetail) -> Option<String> {
        let label = if self.has_failed() { "Remedy" } else { "Remedy, if needed" };
        self.remedy(error).map(|remedy| format!("{label}: {} {}", remedy.problem, remedy.fix))
    }

    /// The pages of the guide about these errors, each of them once.
    fn pages(&self) -> Vec<Page> {
        let mut pages = Vec::new();
        let of_errors =
            self.errors().iter().map(|error| self.remedy(error).map_or(Page::CommonErrors, |remedy| remedy.page));
        let fallback = (self.errors().is_empty() && self.announcement.reports_error()).then_some(Page::CommonErrors);
        for page in of_errors.chain(fallback) {
            if !pages.contains(&page) {
                pages.push(page);
            }
        }
        pages
    }

    fn advice(&self) -> &'static str {
        match (self.announcement.transition.kind, self.announcement.transition.outcome()) {
            (Kind::Stalled, _) => {
                "Look at the image in the WorkSpaces console and at its build in EC2 Image Builder. If there is no progress \
                 there either, delete the image and import it again, or contact AWS Support."
            }
            (_, Outcome::Completed) => "You can now create bundles from the image.",
            (_, Outcome::Failed) if !self.announcement.reports_error() => {
                "If you deleted the image on purpose, nothing. Otherwise, check the image ID, the account, and the Region, \
                 and import the image again."
            }
            (_, Outcome::Failed) if self.errors().is_empty() => {
                "This message has no error details. Look at the image in the WorkSpaces console and at its build in EC2 \
                 Image Builder to find the cause."
            }
            (_, Outcome::Failed) => {
                "Fix the errors on the source machine, create a new image, and import it. If WorkSpaces kept the build \
                 instance, you can fix them there instead and retry the import on the Images page of the console."
            }
            (_, Outcome::Pending) if !self.errors().is_empty() => {
                "Nothing yet. WorkSpaces may fix the errors automatically. The next message comes when the state changes."
            }
            (_, Outcome::Pending) => "Nothing. The next message comes when the state changes.",
        }
    }

    /// The Region. It comes from the environment, so characters that could change the host of a link are removed.
    fn region(&self) -> String {
        let region = self.announcement.origin.region();
        region.chars().filter(|char| char.is_ascii_alphanumeric() || *char == '-').collect()
    }

    /// The account and the Region.
    fn place(&self) -> String {
        let region = self.region();
        match self.announcement.origin.account() {
            Some(account) => format!("Account {account}, Region {region}"),
            None => format!("Region {region}"),
        }
    }

    /// A link to the image in the console of the Region's partition. The image ID has been checked.
    fn console_link(&self) -> String {
        let image = self.announcement.image_id;
        let region = self.region();
        let domain = match &region {
            region if region.starts_with("cn-") => "console.amazonaws.cn",
            region if region.starts_with("us-gov-") => "console.amazonaws-us-gov.com",
            _ => "console.aws.amazon.com",
        };
        format!("https://{region}.{domain}/workspaces/v2/images/{image}?region={region}")
    }
}

fn source_id(source: &ImageSource) -> &str {
    match source {
        ImageSource::Ec2ImageId(id) | ImageSource::Ec2ImportTaskId(id) | ImageSource::ImageBuildVersionArn(id) => id,
        ImageSource::Unknown { name } => name,
    }
}

/// `2026-01-07 09:00 UTC`.
fn minute(time: Timestamp) -> String {
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
