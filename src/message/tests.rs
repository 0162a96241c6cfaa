use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};

use super::*;
use crate::import::{Announcement, CarriedDescription, CurrentState, ImageId, ImageName, Kind, State, Transition};

const IMAGE: &str = "wsi-0a1b2c3d4";

fn image() -> ImageId {
    ImageId::parse(IMAGE).expect("valid")
}

fn transition(kind: Kind, from: Option<&str>, to: &str) -> Transition {
    let state = |state| State::parse(state).expect("a state");
    Transition { kind, sequence: 7, from: from.map(state), to: state(to) }
}

fn origin() -> Origin {
    Origin::new("arn:aws:lambda:eu-west-1:123456789012:function:image-imports", "eu-west-1")
}

fn carried(description: &Value) -> CarriedDescription {
    CarriedDescription::from_json(to_raw_value(description).expect("JSON"))
}

/// A draft without a description, chat included.
fn draft<'a>(announcement: &'a Announcement, origin: &'a Origin) -> Draft<'a> {
    let observed_at = "2026-01-07T12:12:31.250Z".parse().expect("a time");
    Draft { announcement, description: None, current: None, truncated: false, origin, observed_at, chat: true }
}

/// The message about an image without a name for all protocols, chat included.
fn message(transition: &Transition, description: &Value) -> Message {
    message_about(None, transition, description)
}

/// The message about an image with a name.
fn named(transition: &Transition, description: &Value) -> Message {
    message_about(ImageName::new("windows-11-2026-01"), transition, description)
}

fn message_about(name: Option<ImageName>, transition: &Transition, description: &Value) -> Message {
    let (announcement, origin) = (Announcement::new(image(), name, transition.clone()), origin());
    Draft { description: Some(&carried(description)), ..draft(&announcement, &origin) }.message()
}

fn protocol(message: &Message, protocol: &str) -> String {
    let texts: Value = serde_json::from_str(&message.body).expect("JSON");
    texts[protocol].as_str().expect("a text").to_owned()
}

/// Everything that subscribers receive, for a snapshot.
fn shown(message: &Message) -> String {
    let json = |name| serde_json::from_str::<Value>(&protocol(message, name)).expect("JSON");
    let attributes: Vec<String> =
        message.attributes.iter().map(|a| format!("{}: {} ({})", a.name, a.value, a.data_type)).collect();
    format!(
        "Subject: {}\nGroup: {}\nDeduplication: {}\n{}\n\n-- sms\n{}\n\n-- email\n{}\n-- https\n{:#}\n\n-- default\n{:#}",
        message.subject,
        message.group_id,
        message.deduplication_id,
        attributes.join("\n"),
        protocol(message, "sms"),
        protocol(message, "email"),
        json("https"),
        json("default"),
    )
}

/// What WorkSpaces says about an import that started three hours ago.
fn description(state: &str) -> Value {
    json!({
        "ImageId": IMAGE,
        "State": state,
        "StateMessage": "Checking the operating system",
        "ProgressPercentage": 62,
        "Created": "2026-01-07T09:00:00Z",
        "LastUpdatedTime": "2026-01-07T12:10:00Z",
        "ImageSource": {"Ec2ImageId": "ami-0123456789abcdef0"},
        "ImageBuilderInstanceId": "i-0123456789abcdef0",
    })
}

fn failure(errors: Value) -> Message {
    let mut failed = description("ERROR");
    failed["StateMessage"] = json!("The image did not pass the checks");
    failed["ErrorDetails"] = errors;
    named(&transition(Kind::StateChanged, Some("VALIDATING"), "ERROR"), &failed)
}

fn default(message: &Message) -> Value {
    serde_json::from_str(&protocol(message, "default")).expect("JSON")
}

#[test]
fn a_pending_import() {
    insta::assert_snapshot!(shown(&named(
        &transition(Kind::StateChanged, Some("PENDING"), "VALIDATING"),
        &description("VALIDATING")
    )));
}

#[test]
fn a_failed_import() {
    insta::assert_snapshot!(shown(&failure(json!([
        {"ErrorCode": "PendingReboot", "ErrorMessage": "A pending reboot was detected."},
        {"ErrorCode": "DHCPDisabled"},
        {"ErrorCode": "ClockTooSlow", "ErrorMessage": "The clock is 40 minutes slow."},
    ]))));
}

