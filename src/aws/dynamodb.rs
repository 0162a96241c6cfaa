//! Amazon DynamoDB: the table that is the ledger.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    config::{
        Builder,
        retry::{RetryConfig, RetryPartition},
    },
    operation::{put_item::PutItemError, scan::ScanOutput},
    types::{AttributeValue, KeysAndAttributes, ReturnValuesOnConditionCheckFailure},
};
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use serde_dynamo::aws_sdk_dynamodb_1::{from_item, to_item};
use tokio::time::Instant;

use super::{
    call::{CallOutcome, call},
    ping::{Ping, connected},
};
use crate::{
    error::{CallError, Service},
    import::{Checkpoint, ImageId, ImageName, State, Timestamp},
    services::{Item, Items, SearchOutcome, Write, WriteOutcome},
};

/// The maximum number of keys per [`BatchGetItem`][api] call.
///
/// [api]: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
const MAX_KEYS: usize = 100;

/// The filter expression for items that are not settled, and for recent failures. An item is settled if its import has
/// ended, with one of [`State::SETTLED`], and if nothing is owed or half known about it. `State` and `Missing` are
/// [reserved words][words].
///
/// [words]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html
const UNSETTLED: &str = "attribute_not_exists(#State) OR NOT #State IN (:completed, :error, :not_found) \
                         OR (attribute_exists(#Owed) AND NOT attribute_type(#Owed, :null)) \
                         OR (#Missing > :never AND #State <> :not_found) \
                         OR (#State <> :completed AND #UpdatedAt > :failed_after AND attribute_not_exists(#Listed))";

/// Discovery has its own rate limiter. If the table throttles it, the SDK would otherwise hold back reads and writes,
/// too.
const RETRY_PARTITION: &str = "DynamoDB discovery";

/// The attributes of an item that the function reads. Others could make a response arbitrarily large.
const ATTRIBUTES: [&str; 9] =
    ["ImageId", "Name", "State", "Sequence", "Owed", "Stalled", "Missing", "Listed", "Version"];

/// The number of segments in which a large table is scanned. Each one must be small enough to be read in one
/// invocation: what does not fit into the time is read another time, from the beginning of the segment.
const SEGMENTS: i32 = 64;

type Attributes = HashMap<String, AttributeValue>;

/// A DynamoDB table with the partition key `ImageId`.
#[derive(Clone, Debug)]
pub(super) struct LedgerTable {
    client: Client,
    name: String,
    /// The number of concurrent reads, of segments or of batches.
    concurrency: usize,
}

/// An item as the table stores it. Section "Ledger" of the contract describes it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StoredItem {
    image_id: ImageId,
    #[serde(default, skip_deserializing, skip_serializing_if = "Option::is_none")]
    name: Option<ImageName>,
    #[serde(flatten)]
    checkpoint: Checkpoint,
    #[serde(default)]
    version: u64,
    #[serde(default, skip_deserializing)]
    updated_at: Option<Timestamp>,
}

impl LedgerTable {
    /// Uses the table with this name or ARN, with up to `concurrency` reads at a time.
    pub(super) fn new(client: Client, name: String, concurrency: usize) -> Self {
        Self { client, name, concurrency }
    }

    /// Opens a connection without reading anything.
    ///
    /// # Errors
    /// If the service could not be reached.
    pub(super) async fn connect(&self) -> Result<(), CallError> {
        // An operation that the function contains anyway: another one would make the binary larger.
        let ping = self.client.batch_get_item().set_request_items(Some(HashMap::new())).customize();
        let once = Builder::new().retry_config(RetryConfig::disabled());
        connected(Service::DynamoDb, ping.interceptor(Ping).config_override(once).send().await)
    }

