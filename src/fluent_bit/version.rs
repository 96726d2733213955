//! Reads the version of Fluent Bit from an image's tag, and rejects versions that are too old.

use std::fmt;

/// A version of Fluent Bit.
///
/// A floating tag such as `4.2` lacks the last part, and stands for the newest version of its
/// series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    major: u32,
    minor: Option<u32>,
    patch: Option<u32>,
}

/// The oldest version that reads `parsers` from a YAML configuration.
pub(super) const OLDEST: Version = Version::exact(3, 2, 0);
/// The version that the table of properties describes.
pub(super) const DESCRIBED: Version = Version::exact(5, 1, 1);

/// CVE-2024-4323, memory corruption through the built-in HTTP server: the first affected version
/// and the first fixed one.
const CVE_FROM: Version = Version::exact(2, 0, 7);
const CVE_FIXED: Version = Version::exact(3, 0, 4);

/// The largest part of a real version; a date used as a tag exceeds it.
const PART_MAX: u32 = 999;

impl Version {
    pub const fn exact(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor: Some(minor), patch: Some(patch) }
    }

    /// Returns whether this version is `other` or newer; a floating tag counts as the newest of its
    /// series.
    pub fn is_at_least(self, other: Self) -> bool {
        self.newest() >= other.newest()
    }

    fn newest(self) -> (u32, u32, u32) {
        (self.major, self.minor.unwrap_or(u32::MAX), self.patch.unwrap_or(u32::MAX))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.major)?;
        [self.minor, self.patch].into_iter().flatten().try_for_each(|part| write!(f, ".{part}"))
    }
}

/// A version that the check rejects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooOld(pub Version);

impl TooOld {
    pub const HELP: &'static str = "use 3.2 or newer, for example `tag = \"5.1.1\"`";
}

impl fmt::Display for TooOld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(version) = *self;
        write!(f, "Fluent Bit {version} is too old: ")?;
        if version.is_at_least(CVE_FROM) && !version.is_at_least(CVE_FIXED) {
            f.write_str("its HTTP server, which the probes need, has CVE-2024-4323, and ")?;
        }
        f.write_str("it does not read parsers from a YAML configuration")
    }
}

impl std::error::Error for TooOld {}

/// Returns the version in an image tag, such as `5.1.1`, `v3.2.0`, `5.1.1-debug` or `4.2`.
///
/// `None` for a tag without a version, such as `latest`: the tag alone does not show whether the
/// image is suitable.
///
/// # Errors
///
/// If the version is older than 3.2.
pub fn parse_tag(tag: &str) -> Result<Option<Version>, TooOld> {
    match parse(tag) {
        Some(version) if !version.is_at_least(OLDEST) => Err(TooOld(version)),
        other => Ok(other),
    }
}

fn parse(tag: &str) -> Option<Version> {
    let tag = tag.strip_prefix('v').unwrap_or(tag);
    let numbers = tag.split_once('-').map_or(tag, |(numbers, _)| numbers);
    let part = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number| digits && *number <= PART_MAX)
    };
    let parts = numbers.split('.').map(part).collect::<Option<Vec<u32>>>()?;
    match parts[..] {
        [major] => Some(Version { major, minor: None, patch: None }),
        [major, minor] => Some(Version { major, minor: Some(minor), patch: None }),
        [major, minor, patch] => Some(Version::exact(major, minor, patch)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_with_version_3_2_or_newer_is_accepted() {
        let cases = [
            ("5.1.1", "5.1.1"),
            ("v3.2.0", "3.2.0"),
            ("5.1.1-debug", "5.1.1"),
            ("4.2", "4.2"),
            ("3.2", "3.2"),
            ("3", "3"),
            ("10.0.12", "10.0.12"),
        ];
        for (tag, version) in cases {
            assert_eq!(
                parse_tag(tag).unwrap().map(|v| v.to_string()).as_deref(),
                Some(version),
                "{tag}"
            );
        }
    }

    #[test]
    fn tag_without_version_is_unknown_but_not_refused() {
        for tag in [
            "latest",
            "latest-debug",
            "",
            "v",
            "5.1.1.1",
            "5.x",
            "5.1.",
            "20251101",
            "site-5.1.1",
            "+5.1",
            "٣.٢",
        ] {
            assert_eq!(parse_tag(tag), Ok(None), "{tag}");
        }
    }

    #[test]
    fn images_with_cve_2024_4323_are_refused_by_name() {
        for tag in ["2.2.0", "v2.0.7", "3.0.3-debug", "2.1"] {
            let refused = parse_tag(tag).unwrap_err().to_string();

            assert!(
                refused.contains("CVE-2024-4323") && refused.contains("YAML"),
                "{tag}: {refused}"
            );
        }
    }

    #[test]
    fn other_old_images_are_refused_for_what_they_lack() {
        for tag in ["1.9.10", "2.0.6", "3.0.4", "3.1.10", "3.1"] {
            let refused = parse_tag(tag).unwrap_err().to_string();

            assert!(!refused.contains("CVE") && refused.contains("YAML"), "{tag}: {refused}");
        }
    }

    #[test]
    fn floating_tag_counts_as_newest_of_its_series() {
        let floating = parse_tag("4.0").unwrap().unwrap();

        assert!(floating.is_at_least(Version::exact(4, 0, 8)));
        assert!(!floating.is_at_least(Version::exact(4, 1, 0)));
    }
}
