//! The diagnostic codes with the explanations that `explain` prints.

use std::sync::LazyLock;

/// The text of all codes, also a page of the documentation: a heading `## CODE TITLE` for each
/// code, followed by the explanation.
const TEXT: &str = include_str!("codes.md");

/// One code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The code, such as `RB0101`.
    pub code: &'static str,
    /// The subject in a few words.
    pub title: &'static str,
    /// The problem, its consequences and the remedy, as Markdown, mostly with an example.
    pub explanation: &'static str,
}

static CODES: LazyLock<Vec<Code>> = LazyLock::new(|| {
    let sections = TEXT.split("\n## ").skip(1);
    sections
        .filter_map(|section| {
            let (heading, explanation) = section.split_once('\n')?;
            let (code, title) = heading.split_once(' ')?;
            Some(Code { code, title, explanation: explanation.trim() })
        })
        .collect()
});

/// Returns a code by its name, in any letter case.
pub fn find(code: &str) -> Option<&'static Code> {
    CODES.iter().find(|known| known.code.eq_ignore_ascii_case(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_ordered_and_have_title_and_explanation() {
        assert!(CODES.len() > 80);
        for pair in CODES.windows(2) {
            assert!(pair[0].code < pair[1].code, "{} stands before {}", pair[0].code, pair[1].code);
        }
        for code in CODES.iter() {
            let digits = code.code.strip_prefix("RB").unwrap();
            assert!(
                digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit()),
                "{}",
                code.code
            );
            assert!(!code.title.is_empty() && !code.title.ends_with('.'), "{}", code.code);
            assert!(code.explanation.ends_with(['.', '`']), "{} ends in the middle", code.code);
        }
    }

    #[test]
    fn code_lookup_ignores_case() {
        assert_eq!(find("rb0302").map(|code| code.title), Some("An offset of 0"));
        assert_eq!(find("RB9999"), None);
    }
}
