//! A published message.

use std::collections::BTreeMap;

use serde_json::Value;

/// A message that the topic accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// The batch entry's `Id`.
    pub id: String,
    /// The ARN of the topic.
    pub topic_arn: String,
    /// The subject, which only email subscribers see.
    pub subject: Option<String>,
    /// `json` if the message differs by protocol.
    pub message_structure: Option<String>,
    /// The message as sent.
    pub message: String,
    /// Message attributes: data type and value by name. Binary values stay encoded in Base64.
    pub attributes: BTreeMap<String, (String, String)>,
    /// `MessageGroupId`.
    pub group_id: Option<String>,
    /// `MessageDeduplicationId`.
    pub deduplication_id: Option<String>,
}

impl Published {
    /// The text that a subscriber with this protocol (`sqs`, `email`, `sms`, …) receives. If the message has JSON
    /// structure, this is the protocol's own text, or else `default`. `None` if such a message is malformed.
    #[must_use]
    pub fn body(&self, protocol: &str) -> Option<String> {
        if self.message_structure.as_deref() != Some("json") {
            return Some(self.message.clone());
        }
        let bodies: Value = serde_json::from_str(&self.message).ok()?;
        let text = |key| bodies.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
        text(protocol).or_else(|| text("default"))
    }

    /// The `default` text, parsed. Null if it is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        self.body("default").and_then(|body| serde_json::from_str(&body).ok()).unwrap_or_default()
    }

    pub(super) fn is_fifo(&self) -> bool {
        self.topic_arn.rsplit_once('.').is_some_and(|(_, kind)| kind == "fifo")
    }

    /// The number of bytes that count toward the limit of 262,144: the message, and the names, types, and values of its
    /// attributes.
    #[must_use]
    pub fn size(&self) -> usize {
        let attributes = self.attributes.iter().map(|(name, (kind, value))| name.len() + kind.len() + value.len());
        self.message.len() + attributes.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sns::rules::tests::message;

    #[test]
    fn picks_the_text_of_a_protocol() {
        let structured = json!({"default": "{\"a\":1}", "email": "hello"}).to_string();
        let published = Published { message_structure: Some("json".into()), message: structured, ..message() };
        assert_eq!(published.body("email").as_deref(), Some("hello"));
        assert_eq!(published.body("sqs").as_deref(), Some("{\"a\":1}"));
        assert_eq!(published.json(), json!({"a": 1}));

        let plain = Published { message_structure: None, message: "text".into(), ..message() };
        assert_eq!(plain.body("email").as_deref(), Some("text"));
        assert_eq!(plain.json(), Value::Null);
    }

    #[test]
    fn the_size_includes_attributes() {
        let attributes = BTreeMap::from([("To".to_owned(), ("String".to_owned(), "ä".to_owned()))]);
        let published = Published { message: "é!".into(), attributes, ..message() };
        assert_eq!(published.size(), 3 + 2 + 6 + 2);
    }
}
