//! Checks by `Content-Range` that an answer resumes a download.

/// Returns whether the header announces the bytes from `from` to the end of `size` bytes.
pub(super) fn continues(content_range: Option<&str>, from: u64, size: u64) -> bool {
    let read = |text: &str| {
        let (bytes, whole) = text.strip_prefix("bytes ")?.trim().split_once('/')?;
        let (first, last) = bytes.split_once('-')?;
        let is_whole = whole == "*" || number(whole)? == size;
        Some(is_whole && number(first)? == from && number(last)?.checked_add(1)? == size)
    };
    content_range.and_then(read).unwrap_or(false)
}

/// Parses digits only: `+1` is refused.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_must_continue_from_offset_to_end() {
        for (text, wanted) in [
            ("bytes 3-9/10", true),
            ("bytes 3-9/*", true),
            ("bytes 0-9/10", false),
            ("bytes 3-8/10", false),
            ("bytes 3-9/11", false),
            ("bytes 3-10/10", false),
            ("bytes */10", false),
            ("bytes +3-9/10", false),
            ("bytes 3-18446744073709551615/10", false),
            ("items 3-9/10", false),
            ("3-9/10", false),
            ("", false),
        ] {
            assert_eq!(continues(Some(text), 3, 10), wanted, "{text}");
        }
        assert!(!continues(None, 3, 10));
    }
}
