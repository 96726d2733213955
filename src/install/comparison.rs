//! Compares a bundle with the live objects, and with the objects that the server would make of it.
//! Changes nothing.

use std::collections::BTreeMap;

use serde_json::Value;

use super::generations::known_secrets;
use super::preflight::{Missing, check_contract};
use super::problems::list_pods;
use super::record::Journal;
use super::secrets::seen;
use crate::bundle::index::Source;
use crate::bundle::open::Bundle;
use crate::cluster::error::CallError;
use crate::cluster::request::{FIELD_MANAGER, Request};
use crate::cluster::{Cluster, ClusterIdentity};
use crate::diff::changes::{Changes, changes};
use crate::diff::drift::{Sides, drifts};
use crate::diff::fields::overlaid;
use crate::diff::running::{RunningImage, running_images};
use crate::diff::warning::Warning;
use crate::failure::Failure;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::render::manifest_set::{Manifest, ManifestSet};
use crate::rollout::additions::others;
use crate::rollout::known_secrets::{KnownSecrets, Whose};
use crate::rollout::live_object::{uid, wanted};
use crate::rollout::obstacle::MissingGroup;
use crate::rollout::prune::{Needed, candidates};
use crate::rollout::record::{GenerationEntry, GenerationProgress, Item};
use crate::rollout::remedy::unserved;
use crate::ui::live_view::{LiveChange, LiveObject, LiveReport};

/// The live state of a bundle.
pub struct LiveComparison<'a> {
    bundle: &'a Bundle,
    /// The live objects of the bundle and of the record.
    objects: BTreeMap<ObjectKey, Value>,
    /// The result of the dry run, empty if the namespace does not exist.
    tried: BTreeMap<ObjectKey, ForcedDryRun>,
    /// The running generation.
    pub deployed: Option<GenerationEntry>,
    /// The objects of the generation that runs or is pending.
    inventory: Vec<Item>,
    /// The Secrets that the record lists of those that apply creates.
    known: KnownSecrets,
}

/// The server's answer to a dry run that takes fields of every other owner.
enum ForcedDryRun {
    Would(Value),
    Refused(String),
}

impl<'a> LiveComparison<'a> {
    /// Reads the cluster, and the record of the installation if it has one.
    pub fn look(cluster: &Cluster, bundle: &'a Bundle) -> Result<Self, Failure> {
        let namespace = bundle.index.namespace.as_str();
        let journal = Journal::open(cluster, &bundle.index.name, namespace)?;
        let current = |entry: &GenerationEntry| {
            matches!(entry.state, GenerationProgress::Deployed | GenerationProgress::Pending)
        };
        let recorded = journal.recorded(current)?;
        let known = known_secrets(&journal.head, &recorded);
        let inventory: Vec<Item> =
            recorded.into_iter().flat_map(|recorded| recorded.inventory).collect();

        let mut keys: Vec<ObjectKey> =
            bundle.manifests.iter().map(|manifest| manifest.key.clone()).collect();
        keys.extend(inventory.iter().map(|item| item.key.clone()));
        keys.sort();
        keys.dedup();
        let objects = cluster.find_all(&keys)?;

        let home = ObjectKey::of(Kind::Namespace, "", namespace);
        let is_there = objects.contains_key(&home) || cluster.find(&home)?.is_some();
        let tried = if is_there { dry_run_all(cluster, bundle)? } else { BTreeMap::new() };

        Ok(Self {
            bundle,
            objects,
            tried,
            deployed: journal.head.deployed().cloned(),
            inventory,
            known,
        })
    }

    /// Returns the changes that applying the bundle would make, with the forecast of restarts.
    pub fn changes(&self) -> Changes {
        let (mut old, mut new) = (ManifestSet::default(), ManifestSet::default());
        for manifest in self.bundle.manifests.iter() {
            if let Some(object) = self.objects.get(&manifest.key) {
                old.add(&wanted(object));
            }
            new.add(&self.would_be(manifest));
        }
        let owner = (FIELD_MANAGER, self.bundle.index.name.as_str());
        for gone in candidates(&self.inventory, &Needed::by(self.bundle), &self.objects, owner) {
            old.add(&wanted(&self.objects[&gone.key]));
        }
        let mut changes = changes(&old, &new);
        changes
            .warnings
            .extend(self.bundle.manifests.iter().flat_map(|manifest| self.additions(manifest)));
        changes
    }

    /// Returns the fields that others added to an object, and that applying leaves in place.
    fn additions(&self, manifest: &Manifest) -> Vec<Warning> {
        let Some(object) = self.objects.get(&manifest.key) else { return Vec::new() };
        others(&manifest.key, object, &manifest.object, FIELD_MANAGER).additions
    }

    /// Returns the objects that the server would refuse, and why.
    pub fn refused(&self) -> impl Iterator<Item = (&ObjectKey, &str)> {
        self.tried.iter().filter_map(|(key, tried)| match tried {
            ForcedDryRun::Refused(why) => Some((key, why.as_str())),
            ForcedDryRun::Would(_) => None,
        })
    }

    /// Returns whether a refused object already reports this missing API group.
    pub fn tells(&self, group: &MissingGroup) -> bool {
        self.refused().any(|(key, _)| group.has(key))
    }

    /// Returns an object as it would be. Without a result of the dry run, this is the live object
    /// with the fields of the manifest, or the manifest alone.
    fn would_be(&self, manifest: &Manifest) -> Value {
        match (self.tried.get(&manifest.key), self.objects.get(&manifest.key)) {
            (Some(ForcedDryRun::Would(applied)), _) => wanted(applied),
            (_, Some(live)) => overlaid(&wanted(live), &manifest.object),
            (_, None) => manifest.object.clone(),
        }
    }

