//! The SNS messages that the function publishes: their texts, attributes, batches and limits (section "SNS message" of
//! the contract).
//!
//! `cargo test --locked --test it announcements::`

use std::{iter, time::Duration};

use fake_aws::{Act, Proxy, Published, Reply, Request, Sns, SnsAnswer, WorkSpaces, description};
use serde_json::{Value, json};

use crate::support::{IMAGE, Rig, Setup, TOPIC_ARN, event, image, imports};

/// The most bytes of one `PublishBatch` call: <https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html>
const MAX_BYTES: usize = 262_144 - 1_024;

/// Checks a record whose import is in this state, and returns the message about the transition.
async fn published(state: &str, record: Value) -> Published {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, description(IMAGE, state).progress(62).error("OutdatedPowershellVersion", "Update it."));
    rig.check(record).await;
    rig.sns.published().pop().expect("published")
}

#[tokio::test]
async fn the_message_for_programs_is_json() {
    let published = published("VALIDATING", json!({"ImageId": IMAGE, "State": "PENDING", "Sequence": 1})).await;
    let mut message = published.json();
    let observed = message["ObservedAt"].take();
    assert!(observed.as_str().is_some_and(|time| time.ends_with('Z') && time.starts_with("20")), "{observed}");
    let expected = json!({
        "Version": "1", "Kind": "STATE_CHANGED", "TransitionId": format!("{IMAGE}#2:VALIDATING"), "ImageId": IMAGE,
        "Sequence": 2, "From": "PENDING", "To": "VALIDATING", "Outcome": "PENDING", "Account": "123456789012",
        "Region": "eu-west-1", "ObservedAt": null,
        "Description": {
            "ImageId": IMAGE, "State": "VALIDATING", "ProgressPercentage": 62,
            "ErrorDetails": [{"ErrorCode": "OutdatedPowershellVersion", "ErrorMessage": "Update it."}],
        },
    });
    assert_eq!(message, expected);
    assert_eq!(published.topic_arn, TOPIC_ARN);
    assert_eq!(published.message_structure.as_deref(), Some("json"));
    assert_eq!(published.id, "0");
    assert_eq!(published.group_id, None, "a standard topic");
    assert_eq!(published.deduplication_id, None);
}

#[tokio::test]
async fn the_texts_for_email_and_sms() {
    let published = published("ERROR", json!({"ImageId": IMAGE, "State": "VALIDATING"})).await;
    let email = published.body("email").expect("a string");
    for part in [
        "failed. Its last known state was VALIDATING.\n",
        "\nProgress: 62%\n",
        "\n1. OutdatedPowershellVersion: Update it.\nRemedy: Windows PowerShell is too old. Install ",
        "\nhttps://docs.aws.amazon.com/workspaces/latest/adminguide/windows-images-common-errors.html\n",
        "\nWhat to do: ",
        "\nhttps://eu-west-1.console.aws.amazon.com/workspaces/v2/images/wsi-0a1b2c3d4?region=eu-west-1\n",
        "\nAccount 123456789012, Region eu-west-1\nAnnouncement wsi-0a1b2c3d4#1:ERROR ",
    ] {
        assert!(email.contains(part), "{part:?} is not in\n{email}");
    }
    let sms = published.body("sms").expect("a string");
    assert_eq!(sms, "ERROR: WorkSpaces image wsi-0a1b2c3d4, 62%. 1 error: OutdatedPowershellVersion");
    assert_eq!(published.subject.as_deref(), Some("ERROR: WorkSpaces image wsi-0a1b2c3d4"));
}

#[tokio::test]
async fn an_sms_has_at_most_140_characters_and_whole_error_codes() {
    let rig = Rig::new().await;
    let failed =
        (0..10).fold(description(IMAGE, "ERROR"), |failed, number| failed.error(&format!("Cöde{number}"), "m"));
    rig.workspaces.set(IMAGE, failed);
    rig.check(json!({"ImageId": IMAGE})).await;
    let sms = rig.sns.published().pop().expect("published").body("sms").expect("a string");
    assert!(
        sms.ends_with(". 10 errors: Cöde0, Cöde1, Cöde2, Cöde3, Cöde4, Cöde5, Cöde6, Cöde7, Cöde8, Cöde9"),
        "{sms}"
    );

    let failed = (0..10).fold(description(IMAGE, "ERROR"), |failed, _| failed.error(&"ö".repeat(40), "m"));
    rig.workspaces.set(IMAGE, failed);
    rig.check(json!({"ImageId": IMAGE})).await;
    let sms = rig.sns.published().pop().expect("published").body("sms").expect("a string");
    let codes = sms.matches(&"ö".repeat(40)).count();
    assert!(codes == 2 && sms.chars().filter(|char| *char == 'ö').count() == 80, "{sms}");
    assert!(sms.chars().count() <= 140, "{sms}");
}

