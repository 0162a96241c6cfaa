//! A transition as one line, for programs or for people.

use anyhow::Context as _;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::display::{colored, image};

/// For programs: the transition with the time, the progress, and the codes of the errors. The response has the last two
/// in the image's record.
fn data(transition: &Value, response: &Value, now: OffsetDateTime) -> anyhow::Result<Value> {
    let record = record(response, &transition["ImageId"]);
    let errors = record["Description"]["ErrorDetails"].as_array().into_iter().flatten();
    let codes: Vec<&Value> = errors.map(|error| &error["ErrorCode"]).collect();
    let mut line = transition.clone();
    let fields = line.as_object_mut().context("a transition is not an object")?;
    fields.insert("Time".to_owned(), now.format(&Rfc3339)?.into());
    fields.insert("ProgressPercentage".to_owned(), record["Description"]["ProgressPercentage"].clone());
    fields.insert("ErrorCodes".to_owned(), json!(codes));
    Ok(line)
}

/// [`data`] of a transition that has just been reported.
pub(crate) fn data_now(transition: &Value, response: &Value) -> anyhow::Result<Value> {
    data(transition, response, OffsetDateTime::now_utc().truncate_to_millisecond())
}

/// The image's record in a response, or null.
fn record<'a>(response: &'a Value, image_id: &Value) -> &'a Value {
    let mut records = response["Imports"].as_array().into_iter().flatten();
    records.find(|record| record["ImageId"] == *image_id).unwrap_or(&Value::Null)
}

/// For people.
pub(crate) fn text(transition: &Value) -> String {
    let field = |name: &str| transition[name].as_str().unwrap_or("(none)");
    let (image, to) = (image(transition), colored(field("To")));
    match field("Kind") {
        "STALLED" => format!("{image}: {} in {to}", colored("STALLED")),
        _ => format!("{image}: {} -> {to}", field("From")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_programs_has_the_time_the_progress_and_the_error_codes() {
        let errors = json!([{"ErrorCode": "DomainJoined", "ErrorMessage": "m"}, {"ErrorCode": "DiskFull"}]);
        let response = json!({"Imports": [
            {"ImageId": "wsi-a", "Description": {"ProgressPercentage": 41, "ErrorDetails": errors}},
            {"ImageId": "wsi-b", "Missing": "2026-01-07T09:00:00Z"},
        ]});
        let line = |image_id| {
            let transition = json!({"ImageId": image_id, "To": "ERROR"});
            data(&transition, &response, OffsetDateTime::UNIX_EPOCH).unwrap()
        };
        let expected = json!({
            "ImageId": "wsi-a", "To": "ERROR", "Time": "1970-01-01T00:00:00Z",
            "ProgressPercentage": 41, "ErrorCodes": ["DomainJoined", "DiskFull"],
        });
        assert_eq!(line("wsi-a"), expected);
        assert_eq!((&line("wsi-b")["ProgressPercentage"], &line("wsi-b")["ErrorCodes"]), (&Value::Null, &json!([])));
    }
}
