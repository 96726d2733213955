//! The state of earlier verifications: it prevents rollback to an older bundle, and two contents
//! with the same serial.
//!
//! A minimum serial applies to its own place and to every place that it covers ([`Place::covers`]):
//! if it names no site or cluster, to all sites and clusters of the installation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use super::place::Place;
use super::policy::PolicyTarget;
use super::statement::{Predicate, Statement};
use crate::canonical::{Canonical, NotCanonical};
use crate::model::digest::Digest;
use crate::model::text::Label;
use crate::model::timestamp::{DAY_SECONDS, Timestamp};

/// The format version of the state.
pub const SCHEMA: &str = "relay-bundle/state/v1";

/// The maximum size of a state file.
pub const STATE_BYTES_MAX: u64 = 4 << 20;

/// The newest accepted bundle of each place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    floors: BTreeMap<Place, Floor>,
    resets: Vec<Reset>,
}

/// The last accepted release of a place, which sets the minimum serial.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Floor {
    pub serial: u64,
    #[serde(with = "content_id")]
    pub content_id: Digest,
    /// The latest time of issue among the bundles accepted here.
    pub issued: Timestamp,
    /// When the serial was recorded here.
    pub recorded: Timestamp,
}

/// Serialises a content id as in reports: `sha256:` and the digits.
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

/// A minimum serial that an operator removed, and the reason.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Reset {
    pub place: Place,
    pub floor: Floor,
    pub time: Timestamp,
    pub reason: String,
}

/// The minimum serial for a place, or the ones that were not compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// The minimum serial that applies to the place.
    pub floor: Option<Floor>,
    /// If none applies, the minimum serials of other sites and clusters, which were not compared.
    pub not_compared: Vec<Elsewhere>,
}

/// A minimum serial of the same installation at another site or in another cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Elsewhere {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<Label>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_uid: Option<String>,
    pub serial: u64,
}

/// The state as serialised.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct StateText {
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

/// Why bytes are not a state. An unreadable state is an error: ignoring it would let an old bundle
/// in.
#[derive(Debug, thiserror::Error)]
pub enum InvalidState {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("unsupported format `{0}`: expected `{SCHEMA}`")]
    Schema(String),
    #[error("it is not in canonical form: canonical JSON with sorted places")]
    NotCanonical,
}

/// Why a statement conflicts with the bundles accepted before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Replay {
    #[error("its serial {serial} is below {}, which was accepted on {}", floor.serial, floor.recorded)]
    Rollback { serial: u64, floor: Floor },
    #[error(
        "its serial {} was accepted on {} for different content, sha256:{}: two bundles claim to \
         be the same release",
        floor.serial, floor.recorded, floor.content_id
    )]
    Equivocation { floor: Floor },
    #[error(
        "the clock says {now}, more than a day before the issue time {issued} of an accepted \
         bundle: the age cannot be checked"
    )]
    ClockBehind { now: Timestamp, issued: Timestamp },
}

impl State {
    /// Reads a state.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes are not exactly what [`State::to_bytes`] writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidState> {
        let written: StateText = serde_json::from_slice(bytes)?;
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
    /// Returns an error if a serial is 2^53 or more, which no valid statement contains.
    pub fn to_bytes(&self) -> Result<Vec<u8>, NotCanonical> {
        let floors = self.floors.iter();
        let floors = floors
            .map(|(place, floor)| WrittenFloor { place: place.clone(), floor: floor.clone() });
        let written = StateText {
            floors: floors.collect(),
            resets: self.resets.clone(),
            schema: SCHEMA.to_owned(),
        };
        Ok(Canonical::of(&written)?.into_bytes())
    }

    /// Returns the minimum serials by place.
    pub fn floors(&self) -> &BTreeMap<Place, Floor> {
        &self.floors
    }

    /// Returns the removed minimum serials, oldest first.
    pub fn resets(&self) -> &[Reset] {
        &self.resets
    }

    /// Returns the minimum serial that applies to `place`: the highest among its own and those that
    /// cover it.
    ///
    /// Among equal serials the narrowest place wins, so that a bundle recorded for exactly this
    /// place stays acceptable there.
    pub fn floor(&self, place: &Place) -> Option<&Floor> {
        self.placed_floor(place).map(|(_, floor)| floor)
    }

    /// Returns the minimum serial that applies to `place`, and the place that it was accepted for.
    pub fn placed_floor(&self, place: &Place) -> Option<(&Place, &Floor)> {
        let counting = self.floors.iter().filter(|(other, _)| other.covers(place));
        counting.max_by_key(|(_, floor)| floor.serial)
    }

    /// Returns the minimum serial that applies to `place`, or else those that were not compared.
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

    /// Checks a statement against the bundles accepted before at `target`.
    ///
    /// # Errors
    ///
    /// Returns an error if the serial is below the minimum, if it was accepted with other content,
    /// or if the clock is more than a day behind an accepted bundle.
    pub fn check(
        &self,
        statement: &Statement,
        target: &PolicyTarget,
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

    /// Returns the places whose minimum serials reject a statement.
    pub fn places_above(
        &self,
        statement: &Statement,
        target: &PolicyTarget,
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

    /// Records a statement that passed [`State::check`]; neither the serial nor the time of issue
    /// ever decreases.
    ///
    /// A minimum serial inherited from a covering place is copied to this one.
    pub fn accept(&mut self, statement: &Statement, target: &PolicyTarget, now: Timestamp) {
        let Predicate { serial, issued, .. } = statement.predicate;
        let place = Place::of(statement, target);
        let new = Floor { serial, content_id: statement.content_id, issued, recorded: now };
        let mut floor = self.floor(&place).unwrap_or(&new).clone();
        // A higher serial may have been issued earlier, so keep the latest time for checking the
        // clock.
        let newest = floor.issued.max(issued);
        if floor.serial < serial {
            floor = new;
        }
        floor.issued = newest;
        self.floors.insert(place, floor);
    }

    /// Removes a minimum serial and records the removal; returns false if the place has none.
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
