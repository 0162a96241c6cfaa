//! Amazon `WorkSpaces`: describes imports, and lists the images that may be imports.

use std::{
    collections::HashSet,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

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
    import::{Description, ImageId, ImageName, Observation, State},
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
    /// The token of the page at which the last listing failed or ran out of time. The next one continues there, so that
    /// it does not read the same pages every time.
    left_off: Arc<Mutex<Option<String>>>,
}

impl WorkSpaces {
    pub(super) fn new(client: Client) -> Self {
        Self { client, left_off: Arc::default() }
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
        let left_off = self.set_left_off(None);
        let mut listed = self.list(left_off.clone(), None, &mut found, deadline).await;
        if left_off.is_some() {
            listed = match listed {
                // The rest is read. Now the pages before it.
                Ok(()) => self.list(None, left_off, &mut found, deadline).await,
                // The service may have forgotten the token.
                Err((at, _)) if at == left_off => self.list(None, None, &mut found, deadline).await,
                Err(failure) => Err(failure),
            };
        }
        if let Err((at, error)) = listed {
            self.set_left_off(at);
            found.error = Some(error);
        }
        found
    }

    /// Remembers where to continue, and returns what was remembered.
    fn set_left_off(&self, token: Option<String>) -> Option<String> {
        mem::replace(&mut self.left_off.lock().unwrap_or_else(PoisonError::into_inner), token)
    }

    /// Reads the pages from the token `from`, or from the first page, up to the token `to`, or to the last page.
    ///
    /// # Errors
    /// If a page cannot be read. The error comes with the token of the page, unless its tokens go round in circles.
    async fn list(
        &self,
        from: Option<String>,
        to: Option<String>,
        found: &mut SearchOutcome,
        deadline: Instant,
    ) -> Result<(), (Option<String>, CallError)> {
        let mut token = from;
        let mut seen: HashSet<String> = token.iter().cloned().collect();
        loop {
            let list = self
                .client
                .describe_workspace_images()
                .image_type(ImageType::Owned)
                .max_results(MAX_RESULTS)
                .set_next_token(token.clone())
                .customize()
                .config_override(Builder::new().retry_partition(RetryPartition::new(RETRY_PARTITION)));
            let outcome = call(Service::WorkSpaces, deadline, |attempts| list.interceptor(attempts).send()).await;
            let page = outcome.into_result(Service::WorkSpaces).map_err(|error| (token, error))?;
            for image in page.images.iter().flatten().filter(|image| may_be_running(image)) {
                match image_id(image) {
                    Ok(image_id) => found.images.push((image_id, image.name.as_deref().and_then(ImageName::new))),
                    Err(error) => found.error = Some(error),
                }
            }
            token = page.next_token.filter(|token| !token.is_empty());
            let Some(next) = token.as_ref().filter(|_| token != to) else { return Ok(()) };
            if !seen.insert(next.clone()) {
                let message = "the list of images repeats a NextToken";
                return Err((None, CallError::bad_response(Service::WorkSpaces, message)));
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
                CallOutcome::Failed { modeled: Some(DescribeError::ResourceNotFoundException(_)), .. } => {
                    return DescribeOutcome::Observed(Observation::NotFound);
                }
                CallOutcome::Failed { error, .. } => match unread.description() {
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
/// This is an assumption. AWS documents that the console shows such an image as Pending, but not what this API says.
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
