//! The names of store entries.

use std::fmt;

use crate::model::digest::Digest;

/// The number of content id digits in an entry name: 128 bits, so names do not collide by accident.
pub const ID_DIGITS: usize = 32;

/// The longest bundle or profile name: with both, an entry name stays far below the 255 bytes of
/// file systems.
pub const NAME_BYTES_MAX: usize = 63;

/// The name of an entry's folder: `<first 32 hex of the content id>-<bundle name>-<profile>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryName(String);

/// A bundle or profile name that cannot be part of an entry name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} {found:?} cannot be stored: 1 to {NAME_BYTES_MAX} lowercase letters, digits, `.`, `_` \
     and `-`, the first a letter or digit, and not like the name of a store entry"
)]
pub struct InvalidName {
    what: &'static str,
    found: String,
}

impl EntryName {
    /// Returns the entry name for a content id, bundle name and profile.
    ///
    /// # Errors
    ///
    /// When a name is too long or has a character that is not allowed, or when the profile's link
    /// would look like an entry.
    pub fn new(content_id: &Digest, name: &str, profile: &str) -> Result<Self, InvalidName> {
        for (what, text) in [("bundle name", name), ("profile", profile)] {
            if !is_plain(text) || text.len() > NAME_BYTES_MAX || Self::parse(text).is_some() {
                return Err(InvalidName { what, found: text.to_owned() });
            }
        }
        Ok(Self(format!("{}-{name}-{profile}", content_id.short(ID_DIGITS))))
    }

    /// Parses the name of an entry.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, rest) = text.split_at_checked(ID_DIGITS)?;
        let is_id = id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let is_entry = is_id && is_plain(rest.strip_prefix('-')?);
        is_entry.then(|| Self(text.to_owned()))
    }

    /// Returns the full name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether the entry may be a build of this bundle and profile.
    ///
    /// Names are ambiguous: bundle `a-b` with profile `c` has the same name as bundle `a` with
    /// profile `b-c`.
    pub fn is_of(&self, name: &str, profile: &str) -> bool {
        let rest = self.0[ID_DIGITS..].strip_prefix('-').and_then(|rest| rest.strip_prefix(name));
        rest.and_then(|rest| rest.strip_prefix('-')) == Some(profile)
    }

    /// Returns the content id digits at the start of the name.
    pub fn id(&self) -> &str {
        &self.0[..ID_DIGITS]
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_plain(text: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.bytes().next().is_some_and(alphanumeric)
        && text.bytes().all(|byte| alphanumeric(byte) || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_is_named_after_content_bundle_and_profile() {
        let entry = EntryName::new(&Digest::of(b""), "claude-relay", "production").unwrap();

        assert_eq!(entry.as_str(), "e3b0c44298fc1c149afbf4c8996fb924-claude-relay-production");
        assert_eq!(entry.id(), "e3b0c44298fc1c149afbf4c8996fb924");
        assert!(
            entry.is_of("claude-relay", "production") && entry.is_of("claude", "relay-production")
        );
        assert!(!entry.is_of("claude-relay", "prod") && !entry.is_of("relay", "production"));
        assert_eq!(EntryName::parse(entry.as_str()), Some(entry));
    }

    #[test]
    fn names_that_could_be_taken_for_something_else_are_refused() {
        let long = "a".repeat(64);
        let entry = format!("{}-a-b", "0".repeat(32));
        for bad in ["", ".tmp", "a/b", "..", "A", "a b", "-a", "é", &long, &entry] {
            assert!(EntryName::new(&Digest::of(b""), "a", bad).is_err(), "{bad:?}");
            assert!(EntryName::new(&Digest::of(b""), bad, "a").is_err(), "{bad:?}");
        }
    }

    #[test]
    fn invalid_name_is_not_parsed_as_entry() {
        for text in [
            "production",
            "",
            "digests.toml",
            &"0".repeat(32),
            &format!("{}-", "0".repeat(32)),
            "éééééééééééééééé-a",
        ] {
            assert_eq!(EntryName::parse(text), None, "{text:?}");
        }
    }
}
