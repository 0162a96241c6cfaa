//! Builds the SNS message of an announcement, within the size limit of SNS.

use serde::Serialize;

use super::{Origin, batch::MAX_BYTES, chat::chat, email::email, facts::Facts, sms::sms};
use crate::import::{
    Announcement, CarriedDescription, CurrentState, State, Timestamp,
    truncate::{SHORTEST_TEXT, largest_limit},
};

/// The maximum length of a subject, in characters. SNS requires [less than 100][api].
///
/// [api]: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
pub(super) const MAX_SUBJECT_CHARS: usize = 99;
/// The maximum length of a [`MessageDeduplicationId`][api], in characters.
///
/// [api]: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
const MAX_DEDUPLICATION_CHARS: usize = 128;

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
    /// When the check observed the import.
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

/// The text for each protocol.
#[derive(Serialize)]
pub(super) struct Protocols {
    pub(super) default: String,
    pub(super) email: String,
    pub(super) sms: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) https: Option<String>,
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

impl Message {
    /// The size that SNS counts against its limit, in bytes: the escaped `Message` and each attribute's name, type and
    /// value.
    #[must_use]
    pub fn size(&self) -> usize {
        let attributes = self.attributes.iter();
        self.body.len() + attributes.map(|a| a.name.len() + a.data_type.len() + a.value.len()).sum::<usize>()
    }
}

/// JSON in the characters that [SQS accepts][sqs]. SNS takes a message that SQS then refuses, and nobody learns of it.
///
/// JSON has other characters than ASCII only within strings, so an escape can stand for them anywhere. Control characters
/// are escaped already.
///
/// [sqs]: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
pub(super) fn json(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).expect("structs of strings and numbers are valid JSON");
    json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
}

/// SNS rejects subjects that start with a space, and those with line breaks, control characters or anything other than
/// ASCII.
pub(super) fn subject(text: &str) -> String {
    let printable = text.chars().map(|character| if matches!(character, ' '..='~') { character } else { '?' });
    printable.skip_while(|character| *character == ' ').take(MAX_SUBJECT_CHARS).collect()
}

/// SNS allows letters, digits and punctuation here, but no spaces.
fn deduplication_id(transition_id: &str) -> String {
    let allowed = transition_id.chars().map(|character| if character.is_ascii_graphic() { character } else { '?' });
    allowed.take(MAX_DEDUPLICATION_CHARS).collect()
}
