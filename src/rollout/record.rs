//! The record of an installation in the cluster: its generations, their objects, and the accepted
//! state.
//!
//! One ConfigMap is the head: lock, journal and the list of generations. Each generation has
//! another one with the whole bundle, compressed, with its attestation; `rollback` verifies it
//! again. A damaged record is an error, never an empty record.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::lock::{NUMBER_MAX, RecordLock};
use crate::canonical::{Canonical, NotCanonical};
use crate::model::digest::Digest;
use crate::model::kind::Kind;
use crate::model::object_key::{ObjectKey, is_uid};
use crate::model::text::{Label, ObjectName, ReleaseName};
use crate::model::timestamp::Timestamp;

/// The format of head and generations.
pub const SCHEMA: &str = "relay-bundle/record/v1";

/// The number of generations that are kept.
pub const GENERATIONS_KEPT: usize = 10;

/// The keys in the data of the ConfigMaps.
pub const HEAD_KEY: &str = "head.json";
pub const STATE_KEY: &str = "state.json";
pub const GENERATION_KEY: &str = "generation.json";
pub const BUNDLE_KEY: &str = "bundle.tar.gz";

/// The head of the record.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Head {
    pub schema: String,
    /// Newest last.
    pub generations: Vec<GenerationEntry>,
    /// The run that changes the installation now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<RecordLock>,
    /// The Helm release that is being adopted, from the lock until Helm's records of it are gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopting: Option<ReleaseName>,
}

/// A generation, in the head.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GenerationEntry {
    pub generation: u64,
    pub content_id: Digest,
    pub profile: Label,
    pub serial: u64,
    pub state: GenerationProgress,
    /// The time when it was begun, deployed or removed, whichever was last, by the clock of that
    /// run.
    pub recorded: Timestamp,
    /// For a rollback, the generation whose content it restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_of: Option<u64>,
}

/// A new generation that has no number yet.
#[derive(Clone, Copy, Debug)]
pub struct NewEntry<'a> {
    pub content_id: Digest,
    pub profile: &'a Label,
    pub serial: u64,
    /// For a rollback, the generation whose content it restores.
    pub content_of: Option<u64>,
}

/// The progress of a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum GenerationProgress {
    /// Some of it may be in the cluster.
    Pending,
    /// It runs.
    Deployed,
    /// It ran before a later generation.
    Superseded,
    /// Another generation was begun before it finished.
    Abandoned,
    /// It ran, and is being uninstalled: some of it may be gone.
    Removing,
    /// It ran until it was uninstalled.
    Removed,
}

impl GenerationProgress {
    /// Returns whether a generation in this state has ever run.
    pub fn has_run(self) -> bool {
        matches!(self, Self::Deployed | Self::Superseded | Self::Removing | Self::Removed)
    }
}

impl std::fmt::Display for GenerationProgress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Pending => "pending",
            Self::Deployed => "deployed",
            Self::Superseded => "superseded",
            Self::Abandoned => "abandoned",
            Self::Removing => "removing",
            Self::Removed => "removed",
        })
    }
}

/// A generation, in its own ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Generation {
    pub schema: String,
    pub generation: u64,
    pub content_id: Digest,
    /// All its objects in the cluster.
    pub inventory: Vec<Item>,
    /// Objects of earlier generations that this one did not delete: it is unfinished, or something
    /// still references them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retained: Vec<Item>,
    /// The Secrets that its pods use and that apply creates: their identity, never their values.
    /// Each is listed once it exists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Item>,
}

/// An object of a generation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Item {
    #[serde(flatten)]
    pub key: ObjectKey,
    /// Known once the object has been applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