#[tokio::test]
async fn the_email_estimates_the_time_left_of_an_import_under_way() {
    let rig = Rig::new().await;
    let hours_ago = |hours: f64| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        now.as_secs_f64() - hours * 3600.0
    };
    for (number, (state, progress, started, estimate)) in [
        ("VALIDATING", 50, hours_ago(2.0), Some("Estimated time left: about 2 h at the pace so far (50% in 2 h)\n")),
        ("VALIDATING", 4, hours_ago(2.0), None),
        ("VALIDATING", 5, hours_ago(2.0), Some("Estimated time left: about 1 d 14 h at the pace so far (5% in 2 h)\n")),
        ("VALIDATING", 50, hours_ago(73.0), None),
        ("COMPLETED", 50, hours_ago(2.0), None),
        ("ERROR", 50, hours_ago(2.0), None),
    ]
    .into_iter()
    .enumerate()
    {
        let image = image(number);
        rig.workspaces.set(&image, description(&image, state).progress(progress).created(started));
        rig.check(json!({"ImageId": image})).await;
        let published = rig.sns.published().pop().expect("published");
        let email = published.body("email").expect("a string");
        match estimate {
            Some(estimate) => assert!(email.contains(estimate), "{email}"),
            None => assert!(!email.contains("Estimated"), "{email}"),
        }
    }
}

#[tokio::test]
async fn the_remedies_of_a_failed_import() {
    let rig = Rig::new().await;
    let with_errors = |state| {
        let description = description(IMAGE, state).error("PENDINGREBOOT", "Restart it.");
        description.error("NotHeardOf", "Odd.").error("PENDINGREBOOT", "Restart it again.")
    };
    rig.workspaces.set(IMAGE, with_errors("VALIDATING"));
    let record = rig.check(json!({"ImageId": IMAGE})).await;
    assert_eq!(rig.sns.published()[0].json().get("Remedies"), None, "the service may have fixed the errors");

    rig.workspaces.set(IMAGE, with_errors("ERROR"));
    let record = rig.check(record).await;
    let published = rig.sns.published().pop().expect("published");
    let remedies = json!([{
        "ErrorCode": "PENDINGREBOOT",
        "Remedy": "Windows is waiting for a restart. Install all pending updates and restart Windows.",
        "Url": "https://docs.aws.amazon.com/workspaces/latest/adminguide/windows-images-common-errors.html",
    }]);
    assert_eq!(published.json()["Remedies"], remedies);
    let email = published.body("email").expect("a string");
    assert!(email.contains("\n2. NotHeardOf: Odd.\n\n3. "), "{email}");

    rig.workspaces.set(IMAGE, description(IMAGE, "ERROR").error("NotHeardOf", "Odd."));
    let mut moved_on = record;
    moved_on["State"] = json!("VALIDATING");
    rig.check(moved_on).await;
    let published = rig.sns.published().pop().expect("published");
    assert_eq!(published.json().get("Remedies"), None, "no code is known");
    let email = published.body("email").expect("a string");
    assert!(email.contains("\n1. NotHeardOf: Odd.\n\nWhat to do: "), "{email}");
    assert!(email.contains("\nCommon errors in the WorkSpaces guide:\nhttps://docs.aws.amazon.com/"), "{email}");
}

#[tokio::test]
async fn without_chat_https_subscribers_get_the_json() {
    for stage in [Setup::new().await, Setup::new().await.set("CHAT", "false"), Setup::new().await.set("CHAT", "")] {
        let rig = stage.start().await;
        rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
        rig.check(json!({"ImageId": IMAGE})).await;
        let published = rig.sns.published().pop().expect("published");
        let bodies: Value = serde_json::from_str(&published.message).expect("JSON");
        let protocols: Vec<&String> = bodies.as_object().expect("an object").keys().collect();
        assert_eq!(protocols, ["default", "email", "sms"]);
        assert_eq!(published.body("https"), published.body("default"));
    }
}