    /// Reads up to [`MAX_KEYS`] items. Requests `UnprocessedKeys` again, after growing pauses, until the deadline. A
    /// key that cannot be read has an error of its own.
    async fn read_batch(&self, image_ids: &[&ImageId], deadline: Instant) -> Items {
        let mut items = Items::with_capacity(image_ids.len());
        let mut remaining: Vec<&ImageId> = image_ids.to_vec();
        let mut pause = Duration::from_millis(50);
        let error = loop {
            let (found, unprocessed) = match self.read_once(&remaining, deadline).await {
                Ok(read) => read,
                Err(error) => break error,
            };
            items.extend(found);
            remaining.retain(|id| unprocessed.contains(*id));
            if remaining.is_empty() {
                return items;
            }
            let pause_end = Instant::now() + pause.mul_f64(0.5 + fastrand::f64() / 2.0);
            if pause_end >= deadline {
                break CallError::timeout(Service::DynamoDb, "the table did not process this key in time");
            }
            tokio::time::sleep_until(pause_end).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        };
        items.extend(remaining.into_iter().map(|id| (id.clone(), Err(error.clone()))));
        items
    }

    /// One call: the items that were found, and the images that the table did not process.
    async fn read_once(
        &self,
        image_ids: &[&ImageId],
        deadline: Instant,
    ) -> Result<(Items, HashSet<ImageId>), CallError> {
        let keys = image_ids.iter().map(|id| key(id)).collect();
        let names = ATTRIBUTES.map(|name| (format!("#{name}"), name.to_owned()));
        let projection = ATTRIBUTES.map(|name| format!("#{name}")).join(",");
        let request = KeysAndAttributes::builder()
            .set_keys(Some(keys))
            .consistent_read(true)
            .projection_expression(projection)
            .set_expression_attribute_names(Some(HashMap::from(names)))
            .build()
            .map_err(|error| bad_response(error.to_string()))?;
        let read = self.client.batch_get_item().request_items(&self.name, request).customize();
        let outcome = call(Service::DynamoDb, deadline, |attempts| read.interceptor(attempts).send()).await;
        let output = outcome.into_result(Service::DynamoDb)?;
        let mut items = Items::new();
        for attributes in output.responses.into_iter().flat_map(HashMap::into_values).flatten() {
            items.insert(image_id(&attributes)?, read_item(attributes));
        }
        let mut unprocessed = HashSet::new();
        for key in output.unprocessed_keys.into_iter().flat_map(HashMap::into_values).flat_map(|left| left.keys) {
            unprocessed.insert(image_id(&key)?);
        }
        Ok((items, unprocessed))
    }

    pub(super) async fn read(&self, image_ids: &[&ImageId], deadline: Instant) -> Items {
        let batches = stream::iter(image_ids.chunks(MAX_KEYS)).map(|batch| self.read_batch(batch, deadline));
        batches.buffer_unordered(self.concurrency).collect::<Vec<Items>>().await.into_iter().flatten().collect()
    }

    /// A small table is one page. The rest of a large one is read in segments, from a random one on, so that what the
    /// time does not suffice for is something else every time.
    pub(super) async fn find_unsettled(&self, failed_after: Timestamp, deadline: Instant) -> SearchOutcome {
        let mut found = SearchOutcome::default();
        let page = match self.scan_page(failed_after, None, None, deadline).await {
            Ok(page) => page,
            Err(error) => return SearchOutcome { error: Some(error), ..found },
        };
        if add_page(page, &mut found).is_none() {
            return found;
        }
        let first = fastrand::i32(0..SEGMENTS);
        let mut scans = stream::iter(0..SEGMENTS)
            .map(|number| self.scan_segment(failed_after, (first + number) % SEGMENTS, deadline))
            .buffer_unordered(self.concurrency);
        let mut unread = 0;
        let mut failure = None;
        while let Some((segment, read)) = scans.next().await {
            found.images.extend(segment.images);
            found.error = found.error.or(segment.error);
            if let Err(error) = read {
                unread += 1;
                failure.get_or_insert(error);
            }
        }
        if let Some(CallError { message, .. }) = &mut failure {
            *message = format!("{unread} of {SEGMENTS} segments of the table were not read: {message}");
            found.error = failure;
        }
        found
    }

