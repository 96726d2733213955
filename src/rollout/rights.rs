//! What must be allowed, so that a bundle can be planned, applied, gone back from, restarted and removed: nothing more.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value, json};

use crate::bundle::index::{Index, Source};
use crate::bundle::open::Bundle;
use crate::render::manifest_set::Manifest;

/// One thing that must be allowed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// Empty for an object of the cluster.
    pub namespace: String,
    pub kind: String,
    /// The only object that is meant; all of the kind if none. A right to create or to list can name none.
    pub name: Option<String>,
    pub verb: &'static str,
}

impl Right {
    /// Returns a right to all objects of a kind in a namespace.
    pub fn to_all(verb: &'static str, kind: &str, namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), kind: kind.to_owned(), name: None, verb }
    }

    /// Returns a right to one object.
    pub fn to_one(verb: &'static str, kind: &str, namespace: &str, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..Self::to_all(verb, kind, namespace) }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_ref().map(|name| format!("/{name}")).unwrap_or_default();
        write!(f, "{} {}{name}", self.verb, self.kind)?;
        if self.namespace.is_empty() {
            f.write_str(" of the cluster")
        } else {
            write!(f, " in {}", self.namespace)
        }
    }
}

/// Returns everything that any command needs for a bundle.
pub fn rights(bundle: &Bundle) -> BTreeSet<Right> {
    let index = &bundle.index;
    let mut rights = of_the_record(index.namespace.as_str());
    rights.extend(bundle.manifests.iter().flat_map(of_an_object));
    rights.extend(of_the_contract(index));
    rights.insert(Right::to_one("get", "Namespace", "", "kube-system"));
    rights.insert(Right::to_one("get", "Namespace", "", index.namespace.as_str()));
    rights
}

/// To keep the record, and to see whether pods are well and what they name.
pub fn of_the_record(namespace: &str) -> BTreeSet<Right> {
    let record = ["get", "list", "create", "update", "delete"];
    let record = record.map(|verb| Right::to_all(verb, "ConfigMap", namespace));
    let seen = ["Pod", "ReplicaSet", "ControllerRevision"].map(|kind| Right::to_all("list", kind, namespace));
    // Where Redis has data, no encryption key is generated.
    let claims = Right::to_all("get", "PersistentVolumeClaim", namespace);
    record.into_iter().chain(seen).chain([claims]).collect()
}

/// To bring an object to its state, and to delete it when it has become superfluous.
fn of_an_object(manifest: &Manifest) -> Vec<Right> {
    let key = &manifest.key;
    let (kind, namespace) = (key.kind.as_str(), key.namespace.as_str());
    let to_all = |verb| Right::to_all(verb, kind, namespace);
    let to_one = |verb| Right::to_one(verb, kind, namespace, &key.name);
    match kind {
        // It must be there before a Role can be in it; making one is nothing for whoever deploys.
        "Namespace" => vec![to_one("get"), to_one("patch")],
        // Others have Secrets beside ours.
        "Secret" => vec![to_all("create"), to_one("get"), to_one("patch"), to_one("delete")],
        "PersistentVolumeClaim" => ["get", "create", "patch"].map(to_all).into(),
        _ => ["get", "create", "patch", "delete"].map(to_all).into(),
    }
}

/// To look at what must be there, and to make the Secrets that apply makes.
fn of_the_contract(index: &Index) -> Vec<Right> {
    let mut rights = Vec::new();
    // Which APIs are served may be seen by all.
    let wanted = index.contract.iter().filter(|wanted| wanted.kind != "CustomResourceDefinition");
    for wanted in wanted {
        let to_one = |verb| Right::to_one(verb, &wanted.kind, &wanted.namespace, &wanted.name);
        rights.push(to_one("get"));
        if wanted.source != Source::Cluster {
            rights.push(to_one("update"));
            rights.push(Right::to_all("create", &wanted.kind, &wanted.namespace));
        }
    }
    rights
}

/// A rule of a Role: verbs, for resources of a group, and for some names if not for all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rule {
    group: &'static str,
    names: Vec<String>,
    verbs: Vec<&'static str>,
    resources: BTreeSet<&'static str>,
}

/// Returns the rules that give these rights, which are all in one namespace, or all of the cluster.
///
/// `resource` says the group and the name of the resource of a kind.
pub fn rules<'a>(
    rights: impl Iterator<Item = &'a Right>,
    resource: impl Fn(&str) -> Option<(&'static str, &'static str)>,
) -> Vec<Value> {
    type Verbs<'a> = BTreeMap<Option<&'a str>, BTreeSet<&'static str>>;
    let mut kinds: BTreeMap<(&'static str, &'static str), Verbs<'a>> = BTreeMap::new();
    for right in rights {
        let Some(place) = resource(&right.kind) else { continue };
        kinds.entry(place).or_default().entry(right.name.as_deref()).or_default().insert(right.verb);
    }
    let mut rules: BTreeMap<(&'static str, Vec<&str>, Vec<&'static str>), BTreeSet<&'static str>> =
        BTreeMap::new();
    for ((group, resource), verbs) in &kinds {
        let to_all = verbs.get(&None).cloned().unwrap_or_default();
        let mut named: BTreeMap<Vec<&'static str>, Vec<&str>> = BTreeMap::new();
        for (name, verbs) in verbs {
            // Who may do it to all may do it to this one.
            let more: Vec<&'static str> =
                verbs.iter().filter(|verb| name.is_none() || !to_all.contains(*verb)).copied().collect();
            if !more.is_empty() {
                named.entry(more).or_default().extend(name);
            }
        }
        for (verbs, names) in named {
            rules.entry((group, names, verbs)).or_default().insert(resource);
        }
    }
    let rule = |((group, names, verbs), resources)| {
        let mut rule = json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
        if !Vec::<&str>::is_empty(&names) {
            rule["resourceNames"] = json!(names);
        }
        rule
    };
    rules.into_iter().map(rule).collect()
}
