//! Decides whether the installation knows a Secret of the bundle: it created the Secret, or
//! accepted it before.
//!
//! It compares only metadata, never values.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::live_object::label;
use super::record::{GenerationProgress, Head, Item};
use super::takeover::managers;
use crate::model::label::{MANAGED_BY, MANAGED_BY_LABEL};
use crate::model::object_key::ObjectKey;

/// The Secrets that the record knows.
#[derive(Clone, Debug, Default)]
pub struct KnownSecrets {
    /// Whether any run was started for this installation, and whether one was completed.
    was_begun: bool,
    has_run: bool,
    /// The uids of all Secrets that any generation recorded.
    uids: BTreeSet<String>,
    /// The last generation that ran, and the uids of its Secrets, by name; absent in records of
    /// earlier releases.
    used: Option<(u64, BTreeMap<String, String>)>,
    /// The generation that runs or is being removed, and the values that were generated for it, by
    /// Secret and key.
    running: Option<u64>,
    values: BTreeSet<(String, String)>,
}

/// An existing Secret.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub key: &'a ObjectKey,
    pub metadata: &'a Value,
    pub is_immutable: bool,
    /// Whether this program would have made it immutable.
    pub is_key: bool,
}

/// The origin of a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A recorded Secret, or one without evidence to the contrary.
    Ours,
    /// It existed before the installation, and is used unchanged; in words.
    Taken(String),
    /// It replaced the Secret of the last generation that ran; in words.
    Another(String),
}

impl KnownSecrets {
    /// Collects the Secrets that the generations of a record list.
    pub fn of<'a>(head: &Head, noted: impl Iterator<Item = (u64, &'a [Item])>) -> Self {
        let ran = head.generations.iter().rfind(|entry| entry.state.has_run());
        let last = ran.map(|entry| entry.generation);
        let running = ran
            .filter(|entry| entry.state != GenerationProgress::Removed)
            .map(|entry| entry.generation);
        let (was_begun, has_run) = (!head.generations.is_empty(), last.is_some());
        let mut known = Self { was_begun, has_run, running, ..Self::default() };
        for (generation, items) in noted {
            let named =
                items.iter().filter_map(|item| Some((item.key.name.clone(), item.uid.clone()?)));
            let named: BTreeMap<String, String> = named.collect();
            known.uids.extend(named.values().cloned());
            if last == Some(generation) && !named.is_empty() {
                known.used = Some((generation, named));
            }
        }
        known
    }

    /// Adds the values that were generated for a generation, by Secret and key. Only those of the
    /// running generation count.
    #[must_use]
    pub fn with_values(mut self, generation: u64, values: &BTreeSet<(String, String)>) -> Self {
        if self.running == Some(generation) {
            self.values.clone_from(values);
        }
        self
    }

    /// Returns whether the value of this key was generated for the running generation.
    pub fn has_used(&self, secret: &str, key: &str) -> bool {
        self.values.iter().any(|(of, value)| of == secret && value == key)
    }

    /// Returns whether any generation ever ran here.
    pub fn has_run(&self) -> bool {
        self.has_run
    }

    /// Returns the origin of a Secret.
    pub fn whose(&self, seen: Seen<'_>) -> Whose {
        if self.uids.contains(uid(seen.metadata)) {
            return Whose::Ours;
        }
        let lacks = seen.lacks();
        match &self.used {
            Some((generation, used)) => match used.get(&seen.key.name) {
                Some(other) => Whose::Another(seen.another(*generation, other, &lacks)),
                None => Whose::Taken(seen.taken(&lacks)),
            },
            // Records of earlier releases and interrupted runs list no Secrets.
            None if self.has_run || self.was_begun && lacks.is_empty() => Whose::Ours,
            None => Whose::Taken(seen.taken(&lacks)),
        }
    }
}

/// Returns the uid in the metadata of a Secret.
pub fn uid(metadata: &Value) -> &str {
    metadata.get("uid").and_then(Value::as_str).unwrap_or_default()
}

