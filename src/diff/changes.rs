//! Compares two bundles, and forecasts which pods restart.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::fields::{FieldChange, compare, hide_credentials, redact};
use super::images::{self, ImageChange};
use super::immutable::refusal;
use super::pairs::{Pair, pairs, renamed};
use super::restart::{self, Configs, Forecast, Restart};
use super::settings;
use super::warning::Warning;
use crate::bundle::index::{Index, Source, Wanted};
use crate::bundle::open::Bundle;
use crate::bundle::recipe::Recipe;
use crate::model::digest::Digest;
use crate::model::kind::Kind;
use crate::render::manifest_set::{Manifest, ManifestSet};
use crate::render::references::pod_template;

/// All differences between two bundles.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    /// Whether both have the same content id.
    pub same: bool,
    pub old: Side,
    pub new: Side,
    pub images: Vec<ImageChange>,
    /// Settings, by key path; secrets as references.
    pub settings: Vec<FieldChange>,
    /// The rest of the recipes: the profile's name, `renderAbi`, `set`, sealed files.
    pub recipe: Vec<FieldChange>,
    /// The objects that the cluster must have, by `Kind/name`.
    pub contract: Vec<FieldChange>,
    /// In apply order.
    pub objects: Vec<ObjectChange>,
    pub workloads: Vec<Forecast>,
    /// Effects that an operator may not expect.
    pub warnings: Vec<Warning>,
}

/// The identity of one of two bundles.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    pub content_id: String,
    pub name: String,
    pub namespace: String,
    pub profile: String,
}

/// An object that was added, removed or changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectChange {
    pub change: ChangeKind,
    pub kind: String,
    pub namespace: String,
    /// Without the hash at the end of the names of ConfigMaps and NetworkPolicies.
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_name: Option<String>,
    /// The fields of a changed object.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}

