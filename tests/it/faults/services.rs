//! The three services of a function, each behind a proxy that can inject faults.

use std::sync::atomic::{AtomicUsize, Ordering};

use fake_aws::{Proxy, Reply, Sns, WorkSpaces, description};
use serde_json::{Value, json};

use crate::support::{
    Rig, Setup, announced,
    emulator::{Table, ministack},
    image,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    WorkSpaces,
    Sns,
    DynamoDb,
}

impl Service {
    pub(super) const ALL: [Self; 3] = [Self::WorkSpaces, Self::Sns, Self::DynamoDb];

    /// The environment variable for the service's endpoint.
    pub(super) fn endpoint_variable(self) -> &'static str {
        match self {
            Self::WorkSpaces => "AWS_ENDPOINT_URL_WORKSPACES",
            Self::Sns => "AWS_ENDPOINT_URL_SNS",
            Self::DynamoDb => "AWS_ENDPOINT_URL_DYNAMODB",
        }
    }

    /// An error in this service's protocol: AWS JSON for WorkSpaces and DynamoDB, AWS Query for SNS.
    pub(super) fn error(self, status: u16, code: &str) -> Reply {
        match self {
            Self::WorkSpaces | Self::DynamoDb => Reply::aws_error(status, code, "in words"),
            Self::Sns => Reply::query_error(status, code, "in words"),
        }
    }
}

/// The services of one function, and an image that no other test uses.
pub(super) struct Services {
    pub(super) image: String,
    workspaces: WorkSpaces,
    pub(super) sns: Sns,
    proxies: [Proxy; 3],
    /// The ledger's table, if there is a ledger.
    table: Option<String>,
}

impl Services {
    pub(super) async fn new(table: Option<&str>) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let workspaces = WorkSpaces::start().await.expect("the simulator starts");
        let sns = Sns::start().await.expect("the simulator starts");
        let proxy = async |upstream: &str| Proxy::start(upstream).await.expect("the proxy starts");
        Self {
            image: image(COUNT.fetch_add(1, Ordering::Relaxed)),
            proxies: [proxy(&workspaces.url()).await, proxy(&sns.url()).await, proxy(&ministack().url).await],
            workspaces,
            sns,
            table: table.map(str::to_owned),
        }
    }

    pub(super) fn proxy(&self, service: Service) -> &Proxy {
        &self.proxies[service as usize]
    }

    /// Prepares a function that calls these services through the proxies.
    pub(super) fn stage(&self) -> Setup {
        let mut stage = Setup::with(self.workspaces.clone(), self.sns.clone());
        for service in Service::ALL {
            stage = stage.set(service.endpoint_variable(), &self.proxy(service).url());
        }
        match &self.table {
            Some(table) => stage.set("LEDGER_TABLE", table),
            None => stage,
        }
    }

    /// Sets the state of the image.
    pub(super) fn set_state(&self, state: &str) {
        self.workspaces.set(&self.image, description(&self.image, state));
    }

    /// Adds a second image in this state and returns its ID.
    pub(super) fn second_image(&self, state: &str) -> String {
        let second = format!("{}b", self.image);
        self.workspaces.set(&second, description(&second, state));
        second
    }

    /// The record of the first event, and of every event if there is a ledger.
    pub(super) fn first_record(&self) -> Value {
        json!({"ImageId": self.image})
    }

    /// The record of the next event: always the same if there is a ledger, as from a schedule, else the returned one.
    pub(super) fn next_record(&self, response: &Value) -> Value {
        if self.table.is_some() { self.first_record() } else { response["Imports"][0].clone() }
    }

    /// Invokes a function without faults, asserts that there is no error, and returns the record of the next event.
    pub(super) async fn check(&self, rig: &Rig, record: Value) -> Value {
        let response = rig.invoke(json!({"Imports": [record]})).await;
        assert_eq!(response["Imports"][0]["CheckError"], Value::Null, "there is no fault any more");
        self.next_record(&response)
    }

    /// What SNS accepted, as transition IDs without the image ID: `1:VALIDATING`.
    pub(super) fn announced(&self) -> Vec<String> {
        let prefix = format!("{}#", self.image);
        announced(&self.sns).iter().map(|id| id.trim_start_matches(&prefix).to_owned()).collect()
    }

    /// The checkpoint between invocations: the ledger's item if there is a ledger, else the record of the next event.
    pub(super) async fn checkpoint(&self, table: &Table, record: &Value) -> Value {
        if self.table.is_some() { table.json(&self.image).await.unwrap_or_default() } else { record.clone() }
    }
}
