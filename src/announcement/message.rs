//! An announcement → the SNS message, pure.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{batch::MAX_BYTES, text};
use crate::{
    cut,
    import::{Description, Kind, Outcome, State, Timestamp, Transition},
};

const MAX_SUBJECT_CHARS: usize = 99;
const MAX_SMS_CHARS: usize = 140;
const MAX_DEDUPLICATION_CHARS: usize = 128;

/// One announcement, and all that its message is made of.
#[derive(Clone, Copy, Debug)]
pub struct Announcement<'a> {
    /// The image that is imported.
    pub image_id: &'a str,
    /// What is announced.
    pub transition: &'a Transition,
    /// The newest description; not looked at for `NOT_FOUND`.
    pub description: Option<&'a RawValue>,
    /// The region of the import.
    pub region: &'a str,
    /// When the check saw it.
    pub observed_at: Timestamp,
}

/// A message as `PublishBatch` takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Printable ASCII, at most 99 characters, no leading blank.
    pub subject: String,
    /// For `MessageStructure` `json`: one text a protocol.
    pub body: String,
    /// For subscription filter policies.
    pub attributes: Vec<Attribute>,
    /// For FIFO topics: the image.
    pub group_id: String,
    /// For FIFO topics: the transition.
    pub deduplication_id: String,
}

/// A message attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// `String` or `Number`.
    pub data_type: &'static str,
    /// Its value, never empty.
    pub value: String,
}

/// The `default` text of a message: what programs read.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "PascalCase")]
#[schemars(title = "SNS message of an image import")]
pub struct Body<'a> {
    /// `1`: of this form.
    #[schemars(extend("const" = "1"))]
    version: &'static str,
    kind: Kind,
    /// Names this announcement for ever: repeats carry the same.
    transition_id: String,
    image_id: &'a str,
    /// Numbers the announcements of this import, from 1 on and without gaps.
    sequence: u64,
    from: Option<&'a State>,
    to: &'a State,
    outcome: Outcome,
    region: &'a str,
    /// When the check saw it.
    observed_at: Timestamp,
    /// `null` for `NOT_FOUND`.
    #[schemars(with = "Option<Description>")]
    description: Option<&'a RawValue>,
    /// There, and true, where `Description` was cut or left out because the message would have been too large.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    truncated: Option<bool>,
}

#[derive(Serialize)]
struct Protocols<'a> {
    default: &'a str,
    email: &'a str,
    sms: &'a str,
}

impl Announcement<'_> {
    /// The message; one that would pass SNS's limit has its description cut, or left out, as responses do.
    #[must_use]
    pub fn message(&self) -> Message {
        let description = self.description.filter(|_| *self.transition.to.as_str() != *State::not_found().as_str());
        let whole = self.render(description, None);
        let Some(description) = description.filter(|_| whole.size() > MAX_BYTES) else {
            return whole;
        };
        let cut_to = |limit| {
            let cut = cut::cut_texts(description, limit);
            self.render(Some(cut.as_deref().unwrap_or(description)), Some(true))
        };
        let longest = cut::text_sizes(description).into_iter().max().unwrap_or_default();
        let limit = cut::largest_limit(longest, |limit| cut_to(limit).size() <= MAX_BYTES);
        limit.map_or_else(|| self.render(None, Some(true)), cut_to)
    }

    fn render(&self, description: Option<&RawValue>, truncated: Option<bool>) -> Message {
        let transition = self.transition;
        let body = Body {
            version: "1",
            kind: transition.kind,
            transition_id: transition.id(self.image_id),
            image_id: self.image_id,
            sequence: transition.sequence,
            from: transition.from.as_ref(),
            to: &transition.to,
            outcome: transition.outcome(),
            region: self.region,
            observed_at: self.observed_at,
            description,
            truncated,
        };
        // A description that an event brought may be of any form; a person is then told what is certain.
        let description: Description =
            description.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        let texts = Protocols {
            default: &json(&body),
            email: &text::email(self, &description),
            sms: &first(&text::sms(self, &description), MAX_SMS_CHARS),
        };
        Message {
            subject: first(&printable_ascii(&text::subject(self)), MAX_SUBJECT_CHARS),
            body: json(&texts),
            attributes: self.attributes(&body.transition_id, description.progress_percentage),
            group_id: self.image_id.to_owned(),
            deduplication_id: deduplication_id(&body.transition_id),
        }
    }

    fn attributes(&self, id: &str, progress: Option<i32>) -> Vec<Attribute> {
        let string = |name, value: &str| Attribute { name, data_type: "String", value: value.to_owned() };
        let mut attributes = vec![
            string("ImageId", self.image_id),
            string("Kind", self.transition.kind.as_str()),
            string("To", self.transition.to.as_str()),
            string("Outcome", self.transition.outcome().as_str()),
            string("TransitionId", id),
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
    /// What SNS counts against its limit: the whole escaped `Message`, and each attribute's name, type and value.
    #[must_use]
    pub fn size(&self) -> usize {
        let attributes = self.attributes.iter();
        self.body.len() + attributes.map(|a| a.name.len() + a.data_type.len() + a.value.len()).sum::<usize>()
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("structs of strings and numbers are JSON")
}

fn first(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

/// SNS refuses subjects with line breaks, control characters or anything beyond ASCII.
fn printable_ascii(text: &str) -> String {
    text.chars().map(|char| if matches!(char, ' '..='~') { char } else { '?' }).collect()
}

/// SNS takes letters, digits and punctuation here, no blank.
fn deduplication_id(id: &str) -> String {
    id.chars().map(|char| if char.is_ascii_graphic() { char } else { '?' }).take(MAX_DEDUPLICATION_CHARS).collect()
}

#[cfg(test)]
mod tests;
