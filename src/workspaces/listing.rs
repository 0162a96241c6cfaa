//! Lists the images that may be imports.

use std::future::Future;

use aws_sdk_workspaces::{
    config::{Builder, retry::RetryPartition},
    types::{ImageType, WorkspaceImage, WorkspaceImageState},
};
use tokio::time::Instant;

use super::WorkSpaces;
use crate::{
    aws::deadline::Attempts,
    error::{CallError, Service},
    found::Found,
    import::ImageId,
};

/// The maximum number of images per [`DescribeWorkspaceImages`][api] call.
///
/// [api]: https://docs.aws.amazon.com/workspaces/latest/api/API_DescribeWorkspaceImages.html
const MAX_RESULTS: i32 = 25;

/// Discovery has its own rate limiter. If the service throttles it, the SDK would otherwise hold back describing, too.
const RETRY_PARTITION: &str = "WorkSpaces discovery";

/// Lists the images that may be imports.
pub trait ListPendingImages {
    /// Lists the account's images that may be running imports. Returns by the deadline.
    fn list_pending(&self, deadline: Instant) -> impl Future<Output = Found>;
}

/// Whether a listed image may be a running import. The service lists images that were made in another way, too.
///
/// This is an assumption: AWS does not document in which state `DescribeWorkspaceImages` lists a running import.
fn may_be_running(image: &WorkspaceImage) -> bool {
    image.state == Some(WorkspaceImageState::Pending)
}

impl ListPendingImages for WorkSpaces {
    async fn list_pending(&self, deadline: Instant) -> Found {
        let mut found = Found::default();
        let mut next_token = None;
        loop {
            let attempts = Attempts::new(Service::WorkSpaces);
            let call = self
                .client
                .describe_workspace_images()
                .image_type(ImageType::Owned)
                .max_results(MAX_RESULTS)
                .set_next_token(next_token)
                .customize()
                .interceptor(attempts.clone())
                .config_override(Builder::new().retry_partition(RetryPartition::new(RETRY_PARTITION)))
                .send();
            let page = match attempts.result_by(deadline, call).await {
                Ok(page) => page,
                Err(error) => return found.failed(error),
            };
            page.images
                .iter()
                .flatten()
                .filter(|image| may_be_running(image))
                .map(image_id)
                .for_each(|id| found.add(id));
            next_token = page.next_token.filter(|token| !token.is_empty());
            if next_token.is_none() {
                return found;
            }
        }
    }
}

fn image_id(image: &WorkspaceImage) -> Result<ImageId, CallError> {
    let id = image.image_id.as_deref().and_then(ImageId::parse);
    id.ok_or_else(|| CallError::bad_response(Service::WorkSpaces, "a listed image has no valid ImageId"))
}
