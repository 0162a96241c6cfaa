//! Errors of an invocation: when it fails, under which name, and how long it takes (section "Errors" of the contract).
//!
//! `cargo test --locked --test it errors::`

use std::time::{Duration, Instant};

use fake_aws::{Act, Answer, Fault, Proxy, Reply, SnsAnswer, description};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::support::{IMAGE, Rig, Setup, announced, event, image, imports, workspaces_error};

fn error(code: &str) -> Answer {
    workspaces_error(code, &format!("{code}, in words"))
}

/// An event with one record.
fn one() -> Value {
    json!({"Imports": [{"ImageId": IMAGE}]})
}

#[tokio::test]
async fn no_import_could_be_described() {
    let rig = Setup::new().await.two_attempts().start().await;
    for code in
        ["AccessDeniedException", "ThrottlingException", "com.amazonaws.workspaces#OperationNotSupportedException"]
    {
        rig.workspaces.set(IMAGE, error(code));
        let failure = rig.fail(one()).await;
        let name = code.rsplit('#').next().expect("a name");
        assert_eq!(failure.error_type, format!("WorkSpaces.{name}"));
        assert!(failure.message.contains("in words"), "{}", failure.message);
    }
}

#[tokio::test]
async fn the_first_error_in_the_order_of_the_event_is_named() {
    let rig = Rig::new().await;
    rig.workspaces.set(&image(0), Answer::After(Duration::from_millis(300), Box::new(error("SlowException"))));
    rig.workspaces.set(&image(1), error("FastException"));
    for _ in 0..3 {
        let failure = rig.fail(event([json!({"ImageId": image(0)}), json!({"ImageId": image(1)})])).await;
        assert_eq!(failure.error_type, "WorkSpaces.SlowException");
    }
}

#[tokio::test]
async fn one_successful_describe_is_enough() {
    let rig = Rig::new().await;
    rig.workspaces.set(&image(0), error("AccessDeniedException"));
    rig.workspaces.set(&image(1), Answer::NotFound);
    let response = rig.invoke(event([json!({"ImageId": image(0)}), json!({"ImageId": image(1)})])).await;
    assert_eq!(response["Imports"][0]["CheckError"]["Error"], "WorkSpaces.AccessDeniedException");
}

#[tokio::test]
async fn a_settled_record_makes_an_invocation_useful() {
    let rig = Rig::new().await;
    rig.workspaces.set_default(error("AccessDeniedException"));
    for settled in ["COMPLETED", "ERROR", "NOT_FOUND"] {
        let records = event([json!({"ImageId": image(1), "State": settled}), json!({"ImageId": IMAGE})]);
        let response = rig.invoke(records).await;
        assert_eq!(response["Imports"][1]["CheckError"]["Error"], "WorkSpaces.AccessDeniedException", "{settled}");
    }
    let pending = event([json!({"ImageId": image(1), "State": "PENDING"}), json!({"ImageId": IMAGE})]);
    assert_eq!(rig.fail(pending).await.error_type, "WorkSpaces.AccessDeniedException");
}

fn sns_error(status: u16, code: &str) -> SnsAnswer {
    SnsAnswer::Error { status, code: code.to_owned(), message: "in words".to_owned() }
}

#[tokio::test]
async fn a_permanent_error_of_the_topic_fails_the_invocation() {
    let rig = Rig::new().await;
    rig.workspaces.set_default(description(IMAGE, "VALIDATING"));
    for (status, code) in [
        (403, "AuthorizationError"),
        (404, "NotFound"),
        (400, "InvalidParameter"),
        (400, "ParameterValueInvalid"),
        (400, "ValidationException"),
        (403, "InvalidSecurity"),
        (403, "InvalidClientTokenId"),
        (403, "UnrecognizedClientException"),
        (403, "OptInRequired"),
        (400, "IncompleteSignature"),
        (400, "EndpointDisabled"),
        (400, "KMSAccessDenied"),
        (400, "KMSDisabled"),
        (400, "KMSInvalidState"),
        (400, "KMSNotFound"),
        (403, "KMSOptInRequired"),
    ] {
        rig.sns.set(sns_error(status, code));
        let failure = rig.fail(one()).await;
        assert_eq!(failure.error_type, format!("Sns.{code}"));
        assert_eq!(failure.message, "in words");
    }
    rig.sns.set(SnsAnswer::FailEntries(vec![(0, "KMSDisabled".to_owned(), "no key".to_owned())]));
    assert_eq!(rig.fail(one()).await.error_type, "Sns.KMSDisabled");
}