#[test]
fn a_failed_import_without_details() {
    insta::assert_snapshot!(shown(&failure(json!([]))));
}

#[test]
fn an_import_with_an_error_that_may_be_fixed() {
    let mut pending = description("VALIDATING");
    pending["ErrorDetails"] =
        json!([{"ErrorCode": "AppXPackagesInstalled", "ErrorMessage": "Removing AppX packages."}]);
    insta::assert_snapshot!(shown(&named(&transition(Kind::StateChanged, Some("PENDING"), "VALIDATING"), &pending)));
}

#[test]
fn a_completed_import() {
    let mut completed = description("COMPLETED");
    completed["StateMessage"] = json!("The image is available");
    completed["ProgressPercentage"] = json!(100);
    insta::assert_snapshot!(shown(&named(
        &transition(Kind::StateChanged, Some("PUBLISHING"), "COMPLETED"),
        &completed
    )));
}

#[test]
fn a_stalled_import() {
    let mut stalled = description("VALIDATING");
    stalled["Created"] = json!("2026-01-07T04:40:00Z");
    stalled["LastUpdatedTime"] = json!("2026-01-07T06:10:00Z");
    insta::assert_snapshot!(shown(&named(&transition(Kind::Stalled, Some("VALIDATING"), "VALIDATING"), &stalled)));
}

#[test]
fn an_image_that_was_not_found() {
    insta::assert_snapshot!(shown(&named(
        &transition(Kind::StateChanged, Some("PENDING"), "NOT_FOUND"),
        &description("VALIDATING")
    )));
}

#[test]
fn the_remedies_of_known_codes_each_once_and_as_the_service_wrote_them() {
    let failed = failure(json!([
        {"ErrorCode": "pendingREBOOT"}, {"ErrorCode": "PendingReboot"}, {"ErrorCode": "AppXInstalled"},
        {"ErrorCode": "Unheard"}, {"ErrorMessage": "no code"}, {},
    ]));
    let guide = "https://docs.aws.amazon.com/workspaces/latest/adminguide";
    let expected = json!([
        {
            "ErrorCode": "pendingREBOOT",
            "Remedy": "Windows is waiting for a restart. Install all pending updates and restart Windows.",
            "Url": format!("{guide}/windows-images-common-errors.html"),
        },
        {
            "ErrorCode": "AppXInstalled",
            "Remedy": "AppX packages are installed that block Sysprep. If the import cannot remove them by itself, \
                remove them for all users with Remove-AppxPackage -AllUsers.",
            "Url": format!("{guide}/images-errors-sysprep.html"),
        },
    ]);
    assert_eq!(default(&failed)["Remedies"], expected);
    assert_eq!(default(&failure(json!([{"ErrorCode": "Unheard"}]))).get("Remedies"), None);
}

#[test]
fn only_an_announced_error_has_remedies() {
    let mut description = description("ERROR");
    description["ErrorDetails"] = json!([{"ErrorCode": "PendingReboot"}]);
    for (kind, to) in [
        (Kind::StateChanged, "VALIDATING"),
        (Kind::StateChanged, "COMPLETED"),
        (Kind::StateChanged, "NOT_FOUND"),
        (Kind::Stalled, "VALIDATING"),
    ] {
        assert_eq!(default(&message(&transition(kind, None, to), &description)).get("Remedies"), None, "{kind:?} {to}");
    }
}

#[test]
fn the_size_counts_the_body_and_each_attributes_name_type_and_value() {
    let attribute = |name, value: &str| Attribute { name, data_type: "String", value: value.to_owned() };
    let message = Message {
        subject: "not counted".to_owned(),
        body: "x".repeat(1000),
        attributes: vec![attribute("To", "ERROR"), attribute("Kind", "STALLED")],
        group_id: "not counted".to_owned(),
        deduplication_id: "not counted".to_owned(),
    };
    assert_eq!(message.size(), 1000 + (2 + 6 + 5) + (4 + 6 + 7));
}

