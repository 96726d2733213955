//! Decides about each object of a release whose adoption is abandoned: it returns to Helm, in the
//! state of Helm's record.
//!
//! Data and values of Secrets stay unchanged, because the record may be older than the live ones.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::field_owners::{has_ours, marked, release_namespace_of, release_of};
use super::identity::find;
use super::redis_volume::claims;
use super::release::{HelmRelease, key};
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::model::text::ReleaseName;
use crate::render::manifest_set::ManifestSet;

/// The action for an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Return {
    /// The adoption has taken none of its fields.
    Untouched,
    /// Helm owns it again, and it returns to the state of Helm's record.
    Return,
    /// Helm owns it again, and keeps its live data or values.
    ReturnData,
    /// The adoption deleted it, so it is recreated.
    Recreate,
    /// A StatefulSet of the bundle has its name: that one is deleted with its pods, and Helm's is
    /// recreated.
    Replace,
    /// A Secret or PVC that was deleted. Its content cannot be restored.
    Missing,
    /// Another owner's object has its name, and stays unchanged.
    Foreign,
    /// No bundle has this kind, so adoption never touches it.
    Other,
}

/// An object of the release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Returned {
    #[serde(flatten)]
    pub key: ObjectKey,
    #[serde(rename = "return")]
    pub act: Return,
}

/// The return of a release, as in reports.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleasePart {
    pub release: ReleaseName,
    /// The revision that the release returns to.
    pub revision: u64,
    pub objects: Vec<Returned>,
    /// The Secret with the encryption key of the release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption_key: Option<String>,
}

/// The Helm release that gets its objects back, and the field manager that took them over.
#[derive(Clone, Copy, Debug)]
pub struct ReleaseOwner<'a> {
    /// The name of the release.
    pub release: &'a str,
    pub namespace: &'a str,
    /// The field manager that took the objects over.
    pub ours: &'a str,
}

impl ReleaseOwner<'_> {
    fn has(&self, object: &Value) -> bool {
        release_of(object) == Some(self.release)
            && release_namespace_of(object) == Some(self.namespace)
    }
}

/// Returns the objects of the release that a bundle could have, with the labels and annotations
/// that Helm adds.
pub fn manifests(release: &HelmRelease, owner: ReleaseOwner<'_>) -> ManifestSet {
    let mut set = ManifestSet::default();
    for object in &release.objects {
        let of = key(object, owner.namespace);
        if Kind::phase_of(&of.kind).is_some() {
            let mut object = object.clone();
            object["metadata"]["namespace"] = of.namespace.into();
            set.add(&marked(object, owner.release, owner.namespace));
        }
    }
    set
}

/// Decides about each object of the release. `recorded` are the uids of the objects that the
/// adoption recorded as its own.
pub fn returns(
    release: &HelmRelease,
    live: &BTreeMap<ObjectKey, Value>,
    recorded: &BTreeSet<String>,
    owner: ReleaseOwner<'_>,
) -> Vec<Returned> {
    let objects = release.objects.iter();
    let mut all: Vec<Returned> = objects
        .map(|object| {
            let key = key(object, owner.namespace);
            let act = act(object, find(live, &key), recorded, owner);
            Returned { key, act }
        })
        .collect();
    all.sort_by(|one, other| {
        (Kind::phase_of(&one.key.kind), &one.key)
            .cmp(&(Kind::phase_of(&other.key.kind), &other.key))
    });
    all
}

