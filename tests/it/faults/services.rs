//! The three services, each behind a proxy that a test can make fail.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use simulator::{Proxy, Reply, Sns, WorkSpaces, description};

use crate::support::{
    Rig, Stage, announced,
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

    /// Which endpoint of the SDK's own is this service's.
    pub(super) fn endpoint_variable(self) -> &'static str {
        match self {
            Self::WorkSpaces => "AWS_ENDPOINT_URL_WORKSPACES",
            Self::Sns => "AWS_ENDPOINT_URL_SNS",
            Self::DynamoDb => "AWS_ENDPOINT_URL_DYNAMODB",
        }
    }

    /// An error in this service's protocol: AWS JSON 1.1, AWS Query, AWS JSON 1.0.
    pub(super) fn error(self, status: u16, code: &str) -> Reply {
        match self {
            Self::WorkSpaces | Self::DynamoDb => Reply::aws_error(status, code, "in words"),
            Self::Sns => Reply::query_error(status, code, "in words"),
        }
    }
}

/// What one function runs between, with an image of its own.
pub(super) struct Services {
    pub(super) image: String,
    workspaces: WorkSpaces,
    pub(super) sns: Sns,
    proxies: [Proxy; 3],
    /// The ledger's table; without one the payload is the only memory.
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

    /// A function between these services, to be started.
    pub(super) async fn stage(&self) -> Stage {
        let mut stage = Stage::new().await;
        stage.workspaces = self.workspaces.clone();
        stage.sns = self.sns.clone();
        for service in Service::ALL {
            stage = stage.set(service.endpoint_variable(), &self.proxy(service).url());
        }
        match &self.table {
            Some(table) => stage.set("LEDGER_TABLE", table),
            None => stage,
        }
    }

    /// The state that the image is in from now on.
    pub(super) fn describe(&self, state: &str) {
        self.workspaces.set(&self.image, description(&self.image, state));
    }

    /// A second image, in this state.
    pub(super) fn another(&self, state: &str) -> String {
        let another = format!("{}b", self.image);
        self.workspaces.set(&another, description(&another, state));
        another
    }

    /// The record that comes first, and, with the ledger, every time.
    pub(super) fn first_record(&self) -> Value {
        json!({"ImageId": self.image})
    }

    /// What the next event brings after this response: with the ledger, as a schedule, always the same.
    pub(super) fn next_record(&self, response: &Value) -> Value {
        if self.table.is_some() { self.first_record() } else { response["Imports"][0].clone() }
    }

    /// Invokes a function whose services are well: its check must work out. Returns what the next event brings.
    pub(super) async fn tick(&self, rig: &Rig, record: Value) -> Value {
        let response = rig.invoke(json!({"Imports": [record]})).await;
        assert_eq!(response["Imports"][0]["CheckError"], Value::Null, "nothing is wrong any more");
        self.next_record(&response)
    }

    /// What SNS has taken, without the image's id: `1:VALIDATING`.
    pub(super) fn announced(&self) -> Vec<String> {
        let prefix = format!("{}#", self.image);
        announced(&self.sns).iter().map(|id| id.trim_start_matches(&prefix).to_owned()).collect()
    }

    /// The memory between invocations, as the ledger has it, or else as the record of the next event has it.
    pub(super) async fn remembered(&self, table: &Table, record: &Value) -> Value {
        if self.table.is_some() { table.json(&self.image).await.unwrap_or_default() } else { record.clone() }
    }
}
