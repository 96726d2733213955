//! Searches a sorted text without a list of its lines.

use std::cmp::Ordering;

/// Returns the rest of the line whose first word is `wanted`, by binary search; the lines must be
/// sorted by that word.
pub(super) fn find<'a>(mut text: &'a str, wanted: &str) -> Option<&'a str> {
    while !text.is_empty() {
        let middle = text.floor_char_boundary(text.len() / 2);
        let start = text[..middle].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[start..].find('\n').map_or(text.len(), |length| start + length);
        let line = &text[start..end];
        let word = line.find(' ').map_or(line, |length| &line[..length]);
        match wanted.cmp(word) {
            Ordering::Less => text = &text[..start],
            Ordering::Equal => return Some(&line[word.len()..]),
            Ordering::Greater => text = text.get(end + 1..).unwrap_or_default(),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_word_of_line_is_found() {
        let text = "a one\na.b two\nc\n";
        let found = ["a", "a.b", "c", "", "b", "d", "a one"].map(|word| find(text, word));
        assert_eq!(found, [Some(" one"), Some(" two"), Some(""), None, None, None, None]);
    }
}
