//! What every contender talks to: `WorkSpaces`, SNS and DynamoDB over TLS, each an endpoint with a handshake of its own.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use simulator::{Reply, Server, Sns, Tls, WorkSpaces, description};
use tempfile::TempDir;

/// The authorities that the function carries.
const AMAZON_ROOTS: &str = include_str!("../../src/amazon-roots.pem");
/// Where a system keeps the authorities that it trusts. Amazon Linux and Fedora; Debian and Ubuntu.
const SYSTEM_BUNDLES: [&str; 2] = ["/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt"];

pub(crate) const TOPIC_ARN: &str = "arn:aws:sns:eu-west-1:123456789012:image-imports";
pub(crate) const LEDGER_TABLE: &str = "image-imports";

/// The services, on loopback.
#[derive(Debug)]
pub(crate) struct Services {
    workspaces: WorkSpaces,
    sns: Sns,
    dynamodb: Server,
    dynamodb_latency: Arc<AtomicU64>,
    certificates: TempDir,
}

impl Services {
    /// Starts them. Every import that [`event`] names has moved on since.
    pub(crate) async fn start() -> Result<Self> {
        let tls = Tls::new()?;
        let certificates = tempfile::tempdir()?;
        let system = SYSTEM_BUNDLES.iter().find_map(|path| fs::read_to_string(path).ok());
        let system = system.context("this system has no bundle of certificates")?;
        for (name, others) in [("own.pem", ""), ("amazon.pem", AMAZON_ROOTS), ("system.pem", &system)] {
            fs::write(certificates.path().join(name), format!("{others}\n{}", tls.ca_pem))?;
        }

        let dynamodb_latency = Arc::<AtomicU64>::default();
        let latency = Arc::clone(&dynamodb_latency);
        let dynamodb = move |request: simulator::http::Request| {
            let latency = Duration::from_millis(latency.load(Ordering::Relaxed));
            async move { Reply::After(latency, Box::new(answer(&request.operation()))) }
        };
        let services = Self {
            workspaces: WorkSpaces::start_tls(&tls).await?,
            sns: Sns::start_tls(&tls).await?,
            dynamodb: Server::start(dynamodb, Some(&tls)).await?,
            dynamodb_latency,
            certificates,
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

    /// Every answer takes so long.
    pub(crate) fn set_latency(&self, latency: Duration) {
        self.workspaces.set_latency(latency);
        self.sns.set_latency(latency);
        self.dynamodb_latency.store(u64::try_from(latency.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How many messages were published since the last call; what was asked is forgotten.
    pub(crate) fn take_published(&self) -> usize {
        let published = self.sns.published().len();
        self.sns.clear();
        self.workspaces.clear_calls();
        published
    }

    /// A contender's variable, with the folder of certificates in the place of `{certificates}`. In there, each with the
    /// services' own authority: `own.pem` has nothing else, `amazon.pem` Amazon's, `system.pem` all that the system has.
    pub(crate) fn fill_in(&self, variable: &str) -> String {
        variable.replace("{certificates}", &self.certificates.path().to_string_lossy())
    }

    /// The environment that leads an SDK here.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL_WORKSPACES", self.workspaces.url()),
            ("AWS_ENDPOINT_URL_SNS", self.sns.url()),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.dynamodb.url()),
        ]
    }
}

/// A table that remembers nothing: whatever is asked for is not there, whatever is written is taken.
fn answer(operation: &str) -> Reply {
    match operation {
        "BatchGetItem" => Reply::json(200, &json!({"Responses": {LEDGER_TABLE: []}, "UnprocessedKeys": {}})),
        _ => Reply::json(200, &json!({})),
    }
}

/// So many imports, each with one transition to find and to announce.
pub(crate) fn event(imports: usize) -> Value {
    let record = |number| json!({"ImageId": image_id(number), "State": "PENDING", "Sequence": 1});
    json!({"Imports": (0..imports).map(record).collect::<Vec<_>>()})
}

fn image_id(number: usize) -> String {
    format!("wsi-{number:09}")
}
