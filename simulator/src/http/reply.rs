//! What goes back, or what goes wrong.

use std::{future::pending, time::Duration};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::{fault::Fault, pause::pause};

/// An answer to one request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A whole response. Its `Content-Length` is that of the body, whatever the headers say.
    Http {
        /// The status code.
        status: u16,
        /// Names and values.
        headers: Vec<(String, String)>,
        /// The whole body.
        body: Bytes,
    },
    /// No proper response.
    Fault(Fault),
    /// The same, later.
    After(Duration, Box<Reply>),
}

impl Reply {
    /// A body of the AWS JSON 1.1 protocol.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        Self::with(status, "application/x-amz-json-1.1", body.to_string())
    }

    /// A body of the AWS Query protocol.
    #[must_use]
    pub fn xml(status: u16, body: String) -> Self {
        Self::with(status, "text/xml", body)
    }

    /// An error as the AWS JSON 1.1 protocol tells it.
    #[must_use]
    pub fn aws_error(status: u16, code: &str, message: &str) -> Self {
        Self::json(status, &json!({"__type": code, "message": message}))
    }

    /// An error as the AWS Query protocol tells it, in SNS' namespace.
    #[must_use]
    pub fn query_error(status: u16, code: &str, message: &str) -> Self {
        let kind = if status < 500 { "Sender" } else { "Receiver" };
        let (code, message) = (escape(code), escape(message));
        Self::xml(
            status,
            format!(
                "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>{kind}</Type>\
                 <Code>{code}</Code><Message>{message}</Message></Error>\
                 <RequestId>00000000-0000-4000-8000-000000000000</RequestId></ErrorResponse>"
            ),
        )
    }

    fn with(status: u16, kind: &str, body: String) -> Self {
        Self::Http { status, headers: vec![("content-type".into(), kind.into())], body: body.into() }
    }

    /// Waits until something can be said: through every `After`, and for ever where there is no answer.
    pub(crate) async fn when_due(self) -> Self {
        let mut reply = self;
        loop {
            reply = match reply {
                Self::After(delay, then) => {
                    pause(delay).await;
                    *then
                }
                Self::Fault(Fault::NoAnswer) => pending().await,
                due => return due,
            };
        }
    }
}

/// Text for an XML element; what XML cannot hold at all becomes `?`.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\n' | '\r' | '\t' => escaped.push(character),
            character if character.is_control() => escaped.push('?'),
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(reply: Reply) -> String {
        let Reply::Http { body, .. } = reply else { panic!("{reply:?}") };
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[test]
    fn tells_errors_in_both_protocols() {
        let error: Value = serde_json::from_str(&body(Reply::aws_error(400, "Nope", "why"))).unwrap();
        assert_eq!(error, json!({"__type": "Nope", "message": "why"}));
        let xml = body(Reply::query_error(503, "A&B", "<x>\u{1}"));
        assert!(xml.contains("<Type>Receiver</Type><Code>A&amp;B</Code><Message>&lt;x&gt;?</Message>"), "{xml}");
    }

    #[tokio::test]
    async fn waits_through_every_delay() {
        let inner = Reply::After(Duration::from_millis(40), Box::new(Reply::Fault(Fault::Garbage)));
        let begun = tokio::time::Instant::now();
        let due = Reply::After(Duration::from_millis(30), Box::new(inner)).when_due().await;
        assert!(matches!(due, Reply::Fault(Fault::Garbage)));
        assert!(begun.elapsed() >= Duration::from_millis(70));
    }
}
