//! `ImportCustomWorkspaceImage` and `CreateWorkspaceBundle`, the two calls of a pipeline.

use serde_json::{Map, Value, json};

/// An operation that creates something, with its members as the API reference lists them:
/// <https://docs.aws.amazon.com/workspaces/latest/api/API_ImportCustomWorkspaceImage.html> and
/// <https://docs.aws.amazon.com/workspaces/latest/api/API_CreateWorkspaceBundle.html>.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Creation {
    Image,
    Bundle,
}

impl Creation {
    /// The operation with this name.
    pub(super) fn named(operation: &str) -> Option<Self> {
        match operation {
            "ImportCustomWorkspaceImage" => Some(Self::Image),
            "CreateWorkspaceBundle" => Some(Self::Bundle),
            _ => None,
        }
    }

    fn required(self) -> &'static [&'static str] {
        match self {
            Self::Image => &[
                "ImageName",
                "ImageDescription",
                "ComputeType",
                "Protocol",
                "ImageSource",
                "InfrastructureConfigurationArn",
                "Platform",
                "OsVersion",
            ],
            Self::Bundle => &["BundleName", "BundleDescription", "ImageId", "ComputeType", "UserStorage"],
        }
    }

    fn optional(self) -> &'static [&'static str] {
        match self {
            Self::Image => &["Tags", "ImageValidationMode"],
            Self::Bundle => &["RootStorage", "Tags"],
        }
    }

    /// The name in a request. Answers are defined by it. Fails if a required member is missing or a member is unknown.
    pub(super) fn name_in(self, request: &Value) -> Result<String, String> {
        let Some(members) = request.as_object() else { return Err("The body is not an object.".to_owned()) };
        let (required, optional) = (self.required(), self.optional());
        if let Some(missing) = required.iter().find(|name| members.get(**name).is_none_or(Value::is_null)) {
            return Err(format!("{missing} is required."));
        }
        if let Some(unknown) = members.keys().find(|name| !required.iter().chain(optional).any(|known| known == name)) {
            return Err(format!("{unknown} is not a parameter."));
        }
        members[required[0]].as_str().map(str::to_owned).ok_or_else(|| format!("{} must be a string.", required[0]))
    }

    /// The response if no other answer is defined. The ID ends with `number`.
    pub(super) fn response(self, request: &Value, number: usize) -> Value {
        match self {
            Self::Image => json!({"ImageId": format!("wsi-import{number:04}"), "State": "PENDING"}),
            Self::Bundle => {
                let members = ["ImageId", "ComputeType", "UserStorage", "RootStorage"];
                let mut bundle: Map<String, Value> =
                    members.iter().filter_map(|name| Some(((*name).to_owned(), request.get(name)?.clone()))).collect();
                bundle.insert("BundleId".to_owned(), format!("wsb-bundle{number:04}").into());
                bundle.insert("Name".to_owned(), request["BundleName"].clone());
                bundle.insert("Description".to_owned(), request["BundleDescription"].clone());
                json!({"WorkspaceBundle": bundle})
            }
        }
    }
}
