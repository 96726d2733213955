//! Taking an installation away: what goes, in which order, and what stays because nothing could bring it back.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::prune::{Candidate, candidates};
use super::record::Item;
use crate::model::object_key::ObjectKey;
use crate::render::manifest_set::{ManifestSet, phase};

/// What is deleted, each list in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// What has pods, and what acts on them: it is gone, and its pods with it, before the rest goes.
    pub workloads: Vec<Candidate>,
    /// What pods use.
    pub rest: Vec<Candidate>,
}

/// What is left behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stays {
    pub what: String,
    pub why: &'static str,
    /// The command that deletes it after all.
    pub command: String,
}

/// Decides what goes: everything of all generations that is live, ours, and holds no data.
pub fn removal(inventory: &[Item], live: &BTreeMap<ObjectKey, Value>, manager: &str) -> Removal {
    let all = candidates(inventory, &ManifestSet::default(), live, manager);
    let first = phase("StatefulSet").expect("a kind that is rendered");
    let (workloads, rest) =
        all.into_iter().partition(|candidate| phase(&candidate.key.kind).is_some_and(|phase| phase >= first));
    Removal { workloads, rest }
}

/// Says what stays: of the inventory, of the Secrets that were made at apply, and copies of these.
pub fn stays(
    (name, namespace): (&str, &str),
    inventory: &[Item],
    live: &BTreeMap<ObjectKey, Value>,
    secrets: &BTreeSet<String>,
    has_copies: bool,
) -> Vec<Stays> {
    let claims = inventory.iter().filter(|item| item.key.kind == "PersistentVolumeClaim");
    let claims: BTreeSet<&str> =
        claims.filter(|item| live.contains_key(&item.key)).map(|item| item.key.name.as_str()).collect();
    let claims = claims.into_iter().map(|claim| Stays {
        what: format!("PersistentVolumeClaim/{claim}"),
        why: "it has the data",
        command: format!("kubectl -n {namespace} delete pvc {claim}"),
    });
    let secrets = secrets.iter().map(|secret| Stays {
        what: format!("Secret/{secret}"),
        why: if secret.ends_with("-encryption-key") {
            "without this key all accounts and API keys in the data are lost"
        } else {
            "nothing could make the same values again"
        },
        command: format!("kubectl -n {namespace} delete secret {secret}"),
    });
    let labels = format!(
        "app.kubernetes.io/instance={name},app.kubernetes.io/component in (record, record-generation)"
    );
    let copies = has_copies.then(|| Stays {
        what: format!("ConfigMap/relay-bundle.{name}.recovery"),
        why: "it has encrypted copies of the Secrets",
        command: format!("kubectl -n {namespace} delete configmap relay-bundle.{name}.recovery"),
    });
    let record = Stays {
        what: format!("the record, ConfigMaps relay-bundle.{name} and relay-bundle.{name}.1 and so on"),
        why: "it has the bundles that ran, and keeps older ones out",
        command: format!("kubectl -n {namespace} delete configmap -l '{labels}'"),
    };
    let namespace = Stays {
        what: format!("Namespace/{namespace}"),
        why: "everything above is in it, and what others put there",
        command: format!("kubectl delete namespace {namespace}"),
    };
    claims.chain(secrets).chain(copies).chain([record, namespace]).collect()
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
            name: "x".into(),
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
        let ours =
            json!({"metadata": {"uid": "1", "labels": {"app.kubernetes.io/managed-by": "relay-bundle"}}});
        let inventory: Vec<Item> =
            kinds.iter().map(|kind| Item { key: key(kind), uid: Some("1".into()) }).collect();
        let live = kinds.iter().map(|kind| (key(kind), ours.clone())).collect();

        let removal = removal(&inventory, &live, "relay-bundle");
        let stays = stays(("a", "ns"), &inventory, &live, &["a-encryption-key".to_owned()].into(), true);

        let names = |list: &[Candidate]| list.iter().map(|gone| gone.key.kind.clone()).collect::<Vec<_>>();
        assert_eq!(names(&removal.workloads), ["Ingress", "Deployment", "StatefulSet"]);
        assert_eq!(names(&removal.rest), ["Service", "ConfigMap", "NetworkPolicy"]);
        let stays: Vec<&str> = stays.iter().map(|stays| stays.what.as_str()).collect();
        let record = "the record, ConfigMaps relay-bundle.a and relay-bundle.a.1 and so on";
        let copies = "ConfigMap/relay-bundle.a.recovery";
        assert_eq!(
            stays,
            ["PersistentVolumeClaim/x", "Secret/a-encryption-key", copies, record, "Namespace/ns"]
        );
    }
}
