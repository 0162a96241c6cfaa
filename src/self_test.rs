//! The self-test: makes every kind of call that the function makes, without touching an import, and says what does not
//! work.

use std::future::Future;

use futures_util::join;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    error::{CallError, NotSent, Service},
    import::{Checkpoint, ImageId},
    message::TestDraft,
    services::{DescribeOutcome, Item, Services, Write, WriteOutcome},
    time_budget::TimeBudget,
};

/// An image that cannot exist: the IDs of WorkSpaces are shorter.
const NO_IMAGE: &str = "wsi-0000000000selftest";

/// The response to a self-test.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
#[schemars(title = "Response to a self-test")]
pub struct SelfTestReport {
    /// Whether every check passed.
    pub passed: bool,
    /// The checks. Without a ledger, its checks are left out.
    pub checks: Vec<CheckReport>,
}

/// What became of one check.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct CheckReport {
    /// What was checked.
    pub name: Check,
    /// Whether it works.
    pub passed: bool,
    /// How long it took.
    pub milliseconds: u64,
    /// Why it does not work, and what to do.
    #[serde(flatten)]
    pub problem: Option<Problem>,
}

/// Why a check failed.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Problem {
    /// A name such as `WorkSpaces.AccessDeniedException`.
    pub error: String,
    /// The service's message, at most 300 characters.
    pub cause: String,
    /// What to do.
    pub advice: String,
}

/// One check: a call that the function makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum Check {
    /// Describes the import of an image that does not exist.
    DescribeImport,
    /// Lists images, as discovery does.
    ListImages,
    /// Attempts a write to the ledger whose condition no item meets.
    WriteLedger,
    /// Reads an item of the ledger that does not exist.
    ReadLedger,
    /// Scans the ledger, as discovery does.
    ScanLedger,
    /// Publishes a message that says that it is a test.
    Publish,
}

impl Check {
    /// The permission that the call needs.
    fn permission(self) -> &'static str {
        match self {
            Self::DescribeImport => "workspaces:DescribeCustomWorkspaceImageImport",
            Self::ListImages => "workspaces:DescribeWorkspaceImages",
            Self::WriteLedger => "dynamodb:PutItem",
            Self::ReadLedger => "dynamodb:BatchGetItem",
            Self::ScanLedger => "dynamodb:Scan",
            Self::Publish => "sns:Publish",
        }
    }

    fn is_only_for_discovery(self) -> bool {
        matches!(self, Self::ListImages | Self::ScanLedger)
    }
}

/// Makes the checks at the same time, so that a service that does not answer delays no other check, and publishes the
/// test message. `with_discovery` says whether to check what only discovery needs.
pub async fn run(
    services: &impl Services,
    with_discovery: bool,
    draft: &TestDraft<'_>,
    budget: &TimeBudget,
) -> SelfTestReport {
    let (until, search_until, at) = (budget.describe_until, budget.discover_until, draft.sent_at);
    let image_id = no_image();
    // No item has this version, so the condition never holds.
    let newest = Item { checkpoint: Checkpoint::default(), name: None, version: Item::MAX_VERSION };
    let item = Item::next(Some(&newest), Checkpoint::default(), None);
    let write = Write { image_id: &image_id, item: &item, expected: Some(newest.version), at };

    let describe = async { described(services.describe(&image_id, until).await) };
    let list = async { services.list_pending(search_until).await.error };
    let write = timed(async { services.write_item(write, until).await });
    let read = async { services.read_items(&[&image_id], until).await.into_values().find_map(Result::err) };
    let scan = async { services.find_unsettled(at, search_until).await.error };
    let message = [draft.message()];
    let publish = async { services.publish(&message, until).await.into_iter().find_map(Result::err) };
    // Boxed, so that other invocations do not carry its size.
    let (described, listed, (written, write_milliseconds), read, scanned, published) =
        Box::pin(async { join!(timed(describe), timed(list), write, timed(read), timed(scan), timed(publish)) }).await;

    let mut checks = vec![report(Check::DescribeImport, described)];
    if with_discovery {
        checks.push(report(Check::ListImages, listed));
    }
    if !matches!(written, WriteOutcome::NoLedger) {
        checks.push(report(Check::WriteLedger, (refused(written), write_milliseconds)));
        checks.push(report(Check::ReadLedger, read));
        if with_discovery {
            checks.push(report(Check::ScanLedger, scanned));
        }
    }
    checks.push(report(Check::Publish, published));
    SelfTestReport { passed: checks.iter().all(|check| check.passed), checks }
}

fn no_image() -> ImageId {
    ImageId::parse(NO_IMAGE).expect("a valid ID")
}

/// What a call comes to, and how many milliseconds it took.
async fn timed<T>(call: impl Future<Output = T>) -> (T, u64) {
    let begun = Instant::now();
    let outcome = call.await;
    (outcome, u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX))
}

/// `ResourceNotFoundException`, which the port reports as an observation, proves the permission.
fn described(outcome: DescribeOutcome) -> Option<CallError> {
    match outcome {
        DescribeOutcome::Observed(_) => None,
        DescribeOutcome::Failed(error) => Some(error),
        DescribeOutcome::NotSent(why) => Some(CallError::timeout(Service::WorkSpaces, not_sent(why))),
    }
}

fn not_sent(why: NotSent) -> &'static str {
    match why {
        NotSent::NoTime => "there was no time for this call",
        NotSent::HeldBack => "WorkSpaces throttles the account's calls, so the SDK held this one back",
        NotSent::NoCredentials => "the function got no credentials in time",
    }
}

