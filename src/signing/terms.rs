//! The terms of a release, as a signer chooses them.

use std::collections::BTreeSet;
use std::str::FromStr;

use super::error::StatedTerm;
use crate::failure::Failure;
use crate::model::text::Label;
use crate::model::timestamp::{DAY_SECONDS, Timestamp};
use crate::trust::sign::SignTerms;
use crate::trust::statement::Predicate;

/// The chosen terms of a release.
#[derive(Clone, Debug)]
pub struct ChosenTerms {
    pub serial: Option<u64>,
    pub issued: Option<Timestamp>,
    /// The time of issue of a new statement with a chosen serial, if none is chosen; `None` means
    /// now.
    pub build_time: Result<Option<Timestamp>, InvalidBuildTime>,
    pub expires: Option<Expiry>,
    pub sites: Vec<Label>,
}

/// The expiry of a release, as the argument states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    At(Timestamp),
    /// Seconds after the time of issue.
    After(u64),
}

/// The environment has a build time that is not one.
#[derive(Clone, Debug, thiserror::Error)]
#[error("invalid SOURCE_DATE_EPOCH {0:?}: expected a number of seconds")]
pub struct InvalidBuildTime(pub String);

impl From<InvalidBuildTime> for Failure {
    fn from(error: InvalidBuildTime) -> Self {
        Self::input(error).hint("unset it, or pass --issued")
    }
}

impl Expiry {
    fn of(self, issued: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::After(seconds) => issued.plus_seconds(seconds),
        }
    }
}

/// The text is not an expiry.
#[derive(Debug, thiserror::Error)]
#[error(
    "use a time such as `2027-01-31T00:00:00Z`, or hours, days or weeks after the issue time, such \
     as `12h`, `30d` or `8w`"
)]
pub struct InvalidExpiry;

impl FromStr for Expiry {
    type Err = InvalidExpiry;

    fn from_str(text: &str) -> Result<Self, InvalidExpiry> {
        if let Ok(time) = text.parse() {
            return Ok(Self::At(time));
        }
        let unit_seconds = match text.chars().last() {
            Some('h') => 60 * 60,
            Some('d') => DAY_SECONDS,
            Some('w') => 7 * DAY_SECONDS,
            _ => 0,
        };
        let digits = text.get(..text.len().saturating_sub(1)).unwrap_or_default();
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        // Six digits are enough for a century in hours, and the product cannot overflow.
        let number: Option<u64> = digits.parse().ok().filter(|_| is_number && digits.len() <= 6);
        match number {
            Some(number) if unit_seconds * number > 0 => Ok(Self::After(unit_seconds * number)),
            _ => Err(InvalidExpiry),
        }
    }
}

impl ChosenTerms {
    /// Returns the terms of a new statement. The serial is missing unless it was chosen.
    ///
    /// # Errors
    ///
    /// When the terms contradict each other, the time of issue is in the future, or the build time is
    /// not a number.
    pub fn terms(&self, now: Timestamp) -> Result<SignTerms, Failure> {
        let issued = match self.issued {
            None if self.serial.is_some() => self.build_time.clone()?,
            issued => issued,
        };
        let issued = issued.unwrap_or(now);
        let terms = SignTerms {
            issued,
            serial: self.serial,
            expires: self.expires.map(|expiry| expiry.of(issued)),
            sites: self.sites.iter().cloned().collect(),
        };
        terms.check(now).map_err(Failure::input)?;
        Ok(terms)
    }

    /// Returns the first term of a statement that the given ones contradict.
    pub(super) fn contradiction(&self, stated: &Predicate) -> Option<StatedTerm> {
        let expires = self.expires.map(|expiry| expiry.of(stated.issued));
        let sites: BTreeSet<Label> = self.sites.iter().cloned().collect();
        if self.serial.is_some_and(|serial| serial != stated.serial) {
            Some(StatedTerm::Serial(stated.serial))
        } else if self.issued.is_some_and(|issued| issued != stated.issued) {
            Some(StatedTerm::Issued(stated.issued))
        } else if expires.is_some() && expires != stated.expires {
            Some(stated.expires.map_or(StatedTerm::NoExpiry, StatedTerm::Expires))
        } else if !sites.is_empty() && sites != stated.sites {
            Some(StatedTerm::Sites(stated.sites_text()))
        } else {
            None
        }
    }
}

/// Returns the warning about a serial far ahead of its time of issue: it would shut out every
/// release that is numbered by time.
pub fn serial_warning(predicate: &Predicate) -> Option<String> {
    let Predicate { serial, issued, .. } = predicate;
    predicate.is_serial_ahead().then(|| {
        format!(
            "serial {serial} is more than 24 h ahead of the issue time {issued}: a place that accepts it will refuse every lower serial"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_is_time_or_duration_after_issue() {
        let issued: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        for (text, wanted) in [
            ("2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("30d", "2026-12-22T10:00:00Z"),
            ("1h", "2026-11-22T11:00:00Z"),
            ("2w", "2026-12-06T10:00:00Z"),
        ] {
            assert_eq!(text.parse::<Expiry>().unwrap().of(issued).to_string(), wanted, "{text}");
        }
        for bad in
            ["", "d", "30", "0d", "-1d", "+1d", "1.5d", "30D", "1m", "3é", "1000000d", "2027-01-01"]
        {
            assert!(bad.parse::<Expiry>().is_err(), "{bad}");
        }
    }
}
