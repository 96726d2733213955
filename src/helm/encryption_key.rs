//! Finds the encryption key that the relay runs with.
//!
//! The chart generates a new key at each upgrade, and a pod keeps the key that it started with. So
//! the stored key may never have encrypted anything.

use serde::Serialize;
use serde_json::Value;

use super::release::HelmRelease;
use crate::model::timestamp::Timestamp;

/// The variable that passes the key to the relay.
const VARIABLE: &str = "ENCRYPTION_KEY";

/// A key of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyReference {
    pub secret: String,
    pub key: String,
}

/// Returns the Secret and the key in it from which a workload or a pod gets its encryption key.
pub fn reference(object: &Value) -> Option<KeyReference> {
    variable(object).map(|(_, reference)| reference)
}

/// Returns the name of the container with the encryption key, and the source of the key.
fn variable(object: &Value) -> Option<(&str, KeyReference)> {
    let spec = object.pointer("/spec/template/spec").or_else(|| object.get("spec"))?;
    let containers = spec.get("containers").and_then(Value::as_array)?;
    containers.iter().find_map(|container| {
        let mut variables = container.get("env").and_then(Value::as_array)?.iter();
        let of =
            &variables.find(|variable| variable["name"] == VARIABLE)?["valueFrom"]["secretKeyRef"];
        let (secret, key) = (of["name"].as_str()?.to_owned(), of["key"].as_str()?.to_owned());
        Some((container["name"].as_str().unwrap_or_default(), KeyReference { secret, key }))
    })
}

/// Returns the earliest start of the live pods that get their key from `wanted`. A container reads
/// the key when it starts.
pub fn oldest_start(pods: &[Value], wanted: &KeyReference) -> Option<Timestamp> {
    let is_live = |pod: &&Value| {
        pod.pointer("/metadata/deletionTimestamp").is_none()
            && !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
    };
    let start = |pod: &Value| {
        let (container, reference) = variable(pod)?;
        let statuses = pod.pointer("/status/containerStatuses").and_then(Value::as_array);
        let status = statuses.into_iter().flatten().find(|status| status["name"] == container);
        let started = status.and_then(|status| status.pointer("/state/running/startedAt"));
        let time = started.or_else(|| pod.pointer("/metadata/creationTimestamp"))?.as_str()?;
        // An unreadable time counts as long ago, so that the operator decides.
        let time = time.parse().or_else(|_| Timestamp::from_seconds(0)).ok()?;
        (reference == *wanted).then_some(time)
    };
    pods.iter().filter(is_live).filter_map(start).min()
}

/// The last writer of the data of the live Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastWriter {
    /// An earlier run of this program, after the choice was made.
    ByUs,
    At(Timestamp),
    Unknown,
}

/// Finds the last writer of a Secret's data in its `managedFields`.
pub fn written(secret: &Value, ours: &str) -> LastWriter {
    let entries =
        secret.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    let of_data = entries.filter(|entry| entry.pointer("/fieldsV1/f:data").is_some());
    let mut found = LastWriter::Unknown;
    for entry in of_data {
        if entry["manager"] == ours {
            return LastWriter::ByUs;
        }
        if let Some(time) = entry["time"].as_str().and_then(|text| text.parse().ok()) {
            found = match found {
                LastWriter::At(known) if known > time => found,
                _ => LastWriter::At(time),
            };
        }
    }
    found
}

/// The evidence for the key that the relay runs with.
#[derive(Clone, Copy)]
pub struct Evidence<'a> {
    pub release: &'a HelmRelease,
    pub reference: &'a KeyReference,
    /// The value that is stored now.
    pub stored: &'a [u8],
    pub written: LastWriter,
    /// The start of the oldest pod that gets its key from `reference`.
    pub oldest_pod: Option<Timestamp>,
    /// Whether pods of the bundle run: an earlier run got that far, with the key that was chosen
    /// then.
    pub is_adopted: bool,
}

/// A key in Helm's revisions, without its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KnownKey {
    /// The consecutive revisions that have it.
    pub revisions: Vec<u64>,
    /// The time when the first of them was recorded.
    pub recorded: Timestamp,
    /// Whether it is the stored key.
    pub stored: bool,
}

