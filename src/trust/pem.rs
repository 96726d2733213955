//! Rewraps PEM files whose lines are not 64 characters long (RFC 7468): OpenSSL accepts them, our
//! decoder does not.

use zeroize::Zeroizing;

/// The length of a full base64 line.
const LINE: usize = 64;

/// Returns the text with the base64 of its only block in lines of 64 characters. `None` means that
/// it has no block.
///
/// Does not validate the block; the decoder does.
pub(super) fn rewrapped(text: &str) -> Option<Zeroizing<String>> {
    let (head, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, end) = rest.split_once("-----END ")?;
    // Reserve the final size: a growing buffer would leave copies of the key in memory.
    let mut wrapped = Zeroizing::new(String::with_capacity(text.len() + text.len() / LINE + LINE));
    for part in [head, "-----BEGIN ", label, "-----\n"] {
        wrapped.push_str(part);
    }
    let characters = body.chars().filter(|character| !character.is_ascii_whitespace());
    for (index, character) in characters.enumerate() {
        if index > 0 && index % LINE == 0 {
            wrapped.push('\n');
        }
        wrapped.push(character);
    }
    for part in ["\n-----END ", end] {
        wrapped.push_str(part);
    }
    Some(wrapped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_any_length_become_lines_of_64_characters() {
        let (full, rest) = ("A".repeat(64), "B".repeat(10));
        let wanted = format!("text\n-----BEGIN X-----\n{full}\n{rest}\n-----END X-----\n");
        let narrow: String = full.chars().chain(rest.chars()).flat_map(|c| [c, '\n']).collect();

        for body in [
            format!("{full}{rest}\n"),
            format!("{full}\r\n{rest}\r\n"),
            narrow,
            format!(" {full} {rest} "),
        ] {
            let text = format!("text\n-----BEGIN X-----\n{body}-----END X-----\n");
            assert_eq!(rewrapped(&text).as_deref(), Some(&wanted), "{body}");
        }
    }

    #[test]
    fn full_last_line_is_not_followed_by_empty_line() {
        let text = format!("-----BEGIN X-----\n{}\n-----END X-----", "A".repeat(128));

        assert!(rewrapped(&text).unwrap().ends_with("A\n-----END X-----"));
    }

    #[test]
    fn text_without_pem_block_is_left_alone() {
        for text in ["", "text", "-----BEGIN X", "-----BEGIN X-----\nAAAA"] {
            assert_eq!(rewrapped(text), None, "{text}");
        }
    }
}
