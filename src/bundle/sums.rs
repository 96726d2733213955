//! `SHA256SUMS`: the list of a bundle's files, whose own digest is the content id.
//!
//! One line per file, `<64 hex><2 spaces><path><LF>`, strictly increasing by path bytes, in the
//! format of `sha256sum`. The same files have one spelling, so a reader encodes the parsed list
//! again and compares the bytes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::layout::FileKind;
use super::limits::{FILES_MAX, SUMS_BYTES_MAX};
use crate::model::digest::Digest;
use crate::model::safe_path::{InvalidPath, SafePath};

/// The digest of every file of a bundle except `SHA256SUMS` and the attestation.
///
/// Only paths that are allowed in a bundle, so none is also the folder of another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums(BTreeMap<SafePath, Digest>);

/// Why bytes are not a list of a bundle's files. Lines count from 1.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSums {
    #[error("SHA256SUMS has {bytes} bytes; the limit is {SUMS_BYTES_MAX}")]
    TooLarge { bytes: usize },
    #[error("SHA256SUMS lists {files} files; the limit is {FILES_MAX}")]
    TooMany { files: usize },
    #[error("SHA256SUMS is not UTF-8 (byte {at})")]
    NotText { at: usize },
    #[error("SHA256SUMS line {line} is not 64 lowercase hexadecimal digits, two spaces and a path")]
    Line { line: usize },
    #[error("SHA256SUMS line {line}: {invalid}")]
    Path { line: usize, invalid: InvalidPath },
    #[error(
        "SHA256SUMS line {line} is not in canonical form: paths are sorted by bytes, every line \
         ends with LF"
    )]
    NotCanonical { line: usize },
    #[error("SHA256SUMS lists `{path}`, which is not a file of a bundle")]
    Misplaced { path: SafePath },
}

impl Sums {
    /// Parses the bytes of a `SHA256SUMS` file.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes are not exactly what [`Sums::encode`] writes for some files of
    /// a bundle.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidSums> {
        if bytes.len() as u64 > SUMS_BYTES_MAX {
            return Err(InvalidSums::TooLarge { bytes: bytes.len() });
        }
        let text =
            std::str::from_utf8(bytes).map_err(|e| InvalidSums::NotText { at: e.valid_up_to() })?;
        let entries = text
            .split_terminator('\n')
            .enumerate()
            .map(|(index, text)| parse_line(index + 1, text))
            .collect::<Result<_, _>>()?;
        let sums = Self::new(entries)?;
        match first_different_line(text, &sums.encode()) {
            Some(line) => Err(InvalidSums::NotCanonical { line }),
            None => Ok(sums),
        }
    }

    /// Creates a list from paths and digests.
    ///
    /// # Errors
    ///
    /// Returns an error if there are too many files, or a path is not allowed in a bundle.
    pub fn new(entries: BTreeMap<SafePath, Digest>) -> Result<Self, InvalidSums> {
        if entries.len() > FILES_MAX {
            return Err(InvalidSums::TooMany { files: entries.len() });
        }
        for path in entries.keys() {
            if FileKind::of(path).is_none() {
                return Err(InvalidSums::Misplaced { path: path.clone() });
            }
        }
        Ok(Self(entries))
    }

    /// Creates a list that the caller knows to satisfy the checks of [`Sums::new`].
    pub(super) fn of_checked(entries: BTreeMap<SafePath, Digest>) -> Self {
        Self(entries)
    }

    /// Returns the content of the `SHA256SUMS` file.
    pub fn encode(&self) -> String {
        let line_bytes = 64 + 2 + SafePath::BYTES_MAX + 1;
        let mut text = String::with_capacity(self.0.len() * line_bytes);
        for (path, digest) in &self.0 {
            writeln!(text, "{digest}  {path}").expect("writing to a string cannot fail");
        }
        text
    }

    /// Returns the bundle's content id: the digest of the `SHA256SUMS` file.
    pub fn content_id(&self) -> Digest {
        Digest::of(self.encode().as_bytes())
    }

    /// Returns the expected digest of the file at `path`, if listed.
    pub fn get(&self, path: &str) -> Option<Digest> {
        self.0.get(path).copied()
    }

    /// Yields the files, sorted by the bytes of their paths.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&SafePath, Digest)> {
        self.0.iter().map(|(path, digest)| (path, *digest))
    }

    /// Returns the number of files.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether no file is listed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn parse_line(line: usize, text: &str) -> Result<(SafePath, Digest), InvalidSums> {
    let (digest, path) = text.split_once("  ").ok_or(InvalidSums::Line { line })?;
    let digest = digest.parse().map_err(|_| InvalidSums::Line { line })?;
    let path = SafePath::parse(path).map_err(|invalid| InvalidSums::Path { line, invalid })?;
    Ok((path, digest))
}

