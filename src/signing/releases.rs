//! The releases of a profile in a store: the newest one, and the next serial.
//!
//! Nothing here is verified. The store belongs to the builder, and a forged serial in it only
//! raises the next one.

use super::seen::SeenAttestation;
use super::terms::ChosenTerms;
use crate::bundle::index::Index;
use crate::failure::Failure;
use crate::model::digest::Digest;
use crate::model::timestamp::Timestamp;
use crate::store::Store;
use crate::trust::envelope::Envelope;
use crate::trust::sign::SignTerms;
use crate::trust::statement::{Predicate, SERIAL_MAX, Statement};

/// The statements about builds of one bundle, profile and namespace.
#[derive(Debug, Default)]
pub struct Releases(Vec<KnownRelease>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct KnownRelease {
    serial: u64,
    content_id: Digest,
}

impl Releases {
    /// Reads the store's statements about builds of the bundle `index`.
    pub fn of_store(store: &Store, index: &Index) -> Result<Self, Failure> {
        let attestations = store.attestations(index.name.as_str(), index.profile.as_str())?;
        let statements = attestations.iter().filter_map(|bytes| statement_of(bytes));
        let own = statements.filter(|stated| is_about(&stated.predicate, index));
        Ok(Self(own.map(|stated| KnownRelease::of(&stated)).collect()))
    }

    /// Reads the statement of a single attestation: a bundle outside a store has no others.
    pub(super) fn of_attestation(seen: Option<&SeenAttestation>) -> Self {
        let statement = seen.and_then(|seen| seen.statement.as_ref());
        Self(statement.into_iter().map(KnownRelease::of).collect())
    }

    /// Returns the highest serial.
    pub fn newest(&self) -> Option<u64> {
        self.0.iter().map(|release| release.serial).max()
    }

    /// Returns whether this content, and no other, has the highest serial.
    pub(super) fn is_newest(&self, content_id: Digest) -> bool {
        let newest = self.newest();
        let mut of_newest = self.0.iter().filter(|release| Some(release.serial) == newest);
        newest.is_some() && of_newest.all(|release| release.content_id == content_id)
    }

    /// Returns the next serial: the time of issue, or one more than the highest serial.
    fn next_serial(&self, issued: Timestamp) -> u64 {
        let above = self.newest().map_or(0, |newest| newest.saturating_add(1)).min(SERIAL_MAX);
        issued.seconds().max(above)
    }

    /// Refuses a new statement whose serial belongs to other content. Returns a warning if the
    /// serial is below that of other content.
    pub(super) fn check(&self, statement: &Statement) -> Result<Option<String>, SerialTaken> {
        let serial = statement.predicate.serial;
        let others = self.0.iter().filter(|release| release.content_id != statement.content_id);
        let highest = others.clone().map(|release| release.serial).max();
        if let Some(other) = others.clone().find(|release| release.serial == serial) {
            let issued = statement.predicate.issued;
            let (other, next) = (other.content_id, self.next_serial(issued));
            return Err(SerialTaken { serial, other, issued, next });
        }
        Ok(highest.filter(|highest| serial < *highest).map(|highest| {
            format!(
                "serial {serial} is below {highest}, the newest release in the store: a place that \
                 has accepted that release refuses this one (ROLLBACK)"
            )
        }))
    }
}

/// A serial that the store has for other content.
#[derive(Debug, thiserror::Error)]
#[error(
    "serial {serial} is taken: the store has a release with this serial and other content, \
     sha256:{other}"
)]
pub(super) struct SerialTaken {
    serial: u64,
    other: Digest,
    issued: Timestamp,
    next: u64,
}

impl SerialTaken {
    /// Returns the hint for taking back a mistyped serial.
    fn way_down(&self) -> Option<String> {
        let (serial, time) = (self.serial, self.issued.seconds());
        let content_id = self.other.to_string();
        // Serials are times unless the operator chose them.
        (serial > time).then(|| {
            format!(
                "if {serial} was a typo and no place has accepted it, make a new statement about \
                 that content: relay-bundle sign @{} --reseal --serial {time} --key KEY",
                &content_id[..12]
            )
        })
    }
}

impl From<SerialTaken> for Failure {
    fn from(error: SerialTaken) -> Self {
        let (next, way_down) = (error.next, error.way_down());
        let failure = Self::input(error)
            .hint("verifiers refuse different contents with the same serial (EQUIVOCATION)")
            .hint(format!("omit --serial, or pass a higher one: --serial {next}"));
        way_down.into_iter().fold(failure, Self::hint)
    }
}

impl KnownRelease {
    fn of(statement: &Statement) -> Self {
        Self { serial: statement.predicate.serial, content_id: statement.content_id }
    }
}

/// The terms of a new statement, and the existing releases.
pub struct NewTerms<'a> {
    pub chosen: &'a ChosenTerms,
    pub now: Timestamp,
    pub releases: &'a Releases,
}

impl NewTerms<'_> {
    /// Returns the terms. The serial is the next one unless the operator chose it.
    pub(super) fn terms(&self) -> Result<SignTerms, Failure> {
        let mut terms = self.chosen.terms(self.now)?;
        terms.serial = terms.serial.or_else(|| Some(self.releases.next_serial(terms.issued)));
        Ok(terms)
    }
}

fn statement_of(attestation: &[u8]) -> Option<Statement> {
    let envelope = Envelope::parse(attestation).ok()?;
    Statement::parse(envelope.payload()).ok()
}

fn is_about(predicate: &Predicate, index: &Index) -> bool {
    (&predicate.bundle, &predicate.profile, &predicate.namespace)
        == (&index.name, &index.profile, &index.namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn releases(serials: &[(u64, &str)]) -> Releases {
        let release = |(serial, content): &(u64, &str)| KnownRelease {
            serial: *serial,
            content_id: Digest::of(content.as_bytes()),
        };
        Releases(serials.iter().map(release).collect())
    }

    #[test]
    fn next_serial_is_time_or_one_above_newest() {
        let now = Timestamp::from_seconds(100).unwrap();

        assert_eq!(releases(&[]).next_serial(now), 100);
        assert_eq!(releases(&[(7, "a"), (99, "b")]).next_serial(now), 100);
        assert_eq!(releases(&[(100, "b"), (7, "a")]).next_serial(now), 101);
        assert_eq!(releases(&[(SERIAL_MAX, "a")]).next_serial(now), SERIAL_MAX);
    }

    #[test]
    fn serial_shared_by_two_contents_is_newest_of_neither() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));

        assert!(releases(&[(7, "a"), (8, "b")]).is_newest(b));
        assert!(!releases(&[(7, "a"), (8, "b")]).is_newest(a));
        assert!(!releases(&[(8, "a"), (8, "b")]).is_newest(a));
        assert!(!releases(&[]).is_newest(a));
    }
}