    /// Returns the missing objects of the contract, including the Secrets that apply creates.
    pub fn missing(&self, cluster: &Cluster) -> Result<Missing, Failure> {
        let mut missing = check_contract(cluster, self.bundle)?;
        for wanted in
            self.bundle.index.contract.iter().filter(|wanted| wanted.source != Source::Cluster)
        {
            let key = ObjectKey::of(Kind::Secret, &wanted.namespace, &wanted.name);
            let name = format!("Secret {} in {}", wanted.name, wanted.namespace);
            match cluster.find_secret(&key) {
                Ok(Some(secret)) => {
                    let keys = wanted.keys.iter().filter(|key| !secret.data.contains_key(&key.key));
                    missing.wanted.extend(keys.map(|key| format!("{name}: the key `{}`", key.key)));
                    if let Whose::Another(why) = self.known.whose(seen(&key, &secret)) {
                        missing.others.push(why);
                    }
                }
                Ok(None) => missing.wanted.push(name),
                Err(error) if error.code() == 403 => {
                    missing.unseen.push(format!("{name}: missing permission to read it"));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(missing)
    }

    /// Returns every object that differs from the bundle, in apply order, and then those that the
    /// bundle does not contain.
    pub fn drift(&self) -> Vec<LiveObject> {
        let manifests = &self.bundle.manifests;
        let is_in_bundle = |item: &Item| manifests.iter().any(|manifest| manifest.key == item.key);
        let mut surplus: Vec<&Item> =
            self.inventory.iter().filter(|item| !is_in_bundle(item)).collect();
        surplus.dedup_by_key(|item| &item.key);
        let surplus = surplus.into_iter().filter(|item| self.is_still_that(item));
        let surplus = surplus.map(|item| LiveObject::new(item.key.clone(), LiveChange::Surplus));
        manifests.iter().filter_map(|manifest| self.drift_of(manifest)).chain(surplus).collect()
    }

    fn is_still_that(&self, item: &Item) -> bool {
        let live = self.objects.get(&item.key);
        live.is_some_and(|object| item.uid.as_ref().is_none_or(|recorded| recorded == uid(object)))
    }

    fn drift_of(&self, manifest: &Manifest) -> Option<LiveObject> {
        let key = manifest.key.clone();
        let Some(object) = self.objects.get(&key) else {
            return Some(LiveObject::new(key, LiveChange::Missing));
        };
        let refused = match self.tried.get(&key) {
            Some(ForcedDryRun::Refused(why)) => Some(why.clone()),
            Some(ForcedDryRun::Would(_)) | None => None,
        };
        let fields = drifts(
            Sides {
                object,
                live: &wanted(object),
                wanted: &self.would_be(manifest),
                stated: &manifest.object,
            },
            FIELD_MANAGER,
        );
        let is_same = fields.is_empty() && refused.is_none();
        (!is_same).then_some(LiveObject {
            fields,
            refused,
            ..LiveObject::new(key, LiveChange::Differs)
        })
    }
}

/// Compares a cluster with a bundle.
pub fn compare(
    cluster: &Cluster,
    identity: &ClusterIdentity,
    bundle: &Bundle,
) -> Result<LiveReport, Failure> {
    let live = LiveComparison::look(cluster, bundle)?;
    let (objects, Missing { wanted: mut missing, groups, others, mut unseen }) =
        (live.drift(), live.missing(cluster)?);
    missing.extend(groups.iter().map(ToString::to_string));

    let mut running = None;
    if let Some(listed) = &bundle.images {
        match list_pods(cluster, (&bundle.index.name, bundle.index.namespace.as_str())) {
            Err(error) if error.code() == 403 => {
                unseen.push("the images that pods run: missing permission to list pods".to_owned());
            }
            pods => running = Some(running_images(&pods?, &bundle.index.images, listed)),
        }
    }

    let are_pinned = running.iter().flatten().all(RunningImage::is_well);
    Ok(LiveReport {
        context: cluster.context.clone(),
        cluster_uid: identity.uid.clone(),
        generation: live.deployed.as_ref().map(|entry| entry.generation),
        content_id: live.deployed.as_ref().map(|entry| entry.content_id.prefixed()),
        same: objects.is_empty() && missing.is_empty() && others.is_empty() && are_pinned,
        objects,
        missing,
        replaced: others,
        unseen,
        running,
    })
}

/// Has the server dry-run every object, so that its defaults, webhooks and validation count.
fn dry_run_all(
    cluster: &Cluster,
    bundle: &Bundle,
) -> Result<BTreeMap<ObjectKey, ForcedDryRun>, Failure> {
    let all = bundle.index.objects.iter().zip(bundle.manifests.iter());
    let requests: Vec<Request> = all
        .map(|(object, manifest)| {
            let file = bundle.files.get(&object.file).expect("the index lists files of the bundle");
            Request::would_be(&manifest.key, file.bytes())
        })
        .collect();

    let mut tried = BTreeMap::new();
    for (manifest, answer) in bundle.manifests.iter().zip(cluster.call_all(&requests)) {
        let outcome = match answer {
            Ok(applied) => ForcedDryRun::Would(applied),
            // A 403 is about the caller's permissions and not about the object, unless admission
            // refused it.
            Err(CallError::Status(status))
                if status.is_verdict() && (status.code != 403 || status.admission.is_some()) =>
            {
                let is_unserved = status.denial().is_of_unserved_kind();
                ForcedDryRun::Refused(if is_unserved {
                    unserved(&manifest.key)
                } else {
                    status.to_string()
                })
            }
            Err(error) => return Err(error.into()),
        };
        tried.insert(manifest.key.clone(), outcome);
    }
    Ok(tried)
}
