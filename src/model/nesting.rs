//! Limits the nesting depth of TOML before any recursive code sees it.
//!
//! The parser limits brackets and the parts of one key to 80 each. A key of 80 parts in each of 80
//! nested tables would still overflow the stack of a recursive function.

/// Values in Kubernetes types are nested at most about 12 levels deep.
pub const DEPTH_MAX: usize = 32;

/// Returns the offset at which `text` exceeds [`DEPTH_MAX`], if it does.
///
/// Counts brackets, and the dots before them that may separate parts of a key; skips strings and
/// comments. In invalid TOML, the count may be too high.
pub fn too_deep(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut open, mut depth, mut dots, mut at) = (Vec::new(), 0, 0, 0);

    while at < bytes.len() {
        let mut next = at + 1;
        match bytes[at] {
            b'"' | b'\'' => next = end_of_string(bytes, at),
            b'#' => next = end_of_line(bytes, at),
            b'[' | b'{' => {
                open.push(dots);
                depth += dots + 1;
                dots = 0;
            }
            b']' | b'}' => {
                depth -= open.pop().map_or(0, |dots| dots + 1);
                dots = 0;
            }
            b'.' => dots += 1,
            b'\n' | b',' => dots = 0,
            _ => {}
        }
        if depth + dots > DEPTH_MAX {
            return Some(at);
        }
        at = next;
    }
    None
}

fn end_of_line(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| from + length)
}

/// Returns the offset behind the string that begins at `from`. An unterminated string ends with its
/// line, or with the text if it may span lines.
fn end_of_string(bytes: &[u8], from: usize) -> usize {
    let quote = bytes[from];
    let is_long = bytes[from..].starts_with(&[quote; 3]);
    let mut at = from + if is_long { 3 } else { 1 };
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote == b'"' => at += 1,
            b'\n' if !is_long => return at,
            byte if byte == quote && !is_long => return at + 1,
            byte if byte == quote && bytes[at..].starts_with(&[quote; 3]) => {
                // Up to two quotes before the closing three belong to the string.
                let quotes = bytes[at..].iter().take(5).take_while(|byte| **byte == quote).count();
                return at + quotes;
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_strings_and_comments_are_not_nesting() {
        let text = "a.b.c = 1.5\n[a.b]\nx = [{ y = [\"}]]]]\", '''[[[['''] }] # [[[[[[\n\"a.b\".c = \"\"\"\n[[[[\"\"\"\"\n";
        assert_eq!(too_deep(&text.repeat(100)), None);
        assert_eq!(too_deep(&format!("a = {}", "1.5, ".repeat(100))), None);
    }

    #[test]
    fn brackets_and_dots_add_up() {
        let brackets = format!("a = {}", "[".repeat(33));
        let dots = format!("a{} = 1", ".a".repeat(33));
        let both = format!("a = {}", "{ a.a.a.a = ".repeat(9));
        for text in [brackets, dots, both] {
            assert!(too_deep(&text).is_some(), "{text}");
            assert_eq!(too_deep(&format!("# {text}")), None);
        }
    }

    #[test]
    fn unterminated_string_hides_same_text_as_in_parser() {
        assert!(too_deep(&format!("a = \"x\nb = {}", "[".repeat(40))).is_some());
        assert_eq!(too_deep(&format!("a = \"\"\"x\nb = {}", "[".repeat(40))), None);
        assert_eq!(too_deep("a = \"\\"), None);
    }
}
