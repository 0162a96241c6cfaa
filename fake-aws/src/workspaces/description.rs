//! Response bodies of `DescribeCustomWorkspaceImageImport`.

use serde_json::{Map, Value, json};

/// The states of an import, in the order in which a successful import passes through them, with `ERROR` last. AWS lists
/// them in this order:
/// <https://docs.aws.amazon.com/workspaces/latest/api/API_DescribeCustomWorkspaceImageImport.html>.
pub const STATES: [&str; 14] = [
    "PENDING",
    "IN_PROGRESS",
    "PROCESSING_SOURCE_IMAGE",
    "IMAGE_TESTING_START",
    "UPDATING_OPERATING_SYSTEM",
    "IMAGE_COMPATIBILITY_CHECKING",
    "IMAGE_TESTING_GENERALIZATION",
    "CREATING_TEST_INSTANCE",
    "INSTALLING_COMPONENTS",
    "GENERALIZING",
    "VALIDATING",
    "PUBLISHING",
    "COMPLETED",
    "ERROR",
];

/// A body with `ImageId` and `State`. Every other member is absent until it is added.
pub fn description(image_id: &str, state: &str) -> DescriptionBody {
    DescriptionBody(Map::new()).member("ImageId", image_id.into()).member("State", state.into())
}

/// A builder for a response body. Times are JSON numbers: seconds since the Unix epoch, with fractions.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct DescriptionBody(Map<String, Value>);

impl DescriptionBody {
    /// Sets `StateMessage`.
    pub fn message(self, text: &str) -> Self {
        self.member("StateMessage", text.into())
    }

    /// Sets `ProgressPercentage`.
    pub fn progress(self, percentage: i32) -> Self {
        self.member("ProgressPercentage", percentage.into())
    }

    /// Sets `Created`.
    pub fn created(self, epoch_seconds: f64) -> Self {
        self.member("Created", epoch_seconds.into())
    }

    /// Sets `LastUpdatedTime`.
    pub fn updated(self, epoch_seconds: f64) -> Self {
        self.member("LastUpdatedTime", epoch_seconds.into())
    }

    /// Sets `ImageSource` to an AMI.
    pub fn ami(self, id: &str) -> Self {
        self.member("ImageSource", json!({"Ec2ImageId": id}))
    }

    /// Sets `ImageSource` to an EC2 import task.
    pub fn import_task(self, id: &str) -> Self {
        self.member("ImageSource", json!({"Ec2ImportTaskId": id}))
    }

    /// Sets `InfrastructureConfigurationArn`.
    pub fn infrastructure(self, arn: &str) -> Self {
        self.member("InfrastructureConfigurationArn", arn.into())
    }

    /// Sets `ImageBuilderInstanceId`.
    pub fn instance(self, id: &str) -> Self {
        self.member("ImageBuilderInstanceId", id.into())
    }

    /// Adds an error to `ErrorDetails`.
    pub fn error(mut self, code: &str, message: &str) -> Self {
        let error = json!({"ErrorCode": code, "ErrorMessage": message});
        match self.0.get_mut("ErrorDetails") {
            Some(Value::Array(errors)) => errors.push(error),
            _ => return self.member("ErrorDetails", json!([error])),
        }
        self
    }

    /// Sets any member.
    pub fn member(mut self, name: &str, value: Value) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }
}

impl From<DescriptionBody> for Value {
    fn from(body: DescriptionBody) -> Self {
        Self::Object(body.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contains_only_what_was_set() {
        assert_eq!(Value::from(description("wsi-1", "PENDING")), json!({"ImageId": "wsi-1", "State": "PENDING"}));
    }

    #[test]
    fn sets_every_member() {
        let body = description("wsi-1", "ERROR")
            .message("m")
            .progress(62)
            .created(1.5)
            .updated(2.25)
            .import_task("import-ami-1")
            .ami("ami-1")
            .infrastructure("arn")
            .instance("i-1")
            .error("A", "a")
            .error("B", "b")
            .member("New", json!(true));
        let expected = json!({
            "ImageId": "wsi-1", "State": "ERROR", "StateMessage": "m", "ProgressPercentage": 62, "Created": 1.5,
            "LastUpdatedTime": 2.25, "ImageSource": {"Ec2ImageId": "ami-1"}, "InfrastructureConfigurationArn": "arn",
            "ImageBuilderInstanceId": "i-1", "New": true,
            "ErrorDetails": [{"ErrorCode": "A", "ErrorMessage": "a"}, {"ErrorCode": "B", "ErrorMessage": "b"}],
        });
        assert_eq!(Value::from(body), expected);
    }
}