/// Without a ledger, only the response carries what was seen.
#[tokio::test]
async fn a_transient_error_of_the_topic_does_not_discard_what_was_seen() {
    let rig = Setup::new().await.two_attempts().start().await;
    rig.ready().await;
    rig.workspaces.set_default(description(IMAGE, "VALIDATING"));
    for (answer, name) in [
        (sns_error(400, "Throttled"), "Sns.Throttled"),
        (sns_error(400, "Throttling"), "Sns.Throttling"),
        (sns_error(400, "KMSThrottling"), "Sns.KMSThrottling"),
        (sns_error(429, "TooManyRequests"), "Sns.TooManyRequests"),
        (sns_error(500, "InternalError"), "Sns.InternalError"),
        (sns_error(503, "ServiceUnavailable"), "Sns.ServiceUnavailable"),
        (sns_error(408, "RequestTimeoutException"), "Sns.RequestTimeoutException"),
        (sns_error(400, "RequestTimeout"), "Sns.RequestTimeout"),
        (sns_error(400, "RequestAbortedException"), "Sns.RequestAbortedException"),
        (sns_error(400, "KMSThrottlingException"), "Sns.KMSThrottlingException"),
        (sns_error(400, "InternalFailure"), "Sns.InternalFailure"),
        (sns_error(400, "ServiceUnavailableException"), "Sns.ServiceUnavailableException"),
        (sns_error(400, "SlowDown"), "Sns.SlowDown"),
        (sns_error(409, "ConcurrentAccess"), "Sns.ConcurrentAccess"),
        (sns_error(403, "ExpiredToken"), "Sns.ExpiredToken"),
        (sns_error(403, "SignatureDoesNotMatch"), "Sns.SignatureDoesNotMatch"),
        (sns_error(403, "RequestTimeTooSkewed"), "Sns.RequestTimeTooSkewed"),
        (sns_error(400, "InvalidSignatureException"), "Sns.InvalidSignatureException"),
        (sns_error(400, "RequestExpired"), "Sns.RequestExpired"),
        (SnsAnswer::FailEntries(vec![(0, "InternalError".to_owned(), "in words".to_owned())]), "Sns.InternalError"),
        (SnsAnswer::FailEntries(vec![(0, "not a name".to_owned(), "in words".to_owned())]), "Sns.BadResponse"),
        (SnsAnswer::Fault(Fault::NoAnswer), "Sns.Timeout"),
        (SnsAnswer::Fault(Fault::Reset), "Sns.Unreachable"),
        (SnsAnswer::Fault(Fault::Garbage), "Sns.BadResponse"),
    ] {
        rig.sns.set(answer);
        let response = rig.try_invoke(one(), Duration::from_secs(3)).await.expect(name);
        let record = &response["Imports"][0];
        assert_eq!(record["CheckError"]["Error"], name);
        assert_eq!(record["Owed"]["To"], "VALIDATING", "{name}");
        assert_eq!(response["Transitions"], json!([]), "{name}");
    }
}

