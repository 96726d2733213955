//! The record of an installation in the cluster: its generations, their objects, and the accepted
//! state.
//!
//! One ConfigMap is the head: lock, journal and the list of generations. Each generation has
//! another one with the whole bundle, compressed, with its attestation; `rollback` verifies it
//! again. A damaged record is an error, never an empty record.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::lock::Lock;
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

/// The largest number in a head. It leaves room to count on below the largest integer of canonical
/// JSON.
pub(super) const NUMBER_MAX: u64 = 1 << 52;

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
    pub generations: Vec<Entry>,
    /// The run that changes the installation now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<Lock>,
    /// The Helm release that is being adopted, from the lock until Helm's records of it are gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopting: Option<ReleaseName>,
}

/// A generation, in the head.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Entry {
    pub generation: u64,
    pub content_id: Digest,
    pub profile: Label,
    pub serial: u64,
    pub state: Progress,
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
pub enum Progress {
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

impl Progress {
    /// Returns whether a generation in this state has ever run.
    pub fn has_run(self) -> bool {
        matches!(self, Self::Deployed | Self::Superseded | Self::Removing | Self::Removed)
    }
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
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
        if !self.lock.as_ref().is_none_or(Lock::is_possible) {
            return Err(InvalidRecord::Changed("invalid lock holder"));
        }
        let ascends = self.generations.is_sorted_by(|one, next| one.generation < next.generation);
        let count = |state| self.generations.iter().filter(|entry| entry.state == state).count();
        match (ascends, count(Progress::Deployed), count(Progress::Pending)) {
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
    pub fn deployed(&self) -> Option<&Entry> {
        self.generations.iter().find(|entry| entry.state == Progress::Deployed)
    }

    /// Returns the generation that was begun and not finished.
    pub fn pending(&self) -> Option<&Entry> {
        self.generations.iter().find(|entry| entry.state == Progress::Pending)
    }

    /// Returns whether any generation ever ran here.
    pub fn was_deployed(&self) -> bool {
        self.generations.iter().any(|entry| entry.state.has_run())
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
                Progress::Pending => Progress::Abandoned,
                Progress::Removing => Progress::Superseded,
                state => state,
            };
        }
        let generation = self.generations.last().map_or(1, |last| last.generation + 1);
        let (profile, state) = (profile.clone(), Progress::Pending);
        self.generations.push(Entry {
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
                Progress::Deployed => Progress::Superseded,
                Progress::Pending => Progress::Deployed,
                state => state,
            };
            if entry.state == Progress::Deployed {
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
                Progress::Pending => Progress::Abandoned,
                Progress::Deployed => Progress::Removing,
                state => state,
            };
        }
    }

