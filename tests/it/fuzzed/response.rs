//! Any bytes as the response of a service: the SDK and the adapters return a usable result or an error.
//!
//! The first three bytes choose the call, the status and the headers. The rest is the body. If the headers' byte is 3
//! modulo 4, the first line is the header that names the error, and the body follows.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_config::{
    BehaviorVersion, Region, SdkConfig, retry::RetryConfig, stalled_stream_protection::StalledStreamProtectionConfig,
};
use aws_sdk_workspaces::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
        orchestrator::HttpRequest,
    },
    http::{Response, StatusCode},
};
use aws_smithy_types::body::SdkBody;
use tokio::{runtime::Runtime, time::Instant};
use workspaces_image_import::{
    aws::Aws,
    config::Config,
    error::{CallError, Service},
    import::{Checkpoint, Description, ImageId, Observation, State, Timestamp},
    message::Message,
    services::{DescribeOutcome, Item, SearchOutcome, Services as _, Write, WriteOutcome},
};

const IMAGE: &str = "wsi-0a1b2c3d4";
const STATUSES: [u16; 8] = [200, 400, 403, 404, 429, 500, 503, 302];

pub(crate) fn check(bytes: &[u8]) {
    thread_local! { static FUNCTION: Function = Function::new(); }
    let [call, status, headers, body @ ..] = bytes else { return };
    let answer = Answer::new(STATUSES[usize::from(*status) % STATUSES.len()], *headers, body);
    FUNCTION.with(|function| function.call(*call, answer));
}

/// The response to every call.
#[derive(Clone, Debug, Default)]
struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn new(status: u16, headers: u8, body: &[u8]) -> Self {
        let content_type = |value: &str| ("content-type", value.to_owned());
        let (headers, body) = match headers % 4 {
            0 => (vec![content_type("application/x-amz-json-1.1")], body),
            1 => (vec![content_type("text/xml")], body),
            2 => (Vec::new(), body),
            _ => {
                let end = body.iter().position(|byte| *byte == b'\n').unwrap_or(body.len());
                let error = body[..end].iter().map(|byte| char::from(byte.clamp(&b' ', &b'~').to_owned())).collect();
                (vec![("x-amzn-errortype", error)], body.get(end + 1..).unwrap_or_default())
            }
        };
        Self { status, headers, body: body.to_owned() }
    }
}

/// An HTTP connector that responds immediately and without a network.
#[derive(Clone, Debug, Default)]
struct FakeConnector(Arc<Mutex<Answer>>);

