//! The simulated services that all contenders use: `WorkSpaces`, SNS, and DynamoDB, each with its own endpoint over
//! TLS.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use fake_aws::{Reply, Request, Server, Sns, Tls, WorkSpaces, description};
use serde_json::{Value, json};

/// The files with the system's trusted certificate authorities: on Amazon Linux and Fedora, and on Debian and Ubuntu.
const SYSTEM_BUNDLES: [&str; 2] = ["/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt"];

pub(crate) const TOPIC_ARN: &str = "arn:aws:sns:eu-west-1:123456789012:image-imports";
pub(crate) const LEDGER_TABLE: &str = "image-imports";

/// The folder with two files that contain the root certificate of the simulated services. The path is the same in every
/// run and relative to the root of the repository, because a contender's instructions depend on its environment.
pub(crate) const CERTIFICATES: &str = "target/benches";
/// Only the root of the simulated services.
pub(crate) const OWN_ROOT: &str = "own.pem";
/// Also all root certificates of the system.
pub(crate) const SYSTEM_ROOTS: &str = "system.pem";

/// The services, on loopback.
#[derive(Debug)]
pub(crate) struct Services {
    workspaces: WorkSpaces,
    sns: Sns,
    dynamodb: Server,
    dynamodb_latency: Arc<AtomicU64>,
}

impl Services {
    /// Starts the services. Every import in an [`event`] has a new state.
    pub(crate) async fn start() -> Result<Self> {
        let tls = Tls::like_aws()?;
        let system = SYSTEM_BUNDLES.iter().find_map(|path| fs::read_to_string(path).ok());
        let system = system.context("this system has no file with root certificates")?;
        fs::create_dir_all(CERTIFICATES)?;
        for (name, others) in [(OWN_ROOT, ""), (SYSTEM_ROOTS, &system)] {
            fs::write(format!("{CERTIFICATES}/{name}"), format!("{others}\n{}", tls.ca_pem))?;
        }

        let dynamodb_latency = Arc::<AtomicU64>::default();
        let latency = Arc::clone(&dynamodb_latency);
        let dynamodb = move |request: Request| {
            let latency = Duration::from_millis(latency.load(Ordering::Relaxed));
            async move { Reply::After(latency, Box::new(answer(&request.operation()))) }
        };
        let services = Self {
            workspaces: WorkSpaces::start_tls(&tls).await?,
            sns: Sns::start_tls(&tls).await?,
            dynamodb: Server::start(dynamodb, Some(&tls)).await?,
            dynamodb_latency,
        };
        for number in 0..1000 {
            let id = image_id(number);
            let body = description(&id, "IN_PROGRESS")
                .message("The image is being imported.")
                .progress(10)
                .created(1_790_000_000.25)
                .updated(1_790_000_100.5)
                .ami("ami-0123456789abcdef0")
                .infrastructure("arn:aws:imagebuilder:eu-west-1:123456789012:infrastructure-configuration/import");
            services.workspaces.set(&id, body);
        }
        Ok(services)
    }

    /// Delays every answer by `latency`.
    pub(crate) fn set_latency(&self, latency: Duration) {
        self.workspaces.set_latency(latency);
        self.sns.set_latency(latency);
        self.dynamodb_latency.store(u64::try_from(latency.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The number of messages published since the last call. Discards the recorded messages and calls.
    pub(crate) fn take_published(&self) -> usize {
        let published = self.sns.published().len();
        self.sns.clear();
        self.workspaces.clear_calls();
        published
    }

    /// The environment variables that point an SDK to these services.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL_WORKSPACES", self.workspaces.url()),
            ("AWS_ENDPOINT_URL_SNS", self.sns.url()),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.dynamodb.url()),
        ]
    }
}

/// Answers for a table that stores nothing: every read finds no item, and every write succeeds.
fn answer(operation: &str) -> Reply {
    match operation {
        "BatchGetItem" => Reply::json(200, &json!({"Responses": {LEDGER_TABLE: []}, "UnprocessedKeys": {}})),
        _ => Reply::json(200, &json!({})),
    }
}

/// An event with this number of imports. Each has one transition to announce.
pub(crate) fn event(imports: usize) -> Value {
    let record = |number| json!({"ImageId": image_id(number), "State": "PENDING", "Sequence": 1});
    json!({"Imports": (0..imports).map(record).collect::<Vec<_>>()})
}

fn image_id(number: usize) -> String {
    format!("wsi-{number:09}")
}