#[test]
fn a_message_that_would_be_too_large_loses_its_remedies_first() {
    let transition = transition(Kind::StateChanged, None, "ERROR");
    let with = |length: usize| {
        let mut long = description("ERROR");
        long["StateMessage"] = json!("m".repeat(length));
        long["ErrorDetails"] = json!([{"ErrorCode": "PendingReboot", "ErrorMessage": "brief"}]);
        message(&transition, &long)
    };
    let room = 1000 + (MAX_BYTES - with(1000).size()) / 2;
    assert!(default(&with(room)).get("Remedies").is_some());
    let without = with(room + 1);
    assert!(without.size() <= MAX_BYTES && without.size() > MAX_BYTES - 1000, "{}", without.size());
    assert_eq!(default(&without).get("Remedies"), None);
    assert_eq!(default(&without).get("Truncated"), None);
    assert_eq!(default(&without)["Description"]["StateMessage"].as_str().map(str::len), Some(room + 1));
    assert!(!protocol(&without, "email").contains("Remedy: "));
    assert_eq!(default(&with(room + 1000))["Truncated"], true);
}

#[test]
fn a_description_that_was_cut_or_removed_before_is_truncated() {
    let truncated = |to: &str, description: Option<&CarriedDescription>| {
        let transition = transition(Kind::StateChanged, Some("VALIDATING"), to);
        let (announcement, origin) = (Announcement::new(image(), None, transition), origin());
        let draft = Draft { description, truncated: true, ..draft(&announcement, &origin) };
        default(&draft.message())["Truncated"].clone()
    };
    let cut = carried(&description("ERROR"));
    assert_eq!(truncated("ERROR", Some(&cut)), true);
    assert_eq!(truncated("ERROR", None), true);
    assert_eq!(truncated("NOT_FOUND", Some(&cut)), Value::Null, "such a message never has a description");
}

#[test]
fn the_account_is_left_out_if_it_is_not_known() {
    let announcement = Announcement::new(image(), None, transition(Kind::StateChanged, None, "VALIDATING"));
    let message = draft(&announcement, &Origin::new("", "eu-west-1")).message();
    assert_eq!(default(&message).get("Account"), None);
    assert!(protocol(&message, "email").contains("\nRegion eu-west-1\n"));
    let chat = chat(&message);
    assert_eq!(chat["content"]["keywords"], json!(["PENDING"]));
    assert_eq!(chat["metadata"]["additionalContext"], json!({"Outcome": "PENDING", "Region": "eu-west-1"}));
}

#[test]
fn the_time_left_is_estimated_only_while_the_import_is_under_way() {
    let estimated = |kind, to: &str, description: &Value| {
        let message = message(&transition(kind, None, to), description);
        let texts = [protocol(&message, "email"), protocol(&message, "https")];
        let estimates =
            texts.map(|text| text.contains("Estimated time left: about 2 h at the pace so far (62% in 3 h 12 min)"));
        let sms = protocol(&message, "sms").ends_with(", 62%, about 2 h left");
        assert!(estimates == [sms; 2], "{message:?}");
        sms
    };
    assert!(estimated(Kind::StateChanged, "VALIDATING", &description("VALIDATING")));
    assert!(!estimated(Kind::Stalled, "VALIDATING", &description("VALIDATING")));
    assert!(!estimated(Kind::StateChanged, "ERROR", &description("ERROR")));
    assert!(!estimated(Kind::StateChanged, "VALIDATING", &description("COMPLETED")), "it has settled by now");
    let mut started_now = description("VALIDATING");
    started_now["Created"] = json!("2026-01-07T12:12:31Z");
    assert!(!estimated(Kind::StateChanged, "VALIDATING", &started_now));
}

fn chat(message: &Message) -> Value {
    serde_json::from_str(&protocol(message, "https")).expect("JSON")
}

#[test]
fn a_chat_notification_is_short() {
    let long = "w".repeat(1_000);
    let errors: Vec<Value> = (0..100).map(|_| json!({"ErrorCode": long, "ErrorMessage": long})).collect();
    let mut description = description("VALIDATING");
    description["StateMessage"] = json!(long);
    description["State"] = json!(long);
    description["ErrorDetails"] = json!(errors);
    let state = "S".repeat(64);
    let chat = chat(&message(&transition(Kind::Stalled, Some(&state), &state), &description));
    let content = &chat["content"];
    let chars = |text: &Value| text.as_str().expect("a string").chars().count();
    assert!(chars(&content["title"]) <= 250, "{content:#}");
    assert!(chars(&content["description"]) <= 8_000, "{}", chars(&content["description"]));
    let description = content["description"].as_str().expect("a string");
    assert!(description.contains("\n\nAnd 95 more.\n\n"), "{description}");
    assert!(description.ends_with(&format!("Announcement {IMAGE}#7:STALLED")), "{description}");
    let (steps, keywords) = (list(&content["nextSteps"]), list(&content["keywords"]));
    assert!(steps.len() <= 4 && steps.iter().all(|step| chars(step) <= 350), "{content:#}");
    assert!(keywords.len() <= 2 && keywords.iter().all(|keyword| chars(keyword) <= 75), "{content:#}");
}

