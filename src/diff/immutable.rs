//! Finds changes that the API server refuses.

use serde_json::Value;

use super::fields::FieldChange;
use super::warning::Warning;
use crate::model::kind::Kind;
use crate::model::number::quantity_milli;

/// The immutable fields, by kind.
const FIXED: [(Kind, &[&str]); 8] = [
    (Kind::Deployment, &["spec", "selector"]),
    (Kind::StatefulSet, &["spec", "selector"]),
    (Kind::StatefulSet, &["spec", "serviceName"]),
    (Kind::StatefulSet, &["spec", "podManagementPolicy"]),
    (Kind::StatefulSet, &["spec", "volumeClaimTemplates"]),
    (Kind::PersistentVolumeClaim, &["spec", "accessModes"]),
    (Kind::PersistentVolumeClaim, &["spec", "storageClassName"]),
    (Kind::Service, &["spec", "clusterIP"]),
];

/// Returns the reason why the API server refuses a change of the object `name` of a kind, if it
/// does.
pub(super) fn refusal(kind: Kind, name: &str, change: &FieldChange) -> Option<Warning> {
    let is_fixed = FIXED.iter().any(|(of, field)| *of == kind && change.path.starts_with(field));
    if is_fixed {
        let way = match kind {
            Kind::PersistentVolumeClaim => "it needs a new PVC with a copy of the data",
            // The remedy depends on the owner of the live object, which is unknown here.
            _ => {
                "the API server refuses to change it in an existing object; the plan of `apply` \
                 shows the remedy"
            }
        };
        return Some(Warning::of(
            kind.name(),
            name,
            format!("{} cannot change: {way}", change.path),
        ));
    }
    let is_size = kind == Kind::PersistentVolumeClaim
        && change.path.starts_with(&["spec", "resources", "requests"]);
    let quantity = |value: &Option<Value>| quantity_milli(value.as_ref()?.as_str()?);
    match (quantity(&change.old), quantity(&change.new)) {
        (Some(old), Some(new)) if is_size && new < old => {
            Some(Warning::of(kind.name(), name, "a PVC cannot shrink; the larger size stays"))
        }
        _ => None,
    }
}
