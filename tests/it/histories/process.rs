//! One process of the function, and what happens to its calls.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use fake_aws::{Act, Fault, Proxy, Reply, Sns, SnsAnswer};
use fastrand::Rng;
use serde_json::json;
use tokio::{select, sync::Notify};

use crate::support::{Rig, Setup};

/// What goes wrong with the calls of all processes of a round. Faults that concern every check have their first round
/// when there is only one process, which is spared then.
pub(super) const FAULTS: [&str; 8] = [
    "SNS rejects a message",
    "DynamoDB fails to write",
    "DynamoDB fails to read",
    "SNS is out",
    LOST_ANSWERS,
    "DynamoDB throttles",
    "SNS fails",
    "SNS loses answers",
];
pub(super) const NO_FAULT: &str = "no fault";
const LOST_ANSWERS: &str = "DynamoDB loses answers";

/// What happens to the first process of a round, and at which of its calls.
pub(super) const INCIDENTS: [Option<(Kind, &str)>; 7] = [
    None,
    Some((Kind::Kill, MARK)),
    Some((Kind::Hold, DESCRIBE)),
    Some((Kind::Kill, PUBLISH)),
    Some((Kind::Hold, PUBLISH)),
    Some((Kind::Kill, WRITE)),
    Some((Kind::Hold, MARK)),
];

const DESCRIBE: &str = "DescribeCustomWorkspaceImageImport";
const PUBLISH: &str = "PublishBatch";
/// A write of what is owed.
const WRITE: &str = "PutItem";
/// A write of what was published.
const MARK: &str = "mark";

/// Enough for each invocation, even if calls fail and are repeated on a slow machine.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Happens to a process once.
pub(super) struct Incident {
    pub(super) kind: Kind,
    /// The operation, or `MARK`.
    pub(super) at: &'static str,
    /// At which of these calls, from 1.
    pub(super) call: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// `kill -9`. The call does not take effect.
    Kill,
    /// The call waits until the other processes of the round have finished.
    Hold,
}

/// How often things happened.
#[derive(Clone, Default)]
pub(super) struct Tally(Arc<Mutex<BTreeMap<String, usize>>>);

impl Tally {
    pub(super) fn add(&self, what: impl Into<String>, times: usize) {
        *self.0.lock().expect("not poisoned").entry(what.into()).or_default() += times;
    }

    pub(super) fn counts(&self) -> BTreeMap<String, usize> {
        self.0.lock().expect("not poisoned").clone()
    }
}

/// A process of the function. Its calls pass proxies of its own.
pub(super) struct Process {
    pub(super) rig: Rig,
    pub(super) calls: Arc<Calls>,
    _proxies: Vec<Proxy>,
}

impl Process {
    /// Starts a process. `dynamodb` is the URL of the service.
    pub(super) async fn start(mut setup: Setup, dynamodb: &str, calls: Calls) -> Self {
        let calls = Arc::new(calls);
        let urls = [setup.workspaces.url(), setup.sns.url(), dynamodb.to_owned()];
        let mut proxies = Vec::new();
        for (service, url) in ["WORKSPACES", "SNS", "DYNAMODB"].into_iter().zip(urls) {
            let proxy = Proxy::start(&url).await.expect("the proxy starts");
            let calls = Arc::clone(&calls);
            proxy.on(move |operation, _| calls.act(operation));
            setup = setup.set(&format!("AWS_ENDPOINT_URL_{service}"), &proxy.url());
            proxies.push(proxy);
        }
        let rig = setup.start().await;
        rig.ready().await;
        Self { rig, calls, _proxies: proxies }
    }

    /// Invokes the function, and kills it if that is its incident. The invocation may fail because of a fault.
    pub(super) async fn run(mut self) {
        let tally = &self.calls.tally;
        tally.add("invocations", 1);
        select! {
            result = self.rig.try_invoke(json!({"Discover": true}), TIMEOUT) => {
                match result {
                    Ok(response) => tally.add("left for later", usize::from(!response["Undiscovered"].is_null())),
                    Err(error) => {
                        let is_expected = ["Sns.", "DynamoDb."].iter().any(|name| error.error_type.starts_with(name));
                        assert!(is_expected, "{error:?}");
                        tally.add("failed invocations", 1);
                    }
                }
                // The SDK repeats a write whose answer is lost, and loses to itself. That does not count.
                if self.calls.fault != LOST_ANSWERS {
                    let lost = self.rig.log().iter().filter(|line| line["message"] == "ledger write lost").count();
                    tally.add("lost writes", lost);
                }
            }
            () = self.calls.kill.notified() => self.rig.kill(),
        }
        self.calls.met.notify_one();
    }
}

