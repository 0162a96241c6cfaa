//! Makes text from the service safe to show. It must be able neither to forge a line nor to act in a chat.

use std::borrow::Cow;

/// The service's text on one line and fully visible, so that it can neither forge another line nor disguise this one.
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

fn is_hidden(character: char) -> bool {
    character.is_control() || is_invisible(character)
}

/// Line and paragraph separators, characters without width, characters that change the writing direction, and tags.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
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
        ] {
            assert_eq!(inert(text), inert_text);
        }
    }

    #[test]
    fn what_means_nothing_stays() {
        for text in ["CREATING_AMI_1", "PowerShell 4.0 or later is needed.", "wsi-0a1b2c3d4#7", "C:\\Windows (x86)"] {
            assert_eq!(inert(text), text.replace(':', "∶"));
        }
    }
}
