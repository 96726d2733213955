//! Reads generations from the record, and checks that they agree with the head.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::bundle::fault::ReadError;
use crate::bundle::index::{Object, Source, Wanted};
use crate::bundle::open::{Bundle, InvalidBundle, read_index};
use crate::bundle::read::Contents;
use crate::media::archive;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::model::text::{Label, ReleaseName, is_subdomain};
use crate::render::manifest_set::ManifestSet;
use crate::rollout::known_secrets::KnownSecrets;
use crate::rollout::packed_bundle::unpack;
use crate::rollout::record::{
    BUNDLE_KEY, GENERATION_KEY, Generation, GenerationEntry, GenerationProgress, Head,
    InvalidRecord, Item,
};

/// A generation from the record. It agrees with itself and with the head; its signatures are not
/// verified.
pub struct Recorded {
    pub entry: GenerationEntry,
    /// All its objects in the cluster.
    pub inventory: Vec<Item>,
    /// The objects of earlier generations that were still in use at the end of the rollout.
    pub retained: Vec<Item>,
    /// The Secrets that apply creates for it. No inventory lists them.
    pub secrets: Vec<String>,
    /// The values in them, by Secret and key.
    pub values: BTreeSet<(String, String)>,
    /// The recorded uids of these Secrets, as the pods got them.
    pub noted: Vec<Item>,
    /// The Secrets and PVCs of other owners in its namespace to which it refers.
    pub referred: Vec<ObjectKey>,
    /// The environment of its bundle.
    pub environment: Label,
}