/// Checks a record with `CHAT` and returns the notifications about it.
async fn chat(imports: impl IntoIterator<Item = fake_aws::DescriptionBody>) -> Vec<Value> {
    let rig = Setup::new().await.set("CHAT", "true").start().await;
    let mut record = json!({"ImageId": IMAGE});
    for import in imports {
        rig.workspaces.set(IMAGE, import);
        record = rig.check(record).await;
    }
    let https = |published: &Published| published.body("https").expect("a string");
    rig.sns.published().iter().map(|published| serde_json::from_str(&https(published)).expect("JSON")).collect()
}

#[tokio::test]
async fn with_chat_https_subscribers_get_a_custom_notification() {
    let failed = description(IMAGE, "ERROR").progress(62).error("PendingReboot", "Restart it.").error("Odd", "Odd.");
    let notifications = chat([description(IMAGE, "VALIDATING"), failed]).await;
    let console = "https://eu-west-1.console.aws.amazon.com/workspaces/v2/images/wsi-0a1b2c3d4?region=eu-west-1";
    let guide = "https://docs.aws.amazon.com/workspaces/latest/adminguide/windows-images-common-errors.html";
    let expected = json!({
        "version": "1.0",
        "source": "custom",
        "id": "wsi-0a1b2c3d4#2:ERROR",
        "content": {
            "textType": "client-markdown",
            "title": "\u{274c} ERROR: WorkSpaces image wsi-0a1b2c3d4",
            "description": "The import of WorkSpaces image wsi-0a1b2c3d4 failed. Its last known state was VALIDATING.\n\n\
                Progress: 62%.\n\n\
                Errors that WorkSpaces reports:\n\n\
                \u{2022} PendingReboot: Restart it.\n\
                Remedy: Windows is waiting for a restart. Install all pending updates and restart Windows.\n\n\
                \u{2022} Odd: Odd.\n\n\
                Account 123456789012, Region eu-west-1\n\
                Announcement wsi-0a1b2c3d4#2:ERROR",
            "nextSteps": [
                "Fix the errors on the source machine, create a new image, and import it. If WorkSpaces kept the build \
                    instance, you can fix them there instead and retry the import on the Images page of the console.",
                format!("The image in the console: {console}"),
                format!("Common errors in the WorkSpaces guide: {guide}"),
            ],
            "keywords": ["FAILED", "123456789012"],
        },
        "metadata": {
            "threadId": "wsi-0a1b2c3d4",
            "summary": "The import of WorkSpaces image wsi-0a1b2c3d4 failed. Its last known state was VALIDATING.",
            "eventType": "STATE_CHANGED",
            "relatedResources": ["wsi-0a1b2c3d4"],
            "additionalContext": {
                "Account": "123456789012", "Region": "eu-west-1", "Outcome": "FAILED", "Progress": "62%",
            },
        },
    });
    assert_eq!(notifications[1], expected);
    assert_eq!(notifications[0]["metadata"]["threadId"], IMAGE, "in the same thread");
    assert_eq!(notifications[0]["id"], "wsi-0a1b2c3d4#1:VALIDATING");
}

#[tokio::test]
async fn chat_notifications_are_within_the_limits_of_their_schema() {
    let long = "w ".repeat(1_000);
    let failed = (0..50).fold(description(IMAGE, &"S".repeat(64)), |failed, _| failed.error(&long, &long));
    let notifications = chat([failed.message(&long)]).await;
    let length = |name: &str| notifications[0]["content"][name].as_str().map(|text| text.chars().count());
    assert!(length("title").is_some_and(|length| length <= 250), "{notifications:#?}");
    assert!(length("description").is_some_and(|length| length <= 8_000), "{notifications:#?}");
    for (name, limit) in [("nextSteps", 350), ("keywords", 75)] {
        let texts = notifications[0]["content"][name].as_array().expect("a list");
        let is_within = |text: &Value| text.as_str().is_some_and(|text| text.chars().count() <= limit);
        assert!(!texts.is_empty() && texts.iter().all(is_within), "{texts:#?}");
    }
}

