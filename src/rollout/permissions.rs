//! The permissions to plan, apply, roll back, restart and remove a bundle, and nothing more.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value, json};

use super::prune::OWNERS;
use crate::bundle::index::{Index, Source};
use crate::bundle::open::Bundle;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::render::manifest_set::Manifest;

/// The Secrets that may hold the encryption key, as suffixes of the name of the relay's Deployment.
pub const ENCRYPTION_KEY_SECRETS: [&str; 3] = ["-encryption-key", "-sealed", "-literal"];

/// The kinds of objects that a release of the chart may have.
const CHART_KINDS: [Kind; 10] = [
    Kind::ConfigMap,
    Kind::Deployment,
    Kind::HorizontalPodAutoscaler,
    Kind::Ingress,
    Kind::PersistentVolumeClaim,
    Kind::Secret,
    Kind::Service,
    Kind::ServiceAccount,
    Kind::ServiceMonitor,
    Kind::StatefulSet,
];

/// One required permission.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    pub kind: String,
    /// The only permitted object; absent for all objects of the kind, as always for `create` and
    /// `list`.
    pub name: Option<String>,
    pub verb: &'static str,
}

impl Permission {
    /// Returns the permission for all objects of a kind in a namespace.
    pub fn to_all(verb: &'static str, kind: &str, namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), kind: kind.to_owned(), name: None, verb }
    }

    /// Returns the permission for one object.
    pub fn to_one(verb: &'static str, kind: &str, namespace: &str, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..Self::to_all(verb, kind, namespace) }
    }

    /// Returns the permission for the object with this key.
    pub fn on(verb: &'static str, key: &ObjectKey) -> Self {
        Self::to_one(verb, &key.kind, &key.namespace, &key.name)
    }
}

