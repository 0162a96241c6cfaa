//! SNS, SQS and DynamoDB as an emulator serves them: one process for all tests, gone when they are.

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
    types::{AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType},
};
use serde_json::Value;

/// A running emulator. It ends when its standard input does, so it cannot outlive the tests, however they end.
pub(crate) struct Emulator {
    pub(crate) url: String,
    _child: Child,
    _stdin: ChildStdin,
}

/// The emulator that most tests use.
pub(crate) fn ministack() -> &'static Emulator {
    static MINISTACK: OnceLock<Emulator> = OnceLock::new();
    MINISTACK.get_or_init(|| Emulator::start("ministack"))
}

/// The second opinion.
pub(crate) fn moto() -> &'static Emulator {
    static MOTO: OnceLock<Emulator> = OnceLock::new();
    MOTO.get_or_init(|| Emulator::start("moto"))
}

impl Emulator {
    fn start(name: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut child = Command::new(root.join(".venv/bin/python"))
            .arg(root.join("tools/emulator.py"))
            .arg(name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("no .venv: run `make setup` once");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{name} did not start: {line}"));
        let url = ready["url"].as_str().expect("a url").to_owned();
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

    /// A table of its own for a test.
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
        table
    }

    /// A topic of its own for a test; FIFO where its name is to end so.
    pub(crate) async fn topic(&self, fifo: bool) -> String {
        let name = unique("topic") + if fifo { ".fifo" } else { "" };
        let mut topic = self.sns().await.create_topic().name(name);
        if fifo {
            topic = topic.attributes("FifoTopic", "true");
        }
        topic.send().await.expect("a topic").topic_arn.expect("an ARN")
    }

    /// A queue subscribed to a topic, with a filter policy where there is to be one.
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

/// Names that differ, within the process and between processes.
fn unique(what: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("{what}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A ledger.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) client: aws_sdk_dynamodb::Client,
    pub(crate) name: String,
}

impl Table {
    pub(crate) async fn item(&self, image: &str) -> Option<std::collections::HashMap<String, AttributeValue>> {
        let key = AttributeValue::S(image.to_owned());
        self.client.get_item().table_name(&self.name).key("ImageId", key).send().await.expect("an answer").item
    }

    /// An item as JSON, for comparing.
    pub(crate) async fn json(&self, image: &str) -> Option<Value> {
        let item = self.item(image).await?;
        Some(serde_dynamo::aws_sdk_dynamodb_1::from_item(item).expect("plain values"))
    }

    pub(crate) async fn put(&self, item: Value) {
        let item = serde_dynamo::aws_sdk_dynamodb_1::to_item(item).expect("an object");
        self.client.put_item().table_name(&self.name).set_item(Some(item)).send().await.expect("written");
    }
}

/// A subscriber.
pub(crate) struct Queue {
    client: aws_sdk_sqs::Client,
    url: String,
}

impl Queue {
    /// Everything that has come, taken off the queue: the notification envelopes, until nothing comes for a second.
    pub(crate) async fn drain(&self) -> Vec<Value> {
        self.drain_for(1).await
    }

    async fn drain_for(&self, seconds: i32) -> Vec<Value> {
        let mut notifications = Vec::new();
        loop {
            let receive = self.client.receive_message().queue_url(&self.url).max_number_of_messages(10);
            let messages =
                receive.wait_time_seconds(seconds).send().await.expect("an answer").messages.unwrap_or_default();
            if messages.is_empty() {
                return notifications;
            }
            for message in messages {
                let body = message.body.expect("a body");
                notifications.push(serde_json::from_str(&body).unwrap_or_else(|_| panic!("no JSON: {body}")));
                let handle = message.receipt_handle.expect("a handle");
                self.client.delete_message().queue_url(&self.url).receipt_handle(handle).send().await.expect("deleted");
            }
        }
    }

    /// The `default` texts of everything that has come.
    pub(crate) async fn announcements(&self) -> Vec<Value> {
        Self::texts(self.drain().await)
    }

    /// Those that are there already, without a wait for more.
    pub(crate) async fn arrived(&self) -> Vec<Value> {
        Self::texts(self.drain_for(0).await)
    }

    fn texts(envelopes: Vec<Value>) -> Vec<Value> {
        let text = |envelope: &Value| envelope["Message"].as_str().map(str::to_owned).expect("a message");
        let texts = envelopes.into_iter().map(|envelope| text(&envelope));
        texts.map(|text| serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"))).collect()
    }
}