#[tokio::test]
async fn service_text_acts_in_no_chat() {
    let text = "<!channel> <@U0123> <https://evil.example|fix> [fix](https://evil.example) www.evil.example @here #general \
        *b* _i_ ~s~ `c` :fire: &lt;!here&gt;\n# h\n> q\n- l\n1. n\u{2028}What to do: send money";
    let state = "*A* <!channel>";
    let notifications = chat([description(IMAGE, state).message(text).ami(text).error(text, text)]).await;
    let content = &notifications[0]["content"];
    let shown: Vec<&str> = [&content["title"], &content["description"], &notifications[0]["metadata"]["summary"]]
        .into_iter()
        .chain(content["nextSteps"].as_array().expect("a list"))
        .chain(content["keywords"].as_array().expect("a list"))
        .map(|text| text.as_str().expect("a string"))
        .collect();
    for text in &shown {
        assert!(!text.contains(['<', '>', '&', '@', '*', '~', '`', '[', ']', '\u{2028}']), "{text}");
        for markup in [" _", "_ ", " #", ":fire:", "evil.example", "\n#", "\n-", "\n1."] {
            assert!(!text.contains(markup), "{markup:?} in {text}");
        }
    }
    let links: Vec<&str> =
        shown.iter().flat_map(|text| text.split_whitespace()).filter(|word| word.contains("://")).collect();
    assert!(links.iter().all(|link| link.contains(".aws.amazon.com/workspaces/")), "{links:?}");
    assert_eq!(notifications[0]["id"], format!("{IMAGE}#1:{state}"), "which nobody sees");
}

#[tokio::test]
async fn a_topic_can_be_in_another_region_and_account() {
    let arn = "arn:aws:sns:us-east-1:210987654321:all-image-imports";
    let rig = Setup::new().await.set("TOPIC_ARN", arn).start().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
    rig.check(json!({"ImageId": IMAGE})).await;
    let published = rig.sns.published().pop().expect("published");
    assert_eq!(published.topic_arn, arn);
    assert_eq!(published.json()["Region"], "eu-west-1", "the Region of the import");
    assert_eq!(published.json()["Account"], "123456789012", "the account of the function");
    let signed = rig.sns.requests()[0].headers["authorization"].to_str().expect("text").to_owned();
    assert!(signed.contains("/us-east-1/sns/aws4_request"), "{signed}");
    let described = rig.workspaces.calls();
    assert_eq!(described.len(), 1);
}

#[tokio::test]
async fn the_attributes_for_filter_policies() {
    let attributes = |published: Published| json!(published.attributes);
    let with_from = published("VALIDATING", json!({"ImageId": IMAGE, "State": "PENDING"})).await;
    let expected = json!({
        "ImageId": ["String", IMAGE], "Kind": ["String", "STATE_CHANGED"], "From": ["String", "PENDING"],
        "To": ["String", "VALIDATING"], "Outcome": ["String", "PENDING"],
        "TransitionId": ["String", format!("{IMAGE}#1:VALIDATING")], "ProgressPercentage": ["Number", "62"],
    });
    assert_eq!(attributes(with_from), expected);

    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "VALIDATING"));
    rig.check(json!({"ImageId": IMAGE})).await;
    let without_from = attributes(rig.sns.published().pop().expect("published"));
    assert_eq!(without_from["From"], Value::Null);
    assert_eq!(without_from["ProgressPercentage"], Value::Null);
}

#[tokio::test]
async fn a_fifo_topic_gets_a_group_id_and_a_deduplication_id() {
    let arn = format!("{TOPIC_ARN}.fifo");
    let rig = Setup::new().await.set("TOPIC_ARN", &arn).start().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "A NEW STATE"));
    let long = format!("wsi-{}", "z".repeat(63));
    rig.workspaces.set(&long, description(&long, &"X".repeat(64)));
    rig.invoke(event([json!({"ImageId": IMAGE}), json!({"ImageId": long})])).await;
    let published = rig.sns.published();
    assert_eq!(published[0].group_id.as_deref(), Some(IMAGE));
    assert_eq!(published[0].deduplication_id.as_deref(), Some("wsi-0a1b2c3d4#1:A?NEW?STATE"));
    assert_eq!(published[1].deduplication_id.as_ref().map(String::len), Some(128));
}

#[tokio::test]
async fn subjects_are_printable_ascii_and_short() {
    let rig = Rig::new().await;
    let long = format!("wsi-{}", "z".repeat(63));
    rig.workspaces.set(&long, description(&long, &"x".repeat(64)));
    rig.check(json!({"ImageId": long})).await;
    let subject = rig.sns.published().pop().and_then(|published| published.subject).expect("a subject");
    assert_eq!(subject.len(), 99);
    assert!(subject.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && !subject.starts_with(' '), "{subject}");
}