#[test]
fn the_next_steps_of_a_chat_notification_are_short_in_a_region_with_a_long_name() {
    let announcement = Announcement::new(image(), None, transition(Kind::StateChanged, None, "ERROR"));
    let chat = chat(&draft(&announcement, &Origin::new("", &"r".repeat(400))).message());
    let steps = list(&chat["content"]["nextSteps"]);
    assert_eq!(steps.iter().map(|step| step.as_str().map_or(0, |step| step.chars().count())).max(), Some(350));
}

fn list(list: &Value) -> &[Value] {
    list.as_array().expect("a list")
}

#[test]
fn an_empty_error_code_reads_as_no_code() {
    let failed = failure(json!([
        {"ErrorCode": "", "ErrorMessage": "The disk is full."}, {"ErrorCode": " ", "ErrorMessage": ""}, {"ErrorCode": "A", "ErrorMessage": " "},
    ]));
    let email = protocol(&failed, "email");
    assert!(email.contains("\n1. (no code): The disk is full.\n\n2. (no code)\n\n3. A\n\n"), "{email}");
    assert!(protocol(&failed, "sms").ends_with(". 3 errors: A"), "{}", protocol(&failed, "sms"));
}

#[test]
fn an_sms_has_as_many_whole_error_codes_as_fit() {
    for length in 1..=100 {
        let code = "c".repeat(length);
        let errors: Vec<Value> = (0..9).map(|_| json!({"ErrorCode": code})).collect();
        let sms = protocol(&failure(json!(errors)), "sms");
        assert!(sms.len() <= 140, "{sms}");
        let (_, codes) = sms.split_once("9 errors").expect("the number of errors");
        let codes: Vec<&str> = codes.strip_prefix(": ").map(|codes| codes.split(", ").collect()).unwrap_or_default();
        assert!(codes.iter().all(|one| *one == code), "{sms}");
        assert!(codes.len() == 9 || sms.len() + 2 + length > 140, "there is room for another code: {sms}");
    }
}

#[test]
fn a_chat_notification_shows_five_errors_and_counts_the_others() {
    for (count, rest) in [(5, None), (6, Some("And 1 more."))] {
        let errors: Vec<Value> = (0..count).map(|_| json!({"ErrorCode": "DiskFull"})).collect();
        let chat = chat(&failure(json!(errors)));
        let paragraphs: Vec<&str> = chat["content"]["description"].as_str().expect("a string").split("\n\n").collect();
        assert_eq!(paragraphs.iter().filter(|one| one.contains("DiskFull")).count(), 5);
        assert_eq!(paragraphs.iter().find(|one| one.contains("more")).copied(), rest);
    }
}

/// The lines of an email that are not from the service start like this.
const EMAIL_LINES: &[&str] = &[
    "The import of WorkSpaces image ",
    "For at least 15 minutes, the checks did not find WorkSpaces image ",
    "State by now: ",
    "Progress: ",
    "Estimated time left: ",
    "Started: ",
    "Time taken: ",
    "Last update: ",
    "WorkSpaces says: ",
    "Errors",
    "1. ",
    "2. ",
    "Remedy: Windows is waiting for a restart. ",
    "Remedy, if needed: Windows is waiting for a restart. ",
    "Common errors in the WorkSpaces guide:",
    "https://docs.aws.amazon.com/workspaces/latest/adminguide/",
    "What to do: ",
    "The image in the console:",
    "https://eu-west-1.console.aws.amazon.com/workspaces/",
    "Source: ",
    "Build instance: ",
    "Account 123456789012, Region eu-west-1",
    "Announcement wsi-0a1b2c3d4#7:",
];

/// The message about an import of which every text is this one.
fn message_with(text: &str, state: Option<&str>, kind: Kind) -> Message {
    let mut description = description(text);
    description["StateMessage"] = json!(text);
    description["ImageSource"] = json!({"Ec2ImageId": text});
    description["ImageBuilderInstanceId"] = json!(text);
    description["ErrorDetails"] =
        json!([{"ErrorCode": text, "ErrorMessage": text}, {"ErrorCode": "PendingReboot", "ErrorMessage": text}]);
    message_about(ImageName::new(text), &transition(kind, state, state.unwrap_or("ERROR")), &description)
}