#[tokio::test]
async fn the_first_error_of_the_topic_decides() {
    let rig = Rig::new().await;
    rig.workspaces.set_default(description(IMAGE, "VALIDATING"));
    let fail = |first: &str, second: &str| {
        let entry = |index, code: &str| (index, code.to_owned(), "in words".to_owned());
        SnsAnswer::FailEntries(vec![entry(0, first), entry(1, second)])
    };
    let two = event([json!({"ImageId": image(0)}), json!({"ImageId": image(1)})]);
    rig.sns.set(fail("KMSDisabled", "InternalError"));
    assert_eq!(rig.fail(&two).await.error_type, "Sns.KMSDisabled");
    rig.sns.set(fail("InternalError", "KMSDisabled"));
    let response = rig.invoke(&two).await;
    for (record, name) in imports(&response).iter().zip(["Sns.InternalError", "Sns.KMSDisabled"]) {
        assert_eq!(json!([record["CheckError"]["Error"], record["Owed"]["To"]]), json!([name, "VALIDATING"]));
    }
}

#[tokio::test]
async fn a_call_has_at_most_ten_attempts() {
    let rig = Rig::new().await;
    rig.workspaces
        .set(IMAGE, Answer::Error { status: 503, code: "ServiceUnavailable".to_owned(), message: String::new() });
    let failure = rig.try_invoke(one(), Duration::from_secs(90)).await.expect_err("it stays unavailable");
    assert_eq!(failure.error_type, "WorkSpaces.ServiceUnavailable");
    assert!(failure.message.contains("ServiceUnavailable"), "a service without a message: {}", failure.message);
    assert_eq!(rig.workspaces.calls().len(), 10);
}

#[tokio::test]
async fn a_transient_error_is_retried() {
    let rig = Rig::new().await;
    let unavailable = Answer::Error { status: 503, code: "ServiceUnavailable".to_owned(), message: String::new() };
    for transient in [error("ThrottlingException"), unavailable, Fault::Reset.into()] {
        rig.workspaces.script(IMAGE, [transient.clone(), description(IMAGE, "PENDING").into()]);
        let record = rig.check(json!({"ImageId": IMAGE, "State": "PENDING"})).await;
        assert_eq!(record["CheckError"], Value::Null, "{transient:?}");
    }
}

#[tokio::test]
async fn calls_without_a_usable_response() {
    let rig = Setup::new().await.two_attempts().start().await;
    rig.ready().await;
    for (fault, name) in [
        (Fault::NoAnswer, "WorkSpaces.Timeout"),
        (Fault::SlowBody(Duration::from_mins(1)), "WorkSpaces.Timeout"),
        (Fault::Reset, "WorkSpaces.Unreachable"),
        (Fault::Garbage, "WorkSpaces.BadResponse"),
        (Fault::Truncated, "WorkSpaces.BadResponse"),
    ] {
        rig.workspaces.set(IMAGE, fault.clone());
        let failure = rig.try_invoke(one(), Duration::from_secs(5)).await.expect_err("no import could be described");
        assert_eq!(failure.error_type, name, "{fault:?}: {}", failure.message);
    }
}

/// The SDK's retries of a throttled call take longer than the time that is left.
#[tokio::test]
async fn a_throttled_call_is_not_reported_as_a_timeout() {
    let rig = Rig::new().await;
    rig.ready().await;
    for number in 0..5 {
        rig.workspaces.set(&image(number), error("ThrottlingException"));
    }
    for (count, seconds) in [(1, 3), (5, 5), (5, 8)] {
        let records = event((0..count).map(|number| json!({"ImageId": image(number)})));
        let failure =
            rig.try_invoke(records, Duration::from_secs(seconds)).await.expect_err("no import could be described");
        assert_eq!(failure.error_type, "WorkSpaces.ThrottlingException");
        assert_eq!(failure.message, "ThrottlingException, in words");
    }
    let rig = Rig::new().await;
    rig.ready().await;
    rig.workspaces.set_default(description(IMAGE, "VALIDATING"));
    rig.sns.set(SnsAnswer::Error { status: 400, code: "KMSThrottling".to_owned(), message: "in words".to_owned() });
    let response = rig.try_invoke(one(), Duration::from_secs(3)).await.expect("a response");
    assert_eq!(response["Imports"][0]["CheckError"]["Error"], "Sns.KMSThrottling");
}

