//! Amazon `WorkSpaces`: describes imports, and lists the images that may be imports.

use aws_sdk_workspaces::{
    Client,
    config::{
        Builder,
        retry::{RetryConfig, RetryPartition},
    },
    operation::describe_custom_workspace_image_import::DescribeCustomWorkspaceImageImportError as DescribeError,
    types::{ImageType, WorkspaceImage, WorkspaceImageState},
};
use tokio::time::Instant;

use super::{
    call::{CallOutcome, call},
    description::{UnreadBody, description},
    ping::{Ping, connected},
};
use crate::{
    error::{CallError, Service},
    import::{Description, ImageId, Observation, State},
    services::{DescribeOutcome, SearchOutcome},
};

/// The maximum number of images per [`DescribeWorkspaceImages`][api] call.
///
/// [api]: https://docs.aws.amazon.com/workspaces/latest/api/API_DescribeWorkspaceImages.html
const MAX_RESULTS: i32 = 25;

/// Discovery has its own rate limiter. If the service throttles it, the SDK would otherwise hold back describing, too.
const RETRY_PARTITION: &str = "WorkSpaces discovery";

/// Amazon `WorkSpaces`. `DescribeCustomWorkspaceImageImport` describes the import of one image per call, and
/// `DescribeWorkspaceImages` lists all images.
#[derive(Clone, Debug)]
pub(super) struct WorkSpaces {
    client: Client,
}

impl WorkSpaces {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Opens a connection without describing anything.
    ///
    /// # Errors
    /// If the service could not be reached.
    pub(super) async fn connect(&self) -> Result<(), CallError> {
        let ping = self.client.describe_custom_workspace_image_import().image_id("wsi-000000000").customize();
        let once = Builder::new().retry_config(RetryConfig::disabled());
        connected(Service::WorkSpaces, ping.interceptor(Ping).config_override(once).send().await)
    }

    pub(super) async fn list_pending(&self, deadline: Instant) -> SearchOutcome {
        let mut found = SearchOutcome::default();
        let mut next_token = None;
        loop {
            let list = self
                .client
                .describe_workspace_images()
                .image_type(ImageType::Owned)
                .max_results(MAX_RESULTS)
                .set_next_token(next_token)
                .customize()
                .config_override(Builder::new().retry_partition(RetryPartition::new(RETRY_PARTITION)));
            let outcome = call(Service::WorkSpaces, deadline, |attempts| list.interceptor(attempts).send()).await;
            let page = match outcome.into_result(Service::WorkSpaces) {
                Ok(page) => page,
                Err(error) => return SearchOutcome { error: Some(error), ..found },
            };
            for image in page.images.iter().flatten().filter(|image| may_be_running(image)) {
                match image_id(image) {
                    Ok(image_id) => found.image_ids.push(image_id),
                    Err(error) => found.error = Some(error),
                }
            }
            next_token = page.next_token.filter(|token| !token.is_empty());
            if next_token.is_none() {
                return found;
            }
        }
    }

    pub(super) async fn describe(&self, image_id: &ImageId, deadline: Instant) -> DescribeOutcome {
        let unread = UnreadBody::default();
        let describe = self
            .client
            .describe_custom_workspace_image_import()
            .image_id(image_id.as_str())
            .customize()
            .interceptor(unread.clone());
        let described =
            match call(Service::WorkSpaces, deadline, |attempts| describe.interceptor(attempts).send()).await {
                CallOutcome::Succeeded(output) => description(output, &unread),
                // Decided by the modeled error alone: every error of this operation has the HTTP status 400.
                CallOutcome::Failed(_, Some(DescribeError::ResourceNotFoundException(_))) => {
                    return DescribeOutcome::Observed(Observation::NotFound);
                }
                CallOutcome::Failed(error, _) => match unread.description() {
                    Some(description) => description,
                    None => return DescribeOutcome::Failed(error),
                },
                CallOutcome::NotSent(why) => return DescribeOutcome::NotSent(why),
            };
        match check_state(described) {
            Ok(description) => DescribeOutcome::Observed(Observation::Described(Box::new(description))),
            Err(error) => DescribeOutcome::Failed(error),
        }
    }
}

/// Whether a listed image may be a running import. The service lists images that were not made by an import, too.
///
/// This is an assumption: AWS does not document in which state `DescribeWorkspaceImages` lists a running import.
fn may_be_running(image: &WorkspaceImage) -> bool {
    image.state == Some(WorkspaceImageState::Pending)
}

fn image_id(image: &WorkspaceImage) -> Result<ImageId, CallError> {
    let id = image.image_id.as_deref().and_then(ImageId::parse);
    id.ok_or_else(|| CallError::bad_response(Service::WorkSpaces, "a listed image has no valid ImageId"))
}

/// # Errors
/// If the description has a state that could never be announced.
fn check_state(description: Description) -> Result<Description, CallError> {
    let state = description.state.as_deref();
    if state.is_some_and(|state| State::parse(state).is_none()) {
        let message = "State is not 1 to 64 printable ASCII characters";
        return Err(CallError::bad_response(Service::WorkSpaces, message));
    }
    Ok(description)
}

#[cfg(test)]
mod tests {
    use aws_sdk_workspaces::types::WorkspaceImageErrorDetailCode;

    use crate::message::find;

    #[test]
    fn every_code_of_the_sdk_has_a_remedy() {
        let codes = WorkspaceImageErrorDetailCode::values().iter().copied();
        let missing: Vec<&str> = codes.filter(|code| find(code).is_none()).collect();
        assert!(missing.is_empty(), "write the remedies of {missing:?} into src/message/remedies/table.rs");
    }
}