fn first_different_line(left: &str, right: &str) -> Option<usize> {
    if left == right {
        return None;
    }
    let same = left
        .split_inclusive('\n')
        .zip(right.split_inclusive('\n'))
        .take_while(|(a, b)| a == b)
        .count();
    Some(same + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(path: &str) -> String {
        format!("{}  {path}\n", Digest::of(path.as_bytes()))
    }

    fn three() -> String {
        line("bundle.json") + &line("manifests/a-b.yaml") + &line("manifests/a.yaml")
    }

    #[test]
    fn sums_round_trip_and_their_digest_is_content_id() {
        let sums = Sums::parse(three().as_bytes()).unwrap();

        assert_eq!(sums.encode(), three());
        assert_eq!(sums.content_id(), Digest::of(three().as_bytes()));
        assert_eq!(sums.get("manifests/a.yaml"), Some(Digest::of(b"manifests/a.yaml")));
        assert_eq!(sums.get("manifests/b.yaml"), None);
        assert_eq!(sums.len(), 3);
    }

    #[test]
    fn noncanonical_sums_are_refused_with_line_number() {
        let [a, b] = [line("bundle.json"), line("recipe.json")];
        let table = [
            (format!("{b}{a}"), InvalidSums::NotCanonical { line: 1 }),
            (format!("{a}{a}"), InvalidSums::NotCanonical { line: 2 }),
            (format!("{a}{}", b.trim_end()), InvalidSums::NotCanonical { line: 2 }),
            (format!("{a}\n{b}"), InvalidSums::Line { line: 2 }),
            (format!("{a}{b}\n"), InvalidSums::Line { line: 3 }),
            (format!("\u{feff}{a}"), InvalidSums::Line { line: 1 }),
            (a.replace("  ", " *"), InvalidSums::Line { line: 1 }),
            (a.replace("  ", "\t"), InvalidSums::Line { line: 1 }),
            (a[1..].to_owned(), InvalidSums::Line { line: 1 }),
            (a[..64].to_uppercase() + &a[64..], InvalidSums::Line { line: 1 }),
        ];
        for (text, error) in table {
            assert_eq!(Sums::parse(text.as_bytes()), Err(error), "{text:?}");
        }
        for text in [a.replace('\n', "\r\n"), a.replace("  ", "   "), a.replace("bundle", "../b")] {
            assert!(
                matches!(Sums::parse(text.as_bytes()), Err(InvalidSums::Path { line: 1, .. })),
                "{text:?}"
            );
        }
        assert_eq!(Sums::parse(b"ab\xff"), Err(InvalidSums::NotText { at: 2 }));
    }

    #[test]
    fn files_that_no_bundle_has_are_refused() {
        for path in ["attestation.dsse.json", "readme.md", "manifests/deep/a.yaml"] {
            let error = Sums::parse(line(path).as_bytes()).unwrap_err();
            assert_eq!(error, InvalidSums::Misplaced { path: SafePath::parse(path).unwrap() });
        }
    }

    #[test]
    fn lists_over_limits_are_refused() {
        let large = vec![b'a'; usize::try_from(SUMS_BYTES_MAX).unwrap() + 1];
        assert!(matches!(Sums::parse(&large), Err(InvalidSums::TooLarge { .. })));

        let entry =
            |n: usize| (SafePath::parse(&format!("manifests/{n}.yaml")).unwrap(), Digest::of(b""));
        assert!(Sums::new((0..FILES_MAX).map(entry).collect()).is_ok());
        let error = Sums::new((0..=FILES_MAX).map(entry).collect()).unwrap_err();
        assert_eq!(error, InvalidSums::TooMany { files: FILES_MAX + 1 });
    }
}
