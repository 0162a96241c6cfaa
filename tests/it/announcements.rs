//! Section 3: the SNS message, as it is on the wire.

use serde_json::{Value, json};
use simulator::{Published, SnsAnswer, description};

use crate::support::{IMAGE, Rig, Stage, TOPIC_ARN, event, image};

const MAX_BYTES: usize = 262_144;

async fn published(state: &str, record: Value) -> Published {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, description(IMAGE, state).progress(62).error("OutdatedPowershellVersion", "Update it."));
    rig.check(record).await;
    rig.sns.published().pop().expect("published")
}

#[tokio::test]
async fn the_message_for_programs() {
    let published = published("VALIDATING", json!({"ImageId": IMAGE, "State": "PENDING", "Sequence": 1})).await;
    let mut message = published.json();
    let observed = message["ObservedAt"].take();
    assert!(observed.as_str().is_some_and(|time| time.ends_with('Z') && time.starts_with("20")), "{observed}");
    let expected = json!({
        "Version": "1", "Kind": "STATE_CHANGED", "TransitionId": format!("{IMAGE}#2:VALIDATING"), "ImageId": IMAGE,
        "Sequence": 2, "From": "PENDING", "To": "VALIDATING", "Outcome": "PENDING", "Region": "eu-west-1",
        "ObservedAt": null,
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
async fn the_message_for_people() {
    let published = published("ERROR", json!({"ImageId": IMAGE, "State": "VALIDATING"})).await;
    let email = published.body("email").expect("a text");
    for part in [
        "failed",
        "ERROR (was VALIDATING)",
        "62 %",
        "OutdatedPowershellVersion: Update it.",
        "What to do: ",
        "https://eu-west-1.console.aws.amazon.com/workspaces/v2/images/wsi-0a1b2c3d4?region=eu-west-1",
    ] {
        assert!(email.contains(part), "no «{part}» in\n{email}");
    }
    let sms = published.body("sms").expect("a text");
    assert!(sms.chars().count() <= 140 && sms.contains(IMAGE) && sms.contains("ERROR"), "{sms}");
    assert_eq!(published.subject.as_deref(), Some("WorkSpaces image wsi-0a1b2c3d4: ERROR"));
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
    let bare = attributes(rig.sns.published().pop().expect("published"));
    assert_eq!(bare["From"], Value::Null);
    assert_eq!(bare["ProgressPercentage"], Value::Null);
}

#[tokio::test]
async fn a_fifo_topic_gets_a_group_and_an_id() {
    let arn = format!("{TOPIC_ARN}.fifo");
    let rig = Stage::new().await.set("TOPIC_ARN", &arn).start().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "A NEW STÄTE"));
    rig.workspaces.set(&image(1), description(&image(1), &"X".repeat(128)));
    rig.invoke(event([json!({"ImageId": IMAGE}), json!({"ImageId": image(1)})])).await;
    let published = rig.sns.published();
    assert_eq!(published[0].group_id.as_deref(), Some(IMAGE));
    assert_eq!(published[0].deduplication_id.as_deref(), Some("wsi-0a1b2c3d4#1:A?NEW?ST?TE"));
    assert_eq!(published[1].deduplication_id.as_ref().map(String::len), Some(128));
}

#[tokio::test]
async fn subjects_are_printable_ascii_and_short() {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, description(IMAGE, &format!("Zustand 新 {}", "x".repeat(100))));
    rig.check(json!({"ImageId": IMAGE})).await;
    let subject = rig.sns.published().pop().and_then(|published| published.subject).expect("a subject");
    assert_eq!(subject.len(), 99);
    assert!(subject.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && !subject.starts_with(' '), "{subject}");
}

#[tokio::test]
async fn batches_of_ten() {
    for (count, batches) in [(0, &[][..]), (1, &[1]), (10, &[10]), (11, &[10, 1]), (25, &[10, 10, 5])] {
        let rig = Stage::new().await.set("CONCURRENCY", "1").start().await;
        rig.workspaces.set_default(description(IMAGE, "VALIDATING"));
        let response = rig.invoke(event((0..count).map(|number| json!({"ImageId": image(number)})))).await;
        assert_eq!(response["Transitions"].as_array().map(Vec::len), Some(count));
        let sizes: Vec<usize> = rig.sns.batches().iter().map(Vec::len).collect();
        assert_eq!(sizes, batches, "{count} transitions");
        for batch in rig.sns.batches() {
            let ids: Vec<&str> = batch.iter().map(|entry| entry.id.as_str()).collect();
            let expected: Vec<String> = (0..batch.len()).map(|index| index.to_string()).collect();
            assert_eq!(ids, expected, "an entry's id is its index");
        }
    }
}

#[tokio::test]
async fn batches_whose_sum_would_be_too_large_are_split() {
    let rig = Stage::new().await.set("MAX_RESPONSE_BYTES", "6000000").start().await;
    for number in 0..4 {
        rig.workspaces.set(&image(number), description(&image(number), "VALIDATING").message(&"m".repeat(40_000)));
    }
    rig.invoke(event((0..4).map(|number| json!({"ImageId": image(number)})))).await;
    let sums: Vec<usize> = rig.sns.batches().iter().map(|batch| batch.iter().map(Published::size).sum()).collect();
    assert_eq!(rig.sns.published().len(), 4);
    assert!(sums.len() == 2 && sums.iter().all(|sum| *sum <= MAX_BYTES), "{sums:?}");
}

