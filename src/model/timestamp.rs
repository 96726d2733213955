//! Points in time in UTC, to the second.

use std::fmt;
use std::str::FromStr;

use super::printable::escaped_start;

/// A point in time. The only spelling is RFC 3339 in UTC to the second, such as
/// `2026-11-22T10:00:00Z`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, serde::Serialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(u64);

/// The number of seconds in a day.
pub const DAY_SECONDS: u64 = 86_400;

/// 9998-12-31T23:59:59Z: later years have five digits or exceed the range of the library.
const SECONDS_MAX: u64 = 253_370_764_799;

/// The text or number is not a valid point in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a UTC time with seconds, such as `2026-11-22T10:00:00Z`, from 1970 to 9998")]
pub struct InvalidTimestamp(String);

impl Timestamp {
    /// Returns the time `seconds` after the Unix epoch.
    ///
    /// # Errors
    ///
    /// Returns an error if the time is after 9998.
    pub fn from_seconds(seconds: u64) -> Result<Self, InvalidTimestamp> {
        if seconds <= SECONDS_MAX {
            Ok(Self(seconds))
        } else {
            Err(InvalidTimestamp(seconds.to_string()))
        }
    }

    /// Parses any RFC 3339 time, as written by other programs, and drops fractions of a second.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let time: jiff::Timestamp = text.parse().ok()?;
        Self::from_seconds(u64::try_from(time.as_second()).ok()?).ok()
    }

    /// Returns the seconds since the Unix epoch.
    pub fn seconds(self) -> u64 {
        self.0
    }

    /// Returns the time `seconds` later, or the latest supported time.
    #[must_use]
    pub fn plus_seconds(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds).min(SECONDS_MAX))
    }

    /// Returns the seconds from `earlier` to this time, or 0 if `earlier` is later.
    pub fn seconds_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.0).expect("at most the end of 9998");
        let time =
            jiff::Timestamp::from_second(seconds).expect("no later than a civil time can be");
        fmt::Display::fmt(&time, f)
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text
            .parse()
            .ok()
            .and_then(|time: jiff::Timestamp| u64::try_from(time.as_second()).ok());
        let time = parsed.and_then(|seconds| Self::from_seconds(seconds).ok());
        // The library accepts fractions, offsets and more; here, a time has one spelling.
        time.filter(|time| time.to_string() == text)
            .ok_or_else(|| InvalidTimestamp(escaped_start(text, 40)))
    }
}

impl TryFrom<String> for Timestamp {
    type Error = InvalidTimestamp;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> Self {
        time.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamp_round_trips() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_795_341_600, "2026-11-22T10:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (SECONDS_MAX, "9998-12-31T23:59:59Z"),
        ] {
            let time = Timestamp::from_seconds(seconds).unwrap();
            assert_eq!(time.to_string(), text);
            assert_eq!(text.parse(), Ok(time));
        }
        assert!(Timestamp::from_seconds(SECONDS_MAX + 1).is_err());
    }

    #[test]
    fn noncanonical_timestamp_is_refused() {
        for text in [
            "",
            "2026-11-22",
            "2026-11-22T10:00:00",
            "2026-11-22T10:00:00.000Z",
            "2026-11-22t10:00:00Z",
            "2026-11-22T10:00:00z",
            "2026-11-22 10:00:00Z",
            "2026-11-22T10:00Z",
            "2026-11-22T10:00:00+00:00",
            "2026-11-22T11:00:00+01:00",
            "2026-11-22T24:00:00Z",
            "2026-11-22T10:00:60Z",
            "2026-02-29T10:00:00Z",
            "1969-12-31T23:59:59Z",
            "+002026-11-22T10:00:00Z",
            "2026-11-22T10:00:00Z[UTC]",
            " 2026-11-22T10:00:00Z",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }
}
