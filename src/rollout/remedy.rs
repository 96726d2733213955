//! Chooses the remedy for an object that the server refuses, from codes, reasons, fields and the
//! owner of the live object.
//!
//! The text of the answer decides nothing: a policy may write "immutable" about an image, and
//! deleting the Deployment would not help. A refusal by an admission controller gets no remedy.

use crate::model::denial::{Denial, FaultKind, FieldFault};
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;

/// The owner of the live object with that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The cluster has no such object.
    Nobody,
    Ours,
    /// Another owner, in words.
    Others(String),
}

/// The fields that the API server does not change in an existing object, with the reason of its
/// refusal.
const FIXED: [(Kind, FaultKind, &str); 16] = [
    (Kind::Deployment, FaultKind::Invalid, "spec.selector"),
    (Kind::Deployment, FaultKind::Forbidden, "spec.strategy.rollingUpdate"),
    // Older servers forbid the change of `spec`, and newer ones name the field.
    (Kind::StatefulSet, FaultKind::Forbidden, "spec"),
    (Kind::StatefulSet, FaultKind::Invalid, "spec.podManagementPolicy"),
    (Kind::StatefulSet, FaultKind::Invalid, "spec.selector"),
    (Kind::StatefulSet, FaultKind::Invalid, "spec.serviceName"),
    (Kind::StatefulSet, FaultKind::Invalid, "spec.volumeClaimTemplates"),
    (Kind::Service, FaultKind::Invalid, "spec.clusterIP"),
    (Kind::Service, FaultKind::Invalid, "spec.clusterIPs"),
    (Kind::Service, FaultKind::Invalid, "spec.ipFamilies"),
    (Kind::ConfigMap, FaultKind::Forbidden, "data"),
    (Kind::ConfigMap, FaultKind::Forbidden, "binaryData"),
    (Kind::ConfigMap, FaultKind::Forbidden, "immutable"),
    (Kind::Secret, FaultKind::Forbidden, "data"),
    (Kind::Secret, FaultKind::Forbidden, "immutable"),
    (Kind::Secret, FaultKind::Invalid, "type"),
];

/// Returns the remedy for a refused object, if it follows from the structure of the answer.
pub fn remedy(key: &ObjectKey, denial: &Denial, holder: &Holder) -> Option<String> {
    match denial.code {
        404 if denial.resource == "namespaces" => Some("create the namespace".to_owned()),
        422 => match holder {
            Holder::Nobody => None,
            Holder::Ours => of_ours(key, &denial.faults),
            Holder::Others(whose) => denial.faults.iter().any(|fault| is_fixed(key, fault)).then(|| {
                format!(
                    "it was not created by this installation ({whose}): find out what uses it, and \
                     ask its owner to move it away"
                )
            }),
        },
        _ => None,
    }
}

fn of_ours(key: &ObjectKey, faults: &[FieldFault]) -> Option<String> {
    if faults.iter().any(|fault| fault.kind == FaultKind::Duplicate) {
        return Some(undone(key));
    }
    if key.is(Kind::PersistentVolumeClaim)
        && faults.iter().any(|fault| fault.kind == FaultKind::Forbidden)
    {
        return Some(
            "set the profile to the values of the PVC, or move its data to a PVC of another name"
                .to_owned(),
        );
    }
    faults.iter().any(|fault| is_fixed(key, fault)).then(|| made_again(key))
}

fn is_fixed(key: &ObjectKey, fault: &FieldFault) -> bool {
    let is_it = |field: &str| match fault.field.strip_prefix(field) {
        Some("") => true,
        // `spec` of a StatefulSet stands for all its fixed fields; a field below it is another
        // problem.
        Some(rest) => rest.starts_with('[') && field != "data" && field != "binaryData",
        None => false,
    };
    FIXED.iter().any(|(of, why, field)| key.is(*of) && *why == fault.kind && is_it(field))
}

/// Returns the problem and the remedy for an object of a kind that the cluster does not serve. The
/// server answers only "404 page not found".
pub fn unserved(key: &ObjectKey) -> String {
    let way = match key.known_kind() {
        Some(Kind::ServiceMonitor) => {
            "install its CustomResourceDefinition, or set `serviceMonitor.enabled = false` in the profile and build again"
        }
        Some(Kind::HttpRoute) => {
            "install its CustomResourceDefinition, or set `gateway.enabled = false` in the profile and build again"
        }
        _ => "set `kubernetes.version` of the profile to the server's, and build again",
    };
    format!("the cluster does not serve {} {}: {way}", key.api_version, key.kind)
}

/// Returns the remedy for a list that has the same key twice, because another key field was edited
/// by hand.
fn undone(key: &ObjectKey) -> String {
    let (kind, namespace, name) = (key.kind.to_lowercase(), &key.namespace, &key.name);
    format!(
        "it was changed by hand: undo the change, `kubectl -n {namespace} edit {kind} {name}`, and apply again"
    )
}

