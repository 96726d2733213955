//! The index of a file in parts: a text for `sha256sum -c` with exactly one valid encoding.

use std::fmt::Write as _;

use crate::model::digest::Digest;

/// The file name suffix of an index: `x.tar.parts` lists `x.tar.part001` and so on.
pub const SUFFIX: &str = ".parts";

/// Enough for 5 TB on FAT; the list stays in memory.
pub const PARTS_MAX: u64 = 10_000;

/// The longest file name: with `.part10000` it stays below the 255 bytes of file systems.
const NAME_BYTES_MAX: usize = 200;

/// An index with the most parts and the longest names has less than 3 MB.
pub const INDEX_BYTES_MAX: u64 = 4 << 20;

const HEAD: &str = "# relay-bundle/parts/v1 ";

/// The index of a file: its name, size and digest, and the digests of its parts.
///
/// All parts have the same size, except the last one, which holds the remainder. Part names derive
/// from the file name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartsIndex {
    name: String,
    bytes: u64,
    part_bytes: u64,
    digest: Digest,
    parts: Vec<Digest>,
}

/// The expected name, size and digest of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub name: String,
    pub bytes: u64,
    pub digest: Digest,
}

/// Why bytes are not a valid index, or why a file cannot have one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIndex {
    #[error("it is not a valid index of parts (line {line})")]
    Line { line: usize },
    #[error("it is empty")]
    Empty,
    #[error("its parts have 0 bytes")]
    EmptyParts,
    #[error("it has {parts} parts; the limit is {PARTS_MAX}")]
    TooMany { parts: u64 },
    #[error(
        "{name:?} cannot be the name of a file in parts: 1 to {NAME_BYTES_MAX} bytes without `/`, \
         `\\` and control characters, the first neither `.` nor `-`"
    )]
    Name { name: String },
}

impl PartsIndex {
    /// Creates the index of a file; `parts` are the digests of its parts, in order.
    ///
    /// # Errors
    ///
    /// When the name is not allowed for a file in parts, or when the sizes yield no parts or too
    /// many.
    pub fn new(
        name: &str,
        bytes: u64,
        part_bytes: u64,
        digest: Digest,
        parts: Vec<Digest>,
    ) -> Result<Self, InvalidIndex> {
        let wanted = count(name, bytes, part_bytes)?;
        if parts.len() as u64 != wanted {
            return Err(InvalidIndex::Line { line: parts.len() + 1 });
        }
        Ok(Self { name: name.to_owned(), bytes, part_bytes, digest, parts })
    }

    /// Parses an index.
    ///
    /// # Errors
    ///
    /// When `bytes` differ from the output of [`PartsIndex::encode`].
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidIndex> {
        let line = |line| InvalidIndex::Line { line };
        let text = std::str::from_utf8(bytes).map_err(|_| line(1))?;
        let (head, list) = text.split_once('\n').ok_or(line(1))?;
        let (bytes, part_bytes, digest, name) = parse_head(head).ok_or(line(1))?;
        if bytes == 0 {
            return Err(line(1));
        }

        // Checked before the list, because the part names derive from these values.
        count(name, bytes, part_bytes)?;
        let digest_of = |(index, text): (usize, &str)| {
            let digits = text.split_once("  ").and_then(|(digits, _)| digits.parse().ok());
            digits.ok_or(line(index + 2))
        };
        let parts =
            list.split_terminator('\n').enumerate().map(digest_of).collect::<Result<_, _>>()?;

        let index = Self::new(name, bytes, part_bytes, digest, parts)?;
        let again = index.encode();
        if again == text {
            return Ok(index);
        }
        let same = again
            .split('\n')
            .zip(text.split('\n'))
            .take_while(|(again, found)| again == found)
            .count();
        Err(line(same + 1))
    }

    /// Returns the text of the index.
    pub fn encode(&self) -> String {
        let Self { name, bytes, part_bytes, digest, .. } = self;
        let mut text =
            format!("{HEAD}bytes={bytes} partBytes={part_bytes} sha256={digest} name={name}\n");
        for part in self.parts() {
            writeln!(text, "{}  {}", part.digest, part.name)
                .expect("writing to a string cannot fail");
        }
        text
    }

    /// Returns the name of the whole file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the size of the whole file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the digest of the whole file.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Yields the parts in order.
    pub fn parts(&self) -> impl ExactSizeIterator<Item = Part> {
        let all = self.parts.len();
        self.parts.iter().enumerate().map(move |(index, digest)| {
            let before = index as u64 * self.part_bytes;
            let bytes = self.part_bytes.min(self.bytes - before);
            Part { name: part_name(&self.name, index, all), bytes, digest: *digest }
        })
    }
}

fn parse_head(head: &str) -> Option<(u64, u64, Digest, &str)> {
    let rest = head.strip_prefix(HEAD)?.strip_prefix("bytes=")?;
    let (bytes, rest) = rest.split_once(" partBytes=")?;
    let (part_bytes, rest) = rest.split_once(" sha256=")?;
    let (digest, name) = rest.split_once(" name=")?;
    Some((bytes.parse().ok()?, part_bytes.parse().ok()?, digest.parse().ok()?, name))
}