/// DynamoDB checks the condition only for callers that may write.
fn refused(outcome: WriteOutcome) -> Option<CallError> {
    match outcome {
        WriteOutcome::Lost(_) | WriteOutcome::NoLedger => None,
        WriteOutcome::Written => {
            let message = "the table accepted a write although its condition was not met";
            Some(CallError::bad_response(Service::DynamoDb, message))
        }
        WriteOutcome::Failed(error) => Some(error),
        WriteOutcome::NotSent => Some(CallError::late(Service::DynamoDb)),
    }
}

fn report(check: Check, (error, milliseconds): (Option<CallError>, u64)) -> CheckReport {
    if let Some(error) = &error {
        tracing::warn!(
            Check = ?check,
            Error = error.name(),
            Cause = error.cause(),
            "a check of the self-test failed"
        );
    }
    let problem = error.map(|error| Problem {
        error: error.name(),
        cause: error.cause().to_owned(),
        advice: advice(check, &error),
    });
    CheckReport { name: check, passed: problem.is_none(), milliseconds, problem }
}

/// What to do about a call that failed.
fn advice(check: Check, error: &CallError) -> String {
    let code = error.code.as_str();
    let is_denied = ["AccessDenied", "AuthorizationError", "NotAuthorized"].iter().any(|name| code.contains(name));
    if code.starts_with("KMSAccessDenied") || is_denied && error.message.contains("kms:") {
        return "Allow the function's role to use the KMS key, in the role and in the key policy. See KmsKeyArn in the \
                template."
            .to_owned();
    }
    if is_denied {
        let mut advice = format!(
            "Allow {} in the function's role. If it is allowed there, look for a permissions boundary, a service control \
             policy, or a resource policy that denies it.",
            check.permission()
        );
        if check.is_only_for_discovery() {
            advice.push_str(
                " Only discovery needs it. If you do not use discovery, send {\"SelfTest\": true, \"Discover\": false}.",
            );
        }
        return advice;
    }
    let advice = match (error.service, code) {
        (_, "BadResponse") => "See Cause. The answer of the service was not as expected.",
        _ if code.starts_with("KMS") && !error.transient => "Check the state of the KMS key of the topic or the table.",
        (Service::Sns, "NotFound" | "NotFoundException") => "Set TOPIC_ARN to the ARN of a topic that exists.",
        (Service::DynamoDb, "ResourceNotFoundException") => {
            "Set LEDGER_TABLE to a table that exists in the function's account and Region."
        }
        (Service::DynamoDb, "ValidationException") => {
            "Use a table whose key is the partition key ImageId, of type String, alone."
        }
        (_, "UnrecognizedClientException" | "InvalidClientTokenId" | "ExpiredToken" | "ExpiredTokenException") => {
            "Check the credentials. In AWS Lambda, see that the function's role exists."
        }
        (_, "Timeout" | "Unreachable") => {
            "Check that the function can reach the service: its VPC, if it has one, and whether the service exists in this \
             Region. Otherwise, raise the function's timeout. Cause says more."
        }
        _ if error.transient => "Repeat the self-test in a few minutes. This can pass by itself.",
        _ => "See Cause, which is the service's own message.",
    };
    advice.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_depends_on_the_check_and_the_error() {
        for (check, service, code, message, advice) in [
            (
                Check::DescribeImport,
                Service::WorkSpaces,
                "AccessDeniedException",
                "",
                "Allow workspaces:DescribeCustomWorkspaceImageImport ",
            ),
            (Check::Publish, Service::Sns, "AuthorizationError", "", "Allow sns:Publish "),
            (Check::Publish, Service::Sns, "KMSAccessDenied", "", "Allow the function's role to use the KMS key"),
            (
                Check::ReadLedger,
                Service::DynamoDb,
                "AccessDeniedException",
                "not authorized to perform kms:Decrypt",
                "Allow the function's role to use the KMS key",
            ),
            (Check::Publish, Service::Sns, "NotFound", "", "Set TOPIC_ARN"),
            (Check::WriteLedger, Service::DynamoDb, "ResourceNotFoundException", "", "Set LEDGER_TABLE"),
            (Check::WriteLedger, Service::DynamoDb, "ValidationException", "", "Use a table whose key"),
            (Check::ListImages, Service::WorkSpaces, "UnrecognizedClientException", "", "Check the credentials"),
            (Check::ListImages, Service::WorkSpaces, "Unreachable", "", "Check that the function can reach"),
            (Check::ListImages, Service::WorkSpaces, "Odd", "", "See Cause"),
        ] {
            let error = CallError { service, code: code.to_owned(), message: message.to_owned(), transient: false };
            let advised = super::advice(check, &error);
            assert!(advised.starts_with(advice), "{error:?}: {advised}");
        }
        let throttled = CallError {
            service: Service::WorkSpaces,
            code: "ThrottlingException".to_owned(),
            message: String::new(),
            transient: true,
        };
        assert!(super::advice(Check::ListImages, &throttled).starts_with("Repeat the self-test"));
    }

    #[test]
    fn only_what_discovery_needs_can_be_left_out() {
        for (check, is_optional) in [
            (Check::DescribeImport, false),
            (Check::ListImages, true),
            (Check::WriteLedger, false),
            (Check::ReadLedger, false),
            (Check::ScanLedger, true),
            (Check::Publish, false),
        ] {
            let denied = CallError {
                service: Service::DynamoDb,
                code: "AccessDeniedException".to_owned(),
                message: String::new(),
                transient: false,
            };
            let advice = super::advice(check, &denied);
            assert!(advice.contains(check.permission()));
            assert_eq!(advice.contains("\"Discover\": false"), is_optional, "{advice}");
        }
    }
}