impl Evidence<'_> {
    /// Returns the time since when the stored key is stored, unless it is the release's first key
    /// or the choice of this program.
    fn since(&self) -> Option<Timestamp> {
        let newest_first = || self.release.revisions.iter().rev();
        let has_it = |value: Option<&[u8]>| value == Some(self.stored);
        let same = newest_first().take_while(|revision| {
            has_it(revision.value(&self.reference.secret, &self.reference.key))
        });
        let first = same.last();
        match (first, self.written) {
            (Some(revision), _) if revision.number == 1 => None,
            (None, LastWriter::ByUs) => None,
            // The newest revision introduced the key, or a later write by hand.
            (Some(revision), LastWriter::At(time))
                if revision.number == self.release.newest().number =>
            {
                Some(time)
            }
            (None, LastWriter::At(time)) => Some(time),
            (Some(revision), _) => Some(revision.recorded),
            (None, LastWriter::Unknown) => Some(self.release.newest().recorded),
        }
    }

    /// Returns whether the relay may run with a different key than the stored one.
    pub fn is_doubtful(&self) -> bool {
        match (self.oldest_pod, self.since()) {
            (Some(started), Some(since)) => started <= since,
            // No pod runs: if there were several keys, the one that encrypted the data is unknown.
            (None, Some(_)) => !self.is_adopted,
            (_, None) => false,
        }
    }

    /// Returns the keys of all kept revisions, oldest first.
    pub fn known(&self) -> Vec<KnownKey> {
        let mut found: Vec<(&[u8], KnownKey)> = Vec::new();
        for revision in &self.release.revisions {
            let Some(value) = revision.value(&self.reference.secret, &self.reference.key) else {
                continue;
            };
            match found.last_mut() {
                Some((last, known)) if *last == value => known.revisions.push(revision.number),
                _ => {
                    let (number, recorded) = (revision.number, revision.recorded);
                    found.push((
                        value,
                        KnownKey {
                            revisions: vec![number],
                            recorded,
                            stored: value == self.stored,
                        },
                    ));
                }
            }
        }
        found.into_iter().map(|(_, known)| known).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;
    use zeroize::Zeroizing;

    use super::*;
    use crate::helm::release::Revision;

    fn time(minute: u32) -> Timestamp {
        format!("2026-11-23T10:{minute:02}:00Z").parse().unwrap()
    }

    /// Returns revisions from `first` on, recorded a minute apart, each with its key.
    fn release(first: u64, keys: &[&str]) -> HelmRelease {
        let revision = |(at, key): (usize, &&str)| {
            let values =
                BTreeMap::from([("k".to_owned(), Zeroizing::new(key.as_bytes().to_vec()))]);
            let number = first + u64::try_from(at).unwrap();
            let recorded = time(u32::try_from(number).unwrap());
            (
                Revision {
                    number,
                    status: "x".into(),
                    recorded,
                    secrets: BTreeMap::from([("s".to_owned(), values)]),
                },
                Vec::new(),
            )
        };
        HelmRelease::of(keys.iter().enumerate().map(revision).collect()).unwrap()
    }

    #[test]
    fn pod_older_than_stored_key_runs_with_different_key() {
        let table = [
            // The key never changed.
            (1, &["a"][..], "a", LastWriter::At(time(9)), Some(time(1)), false),
            (1, &["a", "a"], "a", LastWriter::At(time(9)), Some(time(1)), false),
            // An upgrade introduced another key; the pod is older, as old, or younger.
            (1, &["a", "b"], "b", LastWriter::At(time(3)), Some(time(2)), true),
            (1, &["a", "b"], "b", LastWriter::At(time(3)), Some(time(3)), true),
            (1, &["a", "b"], "b", LastWriter::At(time(3)), Some(time(4)), false),
            // An earlier upgrade than the newest introduced the key.
            (1, &["a", "b", "b"], "b", LastWriter::At(time(9)), Some(time(3)), false),
            (1, &["a", "b", "b"], "b", LastWriter::At(time(9)), Some(time(1)), true),
            // The keys before the oldest kept revision are unknown.
            (5, &["a", "a"], "a", LastWriter::At(time(9)), Some(time(4)), true),
            // The key was written by hand, or by this program as the operator chose.
            (1, &["a"], "z", LastWriter::At(time(8)), Some(time(7)), true),
            (1, &["a", "b"], "a", LastWriter::ByUs, Some(time(1)), false),
            // No pod runs, so the last used key is unknown if there were several.
            (1, &["a", "b"], "b", LastWriter::At(time(3)), None, true),
            (1, &["a"], "a", LastWriter::At(time(3)), None, false),
        ];
        let reference = KeyReference { secret: "s".into(), key: "k".into() };

        for (first, keys, stored, written, oldest_pod, wanted) in table {
            let release = release(first, keys);
            let stored = stored.as_bytes();
            let evidence = Evidence {
                release: &release,
                reference: &reference,
                stored,
                written,
                oldest_pod,
                is_adopted: false,
            };
            let adopted = Evidence { is_adopted: true, oldest_pod: None, ..evidence };
            assert!(!adopted.is_doubtful());
            assert_eq!(evidence.is_doubtful(), wanted, "{keys:?} {written:?} {oldest_pod:?}");
        }
    }

    #[test]
    fn keys_are_listed_by_revision_and_never_by_value() {
        let release = release(1, &["hidden-a", "hidden-b", "hidden-b", "hidden-a"]);
        let reference = KeyReference { secret: "s".into(), key: "k".into() };
        let (written, oldest_pod) = (LastWriter::Unknown, None);
        let stored = b"hidden-b";
        let (release, reference) = (&release, &reference);
        let evidence =
            Evidence { release, reference, stored, written, oldest_pod, is_adopted: false };
        let known = evidence.known();
        let shown: Vec<_> =
            known.iter().map(|known| (known.revisions.as_slice(), known.stored)).collect();
        assert_eq!(shown, [(&[1][..], false), (&[2, 3], true), (&[4], false)]);
        assert!(!serde_json::to_string(&known).unwrap().contains("hidden"));
    }

    #[test]
    fn oldest_container_that_references_key_counts() {
        let pod = |secret: &str, started: &str, more: Value| {
            let mut pod = json!({"metadata": {"creationTimestamp": "2026-11-23T09:00:00Z"},
                "spec": {"containers": [{"name": "side"}, {"name": "relay", "env": [{"name": "ENCRYPTION_KEY",
                    "valueFrom": {"secretKeyRef": {"name": secret, "key": "k"}}}]}]},
                "status": {"containerStatuses": [{"name": "relay", "state": {"running": {"startedAt": started}}}]}});
            if more.is_object() {
                pod["metadata"]["deletionTimestamp"] = "x".into();
            }
            pod
        };
        let pods = [
            pod("s", "2026-11-23T10:05:00Z", Value::Null),
            pod("s", "2026-11-23T10:04:00Z", Value::Null),
            pod("s", "2026-11-23T10:01:00Z", json!({})),
            pod("other", "2026-11-23T10:02:00Z", Value::Null),
        ];
        let reference = KeyReference { secret: "s".into(), key: "k".into() };
        assert_eq!(oldest_start(&pods, &reference), Some(time(4)));
        assert_eq!(oldest_start(&[], &reference), None);
    }
}
