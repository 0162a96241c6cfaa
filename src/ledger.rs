//! The memory of a fixed schedule: the port, the DynamoDB table, and the payload alone.

use std::{collections::HashMap, future::Future};

use aws_sdk_dynamodb::{
    Client,
    config::{Builder, retry::RetryConfig},
    error::SdkError,
    operation::{batch_get_item::BatchGetItemError, put_item::PutItemError},
    types::{AttributeValue, KeysAndAttributes, ReturnValuesOnConditionCheckFailure},
};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_dynamo::aws_sdk_dynamodb_1::{from_item, to_item};

use crate::{
    clock::{Clock, SystemClock},
    connection::{Ping, opened},
    error::{CallError, Service},
    import::{Kind, Memory, State, Timestamp, Transition},
    in_time::NoteAnswers,
    sdk_error::call_error,
};

/// The most keys that `BatchGetItem` takes.
const MAX_KEYS: usize = 100;

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// The item is as it was to be.
    Done,
    /// Another invocation was first; this is its item (`None`: the item is gone).
    Lost(Option<Memory>),
}

/// What is remembered of each image, or why that cannot be told.
pub type Remembered = HashMap<String, Result<Memory, CallError>>;

/// Remembers imports between invocations.
pub trait Ledger {
    /// What is remembered of these images; images of which nothing is are left out.
    fn read(&self, image_ids: &[&str]) -> impl Future<Output = Result<Remembered, CallError>>;

    /// Remembers `new`, if what is remembered still is `read`.
    fn write(
        &self,
        image_id: &str,
        new: &Memory,
        read: Option<&Memory>,
    ) -> impl Future<Output = Result<Written, CallError>>;

    /// Whether remembering takes a call, which may come too late.
    fn is_remote(&self) -> bool {
        true
    }
}

/// Where records are remembered, as configured.
#[derive(Clone, Debug)]
pub enum Store {
    /// In the payload alone: they travel through the workflow, and there is nothing to read or to write.
    Payload,
    /// In a DynamoDB table.
    Table(Table),
}

impl Ledger for Store {
    async fn read(&self, image_ids: &[&str]) -> Result<Remembered, CallError> {
        match self {
            Self::Payload => Ok(Remembered::new()),
            Self::Table(table) => table.read(image_ids).await,
        }
    }

    async fn write(&self, image_id: &str, new: &Memory, read: Option<&Memory>) -> Result<Written, CallError> {
        match self {
            Self::Payload => Ok(Written::Done),
            Self::Table(table) => table.write(image_id, new, read).await,
        }
    }

    fn is_remote(&self) -> bool {
        matches!(self, Self::Table(_))
    }
}

/// A DynamoDB table with the partition key `ImageId`.
#[derive(Clone, Debug)]
pub struct Table {
    client: Client,
    name: String,
}

/// An item, as the contract's section 4 has it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    image_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    sequence: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owed: Option<Owed>,
    #[serde(default)]
    stalled: bool,
    #[serde(default)]
    missing: bool,
    #[serde(default)]
    updated_at: String,
}

/// [`Transition`] without a `From` where there is none, since DynamoDB would keep a NULL.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Owed {
    kind: Kind,
    sequence: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<State>,
    to: State,
}

impl Table {
    /// The table of this name, or of this ARN.
    #[must_use]
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }

    /// Opens a connection, and reads nothing.
    ///
    /// # Errors
    /// Where nothing was reached.
    pub async fn connect(&self) -> Result<(), CallError> {
        // An operation that is there anyway.
        let call = self.client.batch_get_item().set_request_items(Some(HashMap::new())).customize();
        let once = Builder::new().retry_config(RetryConfig::disabled());
        opened(Service::DynamoDb, call.interceptor(Ping).config_override(once).send().await)
    }

    /// One batch; `UnprocessedKeys` are asked for again, after a pause that grows, for as long as the caller waits.
    async fn read_batch(&self, image_ids: &[&str]) -> Result<Remembered, CallError> {
        let mut items = Remembered::with_capacity(image_ids.len());
        let mut keys: Vec<_> = image_ids.iter().map(|id| HashMap::from([key(id)])).collect();
        let mut pause = std::time::Duration::from_millis(50);
        loop {
            let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
            let wanted = wanted.map_err(|error| CallError::bad_response(Service::DynamoDb, error.to_string()))?;
            let read = self.client.batch_get_item().request_items(&self.name, wanted).customize();
            let got = read.interceptor(NoteAnswers::<BatchGetItemError>::of(Service::DynamoDb)).send().await;
            let got = got.map_err(|error| call_error(Service::DynamoDb, error))?;
            for item in got.responses.into_iter().flat_map(HashMap::into_values).flatten() {
                // One that makes no sense must not keep the others from being read.
                items.insert(image_of(&item)?, read_item(item));
            }
            keys = got.unprocessed_keys.into_iter().flat_map(HashMap::into_values).flat_map(|left| left.keys).collect();
            if keys.is_empty() {
                return Ok(items);
            }
            tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            pause = (pause * 2).min(std::time::Duration::from_secs(2));
        }
    }
}