/// The reason why a text is not a valid record.
#[derive(Debug, thiserror::Error)]
pub enum InvalidRecord {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("unsupported format `{0}`: expected `{SCHEMA}`")]
    Schema(String),
    #[error("it is not in canonical form")]
    Spelling(#[from] NotCanonical),
    #[error("it is not in the form that this program writes: {0}")]
    Changed(&'static str),
    #[error("the compressed bundle cannot be unpacked: {0}")]
    Unpack(#[from] std::io::Error),
}

impl Default for Head {
    fn default() -> Self {
        Self { schema: SCHEMA.to_owned(), generations: Vec::new(), lock: None, adopting: None }
    }
}

impl Head {
    /// Parses a head.
    ///
    /// # Errors
    ///
    /// When the text is not a head, differs from the spelling of [`Head::to_text`], or contradicts
    /// itself.
    pub fn parse(text: &str) -> Result<Self, InvalidRecord> {
        let head: Self = parse(text)?;
        head.check()?;
        Ok(head)
    }

    /// Checks that a head does not contradict itself, before it is used or written.
    ///
    /// # Errors
    ///
    /// When it contradicts itself.
    pub fn check(&self) -> Result<(), InvalidRecord> {
        let numbers = self.generations.iter().map(|entry| entry.generation);
        if numbers
            .chain(self.lock.as_ref().map(|lock| lock.heartbeat))
            .any(|number| number > NUMBER_MAX)
        {
            return Err(InvalidRecord::Changed("its numbers are too large"));
        }
        if !self.lock.as_ref().is_none_or(RecordLock::is_possible) {
            return Err(InvalidRecord::Changed("invalid lock holder"));
        }
        let ascends = self.generations.is_sorted_by(|one, next| one.generation < next.generation);
        let count = |state| self.generations.iter().filter(|entry| entry.state == state).count();
        match (ascends, count(GenerationProgress::Deployed), count(GenerationProgress::Pending)) {
            (true, 0 | 1, 0 | 1) => Ok(()),
            (false, ..) => Err(InvalidRecord::Changed("its generations are out of order")),
            _ => Err(InvalidRecord::Changed("several generations are deployed or pending")),
        }
    }

    /// Serializes a head.
    ///
    /// # Errors
    ///
    /// When a number is too large.
    pub fn to_text(&self) -> Result<String, NotCanonical> {
        to_text(self)
    }

    /// Returns the generation that runs.
    pub fn deployed(&self) -> Option<&GenerationEntry> {
        self.generations.iter().find(|entry| entry.state == GenerationProgress::Deployed)
    }

    /// Returns the generation that was begun and not finished.
    pub fn pending(&self) -> Option<&GenerationEntry> {
        self.generations.iter().find(|entry| entry.state == GenerationProgress::Pending)
    }

    /// Begins a generation, or continues the pending one if it has the same content and serial;
    /// returns its number.
    pub fn begin(&mut self, new: NewEntry<'_>, recorded: Timestamp) -> u64 {
        let NewEntry { content_id, profile, serial, content_of } = new;
        if let Some(pending) =
            self.pending().filter(|entry| entry.content_id == content_id && entry.serial == serial)
        {
            return pending.generation;
        }
        for entry in &mut self.generations {
            entry.state = match entry.state {
                GenerationProgress::Pending => GenerationProgress::Abandoned,
                GenerationProgress::Removing => GenerationProgress::Superseded,
                state => state,
            };
        }
        let generation = self.generations.last().map_or(1, |last| last.generation + 1);
        let (profile, state) = (profile.clone(), GenerationProgress::Pending);
        self.generations.push(GenerationEntry {
            generation,
            content_id,
            profile,
            serial,
            state,
            recorded,
            content_of,
        });
        generation
    }

    /// Returns the generations that [`Head::finish`] will forget.
    ///
    /// The run deletes their ConfigMaps before it writes the head.
    pub fn forgotten_next(&self) -> Vec<u64> {
        self.pending().map_or_else(Vec::new, |pending| self.clone().finish(pending.recorded))
    }

    /// Marks the pending generation as deployed; returns the generations that are forgotten for it.
    pub fn finish(&mut self, recorded: Timestamp) -> Vec<u64> {
        for entry in &mut self.generations {
            entry.state = match entry.state {
                GenerationProgress::Deployed => GenerationProgress::Superseded,
                GenerationProgress::Pending => GenerationProgress::Deployed,
                state => state,
            };
            if entry.state == GenerationProgress::Deployed {
                entry.recorded = recorded;
            }
        }
        self.forget_surplus()
    }

    /// Drops surplus generations: first those that never ran, because no rollback can use them,
    /// then the oldest.
    fn forget_surplus(&mut self) -> Vec<u64> {
        let mut gone = Vec::new();
        while self.generations.len() > GENERATIONS_KEPT {
            let never_ran = self.generations.iter().position(|entry| !entry.state.has_run());
            gone.push(self.generations.remove(never_ran.unwrap_or(0)).generation);
        }
        gone
    }

    /// Marks the deployed generation as being uninstalled.
    pub fn begin_removal(&mut self) {
        for entry in &mut self.generations {
            entry.state = match entry.state {
                GenerationProgress::Pending => GenerationProgress::Abandoned,
                GenerationProgress::Deployed => GenerationProgress::Removing,
                state => state,
            };
        }
    }

    /// Marks the generation as uninstalled.
    pub fn finish_removal(&mut self, recorded: Timestamp) {
        for entry in
            self.generations.iter_mut().filter(|entry| entry.state == GenerationProgress::Removing)
        {
            entry.state = GenerationProgress::Removed;
            entry.recorded = recorded;
        }
    }
}

impl Generation {
    /// Describes a generation.
    pub fn new(
        generation: u64,
        content_id: Digest,
        mut inventory: Vec<Item>,
        mut retained: Vec<Item>,
    ) -> Self {
        inventory.sort();
        retained.sort();
        let schema = SCHEMA.to_owned();
        Self { schema, generation, content_id, inventory, retained, secrets: Vec::new() }
    }

    /// Adds the Secrets that its pods use and that apply creates.
    #[must_use]
    pub fn with_secrets(self, mut secrets: Vec<Item>) -> Self {
        secrets.sort();
        Self { secrets, ..self }
    }

    /// Parses a generation.
    ///
    /// # Errors
    ///
    /// When the text is not a generation, differs from the spelling of [`Generation::to_text`], or
    /// lists objects that no bundle can have.
    pub fn parse(text: &str) -> Result<Self, InvalidRecord> {
        let generation: Self = parse(text)?;
        let lists = [&generation.inventory, &generation.retained, &generation.secrets];
        if !lists.iter().all(|list| list.is_sorted_by(|one, next| one < next)) {
            return Err(InvalidRecord::Changed("its inventory is out of order"));
        }
        // The names become paths of requests.
        if !lists.into_iter().flatten().all(Item::is_possible) {
            return Err(InvalidRecord::Changed("its inventory lists an object that no bundle has"));
        }
        Ok(generation)
    }

    /// Serializes a generation.
    ///
    /// # Errors
    ///
    /// When a number is too large.
    pub fn to_text(&self) -> Result<String, NotCanonical> {
        to_text(self)
    }
}

impl Item {
    fn is_possible(&self) -> bool {
        let ObjectKey { api_version, kind, namespace, name } = &self.key;
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let version = api_version.rsplit('/').next().unwrap_or_default();
        let is_plain =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        Kind::named(kind).is_some_and(|kind| kind.group() == group && kind.phase().is_some())
            && is_plain(version)
            && (namespace.is_empty() || namespace.parse::<Label>().is_ok())
            && namespace.is_empty() == self.key.is(Kind::Namespace)
            && !name.is_empty()
            && name.parse::<ObjectName>().is_ok()
            && self.uid.as_deref().is_none_or(is_uid)
    }
}

fn to_text(value: &impl Serialize) -> Result<String, NotCanonical> {
    let bytes = Canonical::of(value)?.into_bytes();
    Ok(String::from_utf8(bytes).expect("JSON is UTF-8"))
}

fn parse<T: DeserializeOwned + Serialize>(text: &str) -> Result<T, InvalidRecord> {
    let tree: serde_json::Value = serde_json::from_str(text)?;
    let schema = tree.get("schema").and_then(serde_json::Value::as_str).unwrap_or_default();
    if schema != SCHEMA {
        return Err(InvalidRecord::Schema(schema.to_owned()));
    }
    let value: T = serde_json::from_value(tree)?;
    if to_text(&value)? == text { Ok(value) } else { Err(InvalidRecord::Changed("its spelling")) }
}

#[cfg(test)]
mod tests;
