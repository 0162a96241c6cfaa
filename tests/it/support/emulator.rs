//! Emulated SNS, SQS and DynamoDB: one process for each emulator, which all tests share and which ends with them.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::{
    config::Credentials,
    types::{
        AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableStatus,
    },
};
use serde_json::Value;

/// A running emulator. It stops when its standard input is closed, so it ends with the tests even if they crash.
pub(crate) struct Emulator {
    pub(crate) url: String,
    _child: Child,
    _stdin: ChildStdin,
}

/// Returns the emulator that most tests use.
pub(crate) fn ministack() -> &'static Emulator {
    static MINISTACK: OnceLock<Emulator> = OnceLock::new();
    MINISTACK.get_or_init(|| Emulator::start("ministack"))
}

/// Returns a second emulator, for behavior that should not depend on one emulator.
pub(crate) fn moto() -> &'static Emulator {
    static MOTO: OnceLock<Emulator> = OnceLock::new();
    MOTO.get_or_init(|| Emulator::start("moto"))
}

/// Returns a third implementation of DynamoDB. It cannot compare maps, and it returns no item if a condition fails.
pub(crate) fn dynalite() -> &'static Emulator {
    static DYNALITE: OnceLock<Emulator> = OnceLock::new();
    DYNALITE.get_or_init(|| Emulator::run(".venv-sam/bin/node", &["tools/npm/dynalite.mjs"]))
}

impl Emulator {
    fn start(name: &str) -> Self {
        Self::run(".venv/bin/python", &["tools/emulator.py", name])
    }

    /// Runs a program that prints its URL in a line of JSON.
    fn run(program: &str, arguments: &[&str]) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut child = Command::new(root.join(program))
            .args(arguments)
            .current_dir(root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|_| panic!("{program} is missing: run `make setup` once"));
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("readable output");
        let ready: Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("{arguments:?} did not start: {line}"));
        let url = ready["url"].as_str().expect("a URL").to_owned();
        Self { url, _stdin: child.stdin.take().expect("piped"), _child: child }
    }

    async fn sdk(&self) -> aws_config::SdkConfig {
        let http = aws_smithy_http_client::Builder::new().build_http();
        aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .endpoint_url(&self.url)
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
            .load()
            .await
    }

    pub(crate) async fn sns(&self) -> aws_sdk_sns::Client {
        aws_sdk_sns::Client::new(&self.sdk().await)
    }

    pub(crate) async fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.sdk().await)
    }

    pub(crate) async fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.sdk().await)
    }

    /// Creates a ledger table.
    pub(crate) async fn table(&self) -> Table {
        let table = Table { client: self.dynamodb().await, name: unique("ledger") };
        let key = KeySchemaElement::builder().attribute_name("ImageId").key_type(KeyType::Hash).build();
        let attribute =
            AttributeDefinition::builder().attribute_name("ImageId").attribute_type(ScalarAttributeType::S).build();
        table
            .client
            .create_table()
            .table_name(&table.name)
            .key_schema(key.expect("complete"))
            .attribute_definitions(attribute.expect("complete"))
            .billing_mode(BillingMode::PayPerRequest)
            .send()
            .await
            .expect("a table");
        table.is_active().await;
        table
    }

    /// Creates a topic, standard or FIFO, and returns its ARN.
    pub(crate) async fn topic(&self, fifo: bool) -> String {
        let name = unique("topic") + if fifo { ".fifo" } else { "" };
        let mut topic = self.sns().await.create_topic().name(name);
        if fifo {
            topic = topic.attributes("FifoTopic", "true");
        }
        topic.send().await.expect("a topic").topic_arn.expect("an ARN")
    }

    /// Creates a queue and subscribes it to a topic, with a filter policy if one is given.
    pub(crate) async fn subscribe(&self, topic: &str, filter: Option<Value>) -> Queue {
        let fifo = topic.strip_suffix(".fifo").is_some();
        let client = self.sqs().await;
        let mut queue = client.create_queue().queue_name(unique("queue") + if fifo { ".fifo" } else { "" });
        if fifo {
            queue = queue.attributes(aws_sdk_sqs::types::QueueAttributeName::FifoQueue, "true");
        }
        let url = queue.send().await.expect("a queue").queue_url.expect("a URL");
        let arn = aws_sdk_sqs::types::QueueAttributeName::QueueArn;
        let attributes = client.get_queue_attributes().queue_url(&url).attribute_names(arn.clone()).send().await;
        let attributes = attributes.expect("attributes").attributes.expect("attributes");
        let mut subscribe = self.sns().await.subscribe().topic_arn(topic).protocol("sqs").endpoint(&attributes[&arn]);
        if let Some(filter) = filter {
            subscribe = subscribe.attributes("FilterPolicy", filter.to_string());
        }
        subscribe.send().await.expect("a subscription");
        Queue { client, url }
    }
}

