//! Publishing: the port, and `PublishBatch`.

use std::future::Future;

use aws_sdk_sns::{
    Client,
    config::{Builder, retry::RetryConfig},
    operation::publish_batch::PublishBatchError,
    types::{MessageAttributeValue, PublishBatchRequestEntry},
};

use super::Message;
use crate::{
    config::Topic,
    connection::{Ping, opened},
    error::{CallError, Service},
    in_time::NoteAnswers,
    sdk_error::{call_error, wire_code},
};

/// Publishes messages.
pub trait Announce {
    /// Publishes one batch. The outer error is that of the whole call; inside, one result an entry, in order.
    fn publish(&self, batch: &[Message]) -> impl Future<Output = Result<Vec<Result<(), CallError>>, CallError>>;
}

/// An SNS topic.
#[derive(Clone, Debug)]
pub struct Sns {
    client: Client,
    topic: Topic,
}

impl Sns {
    /// Publishes to this topic through this client.
    #[must_use]
    pub fn new(client: Client, topic: Topic) -> Self {
        Self { client, topic }
    }

    /// Opens a connection, and publishes nothing.
    ///
    /// # Errors
    /// Where nothing was reached.
    pub async fn connect(&self) -> Result<(), CallError> {
        let call = self.client.publish_batch().topic_arn(&self.topic.arn).customize();
        let once = Builder::new().retry_config(RetryConfig::disabled());
        opened(Service::Sns, call.interceptor(Ping).config_override(once).send().await)
    }

    fn entry(&self, index: usize, message: &Message) -> Result<PublishBatchRequestEntry, CallError> {
        let mut entry = PublishBatchRequestEntry::builder()
            .id(index.to_string())
            .subject(&message.subject)
            .message_structure("json")
            .message(&message.body);
        for attribute in &message.attributes {
            let value = MessageAttributeValue::builder()
                .data_type(attribute.data_type)
                .string_value(&attribute.value)
                .build()
                .map_err(malformed)?;
            entry = entry.message_attributes(attribute.name, value);
        }
        if self.topic.is_fifo() {
            entry = entry.message_group_id(&message.group_id).message_deduplication_id(&message.deduplication_id);
        }
        entry.build().map_err(malformed)
    }
}

impl Announce for Sns {
    async fn publish(&self, batch: &[Message]) -> Result<Vec<Result<(), CallError>>, CallError> {
        let entries = batch.iter().enumerate().map(|(index, message)| self.entry(index, message));
        let answer = self
            .client
            .publish_batch()
            .topic_arn(&self.topic.arn)
            .set_publish_batch_request_entries(Some(entries.collect::<Result<_, _>>()?))
            .customize()
            .interceptor(NoteAnswers::<PublishBatchError>::of(Service::Sns))
            .send()
            .await
            .map_err(|error| call_error(Service::Sns, error))?;

        // An entry that the answer does not speak of was not taken, for all that we know.
        let unspoken =
            || Err(CallError::bad_response(Service::Sns, "the answer does not tell what became of this entry"));
        let mut results: Vec<_> = batch.iter().map(|_| unspoken()).collect();
        for taken in answer.successful() {
            if let Some(result) = taken.id().and_then(|id| results.get_mut(id.parse::<usize>().ok()?)) {
                *result = Ok(());
            }
        }
        for failed in answer.failed() {
            if let Some(result) = failed.id().parse().ok().and_then(|index: usize| results.get_mut(index)) {
                *result = Err(CallError {
                    service: Service::Sns,
                    code: wire_code(failed.code()).unwrap_or("BadResponse").to_owned(),
                    cause: failed.message().unwrap_or("the topic did not take this message").to_owned(),
                    source: None,
                });
            }
        }
        Ok(results)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
fn malformed(error: aws_sdk_sns::error::BuildError) -> CallError {
    CallError::bad_response(Service::Sns, error.to_string())
}