/// Characters that are not seen, one of each kind. The tests of `safe` have more of them.
const UNSEEN: &str = "\u{7f}\u{a0}\u{ad}\u{34f}\u{115f}\u{2028}\u{202e}\u{2800}\u{3164}\u{e000}\u{fe00}\u{ffa0}\u{fffe}\
                      \u{ffff}\u{1d159}\u{e0041}\u{e0100}\u{10ffff}";

/// Whether [SQS accepts][sqs] this character. SNS gives up a message that SQS refuses, and nobody learns of it.
///
/// [sqs]: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
fn is_accepted_by_sqs(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

/// Asserts that SQS accepts every text, before and after SNS has taken it out of the body.
fn check_characters(message: &Message) {
    let texts: serde_json::Map<String, Value> = serde_json::from_str(&message.body).expect("JSON");
    for text in texts.values().map(|text| text.as_str().expect("a text")).chain([message.body.as_str()]) {
        assert!(text.chars().all(is_accepted_by_sqs), "{text:?}");
    }
}

/// Asserts that nothing in the texts for people comes from the service except words.
fn check_texts(message: &Message) {
    check_characters(message);
    for text in ["email", "sms"].map(|name| protocol(message, name)) {
        assert!(!text.contains(|char| UNSEEN.contains(char)), "{text:?}");
    }
    let email = protocol(message, "email");
    for line in email.split(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}']) {
        assert!(line.is_empty() || EMAIL_LINES.iter().any(|start| line.starts_with(start)), "{line:?} in {email:?}");
    }
    assert_eq!(email.lines().filter(|line| line.starts_with("What to do: ")).count(), 1, "{email:?}");
    assert!(!protocol(message, "sms").contains(char::is_control));

    let chat = chat(message);
    let (content, metadata) = (&chat["content"], &chat["metadata"]);
    let steps = content["nextSteps"].as_array().expect("a list").iter();
    let keywords = content["keywords"].as_array().expect("a list").iter();
    let shown = [&content["title"], &content["description"], &metadata["summary"]];
    for text in shown.into_iter().chain(steps).chain(keywords) {
        check_chat_text(text.as_str().expect("a string"));
    }
    assert_eq!(metadata["threadId"], IMAGE);
    assert_eq!(metadata["relatedResources"], json!([IMAGE]));
}