/// Returns a name that no other test uses, in this process or another one.
fn unique(prefix: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("{prefix}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A ledger table.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) client: aws_sdk_dynamodb::Client,
    pub(crate) name: String,
}

impl Table {
    /// Waits until the table can be used. Like DynamoDB itself, one of the emulators takes a moment.
    async fn is_active(&self) {
        loop {
            let described = self.client.describe_table().table_name(&self.name).send().await.expect("a table");
            if described.table.and_then(|table| table.table_status) == Some(TableStatus::Active) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Returns the item of an image.
    pub(crate) async fn item(&self, image: &str) -> Option<std::collections::HashMap<String, AttributeValue>> {
        let key = AttributeValue::S(image.to_owned());
        self.client.get_item().table_name(&self.name).key("ImageId", key).send().await.expect("a response").item
    }

    /// Returns the item of an image as JSON.
    pub(crate) async fn json(&self, image: &str) -> Option<Value> {
        let item = self.item(image).await?;
        Some(serde_dynamo::aws_sdk_dynamodb_1::from_item(item).expect("plain values"))
    }

    /// Changes the item of an image: the checks have not found it since this time.
    pub(crate) async fn has_been_missing(&self, image: &str, since: &str) {
        let mut item = self.item(image).await.expect("an item");
        item.insert("Missing".to_owned(), AttributeValue::S(since.to_owned()));
        self.client.put_item().table_name(&self.name).set_item(Some(item)).send().await.expect("the item is written");
    }

    /// Writes an item, without a condition.
    pub(crate) async fn put(&self, item: Value) {
        let item = serde_dynamo::aws_sdk_dynamodb_1::to_item(item).expect("an object");
        self.client.put_item().table_name(&self.name).set_item(Some(item)).send().await.expect("the item is written");
    }
}

/// A queue that is subscribed to a topic.
pub(crate) struct Queue {
    client: aws_sdk_sqs::Client,
    url: String,
}

impl Queue {
    /// Receives and deletes messages until none arrives for a second. Returns their bodies: the SNS notifications.
    pub(crate) async fn drain(&self) -> Vec<Value> {
        self.drain_waiting(1).await
    }

    async fn drain_waiting(&self, seconds: i32) -> Vec<Value> {
        let mut notifications = Vec::new();
        loop {
            let receive = self.client.receive_message().queue_url(&self.url).max_number_of_messages(10);
            let messages =
                receive.wait_time_seconds(seconds).send().await.expect("a response").messages.unwrap_or_default();
            if messages.is_empty() {
                return notifications;
            }
            for message in messages {
                let body = message.body.expect("a body");
                notifications.push(serde_json::from_str(&body).unwrap_or_else(|_| panic!("not JSON: {body}")));
                let handle = message.receipt_handle.expect("a handle");
                self.client
                    .delete_message()
                    .queue_url(&self.url)
                    .receipt_handle(handle)
                    .send()
                    .await
                    .expect("the message is deleted");
            }
        }
    }

    /// Receives notifications until none arrives for a second. Returns their `default` texts: the announcements.
    pub(crate) async fn announcements(&self) -> Vec<Value> {
        Self::texts(self.drain().await)
    }

    /// Returns the announcements that have already arrived.
    pub(crate) async fn arrived(&self) -> Vec<Value> {
        Self::texts(self.drain_waiting(0).await)
    }

    fn texts(notifications: Vec<Value>) -> Vec<Value> {
        let announcement = |notification: Value| {
            let text = notification["Message"].as_str().expect("a message");
            serde_json::from_str(text).unwrap_or_else(|_| panic!("not JSON: {text}"))
        };
        notifications.into_iter().map(announcement).collect()
    }
}
