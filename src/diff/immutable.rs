//! Finds changes that the API server refuses.

use serde_json::Value;

use super::fields::FieldChange;
use super::warning::Warning;
use crate::model::number::quantity_milli;

/// The immutable fields, by kind.
const FIXED: [(&str, &[&str]); 8] = [
    ("Deployment", &["spec", "selector"]),
    ("StatefulSet", &["spec", "selector"]),
    ("StatefulSet", &["spec", "serviceName"]),
    ("StatefulSet", &["spec", "podManagementPolicy"]),
    ("StatefulSet", &["spec", "volumeClaimTemplates"]),
    ("PersistentVolumeClaim", &["spec", "accessModes"]),
    ("PersistentVolumeClaim", &["spec", "storageClassName"]),
    ("Service", &["spec", "clusterIP"]),
];

/// Returns the reason why the API server refuses a change of the object `name` of a kind, if it
/// does.
pub(super) fn refusal(kind: &str, name: &str, change: &FieldChange) -> Option<Warning> {
    let is_fixed = FIXED.iter().any(|(of, field)| *of == kind && change.path.starts_with(field));
    if is_fixed {
        let way = match kind {
            "PersistentVolumeClaim" => "it needs a new PVC with a copy of the data",
            // The remedy depends on the owner of the live object, which is unknown here.
            _ => {
                "the API server refuses to change it in an existing object; the plan of `apply` \
                 shows the remedy"
            }
        };
        return Some(Warning::of(kind, name, format!("{} cannot change: {way}", change.path)));
    }
    let is_size = kind == "PersistentVolumeClaim"
        && change.path.starts_with(&["spec", "resources", "requests"]);
    let quantity = |value: &Option<Value>| quantity_milli(value.as_ref()?.as_str()?);
    match (quantity(&change.old), quantity(&change.new)) {
        (Some(old), Some(new)) if is_size && new < old => {
            Some(Warning::of(kind, name, "a PVC cannot shrink; the larger size stays"))
        }
        _ => None,
    }
}
