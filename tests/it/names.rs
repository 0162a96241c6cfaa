//! The name of an image: for people only (field `Name` of the contract).
//!
//! `cargo test --locked --test it names::`

use fake_aws::{Act, Proxy, Reply, SnsAnswer, description};
use serde_json::{Value, json};

use crate::support::{
    IMAGE, Rig, Setup,
    emulator::{Emulator, Table, dynalite, ministack, moto},
    event, imports, workspaces_error,
};

const NAME: &str = "windows-11-2026-01";

fn discover() -> Value {
    json!({"Discover": true})
}

#[tokio::test]
async fn the_name_in_an_event_is_in_the_response_and_in_every_message() {
    let rig = Setup::new().await.set("CHAT", "true").start().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "ERROR"));
    let response = rig.invoke(event([json!({"ImageId": IMAGE, "Name": NAME})])).await;
    assert_eq!((&imports(&response)[0]["Name"], &response["Transitions"][0]["Name"]), (&json!(NAME), &json!(NAME)));
    assert_eq!(imports(&rig.invoke(&response).await)[0]["Name"], NAME, "a response is the next event");
    let published = rig.sns.published().pop().expect("published");
    assert_eq!(published.json()["Name"], NAME);
    assert_eq!(published.subject.as_deref(), Some("ERROR: windows-11-2026-01 (wsi-0a1b2c3d4)"));
    for protocol in ["email", "sms", "https"] {
        let text = published.body(protocol).expect("a text");
        assert!(text.contains("windows-11-2026-01 (wsi-0a1b2c3d4)"), "{text}");
    }
    let line = rig.logged("transition announced").await.remove(0);
    assert_eq!(json!([line["ImageId"], line["Name"]]), json!([IMAGE, NAME]));
}

#[tokio::test]
async fn a_name_from_outside_is_cut_and_cannot_forge_lines() {
    let rig = Setup::new().await.set("CHAT", "true").start().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "ERROR"));
    let evil = format!("a\nWhat to do: <!channel>{}", "b".repeat(1_000));
    let record = rig.check(json!({"ImageId": IMAGE, "Name": evil})).await;
    let kept = record["Name"].as_str().expect("a name");
    assert!(kept.starts_with("a\nWhat to do: <!channel>b") && kept.ends_with('…'), "{kept}");
    assert_eq!(json!(kept).to_string().len(), 64 + "\"\"".len());
    let published = rig.sns.published().pop().expect("published");
    let email = published.body("email").expect("a text");
    assert_eq!(email.lines().filter(|line| line.starts_with("What to do: ")).count(), 1, "{email}");
    let chat: Value = serde_json::from_str(&published.body("https").expect("a text")).expect("JSON");
    assert!(!chat["content"].to_string().contains("<!channel>"), "{chat}");
    assert_eq!(published.json()["Name"], kept);

    for nothing in [json!(""), Value::Null] {
        assert_eq!(rig.check(json!({"ImageId": IMAGE, "Name": nothing})).await.get("Name"), None);
    }
    let error = rig.fail(event([json!({"ImageId": IMAGE, "Name": 7})])).await;
    assert_eq!(error.message, "Imports[0].Name: expected a string, got a number");
}

#[tokio::test]
async fn a_warning_about_an_import_has_its_name() {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, workspaces_error("AccessDeniedException", "Not you"));
    rig.fail(event([json!({"ImageId": IMAGE, "Name": NAME})])).await;
    let line = rig.logged("describe failed").await.remove(0);
    assert_eq!(json!([line["ImageId"], line["Name"]]), json!([IMAGE, NAME]));
}

