//! Whether a Secret that is made at apply is one that this installation knows: made here, or taken before.
//!
//! Only what the server keeps of it beside the values is looked at.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::live::{MANAGED_BY_LABEL, label};
use super::record::{Head, Item, Progress};
use super::takeover::managers;
use crate::model::object_key::ObjectKey;

/// What the record says of these Secrets.
#[derive(Clone, Debug, Default)]
pub struct KnownSecrets {
    /// Whether a run of this program was begun here, and whether one came to its end.
    was_begun: bool,
    has_run: bool,
    /// All that were noted.
    uids: BTreeSet<String>,
    /// The generation that ran last, and the uids of those that its pods got, by name; none were noted before this program
    /// did so.
    used: Option<(u64, BTreeMap<String, String>)>,
    /// The generation that runs, or is being removed, and the values that were made for it: Secret and key.
    running: Option<u64>,
    values: BTreeSet<(String, String)>,
}

/// A Secret that is there.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub key: &'a ObjectKey,
    pub metadata: &'a Value,
    pub is_immutable: bool,
    /// Whether this program would have made it so.
    pub is_key: bool,
}

/// Whose a Secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// One that was noted, or nothing says that it is another.
    Ours,
    /// It was there before, and is taken as it is: in words.
    Taken(String),
    /// It is in the place of the one that the generation had that ran last: in words.
    Another(String),
}

impl KnownSecrets {
    /// Collects what the generations of a record have noted.
    pub fn of<'a>(head: &Head, noted: impl Iterator<Item = (u64, &'a [Item])>) -> Self {
        let ran = head.generations.iter().rfind(|entry| entry.state.has_run());
        let last = ran.map(|entry| entry.generation);
        let running = ran.filter(|entry| entry.state != Progress::Removed).map(|entry| entry.generation);
        let (was_begun, has_run) = (!head.generations.is_empty(), last.is_some());
        let mut known = Self { was_begun, has_run, running, ..Self::default() };
        for (generation, items) in noted {
            let named = items.iter().filter_map(|item| Some((item.key.name.clone(), item.uid.clone()?)));
            let named: BTreeMap<String, String> = named.collect();
            known.uids.extend(named.values().cloned());
            if last == Some(generation) && !named.is_empty() {
                known.used = Some((generation, named));
            }
        }
        known
    }

    /// Adds the values, each a Secret and a key of it, that were made for a generation; only those of the one that runs count.
    #[must_use]
    pub fn with_values(mut self, generation: u64, values: &BTreeSet<(String, String)>) -> Self {
        if self.running == Some(generation) {
            self.values.clone_from(values);
        }
        self
    }

    /// Returns whether the generation that runs was given the value of this key.
    pub fn has_used(&self, secret: &str, key: &str) -> bool {
        self.values.iter().any(|(of, value)| of == secret && value == key)
    }

    /// Tells whether any generation ever ran here.
    pub fn has_run(&self) -> bool {
        self.has_run
    }

    /// Says whose a Secret is.
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
            // Older records noted none, and an interrupted run none yet.
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
    /// Returns what it has not, and would have if this program had made it.
    fn lacks(&self) -> Vec<&'static str> {
        let is_labelled = label(self.metadata, MANAGED_BY_LABEL) == Some(super::record::MANAGED_BY);
        let label = (!is_labelled).then_some("it has not the label of this program");
        let immutable = (self.is_key && !self.is_immutable).then_some("it is not immutable");
        label.into_iter().chain(immutable).collect()
    }

    /// Says who made it and when, as far as the server knows.
    fn made(&self) -> String {
        let managers = match managers(self.metadata) {
            managers if managers.is_empty() => "nobody knows whom".to_owned(),
            managers => managers,
        };
        let time = self.metadata.get("creationTimestamp").and_then(Value::as_str).unwrap_or("a time unknown");
        format!("made by {managers} at {time}")
    }

    fn taken(&self, lacks: &[&str]) -> String {
        let (key, made) = (self.key, self.made());
        if lacks.is_empty() {
            return format!(
                "{key}: it is taken as it is: it was there before this installation, {made}, as `secrets init` and `secrets \
                 restore` make it"
            );
        }
        format!(
            "{key}: it is taken as it is: it was there before this installation, {made}, and not by this program ({}): \
             whoever made it knows its values; find out who did before you go on",
            lacks.join("; ")
        )
    }

    fn another(&self, generation: u64, other: &str, lacks: &[&str]) -> String {
        let (key, made) = (self.key, self.made());
        let made = [&[made.as_str()], lacks].concat().join("; ");
        format!(
            "{key} is not the one that generation {generation} used (uid {other}, now {}): {made}. If you have \
             restored it, all is well: the next generation that is applied takes note of it. If nobody of you did, whoever \
             made it knows its values: `relay-bundle secrets restore --dry-run` compares them with a recovery file",
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

    /// Returns the head of a record with as many generations, of which all but the last have run, and that too if so.
    fn head(generations: u8, last_ran: bool) -> Head {
        let mut head = Head::default();
        let (profile, time) = ("dev".parse().unwrap(), Timestamp::from_seconds(1).unwrap());
        for number in 1..=generations {
            let content_id = Digest::of(&[number]);
            head.begin(NewEntry { content_id, profile: &profile, serial: 1, content_of: None }, time);
            if number < generations || last_ran {
                head.finish(time);
            }
        }
        head
    }

    fn whose(head: &Head, noted: &[(u64, &[Item])], (uid, label, is_immutable): (&str, &str, bool)) -> Whose {
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
    fn what_is_there_before_the_first_installation_is_taken_and_named_with_who_made_it() {
        let made = "made by kubectl-create at 2026-11-22T10:00:00Z";
        says(&whose(&head(0, false), &[], OURS), &[made, "as `secrets init`"]);
        // A run that was interrupted has made it, if it looks like that.
        assert_eq!(whose(&head(1, false), &[], OURS), Whose::Ours);
        let lacks = "(it has not the label of this program; it is not immutable)";
        for head in [head(0, false), head(1, false)] {
            says(&whose(&head, &[], ("1", "other", false)), &[made, lacks]);
            says(&whose(&head, &[], ("1", "relay-bundle", false)), &["(it is not immutable)"]);
        }
    }

    #[test]
    fn another_one_in_its_place_is_told_from_the_one_that_ran_last() {
        let (one, two) = ([item("1")], [item("2")]);
        let ran = head(2, true);

        for noted in [&[(1, &one[..]), (2, &two[..])][..], &[(1, &two), (2, &one)]] {
            assert_eq!(whose(&ran, noted, OURS), Whose::Ours);
        }
        let found = whose(&ran, &[(1, &one), (2, &two)], ("3", "relay-bundle", false));
        says(&found, &["not the one that generation 2 used (uid 2, now 3)", "; it is not immutable."]);
        assert!(matches!(found, Whose::Another(_)));
        // It is new to this installation, and somebody has made it before.
        let other = [Item { key: ObjectKey { name: "b".into(), ..key() }, uid: Some("9".into()) }];
        says(&whose(&ran, &[(2, &other)], OURS), &["it is taken as it is"]);
    }

    #[test]
    fn a_record_that_notes_none_says_nothing() {
        assert_eq!(whose(&head(2, true), &[(1, &[]), (2, &[])], ("3", "other", false)), Whose::Ours);
    }
}
