//! What a simulated service sends back: a response, or a fault.

use std::{future::pending, thread, time::Duration};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::{task::spawn_blocking, time::sleep};

/// An answer to one request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A complete response. The server sets `Content-Length` from the body and ignores the one in `headers`.
    Http {
        /// The status code.
        status: u16,
        /// Names and values.
        headers: Vec<(String, String)>,
        /// The body.
        body: Bytes,
    },
    /// A fault instead of a proper response.
    Fault(Fault),
    /// Another reply, after a delay.
    After(Duration, Box<Reply>),
}

/// A failure of the connection or of the response itself, as opposed to an error that the service returns.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The server reads the request and resets the connection (RST) without a response.
    Reset,
    /// The server sends status 200 and part of a JSON body that is shorter than `Content-Length` says, then closes the
    /// connection.
    Truncated,
    /// The server reads the request and never answers.
    NoAnswer,
    /// The server sends status 200 and a body that is neither JSON, nor XML, nor UTF-8.
    Garbage,
    /// The server sends status 200 and the headers at once. The body, an empty JSON object padded with spaces, trickles
    /// in over this duration.
    SlowBody(Duration),
    /// The server sends status 200 and a chunked body of spaces that never ends.
    Endless,
}

impl Reply {
    /// A response in the AWS JSON 1.1 protocol.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        Self::with(status, "application/x-amz-json-1.1", body.to_string())
    }

    /// A response in the AWS Query protocol.
    #[must_use]
    pub fn xml(status: u16, body: String) -> Self {
        Self::with(status, "text/xml", body)
    }

    /// An error response in the AWS JSON 1.1 protocol.
    #[must_use]
    pub fn aws_error(status: u16, code: &str, message: &str) -> Self {
        Self::json(status, &json!({"__type": code, "message": message}))
    }

    /// An error response of SNS in the AWS Query protocol.
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

    /// Waits for every delay and returns the reply inside. Never returns for [`Fault::NoAnswer`].
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

/// Waits for exactly `duration`.
///
/// Tokio's timer counts whole milliseconds and rounds up (20 ms take 21 or 22, and zero takes one), which would distort
/// measurements that assume an exact latency. A blocking thread waits for short durations instead.
pub(crate) async fn pause(duration: Duration) {
    /// The longest wait for which a millisecond more or less matters.
    const SHORT: Duration = Duration::from_millis(100);
    if duration.is_zero() {
        return;
    }
    if duration > SHORT || spawn_blocking(move || thread::sleep(duration)).await.is_err() {
        sleep(duration).await;
    }
}

/// Escapes text for an XML element. Control characters, which XML cannot contain, become `?`.
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
    fn writes_errors_in_both_protocols() {
        let error: Value = serde_json::from_str(&body(Reply::aws_error(400, "Nope", "why"))).unwrap();
        assert_eq!(error, json!({"__type": "Nope", "message": "why"}));
        let xml = body(Reply::query_error(503, "A&B", "<x>\u{1}"));
        assert!(xml.contains("<Type>Receiver</Type><Code>A&amp;B</Code><Message>&lt;x&gt;?</Message>"), "{xml}");
    }

    #[tokio::test]
    async fn waits_through_every_delay() {
        let inner = Reply::After(Duration::from_millis(40), Box::new(Reply::Fault(Fault::Garbage)));
        let started = tokio::time::Instant::now();
        let due = Reply::After(Duration::from_millis(30), Box::new(inner)).when_due().await;
        assert!(matches!(due, Reply::Fault(Fault::Garbage)));
        assert!(started.elapsed() >= Duration::from_millis(70));
    }
}
