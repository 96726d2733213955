//! Escapes external text for a terminal, so that it cannot move the cursor, change colours or hide
//! other text.

use std::borrow::Cow;

use crate::model::printable::is_printable;

/// Returns `text` with an escape for every character that a terminal might act on or not show.
pub fn safe(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_printable) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_printable(character) {
            shown.push(character);
        } else {
            shown.extend(character.escape_debug());
        }
    }
    Cow::Owned(shown)
}

/// Returns `text` with each line escaped by [`safe`].
pub fn safe_lines(text: &str) -> String {
    text.split('\n').map(safe).collect::<Vec<_>>().join("\n")
}

/// Returns `text` with each line escaped by [`safe`], and every line but the first indented.
///
/// So a line break in an external name cannot fake a line of this program.
pub fn safe_within(text: &str) -> String {
    text.split('\n').map(safe).collect::<Vec<_>>().join("\n    ")
}

/// Returns a styled text of several lines, with every other character escaped that a terminal might
/// act on or not show.
///
/// All text reports and messages pass through here, so a name that bypassed [`safe`] can at most
/// change colours.
pub fn safe_styled(text: &str) -> Cow<'_, str> {
    let stays = |character: char| character == '\n' || character == '\t' || is_printable(character);
    if text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let style = style_bytes(rest);
        if style.is_some() || stays(character) {
            shown.push_str(&rest[..style.unwrap_or(character.len_utf8())]);
        } else {
            shown.extend(character.escape_debug());
        }
        rest = &rest[style.unwrap_or(character.len_utf8())..];
    }
    Cow::Owned(shown)
}

/// Returns the length of the colour sequence at the beginning of a text.
fn style_bytes(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    parameters[end..].starts_with('m').then_some("\u{1b}[".len() + end + 1)
}

/// Returns a JSON text with such characters as JSON escapes.
///
/// JSON itself does not escape DEL, the C1 controls (one of which begins terminal sequences) and
/// direction marks.
pub fn safe_json(text: &str) -> Cow<'_, str> {
    let stays = |character: char| character == '\n' || is_printable(character);
    if text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if stays(character) {
            shown.push(character);
        } else {
            let mut units = [0; 2];
            let escapes =
                character.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}"));
            shown.extend(escapes);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_control_characters_are_made_visible() {
        assert_eq!(safe("plain é 漢 -> ok"), "plain é 漢 -> ok");
        assert_eq!(safe("\u{1b}[31mred\u{7}"), r"\u{1b}[31mred\u{7}");
        assert_eq!(safe("a\nb\r\tc"), r"a\nb\r\tc");
        assert_eq!(safe("\u{9b}2J\u{7f}"), r"\u{9b}2J\u{7f}");
        assert_eq!(safe("user\u{202e}txt.exe"), r"user\u{202e}txt.exe");
        assert_eq!(safe_lines("a\n\u{1b}b"), "a\n\\u{1b}b");
        assert_eq!(safe_within("a\n\u{1b}b\nerror: c"), "a\n    \\u{1b}b\n    error: c");
    }

    #[test]
    fn colours_stay_and_other_sequences_become_visible() {
        assert_eq!(safe_styled("plain\n\tb"), "plain\n\tb");
        assert_eq!(safe_styled("\u{1b}[1;31mred\u{1b}[0m"), "\u{1b}[1;31mred\u{1b}[0m");
        assert_eq!(safe_styled("\u{1b}[2J\u{9b}2J"), r"\u{1b}[2J\u{9b}2J");
        assert_eq!(safe_styled("\u{1b}[1"), r"\u{1b}[1");
        assert_eq!(safe_styled("a\u{200b}\u{feff}\u{202e}é"), r"a\u{200b}\u{feff}\u{202e}é");
    }

    #[test]
    fn escaped_json_keeps_its_value() {
        let value = serde_json::json!({"a\u{9b}": "\u{7f}\u{202e}\u{1b}\u{e0001}\n"});
        let text = format!("{value:#}");

        let shown = safe_json(&text);

        assert!(
            shown.chars().all(|character| character == '\n' || is_printable(character)),
            "{shown}"
        );
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
