//! All faults, and what an invocation returns if one of its calls meets them.

use std::time::Duration;

use fake_aws::Fault;

use super::{
    cell::{Call, Cell, Storage, When},
    report::Report,
};
use crate::support::emulator::ministack;

/// A fault that a test injects into calls.
#[derive(Clone, Debug)]
pub(super) enum InjectedFault {
    /// A fault of the connection. The call does not reach the service.
    Connection(Fault),
    /// The call takes effect, and then the connection is reset.
    ResponseLost,
    /// The call is delayed by this time.
    Delay(Duration),
    /// The service responds with this HTTP status and an error. The codes are those of WorkSpaces, SNS and DynamoDB.
    Error(u16, [&'static str; 3]),
    /// The service's clock is [hours ahead](super::clock::AHEAD), so it rejects the function's signatures with these
    /// codes.
    Clock([&'static str; 3]),
    /// The function is configured with a wrong endpoint.
    Endpoint(WrongEndpoint),
}

/// A wrong endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) enum WrongEndpoint {
    /// A host name that does not resolve.
    NoSuchHost,
    /// A server whose certificate the function does not trust.
    UntrustedCertificate,
    /// An `https` URL of a server that speaks only HTTP.
    NoTls,
}

impl WrongEndpoint {
    /// A part of the error message.
    pub(super) fn cause(self) -> &'static str {
        match self {
            Self::NoSuchHost => "failed to lookup address",
            Self::UntrustedCertificate => "UnknownIssuer",
            Self::NoTls => "InvalidContentType",
        }
    }
}

/// What the invocation that meets the fault returns.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected {
    /// A response without errors, because the SDK retries the call.
    Success,
    /// An error with this code.
    Fails(&'static str),
    /// An error with the code from the service.
    FailsWithServiceCode,
    /// The combination does not exist.
    NotApplicable,
}

/// The name of a fault, the fault, and the expected results if it hits the first call only and if it hits every call.
pub(super) struct Row(pub(super) &'static str, pub(super) InjectedFault, pub(super) Expected, pub(super) Expected);

#[rustfmt::skip] // one line for each fault, in columns
pub(super) fn table_of_faults() -> Vec<Row> {
    use Expected::{Fails, FailsWithServiceCode, NotApplicable, Success};
    use InjectedFault::{Clock, Connection, Delay, Endpoint, Error, ResponseLost};
    use WrongEndpoint::{NoSuchHost, NoTls, UntrustedCertificate};
    // The codes of WorkSpaces, SNS and DynamoDB.
    const THROTTLED: [&str; 3] = ["ThrottlingException", "Throttling", "ThrottlingException"];
    const INTERNAL: [&str; 3] = ["InternalFailure", "InternalError", "InternalServerError"];
    const EXPIRED: [&str; 3] = ["ExpiredTokenException", "ExpiredToken", "ExpiredTokenException"];
    const SKEWED: [&str; 3] = ["InvalidSignatureException", "SignatureDoesNotMatch", "InvalidSignatureException"];
    vec![
        //  Name                       Fault                                                 First call
        // Every call
        Row("no first byte",           Connection(Fault::NoAnswer),                          Success,                Fails("Timeout")),
        Row("slow body",               Connection(Fault::SlowBody(Duration::from_mins(1))),  Success,                Fails("Timeout")),
        Row("first byte after 200 ms", Delay(Duration::from_millis(200)),                    Success,                Success),
        Row("connection reset",        Connection(Fault::Reset),                             Success,                Fails("Unreachable")),
        Row("response lost",           ResponseLost,                                         Success,                Fails("Unreachable")),
        Row("truncated body",          Connection(Fault::Truncated),                         Success,                Fails("BadResponse")),
        Row("garbage body",            Connection(Fault::Garbage),                           Fails("BadResponse"),   Fails("BadResponse")),
        Row("endless body",            Connection(Fault::Endless),                           Success,                Fails("BadResponse")),
        Row("429",                     Error(429, THROTTLED),                                Success,                FailsWithServiceCode),
        Row("500",                     Error(500, INTERNAL),                                 Success,                FailsWithServiceCode),
        Row("503",                     Error(503, ["ServiceUnavailable"; 3]),                Success,                FailsWithServiceCode),
        Row("expired token",           Error(400, EXPIRED),                                  FailsWithServiceCode,   FailsWithServiceCode),
        Row("clock skew",              Clock(SKEWED),                                        Success,                Success),
        Row("no such host",            Endpoint(NoSuchHost),                                 NotApplicable,          Fails("Unreachable")),
        Row("untrusted certificate",   Endpoint(UntrustedCertificate),                       NotApplicable,          Fails("Unreachable")),
        Row("HTTP instead of HTTPS",   Endpoint(NoTls),                                      NotApplicable,          Fails("Unreachable")),
    ]
}

/// Every kind of call, and where the function keeps its checkpoints.
const CALLS: [(Call, Storage); 10] = [
    (Call::List, Storage::Ledger),
    (Call::List, Storage::Payload),
    (Call::Scan, Storage::Ledger),
    (Call::Describe, Storage::Ledger),
    (Call::Describe, Storage::Payload),
    (Call::Publish, Storage::Ledger),
    (Call::Publish, Storage::Payload),
    (Call::Read, Storage::Ledger),
    (Call::RecordOwed, Storage::Ledger),
    (Call::MarkPublished, Storage::Ledger),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_on_every_call() {
    let table = ministack().table().await;
    let mut report = Report::new("fault | service, call | checkpoints in | fault hits");
    for Row(name, fault, first_call, every_call) in table_of_faults() {
        for (call, storage) in CALLS {
            for (when, expected) in [(When::FirstCall, first_call), (When::EveryCall, every_call)] {
                let cell = Cell { call, storage, fault: fault.clone(), when, expected };
                if !cell.exists() {
                    continue;
                }
                let row = format!("{name} | {call} | {storage:?} | {when}");
                // Discovery would find the imports of the other tests in their table.
                let table = if call.discovers() { ministack().table().await } else { table.clone() };
                if cell.mostly_waits() {
                    report.run_now(row, cell.run(table));
                } else {
                    report.run(row, cell.run(table));
                }
            }
        }
    }
    report.print().await;
}