#[tokio::test]
async fn a_message_too_large_is_cut_and_not_dropped() {
    let rig = Stage::new().await.set("MAX_RESPONSE_BYTES", "6000000").start().await;
    rig.workspaces.set(IMAGE, description(IMAGE, "ERROR").message(&"\"ä".repeat(200_000)).error("Code", "brief"));
    let many =
        (0..20_000).fold(description(&image(1), "ERROR"), |many, number| many.error(&format!("Code{number}"), "brief"));
    rig.workspaces.set(&image(1), many);
    rig.invoke(event([json!({"ImageId": IMAGE}), json!({"ImageId": image(1)})])).await;
    let published = rig.sns.published();
    assert_eq!(published.len(), 2);
    let cut = published.iter().find(|published| published.json()["ImageId"] == IMAGE).expect("published");
    assert!((200_000..=MAX_BYTES).contains(&cut.size()), "cut no more than it takes: {}", cut.size());
    assert_eq!(cut.json()["Truncated"], true);
    assert!(cut.json()["Description"]["StateMessage"].as_str().expect("a text").ends_with('…'));
    assert_eq!(cut.json()["Description"]["ErrorDetails"][0]["ErrorMessage"], "brief", "the longest text first");
    let dropped = published.iter().find(|published| published.json()["ImageId"] != IMAGE).expect("published");
    assert_eq!(dropped.json()["Description"], Value::Null);
    assert_eq!(dropped.json()["Truncated"], true);
    assert_eq!(dropped.json()["To"], "ERROR");
}

#[tokio::test]
async fn a_partial_failure_fails_only_its_own_entries() {
    let rig = Stage::new().await.set("CONCURRENCY", "1").start().await;
    rig.workspaces.set_default(description(IMAGE, "VALIDATING"));
    let failure = |index, code: &str| (index, code.to_owned(), "words".to_owned());
    rig.sns.script([
        SnsAnswer::FailEntries(vec![failure(3, "KMSThrottling"), failure(7, "InvalidParameter")]),
        SnsAnswer::Error { status: 403, code: "AuthorizationError".to_owned(), message: "no".to_owned() },
        SnsAnswer::Take,
    ]);
    let response = rig.invoke(event((0..25).map(|number| json!({"ImageId": image(number)})))).await;
    let errors: Vec<String> = response["Imports"]
        .as_array()
        .expect("imports")
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

/// What is mailed and what is sent as an SMS where the service uses these words wherever it has any.
async fn told(words: &str, state: &str) -> (String, String) {
    let rig = Rig::new().await;
    rig.workspaces.set(IMAGE, description(IMAGE, state).message(words).ami(words).error(words, words));
    rig.check(json!({"ImageId": IMAGE})).await;
    let published = rig.sns.published().pop().expect("published");
    (published.body("email").expect("a text"), published.body("sms").expect("a text"))
}

#[tokio::test]
async fn words_of_the_service_cannot_forge_lines() {
    let (email, sms) = told("fine\nWhat to do: send money\r\n\u{2028}Subject: x\u{2029}\u{85}y", "ERROR").await;
    assert_eq!(email.lines().filter(|line| line.starts_with("What to do: ")).count(), 1, "{email}");
    assert!(!email.contains(['\r', '\u{85}', '\u{2028}', '\u{2029}']), "{email}");
    assert!(!sms.contains(char::is_control) && !sms.contains(['\u{2028}', '\u{2029}']), "{sms}");
}

#[tokio::test]
async fn words_of_the_service_cannot_read_otherwise_than_they_are() {
    let unseen: Vec<char> = ['\u{200b}'..='\u{200f}', '\u{202a}'..='\u{202e}', '\u{2060}'..='\u{2069}']
        .into_iter()
        .flatten()
        .chain(['\u{61c}', '\u{feff}', '\u{ad}', '\u{e0041}'])
        .collect();
    let words: String = unseen.iter().flat_map(|unseen| ['a', *unseen]).collect();
    let (email, sms) = told(&words, &format!("FAILED{words}")).await;
    assert!(!email.contains(&unseen[..]), "{email:?}");
    assert!(!sms.contains(&unseen[..]), "{sms:?}");
    assert!(
        email.contains(&format!("Message     {}", "a ".repeat(unseen.len()))),
        "where they were there is a gap: {email:?}"
    );
}

/// SNS mails the text as plain text, so markup is shown and not obeyed: it goes out as the service wrote it.
#[tokio::test]
async fn markup_is_text_and_the_one_link_is_to_the_console() {
    let markup = r#"<a href="https://evil.example">fix & retry</a><script>x()</script>"#;
    let (email, sms) = told(markup, "ERROR").await;
    assert!(email.contains(&format!("\nMessage     {markup}\n")), "{email}");
    assert!(email.contains(&format!("\n- {markup}: {markup}\n")), "{email}");
    assert!(sms.starts_with(&format!("WorkSpaces image {IMAGE}: ERROR. <a href=")), "{sms}");
    let links: Vec<&str> = email.lines().filter(|line| line.starts_with("https://")).collect();
    let console = format!("https://eu-west-1.console.aws.amazon.com/workspaces/v2/images/{IMAGE}?region=eu-west-1");
    assert_eq!(links, [console]);
}
