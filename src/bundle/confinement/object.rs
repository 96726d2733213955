//! Checks everything about an object apart from its pods: settings that reach beyond the namespace
//! or weaken it.

use serde_json::Value;

use super::violation::{Rule, Violation, Violations};
use crate::model::kind::Kind;
use crate::model::label::{INSTANCE_LABEL, NAME_LABEL};
use crate::model::restricted::{
    METADATA, NAMESPACE, NAMESPACE_LABELS, SECRET_TYPE, SERVICE, SERVICE_TYPES,
};
use crate::render::manifest_set::Manifest;

/// Returns the violations of an object, without those of its pods.
pub(super) fn violations(manifest: &Manifest, release: &str) -> Vec<Violation> {
    let object = &manifest.object;
    let mut found = Violations::default();
    found.fields(object.get("metadata"), "metadata", &METADATA);
    match manifest.key.known_kind() {
        Some(Kind::Namespace) => check_namespace(object, release, &mut found),
        Some(Kind::Service) => check_service(&object["spec"], &mut found),
        Some(Kind::Secret) => {
            let kind = object.get("type");
            found.require(kind.is_none_or(|kind| kind == SECRET_TYPE), "type", Rule::Value);
        }
        // The controller would create PVCs of its own, with metadata and volumes that no allowlist
        // covers.
        Some(Kind::StatefulSet) => {
            let templates = object.pointer("/spec/volumeClaimTemplates");
            found.require(templates.is_none(), "spec.volumeClaimTemplates", Rule::Unknown);
        }
        _ => {}
    }
    found.0
}

/// Checks that a Namespace has exactly the labels that this program renders.
fn check_namespace(namespace: &Value, release: &str, found: &mut Violations) {
    found.fields(Some(namespace), "", &NAMESPACE);
    found.fields(namespace.get("metadata"), "metadata", &["labels", "name"]);
    let labels = &namespace["metadata"]["labels"];
    let fixed = NAMESPACE_LABELS.into_iter().chain([(INSTANCE_LABEL, release)]);
    for (label, value) in fixed {
        let is_rendered = labels.get(label).is_some_and(|found| found == value);
        found.require(is_rendered, &format!("metadata.labels[{label}]"), Rule::Value);
    }
    let is_known = |label: &str| {
        [NAME_LABEL, INSTANCE_LABEL].contains(&label)
            || NAMESPACE_LABELS.iter().any(|(known, _)| *known == label)
    };
    for label in labels.as_object().into_iter().flat_map(|labels| labels.keys()) {
        found.require(is_known(label), &format!("metadata.labels[{label}]"), Rule::Unknown);
    }
}

/// Checks that a Service selects pods and uses only addresses that are allocated for it.
fn check_service(spec: &Value, found: &mut Violations) {
    found.fields(Some(spec), "spec", &SERVICE);
    let kind = spec.get("type");
    let is_known = kind.is_none_or(|kind| SERVICE_TYPES.iter().any(|known| kind == known));
    found.require(is_known, "spec.type", Rule::Value);
    let address = spec.get("clusterIP");
    found.require(address.is_none_or(|address| address == "None"), "spec.clusterIP", Rule::Value);
}