/// While WorkSpaces throttles, the SDK holds calls back. A call that it has not sent by the deadline did not fail.
#[tokio::test]
async fn a_call_that_was_held_back_is_unchecked() {
    let rig = Setup::new().await.set("CONCURRENCY", "64").start().await;
    rig.ready().await;
    rig.workspaces.set_default(description(IMAGE, "PENDING"));
    rig.workspaces.set_rate_limit(Some(2));
    let records = event((0..200).map(|number| json!({"ImageId": image(number), "State": "PENDING"})));
    let response = rig.try_invoke(records, Duration::from_secs(5)).await.expect("some imports were described");
    let unchecked = response["Unchecked"].as_u64().expect("a number");
    assert!(unchecked > 0, "nothing was held back");
    let errors: Vec<&Value> = imports(&response).iter().map(|record| &record["CheckError"]["Error"]).collect();
    assert!(errors.iter().all(|error| error.is_null() || *error == "WorkSpaces.ThrottlingException"), "{errors:?}");
    assert!(errors.iter().any(|error| !error.is_null()), "nothing was throttled");
}

#[tokio::test]
async fn an_unintelligible_response_is_a_bad_response() {
    let rig = Setup::new().await.two_attempts().start().await;
    let reply = fake_aws::Reply::Http { status: 502, headers: Vec::new(), body: "<html>Bad gateway</html>".into() };
    rig.workspaces.set(IMAGE, Answer::Raw(reply.clone()));
    let failure = rig.fail(one()).await;
    assert_eq!(failure.error_type, "WorkSpaces.BadResponse", "{failure:?}");
    for state in [json!(5), json!({}), json!(""), json!("A\u{0}B"), json!(" A"), json!("\u{fc}"), json!("X".repeat(65))]
    {
        rig.workspaces.set(IMAGE, json!({"ImageId": IMAGE, "State": state}));
        assert_eq!(rig.fail(one()).await.error_type, "WorkSpaces.BadResponse", "{state}");
    }
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, Answer::Raw(reply));
    let failure =
        rig.try_invoke(one(), Duration::from_secs(2)).await.expect_err("the deadline comes before the last retry");
    assert_eq!(failure.error_type, "WorkSpaces.BadResponse", "{failure:?}");
}