fn act(
    object: &Value,
    live: Option<&Value>,
    recorded: &BTreeSet<String>,
    owner: ReleaseOwner<'_>,
) -> Return {
    let kind = Kind::of_object(object);
    let is_kept = kind.is_some_and(Kind::holds_data);
    if kind.and_then(Kind::phase).is_none() {
        return Return::Other;
    }
    let Some(live) = live else { return if is_kept { Return::Missing } else { Return::Recreate } };
    let is_recorded = live["metadata"]["uid"].as_str().is_some_and(|uid| recorded.contains(uid));
    if !has_ours(live, owner.ours) {
        let is_nobodys = is_kept && release_of(live).is_none();
        return match (owner.has(live), is_nobodys) {
            (true, _) if is_recorded && !is_kept => Return::Return,
            (true, _) => Return::Untouched,
            (false, true) => Return::ReturnData,
            (false, false) => Return::Foreign,
        };
    }
    match kind {
        _ if is_kept => Return::ReturnData,
        Some(Kind::StatefulSet) if is_another_set(live, object, owner.namespace) => Return::Replace,
        _ => Return::Return,
    }
}

/// Returns whether a StatefulSet differs in immutable fields.
fn is_another_set(live: &Value, object: &Value, namespace: &str) -> bool {
    let differs =
        |pointer: &str| object.pointer(pointer).is_some_and(|of| live.pointer(pointer) != Some(of));
    ["/spec/selector/matchLabels", "/spec/serviceName", "/spec/podManagementPolicy"]
        .into_iter()
        .any(differs)
        || claims(live, namespace) != claims(object, namespace)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::helm::disposition::tests::release;

    const OWNER: ReleaseOwner<'static> =
        ReleaseOwner { release: "r", namespace: "ns", ours: "relay-bundle" };

    fn chart(kind: &str, spec: &Value) -> Value {
        let api_version = if kind == "StatefulSet" { "apps/v1" } else { "v1" };
        json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, "spec": spec})
    }

    fn live(manager: &str, spec: &Value) -> Value {
        let mut object =
            marked(json!({"metadata": {"uid": "1", "name": "x"}, "spec": spec}), "r", "ns");
        object["metadata"]["managedFields"] =
            json!([{"manager": manager, "operation": "Apply", "fieldsV1": {}}]);
        object
    }

    fn act_of(kind: &str, spec: &Value, there: Option<Value>) -> Return {
        let key = key(&chart(kind, spec), "ns");
        let live = there.map(|object| (key, object)).into_iter().collect();
        returns(&release(vec![chart(kind, spec)]), &live, &BTreeSet::new(), OWNER)[0].act
    }

    #[test]
    fn adopted_object_is_returned_and_others_are_untouched() {
        let none = json!({});
        let mut foreign = live("kubectl", &none);
        foreign["metadata"]["annotations"] = json!({});
        for (kind, there, wanted) in [
            ("Service", Some(live("helm", &none)), Return::Untouched),
            ("Service", Some(live("relay-bundle", &none)), Return::Return),
            ("Service", Some(foreign.clone()), Return::Foreign),
            ("Service", None, Return::Recreate),
            ("Secret", Some(live("relay-bundle", &none)), Return::ReturnData),
            ("Secret", Some(foreign), Return::ReturnData),
            ("Secret", None, Return::Missing),
            ("CronJob", None, Return::Other),
        ] {
            assert_eq!(act_of(kind, &none, there), wanted, "{kind}");
        }
    }

    #[test]
    fn stateful_set_that_cannot_become_helms_is_replaced() {
        let templates = json!([{"metadata": {"name": "data"}}]);
        let own = json!({"serviceName": "x", "volumeClaimTemplates": templates});
        let defaults = json!([{"metadata": {"name": "data"}, "status": {"phase": "Pending"}}]);
        let same = json!({"serviceName": "x", "podManagementPolicy": "OrderedReady", "volumeClaimTemplates": defaults});

        let of = |spec: &Value| act_of("StatefulSet", &own, Some(live("relay-bundle", spec)));

        assert_eq!(of(&same), Return::Return);
        assert_eq!(of(&json!({"serviceName": "x"})), Return::Replace);
        assert_eq!(
            of(&json!({"serviceName": "y", "volumeClaimTemplates": templates})),
            Return::Replace
        );
    }
}
