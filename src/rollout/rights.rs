//! What must be allowed, so that a bundle can be planned, applied, gone back from, restarted and
//! removed: nothing more.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value, json};

use super::prune::OWNERS;
use crate::bundle::index::{Index, Source};
use crate::bundle::open::Bundle;
use crate::render::manifest_set::Manifest;

/// The Secrets that may hold the encryption key: what their names add to that of the relay's
/// Deployment.
pub const ENCRYPTION_KEY_SECRETS: [&str; 3] = ["-encryption-key", "-sealed", "-literal"];

/// The kinds of objects that a release of the chart may have.
const CHART_KINDS: [&str; 10] = [
    "ConfigMap",
    "Deployment",
    "HorizontalPodAutoscaler",
    "Ingress",
    "PersistentVolumeClaim",
    "Secret",
    "Service",
    "ServiceAccount",
    "ServiceMonitor",
    "StatefulSet",
];

/// One thing that must be allowed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// Empty for an object of the cluster.
    pub namespace: String,
    pub kind: String,
    /// The only object that is meant; all of the kind if none. A right to create or to list can
    /// name none.
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
    // They say why a StatefulSet makes no pods; without the right that is not said.
    rights.insert(Right::to_all("list", "Event", index.namespace.as_str()));
    rights.insert(Right::to_one("get", "Namespace", "", "kube-system"));
    rights.insert(Right::to_one("get", "Namespace", "", index.namespace.as_str()));
    rights
}

/// Returns what is needed besides while a bundle takes the place of a release of Helm's: which
/// objects that has, only Helm's records say, and these are Secrets.
pub fn of_adoption(bundle: &Bundle) -> BTreeSet<Right> {
    let verbs = |kind: &str| -> &[&'static str] {
        match kind {
            "Secret" => &["get", "list", "create", "update", "delete"],
            // They have data, and are never deleted.
            "PersistentVolumeClaim" => &["get", "update"],
            // What an adoption deleted is made again if it is abandoned.
            _ => &["get", "create", "update", "patch", "delete"],
        }
    };
    let namespace = bundle.index.namespace.as_str();
    let of_a_kind = |kind| verbs(kind).iter().map(move |verb| Right::to_all(verb, kind, namespace));
    CHART_KINDS.into_iter().flat_map(of_a_kind).collect()
}

/// To keep the record, and to see whether pods are well and what they name.
pub fn of_the_record(namespace: &str) -> BTreeSet<Right> {
    let record = ["get", "list", "create", "update", "delete"];
    let record = record.map(|verb| Right::to_all(verb, "ConfigMap", namespace));
    let seen = OWNERS.map(|kind| Right::to_all("list", kind, namespace));
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
        "Deployment" => {
            // Where the key was before is looked at, so that no other one takes its place.
            let secret =
                |end| Right::to_one("get", "Secret", namespace, &format!("{}{end}", key.name));
            let all = ["get", "create", "patch", "delete"].map(to_all);
            all.into_iter().chain(ENCRYPTION_KEY_SECRETS.map(secret)).collect()
        }
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

/// Which resource a kind is: its group and its name.
pub type Resource = (&'static str, &'static str);

/// Returns the rules of a Role that give these rights, which are all in one namespace, or all of
/// the cluster.
pub fn rules<'a>(
    rights: impl Iterator<Item = &'a Right>,
    resource: impl Fn(&str) -> Option<Resource>,
) -> Vec<Value> {
    let mut verbs: BTreeMap<(Resource, Option<&str>), BTreeSet<&'static str>> = BTreeMap::new();
    for right in rights {
        if let Some(resource) = resource(&right.kind) {
            verbs.entry((resource, right.name.as_deref())).or_default().insert(right.verb);
        }
    }
    // Who may do it to all may do it to each.
    for (resource, name) in verbs.keys().copied().collect::<Vec<_>>() {
        let to_all = verbs.get(&(resource, None)).cloned().unwrap_or_default();
        if name.is_some() {
            verbs
                .entry((resource, name))
                .and_modify(|verbs| verbs.retain(|verb| !to_all.contains(verb)));
        }
    }
    // Names that the same may be done to share a rule, and so do resources all of whose objects it
    // may be done to.
    let mut named: BTreeMap<(Resource, Vec<&str>), Vec<&str>> = BTreeMap::new();
    let mut unnamed: BTreeMap<(&str, Vec<&str>), Vec<&str>> = BTreeMap::new();
    for ((resource, name), verbs) in verbs.into_iter().filter(|(_, verbs)| !verbs.is_empty()) {
        let verbs = verbs.into_iter().collect();
        match name {
            Some(name) => named.entry((resource, verbs)).or_default().push(name),
            None => unnamed.entry((resource.0, verbs)).or_default().push(resource.1),
        }
    }
    let unnamed = unnamed.into_iter().map(
        |((group, verbs), resources)| json!({"apiGroups": [group], "resources": resources, "verbs": verbs}),
    );
    let named = named.into_iter().map(|(((group, resource), verbs), names)| {
        json!({"apiGroups": [group], "resources": [resource], "resourceNames": names, "verbs": verbs})
    });
    unnamed.chain(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_say_nothing_twice_and_name_the_objects_where_not_all_are_meant() {
        let rights = [
            Right::to_all("get", "ConfigMap", "ns"),
            Right::to_all("list", "ConfigMap", "ns"),
            Right::to_one("get", "ConfigMap", "ns", "ca"),
            Right::to_all("get", "Service", "ns"),
            Right::to_all("list", "Service", "ns"),
            Right::to_all("create", "Secret", "ns"),
            Right::to_one("get", "Secret", "ns", "a"),
            Right::to_one("get", "Secret", "ns", "b"),
            Right::to_one("get", "Secret", "ns", "c"),
            Right::to_one("patch", "Secret", "ns", "c"),
        ];
        let resource = |kind: &str| match kind {
            "ConfigMap" => Some(("", "configmaps")),
            "Service" => Some(("", "services")),
            "Secret" => Some(("", "secrets")),
            _ => None,
        };

        let wanted = [
            json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}),
            json!({"apiGroups": [""], "resources": ["configmaps", "services"], "verbs": ["get", "list"]}),
            json!({"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a", "b"], "verbs": ["get"]}),
            json!({"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["c"], "verbs": ["get", "patch"]}),
        ];
        assert_eq!(rules(rights.iter(), resource), wanted);
    }

    #[test]
    fn a_right_says_what_where_and_to_which() {
        let table = [
            (Right::to_all("list", "Pod", "ns"), "list Pod in ns"),
            (Right::to_one("get", "Secret", "ns", "a"), "get Secret/a in ns"),
            (Right::to_one("get", "Namespace", "", "ns"), "get Namespace/ns of the cluster"),
        ];
        for (right, wanted) in table {
            assert_eq!(right.to_string(), wanted);
        }
    }
}
