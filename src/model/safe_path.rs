//! Paths of files in a bundle: relative and lowercase, without ambiguity through case, Unicode or
//! `..`.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use super::printable::start_of;

/// The path of a file in a bundle, such as `manifests/10-cm-relay.yaml`.
///
/// Segments match `[a-z0-9][a-z0-9._-]*` and are joined by `/`; the path has at most 100 bytes.
/// Every such path names the same file on all file systems, and fits the name field of a tar
/// header. Ordered by bytes.
///
/// `SHA256SUMS` is not such a path and need not be: it lists the other files but not itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SafePath(String);

impl SafePath {
    /// The size of the name field in a tar header.
    pub const BYTES_MAX: usize = 100;

    /// Parses a path.
    ///
    /// # Errors
    ///
    /// Returns an error if `text` is empty or too long, or if a segment is empty or contains an
    /// invalid character.
    pub fn parse(text: &str) -> Result<Self, InvalidPath> {
        if text.len() > Self::BYTES_MAX {
            return Err(InvalidPath::TooLong {
                start: start_of(text, 40).to_owned(),
                bytes: text.len(),
            });
        }
        let mut at_start = true;
        for (at, found) in text.char_indices() {
            let alphanumeric = found.is_ascii_lowercase() || found.is_ascii_digit();
            match found {
                '/' if at_start => return Err(InvalidPath::EmptySegment { path: text.to_owned() }),
                '/' => at_start = true,
                '.' | '_' | '-' if !at_start => {}
                _ if alphanumeric => at_start = false,
                _ => return Err(InvalidPath::Character { path: text.to_owned(), found, at }),
            }
        }
        if at_start {
            return Err(InvalidPath::EmptySegment { path: text.to_owned() });
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Yields the parent folders of the file, outermost first: `a` and `a/b` for `a/b/c`.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(at, _)| &self.0[..at])
    }
}

/// The text is not the path of a file in a bundle.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    #[error("path {start:?}… has {bytes} bytes; the limit is {}", SafePath::BYTES_MAX)]
    TooLong { start: String, bytes: usize },
    #[error("path {path:?} has an empty segment")]
    EmptySegment { path: String },
    #[error(
        "path {path:?} has {found:?} at byte {at}: segments are lowercase letters, digits, and \
         after the first character `.`, `_` and `-`"
    )]
    Character { path: String, found: char, at: usize },
}

impl fmt::Display for SafePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SafePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Borrow<str> for SafePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for SafePath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for SafePath {
    type Error = InvalidPath;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<SafePath> for String {
    fn from(path: SafePath) -> Self {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundle_paths_are_accepted() {
        let longest = "a".repeat(100);
        for good in [
            "bundle.json",
            "manifests/00-ns-a.yaml",
            "images/sha256/0a_b-c.d",
            "a/b/c/d",
            "0",
            &longest,
        ] {
            assert_eq!(SafePath::parse(good).map(|path| path.to_string()), Ok(good.to_owned()));
        }
    }

    #[test]
    fn path_traversal_and_noncanonical_paths_are_refused() {
        let bad = [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "../a",
            "a/../b",
            "a/./b",
            ".hidden",
            "a/.b",
            "-a",
            "_a",
            "A",
            "a/B",
            "SHA256SUMS",
            "a b",
            "a\0b",
            "a\nb",
            "a\\b",
            "c:a",
            "é",
            "a\u{301}",
            "ａ",
            "a*",
            "~",
            "a/-b",
        ];

        for text in bad {
            assert!(SafePath::parse(text).is_err(), "{text:?}");
        }
        assert!(SafePath::parse(&"a".repeat(101)).is_err());
    }

    #[test]
    fn error_locates_fault_in_path() {
        let message = |text: &str| SafePath::parse(text).unwrap_err().to_string();

        assert!(
            message("manifests/Ä.yaml")
                .starts_with(r#"path "manifests/Ä.yaml" has 'Ä' at byte 10: "#)
        );
        assert_eq!(message("a//b"), r#"path "a//b" has an empty segment"#);
        assert!(message(&"é".repeat(51)).ends_with("has 102 bytes; the limit is 100"));
    }

    #[test]
    fn paths_are_ordered_by_bytes_of_whole_path() {
        let mut paths =
            ["a/b", "a-b", "a.b", "a0", "a", "a_b"].map(|text| SafePath::parse(text).unwrap());

        paths.sort();

        assert_eq!(paths.map(String::from), ["a", "a-b", "a.b", "a/b", "a0", "a_b"]);
    }

    #[test]
    fn folders_of_path_are_its_proper_prefixes() {
        let folders = |text: &str| {
            SafePath::parse(text).unwrap().folders().map(str::to_owned).collect::<Vec<_>>()
        };

        assert_eq!(folders("a/b/c"), ["a", "a/b"]);
        assert!(folders("a").is_empty());
    }
}
