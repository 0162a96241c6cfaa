//! Malformed input, sent by mistake or on purpose, and the exact error message for each. A message names the place and
//! what is expected there. It never repeats content of the event.
//!
//! `cargo test --locked --test it bad_input::`

use std::time::Duration;

use fake_aws::{FunctionError, description};
use serde_json::{Value, json};

use crate::support::{IMAGE, Rig, Setup, event, image, imports};

/// The end of several messages. The tables below abbreviate it as `EXPECTED`.
const EXPECTED: &str = r#"expected {"Imports": [{"ImageId": "wsi-…"}, …]}, {"Discover": true}, or {"SelfTest": true}, or an EventBridge event with one of them in its "detail""#;

/// The largest payload of an invocation: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const MAX_PAYLOAD: usize = 6 * 1024 * 1024;

/// The name of a case, its payload, and the error message.
type Case<'a> = (&'a str, Vec<u8>, &'a str);

fn case<'a>(name: &'a str, payload: impl Into<Vec<u8>>, message: &'a str) -> Case<'a> {
    (name, payload.into(), message)
}

/// A record with a valid image ID and this field.
fn field<'a>(field: &'a str, message: &'a str) -> Case<'a> {
    case(field, format!(r#"{{"Imports": [{{"ImageId": "{IMAGE}", {field}}}]}}"#), message)
}

/// A record with this owed announcement.
fn owed<'a>(owed: &'a str, message: &'a str) -> Case<'a> {
    case(owed, format!(r#"{{"Imports": [{{"ImageId": "{IMAGE}", "Sequence": 1, "Owed": {owed}}}]}}"#), message)
}

/// Starts a function. All imports are pending.
async fn rig(stage: Setup) -> Rig {
    let rig = stage.start().await;
    rig.workspaces.set_default(description(IMAGE, "PENDING"));
    rig
}

async fn send(rig: &Rig, payload: Vec<u8>) -> Result<Value, FunctionError> {
    rig.send(payload, Duration::from_secs(30)).await
}

/// Sends each payload to one process and compares the error message. After each, asserts that the function has called
/// no service, and that it still handles a valid event.
async fn refuses<'a>(stage: Setup, cases: impl IntoIterator<Item = Case<'a>>) {
    let rig = rig(stage).await;
    for (name, payload, message) in cases {
        let error = send(&rig, payload).await.expect_err(name);
        assert_eq!(error.message, message.replace("EXPECTED", EXPECTED), "{name}");
        assert_eq!(error.error_type, "InvalidEvent", "{name}");
        assert_eq!(rig.workspaces.calls().len(), 0, "{name}: nothing is described");
        assert_eq!(rig.sns.requests().len(), 0, "{name}: nothing is published");
        let record = rig.check(json!({"ImageId": IMAGE, "State": "PENDING"})).await;
        assert_eq!(record["Outcome"], "PENDING", "{name}: the process goes on");
        assert_eq!(record["CheckError"], Value::Null, "{name}: the process goes on");
        rig.workspaces.clear_calls();
    }
}

#[tokio::test]
async fn payloads_that_are_not_json() {
    refuses(
        Setup::new().await,
        [
            case("an empty body", "", "not JSON: EOF while parsing a value at line 1 column 0; EXPECTED"),
            case("only white space", " \r\n", "not JSON: EOF while parsing a value at line 2 column 0; EXPECTED"),
            case("plain text", "hello", "not JSON: expected value at line 1 column 1; EXPECTED"),
            case("a bare image id", IMAGE, "not JSON: expected value at line 1 column 1; EXPECTED"),
            case("NaN", "NaN", "not JSON: expected value at line 1 column 1; EXPECTED"),
            case("a leading zero", "007", "not JSON: invalid number at line 1 column 2; EXPECTED"),
            case("a truncated event", r#"{"Imports": ["#, "not JSON: EOF while parsing a list at line 1 column 13; EXPECTED"),
            case(
                "single quotes",
                r"{'Imports': []}",
                "not JSON: key must be a string at line 1 column 2; EXPECTED",
            ),
            case("a trailing comma", r#"{"Imports": [],}"#, "not JSON: key must be a string at line 1 column 16; EXPECTED"),
            case(
                "a comment",
                "{\n  // mine\n  \"Imports\": []\n}",
                "not JSON: key must be a string at line 2 column 3; EXPECTED",
            ),
            case(
                "an unescaped NUL in a string",
                "{\"Imports\": [{\"ImageId\": \"wsi-0a1b2c3d4\0\"}]}",
                "not JSON: control character (\\u0000-\\u001F) found while parsing a string at line 1 column 39; EXPECTED",
            ),
            case(
                "only a byte order mark",
                "\u{feff}",
                "not JSON: EOF while parsing a value at line 1 column 0; EXPECTED",
            ),
            case(
                "two byte order marks",
                "\u{feff}\u{feff}{\"Imports\": []}",
                "not JSON: expected value at line 1 column 1; EXPECTED",
            ),
            case(
                "a byte order mark within",
                "{\"Imports\": \u{feff}[]}",
                "not JSON: expected value at line 1 column 13; EXPECTED",
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
                "100,000 unclosed arrays",
                "[".repeat(100_000),
                "not JSON: EOF while parsing a list at line 1 column 100000; EXPECTED",
            ),
            case(
                "6 MB of unclosed arrays",
                "[".repeat(MAX_PAYLOAD),
                "not JSON: EOF while parsing a list at line 1 column 6291456; EXPECTED",
            ),
            case("6 MB of junk", "x".repeat(MAX_PAYLOAD), "not JSON: expected value at line 1 column 1; EXPECTED"),
        ],
    )
    .await;
}

#[tokio::test]
async fn json_that_is_not_an_event() {
    refuses(
        Setup::new().await,
        [
            case("null", "null", "EXPECTED, got null"),
            case("a boolean", "true", "EXPECTED, got a boolean"),
            case("a number", "1e400", "EXPECTED, got a number"),
            case("a string", r#""text""#, "EXPECTED, got a string"),
            case("an event in a string", r#""{\"Imports\": []}""#, "EXPECTED, got a string"),
            case("a string of 6 MB", format!("\"{}\"", "x".repeat(MAX_PAYLOAD - 2)), "EXPECTED, got a string"),
            case(
                "an array of records without the object around it",
                r#"[{"ImageId": "wsi-0a1b2c3d4"}]"#,
                "EXPECTED, got an array",
            ),
            case(
                "100,000 nested arrays",
                format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
                "EXPECTED, got an array",
            ),
            case("an empty object", "{}", "EXPECTED"),
            case("a name in lower case", r#"{"imports": []}"#, "EXPECTED"),
            case("a record without the array around it", r#"{"ImageId": "wsi-0a1b2c3d4"}"#, "EXPECTED"),
            case("what SNS and SQS send", r#"{"Records": [{"Sns": {"Message": "{}"}}]}"#, "EXPECTED"),
            case("null in place of an array", r#"{"Imports": null}"#, "EXPECTED"),
            case("a discovery that is off", r#"{"Discover": false}"#, "EXPECTED"),
            case("a discovery that is null", r#"{"Discover": null, "Imports": null}"#, "EXPECTED"),
            case("a text for a discovery", r#"{"Discover": "true"}"#, "Discover: expected true or false, got a string"),
            case(
                "errors in both the discovery and the list",
                r#"{"Imports": false, "Discover": 1}"#,
                "Discover: expected true or false, got a number; Imports: expected an array of records, got a boolean",
            ),
            case(
                "an object in place of an array",
                r#"{"Imports": {"ImageId": "wsi-0a1b2c3d4"}}"#,
                "Imports: expected an array of records, got an object",
            ),
            case("a text for a list", r#"{"Imports": "[]"}"#, "Imports: expected an array of records, got a string"),
            case(
                "a repeated name, of which the last counts",
                r#"{"Imports": [], "Imports": 5}"#,
                "Imports: expected an array of records, got a number",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn malformed_envelopes() {
    let string_expected = |name: &str, it: &str| format!("{name}: {it} a string, as in every EventBridge event");
    let detail_type = string_expected("detail-type", "is missing, expected");
    let source = string_expected("source", "is missing, expected");
    refuses(
        Setup::new().await,
        [
            case(
                "both forms at once",
                r#"{"detail-type": "x", "source": "y", "Imports": [], "detail": {"Imports": []}}"#,
                "the event has both Imports and detail: send only one of them",
            ),
            case(
                "a discovery beside a detail",
                r#"{"detail-type": "x", "source": "y", "Discover": true, "detail": {"Imports": []}}"#,
                "the event has both Discover and detail: send only one of them",
            ),
            case(
                "a detail whose discovery is off",
                r#"{"detail-type": "x", "source": "y", "detail": {"Discover": false}}"#,
                "detail: has no Imports; EXPECTED",
            ),
            case(
                "a list for a discovery",
                r#"{"detail-type": "x", "source": "y", "detail": {"Discover": []}}"#,
                "detail.Discover: expected true or false, got an array",
            ),
            case("only a detail", r#"{"detail": {"Imports": []}}"#, &format!("{detail_type}; {source}")),
            case("no detail-type", r#"{"source": "y", "detail": {"Imports": []}}"#, &detail_type),
            case("null", r#"{"detail-type": "x", "source": null, "detail": {"Imports": []}}"#, &source),
            case(
                "a source of 6 MB that is not a string",
                format!(
                    r#"{{"detail-type": "x", "source": ["{}"], "detail": {{"Imports": []}}}}"#,
                    "hunter2".repeat(850_000)
                ),
                &format!("{}, got an array", string_expected("source", "expected")),
            ),
            case(
                "a detail that is not an object",
                r#"{"detail-type": "x", "source": "y", "detail": []}"#,
                "detail: expected an object, got an array; EXPECTED",
            ),
            case(
                "a detail in a string",
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
                "a detail without an array of records",
                r#"{"detail-type": "x", "source": "y", "detail": {"Imports": 5}}"#,
                "detail.Imports: expected an array of records, got a number",
            ),
            case(
                "errors in both the envelope and a record",
                r#"{"detail-type": "x", "source": 5, "detail": {"Imports": [{}]}}"#,
                &format!(
                    "{}, got a number; \
                     detail.Imports[0].ImageId: is missing, expected an image ID such as wsi-0a1b2c3d4",
                    string_expected("source", "expected")
                ),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn malformed_fields_of_the_envelope_that_are_not_used() {
    let with = |field: &str| {
        format!(
            r#"{{"detail-type": "x", "source": "y", {field}, "detail": {{"Imports": [{{"ImageId": "{IMAGE}"}}]}}}}"#
        )
    };
    refuses(
        Setup::new().await,
        [
            case("a number as time", with(r#""time": 5"#), "time: expected an RFC 3339 time, got a number"),
            case(
                "several",
                with(r#""id": 1, "account": 123456789012, "region": [], "resources": "arn""#),
                "id: expected a string, got a number; account: expected a string, got a number; \
                 region: expected a string, got an array; resources: expected an array of strings, got a string",
            ),
            case(
                "the source twice",
                with(r#""source": "z""#),
                "not a valid EventBridge event: a field occurs twice, or the name of a field or the time is malformed; EXPECTED",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn malformed_image_ids() {
    const PATTERN: &str = "Imports[0].ImageId: must match ^wsi-[0-9a-z]{9,63}$";
    let id = |id: &str| json!({"Imports": [{"ImageId": id}]}).to_string();
    let of_type = |kind: &str| format!("Imports[0].ImageId: expected an image ID such as wsi-0a1b2c3d4, got {kind}");
    let record = |record: &str| format!(r#"{{"Imports": [{record}]}}"#);
    refuses(
        Setup::new().await,
        [
            case("a NUL at the end", id("wsi-0a1b2c3d4\0"), PATTERN),
            case("a NUL within", id("wsi-0a1b2\0c3d4"), PATTERN),
            case("a line break at the end", id("wsi-0a1b2c3d4\n"), PATTERN),
            case("a leading space", id(" wsi-0a1b2c3d4"), PATTERN),
            case("an empty string", id(""), PATTERN),
            case("only the prefix", id("wsi-"), PATTERN),
            case("8 characters", id("wsi-0a1b2c3d"), PATTERN),
            case("64 characters", id(&format!("wsi-{}", "0".repeat(64))), PATTERN),
            case("1,000 characters", id(&format!("wsi-{}", "0".repeat(996))), PATTERN),
            case("6 MB", id(&"w".repeat(MAX_PAYLOAD - 40)), PATTERN),
            case("upper case", id("wsi-0A1B2C3D4"), PATTERN),
            case("digits of another script", id("wsi-٠١٢٣٤٥٦٧٨"), PATTERN),
            case("an ARN", id("arn:aws:workspaces:eu-west-1:123456789012:workspaceimage/wsi-0a1b2c3d4"), PATTERN),
            case("a query string", id("wsi-0a1b2c3d4?x=https://evil.example/#"), PATTERN),
            case("the ID of a bundle", id("wsb-0a1b2c3d4"), PATTERN),
            case(
                "a lone surrogate",
                record(r#"{"ImageId": "wsi-\ud800"}"#),
                &of_type("a string with a lone surrogate"),
            ),
            case(
                "a repeated name, of which the last counts",
                record(r#"{"ImageId": "wsi-0a1b2c3d4", "ImageId": "no"}"#),
                PATTERN,
            ),
            case("a number", record(r#"{"ImageId": 5}"#), &of_type("a number")),
            case("a list", record(r#"{"ImageId": ["wsi-0a1b2c3d4"]}"#), &of_type("an array")),
            case(
                "a missing image ID",
                record(r#"{"imageId": "wsi-0a1b2c3d4"}"#),
                "Imports[0].ImageId: is missing, expected an image ID such as wsi-0a1b2c3d4",
            ),
            case(
                "null",
                record(r#"{"ImageId": null}"#),
                "Imports[0].ImageId: is missing, expected an image ID such as wsi-0a1b2c3d4",
            ),
            case(
                "an image ID in place of a record",
                record(r#""wsi-0a1b2c3d4""#),
                "Imports[0]: expected a record (an object with an ImageId), got a string",
            ),
            case(
                "null in place of a record",
                record("null"),
                "Imports[0]: expected a record (an object with an ImageId), got null",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn malformed_fields_of_a_record() {
    const STATE: &str = "Imports[0].State: must have 1 to 64 printable ASCII characters and no space at its ends";
    const SEQUENCE: &str = "Imports[0].Sequence: must be an integer from 0 to 9007199254740990";
    let long = format!(r#""State": "{}""#, "X".repeat(129));
    let huge = format!(r#""Sequence": 1{}"#, "0".repeat(40));
    refuses(
        Setup::new().await,
        [
            field(r#""State": """#, STATE),
            field(r#""State": "A\u0000""#, STATE),
            field(r#""State": "A\u0085B""#, STATE),
            field(&long, STATE),
            field(
                r#""State": "\ud800""#,
                "Imports[0].State: expected a state (a string), got a string with a lone surrogate",
            ),
            field(r#""State": 5"#, "Imports[0].State: expected a state (a string), got a number"),
            field(r#""State": {}"#, "Imports[0].State: expected a state (a string), got an object"),
            field(r#""Sequence": -1"#, SEQUENCE),
            field(r#""Sequence": -1.0"#, SEQUENCE),
            field(r#""Sequence": 1.5"#, SEQUENCE),
            field(r#""Sequence": 15e-1"#, SEQUENCE),
            field(r#""Sequence": 1e-400"#, SEQUENCE),
            field(r#""Sequence": 1e400"#, SEQUENCE),
            field(r#""Sequence": 1e99999999999999999999"#, SEQUENCE),
            field(r#""Sequence": 1e-99999999999999999999"#, SEQUENCE),
            // As floating-point numbers, these are equal to valid ones.
            field(r#""Sequence": 1.00000000000000000001"#, SEQUENCE),
            field(r#""Sequence": 9007199254740990.2"#, SEQUENCE),
            field(&huge, SEQUENCE),
            field(r#""Sequence": 9007199254740991.0"#, SEQUENCE),
            field(r#""Sequence": 9007199254740992"#, SEQUENCE),
            field(r#""Sequence": 18446744073709551615"#, SEQUENCE),
            field(
                r#""Sequence": "1""#,
                "Imports[0].Sequence: expected an integer from 0 to 9007199254740990, got a string",
            ),
            field(
                r#""Sequence": true"#,
                "Imports[0].Sequence: expected an integer from 0 to 9007199254740990, got a boolean",
            ),
            field(r#""Stalled": "true""#, "Imports[0].Stalled: expected true or false, got a string"),
            field(r#""Stalled": 1"#, "Imports[0].Stalled: expected true or false, got a number"),
            field(r#""Missing": []"#, "Imports[0].Missing: expected an RFC 3339 time, got an array"),
            field(r#""Missing": true"#, "Imports[0].Missing: expected an RFC 3339 time, got a boolean"),
            field(r#""Listed": {}"#, "Imports[0].Listed: expected true or false, got an object"),
            field(
                r#""Name": "mine", "Description": "The image of the sales team", "Created": 1767776400.0"#,
                "Imports[0].Description: expected an object, got a string, as in the output of \
                 DescribeWorkspaceImages: send only the ImageId of its images",
            ),
            field(r#""Description": []"#, "Imports[0].Description: expected an object, got an array"),
            field(r#""Owed": []"#, "Imports[0].Owed: expected an object, got an array"),
            field(r#""Owed": true"#, "Imports[0].Owed: expected an object, got a boolean"),
        ],
    )
    .await;
}

#[tokio::test]
async fn sequences_at_and_past_the_limit() {
    const LAST: u64 = (1 << 53) - 2;
    let record = |sequence: u64, owed: Option<u64>| {
        let owed = owed.map(|owed| json!({"Kind": "STATE_CHANGED", "Sequence": owed, "From": null, "To": "PENDING"}));
        json!({"Imports": [{"ImageId": IMAGE, "Sequence": sequence, "Owed": owed}]}).to_string()
    };
    let valid = rig(Setup::new().await).await;
    for payload in [record(LAST, None), record(LAST - 1, Some(LAST))] {
        send(&valid, payload.into_bytes()).await.expect("valid");
    }
    refuses(
        Setup::new().await,
        [
            case(
                "a Sequence past the limit is the only problem",
                record(LAST + 1, Some(7)),
                "Imports[0].Sequence: must be an integer from 0 to 9007199254740990",
            ),
            case(
                "an owed Sequence past the limit",
                record(LAST, Some(LAST + 1)),
                "Imports[0].Owed.Sequence: must be at most 9007199254740990",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn malformed_owed_announcements() {
    const NUMBER: &str = "Imports[0].Owed.Sequence: must be the record's Sequence + 1";
    refuses(
        Setup::new().await,
        [
            owed(
                "{}",
                "Imports[0].Owed.Kind: is missing, expected STATE_CHANGED or STALLED; \
                 Imports[0].Owed.To: is missing, expected a state (a string); \
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
            owed(r#"{"Kind": "STALLED", "Sequence": 2.5, "To": "PENDING"}"#, NUMBER),
            owed(r#"{"Kind": "STALLED", "Sequence": 3.0, "To": "PENDING"}"#, NUMBER),
            owed(r#"{"Kind": "STALLED", "Sequence": -2, "To": "PENDING"}"#, NUMBER),
            owed(r#"{"Kind": "STALLED", "Sequence": 18446744073709551616, "To": "PENDING"}"#, NUMBER),
            owed(
                r#"{"Kind": "STALLED", "Sequence": "2", "To": "PENDING"}"#,
                "Imports[0].Owed.Sequence: expected the record's Sequence + 1, got a string",
            ),
            owed(
                r#"{"Kind": "STALLED", "Sequence": 2, "From": 1, "To": ""}"#,
                "Imports[0].Owed.From: expected a state (a string), got a number; \
                 Imports[0].Owed.To: must have 1 to 64 printable ASCII characters and no space at its ends",
            ),
        ],
    )
    .await;
}

/// `{"Imports": [{}, {}, …]}`
fn empty_records(count: usize) -> String {
    event((0..count).map(|_| json!({}))).to_string()
}

/// The message about empty records: the first twenty, and how many more there are.
fn twenty_places_and(more: usize) -> String {
    let place = |n| format!("Imports[{n}].ImageId: is missing, expected an image ID such as wsi-0a1b2c3d4; ");
    (0..20).map(place).chain([format!("and {more} more")]).collect()
}

/// Records of completed imports, which the function does not describe.
fn complete(count: usize) -> String {
    event((0..count).map(|number| json!({"ImageId": image(number), "State": "COMPLETED"}))).to_string()
}

#[tokio::test]
async fn too_many_records() {
    const SEVERAL: &str =
        "records, but an event may have at most 480 (MAX_RESPONSE_BYTES / 512): split it into several events";
    refuses(
        Setup::new().await,
        [
            case("10,000 records", complete(10_000), &format!("Imports: has 10000 {SEVERAL}")),
            case(
                "the same image 481 times",
                event((0..481).map(|_| json!({"ImageId": IMAGE}))).to_string(),
                &format!("Imports: has 481 {SEVERAL}"),
            ),
            case(
                "6 MB of nulls",
                format!(r#"{{"Imports": [{}null]}}"#, "null,".repeat(1_200_000)),
                &format!("Imports: has 1200001 {SEVERAL}"),
            ),
            case("480 mistakes", empty_records(480), &twenty_places_and(460)),
        ],
    )
    .await;
}

#[tokio::test]
async fn ten_thousand_records_with_a_higher_response_limit() {
    let stage = async || Setup::new().await.set("MAX_RESPONSE_BYTES", "6000000");
    let too_many = "Imports: has 11719 records, but an event may have at most 11718 (MAX_RESPONSE_BYTES / 512): \
                    split it into several events";
    refuses(
        stage().await,
        [
            case("11,719 records", complete(11_719), too_many),
            case("10,000 mistakes", empty_records(10_000), &twenty_places_and(9_980)),
        ],
    )
    .await;
    let rig = rig(stage().await).await;
    let response = send(&rig, complete(10_000).into()).await.expect("10,000 records are allowed");
    assert_eq!(response["Completed"], 10_000);
    assert_eq!(response["Imports"].as_array().map(Vec::len), Some(10_000));
}

/// Events that look wrong but follow the contract.
#[tokio::test]
async fn odd_events_that_are_valid() {
    let rig = rig(Setup::new().await).await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let text = "x".repeat(MAX_PAYLOAD - 100);
    for (name, payload) in [
        ("a deep unknown field", format!(r#"{{"Imports": [{{"ImageId": "{IMAGE}", "Mine": {deep}}}]}}"#)),
        ("a deep unknown field of the event", format!(r#"{{"Mine": {deep}, "Imports": [{{"ImageId": "{IMAGE}"}}]}}"#)),
        ("6 MB in an unknown field", format!(r#"{{"Imports": [{{"ImageId": "{IMAGE}"}}], "Mine": "{text}"}}"#)),
        ("6 MB of spaces", format!(r#"{}{{"Imports": [{{"ImageId": "{IMAGE}"}}]}}"#, " ".repeat(MAX_PAYLOAD - 100))),
        (
            "extreme numbers in an unknown field",
            format!(r#"{{"Imports": [{{"ImageId": "{IMAGE}", "Mine": [1e400, -1e400, 1e-400]}}]}}"#),
        ),
        (
            "a lone surrogate in an unknown field",
            format!(r#"{{"Imports": [{{"ImageId": "{IMAGE}", "Mine": "\ud800"}}]}}"#),
        ),
        (
            "lone surrogates in unknown names",
            format!(r#"{{"\udc00": 1, "Imports": [{{"ImageId": "{IMAGE}", "\ud800": 1}}]}}"#),
        ),
        ("escaped names", format!(r#"{{"\u0049mports": [{{"\u0049mageId": "wsi\u002d{}"}}]}}"#, &IMAGE[4..])),
        (
            "repeated names, of which the last count",
            format!(r#"{{"Imports": 5, "Imports": [{{"ImageId": "no", "ImageId": "{IMAGE}"}}]}}"#),
        ),
        ("the same image twice", format!(r#"{{"Imports": [{{"ImageId": "{IMAGE}"}}, {{"ImageId": "{IMAGE}"}}]}}"#)),
        (
            "a malformed description",
            format!(
                r#"{{"Imports": [{{"ImageId": "{IMAGE}", "Description": {{"State": {deep}, "Mine": 1e400, "\ud800": 0}}}}]}}"#
            ),
        ),
        // Lambda rejects such a payload, so it can come only from an emulator. The runtime reads the first JSON value.
        ("text after the event", format!(r#"{{"Imports": [{{"ImageId": "{IMAGE}"}}]}} and so on"#)),
    ] {
        let response = send(&rig, payload.into_bytes()).await.expect(name);
        let images: Vec<&Value> = imports(&response).iter().map(|record| &record["ImageId"]).collect();
        assert_eq!(images, [IMAGE], "{name}");
        assert_eq!(response["Imports"][0]["State"], "PENDING", "{name}");
    }
}

#[tokio::test]
async fn an_invalid_configuration_is_reported_for_any_payload() {
    let rig = Setup::new().await.set("CONCURRENCY", "none").start().await;
    for payload in ["", "hello", "{}"] {
        let error = send(&rig, payload.into()).await.expect_err("the configuration is invalid");
        assert_eq!(error.error_type, "InvalidConfiguration", "{payload:?}");
        assert_eq!(error.message, "CONCURRENCY must be an integer from 1 to 64", "{payload:?}");
    }
}