/// The state counts, so an optional member that cannot be read is left out.
#[tokio::test]
async fn a_member_that_cannot_be_read_does_not_hide_the_state() {
    let rig = Rig::new().await;
    let whole = r#""ImageId": "wsi-0a1b2c3d4", "State": "VALIDATING", "ImageBuilderInstanceId": "i-1""#;
    let expected = json!({"ImageId": IMAGE, "State": "VALIDATING", "ImageBuilderInstanceId": "i-1"});
    for member in [
        r#""ProgressPercentage": 62.0"#,
        r#""ProgressPercentage": 62.4"#,
        r#""ProgressPercentage": {}"#,
        r#""ProgressPercentage": "62""#,
        r#""ProgressPercentage": 99999999999"#,
        r#""StateMessage": "\ud800""#,
        r#""StateMessage": 5"#,
        r#""StateMessage": ["a"]"#,
        r#""InfrastructureConfigurationArn": true"#,
        r#""Created": "yesterday""#,
        r#""Created": 1e999"#,
        r#""LastUpdatedTime": {"a": [1]}"#,
        r#""ImageSource": "ami-1""#,
        r#""ImageSource": {"Ec2ImageId": 5}"#,
        r#""ImageSource": {"Ec2ImageId": "ami-1", "Ec2ImportTaskId": "import-1"}"#,
        r#""ErrorDetails": {}"#,
        r#""ErrorDetails": "none""#,
    ] {
        for body in [format!("{{{member}, {whole}}}"), format!("{{{whole}, {member}}}")] {
            rig.workspaces.set(IMAGE, with_body(body.clone().into_bytes()));
            let record = rig.check(json!({"ImageId": IMAGE})).await;
            assert_eq!(record["CheckError"], Value::Null, "{body}");
            assert_eq!((&record["State"], &record["Description"]), (&json!("VALIDATING"), &expected), "{body}");
        }
    }
    assert!(announced(&rig.sns).iter().all(|id| id == "wsi-0a1b2c3d4#1:VALIDATING"));

    let body = r#"{"State": "ERROR", "Created": 0.5, "LastUpdatedTime": "now", "ProgressPercentage": 5, "StateMessage": "ok",
        "ImageSource": {"Ec2ImportTaskId": "import-1"}, "ErrorDetails": [
            {"ErrorCode": "A", "ErrorMessage": "\udc00"}, 5, null, {"ErrorCode": {}, "ErrorMessage": "b"}]}"#;
    rig.workspaces.set(IMAGE, with_body(body.as_bytes().to_vec()));
    let record = rig.check(json!({"ImageId": IMAGE})).await;
    let readable = json!({
        "State": "ERROR", "Created": "1970-01-01T00:00:00.500Z", "ProgressPercentage": 5, "StateMessage": "ok",
        "ImageSource": {"Ec2ImportTaskId": "import-1"}, "ErrorDetails": [{"ErrorCode": "A"}, {"ErrorMessage": "b"}],
    });
    assert_eq!(record["Description"], readable);

    // Text that is not UTF-8.
    rig.workspaces.set(IMAGE, with_body(b"{\"State\": \"PENDING\", \"StateMessage\": \"a\xff\"}".to_vec()));
    assert_eq!(rig.check(json!({"ImageId": IMAGE})).await["Description"]["State"], "PENDING");

    for state in ["5", "{}", r#""\ud800""#, r#""""#, "[\"PENDING\"]"] {
        let body = format!(r#"{{"State": {state}, "ProgressPercentage": 62.0}}"#);
        rig.workspaces.set(IMAGE, with_body(body.into_bytes()));
        assert_eq!(rig.fail(one()).await.error_type, "WorkSpaces.BadResponse", "{state}");
    }
}

fn with_body(body: Vec<u8>) -> Answer {
    let headers = vec![("content-type".to_owned(), "application/x-amz-json-1.1".to_owned())];
    Answer::Raw(Reply::Http { status: 200, headers, body: body.into() })
}