#[tokio::test]
async fn a_batch_has_at_most_ten_entries() {
    for (count, batches) in [(0, &[][..]), (1, &[1]), (10, &[10]), (11, &[10, 1]), (25, &[10, 10, 5])] {
        let rig = Setup::new().await.set("CONCURRENCY", "1").start().await;
        rig.workspaces.set_default(description(IMAGE, "VALIDATING"));
        let response = rig.invoke(event((0..count).map(|number| json!({"ImageId": image(number)})))).await;
        assert_eq!(response["Transitions"].as_array().map(Vec::len), Some(count));
        let sizes: Vec<usize> = rig.sns.batches().iter().map(Vec::len).collect();
        assert_eq!(sizes, batches, "{count} transitions");
        for batch in rig.sns.batches() {
            let ids: Vec<&str> = batch.iter().map(|entry| entry.id.as_str()).collect();
            let expected: Vec<String> = (0..batch.len()).map(|index| index.to_string()).collect();
            assert_eq!(ids, expected, "the ID of an entry is its index");
        }
    }
}

#[tokio::test]
async fn batches_that_would_be_too_large_are_split() {
    let rig = Setup::new().await.set("MAX_RESPONSE_BYTES", "6000000").start().await;
    for number in 0..4 {
        rig.workspaces.set(&image(number), description(&image(number), "VALIDATING").message(&"m".repeat(40_000)));
    }
    rig.invoke(event((0..4).map(|number| json!({"ImageId": image(number)})))).await;
    let sums: Vec<usize> = rig.sns.batches().iter().map(|batch| batch.iter().map(Published::size).sum()).collect();
    assert_eq!(rig.sns.published().len(), 4);
    assert!(sums.len() == 2 && sums.iter().all(|sum| *sum <= MAX_BYTES), "{sums:?}");
}

#[tokio::test]
async fn a_message_that_is_too_large_is_truncated_and_not_dropped() {
    let rig = Setup::new().await.set("MAX_RESPONSE_BYTES", "6000000").start().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "ERROR").message(&"\"ä".repeat(200_000)).error("Code", "brief"));
    let many =
        (0..20_000).fold(description(&image(1), "ERROR"), |many, number| many.error(&format!("Code{number}"), "brief"));
    rig.workspaces.set(&image(1), many);
    rig.invoke(event([json!({"ImageId": IMAGE}), json!({"ImageId": image(1)})])).await;
    let published = rig.sns.published();
    assert_eq!(published.len(), 2);
    let cut = published.iter().find(|published| published.json()["ImageId"] == IMAGE).expect("published");
    assert!((200_000..=MAX_BYTES).contains(&cut.size()), "truncated by no more than needed: {}", cut.size());
    assert_eq!(cut.json()["Truncated"], true);
    assert!(cut.json()["Description"]["StateMessage"].as_str().expect("a string").ends_with('…'));
    assert_eq!(
        cut.json()["Description"]["ErrorDetails"][0]["ErrorMessage"],
        "brief",
        "the longest text is truncated first"
    );
    let dropped = published.iter().find(|published| published.json()["ImageId"] != IMAGE).expect("published");
    assert_eq!(dropped.json()["Description"], Value::Null);
    assert_eq!(dropped.json()["Truncated"], true);
    assert_eq!(dropped.json()["To"], "ERROR");
}

#[tokio::test]
async fn a_partial_failure_fails_only_its_own_entries() {
    let rig = Setup::new().await.set("CONCURRENCY", "1").start().await;
    rig.workspaces.set_default(description(IMAGE, "VALIDATING"));
    let failure = |index, code: &str| (index, code.to_owned(), "words".to_owned());
    let denied = SnsAnswer::Error { status: 403, code: "AuthorizationError".to_owned(), message: "no".to_owned() };
    let partial = SnsAnswer::FailEntries(vec![failure(3, "KMSThrottling"), failure(7, "InvalidParameter")]);
    // The second batch, and then each of its messages.
    rig.sns.script(iter::once(partial).chain(iter::repeat_n(denied, 11)));
    let response = rig.invoke(event((0..25).map(|number| json!({"ImageId": image(number)})))).await;
    let errors: Vec<String> = imports(&response)
        .iter()
        .map(|import| import["CheckError"]["Error"].as_str().unwrap_or("").to_owned())
        .collect();
    let mut expected = vec![String::new(); 25];
    expected[3] = "Sns.KMSThrottling".to_owned();
    expected[7] = "Sns.InvalidParameter".to_owned();
    expected[10..20].fill("Sns.AuthorizationError".to_owned());
    assert_eq!(errors, expected);
    assert_eq!(response["Transitions"].as_array().map(Vec::len), Some(13));
    assert_eq!(rig.sns.published().len(), 13);
}