impl fmt::Display for Permission {
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

/// Returns the permissions that all commands together need for a bundle.
pub fn permissions(bundle: &Bundle) -> BTreeSet<Permission> {
    let index = &bundle.index;
    let mut permissions = of_the_record(index.namespace.as_str());
    permissions.extend(bundle.manifests.iter().flat_map(of_an_object));
    permissions.extend(of_the_contract(index));
    // Events explain why a StatefulSet creates no pods. Without the permission, the explanation is
    // missing.
    permissions.insert(Permission::to_all("list", "Event", index.namespace.as_str()));
    permissions.insert(Permission::to_one("get", "Namespace", "", "kube-system"));
    permissions.insert(Permission::to_one("get", "Namespace", "", index.namespace.as_str()));
    permissions
}

/// Returns the additional permissions to adopt a Helm release.
///
/// Only Helm's records list the objects of a release, and the records are Secrets.
pub fn of_adoption(bundle: &Bundle) -> BTreeSet<Permission> {
    let verbs = |kind: Kind| -> &[&'static str] {
        match kind {
            Kind::Secret => &["get", "list", "create", "update", "delete"],
            // They have data, and are never deleted.
            Kind::PersistentVolumeClaim => &["get", "update"],
            // An abandoned adoption recreates the objects that it deleted.
            _ => &["get", "create", "update", "patch", "delete"],
        }
    };
    let namespace = bundle.index.namespace.as_str();
    let of_a_kind =
        |kind| verbs(kind).iter().map(move |verb| Permission::to_all(verb, kind.name(), namespace));
    CHART_KINDS.into_iter().flat_map(of_a_kind).collect()
}

/// Returns the permissions to keep the record, and to read the state of pods and their references.
pub fn of_the_record(namespace: &str) -> BTreeSet<Permission> {
    let record = ["get", "list", "create", "update", "delete"];
    let record = record.map(|verb| Permission::to_all(verb, "ConfigMap", namespace));
    let seen = OWNERS.map(|kind| Permission::to_all("list", kind.name(), namespace));
    // If the PVC of Redis exists, no encryption key is generated.
    let claims = Permission::to_all("get", "PersistentVolumeClaim", namespace);
    record.into_iter().chain(seen).chain([claims]).collect()
}

/// Returns the permissions to apply an object, and to prune it.
fn of_an_object(manifest: &Manifest) -> Vec<Permission> {
    let key = &manifest.key;
    let (kind, namespace) = (key.kind.as_str(), key.namespace.as_str());
    let to_all = |verb| Permission::to_all(verb, kind, namespace);
    let to_one = |verb| Permission::to_one(verb, kind, namespace, &key.name);
    match key.known_kind() {
        // A Role can only exist in an existing namespace, and a deployer should not create
        // namespaces.
        Some(Kind::Namespace) => vec![to_one("get"), to_one("patch")],
        // The namespace also has Secrets of other owners.
        Some(Kind::Secret) => {
            vec![to_all("create"), to_one("get"), to_one("patch"), to_one("delete")]
        }
        Some(Kind::PersistentVolumeClaim) => ["get", "create", "patch"].map(to_all).into(),
        Some(Kind::Deployment) => {
            // Reading the Secrets that held the key before prevents the use of a different key.
            let secret =
                |end| Permission::to_one("get", "Secret", namespace, &format!("{}{end}", key.name));
            let all = ["get", "create", "patch", "delete"].map(to_all);
            all.into_iter().chain(ENCRYPTION_KEY_SECRETS.map(secret)).collect()
        }
        _ => ["get", "create", "patch", "delete"].map(to_all).into(),
    }
}

/// Returns the permissions to read required objects, and to create the Secrets that apply creates.
fn of_the_contract(index: &Index) -> Vec<Permission> {
    let mut permissions = Vec::new();
    // Every user may read which APIs are served.
    let wanted = index.contract.iter().filter(|wanted| !wanted.is(Kind::CustomResourceDefinition));
    for wanted in wanted {
        let to_one = |verb| Permission::to_one(verb, &wanted.kind, &wanted.namespace, &wanted.name);
        permissions.push(to_one("get"));
        if wanted.source != Source::Cluster {
            permissions.push(to_one("update"));
            permissions.push(Permission::to_all("create", &wanted.kind, &wanted.namespace));
        }
    }
    permissions
}

/// The group and the resource name of a kind.
type Resource = (&'static str, &'static str);

/// Returns the rules of a Role that grants these permissions, all in one namespace or all
/// cluster-scoped.
pub fn rules<'a>(permissions: impl Iterator<Item = &'a Permission>) -> Vec<Value> {
    let mut verbs: BTreeMap<(Resource, Option<&str>), BTreeSet<&'static str>> = BTreeMap::new();
    for permission in permissions {
        if let Some(kind) = Kind::named(&permission.kind) {
            let resource = (kind.group(), kind.resource());
            verbs
                .entry((resource, permission.name.as_deref()))
                .or_default()
                .insert(permission.verb);
        }
    }

    // A permission for all objects includes each object.
    for (resource, name) in verbs.keys().copied().collect::<Vec<_>>() {
        let to_all = verbs.get(&(resource, None)).cloned().unwrap_or_default();
        if name.is_some() {
            verbs
                .entry((resource, name))
                .and_modify(|verbs| verbs.retain(|verb| !to_all.contains(verb)));
        }
    }

    // Names with the same verbs share a rule; so do resources that have the same verbs without
    // names.
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
    fn rules_are_deduplicated_and_name_objects_unless_all_apply() {
        let permissions = [
            Permission::to_all("get", "ConfigMap", "ns"),
            Permission::to_all("list", "ConfigMap", "ns"),
            Permission::to_one("get", "ConfigMap", "ns", "ca"),
            Permission::to_all("get", "Service", "ns"),
            Permission::to_all("list", "Service", "ns"),
            Permission::to_all("create", "Secret", "ns"),
            Permission::to_one("get", "Secret", "ns", "a"),
            Permission::to_one("get", "Secret", "ns", "b"),
            Permission::to_one("get", "Secret", "ns", "c"),
            Permission::to_one("patch", "Secret", "ns", "c"),
        ];

        let wanted = [
            json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}),
            json!({"apiGroups": [""], "resources": ["configmaps", "services"], "verbs": ["get", "list"]}),
            json!({"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a", "b"], "verbs": ["get"]}),
            json!({"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["c"], "verbs": ["get", "patch"]}),
        ];
        assert_eq!(rules(permissions.iter()), wanted);
    }

    #[test]
    fn permission_names_verb_object_and_namespace() {
        let table = [
            (Permission::to_all("list", "Pod", "ns"), "list Pod in ns"),
            (Permission::to_one("get", "Secret", "ns", "a"), "get Secret/a in ns"),
            (Permission::to_one("get", "Namespace", "", "ns"), "get Namespace/ns of the cluster"),
        ];
        for (permission, wanted) in table {
            assert_eq!(permission.to_string(), wanted);
        }
    }
}