    /// Reads all pages of a segment. Returns what it found, also if it could not read all of them.
    async fn scan_segment(
        &self,
        failed_after: Timestamp,
        segment: i32,
        deadline: Instant,
    ) -> (SearchOutcome, Result<(), CallError>) {
        let mut found = SearchOutcome::default();
        let mut start = None;
        let mut seen = HashSet::new();
        loop {
            let page = match self.scan_page(failed_after, Some(segment), start, deadline).await {
                Ok(page) => page,
                Err(error) => return (found, Err(error)),
            };
            start = add_page(page, &mut found);
            let Some(key) = &start else { return (found, Ok(())) };
            // The key as a text. It has one attribute, so the text is always the same.
            if !seen.insert(format!("{key:?}")) {
                return (found, Err(bad_response("the scan repeats a LastEvaluatedKey".to_owned())));
            }
        }
    }

    /// Reads one page of the whole table or of a segment.
    async fn scan_page(
        &self,
        failed_after: Timestamp,
        segment: Option<i32>,
        start: Option<Attributes>,
        deadline: Instant,
    ) -> Result<ScanOutput, CallError> {
        let mut scan = self
            .client
            .scan()
            .table_name(&self.name)
            .consistent_read(true)
            .projection_expression("ImageId")
            .filter_expression(UNSETTLED)
            .expression_attribute_values(":failed_after", AttributeValue::S(failed_after.to_string()))
            .expression_attribute_values(":null", AttributeValue::S("NULL".to_owned()))
            // Only a time is greater than this.
            .expression_attribute_values(":never", AttributeValue::S("0".to_owned()))
            .set_segment(segment)
            .set_total_segments(segment.map(|_| SEGMENTS))
            .set_exclusive_start_key(start);
        for name in ["State", "Owed", "Missing", "UpdatedAt", "Listed"] {
            scan = scan.expression_attribute_names(format!("#{name}"), name);
        }
        for state in State::SETTLED {
            let value = AttributeValue::S(state.to_owned());
            scan = scan.expression_attribute_values(format!(":{}", state.to_lowercase()), value);
        }
        let own = Builder::new().retry_partition(RetryPartition::new(RETRY_PARTITION));
        let scan = scan.customize().config_override(own);
        let outcome = call(Service::DynamoDb, deadline, |attempts| scan.interceptor(attempts).send()).await;
        outcome.into_result(Service::DynamoDb)
    }

    pub(super) async fn write(&self, write: Write<'_>, deadline: Instant) -> WriteOutcome {
        let attributes = match to_attributes(write) {
            Ok(attributes) => attributes,
            Err(error) => return WriteOutcome::Failed(error),
        };
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(attributes))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = match write.expected {
            None => put.condition_expression("attribute_not_exists(ImageId)"),
            // An item without a version counts as version 0.
            Some(0) => put
                .condition_expression(
                    "attribute_exists(ImageId) AND (attribute_not_exists(Version) OR attribute_type(Version, :null) \
                     OR Version = :zero)",
                )
                .expression_attribute_values(":null", AttributeValue::S("NULL".to_owned()))
                .expression_attribute_values(":zero", AttributeValue::N("0".to_owned())),
            Some(version) => put
                .condition_expression("Version = :version")
                .expression_attribute_values(":version", AttributeValue::N(version.to_string())),
        };
        let put = put.customize();
        match call(Service::DynamoDb, deadline, |attempts| put.interceptor(attempts).send()).await {
            CallOutcome::Succeeded(_) => WriteOutcome::Written,
            CallOutcome::Failed { modeled: Some(PutItemError::ConditionalCheckFailedException(lost)), .. } => {
                match lost.item.filter(|attributes| !attributes.is_empty()).map(read_item) {
                    None => WriteOutcome::Lost(None),
                    Some(Ok(winner)) => WriteOutcome::Lost(Some(winner)),
                    Some(Err(error)) => WriteOutcome::Failed(error),
                }
            }
            CallOutcome::Failed { error, .. } => WriteOutcome::Failed(error),
            CallOutcome::NotSent(_) => WriteOutcome::NotSent,
        }
    }
}

