//! Amazon SNS: publishes messages to the topic.

use aws_sdk_sns::{
    Client,
    config::{Builder, retry::RetryConfig},
    types::{MessageAttributeValue, PublishBatchRequestEntry},
};
use tokio::time::Instant;

use super::{
    call::call,
    error::{is_transient, wire_code},
    ping::{Ping, connected},
};
use crate::{
    config::Topic,
    error::{CallError, Service},
    message::Message,
};

/// An SNS topic.
#[derive(Clone, Debug)]
pub(super) struct Sns {
    client: Client,
    topic: Topic,
}

impl Sns {
    pub(super) fn new(client: Client, topic: Topic) -> Self {
        Self { client, topic }
    }

    /// Opens a connection without publishing anything.
    ///
    /// # Errors
    /// If the service could not be reached.
    pub(super) async fn connect(&self) -> Result<(), CallError> {
        let ping = self.client.publish_batch().topic_arn(&self.topic.arn).customize();
        let once = Builder::new().retry_config(RetryConfig::disabled());
        connected(Service::Sns, ping.interceptor(Ping).config_override(once).send().await)
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

    async fn try_publish(&self, batch: &[Message], deadline: Instant) -> Result<Vec<Result<(), CallError>>, CallError> {
        let entries = batch.iter().enumerate().map(|(index, message)| self.entry(index, message));
        let publish = self
            .client
            .publish_batch()
            .topic_arn(&self.topic.arn)
            .set_publish_batch_request_entries(Some(entries.collect::<Result<_, _>>()?))
            .customize();
        let outcome = call(Service::Sns, deadline, |attempts| publish.interceptor(attempts).send()).await;
        let output = outcome.into_result(Service::Sns)?;

        // An entry that the response does not mention counts as not accepted, so the next check publishes it again.
        let unmentioned = || Err(CallError::bad_response(Service::Sns, "the response does not mention this message"));
        let mut results: Vec<_> = batch.iter().map(|_| unmentioned()).collect();
        for accepted in output.successful() {
            if let Some(result) = accepted.id().and_then(|id| results.get_mut(id.parse::<usize>().ok()?)) {
                *result = Ok(());
            }
        }
        for failed in output.failed() {
            if let Some(result) = failed.id().parse().ok().and_then(|index: usize| results.get_mut(index)) {
                let code = wire_code(failed.code()).unwrap_or("BadResponse").to_owned();
                *result = Err(CallError {
                    service: Service::Sns,
                    transient: !failed.sender_fault() || is_transient(&code, 0),
                    code,
                    message: failed.message().unwrap_or("the topic did not accept this message").to_owned(),
                });
            }
        }
        Ok(results)
    }

    pub(super) async fn publish(&self, batch: &[Message], deadline: Instant) -> Vec<Result<(), CallError>> {
        match self.try_publish(batch, deadline).await {
            Ok(results) => results,
            // SNS may reject a whole call because of one message, or because the messages are too large together. Each
            // message then gets a call of its own, so that it is not rejected because of the others.
            Err(error) if !error.transient && batch.len() > 1 => {
                let mut results = Vec::with_capacity(batch.len());
                for message in batch {
                    let result = self.try_publish(std::slice::from_ref(message), deadline).await;
                    results.extend(result.unwrap_or_else(|error| vec![Err(error)]));
                }
                results
            }
            Err(error) => batch.iter().map(|_| Err(error.clone())).collect(),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that `map_err` needs")]
fn malformed(error: aws_sdk_sns::error::BuildError) -> CallError {
    CallError::bad_response(Service::Sns, error.to_string())
}