fn check_chat_text(text: &str) {
    let words = |text: &str| {
        let own_link = |word: &&str| {
            word.starts_with("https://eu-west-1.console.aws.amazon.com/workspaces/v2/images/wsi-0a1b2c3d4?region=")
                || word.starts_with("https://docs.aws.amazon.com/workspaces/latest/adminguide/")
        };
        text.split_whitespace().filter(|word| !own_link(word)).map(str::to_owned).collect::<Vec<_>>()
    };
    for line in text.split('\n') {
        assert!(!line.starts_with(['#', '>', '-', '+', '=', ' ']), "{text:?}");
        assert!(!line.starts_with(|char: char| char.is_ascii_digit()) || line == "123456789012", "{text:?}");
        assert!(!line.contains(|char: char| char.is_control() || "*~`<>&@[]".contains(char)), "{text:?}");
        let unseen = line.trim_start_matches("\u{26a0}\u{fe0f}").find(|char| UNSEEN.contains(char));
        assert_eq!(unseen, None, "only our own symbol has a variation selector: {text:?}");
        for word in words(line) {
            let chars: Vec<char> = word.chars().collect();
            // A colon ends a word, except in the ID of the announcement and in a time.
            let is_id = word.starts_with("wsi-0a1b2c3d4#7:");
            let is_time = word.len() == 5 && word.replace(':', "").bytes().all(|byte| byte.is_ascii_digit());
            assert!(is_id || is_time || !word.trim_end_matches(':').contains(':'), "{word:?} in {text:?}");
            assert!(word.matches(':').count() <= 1, "{word:?} in {text:?}");
            for (index, char) in chars.iter().enumerate() {
                let before = index.checked_sub(1).and_then(|index| chars.get(index)).copied().unwrap_or(' ');
                let after = chars.get(index + 1).copied().unwrap_or(' ');
                match char {
                    '_' => assert!(before.is_ascii_alphanumeric() && after.is_ascii_alphanumeric(), "{word:?}"),
                    '#' => assert!(before.is_ascii_alphanumeric(), "{word:?}"),
                    '.' => assert!(!after.is_alphabetic(), "{word:?}"),
                    _ => {}
                }
            }
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_text_from_the_service_forms_markup_or_a_second_line(
        text in r"([ -~]|[\*_~`<>&@#:|!.\[\]()\\]|\PC|\pC|\p{Default_Ignorable_Code_Point}|[\u{2800}\u{fffe}\u{ffff}]|https://evil\.example/|www\.evil\.example|<!channel>|:fire:|@here|\n# |\n> |\n- |\n1\. ){0,40}",
        is_stalled: bool,
    ) {
        let kind = if is_stalled { Kind::Stalled } else { Kind::StateChanged };
        check_texts(&message_with(&text, None, Kind::StateChanged));
        if let Some(state) = State::parse(&text) {
            check_texts(&message_with(&text, Some(state.as_str()), kind));
        }
    }
}

/// The message about what is owed, if the check observed this state.
fn late_message(owed: &Transition, now: &str, is_overdue: Option<bool>) -> Message {
    let (announcement, origin) = (Announcement::new(image(), None, owed.clone()), origin());
    let current = CurrentState { state: State::parse(now).expect("a state"), is_overdue };
    let description = carried(&description(now));
    let draft = draft(&announcement, &origin);
    Draft { description: Some(&description), current: Some(&current), ..draft }.message()
}

#[test]
fn an_announcement_of_something_that_is_over_says_so_for_every_kind() {
    for (owed, now, subject) in [
        (transition(Kind::StateChanged, Some("PENDING"), "VALIDATING"), "PUBLISHING", "VALIDATING, now PUBLISHING"),
        (transition(Kind::StateChanged, Some("VALIDATING"), "ERROR"), "COMPLETED", "ERROR, now COMPLETED"),
        (transition(Kind::StateChanged, Some("VALIDATING"), "NOT_FOUND"), "COMPLETED", "NOT_FOUND, now COMPLETED"),
        (transition(Kind::StateChanged, Some("PUBLISHING"), "COMPLETED"), "ERROR", "COMPLETED, now ERROR"),
        (
            transition(Kind::Stalled, Some("VALIDATING"), "VALIDATING"),
            "COMPLETED",
            "STALLED in VALIDATING, now COMPLETED",
        ),
        (transition(Kind::Stalled, Some("PENDING"), "PENDING"), "PENDING", "STALLED in PENDING, updated since"),
    ] {
        let message = late_message(&owed, now, Some(false));
        assert_eq!(message.subject, format!("{subject}: WorkSpaces image {IMAGE}"));
        let (email, chat) = (protocol(&message, "email"), protocol(&message, "https"));
        for text in [&email, &chat] {
            assert!(text.contains(" By now, this is over, "), "{text}");
            assert!(text.contains("Nothing, because this is over."), "{text}");
            assert!(!text.contains("import it again") && !text.contains("has not updated it"), "{text}");
            assert!(!text.contains("You can now create") && !text.contains("Estimated time left"), "{text}");
        }
        assert!(protocol(&message, "sms").starts_with(&format!("{subject}: ")));
        check_texts(&message);
    }
    for (owed, is_overdue) in [
        (transition(Kind::StateChanged, None, "VALIDATING"), Some(false)),
        (transition(Kind::Stalled, Some("VALIDATING"), "VALIDATING"), Some(true)),
        (transition(Kind::Stalled, Some("VALIDATING"), "VALIDATING"), None),
    ] {
        let message = late_message(&owed, "VALIDATING", is_overdue);
        assert!(!message.body.contains("This is over"), "{message:?}");
    }
}

#[test]
fn json_escapes_what_sqs_refuses_and_keeps_everything_else() {
    let every: String =
        ('\0'..='\u{1f}').chain(['\u{7f}', '\u{85}', '\u{fffe}', '\u{ffff}', '\u{1fffe}', '\\']).collect();
    let mut description = description("ERROR");
    description["StateMessage"] = json!(every);
    description["ErrorDetails"] = json!([{"ErrorCode": every, "ErrorMessage": every}]);
    // A description that an event carries can have any names, and can be escaped already.
    description[&every] = json!([every, {"\\\u{ffff}": "\\ufffe"}]);
    let announced = message(&transition(Kind::StateChanged, None, "ERROR"), &description);
    check_characters(&announced);
    assert_eq!(default(&announced)["Description"], description);

    let raw = "{\"State\": \"A\", \"\u{fffe}\": \"\\\\\u{ffff}\\ufffe\"}";
    let carried = CarriedDescription::from_json(RawValue::from_string(raw.to_owned()).expect("JSON"));
    let (announcement, origin) =
        (Announcement::new(image(), None, transition(Kind::StateChanged, None, "A")), origin());
    let announced = Draft { description: Some(&carried), ..draft(&announcement, &origin) }.message();
    check_characters(&announced);
    assert_eq!(default(&announced)["Description"], serde_json::from_str::<Value>(raw).expect("JSON"));
}

#[test]
fn an_owed_announcement_shows_the_announced_state_and_the_current_one() {
    let owed = transition(Kind::StateChanged, Some("PENDING"), "VALIDATING");
    let email = protocol(&message(&owed, &description("PUBLISHING")), "email");
    assert!(email.contains(" has moved from PENDING to VALIDATING.\n\nState by now: PUBLISHING\n"), "{email}");
}

#[test]
fn a_description_of_any_form_is_passed_on() {
    let odd = message(&transition(Kind::StateChanged, None, "VALIDATING"), &json!({"State": 5, "Mine": [1]}));
    let default: Value = serde_json::from_str(&protocol(&odd, "default")).expect("JSON");
    assert_eq!(default["Description"], json!({"State": 5, "Mine": [1]}));
    assert!(protocol(&odd, "email").contains("VALIDATING"));
}

#[test]
fn the_longest_ids_and_states_keep_the_limits() {
    let long = transition(Kind::Stalled, Some(&"X".repeat(64)), &"X".repeat(64));
    let id = ImageId::parse(&format!("wsi-{}", "z".repeat(63))).expect("valid");
    let (announcement, origin) = (Announcement::new(id.clone(), None, long), Origin::new("", "us-gov-west-1"));
    let description = carried(&description("VALIDATING"));
    let message = Draft { description: Some(&description), ..draft(&announcement, &origin) }.message();
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
fn a_subject_has_the_name_as_far_as_state_and_id_leave_room() {
    let subject = |name: &str, kind, to: &str, now: &str| {
        let transition = transition(kind, None, to);
        let (announcement, origin) = (Announcement::new(image(), ImageName::new(name), transition), origin());
        let current = CurrentState { state: State::parse(now).expect("a state"), is_overdue: None };
        Draft { current: Some(&current), ..draft(&announcement, &origin) }.message().subject
    };
    let (long, longest_state) = ("n".repeat(64), "IMAGE_TESTING_GENERALIZATION");
    for (name, kind, to, now, expected) in [
        ("windows-11-2026-01", Kind::StateChanged, "ERROR", "ERROR", "ERROR: windows-11-2026-01 (wsi-0a1b2c3d4)"),
        ("名 \n", Kind::StateChanged, "ERROR", "ERROR", "ERROR: ? ? (wsi-0a1b2c3d4)"),
        ("", Kind::StateChanged, "ERROR", "ERROR", "ERROR: WorkSpaces image wsi-0a1b2c3d4"),
        (&long, Kind::StateChanged, "ERROR", "ERROR", &format!("ERROR: {long} (wsi-0a1b2c3d4)")),
        (
            &long,
            Kind::StateChanged,
            longest_state,
            longest_state,
            &format!("{longest_state}: {}... (wsi-0a1b2c3d4)", "n".repeat(50)),
        ),
        (
            &long,
            Kind::Stalled,
            longest_state,
            "IMAGE_COMPATIBILITY_CHECKING",
            &format!("STALLED in {longest_state}, now IMAGE_COMPATIBILITY_CHECKING: nnnnn... (wsi-0a1b2c3d4)"),
        ),
        (
            "",
            Kind::Stalled,
            longest_state,
            "IMAGE_COMPATIBILITY_CHECKING",
            &format!("STALLED in {longest_state}, now IMAGE_COMPATIBILITY_CHECKING: wsi-0a1b2c3d4"),
        ),
    ] {
        let subject = subject(name, kind, to, now);
        assert_eq!(subject, expected);
        assert!(subject.len() <= 99, "{subject}");
    }
}

#[test]
fn a_name_is_in_every_text_and_never_stands_alone() {
    let message = named(&transition(Kind::StateChanged, Some("VALIDATING"), "ERROR"), &description("ERROR"));
    let image = format!("windows-11-2026-01 ({IMAGE})");
    assert_eq!(message.subject, format!("ERROR: {image}"));
    assert!(protocol(&message, "sms").starts_with(&format!("ERROR: {image}, ")));
    assert!(protocol(&message, "email").starts_with(&format!("The import of WorkSpaces image {image} failed.")));
    let chat = chat(&message);
    assert_eq!(chat["content"]["title"], format!("\u{274c} ERROR: {image}"));
    assert!(chat["metadata"]["summary"].as_str().is_some_and(|summary| summary.contains(&image)), "{chat}");
    assert_eq!(
        (&chat["metadata"]["threadId"], &default(&message)["Name"]),
        (&json!(IMAGE), &json!("windows-11-2026-01"))
    );
    let nameless = super::tests::message(&transition(Kind::StateChanged, None, "ERROR"), &description("ERROR"));
    assert_eq!(default(&nameless).get("Name"), None);
}

#[test]
fn only_an_import_that_has_ended_has_a_duration() {
    for (kind, to, described, seconds) in [
        (Kind::StateChanged, "COMPLETED", "COMPLETED", json!(11_400)),
        (Kind::StateChanged, "ERROR", "ERROR", json!(11_400)),
        (Kind::StateChanged, "ERROR", "COMPLETED", Value::Null),
        (Kind::StateChanged, "NOT_FOUND", "COMPLETED", Value::Null),
        (Kind::StateChanged, "VALIDATING", "VALIDATING", Value::Null),
        (Kind::Stalled, "VALIDATING", "VALIDATING", Value::Null),
    ] {
        let message = message(&transition(kind, None, to), &description(described));
        assert_eq!(default(&message)["DurationSeconds"], seconds, "{kind:?} {to} {described}");
    }
    let mut large = description("ERROR");
    large["Mine"] = json!("x".repeat(MAX_BYTES));
    let message = message(&transition(Kind::StateChanged, None, "ERROR"), &large);
    assert_eq!(default(&message)["Description"], Value::Null);
    assert_eq!(
        default(&message)["DurationSeconds"],
        11_400,
        "the time is known, although the description is too large"
    );
}

/// The message of a self-test, chat included.
fn test_message(function_name: &str, origin: &Origin) -> Message {
    let sent_at = "2026-01-07T12:12:31.250Z".parse().expect("a time");
    TestDraft { origin, function_name, sent_at, chat: true }.message()
}

#[test]
fn a_self_test() {
    insta::assert_snapshot!(shown(&test_message("image-imports-Function-a1B2c3D4e5F6", &origin())));
}

#[test]
fn the_message_of_a_self_test_keeps_the_limits_of_sns() {
    let message = test_message(&"f".repeat(64), &Origin::new("", "us-gov-west-1"));
    assert!(message.subject.len() <= 99 && protocol(&message, "sms").chars().count() <= 140, "{message:?}");
    assert_eq!(default(&message).get("Account"), None);
    let chat = chat(&message);
    assert!(chat["content"]["nextSteps"][0].as_str().is_some_and(|step| step.chars().count() <= 350), "{chat}");
}

#[test]
fn the_link_leads_to_the_console_for_any_region() {
    let announcement = Announcement::new(image(), None, transition(Kind::StateChanged, None, "VALIDATING"));
    let link = |region| {
        let email = protocol(&draft(&announcement, &Origin::new("", region)).message(), "email");
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
fn a_message_at_the_limit_is_whole_and_one_byte_more_is_shortened() {
    let transition = transition(Kind::StateChanged, None, "ERROR");
    let with = |length: usize| {
        let mut long = description("ERROR");
        long["StateMessage"] = json!("m".repeat(length));
        message(&transition, &long)
    };
    // Each byte of the text appears twice: in `default` and in `email`. The chat notification has only its beginning.
    let room = 1000 + (MAX_BYTES - with(1000).size()) / 2;
    assert!(with(room).size() <= MAX_BYTES && !with(room).body.contains("Truncated"));
    let shortened = with(room + 1);
    assert!(shortened.size() <= MAX_BYTES && shortened.body.contains("Truncated"));
    assert!(shortened.size() > MAX_BYTES - 100, "shortened no more than needed: {}", shortened.size());
}