/// Adds the images of a page of the scan. Returns where the next page starts, if there is one.
fn add_page(page: ScanOutput, found: &mut SearchOutcome) -> Option<Attributes> {
    for attributes in page.items.iter().flatten() {
        match image_id(attributes) {
            Ok(image_id) => found.images.push((image_id, None)),
            Err(error) => found.error = Some(error),
        }
    }
    page.last_evaluated_key.filter(|key| !key.is_empty())
}

fn key(image_id: &ImageId) -> Attributes {
    HashMap::from([("ImageId".to_owned(), AttributeValue::S(image_id.to_string()))])
}

/// The image of an item, whatever else the item contains.
fn image_id(attributes: &Attributes) -> Result<ImageId, CallError> {
    match attributes.get("ImageId") {
        Some(AttributeValue::S(text)) => {
            ImageId::parse(text).ok_or_else(|| unreadable("its ImageId is not an image ID"))
        }
        _ => Err(unreadable("it has no ImageId")),
    }
}

fn to_attributes(write: Write<'_>) -> Result<Attributes, CallError> {
    let item = StoredItem {
        image_id: write.image_id.clone(),
        name: write.item.name.clone(),
        checkpoint: write.item.checkpoint.clone(),
        version: write.item.version,
        updated_at: Some(write.at),
    };
    to_item(item).map_err(|error| bad_response(error.to_string()))
}

fn read_item(mut attributes: Attributes) -> Result<Item, CallError> {
    // A name that somebody else wrote must not make the item unreadable.
    let name = match attributes.remove("Name") {
        Some(AttributeValue::S(name)) => ImageName::new(&name),
        _ => None,
    };
    // NULL counts as absent. So does a `Missing` that is not a time: the next check that misses the image sets it
    // again.
    attributes.retain(|name, value| !value.is_null() && (name != "Missing" || value.is_s()));
    if !attributes.values().all(is_known) {
        return Err(unreadable("an attribute has an unknown type"));
    }
    let StoredItem { checkpoint, version, .. } =
        from_item(attributes).map_err(|error| unreadable(&error.to_string()))?;
    if !checkpoint.is_consistent() {
        return Err(unreadable("its Owed.Sequence is not its Sequence + 1, or its Sequence is too large"));
    }
    if version > Item::MAX_VERSION {
        return Err(unreadable("its Version is too large"));
    }
    Ok(Item { checkpoint, name, version })
}

/// Whether the SDK knows the type of an attribute. `serde_dynamo` panics if it does not.
fn is_known(value: &AttributeValue) -> bool {
    match value {
        AttributeValue::L(values) => values.iter().all(is_known),
        AttributeValue::M(values) => values.values().all(is_known),
        value => !value.is_unknown(),
    }
}

fn unreadable(why: &str) -> CallError {
    bad_response(format!("an item of the ledger cannot be understood: {why}"))
}

fn bad_response(cause: String) -> CallError {
    CallError::bad_response(Service::DynamoDb, cause)
}

#[cfg(test)]
mod tests {
    use schemars::schema_for;

    use super::*;

    #[test]
    fn every_field_of_a_checkpoint_is_read() {
        let schema = schema_for!(Checkpoint);
        let fields = schema.get("properties").and_then(serde_json::Value::as_object).expect("an object with fields");
        let missing: Vec<&String> = fields.keys().filter(|name| !ATTRIBUTES.contains(&name.as_str())).collect();
        assert!(missing.is_empty() && fields.len() >= 5, "add {missing:?} to ATTRIBUTES");
    }
}