/// Returns the number of parts of a file.
pub(super) fn count(name: &str, bytes: u64, part_bytes: u64) -> Result<u64, InvalidIndex> {
    let plain = |c: char| !c.is_control() && !matches!(c, '/' | '\\');
    let is_name = (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.chars().all(plain)
        && !name.starts_with(['.', '-']);
    if !is_name {
        return Err(InvalidIndex::Name { name: name.chars().take(NAME_BYTES_MAX).collect() });
    }
    if bytes == 0 {
        return Err(InvalidIndex::Empty);
    }
    if part_bytes == 0 {
        return Err(InvalidIndex::EmptyParts);
    }
    match bytes.div_ceil(part_bytes) {
        parts @ 1..=PARTS_MAX => Ok(parts),
        parts => Err(InvalidIndex::TooMany { parts }),
    }
}

/// Returns the name of the part with a zero-based `index`; names sort in the order of the parts.
pub(super) fn part_name(name: &str, index: usize, all: usize) -> String {
    let digits = all.to_string().len().max(3);
    format!("{name}.part{:0digits$}", index + 1)
}

/// Returns the name of the whole file for a part name such as `x.tar.part001`.
pub fn is_part(name: &str) -> Option<&str> {
    let (file, number) = name.rsplit_once(".part")?;
    let is_number = number.len() >= 3 && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && !file.is_empty()).then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> PartsIndex {
        let digests = vec![Digest::of(b"a"), Digest::of(b"b"), Digest::of(b"c")];
        PartsIndex::new("my file.tar", 25, 10, Digest::of(b"abc"), digests).unwrap()
    }

    #[test]
    fn index_round_trips() {
        let text = index().encode();

        assert_eq!(PartsIndex::parse(text.as_bytes()), Ok(index()));
        assert!(
            text.starts_with("# relay-bundle/parts/v1 bytes=25 partBytes=10 sha256=b"),
            "{text}"
        );
        assert!(text.lines().nth(3).unwrap().ends_with("  my file.tar.part003"), "{text}");
        let sizes: Vec<_> = index().parts().map(|part| part.bytes).collect();
        assert_eq!(sizes, [10, 10, 5]);
    }

    #[test]
    fn noncanonical_index_is_refused() {
        let good = index().encode();
        let edits: [fn(&str) -> String; 14] = [
            |text| text.replace("v1", "v2"),
            |text| text.replace("bytes=25 ", "bytes=025 "),
            |text| text.replace("bytes=25 ", "bytes=+25 "),
            |text| text.replace("bytes=25 ", "bytes=31 "),
            |text| text.replace("bytes=25 ", "bytes=20 "),
            |text| text.replace("partBytes=10", "partBytes=0"),
            |text| text.replace("part003", "part004"),
            |text| text.replace("my file.tar.part002", "../../my file.tar.part002"),
            |text| text.replace("my file.tar.part002", "my file.tar.part001"),
            |text| text.replace("  my", " *my"),
            |text| text.replace('\n', "\r\n"),
            |text| text.trim_end().to_owned(),
            |text| format!("{text}\n"),
            |text| text.to_uppercase(),
        ];
        for (number, edit) in edits.into_iter().enumerate() {
            let text = edit(&good);
            assert!(text != good, "{number}");
            assert!(PartsIndex::parse(text.as_bytes()).is_err(), "{number}: {text}");
        }
        for end in 0..good.len() {
            assert!(PartsIndex::parse(&good.as_bytes()[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in
            ["", ".", "..", "../a", "a/b", "/a", "a\\b", "a\nb", "-rf", ".hidden", &"a".repeat(201)]
        {
            assert!(matches!(count(name, 1, 1), Err(InvalidIndex::Name { .. })), "{name:?}");
        }
        assert_eq!(count(&"a".repeat(200), 1, 1), Ok(1));
    }

    #[test]
    fn part_count_is_limited_to_maximum() {
        assert_eq!(count("a", PARTS_MAX, 1), Ok(PARTS_MAX));
        assert_eq!(
            count("a", PARTS_MAX + 1, 1),
            Err(InvalidIndex::TooMany { parts: PARTS_MAX + 1 })
        );
        assert_eq!(count("a", u64::MAX, u64::MAX), Ok(1));
        assert_eq!(part_name("a", 0, 999), "a.part001");
        assert_eq!(part_name("a", 0, 10_000), "a.part00001");
    }

    #[test]
    fn part_is_recognized_by_name() {
        assert_eq!(is_part("a.tar.part001"), Some("a.tar"));
        for name in ["a.tar.parts", "a.tar", "a.part1", "a.part00x", ".part001"] {
            assert_eq!(is_part(name), None, "{name}");
        }
    }
}