impl Seen<'_> {
    /// Returns the properties that this program would have given the Secret and that it lacks.
    fn lacks(&self) -> Vec<&'static str> {
        let is_labelled = label(self.metadata, MANAGED_BY_LABEL) == Some(MANAGED_BY);
        let label = (!is_labelled).then_some("it does not have the label of this program");
        let immutable = (self.is_key && !self.is_immutable).then_some("it is not immutable");
        label.into_iter().chain(immutable).collect()
    }

    /// Returns the field managers and the creation time of the Secret, in words.
    fn made(&self) -> String {
        let managers = match managers(self.metadata) {
            managers if managers.is_empty() => "an unknown field manager".to_owned(),
            managers => managers,
        };
        let time = self
            .metadata
            .get("creationTimestamp")
            .and_then(Value::as_str)
            .unwrap_or("an unknown time");
        format!("made by {managers} at {time}")
    }

    fn taken(&self, lacks: &[&str]) -> String {
        let (key, made) = (self.key, self.made());
        if lacks.is_empty() {
            return format!(
                "{key} is used unchanged: it existed before this installation, {made}, in the form \
                 that `secrets init` and `secrets restore` give it"
            );
        }
        format!(
            "{key} is used unchanged: it existed before this installation, {made}, and not by this \
             program ({}). Its creator knows its values: identify the creator before you \
             continue",
            lacks.join("; ")
        )
    }

    fn another(&self, generation: u64, other: &str, lacks: &[&str]) -> String {
        let (key, made) = (self.key, self.made());
        let made = [&[made.as_str()], lacks].concat().join("; ");
        format!(
            "{key} is not the one that generation {generation} used (uid {other}, now {}): {made}. \
             If you restored it, no action is needed: the next generation records it. Otherwise \
             its creator knows its values: `relay-bundle secrets restore --dry-run` compares them \
             with a recovery file",
            uid(self.metadata)
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::digest::Digest;
    use crate::model::timestamp::Timestamp;
    use crate::rollout::record::NewEntry;

    fn key() -> ObjectKey {
        ObjectKey {
            api_version: "v1".into(),
            kind: "Secret".into(),
            namespace: "ns".into(),
            name: "a".into(),
        }
    }

    fn item(uid: &str) -> Item {
        Item { key: key(), uid: Some(uid.into()) }
    }

    /// Returns the head of a record with that many generations. All but the last have run; with
    /// `last_ran`, the last one, too.
    fn head(generations: u8, last_ran: bool) -> Head {
        let mut head = Head::default();
        let (profile, time) = ("dev".parse().unwrap(), Timestamp::from_seconds(1).unwrap());
        for number in 1..=generations {
            let content_id = Digest::of(&[number]);
            head.begin(
                NewEntry { content_id, profile: &profile, serial: 1, content_of: None },
                time,
            );
            if number < generations || last_ran {
                head.finish(time);
            }
        }
        head
    }

    fn whose(
        head: &Head,
        noted: &[(u64, &[Item])],
        (uid, label, is_immutable): (&str, &str, bool),
    ) -> Whose {
        let metadata = json!({"uid": uid, "creationTimestamp": "2026-11-22T10:00:00Z",
            "labels": {"app.kubernetes.io/managed-by": label},
            "managedFields": [{"manager": "kubectl-create"}]});
        let known = KnownSecrets::of(head, noted.iter().copied());
        known.whose(Seen { key: &key(), metadata: &metadata, is_immutable, is_key: true })
    }

    #[track_caller]
    fn says(whose: &Whose, parts: &[&str]) {
        let (Whose::Taken(text) | Whose::Another(text)) = whose else { panic!("{whose:?}") };
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }

    const OURS: (&str, &str, bool) = ("1", "relay-bundle", true);

    #[test]
    fn secret_older_than_first_install_is_used_and_creator_named() {
        let made = "made by kubectl-create at 2026-11-22T10:00:00Z";
        says(&whose(&head(0, false), &[], OURS), &[made, "in the form that `secrets init`"]);
        // An interrupted run may have created it.
        assert_eq!(whose(&head(1, false), &[], OURS), Whose::Ours);
        let lacks = "(it does not have the label of this program; it is not immutable)";
        for head in [head(0, false), head(1, false)] {
            says(&whose(&head, &[], ("1", "other", false)), &[made, lacks]);
            says(&whose(&head, &[], ("1", "relay-bundle", false)), &["(it is not immutable)"]);
        }
    }

    #[test]
    fn replaced_secret_differs_from_one_used_by_last_generation() {
        let (one, two) = ([item("1")], [item("2")]);
        let ran = head(2, true);

        for noted in [&[(1, &one[..]), (2, &two[..])][..], &[(1, &two), (2, &one)]] {
            assert_eq!(whose(&ran, noted, OURS), Whose::Ours);
        }
        let found = whose(&ran, &[(1, &one), (2, &two)], ("3", "relay-bundle", false));
        says(
            &found,
            &["not the one that generation 2 used (uid 2, now 3)", "; it is not immutable."],
        );
        assert!(matches!(found, Whose::Another(_)));
        // Another Secret, which existed before the installation.
        let other = [Item { key: ObjectKey { name: "b".into(), ..key() }, uid: Some("9".into()) }];
        says(&whose(&ran, &[(2, &other)], OURS), &["is used unchanged"]);
    }

    #[test]
    fn record_without_noted_secrets_proves_nothing() {
        assert_eq!(
            whose(&head(2, true), &[(1, &[]), (2, &[])], ("3", "other", false)),
            Whose::Ours
        );
    }
}
