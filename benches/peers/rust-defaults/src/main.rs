//! The function's main job as commonly written in Rust: describe imports, compare their states, publish the changes.

use std::env;

use aws_config::BehaviorVersion;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use aws_sdk_workspaces::operation::describe_custom_workspace_image_import::DescribeCustomWorkspaceImageImportOutput as Description;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The maximum number of messages per `PublishBatch` call.
const BATCH: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    imports: Vec<Import>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Import {
    image_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(default)]
    sequence: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Response {
    status: &'static str,
    imports: Vec<Import>,
}

/// A new state of an import, and the message about it.
struct Transition {
    /// The index of the import in the event.
    index: usize,
    to: String,
    subject: String,
    message: Value,
}

struct Function {
    workspaces: aws_sdk_workspaces::Client,
    sns: aws_sdk_sns::Client,
    topic_arn: String,
    concurrency: usize,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let function = Function {
        workspaces: aws_sdk_workspaces::Client::new(&config),
        sns: aws_sdk_sns::Client::new(&config),
        topic_arn: env::var("TOPIC_ARN")?,
        concurrency: env::var("CONCURRENCY").map_or(Ok(8), |concurrency| concurrency.parse())?,
    };
    run(service_fn(|event: LambdaEvent<Event>| function.check(event.payload.imports))).await
}

impl Function {
    async fn check(&self, mut imports: Vec<Import>) -> Result<Response, Error> {
        let transitions: Vec<Transition> = stream::iter(imports.iter().enumerate())
            .map(|(index, import)| self.transition(index, import))
            .buffer_unordered(self.concurrency)
            .filter_map(async |transition| transition)
            .collect()
            .await;

        let announced: Vec<Vec<&Transition>> = stream::iter(transitions.chunks(BATCH))
            .map(|batch| self.publish(batch))
            .buffer_unordered(self.concurrency)
            .try_collect()
            .await?;
        for transition in announced.into_iter().flatten() {
            let import = &mut imports[transition.index];
            import.state = Some(transition.to.clone());
            import.sequence += 1;
        }

        let status = overall_status(&imports);
        tracing::info!(imports = imports.len(), transitions = transitions.len(), status, "checked");
        Ok(Response { status, imports })
    }

    /// Describes an import and compares its state with the record. A failure is logged, and the next check tries again.
    async fn transition(&self, index: usize, import: &Import) -> Option<Transition> {
        if import.state.as_deref() == Some("COMPLETED") {
            return None;
        }
        let call = self.workspaces.describe_custom_workspace_image_import().image_id(&import.image_id);
        let description =
            call.send().await.inspect_err(|error| tracing::error!(import.image_id, ?error, "describe failed")).ok()?;
        let to = description.state()?.as_str();
        if import.state.as_deref() == Some(to) {
            return None;
        }
        Some(Transition {
            index,
            to: to.to_owned(),
            subject: format!("Image import {}: {to}", import.image_id),
            message: message(import, to, &description),
        })
    }

    /// Publishes at most ten transitions and returns those that SNS accepted.
    async fn publish<'a>(&self, transitions: &'a [Transition]) -> Result<Vec<&'a Transition>, Error> {
        let entries = transitions.iter().enumerate().map(entry).collect::<Result<Vec<_>, Error>>()?;
        let call = self.sns.publish_batch().topic_arn(&self.topic_arn).set_publish_batch_request_entries(Some(entries));
        let output = call.send().await?;
        for failed in output.failed() {
            tracing::error!(?failed, "publish failed");
        }
        let accepted = output.successful().iter().filter_map(|entry| entry.id()?.parse::<usize>().ok());
        Ok(accepted.filter_map(|index| transitions.get(index)).collect())
    }
}

fn message(import: &Import, to: &str, description: &Description) -> Value {
    let errors: Vec<Value> = description
        .error_details()
        .iter()
        .map(|error| json!({"ErrorCode": error.error_code(), "ErrorMessage": error.error_message()}))
        .collect();
    json!({
        "ImageId": import.image_id,
        "Sequence": import.sequence + 1,
        "From": import.state,
        "To": to,
        "StateMessage": description.state_message(),
        "ProgressPercentage": description.progress_percentage(),
        "ErrorDetails": errors,
    })
}

/// One message of a batch. Its ID is its index.
fn entry((index, transition): (usize, &Transition)) -> Result<PublishBatchRequestEntry, Error> {
    let to = MessageAttributeValue::builder().data_type("String").string_value(&transition.to).build()?;
    Ok(PublishBatchRequestEntry::builder()
        .id(index.to_string())
        .subject(&transition.subject)
        .message(transition.message.to_string())
        .message_attributes("To", to)
        .build()?)
}

fn overall_status(imports: &[Import]) -> &'static str {
    let states: Vec<Option<&str>> = imports.iter().map(|import| import.state.as_deref()).collect();
    if !states.iter().all(|state| matches!(state, Some("COMPLETED" | "ERROR"))) {
        "PENDING"
    } else if states.contains(&Some("ERROR")) {
        "FAILED"
    } else {
        "COMPLETED"
    }
}