impl ObjectChange {
    /// Returns whether the changed object is of this kind.
    pub fn is(&self, kind: Kind) -> bool {
        self.kind == kind.name()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ChangeKind {
    Added,
    Removed,
    Changed,
}

/// The differences between two sets of objects.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Changes {
    /// In apply order.
    pub objects: Vec<ObjectChange>,
    pub workloads: Vec<Forecast>,
    /// Effects that an operator may not expect.
    pub warnings: Vec<Warning>,
}

/// Compares two sets of objects.
pub fn changes(old: &ManifestSet, new: &ManifestSet) -> Changes {
    let pairs = pairs(old, new);
    let configs = configs(old, new);
    let objects: Vec<ObjectChange> =
        pairs.iter().filter_map(|pair| object_change(pair, &configs)).collect();
    let mut warnings: Vec<Warning> = objects.iter().flat_map(refusals).collect();
    warnings.extend(literal_warnings(&objects));
    warnings.extend(claim_warnings(&objects));
    Changes { objects, workloads: forecasts(&pairs, &configs), warnings }
}

/// Compares two bundles.
pub fn diff(old: &Bundle, new: &Bundle) -> Diff {
    let Changes { objects, workloads, mut warnings } = changes(&old.manifests, &new.manifests);
    warnings.extend(renderer_warning(&old.recipe, &new.recipe).map(Warning::from));
    Diff {
        same: old.content_id == new.content_id,
        old: side(&old.content_id, &old.index),
        new: side(&new.content_id, &new.index),
        images: images::changes(&old.index.images, &new.index.images),
        settings: settings::changes(&old.recipe, &new.recipe),
        recipe: settings::recipe_changes(&old.recipe, &new.recipe),
        contract: compare(&wanted(&old.index.contract), &wanted(&new.index.contract)),
        objects,
        workloads,
        warnings,
    }
}

fn side(content_id: &Digest, index: &Index) -> Side {
    Side {
        content_id: content_id.prefixed(),
        name: index.name.to_string(),
        namespace: index.namespace.to_string(),
        profile: index.profile.to_string(),
    }
}

/// Returns the changed data of each pair of ConfigMaps whose names differ only in the hash, even if
/// a set has several of them.
fn configs(old: &ManifestSet, new: &ManifestSet) -> Configs {
    let config = |(old, new): (&Manifest, &Manifest)| {
        let fields = compare(&old.object, &new.object);
        let is_data = |change: &FieldChange| {
            change.path.starts_with(&["data"]) || change.path.starts_with(&["binaryData"])
        };
        ((old.key.name.clone(), new.key.name.clone()), fields.into_iter().filter(is_data).collect())
    };
    renamed(old, new, Kind::ConfigMap).into_iter().map(config).collect()
}

fn object_change(pair: &Pair<'_>, configs: &Configs) -> Option<ObjectChange> {
    let (change, fields) = match (pair.old, pair.new) {
        (Some(old), Some(new)) => (ChangeKind::Changed, compare(&old.object, &new.object)),
        (None, _) => (ChangeKind::Added, Vec::new()),
        (_, None) => (ChangeKind::Removed, Vec::new()),
    };
    if change == ChangeKind::Changed && fields.is_empty() {
        return None;
    }

    let key = &pair.any().key;
    let renamed = pair.renamed();
    let mut object = ObjectChange {
        change,
        kind: key.kind.clone(),
        namespace: key.namespace.clone(),
        name: pair.base.clone(),
        old_name: renamed.map(|(old, _)| old.to_owned()),
        new_name: renamed.map(|(_, new)| new.to_owned()),
        fields,
    };

    let is_workload = pod_template(&pair.any().object).is_some();
    let is_secret = object.is(Kind::Secret);
    for field in &mut object.fields {
        if is_secret {
            redact(field);
        }
        hide_credentials(field);
        if is_workload {
            restart::mark_template(field, configs);
        } else if renamed.is_some() {
            field.follows = field.path.starts_with(&["metadata", "name"]);
        }
    }
    Some(object)
}

fn refusals(object: &ObjectChange) -> impl Iterator<Item = Warning> {
    object
        .fields
        .iter()
        .filter_map(|change| refusal(Kind::named(&object.kind)?, &object.name, change))
}

/// Warns about changed literal values, because a new value alone does not restart pods.
fn literal_warnings(objects: &[ObjectChange]) -> impl Iterator<Item = Warning> {
    let secrets = objects
        .iter()
        .filter(|object| object.is(Kind::Secret) && object.change == ChangeKind::Changed);
    secrets.flat_map(|object| {
        let values = object.fields.iter().filter(|field| field.verb() == "changed");
        values.filter(|field| field.path.starts_with(&["data"])).map(|field| {
            let key = field.path.last_key().unwrap_or_default();
            let text = format!(
                "the value of {key} changed; pods keep the old one until they restart; raise \
                 `revision` to restart them"
            );
            Warning::of(&object.kind, &object.name, text)
        })
    })
}

/// Warns about PVCs that the new set lacks: they are neither deleted nor used.
fn claim_warnings(objects: &[ObjectChange]) -> impl Iterator<Item = Warning> {
    let gone = |object: &&ObjectChange| {
        object.is(Kind::PersistentVolumeClaim) && object.change == ChangeKind::Removed
    };
    objects.iter().filter(gone).map(|object| {
        let text = "it stays in the cluster with its data, but is no longer used";
        Warning::of(&object.kind, &object.name, text)
    })
}

/// Warns about another version of the renderer, which may be the reason for changed fields.
fn renderer_warning(old: &Recipe, new: &Recipe) -> Option<String> {
    let [old, new] = [old, new].map(|recipe| recipe.render_abi);
    (old != new).then(|| {
        format!(
            "renderAbi {old}, now {new}: the two releases of relay-bundle render differently, \
             which alone may restart pods"
        )
    })
}

/// Returns the contract as one value: the required objects by `Kind/name`, each with its required
/// keys.
fn wanted(contract: &[Wanted]) -> Value {
    let one = |wanted: &Wanted| {
        let source = match wanted.source {
            Source::Cluster => "there before",
            Source::Generated => "generated at apply",
            Source::Sealed => "decrypted at apply",
        };
        let keys: Vec<&str> = wanted.keys.iter().map(|key| key.key.as_str()).collect();
        let keys =
            if keys.is_empty() { String::new() } else { format!(", with {}", keys.join(", ")) };
        (format!("{}/{}", wanted.kind, wanted.name), Value::from(format!("{source}{keys}")))
    };
    contract.iter().map(one).collect()
}

fn forecasts(pairs: &[Pair<'_>], configs: &Configs) -> Vec<Forecast> {
    let forecast = |pair: &Pair<'_>| {
        let any = pair.any();
        pod_template(&any.object)?;
        let (restart, reasons) = match (pair.old, pair.new) {
            (Some(old), Some(new)) => restart::reasons(&old.object, &new.object, configs),
            (None, _) => (Restart::Added, Vec::new()),
            (_, None) => (Restart::Removed, Vec::new()),
        };
        Some(Forecast {
            kind: any.key.kind.clone(),
            namespace: any.key.namespace.clone(),
            name: any.key.name.clone(),
            restart,
            reasons,
            notes: Vec::new(),
        })
    };

    let mut forecasts: Vec<Forecast> = pairs.iter().filter_map(forecast).collect();
    let new_objects: BTreeMap<(String, String), &Value> = pairs
        .iter()
        .filter_map(|pair| pair.new)
        .filter(|manifest| manifest.key.is(Kind::Deployment))
        .map(|manifest| {
            ((manifest.key.namespace.clone(), manifest.key.name.clone()), &manifest.object)
        })
        .collect();
    restart::add_notes(&mut forecasts, &new_objects);
    forecasts
}