/// Returns the email and the SMS about an import if the service returns this text in every field that has one.
async fn email_and_sms(text: &str, state: &str) -> (String, String) {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, description(IMAGE, state).message(text).ami(text).error(text, text));
    rig.check(json!({"ImageId": IMAGE})).await;
    let published = rig.sns.published().pop().expect("published");
    (published.body("email").expect("a string"), published.body("sms").expect("a string"))
}

#[tokio::test]
async fn service_text_cannot_forge_lines() {
    let (email, sms) =
        email_and_sms("fine\nWhat to do: send money\r\n\u{2028}Subject: x\u{2029}\u{85}y", "ERROR").await;
    assert_eq!(email.lines().filter(|line| line.starts_with("What to do: ")).count(), 1, "{email}");
    assert!(!email.contains(['\r', '\u{85}', '\u{2028}', '\u{2029}']), "{email}");
    assert!(!sms.contains(char::is_control) && !sms.contains(['\u{2028}', '\u{2029}']), "{sms}");
}

#[tokio::test]
async fn invisible_characters_in_service_text_are_replaced() {
    let invisible: Vec<char> =
        "\u{7f}\u{a0}\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{180e}\u{2003}\u{2800}\u{3164}\u{e000}\u{feff}\u{ffa0}\
        \u{fff9}\u{fffe}\u{ffff}\u{1d159}\u{e0041}\u{e01ef}\u{10ffff}"
            .chars()
            .chain(['\u{200b}'..='\u{200f}', '\u{202a}'..='\u{202e}', '\u{2060}'..='\u{2069}'].into_iter().flatten())
            .chain(['\u{fe00}'..='\u{fe0f}', '\u{e0100}'..='\u{e0103}'].into_iter().flatten())
            .collect();
    let text: String = invisible.iter().flat_map(|character| ['a', *character]).collect();
    let replaced = "a ".repeat(invisible.len());
    let (email, sms) = email_and_sms(&text, "FAILED").await;
    assert!(!email.contains(&invisible[..]), "{email:?}");
    assert!(!sms.contains(&invisible[..]), "{sms:?}");
    assert!(email.contains(&format!("WorkSpaces says: {replaced}")), "a space replaces each of them: {email:?}");
    let notifications = chat([description(IMAGE, "FAILED").message(&text)]).await;
    let shown = notifications[0]["content"]["description"].as_str().expect("a string");
    assert!(shown.contains(&format!("WorkSpaces says: {replaced}")), "{shown:?}");
}

/// SNS accepts a message that SQS then refuses, and nobody learns of it. The characters that SQS accepts:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>
#[tokio::test]
async fn sqs_accepts_every_character_of_every_text() {
    let accepted = |character| matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}');
    let text: String = ('\0'..='\u{ff}').chain("\u{fffd}\u{fffe}\u{ffff}\u{1fffe}\u{1ffff}".chars()).collect();
    let rig = Setup::new().await.set("CHAT", "true").start().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "ERROR").message(&text).ami(&text).error(&text, &text));
    rig.check(json!({"ImageId": IMAGE})).await;
    let published = rig.sns.published().pop().expect("published");
    for protocol in ["default", "email", "sms", "https"] {
        let sent = published.body(protocol).expect("a text");
        assert!(sent.chars().all(accepted), "{protocol}: {sent:?}");
    }
    assert!(published.message.chars().all(accepted), "{:?}", published.message);
    let description = &published.json()["Description"];
    let error = json!({"ErrorCode": text, "ErrorMessage": text});
    assert_eq!((&description["StateMessage"], &description["ErrorDetails"][0]), (&json!(text), &error), "unchanged");
}

