//! The message of a self-test, in the forms of an announcement.

use serde::Serialize;

use super::{
    Origin,
    chat::test_chat,
    facts::minute,
    safe::one_line,
    sns::{Attribute, Message, Protocols, json, subject},
};
use crate::import::Timestamp;

/// The `Kind` of the message.
pub(super) const TEST: &str = "TEST";

pub(super) const SUBJECT: &str = "TEST: announcements of WorkSpaces image imports";
pub(super) const HEADLINE: &str = "This is a test. Announcements of WorkSpaces image imports arrive here.";
pub(super) const WHAT_COMES_NEXT: &str = "Nothing until the function sees an image import. Then, announcements about its \
     states, about a stall, and about its end arrive here, except for those that the filter of this subscription drops.";

/// What the message of a self-test says.
#[derive(Clone, Copy, Debug)]
pub struct TestDraft<'a> {
    /// The account and the Region.
    pub origin: &'a Origin,
    /// The function. The name that `CloudFormation` gives it starts with the name of the stack.
    pub function_name: &'a str,
    /// When the self-test began.
    pub sent_at: Timestamp,
    /// Whether HTTPS subscribers get a chat notification instead of the JSON.
    pub chat: bool,
}

/// The `default` text of a self-test's message, for programs.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "PascalCase")]
#[schemars(title = "SNS message of a self-test")]
pub(crate) struct TestBody<'a> {
    /// The version of this format.
    #[schemars(extend("const" = "1"))]
    version: &'static str,
    /// Announcements have other kinds.
    #[schemars(extend("const" = TEST))]
    kind: &'static str,
    /// The account of the function. Absent if the function does not know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&str")]
    account: Option<&'a str>,
    /// The Region of the function.
    region: &'a str,
    /// The name of the function.
    function_name: &'a str,
    /// When the self-test began.
    sent_at: Timestamp,
}

impl TestDraft<'_> {
    /// Builds the message.
    #[must_use]
    pub fn message(&self) -> Message {
        let body = TestBody {
            version: "1",
            kind: TEST,
            account: self.origin.account(),
            region: self.origin.region(),
            function_name: self.function_name,
            sent_at: self.sent_at,
        };
        let texts = Protocols {
            default: json(&body),
            email: self.email(),
            sms: format!("{SUBJECT} arrive here. {}", self.origin.place()),
            https: self.chat.then(|| test_chat(self)),
        };
        Message {
            subject: subject(SUBJECT),
            body: json(&texts),
            attributes: vec![Attribute { name: "Kind", data_type: "String", value: TEST.to_owned() }],
            group_id: "self-test".to_owned(),
            // Each self-test is delivered, even if one follows another at once.
            deduplication_id: self.id(),
        }
    }

    pub(super) fn id(&self) -> String {
        format!("self-test-{}", self.sent_at.millis())
    }

    fn email(&self) -> String {
        let (place, function, sent_at) = (self.origin.place(), one_line(self.function_name), minute(self.sent_at));
        format!("{HEADLINE}\n\nWhat comes next: {WHAT_COMES_NEXT}\n\nSent: {sent_at}\nFunction: {function}\n{place}\n")
    }
}
