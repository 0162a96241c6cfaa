//! Shortens the longest texts of descriptions, to keep responses and messages within their size limits.

use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

/// Texts are not shortened below this many bytes, because the rest would tell nobody anything.
pub(crate) const SHORTEST_TEXT: usize = 96;

const ELLIPSIS: char = '…';

/// The size of each text of a description that may be shortened, in bytes of JSON.
pub(crate) fn text_sizes(description: &RawValue) -> Vec<usize> {
    let mut sizes = Vec::new();
    if let Ok(mut value) = serde_json::from_str::<Value>(description.get()) {
        for_each_text(&mut value, |text| sizes.push(escaped_len(text)));
    }
    sizes
}

/// The description with every text shortened to `limit` bytes of JSON. Returns `None` if no text is longer.
pub(crate) fn shorten_texts(description: &RawValue, limit: usize) -> Option<Box<RawValue>> {
    let mut value: Value = serde_json::from_str(description.get()).ok()?;
    let mut changed = false;
    for_each_text(&mut value, |text| {
        if escaped_len(text) > limit {
            *text = shorten(text, limit);
            changed = true;
        }
    });
    if changed { to_raw_value(&value).ok() } else { None }
}

/// The beginning of a text and an ellipsis, at most `limit` bytes of JSON.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    if escaped_len(text) <= limit {
        return text.to_owned();
    }
    let mut left = limit.saturating_sub(ELLIPSIS.len_utf8());
    let mut beginning: String = text
        .chars()
        .take_while(|&char| {
            let size = escaped_char_len(char);
            let fits = size <= left;
            left = left.saturating_sub(size);
            fits
        })
        .collect();
    if limit >= ELLIPSIS.len_utf8() {
        beginning.push(ELLIPSIS);
    }
    beginning
}

/// The largest limit in `SHORTEST_TEXT..=longest` for which `fits` is true, found by bisection: what fits at one limit
/// also fits at every lower one. Returns `None` if no limit fits.
pub(crate) fn largest_limit(longest: usize, mut fits: impl FnMut(usize) -> bool) -> Option<usize> {
    let (mut low, mut high) = (SHORTEST_TEXT, longest);
    if longest < SHORTEST_TEXT || !fits(low) {
        return None;
    }
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if fits(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    Some(low)
}

/// Visits `StateMessage` and the texts of `ErrorDetails`.
fn for_each_text(description: &mut Value, mut visit: impl FnMut(&mut String)) {
    if let Some(Value::String(message)) = description.get_mut("StateMessage") {
        visit(message);
    }
    let details = description.get_mut("ErrorDetails").and_then(Value::as_array_mut);
    for text in details.into_iter().flatten().filter_map(Value::as_object_mut).flat_map(serde_json::Map::values_mut) {
        if let Value::String(text) = text {
            visit(text);
        }
    }
}

/// The size of a text in JSON without its quotes, in bytes, as `serde_json` writes it.
pub(crate) fn escaped_len(text: &str) -> usize {
    text.chars().map(escaped_char_len).sum()
}

fn escaped_char_len(char: char) -> usize {
    match char {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\u{0}'..='\u{1f}' => 6,
        _ => char.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_match_serde_json() {
        for text in ["plain", "quote \" and \\", "\u{0}\u{1f}\u{8}\u{c}\n\r\t", "新しい…", "\u{7f}"] {
            let json = serde_json::to_string(text).expect("JSON");
            assert_eq!(escaped_len(text), json.len() - 2, "{text:?}");
        }
    }

    #[test]
    fn a_shortened_text_keeps_its_limit_and_ends_with_an_ellipsis() {
        let text = "\"新".repeat(50);
        for limit in 0..escaped_len(&text) {
            let short = shorten(&text, limit);
            assert!(escaped_len(&short) <= limit, "{limit}: {short}");
            assert!(limit < 3 || short.ends_with('…'));
        }
        assert_eq!(shorten(&text, escaped_len(&text)), text);
    }

    #[test]
    fn the_largest_limit_is_found() {
        for threshold in [96, 97, 150, 199, 200] {
            assert_eq!(largest_limit(200, |limit| limit <= threshold), Some(threshold));
        }
        assert_eq!(largest_limit(200, |_| false), None);
        assert_eq!(largest_limit(10, |_| true), None);
    }

    #[test]
    fn only_messages_are_shortened() {
        let long = "x".repeat(500);
        let description = serde_json::json!({
            "State": long, "StateMessage": long, "ErrorDetails": [{"ErrorCode": "A", "ErrorMessage": long}], "Other": long,
        });
        let raw = to_raw_value(&description).expect("JSON");
        assert_eq!(text_sizes(&raw), [500, 1, 500]);
        assert!(shorten_texts(&raw, 500).is_none());
        let short: Value = serde_json::from_str(shorten_texts(&raw, 100).expect("shortened").get()).expect("JSON");
        assert_eq!(short["State"], long);
        assert_eq!(short["Other"], long);
        assert_eq!(short["StateMessage"].as_str().map(escaped_len), Some(100));
        assert_eq!(short["ErrorDetails"][0]["ErrorMessage"].as_str().map(escaped_len), Some(100));
    }
}
