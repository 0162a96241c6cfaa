//! The self-test (section "Self-test" of the contract).
//!
//! `cargo test --locked --test it self_test::`

use fake_aws::{Act, Answer, Proxy, Reply, SnsAnswer, description};
use serde_json::{Value, json};

use crate::support::{
    IMAGE, Rig, Setup, TOPIC_ARN,
    emulator::{Emulator, Table, dynalite, ministack, moto},
    event, image, workspaces_error,
};

const ALL: [&str; 6] = ["DescribeImport", "ListImages", "WriteLedger", "ReadLedger", "ScanLedger", "Publish"];

/// A function with a ledger, its table, and the proxy between them.
struct WithLedger {
    rig: Rig,
    table: Table,
    proxy: Proxy,
}

impl WithLedger {
    async fn with(emulator: &Emulator) -> Self {
        let table = emulator.table().await;
        let proxy = Proxy::start(&emulator.url).await.expect("the proxy starts");
        let setup = Setup::new().await.set("LEDGER_TABLE", &table.name).set("CHAT", "true");
        let setup = setup.set("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url()).set("AWS_MAX_ATTEMPTS", "1");
        Self { rig: setup.start().await, table, proxy }
    }
}

fn names(report: &Value) -> Vec<&str> {
    report["Checks"].as_array().into_iter().flatten().map(|check| check["Name"].as_str().expect("a name")).collect()
}

fn failed(report: &Value) -> Vec<&Value> {
    report["Checks"].as_array().into_iter().flatten().filter(|check| check["Passed"] != true).collect()
}

#[tokio::test]
async fn a_function_that_works_passes() {
    for emulator in [ministack(), moto(), dynalite()] {
        let ledger = WithLedger::with(emulator).await;
        ledger.rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
        let report = ledger.rig.invoke(json!({"SelfTest": true})).await;
        assert_eq!((&report["Passed"], names(&report)), (&json!(true), ALL.to_vec()), "{report:#}");
        for check in report["Checks"].as_array().expect("a list") {
            assert!(check["Passed"] == true && check["Milliseconds"].is_u64(), "{check}");
            assert!(check["Error"].is_null() && check["Cause"].is_null() && check["Advice"].is_null(), "{check}");
        }

        let calls: Vec<String> = ledger.rig.workspaces.calls().into_iter().map(|call| call.image_id).collect();
        assert_eq!(calls, ["wsi-0000000000selftest"], "no import was described");
        assert_eq!(ledger.table.json("wsi-0000000000selftest").await, None, "the write was refused");
        assert_eq!(ledger.proxy.count("PutItem"), 1);
        assert_eq!(ledger.table.json(IMAGE).await, None);
        assert_eq!(ledger.rig.sns.published().len(), 1, "nothing but the test");
    }
}

/// Takes away one permission after another, and a table and a topic.
#[tokio::test]
async fn each_permission_that_is_missing_fails_its_check_and_no_other() {
    let ledger = WithLedger::with(moto()).await;
    let rig = &ledger.rig;
    let denied = || workspaces_error("AccessDeniedException", "User is not authorized to perform this.");
    let sns = |status, code: &str| SnsAnswer::Error { status, code: code.to_owned(), message: "no".to_owned() };
    let dynamodb = |operation: &'static str, code: &'static str| {
        ledger.proxy.on(move |called, _| match called {
            called if called == operation => Act::Reply(Reply::aws_error(400, code, "no")),
            _ => Act::Forward,
        });
    };
    for (check, error, advice) in [
        (
            "DescribeImport",
            "WorkSpaces.AccessDeniedException",
            "Allow workspaces:DescribeCustomWorkspaceImageImport in the function's role.",
        ),
        (
            "ListImages",
            "WorkSpaces.AccessDeniedException",
            "Allow workspaces:DescribeWorkspaceImages in the function's role.",
        ),
        ("WriteLedger", "DynamoDb.AccessDeniedException", "Allow dynamodb:PutItem in the function's role."),
        ("ReadLedger", "DynamoDb.AccessDeniedException", "Allow dynamodb:BatchGetItem in the function's role."),
        ("ScanLedger", "DynamoDb.AccessDeniedException", "Allow dynamodb:Scan in the function's role."),
        ("Publish", "Sns.AuthorizationError", "Allow sns:Publish in the function's role."),
        ("Publish", "Sns.KMSAccessDenied", "Allow the function's role to use the KMS key"),
        ("Publish", "Sns.NotFound", "Set TOPIC_ARN to the ARN of a topic that exists."),
        ("WriteLedger", "DynamoDb.ResourceNotFoundException", "Set LEDGER_TABLE to a table that exists"),
        ("Publish", "Sns.InternalError", "Repeat the self-test in a few minutes."),
    ] {
        rig.workspaces.set_default(Answer::NotFound);
        rig.workspaces.script_listing([None]);
        ledger.proxy.clear();
        match (check, error.split_once('.').expect("a service").1) {
            ("DescribeImport", _) => rig.workspaces.set_default(denied()),
            ("ListImages", _) => rig.workspaces.script_listing([Some(denied())]),
            ("WriteLedger", "ResourceNotFoundException") => dynamodb("PutItem", "ResourceNotFoundException"),
            ("WriteLedger", _) => dynamodb("PutItem", "AccessDeniedException"),
            ("ReadLedger", _) => dynamodb("BatchGetItem", "AccessDeniedException"),
            ("ScanLedger", _) => dynamodb("Scan", "AccessDeniedException"),
            (_, "InternalError") => rig.sns.script([sns(500, "InternalError")]),
            (_, code) => rig.sns.script([sns(403, code)]),
        }
        let report = rig.invoke(json!({"SelfTest": true})).await;
        let failed = failed(&report);
        assert_eq!((&report["Passed"], names(&report)), (&json!(false), ALL.to_vec()), "{report:#}");
        assert_eq!(failed.len(), 1, "{report:#}");
        println!("{:#}", failed[0]);
        assert_eq!((&failed[0]["Name"], &failed[0]["Error"]), (&json!(check), &json!(error)), "{report:#}");
        assert!(failed[0]["Advice"].as_str().is_some_and(|text| text.starts_with(advice)), "{report:#}");
        assert!(failed[0]["Cause"].as_str().is_some_and(|cause| cause.contains("no")), "{report:#}");
        let lines = rig.logged("a check of the self-test failed").await;
        assert_eq!((&lines[0]["Check"], &lines[0]["Error"]), (&json!(check), &json!(error)));
        rig.clear_log();
    }
}

#[tokio::test]
async fn without_a_ledger_or_discovery_their_checks_are_left_out() {
    let rig = Rig::new().await;
    rig.workspaces.script_listing([Some(workspaces_error("AccessDeniedException", "no"))]);
    let report = rig.invoke(json!({"SelfTest": true, "Discover": false})).await;
    assert_eq!((&report["Passed"], names(&report)), (&json!(true), vec!["DescribeImport", "Publish"]), "{report:#}");
    let report = rig.invoke(json!({"SelfTest": true, "Discover": true})).await;
    assert_eq!(names(&report), ["DescribeImport", "ListImages", "Publish"]);
    let advice = failed(&report)[0]["Advice"].as_str().expect("a text");
    assert!(advice.ends_with(r#"send {"SelfTest": true, "Discover": false}."#), "{advice}");
}

#[tokio::test]
async fn the_message_says_that_it_is_a_test_and_where_it_comes_from() {
    let rig = Setup::new().await.set("CHAT", "true").start().await;
    rig.invoke(json!({"SelfTest": true})).await;
    let published = rig.sns.published().pop().expect("published");
    let mut message = published.json();
    assert!(message["SentAt"].take().is_string(), "{message}");
    let expected = json!({
        "Version": "1", "Kind": "TEST", "Account": "123456789012", "Region": "eu-west-1",
        "FunctionName": "image-imports", "SentAt": null,
    });
    assert_eq!(message, expected);
    assert_eq!(json!(published.attributes), json!({"Kind": ["String", "TEST"]}));
    assert_eq!(published.subject.as_deref(), Some("TEST: announcements of WorkSpaces image imports"));
    let chat: Value = serde_json::from_str(&published.body("https").expect("a text")).expect("JSON");
    let texts =
        [published.body("email").expect("a text"), published.body("sms").expect("a text"), chat["content"].to_string()];
    for text in &texts {
        assert!(text.contains("Account 123456789012, Region eu-west-1"), "{text}");
    }
    for text in [&texts[0], &texts[2]] {
        assert!(text.contains("This is a test.") && text.contains("Function: image-imports"), "{text}");
        assert!(text.contains("Nothing until the function sees an image import."), "{text}");
    }
}

#[tokio::test]
async fn each_message_reaches_the_queue_of_a_fifo_topic() {
    let topic = ministack().topic(true).await;
    let queue = ministack().subscribe(&topic, Some(json!({"Kind": ["TEST"]}))).await;
    let rig = Setup::new().await.set("TOPIC_ARN", &topic).set("AWS_ENDPOINT_URL_SNS", &ministack().url).start().await;
    for _ in 0..2 {
        assert_eq!(rig.invoke(json!({"SelfTest": true})).await["Passed"], true);
    }
    let kinds: Vec<Value> = queue.announcements().await.iter().map(|message| message["Kind"].clone()).collect();
    assert_eq!(kinds, ["TEST", "TEST"]);
}

#[tokio::test]
async fn it_writes_no_metrics_and_does_not_disturb_checks() {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
    rig.invoke(json!({"SelfTest": true})).await;
    rig.logged("self-test finished").await;
    assert!(rig.log().iter().all(|line| line["_aws"].is_null()), "{:?}", rig.log());
    let response = rig.invoke(event([json!({"ImageId": IMAGE})])).await;
    assert_eq!(response["Transitions"][0]["TransitionId"], format!("{IMAGE}#1:VALIDATING"));
}

#[tokio::test]
async fn it_stands_alone() {
    let rig = Rig::new().await;
    let envelope = |detail: Value| json!({"detail-type": "x", "source": "y", "detail": detail});
    let report = rig.invoke(envelope(json!({"SelfTest": true}))).await;
    assert_eq!(report["Passed"], true);
    let error = rig.fail(report).await;
    assert_eq!(error.error_type, "InvalidEvent", "a workflow does not repeat the test");
    rig.workspaces.clear_calls();
    let (published, imports) = (rig.sns.published().len(), json!([{"ImageId": image(1)}]));
    for (wrong, message) in [
        (json!({"SelfTest": true, "Imports": imports}), "has both Imports and SelfTest"),
        (envelope(json!({"SelfTest": true, "Imports": []})), "detail: has both Imports and SelfTest"),
        (json!({"SelfTest": "true"}), "SelfTest: expected true or false, got a string"),
        (json!({"SelfTest": true, "Discover": 1}), "Discover: expected true or false, got a number"),
        (json!({"SelfTest": false}), r#"or {"SelfTest": true}"#),
        (
            json!({"SelfTest": true, "detail-type": "x", "source": "y", "detail": {"Discover": true}}),
            "the event has both SelfTest and detail",
        ),
    ] {
        let error = rig.fail(&wrong).await;
        assert_eq!(error.error_type, "InvalidEvent", "{wrong}");
        assert!(error.message.contains(message), "{wrong}: {}", error.message);
    }
    assert_eq!((rig.workspaces.calls().len(), rig.sns.published().len()), (0, published), "nothing was called");
    rig.workspaces.set(&image(1), description(&image(1), "VALIDATING"));
    let response = rig.invoke(json!({"SelfTest": false, "Imports": imports})).await;
    assert_eq!(response["Pending"], 1);
}

#[tokio::test]
async fn services_that_cannot_be_reached_do_not_fail_the_invocation() {
    let nowhere = "http://127.0.0.1:1";
    let setup = Setup::new().await.set("AWS_ENDPOINT_URL_WORKSPACES", nowhere).set("AWS_ENDPOINT_URL_SNS", nowhere);
    let rig = setup.set("TOPIC_ARN", TOPIC_ARN).set("AWS_MAX_ATTEMPTS", "1").start().await;
    let report = rig.invoke(json!({"SelfTest": true})).await;
    let errors: Vec<&Value> = failed(&report).iter().map(|check| &check["Error"]).collect();
    assert_eq!(errors, ["WorkSpaces.Unreachable", "WorkSpaces.Unreachable", "Sns.Unreachable"], "{report:#}");
    let advice = failed(&report)[0]["Advice"].as_str().expect("a text");
    assert!(advice.starts_with("Check that the function can reach the service"), "{advice}");
}
