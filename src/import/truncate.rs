//! Shortens texts, to keep responses and messages within their size limits.

/// Texts are not shortened below this many bytes, because the rest would tell nobody anything.
pub(crate) const SHORTEST_TEXT: usize = 96;

const ELLIPSIS: char = '…';

/// The beginning of a text and an ellipsis, at most `limit` bytes of JSON.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    if escaped_len(text) <= limit {
        return text.to_owned();
    }
    let mut left = limit.saturating_sub(ELLIPSIS.len_utf8());
    let mut beginning = String::new();
    for character in text.chars() {
        let size = escaped_char_len(character);
        if size > left {
            break;
        }
        left -= size;
        beginning.push(character);
    }
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

/// The size of a text in JSON without its quotes, in bytes, as `serde_json` writes it.
pub(crate) fn escaped_len(text: &str) -> usize {
    text.chars().map(escaped_char_len).sum()
}

fn escaped_char_len(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\u{0}'..='\u{1f}' => 6,
        _ => character.len_utf8(),
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
}
