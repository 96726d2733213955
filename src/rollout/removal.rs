//! Removal of an installation: the order of deletions, and the objects that stay because they could
//! not be restored.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::live_object;
use super::prune::{Candidate, Needed, candidates, workloads_first};
use super::record::Item;
use super::record_names::{HELM_ARCHIVE, head_name, instance_label, record_labels, recovery_name};
use crate::model::kind::Kind;
use crate::model::label::{COMPONENT_LABEL, INSTANCE_LABEL};
use crate::model::object_key::ObjectKey;
use crate::model::text::ReleaseName;
use crate::render::manifest_set::ManifestSet;

/// The objects to delete, each list in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Objects with pods, and objects that act on pods. They are deleted first, and their pods with
    /// them.
    pub workloads: Vec<Candidate>,
    /// Objects that pods use.
    pub rest: Vec<Candidate>,
}

/// An object that stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stays {
    pub what: String,
    pub why: &'static str,
    /// The arguments with which kubectl deletes it; empty for objects of other owners.
    pub delete: Vec<String>,
}

/// Objects outside of the inventory that stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptObjects {
    /// Secrets created by `apply`, with the labels of this installation.
    pub made: BTreeSet<String>,
    /// Existing Secrets and PVCs of other or unknown owners to which the record refers.
    pub others: BTreeSet<ObjectKey>,
    /// Whether the cluster has encrypted copies of Secrets.
    pub has_copies: bool,
    /// Whether the cluster has archived records of Helm.
    pub has_archive: bool,
    /// Pods of the installation without an owner.
    pub orphans: BTreeSet<String>,
}

/// Plans the removal: all live objects of all generations that belong to the installation and hold
/// no data, except those that were given back to a release of Helm.
pub fn removal(
    inventory: &[Item],
    helms: &ManifestSet,
    live: &BTreeMap<ObjectKey, Value>,
    (manager, instance): (&str, &str),
) -> Removal {
    let kept = Needed { manifests: helms, contract: &[] };
    let all = candidates(inventory, &kept, live, (manager, instance));
    let (workloads, rest) = workloads_first(all);
    Removal { workloads, rest }
}

/// Returns the objects that stay: those of the inventory with data, and others with keys or data.
pub fn stays(
    (name, namespace): (&ReleaseName, &str),
    inventory: &[Item],
    live: &BTreeMap<ObjectKey, Value>,
    kept: &KeptObjects,
) -> Vec<Stays> {
    let delete = |words: &[&str]| {
        ["-n", namespace, "delete"]
            .iter()
            .chain(words)
            .map(|word| (*word).to_owned())
            .collect::<Vec<String>>()
    };

    let claims = inventory.iter().filter(|item| item.key.is(Kind::PersistentVolumeClaim));
    let claims = claims.filter_map(|item| Some((&item.key, live.get(&item.key)?)));
    let (ours, foreign): (Vec<_>, Vec<_>) = claims.partition(|(_, object)| {
        live_object::label(&object["metadata"], INSTANCE_LABEL) == Some(name.as_str())
    });
    let ours: BTreeSet<&str> = ours.into_iter().map(|(claim, _)| claim.name.as_str()).collect();
    let claims = ours.into_iter().map(|claim| Stays {
        what: format!("PersistentVolumeClaim/{claim}"),
        why: "it has the data",
        delete: delete(&["pvc", claim]),
    });
    let secrets = kept.made.iter().map(|secret| Stays {
        what: format!("Secret/{secret}"),
        why: if secret.ends_with("-encryption-key") {
            "without this key all accounts and API keys in the data are lost"
        } else {
            "the same values cannot be generated again"
        },
        delete: delete(&["secret", secret]),
    });
    let orphans = kept.orphans.iter().map(|pod| Stays {
        what: format!("Pod/{pod}"),
        why: "it has no owner, and nothing would recreate it",
        delete: delete(&["pod", pod]),
    });

    // A record may name objects of other owners. No advice deletes those.
    let others: BTreeSet<&ObjectKey> =
        foreign.into_iter().map(|(claim, _)| claim).chain(&kept.others).collect();
    let others = others.into_iter().map(|other| Stays {
        what: other.to_string(),
        why: match other.known_kind() {
            Some(Kind::Secret) => {
                "it existed before, or has another owner; if the encryption key is in it, all \
                 accounts and API keys in the data are lost without it"
            }
            Some(Kind::PersistentVolumeClaim) => "it existed before, or has another owner, and may have the data",
            _ => "it is not the installed one, or its labels name another owner: find out who uses it",
        },
        delete: Vec::new(),
    });

    let copies = recovery_name(name);
    let copies = kept.has_copies.then(|| Stays {
        what: format!("ConfigMap/{copies}"),
        why: "it has encrypted copies of the Secrets",
        delete: delete(&["configmap", &copies]),
    });
    let archive_labels = format!("{},{COMPONENT_LABEL}={HELM_ARCHIVE}", instance_label(name));
    let archive = kept.has_archive.then(|| Stays {
        what: format!(
            "the archived records of Helm, Secrets relay-bundle.{name}.helm.v1 and so on"
        ),
        why: "they contain passwords, and serve as history only",
        delete: delete(&["secret", "-l", &archive_labels]),
    });

    let head = head_name(name);
    let record = Stays {
        what: format!("the record, ConfigMaps {head} and {head}.1 and so on"),
        why: "it has the bundles that ran, and the minimum serials",
        delete: delete(&["configmap", "-l", &record_labels(name)]),
    };

    let namespace = namespace_stays(name, namespace, live);
    claims
        .chain(secrets)
        .chain(orphans)
        .chain(others)
        .chain(copies)
        .chain(archive)
        .chain([record, namespace])
        .collect()
}

