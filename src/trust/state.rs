//! The bundles accepted before: an old bundle does not come back, and no serial means two contents.
//!
//! A floor counts for its own place and for each place that [`Place::covers`]: every site and
//! cluster of the same installation where the floor names none.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use super::place::Place;
use super::policy::Target;
use super::statement::{Predicate, Statement};
use crate::canonical::{Canonical, NotCanonical};
use crate::model::digest::Digest;
use crate::model::text::Label;
use crate::model::timestamp::{DAY_SECONDS, Timestamp};

/// The format of the state.
pub const SCHEMA: &str = "relay-bundle/state/v1";

/// The largest state that is read.
pub const STATE_BYTES_MAX: u64 = 4 << 20;

/// The newest bundle that was accepted for each place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    floors: BTreeMap<Place, Floor>,
    resets: Vec<Reset>,
}

/// What was accepted last.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Floor {
    pub serial: u64,
    #[serde(with = "content_id")]
    pub content_id: Digest,
    /// The newest time at which anything that was accepted here was issued.
    pub issued: Timestamp,
    /// When the serial was recorded here.
    pub recorded: Timestamp,
}

/// A content id as people and reports have it: `sha256:` and the digits.
mod content_id {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::model::digest::Digest;

    pub(super) fn serialize<S: Serializer>(id: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("sha256:{id}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Digest, D::Error> {
        let text = String::deserialize(deserializer)?;
        Digest::from_prefixed(&text).map_err(D::Error::custom)
    }
}

/// A floor that somebody took away, and why.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Reset {
    pub place: Place,
    pub floor: Floor,
    pub time: Timestamp,
    pub reason: String,
}

/// The comparison of a place with the floors of a state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// The floor that counts for the place.
    pub floor: Option<Floor>,
    /// The floors of other sites and clusters, where no floor counts for the place: none of them is
    /// compared.
    pub not_compared: Vec<Elsewhere>,
}

/// A floor of the same installation that does not count: its site or its cluster is another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Elsewhere {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<Label>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_uid: Option<String>,
    pub serial: u64,
}

/// The state as it is written.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    floors: Vec<WrittenFloor>,
    resets: Vec<Reset>,
    schema: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct WrittenFloor {
    place: Place,
    floor: Floor,
}

/// Why bytes are no state; guessing would let an old bundle in.
#[derive(Debug, thiserror::Error)]
pub enum InvalidState {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("it has the format `{0}`, and `{SCHEMA}` is understood")]
    Schema(String),
    #[error("it is not in its only spelling, canonical JSON with places in order")]
    NotCanonical,
}

/// Why a statement is refused for what was accepted before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Replay {
    #[error("its serial {serial} is below {}, which was accepted on {}", floor.serial, floor.recorded)]
    Rollback { serial: u64, floor: Floor },
    #[error(
        "its serial {} was accepted on {} for another content, sha256:{}: two bundles claim to be the same release",
        floor.serial, floor.recorded, floor.content_id
    )]
    Equivocation { floor: Floor },
    #[error(
        "the clock says {now}, more than a day before a bundle that was accepted already was \
         issued ({issued}): no age can be judged"
    )]
    ClockBehind { now: Timestamp, issued: Timestamp },
}

