//! Builds the SNS message of an announcement. Pure.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    Origin,
    batch::MAX_BYTES,
    text::{self, Facts},
};
use crate::{
    import::{CarriedDescription, Description, ImageId, Outcome, State, Timestamp, Transition, TransitionId},
    remedies, truncate,
};

/// The maximum length of a subject, in characters. SNS requires [less than 100][api].
///
/// [api]: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
const MAX_SUBJECT_CHARS: usize = 99;
/// The maximum length of a [`MessageDeduplicationId`][api], in characters.
///
/// [api]: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
const MAX_DEDUPLICATION_CHARS: usize = 128;

/// One announcement: everything that its message is built from.
#[derive(Clone, Copy, Debug)]
pub struct Announcement<'a> {
    /// The ID of the announcement.
    pub id: &'a TransitionId,
    /// The image that is being imported.
    pub image_id: &'a ImageId,
    /// The transition to announce.
    pub transition: &'a Transition,
    /// The newest description. Not used for `NOT_FOUND`.
    pub description: Option<&'a RawValue>,
    /// Whether an earlier response shortened or removed the description.
    pub truncated: bool,
    /// The account and the Region of the import.
    pub origin: &'a Origin,
    /// When the check observed the import.
    pub observed_at: Timestamp,
    /// Whether HTTPS subscribers get a chat notification instead of the JSON.
    pub chat: bool,
}

/// A message in the form that `PublishBatch` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Printable ASCII, at most 99 characters, no leading space.
    pub subject: String,
    /// JSON with one text per protocol, for `MessageStructure` `json`.
    pub body: String,
    /// For subscription filter policies.
    pub attributes: Vec<Attribute>,
    /// For FIFO topics: the image ID.
    pub group_id: String,
    /// For FIFO topics: the transition ID, in the characters that SNS allows.
    pub deduplication_id: String,
}

/// A message attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// `String` or `Number`.
    pub data_type: &'static str,
    /// Its value. Never empty.
    pub value: String,
}

/// The `default` text of a message, for programs.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "PascalCase")]
#[schemars(title = "SNS message of an image import")]
pub struct Body<'a> {
    /// The version of this format.
    #[schemars(extend("const" = "1"))]
    version: &'static str,
    /// Identifies the announcement permanently. Redeliveries carry the same ID.
    transition_id: &'a TransitionId,
    /// The image that is being imported.
    image_id: &'a ImageId,
    /// What happened. `Sequence` numbers the announcements of an import from 1, without gaps.
    #[serde(flatten)]
    transition: &'a Transition,
    /// The outcome that follows from `To`.
    outcome: Outcome,
    /// The account of the import. Absent if the function does not know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&str")]
    account: Option<&'a str>,
    /// The Region of the import.
    region: &'a str,
    /// When the check observed the import.
    observed_at: Timestamp,
    /// The newest description. `null` for `NOT_FOUND`.
    #[schemars(with = "Option<CarriedDescription>")]
    description: Option<&'a RawValue>,
    /// `true` if this message or an earlier response shortened or removed `Description` because of its size limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    truncated: Option<bool>,
    /// What to do about the errors of a failed import. Absent if none of their codes is known, or if the message would have
    /// been too large.
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

#[derive(Serialize)]
struct Protocols {
    default: String,
    email: String,
    sms: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    https: Option<String>,
}

