//! The test of one fault on one call: an invocation meets the fault, and the invocations after it lose nothing.

use std::{
    fmt::{self, Display},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use fake_aws::{Act, Fault, Proxy, Reply, Request, Tls};
use serde_json::{Value, json};

use super::{
    clock,
    report::InvocationResult,
    services::{Service, Services},
    table::{Expected, InjectedFault, WrongEndpoint},
};
use crate::support::{Rig, emulator::Table};

/// The calls of an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Lists images, to discover imports.
    List,
    /// Scans the ledger, to discover imports.
    Scan,
    /// Reads the ledger.
    Read,
    /// Describes the import.
    Describe,
    /// Records in the ledger what is owed.
    RecordOwed,
    /// Publishes the announcement.
    Publish,
    /// Marks the announcement as published in the ledger.
    MarkPublished,
}

impl Call {
    /// Whether the call takes place only if the event asks for discovery.
    pub(super) fn discovers(self) -> bool {
        matches!(self, Self::List | Self::Scan)
    }

    pub(super) fn service(self) -> Service {
        match self {
            Self::List | Self::Describe => Service::WorkSpaces,
            Self::Publish => Service::Sns,
            Self::Scan | Self::Read | Self::RecordOwed | Self::MarkPublished => Service::DynamoDb,
        }
    }

    /// Whether a request to the service is this call.
    pub(super) fn matches(self, operation: &str, request: &Request) -> bool {
        let owes = || String::from_utf8_lossy(&request.body).contains(r#""Owed":{"M""#);
        match self {
            Self::List => operation == "DescribeWorkspaceImages",
            Self::Scan => operation == "Scan",
            Self::Describe => operation == "DescribeCustomWorkspaceImageImport",
            Self::Publish => operation == "PublishBatch",
            Self::Read => operation == "BatchGetItem",
            Self::RecordOwed => operation == "PutItem" && owes(),
            Self::MarkPublished => operation == "PutItem" && !owes(),
        }
    }
}

impl Display for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::List => "WorkSpaces, list",
            Self::Scan => "DynamoDB, scan",
            Self::Read => "DynamoDB, read",
            Self::Describe => "WorkSpaces, describe",
            Self::RecordOwed => "DynamoDB, record owed",
            Self::Publish => "SNS, publish",
            Self::MarkPublished => "DynamoDB, mark published",
        })
    }
}

/// Where the function keeps its checkpoints between invocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    Ledger,
    Payload,
}

/// Which calls the fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    FirstCall,
    EveryCall,
}

impl When {
    /// The time until the deadline. If only the first call meets the fault, the SDK has time to abandon and retry it.
    /// Discovery gets less of the time than other calls.
    fn deadline(self, call: Call) -> Duration {
        Duration::from_secs(match self {
            Self::FirstCall if call.discovers() => 60,
            Self::FirstCall => 30,
            Self::EveryCall => 4,
        })
    }
}

impl Display for When {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if *self == Self::FirstCall { "the first call" } else { "every call" })
    }
}

impl InjectedFault {
    /// What the proxy does with a request that the fault hits.
    pub(super) fn act(&self, service: Service, request: &Request) -> Act {
        match self {
            Self::Connection(fault) => Act::Reply(Reply::Fault(fault.clone())),
            Self::ResponseLost => Act::ForwardThen(Fault::Reset),
            Self::Delay(delay) => Act::Delay(*delay),
            Self::Error(status, codes) => Act::Reply(service.error(*status, codes[service as usize])),
            Self::Clock(codes) => clock::act(service, codes[service as usize], request),
            // The proxy is the right endpoint.
            Self::Endpoint(_) => Act::Forward,
        }
    }

    /// The error code from the service.
    pub(super) fn code(&self, service: Service) -> &'static str {
        match self {
            Self::Error(_, codes) | Self::Clock(codes) => codes[service as usize],
            _ => panic!("{self:?} has no code"),
        }
    }
}

/// A fault, the calls that it hits, and what the invocation returns.
pub(super) struct Cell {
    pub(super) call: Call,
    pub(super) storage: Storage,
    pub(super) fault: InjectedFault,
    pub(super) when: When,
    pub(super) expected: Expected,
}

impl Cell {
    /// Whether there is such a case.
    pub(super) fn exists(&self) -> bool {
        match (&self.fault, self.expected) {
            (_, Expected::NotApplicable) => false,
            // A wrong endpoint fails the first read of DynamoDB, so there is no write, and a scan is not all that
            // fails.
            (InjectedFault::Endpoint(_), _) => {
                !matches!(self.call, Call::Scan | Call::RecordOwed | Call::MarkPublished)
            }
            _ => true,
        }
    }

    /// Whether the test waits until the SDK abandons the first call, after ten seconds.
    pub(super) fn mostly_waits(&self) -> bool {
        self.when == When::FirstCall
            && matches!(self.fault, InjectedFault::Connection(Fault::NoAnswer | Fault::SlowBody(_)))
    }

