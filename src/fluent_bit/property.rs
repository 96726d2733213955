//! The rules for each property of an output.

use super::version::Version;

/// One property of an output.
#[derive(Clone, Copy, Debug)]
pub struct Property {
    /// Its name in the manual, in lower case.
    pub name: &'static str,
    pub kind: PropertyKind,
    /// The default of Fluent Bit 5.1.1.
    pub default: Option<&'static str>,
    /// Whether the value is a credential.
    pub secret: bool,
    pub since: Since,
}

impl Property {
    /// Returns whether the property may be set several times, as a list.
    pub fn multiple(&self) -> bool {
        matches!(self.kind, PropertyKind::Header | PropertyKind::Pair)
    }
}

/// The form of a property's value; bounds are inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PropertyKind {
    Text,
    /// A text, or `false` for no text.
    TextOrFalse,
    /// A host name or address, without scheme, port and path.
    Host,
    /// Starts with a slash.
    Path,
    /// Starts with `http://` or `https://`.
    Url,
    /// Texts separated by commas.
    List,
    /// A name, a space, a value; several in a list.
    Header,
    /// A key, a space, a value; several in a list.
    Pair,
    Words(&'static [&'static str]),
    Switch,
    Integer {
        min: i64,
        max: i64,
    },
    /// Bytes, with an optional suffix K, M or G in powers of 1,000.
    Size {
        min: i64,
        max: i64,
    },
    /// A size, or `false` for no limit.
    SizeOrFalse,
    /// Seconds, or a number followed by s, m, h or d.
    Time,
    /// A positive number, `no_limits` or `no_retries`.
    Retries,
}

/// The first version of Fluent Bit that knows a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// Known to every accepted image.
    Always,
    Version(Version),
    /// Added after 2.2.0, and known to 5.1.1.
    Recent,
}

/// Returns the candidate that `name` is probably a misspelling of, ignoring separators and letter
/// case.
pub(super) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let bare = |text: &str| text.to_ascii_lowercase().replace(['_', '.', '-', ' '], "");
    let wanted = bare(name);
    let scored = candidates
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &bare(candidate)), candidate));
    let (distance, best) = scored.min()?;
    (distance <= (wanted.len() / 4).clamp(1, 3)).then_some(best)
}
