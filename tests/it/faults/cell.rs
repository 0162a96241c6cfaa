//! One fault on one call: the fault comes, the invocation answers, the fault goes, and nothing was lost.

use std::{
    fmt::{self, Display},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use serde_json::{Value, json};
use simulator::{Act, Fault, Proxy, Reply, Request, Tls};

use super::{
    clock,
    report::Answer,
    services::{Service, Services},
    table::{Answers, Trouble, WrongEndpoint},
};
use crate::support::{Rig, emulator::Table};

/// The calls of an invocation, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// The ledger is read.
    Read,
    /// The import is described.
    Describe,
    /// What is owed is written to the ledger.
    Owe,
    /// What is owed is published.
    Publish,
    /// What was published is crossed off in the ledger.
    Settle,
}

impl Call {
    pub(super) fn service(self) -> Service {
        match self {
            Self::Describe => Service::WorkSpaces,
            Self::Publish => Service::Sns,
            Self::Read | Self::Owe | Self::Settle => Service::DynamoDb,
        }
    }

    /// Whether a request to its service is this call.
    pub(super) fn is(self, operation: &str, request: &Request) -> bool {
        let owes = || String::from_utf8_lossy(&request.body).contains(r#""Owed":{"M""#);
        match self {
            Self::Describe => operation == "DescribeCustomWorkspaceImageImport",
            Self::Publish => operation == "PublishBatch",
            Self::Read => operation == "BatchGetItem",
            Self::Owe => operation == "PutItem" && owes(),
            Self::Settle => operation == "PutItem" && !owes(),
        }
    }
}

impl Display for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Read => "DynamoDB, read",
            Self::Describe => "WorkSpaces, describe",
            Self::Owe => "DynamoDB, owe",
            Self::Publish => "SNS, publish",
            Self::Settle => "DynamoDB, settle",
        })
    }
}

/// What the function remembers by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    Ledger,
    Payload,
}

/// Which of the calls meet the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    FirstCall,
    EveryCall,
}

impl When {
    /// Long enough for the SDK to give a slow first call up and to try again; short where there is nothing to wait for.
    fn deadline(self) -> Duration {
        Duration::from_secs(if self == Self::FirstCall { 30 } else { 4 })
    }
}

impl Display for When {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if *self == Self::FirstCall { "the first call" } else { "every call" })
    }
}

impl Trouble {
    /// What becomes of a request that meets it.
    pub(super) fn act(&self, service: Service, request: &Request) -> Act {
        match self {
            Self::Wire(fault) => Act::Reply(Reply::Fault(fault.clone())),
            Self::AnswerLost => Act::ForwardThen(Fault::Reset),
            Self::Late(delay) => Act::Delay(*delay),
            Self::Error(status, codes) => Act::Reply(service.error(*status, codes[service as usize])),
            Self::Clock(codes) => clock::act(service, codes[service as usize], request),
            // The requests that still arrive are those to the right endpoint.
            Self::Endpoint(_) => Act::Forward,
        }
    }

    /// The code that the service answers with.
    pub(super) fn code(&self, service: Service) -> &'static str {
        match self {
            Self::Error(_, codes) | Self::Clock(codes) => codes[service as usize],
            _ => panic!("{self:?} has no code"),
        }
    }
}

/// A fault, where and when it strikes, and what the invocation has to answer.
pub(super) struct Cell {
    pub(super) call: Call,
    pub(super) memory: Memory,
    pub(super) trouble: Trouble,
    pub(super) when: When,
    pub(super) answers: Answers,
}

impl Cell {
    /// Whether there is such a case.
    pub(super) fn makes_sense(&self) -> bool {
        match (&self.trouble, self.answers) {
            (_, Answers::Nothing) => false,
            // It is wrong for all of a service's calls, and the first one tells.
            (Trouble::Endpoint(_), _) => !matches!(self.call, Call::Owe | Call::Settle),
            _ => true,
        }
    }

    /// Whether the SDK has to give a first call up, which it does after ten seconds.
    pub(super) fn waits_for_long(&self) -> bool {
        self.when == When::FirstCall && matches!(self.trouble, Trouble::Wire(Fault::NoAnswer | Fault::SlowBody(_)))
    }

