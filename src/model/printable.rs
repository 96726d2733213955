//! Characters that a terminal shows verbatim.

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
