//! Whatever a user may send by mistake or by malice, and the exact message that each gets: the place, what was
//! expected there, and never a word of the event itself.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::{FunctionError, description};

use crate::support::{IMAGE, Rig, Stage, event, image};

/// What stands for itself at the end of a message, and for `EXPECTED` in the tables below.
const EXPECTED: &str =
    r#"expected {"Imports": [{"ImageId": "wsi-…"}, …]}, or an EventBridge event with that in its "detail""#;

/// The largest payload that Lambda hands to a function.
const MOST: usize = 6 * 1024 * 1024;

/// What is wrong with a payload, the payload, and what the function says to it.
type Case<'a> = (&'a str, Vec<u8>, &'a str);

fn case<'a>(name: &'a str, payload: impl Into<Vec<u8>>, message: &'a str) -> Case<'a> {
    (name, payload.into(), message)
}

/// One record with this field beside a good image id.
fn field<'a>(field: &'a str, message: &'a str) -> Case<'a> {
    case(field, format!(r#"{{"Imports": [{{"ImageId": "{IMAGE}", {field}}}]}}"#), message)
}

/// One record that owes this.
fn owed<'a>(owed: &'a str, message: &'a str) -> Case<'a> {
    case(owed, format!(r#"{{"Imports": [{{"ImageId": "{IMAGE}", "Sequence": 1, "Owed": {owed}}}]}}"#), message)
}

/// A function whose imports are all pending.
async fn rig(stage: Stage) -> Rig {
    let rig = stage.start().await;
    rig.workspaces.set_default(description(IMAGE, "PENDING"));
    rig
}

async fn send(rig: &Rig, payload: Vec<u8>) -> Result<Value, FunctionError> {
    rig.send(payload, Duration::from_secs(30)).await
}

/// Sends each to one process and compares what it says; after each, nothing has been called, and the process still
/// answers a good event.
async fn refuses<'a>(stage: Stage, cases: impl IntoIterator<Item = Case<'a>>) {
    let rig = rig(stage).await;
    for (name, payload, message) in cases {
        let error = send(&rig, payload).await.expect_err(name);
        assert_eq!(error.message, message.replace("EXPECTED", EXPECTED), "{name}");
        assert_eq!(error.error_type, "InvalidEvent", "{name}");
        assert_eq!(rig.workspaces.calls().len(), 0, "{name}: nothing is described");
        assert_eq!(rig.sns.requests().len(), 0, "{name}: nothing is published");
        let good = rig.check(json!({"ImageId": IMAGE, "State": "PENDING"})).await;
        assert_eq!(good["Outcome"], "PENDING", "{name}: the process goes on");
        assert_eq!(good["CheckError"], Value::Null, "{name}: the process goes on");
        rig.workspaces.clear_calls();
    }
}

#[tokio::test]
async fn what_is_no_json() {
    refuses(
        Stage::new().await,
        [
            case("an empty body", "", "not JSON: EOF while parsing a value at line 1 column 0; EXPECTED"),
            case("a blank one", " \r\n", "not JSON: EOF while parsing a value at line 2 column 0; EXPECTED"),
            case("words", "hello", "not JSON: expected value at line 1 column 1; EXPECTED"),
            case("a bare image id", IMAGE, "not JSON: expected value at line 1 column 1; EXPECTED"),
            case("no number", "NaN", "not JSON: expected value at line 1 column 1; EXPECTED"),
            case("a leading zero", "007", "not JSON: invalid number at line 1 column 2; EXPECTED"),
            case("a part", r#"{"Imports": ["#, "not JSON: EOF while parsing a list at line 1 column 13; EXPECTED"),
            case(
                "single quotes",
                r"{'Imports': []}",
                "not JSON: key must be a string at line 1 column 2; EXPECTED",
            ),
            case("a comma too many", r#"{"Imports": [],}"#, "not JSON: key must be a string at line 1 column 16; EXPECTED"),
            case(
                "a comment",
                "{\n  // mine\n  \"Imports\": []\n}",
                "not JSON: key must be a string at line 2 column 3; EXPECTED",
            ),
            case(
                "a raw NUL in a text",
                "{\"Imports\": [{\"ImageId\": \"wsi-0a1b2c3d4\0\"}]}",
                "not JSON: control character (\\u0000-\\u001F) found while parsing a string at line 1 column 39; EXPECTED",
            ),
            case(
                "a byte order mark",
                "\u{feff}{\"Imports\": []}",
                "not JSON: expected value at line 1 column 1; EXPECTED",
            ),
            case(
                "UTF-16",
                b"\xff\xfe{\0\"\0I\0m\0p\0o\0r\0t\0s\0\"\0:\0[\0]\0}\0".as_slice(),
                "not JSON: expected value at line 1 column 1; EXPECTED",
            ),
            case(
                "Latin-1",
                b"{\"Imports\": [], \"Mine\": \"Gr\xfc\xdfe\"}".as_slice(),
                "not JSON: invalid unicode code point at line 1 column 28; EXPECTED",
            ),
            case(
                "100,000 arrays left open",
                "[".repeat(100_000),
                "not JSON: EOF while parsing a list at line 1 column 100000; EXPECTED",
            ),
            case(
                "6 MB of arrays left open",
                "[".repeat(MOST),
                "not JSON: EOF while parsing a list at line 1 column 6291456; EXPECTED",
            ),
            case("6 MB of junk", "x".repeat(MOST), "not JSON: expected value at line 1 column 1; EXPECTED"),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_is_no_event_says_what_was_expected() {
    refuses(
        Stage::new().await,
        [
            case("null", "null", "EXPECTED, got null"),
            case("a boolean", "true", "EXPECTED, got a boolean"),
            case("a number", "1e400", "EXPECTED, got a number"),
            case("a text", r#""text""#, "EXPECTED, got a string"),
            case("an event in a text", r#""{\"Imports\": []}""#, "EXPECTED, got a string"),
            case("6 MB of text", format!("\"{}\"", "x".repeat(MOST - 2)), "EXPECTED, got a string"),
            case("records without their object", r#"[{"ImageId": "wsi-0a1b2c3d4"}]"#, "EXPECTED, got an array"),
            case(
                "100,000 arrays in each other",
                format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
                "EXPECTED, got an array",
            ),
            case("an empty object", "{}", "EXPECTED"),
            case("another spelling", r#"{"imports": []}"#, "EXPECTED"),
            case("a record without its list", r#"{"ImageId": "wsi-0a1b2c3d4"}"#, "EXPECTED"),
            case("what SNS and SQS send", r#"{"Records": [{"Sns": {"Message": "{}"}}]}"#, "EXPECTED"),
            case("null for a list", r#"{"Imports": null}"#, "EXPECTED"),
            case(
                "an object for a list",
                r#"{"Imports": {"ImageId": "wsi-0a1b2c3d4"}}"#,
                "Imports: expected an array of records, got an object",
            ),
            case("a text for a list", r#"{"Imports": "[]"}"#, "Imports: expected an array of records, got a string"),
            case(
                "two lists, of which the last counts",
                r#"{"Imports": [], "Imports": 5}"#,
                "Imports: expected an array of records, got a number",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_envelope_that_is_none() {
    let no_text = |name: &str, it: &str| format!("{name}: {it} a string, as in every EventBridge event");
    let detail_type = no_text("detail-type", "is missing, expected");
    let source = no_text("source", "is missing, expected");
    refuses(
        Stage::new().await,
        [
            case(
                "both forms at once",
                r#"{"detail-type": "x", "source": "y", "Imports": [], "detail": {"Imports": []}}"#,
                "has both Imports and detail: send one of them",
            ),
            case("nothing else", r#"{"detail": {"Imports": []}}"#, &format!("{detail_type}; {source}")),
            case("no detail-type", r#"{"source": "y", "detail": {"Imports": []}}"#, &detail_type),
            case("null", r#"{"detail-type": "x", "source": null, "detail": {"Imports": []}}"#, &source),
            case(
                "6 MB of source that is no text",
                format!(
                    r#"{{"detail-type": "x", "source": ["{}"], "detail": {{"Imports": []}}}}"#,
                    "hunter2".repeat(850_000)
                ),
                &format!("{}, got an array", no_text("source", "expected")),
            ),
            case(
                "a detail that is no object",
                r#"{"detail-type": "x", "source": "y", "detail": []}"#,
                "detail: expected an object, got an array; EXPECTED",
            ),
            case(
                "a detail in a text",
                r#"{"detail-type": "x", "source": "y", "detail": "{\"Imports\": []}"}"#,
                "detail: expected an object, got a string; EXPECTED",
            ),
            case(
                "an empty detail",
                r#"{"detail-type": "x", "source": "y", "detail": {}}"#,
                "detail: has no Imports; EXPECTED",
            ),
            case(
                "an envelope in an envelope",
                r#"{"detail-type": "x", "source": "y", "detail": {"detail": {"Imports": []}}}"#,
                "detail: has no Imports; EXPECTED",
            ),
            case(
                "no list in it",
                r#"{"detail-type": "x", "source": "y", "detail": {"Imports": 5}}"#,
                "detail.Imports: expected an array of records, got a number",
            ),
            case(
                "envelope and record at once",
                r#"{"detail-type": "x", "source": 5, "detail": {"Imports": [{}]}}"#,
                &format!(
                    "{}, got a number; \
                     detail.Imports[0].ImageId: is missing, expected an image id such as wsi-0a1b2c3d4",
                    no_text("source", "expected")
                ),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn image_ids() {
    const PATTERN: &str = "Imports[0].ImageId: must match ^wsi-[0-9a-z]{9,63}$";
    let id = |id: &str| json!({"Imports": [{"ImageId": id}]}).to_string();
    let of_type = |kind: &str| format!("Imports[0].ImageId: expected an image id such as wsi-0a1b2c3d4, got {kind}");
    let record = |record: &str| format!(r#"{{"Imports": [{record}]}}"#);
    refuses(
        Stage::new().await,
        [
            case("a NUL at the end", id("wsi-0a1b2c3d4\0"), PATTERN),
            case("a NUL within", id("wsi-0a1b2\0c3d4"), PATTERN),
            case("a line break at the end", id("wsi-0a1b2c3d4\n"), PATTERN),
            case("a blank at the start", id(" wsi-0a1b2c3d4"), PATTERN),
            case("an empty one", id(""), PATTERN),
            case("no more than the prefix", id("wsi-"), PATTERN),
            case("8 characters", id("wsi-0a1b2c3d"), PATTERN),
            case("64 characters", id(&format!("wsi-{}", "0".repeat(64))), PATTERN),
            case("1,000 characters", id(&format!("wsi-{}", "0".repeat(996))), PATTERN),
            case("6 MB", id(&"w".repeat(MOST - 40)), PATTERN),
            case("upper case", id("wsi-0A1B2C3D4"), PATTERN),
            case("digits of another script", id("wsi-٠١٢٣٤٥٦٧٨"), PATTERN),
            case("an ARN", id("arn:aws:workspaces:eu-west-1:123456789012:workspaceimage/wsi-0a1b2c3d4"), PATTERN),
            case("the rest of a URL", id("wsi-0a1b2c3d4?x=https://evil.example/#"), PATTERN),
            case("a bundle's", id("wsb-0a1b2c3d4"), PATTERN),
            case(
                "a lone surrogate",
                record(r#"{"ImageId": "wsi-\ud800"}"#),
                &of_type("a string with a lone surrogate"),
            ),
            case("two, of which the last counts", record(r#"{"ImageId": "wsi-0a1b2c3d4", "ImageId": "no"}"#), PATTERN),
            case("a number", record(r#"{"ImageId": 5}"#), &of_type("a number")),
            case("a list", record(r#"{"ImageId": ["wsi-0a1b2c3d4"]}"#), &of_type("an array")),
            case(
                "none",
                record(r#"{"imageId": "wsi-0a1b2c3d4"}"#),
                "Imports[0].ImageId: is missing, expected an image id such as wsi-0a1b2c3d4",
            ),
            case(
                "null",
                record(r#"{"ImageId": null}"#),
                "Imports[0].ImageId: is missing, expected an image id such as wsi-0a1b2c3d4",
            ),
            case(
                "without its record",
                record(r#""wsi-0a1b2c3d4""#),
                "Imports[0]: expected a record, an object with an ImageId, got a string",
            ),
            case(
                "null for a record",
                record("null"),
                "Imports[0]: expected a record, an object with an ImageId, got null",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn fields_of_a_record() {
    const STATE: &str = "Imports[0].State: must have 1 to 128 characters, no control characters among them";
    const SEQUENCE: &str = "Imports[0].Sequence: must be an integer from 0 to 9007199254740991";
    let long = format!(r#""State": "{}""#, "X".repeat(129));
    let huge = format!(r#""Sequence": 1{}"#, "0".repeat(40));
    refuses(
        Stage::new().await,
        [
            field(r#""State": """#, STATE),
            field(r#""State": "A\u0000""#, STATE),
            field(r#""State": "A\u0085B""#, STATE),
            field(&long, STATE),
            field(
                r#""State": "\ud800""#,
                "Imports[0].State: expected a state, a string, got a string with a lone surrogate",
            ),
            field(r#""State": 5"#, "Imports[0].State: expected a state, a string, got a number"),
            field(r#""State": {}"#, "Imports[0].State: expected a state, a string, got an object"),
            field(r#""Sequence": -1"#, SEQUENCE),
            field(r#""Sequence": -0"#, SEQUENCE),
            field(r#""Sequence": 1.5"#, SEQUENCE),
            field(r#""Sequence": 1.0"#, SEQUENCE),
            field(r#""Sequence": 1e2"#, SEQUENCE),
            field(r#""Sequence": 1e400"#, SEQUENCE),
            field(&huge, SEQUENCE),
            field(r#""Sequence": 9007199254740992"#, SEQUENCE),
            field(r#""Sequence": 18446744073709551615"#, SEQUENCE),
            field(
                r#""Sequence": "1""#,
                "Imports[0].Sequence: expected an integer from 0 to 9007199254740991, got a string",
            ),
            field(
                r#""Sequence": true"#,
                "Imports[0].Sequence: expected an integer from 0 to 9007199254740991, got a boolean",
            ),
            field(r#""Stalled": "true""#, "Imports[0].Stalled: expected true or false, got a string"),
            field(r#""Stalled": 1"#, "Imports[0].Stalled: expected true or false, got a number"),
            field(r#""Missing": []"#, "Imports[0].Missing: expected true or false, got an array"),
            field(r#""Description": "{}""#, "Imports[0].Description: expected an object, got a string"),
            field(r#""Description": []"#, "Imports[0].Description: expected an object, got an array"),
            field(r#""Owed": []"#, "Imports[0].Owed: expected an object, got an array"),
            field(r#""Owed": true"#, "Imports[0].Owed: expected an object, got a boolean"),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_is_owed() {
    const NUMBER: &str = "Imports[0].Owed.Sequence: must be the record's Sequence + 1";
    refuses(
        Stage::new().await,
        [
            owed(
                "{}",
                "Imports[0].Owed.Kind: is missing, expected STATE_CHANGED or STALLED; \
                 Imports[0].Owed.To: is missing, expected a state, a string; \
                 Imports[0].Owed.Sequence: is missing, expected the record's Sequence + 1",
            ),
            owed(
                r#"{"Kind": "OTHER", "Sequence": 2, "To": "PENDING"}"#,
                "Imports[0].Owed.Kind: must be STATE_CHANGED or STALLED",
            ),
            owed(
                r#"{"Kind": {"STALLED": null}, "Sequence": 2, "To": "PENDING"}"#,
                "Imports[0].Owed.Kind: expected STATE_CHANGED or STALLED, got an object",
            ),
            owed(r#"{"Kind": "STALLED", "Sequence": 1, "To": "PENDING"}"#, NUMBER),
            owed(r#"{"Kind": "STALLED", "Sequence": 9, "To": "PENDING"}"#, NUMBER),
            owed(r#"{"Kind": "STALLED", "Sequence": 2.0, "To": "PENDING"}"#, NUMBER),
            owed(r#"{"Kind": "STALLED", "Sequence": -2, "To": "PENDING"}"#, NUMBER),
            owed(r#"{"Kind": "STALLED", "Sequence": 18446744073709551616, "To": "PENDING"}"#, NUMBER),
            owed(
                r#"{"Kind": "STALLED", "Sequence": "2", "To": "PENDING"}"#,
                "Imports[0].Owed.Sequence: expected the record's Sequence + 1, got a string",
            ),
            owed(
                r#"{"Kind": "STALLED", "Sequence": 2, "From": 1, "To": ""}"#,
                "Imports[0].Owed.From: expected a state, a string, got a number; \
                 Imports[0].Owed.To: must have 1 to 128 characters, no control characters among them",
            ),
        ],
    )
    .await;
}

/// `{"Imports": [{}, {}, …]}`
fn empty_records(count: usize) -> String {
    event((0..count).map(|_| json!({}))).to_string()
}

/// What is said of them: twenty places, and how many more.
fn twenty_places_and(more: usize) -> String {
    let place = |n| format!("Imports[{n}].ImageId: is missing, expected an image id such as wsi-0a1b2c3d4; ");
    (0..20).map(place).chain([format!("and {more} more")]).collect()
}

/// Records that are not described, their imports being complete.
fn complete(count: usize) -> String {
    event((0..count).map(|number| json!({"ImageId": image(number), "State": "COMPLETED"}))).to_string()
}

#[tokio::test]
async fn as_many_as_there_may_be() {
    const SEVERAL: &str = "may come at once (MAX_RESPONSE_BYTES / 512): send them in several events";
    refuses(
        Stage::new().await,
        [
            case(
                "10,000 records",
                complete(10_000),
                &format!("Imports: 10000 records, of which at most 480 {SEVERAL}"),
            ),
            case(
                "the same image 481 times",
                event((0..481).map(|_| json!({"ImageId": IMAGE}))).to_string(),
                &format!("Imports: 481 records, of which at most 480 {SEVERAL}"),
            ),
            case(
                "6 MB of nulls",
                format!(r#"{{"Imports": [{}null]}}"#, "null,".repeat(1_200_000)),
                &format!("Imports: 1200001 records, of which at most 480 {SEVERAL}"),
            ),
            case("480 mistakes", empty_records(480), &twenty_places_and(460)),
        ],
    )
    .await;
}

#[tokio::test]
async fn ten_thousand_records_with_room_for_them() {
    let roomy = async || Stage::new().await.set("MAX_RESPONSE_BYTES", "6000000");
    let too_many = "Imports: 11719 records, of which at most 11718 may come at once (MAX_RESPONSE_BYTES / 512): \
                    send them in several events";
    refuses(
        roomy().await,
        [
            case("11,719 records", complete(11_719), too_many),
            case("10,000 mistakes", empty_records(10_000), &twenty_places_and(9_980)),
        ],
    )
    .await;
    let rig = rig(roomy().await).await;
    let response = send(&rig, complete(10_000).into()).await.expect("10,000 records are answered");
    assert_eq!(response["Completed"], 10_000);
    assert_eq!(response["Imports"].as_array().map(Vec::len), Some(10_000));
}

/// What looks bad and is none: JSON of the contract's form, however odd.
#[tokio::test]
async fn odd_events_that_are_good() {
    let rig = rig(Stage::new().await).await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let text = "x".repeat(MOST - 100);
    for (name, payload) in [
        ("a deep unknown field", format!(r#"{{"Imports": [{{"ImageId": "{IMAGE}", "Mine": {deep}}}]}}"#)),
        ("a deep unknown field of the event", format!(r#"{{"Mine": {deep}, "Imports": [{{"ImageId": "{IMAGE}"}}]}}"#)),
        ("6 MB in an unknown field", format!(r#"{{"Imports": [{{"ImageId": "{IMAGE}"}}], "Mine": "{text}"}}"#)),
        ("6 MB of blanks", format!(r#"{}{{"Imports": [{{"ImageId": "{IMAGE}"}}]}}"#, " ".repeat(MOST - 100))),
        ("unknown numbers", format!(r#"{{"Imports": [{{"ImageId": "{IMAGE}", "Mine": [1e400, -1e400, 1e-400]}}]}}"#)),
        ("a lone surrogate", format!(r#"{{"Imports": [{{"ImageId": "{IMAGE}", "Mine": "\ud800"}}]}}"#)),
        ("a name with one", format!(r#"{{"\udc00": 1, "Imports": [{{"ImageId": "{IMAGE}", "\ud800": 1}}]}}"#)),
        ("escaped names", format!(r#"{{"\u0049mports": [{{"\u0049mageId": "wsi\u002d{}"}}]}}"#, &IMAGE[4..])),
        (
            "names twice, the last counts",
            format!(r#"{{"Imports": 5, "Imports": [{{"ImageId": "no", "ImageId": "{IMAGE}"}}]}}"#),
        ),
        ("the same image twice", format!(r#"{{"Imports": [{{"ImageId": "{IMAGE}"}}, {{"ImageId": "{IMAGE}"}}]}}"#)),
        (
            "an envelope with a time that is none",
            format!(
                r#"{{"detail-type": "", "source": "", "time": 5, "resources": {{}}, "detail": {{"Imports": [{{"ImageId": "{IMAGE}"}}]}}}}"#
            ),
        ),
        (
            "a hostile description",
            format!(
                r#"{{"Imports": [{{"ImageId": "{IMAGE}", "Description": {{"State": {deep}, "Mine": 1e400, "\ud800": 0}}}}]}}"#
            ),
        ),
        // Lambda itself refuses such a payload, so that it only ever comes from an emulator; the runtime reads one value.
        ("words after it", format!(r#"{{"Imports": [{{"ImageId": "{IMAGE}"}}]}} and so on"#)),
    ] {
        let response = send(&rig, payload.into_bytes()).await.expect(name);
        let images: Vec<&Value> =
            response["Imports"].as_array().expect("a list").iter().map(|import| &import["ImageId"]).collect();
        assert_eq!(images, [IMAGE], "{name}");
        assert_eq!(response["Imports"][0]["State"], "PENDING", "{name}");
    }
}

#[tokio::test]
async fn a_configuration_that_is_invalid_is_the_answer_to_any_bytes() {
    let rig = Stage::new().await.set("CONCURRENCY", "none").start().await;
    for payload in ["", "hello", "{}"] {
        let error = send(&rig, payload.into()).await.expect_err("invalid");
        assert_eq!(error.error_type, "InvalidConfiguration", "{payload:?}");
        assert_eq!(error.message, "CONCURRENCY must be an integer from 1 to 64", "{payload:?}");
    }
}
