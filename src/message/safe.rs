//! Makes text from the service safe to show. It must be able neither to forge a line nor to act in a chat.

use std::borrow::Cow;

use icu_properties::props::{
    BinaryProperty as _, DefaultIgnorableCodePoint, EnumeratedProperty as _, GeneralCategory, GeneralCategoryGroup,
};

/// The service's text on one line and fully visible, so that it can neither forge another line nor disguise this one. A
/// space stands for each character that nobody sees.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    if text.contains(is_hidden) { text.replace(is_hidden, " ").into() } else { text.into() }
}

/// The service's text as chat applications show it literally: one line without markup, emoji, mentions, or links.
///
/// Slack has an escape for `&`, `<`, and `>` only, and Teams has others. So this replaces each character that means
/// something to either of them with one that looks like it.
pub(super) fn inert(text: &str) -> Cow<'_, str> {
    let mut inert = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut previous = ' ';
    while let Some(character) = chars.next() {
        let next = chars.peek().copied().unwrap_or(' ');
        inert.push(match character {
            hidden if is_hidden(hidden) => ' ',
            '*' => '∗',
            '~' => '∼',
            '`' => '\'',
            '<' => '‹',
            '>' => '›',
            '&' => '＆',
            '@' => '＠',
            // `[text](address)` is a link in Teams.
            '[' => '(',
            ']' => ')',
            // `:name:` is an emoji, and `name:` starts a link.
            ':' => '∶',
            // Inside a word, as in the names of states, an underscore means nothing.
            '_' if !(previous.is_ascii_alphanumeric() && next.is_ascii_alphanumeric()) => '＿',
            // `#name` is a channel.
            '#' if !previous.is_ascii_alphanumeric() => '＃',
            // Host names without a scheme become links, too. The last part of each starts with a letter.
            '.' | '。' | '．' | '｡' if next.is_alphabetic() => '․',
            other => other,
        });
        previous = character;
    }
    inert.into()
}

/// Whether nobody sees a character, or Unicode gives it no meaning. A plain space is not hidden.
fn is_hidden(character: char) -> bool {
    const NOT_VISIBLE: GeneralCategoryGroup = GeneralCategoryGroup::Other.union(GeneralCategoryGroup::Separator);
    if matches!(character, ' '..='~') {
        return false;
    }
    // "Other" are control and format characters, private use, and what is not assigned.
    NOT_VISIBLE.contains(GeneralCategory::for_char(character))
        || DefaultIgnorableCodePoint::for_char(character)
        || is_blank(character)
}

/// Symbols and letters without ink. For Unicode, they are as visible as all others, so no property tells them apart.
fn is_blank(character: char) -> bool {
    matches!(
        character,
        '\u{2800}' // Braille pattern blank
            | '\u{fffc}' // object replacement character
            | '\u{13441}' // Egyptian hieroglyph full blank
            | '\u{13442}' // Egyptian hieroglyph half blank
            | '\u{16fe4}' // Khitan small script filler
            | '\u{1d159}' // musical symbol null notehead
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_chat_text_acts() {
        for (text, inert_text) in [
            ("*bold* _italic_ ~struck~ `code` ```block```", "∗bold∗ ＿italic＿ ∼struck∼ 'code' '''block'''"),
            ("<!channel> <@U012> <https://evil.example|here>", "‹!channel› ‹＠U012› ‹https∶//evil․example|here›"),
            ("&lt;!here&gt; @here @everyone #general", "＆lt;!here＆gt; ＠here ＠everyone ＃general"),
            ("[here](https://evil.example) ![x](y)", "(here)(https∶//evil․example) !(x)(y)"),
            (
                "see evil.example, www.evil.example/a or mailto:a@b.example",
                "see evil․example, www․evil․example/a or mailto∶a＠b․example",
            ),
            ("one :fire: two", "one ∶fire∶ two"),
            ("a\nb\u{2028}c\u{200b}d", "a b c d"),
            // Variation selectors and joiners belong to emoji. Without them, the parts of an emoji stand side by side.
            ("\u{26a0}\u{fe0f}!", "\u{26a0} !"),
        ] {
            assert_eq!(inert(text), inert_text);
        }
    }

    #[test]
    fn a_space_stands_for_each_character_that_is_not_seen() {
        for (kind, characters) in [
            ("control characters", "\0\t\n\u{b}\u{c}\r\u{1b}\u{7f}\u{80}\u{85}\u{9f}"),
            ("separators", "\u{a0}\u{1680}\u{2000}\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}"),
            ("directions", "\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}"),
            ("characters without width", "\u{ad}\u{34f}\u{200b}\u{200c}\u{200d}\u{2060}\u{2064}\u{206f}\u{feff}"),
            ("fillers", "\u{115f}\u{1160}\u{3164}\u{ffa0}\u{17b4}\u{17b5}\u{16fe4}"),
            ("variation selectors", "\u{180b}\u{180e}\u{180f}\u{fe00}\u{fe0e}\u{fe0f}\u{e0100}\u{e01ef}"),
            ("tags", "\u{e0001}\u{e0020}\u{e0041}\u{e007f}"),
            ("format characters", "\u{600}\u{fff9}\u{fffb}\u{110bd}\u{13430}\u{1bca0}\u{1d173}\u{1d17a}"),
            ("blank symbols", "\u{2800}\u{fffc}\u{13441}\u{13442}\u{1d159}"),
            ("private use", "\u{e000}\u{f8ff}\u{f0000}\u{10fffd}"),
            ("unassigned", "\u{378}\u{2065}\u{fff0}\u{e0000}\u{e0fff}"),
            ("noncharacters", "\u{fdd0}\u{fdef}\u{fffe}\u{ffff}\u{1fffe}\u{10ffff}"),
        ] {
            for character in characters.chars() {
                let text = format!("a{character}b");
                assert_eq!((&*one_line(&text), &*inert(&text)), ("a b", "a b"), "{kind}: {character:?}");
            }
        }
    }

    #[test]
    fn what_is_seen_stays() {
        for text in [
            "",
            "a b",
            "Größe",
            "e\u{301}",
            "镜像导入失败",
            "이미지",
            "صورة",
            "चित्र",
            "\u{26a0}\u{2705}\u{1f6d1}",
            "\u{fffd}",
        ] {
            assert_eq!((&*one_line(text), &*inert(text)), (text, text));
        }
    }

    #[test]
    fn what_means_nothing_stays() {
        for text in ["CREATING_AMI_1", "PowerShell 4.0 or later is needed.", "wsi-0a1b2c3d4#7", "C:\\Windows (x86)"] {
            assert_eq!(inert(text), text.replace(':', "∶"));
        }
    }
}