impl HttpConnector for FakeConnector {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let Answer { status, headers, body } = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut response = Response::new(StatusCode::try_from(status).expect("a status"), SdkBody::from(body));
        for (name, value) in headers {
            response.headers_mut().insert(name, value);
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

/// The services as the function calls them, without a network and without retries.
struct Function {
    runtime: Runtime,
    connector: FakeConnector,
    aws: Aws,
    batch: Vec<Message>,
}

impl Function {
    fn new() -> Self {
        let connector = FakeConnector::default();
        let shared = SharedHttpConnector::new(connector.clone());
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "AKIDTESTS",
                "secret",
                None,
                None,
                "tests",
            )))
            .http_client(http_client_fn(move |_, _| shared.clone()))
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        let config = Config::from_variables(|name| match name {
            "TOPIC_ARN" => Ok(Some("arn:aws:sns:eu-west-1:123456789012:image-imports".to_owned())),
            "LEDGER_TABLE" => Ok(Some("image-imports".to_owned())),
            _ => Ok(None),
        });
        let message = Message {
            subject: "a subject".to_owned(),
            body: r#"{"default": "a text"}"#.to_owned(),
            attributes: Vec::new(),
            group_id: IMAGE.to_owned(),
            deduplication_id: IMAGE.to_owned(),
        };
        Self {
            // The clock is paused, so the pauses between reads take no time.
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .start_paused(true)
                .build()
                .expect("a runtime"),
            connector,
            aws: Aws::new(&sdk, &config.expect("valid")),
            batch: vec![message; 3],
        }
    }

    fn call(&self, call: u8, answer: Answer) {
        *self.connector.0.lock().unwrap_or_else(PoisonError::into_inner) = answer;
        let image_id = ImageId::parse(IMAGE).expect("valid");
        self.runtime.block_on(async {
            let deadline = Instant::now() + Duration::from_secs(5);
            match call % 6 {
                0 => described(self.aws.describe(&image_id, deadline).await),
                1 => published(&self.aws.publish(&self.batch, deadline).await, self.batch.len()),
                2 => {
                    // The adapter reads unprocessed keys again until the deadline.
                    let read = self.aws.read_items(&[&image_id], deadline).await;
                    remembered(read.into_values().collect());
                }
                3 => {
                    let at = Timestamp::from_millis(0).expect("in range");
                    let item = Item::next(None, Checkpoint::default(), None);
                    let write = Write { image_id: &image_id, item: &item, expected: None, at };
                    remembered(match self.aws.write_item(write, deadline).await {
                        WriteOutcome::Written | WriteOutcome::Lost(None) => Ok(Vec::new()),
                        WriteOutcome::Lost(Some(winner)) => Ok(vec![winner]),
                        WriteOutcome::Failed(error) => Err(error),
                        WriteOutcome::NotSent | WriteOutcome::NoLedger => panic!("there are time and a ledger"),
                    });
                }
                4 => searched(&self.aws.list_pending(deadline).await, Service::WorkSpaces, deadline),
                _ => searched(
                    &self.aws.find_unsettled(Timestamp::from_millis(0).expect("in range"), deadline).await,
                    Service::DynamoDb,
                    deadline,
                ),
            }
        });
    }
}

/// Asserts that a description is the same after a round trip through JSON, and that its state is valid.
fn described(described: DescribeOutcome) {
    match described {
        DescribeOutcome::Observed(Observation::NotFound) => {}
        DescribeOutcome::Observed(Observation::Described(description)) => {
            let json = serde_json::to_string(&description).expect("JSON");
            let read: Description = serde_json::from_str(&json).expect(&json);
            assert_eq!(read, *description, "{json}");
            let state = description.state.filter(|state| !state.is_empty());
            assert!(state.is_none_or(|state| State::parse(&state).is_some()), "{json}");
        }
        DescribeOutcome::NotSent(_) => panic!("the wire answers at once"),
        DescribeOutcome::Failed(error) => named(&error, Service::WorkSpaces),
    }
}

/// Asserts that a search ends by itself, although every page looks the same.
fn searched(found: &SearchOutcome, service: Service, deadline: Instant) {
    assert!(Instant::now() < deadline);
    found.error.iter().for_each(|error| named(error, service));
}

/// Asserts that there is a result for each entry.
fn published(results: &[Result<(), CallError>], entries: usize) {
    assert_eq!(results.len(), entries);
    results.iter().filter_map(|result| result.as_ref().err()).for_each(|error| named(error, Service::Sns));
}

/// Asserts that the items of the ledger are valid, so that the next announcement gets the next number.
fn remembered(read: Result<Vec<Item>, CallError>) {
    match read {
        Ok(items) => {
            for Item { checkpoint: Checkpoint { state, sequence, owed, .. }, .. } in items {
                assert!(sequence < u64::MAX);
                let owed = owed.into_iter().inspect(|owed| assert_eq!(owed.sequence, sequence + 1));
                for state in state.into_iter().chain(owed.flat_map(|owed| [Some(owed.to), owed.from]).flatten()) {
                    assert_eq!(State::parse(state.as_str()), Some(state));
                }
            }
        }
        Err(error) => named(&error, Service::DynamoDb),
    }
}

/// Asserts that an error has a name that a state machine can match, and a cause of limited length.
fn named(error: &CallError, service: Service) {
    assert_eq!(error.service, service);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    assert!((1..=128).contains(&error.code.len()) && error.code.bytes().all(allowed), "{error}");
    assert!(error.cause().chars().count() <= 300, "{error}");
    assert_eq!(error.to_check_error().error, format!("{service}.{}", error.code));
}