/// A gateway, a proxy or a firewall answers instead of the service.
#[tokio::test]
async fn the_cause_names_the_status_of_an_answer_that_is_not_the_services() {
    let ledger = Proxy::start("http://127.0.0.1:9").await.expect("the proxy starts");
    let stage = Setup::new().await.set("LEDGER_TABLE", "ledger").set("AWS_ENDPOINT_URL_DYNAMODB", &ledger.url());
    let with_ledger = stage.start().await;
    let rig = Rig::new().await;
    for status in [302, 403, 404, 413, 501, 503] {
        for (kind, body) in [
            ("text/html", "<html><head><title>No</title></head><body><hr>gateway</body></html>"),
            ("text/html", "<!DOCTYPE html><p>no<br>"),
            ("text/plain", "no"),
            ("application/json", "[]"),
            ("application/json", r#"{"reason": "no"}"#),
            ("application/json", ""),
        ] {
            let headers = vec![("content-type".to_owned(), kind.to_owned())];
            let reply = Reply::Http { status, headers, body: body.into() };
            let expected = format!("HTTP status {status}, and the body could not be understood");
            let check = |cause: &str| assert!(cause.starts_with(&expected), "{status} {body}: {cause}");

            rig.workspaces.set(IMAGE, Answer::Raw(reply.clone()));
            let failure = rig.try_invoke(one(), Duration::from_secs(1)).await.expect_err("no description");
            assert_eq!(failure.error_type, "WorkSpaces.BadResponse");
            check(&failure.message);

            rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
            rig.sns.set(SnsAnswer::Raw(reply.clone()));
            let response = rig.try_invoke(one(), Duration::from_secs(1)).await.expect("a transient error");
            let error = &response["Imports"][0]["CheckError"];
            assert_eq!(error["Error"], "Sns.BadResponse");
            check(error["Cause"].as_str().expect("a text"));

            ledger.on(move |_, _| Act::Reply(reply.clone()));
            let failure = with_ledger.try_invoke(one(), Duration::from_secs(1)).await.expect_err("no ledger");
            assert_eq!(failure.error_type, "DynamoDb.BadResponse");
            check(&failure.message);
        }
    }
}

/// What is configured wrongly does not pass by itself, so nobody should wait for it.
#[tokio::test]
async fn a_request_that_cannot_be_sent_is_a_permanent_error() {
    for endpoint in ["127.0.0.1:9", "sns.eu-west-1.amazonaws.com", "ftp://127.0.0.1:9", "http://", "http://a b", "//x"]
    {
        let rig = Setup::new().await.set("AWS_ENDPOINT_URL_SNS", endpoint).start().await;
        rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
        let begun = Instant::now();
        let failure = rig.fail(one()).await;
        assert_eq!(failure.error_type, "Sns.Unreachable", "{endpoint}: {}", failure.message);
        assert!(begun.elapsed() < Duration::from_secs(2), "{endpoint}: it is tried again");
    }
}

/// Many calls at the same time get bodies that never end. The function reads a part of each.
#[tokio::test]
async fn a_body_without_an_end_is_a_bad_response() {
    let rig = Setup::new().await.set("CONCURRENCY", "64").start().await;
    rig.ready().await;
    rig.workspaces.set_default(Fault::Endless);
    let records = event((0..64).map(|number| json!({"ImageId": image(number)})));
    let failure = rig.try_invoke(records, Duration::from_secs(8)).await.expect_err("no description");
    assert_eq!(failure.error_type, "WorkSpaces.BadResponse", "{}", failure.message);
    assert!(failure.message.contains("HTTP status 200"), "{}", failure.message);
    assert!(failure.message.contains("limit"), "{}", failure.message);
    if cfg!(target_os = "linux") {
        let status = std::fs::read_to_string(format!("/proc/{}/status", rig.pid())).expect("the process runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB")).expect("a line");
        let peak: usize = peak.trim().parse().expect("a number");
        assert!(peak < 125_000, "{peak} kB");
    }
}

#[tokio::test]
async fn a_refused_connection_is_unreachable() {
    let rig = Setup::new().await.two_attempts().set("AWS_ENDPOINT_URL_WORKSPACES", "http://127.0.0.1:9").start().await;
    let failure = rig.fail(one()).await;
    assert_eq!(failure.error_type, "WorkSpaces.Unreachable");
    assert!(failure.message.contains("Connection refused"), "{}", failure.message);
    let rig = Setup::new().await.two_attempts().set("AWS_ENDPOINT_URL_SNS", "http://127.0.0.1:9").start().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
    assert_eq!(rig.invoke(one()).await["Imports"][0]["CheckError"]["Error"], "Sns.Unreachable");
}

/// A server accepts connections and stays silent: over TLS, the connection cannot be opened in time, and without TLS,
/// the attempt takes too long. Neither needs the time of the whole call.
#[tokio::test]
async fn an_attempt_without_an_answer_is_a_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = silent.local_addr().expect("an address");
    let failed = |scheme: &'static str| async move {
        let stage = Setup::new().await.set("CONNECT_IN_INIT", "false").set("AWS_MAX_ATTEMPTS", "1");
        let rig = stage.set("AWS_ENDPOINT_URL_WORKSPACES", &format!("{scheme}://{address}")).start().await;
        let failure = rig.fail(one()).await;
        assert_eq!(failure.error_type, "WorkSpaces.Timeout", "{scheme}");
        failure.message
    };
    let (connecting, answering) = tokio::join!(failed("https"), failed("http"));
    assert!(connecting.contains("the connection could not be opened in time"), "{connecting}");
    assert!(answering.contains("attempt"), "{answering}");
}