/// Returns the entry of the namespace. It belongs to the installation only if it was installed, and
/// has its label.
fn namespace_stays(
    name: &ReleaseName,
    namespace: &str,
    live: &BTreeMap<ObjectKey, Value>,
) -> Stays {
    let what = format!("Namespace/{namespace}");
    let is_it = |key: &ObjectKey| key.is(Kind::Namespace) && key.name == namespace;
    let found = live.iter().find(|(key, _)| is_it(key)).map(|(_, object)| &object["metadata"]);
    if found.and_then(|metadata| live_object::label(metadata, INSTANCE_LABEL))
        == Some(name.as_str())
    {
        let delete = ["delete", "namespace", namespace].map(str::to_owned).into();
        return Stays {
            what,
            why: "everything above is in it, and objects of other owners",
            delete,
        };
    }
    let why = "it does not belong to this installation; everything above is in it, and objects of other owners";
    Stays { what, why, delete: Vec::new() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::object_key::ObjectKey;

    #[test]
    fn workloads_go_first_then_what_their_pods_used_and_data_stays() {
        let key = |kind: &str| ObjectKey {
            api_version: "v1".into(),
            kind: kind.into(),
            namespace: "ns".into(),
            name: if kind == "Namespace" { "ns" } else { "x" }.into(),
        };
        let kinds = [
            "Namespace",
            "NetworkPolicy",
            "ConfigMap",
            "PersistentVolumeClaim",
            "Service",
            "StatefulSet",
            "Deployment",
            "Ingress",
        ];
        let labels = json!({"app.kubernetes.io/managed-by": "relay-bundle", "app.kubernetes.io/instance": "a"});
        let ours = json!({"metadata": {"uid": "1", "labels": labels}});
        let inventory: Vec<Item> =
            kinds.iter().map(|kind| Item { key: key(kind), uid: Some("1".into()) }).collect();
        let live = kinds.iter().map(|kind| (key(kind), ours.clone())).collect();

        let other = |kind: &str| ObjectKey { name: "theirs".into(), ..key(kind) };
        let kept = KeptObjects {
            made: ["a-encryption-key".to_owned()].into(),
            others: ["PersistentVolumeClaim", "Secret"].map(other).into(),
            has_copies: true,
            has_archive: true,
            orphans: ["a-redis-0".to_owned()].into(),
        };

        let none = ManifestSet::default();
        let removal = removal(&inventory, &none, &live, ("relay-bundle", "a"));
        let name = "a".parse().unwrap();
        let stays = stays((&name, "ns"), &inventory, &live, &kept);

        let names =
            |list: &[Candidate]| list.iter().map(|gone| gone.key.kind.clone()).collect::<Vec<_>>();
        assert_eq!(names(&removal.workloads), ["Ingress", "Deployment", "StatefulSet"]);
        assert_eq!(names(&removal.rest), ["Service", "ConfigMap", "NetworkPolicy"]);
        assert_eq!(stays[1].delete, ["-n", "ns", "delete", "secret", "a-encryption-key"]);
        assert_eq!(stays[2].delete, ["-n", "ns", "delete", "pod", "a-redis-0"]);
        assert!(stays[3].delete.is_empty() && stays[4].delete.is_empty());
        assert_eq!(stays.last().unwrap().delete, ["delete", "namespace", "ns"]);
        let stays: Vec<&str> = stays.iter().map(|stays| stays.what.as_str()).collect();
        let record = "the record, ConfigMaps relay-bundle.a and relay-bundle.a.1 and so on";
        let copies = "ConfigMap/relay-bundle.a.recovery";
        assert_eq!(
            stays,
            [
                "PersistentVolumeClaim/x",
                "Secret/a-encryption-key",
                "Pod/a-redis-0",
                "PersistentVolumeClaim/theirs",
                "Secret/theirs",
                copies,
                "the archived records of Helm, Secrets relay-bundle.a.helm.v1 and so on",
                record,
                "Namespace/ns"
            ]
        );
    }
    #[test]
    fn namespace_of_others_has_no_command_that_deletes_it() {
        let key = ObjectKey {
            api_version: "v1".into(),
            kind: "Namespace".into(),
            namespace: String::new(),
            name: "ns".into(),
        };
        let stays =
            |live: &BTreeMap<ObjectKey, Value>| namespace_stays(&"a".parse().unwrap(), "ns", live);
        let labelled = |instance: &str| {
            let labels = json!({"app.kubernetes.io/instance": instance});
            BTreeMap::from([(key.clone(), json!({"metadata": {"labels": labels}}))])
        };

        assert_eq!(stays(&labelled("a")).delete, ["delete", "namespace", "ns"]);
        for others in [BTreeMap::new(), labelled("b")] {
            let Stays { why, delete, .. } = stays(&others);
            assert!(
                delete.is_empty() && why.starts_with("it does not belong to this installation"),
                "{why}"
            );
        }
    }
}