/// Why a stored generation is not the one in the head.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    #[error(transparent)]
    Record(#[from] InvalidRecord),
    #[error("its bundle is incomplete: {0}")]
    Read(#[from] ReadError),
    #[error("its bundle contradicts itself: {0}")]
    Bundle(#[from] InvalidBundle),
    #[error("it does not match the generation in the head")]
    OtherGeneration,
    #[error("its bundle does not match the head")]
    OtherBundle,
    #[error("its bundle is for another installation")]
    OtherInstallation,
    #[error("its inventory does not match the objects of its bundle")]
    OtherObjects,
    #[error("it lists objects of another namespace")]
    OtherNamespace,
    #[error("its bundle requests Secrets that cannot be created")]
    ImpossibleSecrets,
    #[error("it lists Secrets that were not created for it")]
    OtherSecrets,
}

impl Recorded {
    /// Reads the ConfigMap of a generation of the installation `name` in `namespace`.
    ///
    /// # Errors
    ///
    /// When it is not the generation that the head names, or its bundle is not the one that it
    /// describes.
    pub fn read(
        entry: &GenerationEntry,
        (name, namespace): (&ReleaseName, &str),
        stored: &Value,
    ) -> Result<Self, Damage> {
        Self::open(entry, (name, namespace), stored).map(|(recorded, _)| recorded)
    }

    fn open(
        entry: &GenerationEntry,
        (name, namespace): (&ReleaseName, &str),
        stored: &Value,
    ) -> Result<(Self, Contents), Damage> {
        let generation = Generation::parse(text(stored, "data", GENERATION_KEY))?;
        if (generation.generation, generation.content_id) != (entry.generation, entry.content_id) {
            return Err(Damage::OtherGeneration);
        }

        let archive = unpack(text(stored, "binaryData", BUNDLE_KEY))?;
        let contents =
            archive::open(archive.as_slice())?.read_sums()?.into_files()?.read_to_end()?;

        let index = read_index(&contents.files)?;
        if contents.sums.content_id() != entry.content_id || index.profile != entry.profile {
            return Err(Damage::OtherBundle);
        }
        if (&index.name, index.namespace.as_str()) != (name, namespace) {
            return Err(Damage::OtherInstallation);
        }

        let mut listed: Vec<ObjectKey> = index.objects.iter().map(Object::key).collect();
        listed.sort();
        if !listed.iter().eq(generation.inventory.iter().map(|item| &item.key)) {
            return Err(Damage::OtherObjects);
        }

        let Generation { inventory, retained, secrets: noted, .. } = generation;
        let is_own = |item: &Item| {
            let may_be_elsewhere =
                matches!(item.key.known_kind(), Some(Kind::Namespace | Kind::ServiceMonitor));
            item.key.namespace == namespace || may_be_elsewhere
        };
        if !inventory.iter().chain(&retained).all(is_own) {
            return Err(Damage::OtherNamespace);
        }

        let (others, made): (Vec<Wanted>, Vec<Wanted>) =
            index.contract.into_iter().partition(|wanted| wanted.source == Source::Cluster);
        // The names become parts of request paths and of commands.
        let is_possible = |wanted: &Wanted| {
            wanted.is(Kind::Secret) && wanted.namespace == namespace && is_subdomain(&wanted.name)
        };
        if !made.iter().all(is_possible) {
            return Err(Damage::ImpossibleSecrets);
        }
        let values = made.iter().flat_map(|wanted| {
            wanted.keys.iter().map(|value| (wanted.name.clone(), value.key.clone()))
        });
        let values = values.collect();
        let secrets: Vec<String> = made.into_iter().map(|wanted| wanted.name).collect();

        let is_made = |item: &Item| {
            let ObjectKey { namespace: of, name, .. } = &item.key;
            item.key.is(Kind::Secret)
                && of == namespace
                && secrets.contains(name)
                && item.uid.is_some()
        };
        if !noted.iter().all(is_made) {
            return Err(Damage::OtherSecrets);
        }

        let is_here = |wanted: &&Wanted| {
            let has_data = Kind::named(&wanted.kind).is_some_and(Kind::holds_data);
            has_data && wanted.namespace == namespace && is_subdomain(&wanted.name)
        };
        let others = others.iter().filter(is_here);
        let referred = others
            .filter_map(|wanted| ObjectKey::of_named(&wanted.kind, &wanted.namespace, &wanted.name))
            .collect();

        let environment = index.environment;
        Ok((
            Self {
                entry: entry.clone(),
                inventory,
                retained,
                secrets,
                values,
                noted,
                referred,
                environment,
            },
            contents,
        ))
    }
}

/// Returns the Secrets that a record lists of those that apply creates.
pub fn known_secrets(head: &Head, recorded: &[Recorded]) -> KnownSecrets {
    let noted =
        recorded.iter().map(|recorded| (recorded.entry.generation, recorded.noted.as_slice()));
    recorded.iter().fold(KnownSecrets::of(head, noted), |known, recorded| {
        known.with_values(recorded.entry.generation, &recorded.values)
    })
}

/// Reads the ConfigMap of a generation as [`Recorded::read`] does, and returns the objects of its
/// bundle. The bundle is not verified.
///
/// # Errors
///
/// As [`Recorded::read`], and when the bundle contradicts itself.
pub fn manifests(
    entry: &GenerationEntry,
    place: (&ReleaseName, &str),
    stored: &Value,
) -> Result<ManifestSet, Damage> {
    let (_, contents) = Recorded::open(entry, place, stored)?;
    Ok(Bundle::open_recorded(contents)?.manifests)
}

/// Returns the objects that generations have in the cluster, including those that they had to leave
/// there. Different uids of one object are all listed.
pub fn inventory(recorded: &[Recorded]) -> Vec<Item> {
    let items =
        recorded.iter().flat_map(|recorded| recorded.inventory.iter().chain(&recorded.retained));
    let items: BTreeSet<&Item> = items.collect();
    items.into_iter().cloned().collect()
}

/// Returns whether a generation may lack its ConfigMap: its run was interrupted before it wrote
/// that, and changed nothing.
pub fn may_be_missing(entry: &GenerationEntry) -> bool {
    matches!(entry.state, GenerationProgress::Pending | GenerationProgress::Abandoned)
}

/// Returns an entry of a ConfigMap, or an empty text if it is missing.
pub fn text<'a>(stored: &'a Value, field: &str, key: &str) -> &'a str {
    stored.get(field).and_then(|data| data.get(key)).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bundle::files::BundleFiles;
    use crate::canonical::Canonical;
    use crate::model::digest::Digest;
    use crate::rollout::packed_bundle::pack;

    /// Returns a stored generation whose bundle wants apply to create a Secret, and its entry in
    /// the head.
    fn recorded(kind: &str, namespace: &str, name: &str) -> (GenerationEntry, Value) {
        let wanted = json!({"kind": kind, "namespace": namespace, "name": name, "source": "generated",
            "keys": [{"key": "a", "length": 32, "generation": 1}], "usedBy": ["Deployment/relay"]});
        let index = json!({"format": 1, "name": "relay", "namespace": "ns", "environment": "dev", "profile": "dev",
            "appVersion": "1", "kubernetes": {"min": "1.30", "max": "1.37"}, "objects": [], "images": [],
            "contract": [wanted], "workloads": [], "recipe": Digest::of(b"")});
        let mut files = BundleFiles::default();
        let index = Canonical::of(&index).unwrap().into_bytes();
        files.add("bundle.json".parse().unwrap(), index).unwrap();
        let mut archive = Vec::new();
        archive::write(&mut archive, None, &files).unwrap();
        let content_id = files.sums().content_id();
        let generation = Generation::new(1, content_id, Vec::new(), Vec::new()).to_text().unwrap();
        let stored = json!({"data": {GENERATION_KEY: generation}, "binaryData": {BUNDLE_KEY: pack(&archive).unwrap()}});
        let entry = json!({"generation": 1, "contentId": content_id, "profile": "dev", "serial": 1,
            "state": "deployed", "recorded": "2026-11-22T10:00:00Z"});
        (serde_json::from_value(entry).unwrap(), stored)
    }

    #[test]
    fn record_names_only_secrets_apply_could_have_created() {
        let name = "relay".parse().unwrap();
        let read = |(entry, stored): (GenerationEntry, Value)| {
            Recorded::read(&entry, (&name, "ns"), &stored)
        };

        assert_eq!(
            read(recorded("Secret", "ns", "relay-generated")).unwrap().secrets,
            ["relay-generated"]
        );

        for (kind, namespace, name) in [
            ("Secret", "ns", "x; rm -rf ~"),
            ("Secret", "ns", "--all"),
            ("Secret", "ns", "../pods/x"),
            ("Secret", "ns", "\u{1b}[2J"),
            ("Secret", "ns", ""),
            ("Secret", "kube-system", "x"),
            ("ConfigMap", "ns", "x"),
        ] {
            let why = read(recorded(kind, namespace, name)).err().unwrap().to_string();
            assert_eq!(
                why, "its bundle requests Secrets that cannot be created",
                "{kind} {namespace} {name:?}"
            );
        }
    }
}