    /// Marks the generation as uninstalled.
    pub fn finish_removal(&mut self, recorded: Timestamp) {
        for entry in self.generations.iter_mut().filter(|entry| entry.state == Progress::Removing) {
            entry.state = Progress::Removed;
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
            && namespace.is_empty() == (kind == "Namespace")
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
mod tests {
    use super::*;

    fn content(byte: u8) -> Digest {
        Digest::of(&[byte])
    }

    fn time() -> Timestamp {
        Timestamp::from_seconds(1_795_341_600).unwrap()
    }

    fn begin(head: &mut Head, byte: u8, serial: u64) -> u64 {
        let profile = "production".parse().unwrap();
        let new =
            NewEntry { content_id: content(byte), profile: &profile, serial, content_of: None };
        head.begin(new, time())
    }

    fn states(head: &Head) -> Vec<(u64, Progress)> {
        head.generations.iter().map(|entry| (entry.generation, entry.state)).collect()
    }

    #[test]
    fn a_generation_that_was_interrupted_is_gone_on_with_and_another_takes_its_place() {
        let mut head = Head::default();

        assert_eq!(begin(&mut head, 1, 1), 1);
        assert_eq!(begin(&mut head, 1, 1), 1);
        assert_eq!(begin(&mut head, 2, 2), 2);
        assert_eq!(states(&head), [(1, Progress::Abandoned), (2, Progress::Pending)]);
        assert!(!head.was_deployed());
        head.finish(time());
        assert_eq!(begin(&mut head, 3, 3), 3);
        head.finish(time());

        let wanted = [(1, Progress::Abandoned), (2, Progress::Superseded), (3, Progress::Deployed)];
        assert_eq!(states(&head), wanted);
        assert!(head.was_deployed());
    }

    #[test]
    fn the_last_ten_generations_are_kept() {
        let mut head = Head::default();
        let mut gone = Vec::new();
        for serial in 1..=13 {
            begin(&mut head, u8::try_from(serial).unwrap(), serial);
            gone.extend(head.finish(time()));
        }
        assert_eq!(gone, [1, 2, 3]);
        assert_eq!(head.generations.len(), GENERATIONS_KEPT);
        assert_eq!(head.deployed().unwrap().generation, 13);
    }

    #[test]
    fn attempts_that_failed_do_not_push_out_what_can_be_gone_back_to() {
        let mut head = Head::default();
        begin(&mut head, 1, 1);
        head.finish(time());
        for serial in 2..=15 {
            begin(&mut head, u8::try_from(serial).unwrap(), serial);
        }

        let gone = head.finish(time());

        assert_eq!(gone, [2, 3, 4, 5, 6]);
        assert_eq!(head.generations[0].state, Progress::Superseded);
        assert_eq!(head.deployed().unwrap().generation, 15);
    }

    #[test]
    fn what_ran_is_removing_until_it_is_removed_and_a_new_one_may_be_begun_at_any_time() {
        let mut head = Head::default();
        begin(&mut head, 1, 1);
        head.finish(time());
        begin(&mut head, 2, 2);

        head.begin_removal();
        assert_eq!(states(&head), [(1, Progress::Removing), (2, Progress::Abandoned)]);
        let mut interrupted = head.clone();
        begin(&mut interrupted, 3, 3);
        assert_eq!(states(&interrupted)[0], (1, Progress::Superseded));
        head.finish_removal(time());

        assert_eq!(states(&head), [(1, Progress::Removed), (2, Progress::Abandoned)]);
        assert!(head.was_deployed() && head.deployed().is_none());
        assert_eq!(begin(&mut head, 1, 1), 3);
    }

    #[test]
    fn a_record_has_one_spelling_and_a_forged_one_is_refused() {
        let mut head = Head::default();
        begin(&mut head, 1, 1);
        head.lock = Some(Lock { holder: "here".to_owned(), heartbeat: 3, by: None });
        let text = head.to_text().unwrap();
        assert_eq!(Head::parse(&text).unwrap(), head);

        for wrong in [
            String::new(),
            text.replace("v1", "v2"),
            text.replace(',', ", "),
            text.replace("\"heartbeat\"", "\"heartbeats\""),
        ] {
            assert!(Head::parse(&wrong).is_err(), "{wrong}");
        }
        for holder in ["a\nhint: do this", "\u{1b}[2J", &"a".repeat(129)] {
            let mut forged = head.clone();
            forged.lock = Some(Lock { holder: holder.to_owned(), heartbeat: 3, by: None });
            assert!(Head::parse(&forged.to_text().unwrap()).is_err(), "{holder}");
        }
        let largest = (1 << 53) - 1;
        let mut forged = head.clone();
        forged.lock = Some(Lock { holder: "here".to_owned(), heartbeat: largest, by: None });
        assert!(Head::parse(&forged.to_text().unwrap()).is_err());
        forged = head.clone();
        forged.generations[0].generation = largest;
        assert!(Head::parse(&forged.to_text().unwrap()).is_err());
        for release in ["../x", "a b", ""] {
            let forged = text.replacen('{', &format!(r#"{{"adopting":"{release}","#), 1);
            assert!(Head::parse(&forged).is_err(), "{forged}");
        }
        assert!(Head::parse(&text.replacen('{', r#"{"adopting":"relay","#, 1)).is_ok());
        begin(&mut head, 2, 2);
        head.generations[0].state = Progress::Pending;
        assert!(Head::parse(&head.to_text().unwrap()).is_err());
        head.generations.reverse();
        assert!(Head::parse(&head.to_text().unwrap()).is_err());
    }

    #[test]
    fn a_head_with_the_largest_number_is_read_and_the_next_one_is_none() {
        let mut head = Head::default();
        begin(&mut head, 1, 1);
        head.generations[0].generation = NUMBER_MAX;
        assert!(Head::parse(&head.to_text().unwrap()).is_ok());

        begin(&mut head, 2, 2);

        assert!(head.check().is_err());
        assert!(Head::parse(&head.to_text().unwrap()).is_err());
    }

    #[test]
    fn an_inventory_names_objects_that_a_bundle_can_have_and_nothing_else() {
        let item = |api_version: &str, kind: &str, namespace: &str, name: &str| Item {
            key: ObjectKey {
                api_version: api_version.into(),
                kind: kind.into(),
                namespace: namespace.into(),
                name: name.into(),
            },
            uid: Some("0b5e-1".into()),
        };
        let parsed = |inventory: Vec<Item>| {
            let generation =
                Generation { inventory, ..Generation::new(1, content(1), Vec::new(), Vec::new()) };
            Generation::parse(&generation.to_text().unwrap())
        };
        let good = item("apps/v1", "Deployment", "ns", "relay");
        assert_eq!(parsed(vec![good.clone()]).unwrap().inventory, std::slice::from_ref(&good));
        assert!(parsed(vec![item("v1", "Namespace", "", "ns")]).is_ok());

        for wrong in [
            item("v1", "Pod", "ns", "relay"),
            item("v1", "Deployment", "ns", "relay"),
            item("apps/v1?", "Deployment", "ns", "relay"),
            item("apps/v1", "Deployment", "", "relay"),
            item("apps/v1", "Deployment", "../kube-system", "relay"),
            item("apps/v1", "Deployment", "ns", "../../secrets/x"),
            item("apps/v1", "Deployment", "ns", ""),
            Item { uid: Some("\u{1b}[2J".into()), ..good.clone() },
        ] {
            assert!(parsed(vec![wrong.clone()]).is_err(), "{wrong:?}");
            let retained = Generation::new(1, content(1), Vec::new(), vec![wrong.clone()]);
            assert!(Generation::parse(&retained.to_text().unwrap()).is_err(), "{wrong:?}");
        }
        assert!(parsed(vec![good.clone(), good]).is_err());
    }
}