/// Returns how to recreate an object with fixed fields.
fn made_again(key: &ObjectKey) -> String {
    let (kind, namespace, name) = (key.kind.to_lowercase(), &key.namespace, &key.name);
    let delete = format!("`kubectl -n {namespace} delete {kind} {name}`");
    match key.known_kind() {
        Some(Kind::StatefulSet) => format!(
            "delete it without its pods and PVCs, `kubectl -n {namespace} delete {kind} {name} \
             --cascade=orphan`, and apply again"
        ),
        Some(Kind::Deployment) => {
            format!("delete it, {delete}, and apply again: its pods are down in between")
        }
        Some(Kind::ConfigMap | Kind::Secret) => {
            format!(
                "it was changed by hand: if nothing needs its content, delete it, {delete}, and apply again"
            )
        }
        _ => format!("delete it, {delete}, and apply again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(api_version: &str, kind: &str) -> ObjectKey {
        ObjectKey {
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: "ns".into(),
            name: "a".into(),
        }
    }

    fn invalid(kind: FaultKind, field: &str) -> Denial {
        let faults = vec![FieldFault { kind, field: field.into() }];
        Denial { code: 422, faults, ..Denial::default() }
    }

    #[test]
    fn immutable_field_of_our_object_has_remedy() {
        use FaultKind::{Duplicate, Forbidden, Invalid};
        for (kind, fault, field, wanted) in [
            ("StatefulSet", Forbidden, "spec", "--cascade=orphan"),
            ("StatefulSet", Invalid, "spec.serviceName", "--cascade=orphan"),
            ("StatefulSet", Invalid, "spec.volumeClaimTemplates", "--cascade=orphan"),
            ("Deployment", Invalid, "spec.selector", "delete deployment a"),
            ("Service", Invalid, "spec.clusterIPs[0]", "delete service a"),
            ("Service", Duplicate, "spec.ports[1].name", "edit service a"),
            ("ConfigMap", Forbidden, "data", "delete configmap a"),
            ("PersistentVolumeClaim", Forbidden, "spec", "set the profile"),
        ] {
            let text = remedy(&key("v1", kind), &invalid(fault, field), &Holder::Ours).unwrap();
            assert!(text.contains(wanted), "{text}");
        }
    }

    #[test]
    fn object_that_is_not_there_or_not_ours_is_never_to_be_deleted() {
        let others = Holder::Others("its fields are those of platform".into());
        for holder in [Holder::Nobody, others] {
            for (kind, fault, field) in [
                ("Deployment", FaultKind::Invalid, "spec.selector"),
                ("ConfigMap", FaultKind::Forbidden, "data"),
                ("Service", FaultKind::Duplicate, "spec.ports[1].name"),
            ] {
                let text =
                    remedy(&key("v1", kind), &invalid(fault, field), &holder).unwrap_or_default();
                assert!(!text.contains("kubectl"), "{text}");
                assert!(text.is_empty() || text.contains("those of platform"), "{text}");
            }
        }
    }

    #[test]
    fn fault_in_mutable_field_has_no_remedy() {
        for (kind, fault, field) in [
            ("Deployment", FaultKind::Invalid, "spec.template.spec.containers[0].image"),
            ("StatefulSet", FaultKind::Forbidden, "spec.template.spec.hostNetwork"),
            ("ConfigMap", FaultKind::Invalid, "data[a b]"),
            ("Service", FaultKind::Other, "spec.ports"),
        ] {
            assert_eq!(
                remedy(&key("v1", kind), &invalid(fault, field), &Holder::Ours),
                None,
                "{kind} {field}"
            );
        }
        let silent = Denial { code: 422, ..Denial::default() };
        assert_eq!(remedy(&key("apps/v1", "Deployment"), &silent, &Holder::Ours), None);
    }

    #[test]
    fn missing_namespace_and_missing_kind_differ() {
        let of = |api_version: &str, kind: &str, resource: &str| {
            let denial = Denial { code: 404, resource: resource.into(), ..Denial::default() };
            remedy(&key(api_version, kind), &denial, &Holder::Nobody).unwrap_or_default()
        };
        assert_eq!(of("v1", "Service", "namespaces"), "create the namespace");
        assert_eq!(of("v1", "Service", "services"), "");
        assert_eq!(of("monitoring.coreos.com/v1", "ServiceMonitor", ""), "");
    }

    #[test]
    fn unserved_kind_is_named_with_what_to_do() {
        assert_eq!(
            unserved(&key("monitoring.coreos.com/v1", "ServiceMonitor")),
            "the cluster does not serve monitoring.coreos.com/v1 ServiceMonitor: install its \
             CustomResourceDefinition, or set `serviceMonitor.enabled = false` in the profile and \
             build again"
        );
        let budget = unserved(&key("policy/v1beta1", "PodDisruptionBudget"));
        assert!(
            budget.contains(
                "does not serve policy/v1beta1 PodDisruptionBudget: set `kubernetes.version`"
            ),
            "{budget}"
        );
    }
}
