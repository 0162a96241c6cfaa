//! Any bytes as a service's answer, through the SDK's clients and the adapters.
//!
//! The first three bytes choose the call, the status and the headers; the rest is the body. Where the headers' choice
//! is 3, the body's first line is the header that names an error.

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
use tokio::{runtime::Runtime, time::timeout};
use workspaces_image_import::{
    announcement::{Announce as _, Message, Sns},
    config::Topic,
    error::{CallError, Service},
    import::{Description, Memory, Observation, State},
    ledger::{Ledger as _, Table, Written},
    workspaces::{DescribeImport as _, WorkSpaces},
};

const IMAGE: &str = "wsi-0a1b2c3d4";
const STATUSES: [u16; 8] = [200, 400, 403, 404, 429, 500, 503, 302];

pub(crate) fn check(bytes: &[u8]) {
    thread_local! { static SERVICES: Services = Services::new(); }
    let [call, status, headers, body @ ..] = bytes else { return };
    let answer = Answer::new(STATUSES[usize::from(*status) % STATUSES.len()], *headers, body);
    SERVICES.with(|services| services.call(*call, answer));
}

/// What is answered to every call.
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

/// Answers at once, and in place of the network.
#[derive(Clone, Debug, Default)]
struct Wire(Arc<Mutex<Answer>>);

impl HttpConnector for Wire {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let Answer { status, headers, body } = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut response = Response::new(StatusCode::try_from(status).expect("a status"), SdkBody::from(body));
        for (name, value) in headers {
            response.headers_mut().insert(name, value);
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

/// The adapters over the SDK's clients, as `clients.rs` has them but for the network and for retries.
struct Services {
    runtime: Runtime,
    wire: Wire,
    workspaces: WorkSpaces,
    topic: Sns,
    table: Table,
    batch: Vec<Message>,
}

impl Services {
    fn new() -> Self {
        let wire = Wire::default();
        let connector = SharedHttpConnector::new(wire.clone());
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
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        let arn = "arn:aws:sns:eu-west-1:123456789012:image-imports".to_owned();
        let message = Message {
            subject: "a subject".to_owned(),
            body: r#"{"default": "a text"}"#.to_owned(),
            attributes: Vec::new(),
            group_id: IMAGE.to_owned(),
            deduplication_id: IMAGE.to_owned(),
        };
        Self {
            // Its clock is paused: the pauses between reads take no time.
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .start_paused(true)
                .build()
                .expect("a runtime"),
            wire,
            workspaces: WorkSpaces::new(aws_sdk_workspaces::Client::new(&sdk)),
            topic: Sns::new(aws_sdk_sns::Client::new(&sdk), Topic { arn, region: "eu-west-1".to_owned() }),
            table: Table::new(aws_sdk_dynamodb::Client::new(&sdk), "image-imports"),
            batch: vec![message; 3],
        }
    }

    fn call(&self, call: u8, answer: Answer) {
        *self.wire.0.lock().unwrap_or_else(PoisonError::into_inner) = answer;
        self.runtime.block_on(async {
            match call % 4 {
                0 => described(self.workspaces.describe(IMAGE).await),
                1 => published(self.topic.publish(&self.batch).await, self.batch.len()),
                2 => {
                    // An answer that leaves keys unprocessed is asked for again, for as long as the caller waits.
                    if let Ok(read) = timeout(Duration::from_secs(5), self.table.read(&[IMAGE])).await {
                        remembered(read.and_then(|items| items.into_values().collect()));
                    }
                }
                _ => {
                    let written = self.table.write(IMAGE, &Memory::default(), None).await;
                    remembered(written.map(|written| match written {
                        Written::Done | Written::Lost(None) => Vec::new(),
                        Written::Lost(Some(winner)) => vec![winner],
                    }));
                }
            }
        });
    }
}

/// What a check can go on with: it can be told, and what was told can be read.
fn described(described: Result<Observation, CallError>) {
    match described {
        Ok(Observation::NotFound) => {}
        Ok(Observation::Described(description)) => {
            let json = serde_json::to_string(&description).expect("JSON");
            let read: Description = serde_json::from_str(&json).expect(&json);
            assert_eq!(read, *description, "{json}");
            let state = description.state.filter(|state| !state.is_empty());
            assert!(state.is_none_or(|state| State::parse(&state).is_some()), "{json}");
        }
        Err(error) => named(&error, Service::WorkSpaces),
    }
}

fn published(published: Result<Vec<Result<(), CallError>>, CallError>, entries: usize) {
    match published {
        Ok(results) => {
            assert_eq!(results.len(), entries);
            results.iter().filter_map(|result| result.as_ref().err()).for_each(|error| named(error, Service::Sns));
        }
        Err(error) => named(&error, Service::Sns),
    }
}

/// What a next announcement can be numbered after.
fn remembered(read: Result<Vec<Memory>, CallError>) {
    match read {
        Ok(memories) => {
            for Memory { state, sequence, owed, .. } in memories {
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

/// It has a name that a state machine can match, and a cause of bounded length.
fn named(error: &CallError, service: Service) {
    assert_eq!(error.service, service);
    let in_a_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    assert!((1..=128).contains(&error.code.len()) && error.code.bytes().all(in_a_name), "{error}");
    assert!(error.cause().chars().count() <= 300, "{error}");
    assert_eq!(error.to_check_error().error, format!("{service}.{}", error.code));
}