/// SNS sends emails as plain text. Markup from the service is therefore harmless and stays as it is.
#[tokio::test]
async fn markup_is_plain_text_and_the_only_links_are_to_aws() {
    let markup = r#"<a href="https://evil.example">fix & retry</a><script>x()</script>"#;
    let (email, sms) = email_and_sms(markup, "ERROR").await;
    assert!(email.contains(&format!("\nWorkSpaces says: {markup}\n")), "{email}");
    assert!(email.contains(&format!("\n1. {markup}: {markup}\n")), "{email}");
    assert!(sms.starts_with(&format!("ERROR: WorkSpaces image {IMAGE}. 1 error: <a href=")), "{sms}");
    let links: Vec<&str> = email.lines().filter(|line| line.starts_with("https://")).collect();
    let guide = "https://docs.aws.amazon.com/workspaces/latest/adminguide/windows-images-common-errors.html";
    let console = format!("https://eu-west-1.console.aws.amazon.com/workspaces/v2/images/{IMAGE}?region=eu-west-1");
    assert_eq!(links, [&console, guide]);
}

/// SNS may reject a whole call because of one of its messages, or because it counts more bytes than the function does.
#[tokio::test]
async fn a_batch_that_is_rejected_is_sent_message_by_message() {
    for code in ["InvalidParameter", "ParameterValueInvalid", "ValidationException", "KMSInvalidState", "Unheard.Of"] {
        let (sns, count) = (Sns::start().await.expect("the simulator starts"), 12);
        let proxy = Proxy::start(&sns.url()).await.expect("the proxy starts");
        let bad = image(3);
        proxy.on(move |_, request| {
            let is_bad = String::from_utf8_lossy(&request.body).contains(&bad);
            if is_bad { Act::Reply(Reply::query_error(400, code, "not this one")) } else { Act::Forward }
        });
        let workspaces = WorkSpaces::start().await.expect("the simulator starts");
        workspaces.set_default(description(IMAGE, "VALIDATING"));
        let stage = Setup::with(workspaces, sns).set("AWS_ENDPOINT_URL_SNS", &proxy.url()).set("CONCURRENCY", "1");
        let rig = stage.start().await;
        let response = rig.invoke(event((0..count).map(|number| json!({"ImageId": image(number)})))).await;
        let failed: Vec<&Value> = imports(&response).iter().filter(|import| !import["CheckError"].is_null()).collect();
        assert_eq!(failed.len(), 1, "{code}: {failed:?}");
        assert_eq!(failed[0]["ImageId"], image(3));
        assert_eq!(failed[0]["CheckError"], json!({"Error": format!("Sns.{code}"), "Cause": "not this one"}));
        let sizes: Vec<usize> = rig.sns.batches().iter().map(Vec::len).collect();
        assert_eq!(sizes, [1, 1, 1, 1, 1, 1, 1, 1, 1, 2], "nine of the first ten, and the other batch as a whole");
    }
    let rig = Setup::new().await.set("CONCURRENCY", "1").start().await;
    rig.workspaces.set_default(description(IMAGE, "VALIDATING"));
    let message = "Too long".to_owned();
    rig.sns.script([SnsAnswer::Error { status: 400, code: "BatchRequestTooLong".to_owned(), message }]);
    let response = rig.invoke(event((0..3).map(|number| json!({"ImageId": image(number)})))).await;
    assert_eq!(response["Transitions"].as_array().map(Vec::len), Some(3));
    let sizes: Vec<usize> = rig.sns.batches().iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 1, 1]);
}

#[tokio::test]
async fn a_batch_with_a_transient_error_stays_together() {
    let rig = Rig::new().await;
    rig.workspaces.set_default(description(IMAGE, "VALIDATING"));
    rig.sns.set(SnsAnswer::Error { status: 400, code: "KMSThrottling".to_owned(), message: "slowly".to_owned() });
    let records = event((0..3).map(|number| json!({"ImageId": image(number)})));
    let response = rig.try_invoke(records, Duration::from_secs(4)).await.expect("what is owed is kept");
    assert!(imports(&response).iter().all(|import| import["CheckError"]["Error"] == "Sns.KMSThrottling"), "{response}");
    let entries = |request: &Request| String::from_utf8_lossy(&request.body).matches(".Subject=").count();
    assert!(rig.sns.requests().iter().filter(|request| request.operation() == "PublishBatch").all(|r| entries(r) == 3));
}
