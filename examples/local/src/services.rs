//! The simulated services and the environment variables for a function that uses them.

use fake_aws::{Sns, WorkSpaces};

/// Simulated WorkSpaces and SNS endpoints.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) workspaces: WorkSpaces,
    pub(crate) sns: Sns,
}

impl Services {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        Ok(Self { workspaces: WorkSpaces::start().await?, sns: Sns::start().await? })
    }

    /// The environment variables that point the function to these services and to no real ones.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("TOPIC_ARN", "arn:aws:sns:eu-west-1:123456789012:image-imports".to_owned()),
            ("AWS_REGION", "eu-west-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "AKIDSIMULATED".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "simulated".to_owned()),
            ("AWS_SESSION_TOKEN", "simulated".to_owned()),
            ("AWS_ENDPOINT_URL_WORKSPACES", self.workspaces.url()),
            ("AWS_ENDPOINT_URL_SNS", self.sns.url()),
            // Any other service is unreachable: nothing listens on this port.
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:9".to_owned()),
        ]
    }
}
