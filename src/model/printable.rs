//! Texts in messages: their length, and the characters that a terminal shows verbatim.

/// Returns whether a character is visible and does not move the cursor, change colours or reverse
/// the text direction.
pub fn is_printable(character: char) -> bool {
    let is_invisible = matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    );
    !character.is_control() && !is_invisible
}

/// Returns the first characters of a text, at most `most`.
pub fn start_of(text: &str, most: usize) -> &str {
    text.char_indices().nth(most).map_or(text, |(end, _)| &text[..end])
}

/// Returns the first 80 characters of a text, for a message.
pub fn shortened(text: &str) -> String {
    start_of(text, 80).to_owned()
}

/// Returns the first characters of a text, with escapes for special ones, for a message.
pub fn escaped_start(text: &str, most: usize) -> String {
    start_of(text, most).chars().flat_map(char::escape_debug).collect()
}

/// Returns a text, cut after `most` characters.
pub fn cut(text: &str, most: usize) -> String {
    let start = start_of(text, most);
    let rest = if start == text { "" } else { "…" };
    format!("{start}{rest}")
}

/// Returns `most` characters of a text from character `start` on, marked where the text is cut.
pub fn part(text: &str, start: usize, most: usize) -> String {
    let before = if start == 0 { "" } else { "…" };
    let rest = text.char_indices().nth(start).map_or("", |(begin, _)| &text[begin..]);
    format!("{before}{}", cut(rest, most))
}

/// Returns the number of characters with which both texts begin.
pub fn common_start([one, other]: [&str; 2]) -> usize {
    one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_and_invisible_characters_are_not_printable() {
        for character in
            ['\n', '\u{1b}', '\u{7f}', '\u{9b}', '\u{200b}', '\u{202e}', '\u{2066}', '\u{feff}']
        {
            assert!(!is_printable(character), "{character:?}");
        }
        for character in ['a', ' ', 'é', '漢'] {
            assert!(is_printable(character), "{character:?}");
        }
    }
}