    /// Sees to it that all of this comes true.
    pub(super) async fn run(self, table: Table) -> Answer {
        let services = Services::new((self.memory == Memory::Ledger).then_some(table.name.as_str())).await;
        services.describe("VALIDATING");

        // The fault strikes.
        let (rig, _server) = self.start(&services).await;
        self.strike(&services);
        let mut record = services.first_record();
        let answer = Answer::to(&rig, &record, self.when.deadline()).await;
        assert_eq!(answer.name, self.expected(), "{answer:?}");
        if let Trouble::Endpoint(endpoint) = self.trouble {
            assert!(answer.message.contains(endpoint.said()), "{}", answer.message);
        }

        // The fault is gone: what was owed goes out with the next invocation, once.
        services.proxy(self.call.service()).clear();
        let rig = if let Trouble::Endpoint(_) = self.trouble { services.stage().await.start().await } else { rig };
        if let Some(response) = &answer.response {
            record = services.next_record(response);
        }
        record = services.tick(&rig, record).await;
        assert_eq!(self.announced(&services), ["1:VALIDATING"]);

        // And the import is followed on as if nothing had happened.
        services.describe("PUBLISHING");
        record = services.tick(&rig, record).await;
        assert_eq!(self.announced(&services), ["1:VALIDATING", "2:PUBLISHING"]);
        let remembered = services.remembered(&table, &record).await;
        assert_eq!(json!([remembered["State"], remembered["Sequence"]]), json!(["PUBLISHING", 2]));
        assert_eq!(remembered["Owed"], Value::Null);
        answer
    }

    /// Starts the function, and what its wrong endpoint leads to.
    async fn start(&self, services: &Services) -> (Rig, Option<Proxy>) {
        let service = self.call.service();
        let right = services.proxy(service).url();
        let (stage, server) = (services.stage().await, self.wrong_server(&right).await);
        let url = match &self.trouble {
            Trouble::Endpoint(WrongEndpoint::NoSuchHost) => "http://nowhere.invalid".to_owned(),
            Trouble::Endpoint(WrongEndpoint::NoTls) => right.replace("http:", "https:"),
            _ => server.as_ref().map_or(right, Proxy::url),
        };
        let rig = stage.set(service.endpoint_variable(), &url).start().await;
        rig.ready().await;
        (rig, server)
    }

    async fn wrong_server(&self, right: &str) -> Option<Proxy> {
        let Trouble::Endpoint(WrongEndpoint::UntrustedCertificate) = self.trouble else { return None };
        let tls = Tls::new().expect("certificates");
        Some(Proxy::start_tls(right, &tls).await.expect("the proxy starts"))
    }

    fn strike(&self, services: &Services) {
        let (call, when, trouble) = (self.call, self.when, self.trouble.clone());
        let struck = AtomicBool::new(false);
        services.proxy(call.service()).on(move |operation, request| {
            if !call.is(operation, request) || when == When::FirstCall && struck.swap(true, Ordering::SeqCst) {
                return Act::Forward;
            }
            trouble.act(call.service(), request)
        });
    }

    fn expected(&self) -> String {
        let code = match self.answers {
            Answers::Fails(code) => code,
            Answers::FailsWithItsCode => self.trouble.code(self.call.service()),
            Answers::Success | Answers::Nothing => return "success".to_owned(),
        };
        let error = format!("{:?}.{code}", self.call.service());
        // By then it was announced: the invocation has done something useful, and its record tells of the error.
        if self.call == Call::Settle { format!("CheckError {error}") } else { error }
    }

    /// What was announced; a repeat, under the same id, counts only where it must not be.
    fn announced(&self, services: &Services) -> Vec<String> {
        let mut announced = services.announced();
        // SNS may have taken it without the function's hearing of it, or without the ledger's.
        let may_repeat = match self.call {
            Call::Publish => matches!(self.trouble, Trouble::AnswerLost),
            Call::Settle => true,
            Call::Read | Call::Describe | Call::Owe => false,
        };
        if may_repeat {
            announced.dedup();
        }
        announced
    }
}