/// Something else listens at the endpoint, and answers without HTTP.
#[tokio::test]
async fn an_answer_that_is_not_http_is_a_bad_response() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(b"500 unrecognized command\r\n").await;
            open.push(stream);
        }
    });
    let stage = Setup::new().await.two_attempts().set("CONNECT_IN_INIT", "false");
    let rig = stage.set("AWS_ENDPOINT_URL_WORKSPACES", &url).start().await;
    assert_eq!(rig.fail(one()).await.error_type, "WorkSpaces.BadResponse");
}

#[tokio::test]
async fn a_two_second_outage_is_survived() {
    let rig = Rig::new().await;
    rig.ready().await;
    let outage = rig.workspaces.clone();
    for fault in [
        Fault::Reset.into(),
        Answer::Error { status: 503, code: "ServiceUnavailable".to_owned(), message: String::new() },
    ] {
        rig.workspaces.set(IMAGE, fault);
        let outage = outage.clone();
        let end = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(2)).await;
            outage.set(IMAGE, description(IMAGE, "PENDING"));
        });
        let event = json!({"Imports": [{"ImageId": IMAGE, "State": "PENDING"}]});
        let response = rig.try_invoke(event, Duration::from_secs(15)).await.expect("the outage is over");
        end.await.expect("done");
        assert_eq!(response["Imports"][0]["CheckError"], Value::Null);
    }
}

#[tokio::test]
async fn time_runs_out_before_anything_is_checked() {
    let rig = Rig::new().await;
    rig.ready().await;
    let started = Instant::now();
    let failure = rig.try_invoke(one(), Duration::from_millis(450)).await.expect_err("there is no time");
    assert_eq!(failure.error_type, "Deadline");
    assert!(failure.message.contains("timeout"), "{}", failure.message);
    assert!(started.elapsed() < Duration::from_millis(450), "it does not wait for the deadline");
    assert_eq!(announced(&rig.sns), [""; 0]);
}

#[tokio::test]
async fn the_deadline_error_says_what_took_the_time() {
    // The endpoint for credentials does not respond.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/credentials", silent.local_addr().expect("an address"));
    let stage = Setup::new().await.unset("AWS_ACCESS_KEY_ID").unset("AWS_SECRET_ACCESS_KEY").unset("AWS_SESSION_TOKEN");
    let rig = stage.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url).start().await;
    rig.ready().await;
    let failure = rig.try_invoke(one(), Duration::from_secs(2)).await.expect_err("no credentials");
    assert_eq!(failure.error_type, "Deadline");
    assert!(failure.message.contains("credentials"), "{}", failure.message);

    // WorkSpaces throttles, so the SDK holds the calls of the next invocation back.
    let rig = Setup::new().await.set("CONCURRENCY", "64").start().await;
    rig.ready().await;
    rig.workspaces.set_default(error("ThrottlingException"));
    let all = event((0..64).map(|number| json!({"ImageId": image(number)})));
    rig.try_invoke(all, Duration::from_secs(4)).await.expect_err("throttled");
    let mut failures = Vec::new();
    for _ in 0..5 {
        let failure = rig.try_invoke(one(), Duration::from_secs(2)).await.expect_err("throttled or held back");
        failures.push((failure.error_type, failure.message));
    }
    let held_back = |(name, message): &(String, String)| name == "Deadline" && message.contains("throttl");
    assert!(failures.iter().any(held_back), "{failures:?}");
}

#[tokio::test]
async fn the_response_leaves_a_margin_before_the_deadline() {
    let rig = Rig::new().await;
    rig.ready().await;
    rig.workspaces.set(IMAGE, Fault::NoAnswer);
    rig.workspaces.set(&image(1), description(&image(1), "PENDING"));
    let records = event([json!({"ImageId": IMAGE}), json!({"ImageId": image(1), "State": "PENDING"})]);
    for (seconds, margin) in [(2, 500), (14, 700)] {
        let started = Instant::now();
        rig.try_invoke(&records, Duration::from_secs(seconds)).await.expect("a response");
        let left = Duration::from_secs(seconds).saturating_sub(started.elapsed());
        assert!(left >= Duration::from_millis(margin), "{left:?} left of {seconds} s");
    }
}
