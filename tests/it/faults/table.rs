//! Every fault, put on every call: what the invocation answers.

use std::time::Duration;

use simulator::Fault;

use super::{
    cell::{Call, Cell, Memory, When},
    report::Report,
};
use crate::support::emulator::ministack;

/// What goes wrong.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// The connection, or what it carries. The service never hears of the call.
    Wire(Fault),
    /// The call takes effect, and then the connection is reset.
    AnswerLost,
    /// The first byte of the answer is late.
    Late(Duration),
    /// The service answers with an error: the status, and the code as WorkSpaces, SNS and DynamoDB call it.
    Error(u16, [&'static str; 3]),
    /// The service's clock is [hours ahead](super::clock::AHEAD), and it refuses signatures from any other time with these codes.
    Clock([&'static str; 3]),
    /// The service's endpoint is a wrong one.
    Endpoint(WrongEndpoint),
}

/// A wrong endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) enum WrongEndpoint {
    /// A host that has no address.
    NoSuchHost,
    /// A server with a certificate of an authority that the function does not trust.
    UntrustedCertificate,
    /// `https`, where nothing but plain HTTP is spoken.
    NoTls,
}

impl WrongEndpoint {
    /// What the error's message says of it.
    pub(super) fn said(self) -> &'static str {
        match self {
            Self::NoSuchHost => "failed to lookup address",
            Self::UntrustedCertificate => "UnknownIssuer",
            Self::NoTls => "InvalidContentType",
        }
    }
}

/// What the invocation that meets the fault answers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answers {
    /// As if nothing were wrong: the SDK has seen to it.
    Success,
    /// `Service.This`.
    Fails(&'static str),
    /// `Service.Code`, with the code that the service answered with.
    FailsWithItsCode,
    /// There is no such case.
    Nothing,
}

/// A fault, what an invocation answers whose first call meets it, and one whose every call does.
pub(super) struct Row(pub(super) &'static str, pub(super) Trouble, pub(super) Answers, pub(super) Answers);

#[rustfmt::skip] // one line a fault, as a table has it
pub(super) fn table_of_faults() -> Vec<Row> {
    use Answers::{Fails, FailsWithItsCode, Nothing, Success};
    use WrongEndpoint::{NoSuchHost, NoTls, UntrustedCertificate};
    use Trouble::{AnswerLost, Clock, Endpoint, Error, Late, Wire};
    vec![
        // The fault                       What goes wrong                                             On the first call  On every call
        Row("no first byte",               Wire(Fault::NoAnswer),                                      Success,           Fails("Timeout")),
        Row("slow body",                   Wire(Fault::SlowBody(Duration::from_mins(1))),              Success,           Fails("Timeout")),
        Row("first byte after 200 ms",     Late(Duration::from_millis(200)),                           Success,           Success),
        Row("connection reset",            Wire(Fault::Reset),                                         Success,           Fails("Unreachable")),
        Row("answer lost",                 AnswerLost,                                                 Success,           Fails("Unreachable")),
        Row("truncated body",              Wire(Fault::Truncated),                                     Success,           Fails("BadResponse")),
        Row("garbage body",                Wire(Fault::Garbage),                                       Fails("BadResponse"), Fails("BadResponse")),
        Row("429",                         Error(429, ["ThrottlingException", "Throttling", "ThrottlingException"]), Success, FailsWithItsCode),
        Row("500",                         Error(500, ["InternalFailure", "InternalError", "InternalServerError"]), Success, FailsWithItsCode),
        Row("503",                         Error(503, ["ServiceUnavailable"; 3]),                      Success,           FailsWithItsCode),
        Row("expired token",               Error(400, ["ExpiredTokenException", "ExpiredToken", "ExpiredTokenException"]), FailsWithItsCode, FailsWithItsCode),
        Row("clock skew",                  Clock(["InvalidSignatureException", "SignatureDoesNotMatch", "InvalidSignatureException"]), Success, Success),
        Row("no such host",                Endpoint(NoSuchHost),                                       Nothing,           Fails("Unreachable")),
        Row("untrusted certificate",       Endpoint(UntrustedCertificate),                             Nothing,           Fails("Unreachable")),
        Row("plain HTTP in place of TLS",  Endpoint(NoTls),                                            Nothing,           Fails("Unreachable")),
    ]
}

/// A call of every kind, and what the function remembers by meanwhile.
const CALLS: [(Call, Memory); 7] = [
    (Call::Describe, Memory::Ledger),
    (Call::Describe, Memory::Payload),
    (Call::Publish, Memory::Ledger),
    (Call::Publish, Memory::Payload),
    (Call::Read, Memory::Ledger),
    (Call::Owe, Memory::Ledger),
    (Call::Settle, Memory::Ledger),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_on_every_call() {
    let table = ministack().table().await;
    let mut report = Report::new("fault | service, call | memory | met by");
    for Row(fault, trouble, first_call, every_call) in table_of_faults() {
        for (call, memory) in CALLS {
            for (when, answers) in [(When::FirstCall, first_call), (When::EveryCall, every_call)] {
                let cell = Cell { call, memory, trouble: trouble.clone(), when, answers };
                if !cell.makes_sense() {
                    continue;
                }
                let row = format!("{fault} | {call} | {memory:?} | {when}");
                if cell.waits_for_long() {
                    report.run_at_once(row, cell.run(table.clone()));
                } else {
                    report.run(row, cell.run(table.clone()));
                }
            }
        }
    }
    report.print().await;
}