impl Ledger for Table {
    async fn read(&self, image_ids: &[&str]) -> Result<Remembered, CallError> {
        let batches = try_join_all(image_ids.chunks(MAX_KEYS).map(|batch| self.read_batch(batch))).await?;
        Ok(batches.into_iter().flatten().collect())
    }

    async fn write(&self, image_id: &str, new: &Memory, read: Option<&Memory>) -> Result<Written, CallError> {
        let item = Item::new(image_id, new);
        let item = to_item(item).map_err(|error| CallError::bad_response(Service::DynamoDb, error.to_string()))?;
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = match read {
            None => put.condition_expression("attribute_not_exists(ImageId)"),
            Some(read) => {
                let put = put.expression_attribute_values(":sequence", AttributeValue::N(read.sequence.to_string()));
                match &read.owed {
                    None => put.condition_expression("#sequence = :sequence AND attribute_not_exists(Owed)"),
                    Some(owed) => put
                        .condition_expression("#sequence = :sequence AND Owed = :owed")
                        .expression_attribute_values(":owed", owed_value(owed)?),
                }
                .expression_attribute_names("#sequence", "Sequence")
            }
        };
        let put = put.customize().interceptor(NoteAnswers::<PutItemError>::of(Service::DynamoDb));
        match put.send().await {
            Ok(_) => Ok(Written::Done),
            Err(error) => match winner(&error) {
                Some(item) => Ok(Written::Lost(item.map(read_item).transpose()?)),
                None => Err(call_error(Service::DynamoDb, error)),
            },
        }
    }
}

/// The item that stood in the way, where a write failed on its condition.
#[expect(clippy::option_option, reason = "not lost, lost to nothing, lost to an item")]
fn winner<R>(error: &SdkError<PutItemError, R>) -> Option<Option<HashMap<String, AttributeValue>>> {
    match error.as_service_error()? {
        PutItemError::ConditionalCheckFailedException(lost) => Some(lost.item.clone().filter(|item| !item.is_empty())),
        _ => None,
    }
}

fn key(image_id: &str) -> (String, AttributeValue) {
    ("ImageId".to_owned(), AttributeValue::S(image_id.to_owned()))
}

/// Whose item this is: the table's key tells, whatever else is in it.
fn image_of(item: &HashMap<String, AttributeValue>) -> Result<String, CallError> {
    match item.get("ImageId") {
        Some(AttributeValue::S(image_id)) => Ok(image_id.clone()),
        _ => Err(foreign("it has no ImageId")),
    }
}

/// What an item remembers.
fn read_item(item: HashMap<String, AttributeValue>) -> Result<Memory, CallError> {
    if !item.values().all(is_known) {
        return Err(foreign("an attribute has a type that is not known"));
    }
    let item: Item = from_item(item).map_err(|error| foreign(&error.to_string()))?;
    let memory = Memory::from(item);
    if memory.is_sound() { Ok(memory) } else { Err(foreign("its numbers or its states make no sense")) }
}

fn foreign(why: &str) -> CallError {
    let cause = format!("an item of the ledger is not one of this function's: {why}");
    CallError::bad_response(Service::DynamoDb, cause)
}

/// `serde_dynamo` panics over what the SDK does not know.
fn is_known(value: &AttributeValue) -> bool {
    match value {
        AttributeValue::L(values) => values.iter().all(is_known),
        AttributeValue::M(values) => values.values().all(is_known),
        value => !value.is_unknown(),
    }
}

fn owed_value(owed: &Transition) -> Result<AttributeValue, CallError> {
    serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(Owed::from(owed.clone()))
        .map_err(|error| CallError::bad_response(Service::DynamoDb, error.to_string()))
}

impl Item {
    fn new(image_id: &str, memory: &Memory) -> Self {
        let memory = memory.clone();
        Self {
            image_id: image_id.to_owned(),
            state: memory.state,
            sequence: memory.sequence,
            owed: memory.owed.map(Owed::from),
            stalled: memory.stalled,
            missing: memory.missing,
            updated_at: Timestamp::from(SystemClock.now()).to_string(),
        }
    }
}

impl From<Item> for Memory {
    fn from(item: Item) -> Self {
        Self {
            state: item.state,
            sequence: item.sequence,
            owed: item.owed.map(Transition::from),
            stalled: item.stalled,
            missing: item.missing,
        }
    }
}

impl From<Transition> for Owed {
    fn from(Transition { kind, sequence, from, to }: Transition) -> Self {
        Self { kind, sequence, from, to }
    }
}

impl From<Owed> for Transition {
    fn from(Owed { kind, sequence, from, to }: Owed) -> Self {
        Self { kind, sequence, from, to }
    }
}
