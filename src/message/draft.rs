//! Builds the message of an announcement, within the size limit of SNS.

use serde::Serialize;

use super::{
    Origin,
    chat::chat,
    facts::Facts,
    plain::{email, sms},
    sns::{Attribute, MAX_BYTES, MAX_SUBJECT_CHARS, Message, Protocols, deduplication_id, json, subject},
};
use crate::import::{
    Announcement, CarriedDescription, CurrentState, State, Timestamp,
    truncate::{SHORTEST_TEXT, largest_limit},
};

/// Everything that one message is built from.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// What to announce.
    pub announcement: &'a Announcement,
    /// The newest description. Not used for `NOT_FOUND`.
    pub description: Option<&'a CarriedDescription>,
    /// The state in which the check observed the import, if it did. What is announced may be over.
    pub current: Option<&'a CurrentState>,
    /// Whether an earlier response shortened or removed the description.
    pub truncated: bool,
    /// The account and the Region of the import.
    pub origin: &'a Origin,
    /// The time of the check that publishes.
    pub observed_at: Timestamp,
    /// Whether HTTPS subscribers get a chat notification instead of the JSON.
    pub chat: bool,
}

/// The `default` text of a message, for programs.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "PascalCase")]
#[schemars(title = "SNS message of an image import")]
pub(crate) struct Body<'a> {
    /// The version of this format.
    #[schemars(extend("const" = "1"))]
    version: &'static str,
    /// What is announced.
    #[serde(flatten)]
    announcement: &'a Announcement,
    /// The account of the import. Absent if the function does not know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&str")]
    account: Option<&'a str>,
    /// The Region of the import.
    region: &'a str,
    /// The time of the check that published the message.
    observed_at: Timestamp,
    /// How long the import took, from its creation to its last update. Only for an import that has ended, if WorkSpaces
    /// reports both times.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    duration_seconds: Option<u64>,
    /// The newest description. `null` for `NOT_FOUND`.
    description: Option<&'a CarriedDescription>,
    /// `true` if this message or an earlier response shortened or removed `Description` because of its size limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    truncated: Option<bool>,
    /// What to do about the errors of a failed import. Absent if none of their codes is known, or if the message would
    /// have been too large.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remedies: Vec<KnownRemedy<'a>>,
}

/// What to do about an error.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "PascalCase")]
struct KnownRemedy<'a> {
    /// The code as the service wrote it.
    error_code: &'a str,
    /// What is wrong and what to do.
    remedy: String,
    /// The page of the WorkSpaces administration guide.
    url: &'static str,
}

/// How much of a draft a message has.
#[derive(Clone, Copy)]
struct Extent<'a> {
    description: Option<&'a CarriedDescription>,
    has_remedies: bool,
    truncated: bool,
}

impl Draft<'_> {
    /// Builds the message. If it would exceed the limit of SNS, it loses its remedies first. Then its description is
    /// shortened or removed, as in responses.
    #[must_use]
    pub fn message(&self) -> Message {
        let is_described = self.announcement.transition.to.as_str() != State::NOT_FOUND;
        let description = self.description.filter(|_| is_described);
        let whole = Extent { description, has_remedies: true, truncated: self.truncated && is_described };
        let message = self.render(whole);
        if message.size() <= MAX_BYTES {
            return message;
        }
        let without_remedies = Extent { has_remedies: false, ..whole };
        let message = self.render(without_remedies);
        if message.size() <= MAX_BYTES {
            return message;
        }
        let shortened_to = |limit| {
            let mut shorter = description?.clone();
            shorter.shorten_texts(limit);
            let extent = Extent { description: Some(&shorter), truncated: true, ..without_remedies };
            Some(self.render(extent)).filter(|message| message.size() <= MAX_BYTES)
        };
        let sizes = description.map(CarriedDescription::text_sizes).unwrap_or_default();
        let longest = sizes.into_iter().max().unwrap_or(SHORTEST_TEXT);
        let limit = largest_limit(longest, |limit| shortened_to(limit).is_some());
        let without_description = Extent { description: None, truncated: true, ..without_remedies };
        limit.and_then(shortened_to).unwrap_or_else(|| self.render(without_description))
    }

    fn render(&self, extent: Extent<'_>) -> Message {
        let Announcement { transition_id, image_id, transition, .. } = self.announcement;
        // Of the whole description, which the message may not have.
        let duration_seconds =
            self.description.and_then(|description| description.typed().duration_seconds(&transition.to));
        let description = extent.description.map(CarriedDescription::typed).unwrap_or_default();
        let facts = Facts::new(self, &description, extent.has_remedies);
        let body = Body {
            version: "1",
            announcement: self.announcement,
            account: self.origin.account(),
            region: self.origin.region(),
            observed_at: self.observed_at,
            duration_seconds,
            description: extent.description,
            truncated: extent.truncated.then_some(true),
            remedies: known_remedies(&facts),
        };
        let texts = Protocols {
            default: json(&body),
            email: email(&facts),
            sms: sms(&facts),
            https: self.chat.then(|| chat(&facts)),
        };
        Message {
            subject: subject(&facts.subject(|text| text.into(), MAX_SUBJECT_CHARS)),
            body: json(&texts),
            attributes: self.attributes(description.progress_percentage),
            group_id: image_id.to_string(),
            deduplication_id: deduplication_id(transition_id.as_str()),
        }
    }

    fn attributes(&self, progress: Option<i32>) -> Vec<Attribute> {
        let Announcement { transition_id, image_id, outcome, transition, .. } = self.announcement;
        let string = |name, value: &str| Attribute { name, data_type: "String", value: value.to_owned() };
        let mut attributes = vec![
            string("ImageId", image_id.as_str()),
            string("Kind", transition.kind.as_str()),
            string("To", transition.to.as_str()),
            string("Outcome", outcome.as_str()),
            string("TransitionId", transition_id.as_str()),
        ];
        if let Some(from) = &transition.from {
            attributes.push(string("From", from.as_str()));
        }
        if let Some(progress) = progress {
            let value = progress.to_string();
            attributes.push(Attribute { name: "ProgressPercentage", data_type: "Number", value });
        }
        attributes
    }
}

/// One remedy for each known code of a failed import.
fn known_remedies<'a>(facts: &Facts<'a>) -> Vec<KnownRemedy<'a>> {
    let mut known: Vec<KnownRemedy<'a>> = Vec::new();
    if !facts.announces_error() {
        return known;
    }
    for error in &facts.errors {
        let (Some(error_code), Some(remedy)) = (error.code, error.remedy) else { continue };
        if !known.iter().any(|known| known.error_code.eq_ignore_ascii_case(error_code)) {
            let text = format!("{} {}", remedy.problem, remedy.fix);
            known.push(KnownRemedy { error_code, remedy: text, url: remedy.page.url() });
        }
    }
    known
}
