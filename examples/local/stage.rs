//! The simulated services, and the environment that leads to them.

use simulator::{Sns, WorkSpaces};

/// Amazon WorkSpaces and an SNS topic, on loopback.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) workspaces: WorkSpaces,
    pub(crate) sns: Sns,
}

impl Stage {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        Ok(Self { workspaces: WorkSpaces::start().await?, sns: Sns::start().await? })
    }

    /// What a function needs to find them, and nothing real.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("TOPIC_ARN", "arn:aws:sns:eu-west-1:123456789012:image-imports".to_owned()),
            ("AWS_REGION", "eu-west-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "AKIDSIMULATED".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "simulated".to_owned()),
            ("AWS_SESSION_TOKEN", "simulated".to_owned()),
            ("AWS_ENDPOINT_URL_WORKSPACES", self.workspaces.url()),
            ("AWS_ENDPOINT_URL_SNS", self.sns.url()),
            // Whatever else is called fails at once: nobody listens there.
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:9".to_owned()),
        ]
    }
}