/// What happens to the calls of one process.
pub(super) struct Calls {
    fault: &'static str,
    incident: Option<Incident>,
    progress: Mutex<Progress>,
    sns: Sns,
    tally: Tally,
    /// The process has met its incident, or has finished.
    pub(super) met: Notify,
    /// The other processes of the round have finished.
    pub(super) release: Arc<Notify>,
    kill: Notify,
}

/// What has happened so far.
struct Progress {
    rng: Rng,
    has_published: bool,
    has_failed: bool,
    /// The number of calls at which the incident can happen.
    calls: usize,
}

impl Calls {
    pub(super) fn new(fault: &'static str, incident: Option<Incident>, rng: Rng, sns: &Sns, tally: &Tally) -> Self {
        Self {
            fault,
            incident,
            progress: Mutex::new(Progress { rng, has_published: false, has_failed: false, calls: 0 }),
            sns: sns.clone(),
            tally: tally.clone(),
            met: Notify::new(),
            release: Arc::default(),
            kill: Notify::new(),
        }
    }

    fn act(&self, operation: &str) -> Act {
        let mut progress = self.progress.lock().expect("not poisoned");
        progress.has_published |= operation == PUBLISH;
        let step = if operation == WRITE && progress.has_published { MARK } else { operation };
        if let Some(Incident { kind, at, call }) = self.incident.as_ref().filter(|incident| incident.at == step) {
            progress.calls += 1;
            if progress.calls == *call {
                self.tally.add(format!("{kind:?} at {at}"), 1);
                self.met.notify_one();
                return match kind {
                    Kind::Hold => Act::Hold(Arc::clone(&self.release)),
                    Kind::Kill => {
                        self.kill.notify_one();
                        Act::Reply(Reply::Fault(Fault::NoAnswer))
                    }
                };
            }
        }
        // The first call fails, and half of the others, so the second attempt fails half of the time, too.
        if progress.has_failed && self.fault != "SNS is out" && progress.rng.bool() {
            return Act::Forward;
        }
        let Some(act) = self.fail(operation, &mut progress.rng) else { return Act::Forward };
        progress.has_failed = true;
        self.tally.add(self.fault, 1);
        act
    }

    /// The fault of this process, if it concerns this operation.
    fn fail(&self, operation: &str, rng: &mut Rng) -> Option<Act> {
        Some(match (self.fault, operation) {
            ("SNS rejects a message", PUBLISH) => {
                let code = if rng.bool() { "InternalError" } else { "InvalidParameter" };
                self.sns.script([SnsAnswer::FailEntries(vec![(0, code.to_owned(), "no".to_owned())])]);
                Act::Forward
            }
            ("SNS fails", PUBLISH) => {
                let errors = [(500, "InternalError"), (503, "ServiceUnavailable"), (400, "InvalidParameter")];
                let (status, code) = errors[rng.usize(..errors.len())];
                Act::Reply(Reply::query_error(status, code, "no"))
            }
            ("SNS is out", PUBLISH) => Act::Reply(Reply::query_error(403, "AuthorizationError", "not you")),
            ("DynamoDB fails to read", "BatchGetItem" | "Scan") | ("DynamoDB fails to write", WRITE) => {
                Act::Reply(Reply::aws_error(500, "InternalServerError", "no"))
            }
            ("DynamoDB throttles", "BatchGetItem" | WRITE) => {
                Act::Reply(Reply::aws_error(400, "ProvisionedThroughputExceededException", "slow down"))
            }
            ("SNS loses answers", PUBLISH) | (LOST_ANSWERS, WRITE) => Act::ForwardThen(Fault::Reset),
            _ => return None,
        })
    }
}