impl Announcement<'_> {
    /// Builds the message. If it would exceed the limit of SNS, it loses its remedies first. Then its description is
    /// shortened or removed, as in responses.
    #[must_use]
    pub fn message(&self) -> Message {
        let is_described = self.transition.to.as_str() != State::NOT_FOUND;
        let carried = self.description.filter(|_| is_described);
        let description = read(carried);
        let truncated = self.truncated && is_described;
        let mut whole = self.render(carried, &description, true, truncated);
        if whole.size() > MAX_BYTES && description.error_details.is_some() {
            whole = self.render(carried, &description, false, truncated);
        }
        let Some(carried) = carried.filter(|_| whole.size() > MAX_BYTES) else {
            return whole;
        };
        let shortened_to = |limit| {
            let shortened = truncate::shorten_texts(carried, limit);
            let shortened = Some(shortened.as_deref().unwrap_or(carried));
            self.render(shortened, &read(shortened), false, true)
        };
        let longest = truncate::text_sizes(carried).into_iter().max().unwrap_or_default();
        let limit = truncate::largest_limit(longest, |limit| shortened_to(limit).size() <= MAX_BYTES);
        limit.map_or_else(|| self.render(None, &Description::default(), false, true), shortened_to)
    }

    /// Whether this announces that the import ended in `ERROR`.
    pub(super) fn reports_error(&self) -> bool {
        self.transition.to.as_str() == State::ERROR
    }

    /// Builds the message with this description, given as the raw JSON to pass on and as what has been read from it.
    fn render(
        &self,
        carried: Option<&RawValue>,
        description: &Description,
        with_remedies: bool,
        truncated: bool,
    ) -> Message {
        let transition = self.transition;
        let body = Body {
            version: "1",
            transition_id: self.id,
            image_id: self.image_id,
            transition,
            outcome: transition.outcome(),
            account: self.origin.account(),
            region: self.origin.region(),
            observed_at: self.observed_at,
            description: carried,
            truncated: truncated.then_some(true),
            remedies: if with_remedies { self.remedies(description) } else { Vec::new() },
        };
        let facts = Facts { announcement: self, description, with_remedies };
        let texts = Protocols {
            default: json(&body),
            email: text::email(&facts),
            sms: text::sms(&facts),
            https: self.chat.then(|| text::chat(&facts)),
        };
        Message {
            subject: subject(&text::subject(self, |text| text.into())),
            body: json(&texts),
            attributes: self.attributes(description.progress_percentage),
            group_id: self.image_id.to_string(),
            deduplication_id: deduplication_id(self.id),
        }
    }

    /// One remedy for each known code of a failed import.
    fn remedies<'a>(&self, description: &'a Description) -> Vec<KnownRemedy<'a>> {
        let mut found: Vec<KnownRemedy<'a>> = Vec::new();
        if self.reports_error() {
            for code in description.error_details.iter().flatten().filter_map(|error| error.error_code.as_deref()) {
                if let Some(remedy) = remedies::find(code)
                    && !found.iter().any(|found| found.error_code.eq_ignore_ascii_case(code))
                {
                    let text = format!("{} {}", remedy.problem, remedy.fix);
                    found.push(KnownRemedy { error_code: code, remedy: text, url: remedy.page.url() });
                }
            }
        }
        found
    }

    fn attributes(&self, progress: Option<i32>) -> Vec<Attribute> {
        let string = |name, value: &str| Attribute { name, data_type: "String", value: value.to_owned() };
        let mut attributes = vec![
            string("ImageId", self.image_id.as_str()),
            string("Kind", self.transition.kind.as_str()),
            string("To", self.transition.to.as_str()),
            string("Outcome", self.transition.outcome().as_str()),
            string("TransitionId", self.id.as_str()),
        ];
        attributes.extend(self.transition.from.as_ref().map(|from| string("From", from.as_str())));
        attributes.extend(progress.map(|progress| Attribute {
            name: "ProgressPercentage",
            data_type: "Number",
            value: progress.to_string(),
        }));
        attributes
    }
}

impl Message {
    /// The size that SNS counts against its limit, in bytes: the escaped `Message` and each attribute's name, type and
    /// value.
    #[must_use]
    pub fn size(&self) -> usize {
        let attributes = self.attributes.iter();
        self.body.len() + attributes.map(|a| a.name.len() + a.data_type.len() + a.value.len()).sum::<usize>()
    }
}

/// Reads a description. An event may carry one of any form. People then get only what is certain.
fn read(carried: Option<&RawValue>) -> Description {
    carried.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("structs of strings and numbers are valid JSON")
}

/// SNS rejects subjects that start with a space, and those with line breaks, control characters or anything other than
/// ASCII.
fn subject(text: &str) -> String {
    let printable = text.chars().map(|char| if matches!(char, ' '..='~') { char } else { '?' });
    printable.skip_while(|char| *char == ' ').take(MAX_SUBJECT_CHARS).collect()
}

/// SNS allows letters, digits and punctuation here, but no spaces.
fn deduplication_id(id: &TransitionId) -> String {
    id.as_str()
        .chars()
        .map(|char| if char.is_ascii_graphic() { char } else { '?' })
        .take(MAX_DEDUPLICATION_CHARS)
        .collect()
}

#[cfg(test)]
mod tests;
