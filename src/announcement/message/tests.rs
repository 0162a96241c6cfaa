use serde_json::{Value, json, value::to_raw_value};

use super::*;

const IMAGE: &str = "wsi-0a1b2c3d4";

fn transition(kind: Kind, from: Option<&str>, to: &str) -> Transition {
    let state = |state| State::parse(state).expect("a state");
    Transition { kind, sequence: 7, from: from.map(state), to: state(to) }
}

fn message(transition: &Transition, description: &Value) -> Message {
    let description = to_raw_value(description).expect("JSON");
    let announcement = Announcement {
        image_id: IMAGE,
        transition,
        description: Some(&description),
        region: "eu-west-1",
        observed_at: "2026-01-07T12:12:31.250Z".parse().expect("a time"),
    };
    announcement.message()
}

fn protocol(message: &Message, protocol: &str) -> String {
    let texts: Value = serde_json::from_str(&message.body).expect("JSON");
    texts[protocol].as_str().expect("a text").to_owned()
}

/// Everything that subscribers get, for a snapshot.
fn shown(message: &Message) -> String {
    let default: Value = serde_json::from_str(&protocol(message, "default")).expect("JSON");
    let attributes: Vec<String> =
        message.attributes.iter().map(|a| format!("{}: {} ({})", a.name, a.value, a.data_type)).collect();
    format!(
        "Subject: {}\nGroup: {}\nDeduplication: {}\n{}\n\n-- sms\n{}\n\n-- email\n{}\n-- default\n{default:#}",
        message.subject,
        message.group_id,
        message.deduplication_id,
        attributes.join("\n"),
        protocol(message, "sms"),
        protocol(message, "email"),
    )
}

fn description(state: &str) -> Value {
    json!({
        "ImageId": IMAGE,
        "State": state,
        "StateMessage": "Running the validation",
        "ProgressPercentage": 62,
        "Created": "2026-01-07T09:00:00Z",
        "LastUpdatedTime": "2026-01-07T12:10:00Z",
        "ImageSource": {"Ec2ImageId": "ami-0123456789abcdef0"},
        "ImageBuilderInstanceId": "i-0123456789abcdef0",
    })
}

#[test]
fn an_import_that_goes_on() {
    insta::assert_snapshot!(shown(&message(
        &transition(Kind::StateChanged, Some("PENDING"), "VALIDATING"),
        &description("VALIDATING")
    )));
}

#[test]
fn an_import_that_failed() {
    let mut failed = description("ERROR");
    failed["ErrorDetails"] = json!([
        {"ErrorCode": "OutdatedPowershellVersion", "ErrorMessage": "PowerShell 4.0 or later is needed."},
        {"ErrorCode": "PendingReboot"},
        {},
    ]);
    insta::assert_snapshot!(shown(&message(&transition(Kind::StateChanged, Some("VALIDATING"), "ERROR"), &failed)));
}

#[test]
fn an_import_that_is_complete() {
    insta::assert_snapshot!(shown(&message(
        &transition(Kind::StateChanged, Some("PUBLISHING"), "COMPLETED"),
        &description("COMPLETED")
    )));
}

#[test]
fn an_import_that_stalls() {
    insta::assert_snapshot!(shown(&message(
        &transition(Kind::Stalled, Some("VALIDATING"), "VALIDATING"),
        &description("VALIDATING")
    )));
}

#[test]
fn an_image_that_is_gone() {
    insta::assert_snapshot!(shown(&message(
        &transition(Kind::StateChanged, None, "NOT_FOUND"),
        &description("VALIDATING")
    )));
}

#[test]
fn what_was_owed_names_the_state_of_then_and_of_now() {
    let owed = transition(Kind::StateChanged, Some("PENDING"), "VALIDATING");
    let email = protocol(&message(&owed, &description("PUBLISHING")), "email");
    assert!(email.contains("State       VALIDATING (was PENDING)\nBy now      PUBLISHING\n"), "{email}");
}

#[test]
fn a_description_of_another_form_is_passed_on() {
    let odd = message(&transition(Kind::StateChanged, None, "VALIDATING"), &json!({"State": 5, "Mine": [1]}));
    let default: Value = serde_json::from_str(&protocol(&odd, "default")).expect("JSON");
    assert_eq!(default["Description"], json!({"State": 5, "Mine": [1]}));
    assert!(protocol(&odd, "email").contains("VALIDATING"));
}

#[test]
fn the_longest_names_keep_to_the_limits() {
    let long = transition(Kind::Stalled, Some(&"Ü".repeat(128)), &"Ü".repeat(128));
    let description = to_raw_value(&description("VALIDATING")).expect("JSON");
    let id = format!("wsi-{}", "z".repeat(63));
    let announcement = Announcement {
        image_id: &id,
        transition: &long,
        description: Some(&description),
        region: "us-gov-west-1",
        observed_at: "2026-01-07T12:00:00Z".parse().expect("a time"),
    };
    let message = announcement.message();
    assert_eq!(message.subject.len(), 99);
    assert_eq!(protocol(&message, "sms").chars().count(), 140);
    assert_eq!(message.deduplication_id.len(), format!("{id}#7:STALLED").len());
    let email = protocol(&message, "email");
    assert!(
        email.contains("https://us-gov-west-1.console.amazonaws-us-gov.com/workspaces/v2/images/wsi-zzz"),
        "{email}"
    );
}

#[test]
fn the_link_leads_to_the_console_whatever_the_region_is_said_to_be() {
    let transition = transition(Kind::StateChanged, None, "VALIDATING");
    let link = |region| {
        let observed_at = "2026-01-07T12:00:00Z".parse().expect("a time");
        let announcement =
            Announcement { image_id: IMAGE, transition: &transition, description: None, region, observed_at };
        let email = protocol(&announcement.message(), "email");
        let links: Vec<String> = email.lines().filter(|line| line.starts_with("https://")).map(str::to_owned).collect();
        links.join(" ")
    };
    for (region, host) in [
        ("eu-west-1", "eu-west-1.console.aws.amazon.com"),
        ("cn-north-1", "cn-north-1.console.amazonaws.cn"),
        ("evil.example/#", "evilexample.console.aws.amazon.com"),
        ("user:word@evil.example?\nhttps://evil.example", "userwordevilexamplehttpsevilexample.console.aws.amazon.com"),
    ] {
        assert!(
            link(region).starts_with(&format!("https://{host}/workspaces/v2/images/{IMAGE}?region=")),
            "{}",
            link(region)
        );
    }
}

#[test]
fn a_message_at_the_limit_is_whole_and_one_byte_more_is_cut() {
    let transition = transition(Kind::StateChanged, None, "ERROR");
    let with = |length: usize| {
        let mut long = description("ERROR");
        long["StateMessage"] = json!("m".repeat(length));
        message(&transition, &long)
    };
    // A byte of the text is there twice: in `default` and in `email`.
    let room = (MAX_BYTES - with(0).size()) / 2;
    assert!(with(room).size() <= MAX_BYTES && !with(room).body.contains("Truncated"));
    let cut = with(room + 1);
    assert!(cut.size() <= MAX_BYTES && cut.body.contains("Truncated"));
    assert!(cut.size() > MAX_BYTES - 100, "cut no more than it takes: {}", cut.size());
}
