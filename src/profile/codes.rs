//! Every diagnostic code, with what `explain` says about it.

use std::sync::LazyLock;

/// The text is a page of the documentation too: a heading `## CODE TITLE` for each, and the
/// explanation below.
const TEXT: &str = include_str!("codes.md");

/// One code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// `RB0101`.
    pub code: &'static str,
    /// What it is about, in a few words.
    pub title: &'static str,
    /// What is wrong, why it matters and how to mend it: Markdown, mostly with an example.
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

/// Returns every code, in ascending order.
pub fn all() -> &'static [Code] {
    &CODES
}

/// Returns a code by its name, in any letter case.
pub fn find(code: &str) -> Option<&'static Code> {
    CODES.iter().find(|known| known.code.eq_ignore_ascii_case(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_title_and_an_explanation_and_stands_in_order() {
        assert!(all().len() > 80);
        for pair in all().windows(2) {
            assert!(pair[0].code < pair[1].code, "{} stands before {}", pair[0].code, pair[1].code);
        }
        for code in all() {
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
    fn a_code_is_found_in_any_letter_case() {
        assert_eq!(find("rb0302").map(|code| code.title), Some("An offset of 0"));
        assert_eq!(find("RB9999"), None);
    }
}