    /// Runs the test and returns the result of the invocation that meets the fault.
    pub(super) async fn run(self, table: Table) -> InvocationResult {
        let services = Services::new((self.storage == Storage::Ledger).then_some(table.name.as_str())).await;
        services.set_state("VALIDATING");

        // The first invocation meets the fault.
        let (rig, _server) = self.start(&services).await;
        self.inject(&services);
        let mut record = services.first_record();
        let event = if self.call.discovers() { json!({"Discover": true}) } else { json!({"Imports": [record]}) };
        let result = InvocationResult::of_event(&rig, &event, self.when.deadline(self.call)).await;
        assert_eq!(result.name, self.expected_name(), "{result:?}");
        if let InjectedFault::Endpoint(endpoint) = self.fault {
            assert!(result.message.contains(endpoint.cause()), "{}", result.message);
        }

        // Without the fault, the next invocation announces the transition, or has nothing left to announce.
        services.proxy(self.call.service()).clear();
        let rig = if let InjectedFault::Endpoint(_) = self.fault { services.stage().start().await } else { rig };
        if let Some(response) = &result.response {
            record = services.next_record(response);
        }
        record = services.check(&rig, record).await;
        assert_eq!(self.announced(&services), ["1:VALIDATING"]);

        // The next transition is announced as usual.
        services.set_state("PUBLISHING");
        record = services.check(&rig, record).await;
        assert_eq!(self.announced(&services), ["1:VALIDATING", "2:PUBLISHING"]);
        let checkpoint = services.checkpoint(&table, &record).await;
        assert_eq!(json!([checkpoint["State"], checkpoint["Sequence"]]), json!(["PUBLISHING", 2]));
        assert_eq!(checkpoint["Owed"], Value::Null);
        result
    }

    /// Starts the function, with a wrong endpoint if that is the fault. Returns the server there, if any.
    async fn start(&self, services: &Services) -> (Rig, Option<Proxy>) {
        let service = self.call.service();
        let right = services.proxy(service).url();
        let (stage, server) = (services.stage(), self.wrong_server(&right).await);
        let url = match &self.fault {
            InjectedFault::Endpoint(WrongEndpoint::NoSuchHost) => "http://nowhere.invalid".to_owned(),
            InjectedFault::Endpoint(WrongEndpoint::NoTls) => right.replace("http:", "https:"),
            _ => server.as_ref().map_or(right, Proxy::url),
        };
        let rig = stage.set(service.endpoint_variable(), &url).start().await;
        rig.ready().await;
        (rig, server)
    }

    async fn wrong_server(&self, right: &str) -> Option<Proxy> {
        let InjectedFault::Endpoint(WrongEndpoint::UntrustedCertificate) = self.fault else { return None };
        let tls = Tls::new().expect("certificates");
        Some(Proxy::start_tls(right, &tls).await.expect("the proxy starts"))
    }

    /// Makes the proxy inject the fault.
    fn inject(&self, services: &Services) {
        let (call, when, fault) = (self.call, self.when, self.fault.clone());
        let injected = AtomicBool::new(false);
        services.proxy(call.service()).on(move |operation, request| {
            if !call.matches(operation, request) || when == When::FirstCall && injected.swap(true, Ordering::SeqCst) {
                return Act::Forward;
            }
            fault.act(call.service(), request)
        });
    }

    /// The name of the expected result.
    fn expected_name(&self) -> String {
        let code = match self.expected {
            Expected::Fails(code) => code,
            Expected::FailsWithServiceCode => self.fault.code(self.call.service()),
            Expected::Success | Expected::NotApplicable => return "success".to_owned(),
        };
        let error = format!("{:?}.{code}", self.call.service());
        if self.call == Call::Scan {
            // The list of images names the import.
            return format!("DiscoverError {error}");
        }
        let succeeds = match self.call {
            // The faults pass by themselves. The response carries what is owed, or the transition is announced by then.
            Call::Publish | Call::MarkPublished => true,
            Call::List | Call::Scan | Call::Read | Call::Describe | Call::RecordOwed => false,
        };
        if succeeds { format!("CheckError {error}") } else { error }
    }

    /// What was announced. Leaves out repeats with the same ID if the fault may cause them.
    fn announced(&self, services: &Services) -> Vec<String> {
        let mut announced = services.announced();
        // The announcement is repeated if the function does not learn that SNS accepted it, or cannot mark it as
        // published.
        let may_repeat = match self.call {
            Call::Publish => matches!(self.fault, InjectedFault::ResponseLost),
            Call::MarkPublished => true,
            Call::List | Call::Scan | Call::Read | Call::Describe | Call::RecordOwed => false,
        };
        if may_repeat {
            announced.dedup();
        }
        announced
    }
}