/// A function with a ledger, its table, and the proxy between them.
async fn with_ledger(emulator: &Emulator) -> (Rig, Table, Proxy) {
    let table = emulator.table().await;
    let proxy = Proxy::start(&emulator.url).await.expect("the proxy starts");
    let setup = Setup::new().await.set("LEDGER_TABLE", &table.name);
    (setup.set("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url()).start().await, table, proxy)
}

#[tokio::test]
async fn the_ledger_keeps_the_name_that_discovery_saw() {
    for emulator in [ministack(), moto(), dynalite()] {
        let (rig, table, proxy) = with_ledger(emulator).await;
        rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
        rig.workspaces.set_name(IMAGE, NAME);
        assert_eq!(imports(&rig.invoke(discover()).await)[0]["Name"], NAME);
        assert_eq!(table.json(IMAGE).await.expect("an item")["Name"], NAME);
        assert_eq!(proxy.count("PutItem"), 2, "those of the announcement");
        rig.invoke(discover()).await;
        assert_eq!(proxy.count("PutItem"), 2, "nothing has changed");

        rig.workspaces.set_name(IMAGE, "renamed");
        rig.invoke(discover()).await;
        assert_eq!(table.json(IMAGE).await.expect("an item")["Name"], "renamed");
        assert_eq!(proxy.count("PutItem"), 3, "discovery saw another name");
        assert_eq!(rig.sns.published().len(), 1, "a name announces nothing");

        // It has left the list of images, and its name is still known.
        rig.workspaces.set(IMAGE, description(IMAGE, "COMPLETED"));
        let response = rig.invoke(discover()).await;
        assert_eq!(response["Transitions"][0]["Name"], "renamed");
        assert_eq!(rig.sns.published()[1].subject.as_deref(), Some("COMPLETED: renamed (wsi-0a1b2c3d4)"));
    }
}

#[tokio::test]
async fn the_event_counts_first_then_discovery_then_the_ledger() {
    let (rig, table, proxy) = with_ledger(ministack()).await;
    table.put(json!({"ImageId": IMAGE, "State": "VALIDATING", "Sequence": 1, "Name": "ledger"})).await;
    rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
    assert_eq!(rig.check(json!({"ImageId": IMAGE})).await["Name"], "ledger");
    assert_eq!(rig.check(json!({"ImageId": IMAGE, "Name": "event"})).await["Name"], "event");
    assert_eq!(proxy.count("PutItem"), 0, "the name of an event alone is not written");
    rig.workspaces.set_name(IMAGE, "listed");
    let both = json!({"Discover": true, "Imports": [{"ImageId": IMAGE, "Name": "event"}]});
    assert_eq!(imports(&rig.invoke(both).await)[0]["Name"], "event");
    let unnamed = json!({"Discover": true, "Imports": [{"ImageId": IMAGE}]});
    assert_eq!(imports(&rig.invoke(unnamed).await)[0]["Name"], "listed");
    assert_eq!(table.json(IMAGE).await.expect("an item")["Name"], "listed");
}

#[tokio::test]
async fn a_name_in_the_ledger_that_is_no_text_is_ignored() {
    let (rig, table, _proxy) = with_ledger(ministack()).await;
    for odd in [json!(7), json!({"a": 1}), Value::Null, json!("")] {
        table.put(json!({"ImageId": IMAGE, "State": "VALIDATING", "Sequence": 1, "Name": odd})).await;
        rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
        let record = rig.check(json!({"ImageId": IMAGE})).await;
        assert_eq!((record.get("Name"), record.get("CheckError")), (None, None), "{odd}");
    }
}

#[tokio::test]
async fn a_response_that_is_too_large_loses_names_and_nothing_that_the_next_check_needs() {
    let rig = Setup::new().await.set("MAX_RESPONSE_BYTES", "16384").start().await;
    rig.sns.script([SnsAnswer::Error { status: 503, code: "ServiceUnavailable".to_owned(), message: String::new() }]);
    let long = |number: usize| format!("wsi-{number:063}");
    let record = |number: usize| json!({"ImageId": long(number), "Name": "n".repeat(64), "State": "S".repeat(64)});
    for number in 0..32 {
        rig.workspaces.set(&long(number), description(&long(number), &"T".repeat(64)));
    }
    let (response, size) = rig.invoke_and_measure(event((0..32).map(record))).await;
    assert!(size <= 16_384, "{size}");
    assert_eq!(imports(&response).len(), 32);
    assert!(imports(&response).iter().any(|import| import["Name"].is_null()), "{response}");
    for (number, import) in imports(&response).iter().enumerate() {
        assert_eq!(import["ImageId"], long(number));
        assert!(import["State"].is_string(), "{import}");
    }
    assert_eq!(imports(&rig.invoke(response).await).len(), 32, "it can be the next event");
}

#[tokio::test]
async fn a_name_that_cannot_be_written_changes_nothing_else() {
    let (rig, table, proxy) = with_ledger(ministack()).await;
    rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
    rig.workspaces.set_name(IMAGE, NAME);
    rig.invoke(discover()).await;
    let item = table.json(IMAGE).await.expect("an item");

    rig.workspaces.set_name(IMAGE, "renamed");
    proxy.on(|operation, _| match operation {
        "PutItem" => Act::Reply(Reply::aws_error(400, "AccessDeniedException", "not authorized")),
        _ => Act::Forward,
    });
    let response = rig.invoke(discover()).await;
    assert_eq!(json!([imports(&response)[0]["Name"], imports(&response)[0]["CheckError"]]), json!(["renamed", null]));
    assert_eq!(rig.logged("ledger write failed").await[0]["Name"], "renamed");

    proxy.on(|_, _| Act::Forward);
    rig.invoke(discover()).await;
    let renamed = table.json(IMAGE).await.expect("an item");
    assert_eq!((&renamed["Name"], &renamed["Version"]), (&json!("renamed"), &item["Version"]));
}