impl State {
    /// Reads a state.
    ///
    /// # Errors
    ///
    /// When it is none, or spelt in any other way than [`State::to_bytes`] spells it.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidState> {
        let written: Written = serde_json::from_slice(bytes)?;
        if written.schema != SCHEMA {
            return Err(InvalidState::Schema(written.schema));
        }
        let floors = written.floors.into_iter().map(|item| (item.place, item.floor)).collect();
        let state = Self { floors, resets: written.resets };
        if state.to_bytes().is_ok_and(|again| again == bytes) {
            Ok(state)
        } else {
            Err(InvalidState::NotCanonical)
        }
    }

    /// Returns the bytes of the file.
    ///
    /// # Errors
    ///
    /// When a serial is not below 2^53, which no statement has.
    pub fn to_bytes(&self) -> Result<Vec<u8>, NotCanonical> {
        let floors = self.floors.iter();
        let floors = floors
            .map(|(place, floor)| WrittenFloor { place: place.clone(), floor: floor.clone() });
        let written = Written {
            floors: floors.collect(),
            resets: self.resets.clone(),
            schema: SCHEMA.to_owned(),
        };
        Ok(Canonical::of(&written)?.into_bytes())
    }

    /// Returns the floors by their places.
    pub fn floors(&self) -> &BTreeMap<Place, Floor> {
        &self.floors
    }

    /// Returns the floors that were taken away, oldest first.
    pub fn resets(&self) -> &[Reset] {
        &self.resets
    }

    /// Returns the floor that counts for `place`: the highest of its own and of those that cover
    /// it. Of equal serials the narrowest place wins, so that a bundle recorded for the very place
    /// stays acceptable there.
    pub fn floor(&self, place: &Place) -> Option<&Floor> {
        let counting = self.floors.iter().filter(|(other, _)| other.covers(place));
        counting.max_by_key(|(_, floor)| floor.serial).map(|(_, floor)| floor)
    }

    /// Returns the floor that counts for `place`; without one, the floors that were not compared.
    pub fn compare(&self, place: &Place) -> Comparison {
        let floor = self.floor(place).cloned();
        let others = self
            .floors
            .iter()
            .filter(|(other, _)| floor.is_none() && other.is_same_installation(place));
        let not_compared = others.map(|(other, floor)| Elsewhere {
            site: other.site.clone(),
            cluster_uid: other.cluster_uid.clone(),
            serial: floor.serial,
        });
        Comparison { not_compared: not_compared.collect(), floor }
    }

    /// Checks a statement against what was accepted before at `target`.
    ///
    /// # Errors
    ///
    /// When it is older than what was accepted for its place, its serial was another content's, or
    /// the clock cannot be right.
    pub fn check(
        &self,
        statement: &Statement,
        target: &Target,
        now: Timestamp,
    ) -> Result<(), Replay> {
        if let Some(issued) = self.floors.values().map(|floor| floor.issued).max()
            && issued.seconds_since(now) > DAY_SECONDS
        {
            return Err(Replay::ClockBehind { now, issued });
        }
        let Some(floor) = self.floor(&Place::of(statement, target)) else { return Ok(()) };
        let serial = statement.predicate.serial;
        if serial < floor.serial {
            return Err(Replay::Rollback { serial, floor: floor.clone() });
        }
        if serial == floor.serial && statement.content_id != floor.content_id {
            return Err(Replay::Equivocation { floor: floor.clone() });
        }
        Ok(())
    }

    /// Returns the places whose floors keep a statement out.
    pub fn places_above(
        &self,
        statement: &Statement,
        target: &Target,
    ) -> impl Iterator<Item = &Place> {
        let place = Place::of(statement, target);
        let (serial, content_id) = (statement.predicate.serial, statement.content_id);
        let is_above = move |floor: &Floor| {
            serial < floor.serial || serial == floor.serial && content_id != floor.content_id
        };
        let counts = move |other: &Place| other.covers(&place);
        let found =
            self.floors.iter().filter(move |(place, floor)| counts(place) && is_above(floor));
        found.map(|(place, _)| place)
    }

    /// Raises the floor of a place to a statement that [`State::check`] let pass; neither its
    /// serial nor its time falls.
    ///
    /// A floor that counts for the place is copied to it.
    pub fn accept(&mut self, statement: &Statement, target: &Target, now: Timestamp) {
        let Predicate { serial, issued, .. } = statement.predicate;
        let place = Place::of(statement, target);
        let new = Floor { serial, content_id: statement.content_id, issued, recorded: now };
        let mut floor = self.floor(&place).unwrap_or(&new).clone();
        // A higher serial may have been issued earlier: the clock is compared with the newest time
        // of all.
        let newest = floor.issued.max(issued);
        if floor.serial < serial {
            floor = new;
        }
        floor.issued = newest;
        self.floors.insert(place, floor);
    }

    /// Takes a floor away and keeps a line about it; says no if there is none.
    pub fn reset(&mut self, place: &Place, now: Timestamp, reason: &str) -> bool {
        let Some(floor) = self.floors.remove(place) else { return false };
        self.resets.push(Reset {
            place: place.clone(),
            floor,
            time: now,
            reason: reason.to_owned(),
        });
        true
    }
}
