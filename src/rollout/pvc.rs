//! Decides about an existing PVC: it grows or stays, but never shrinks or moves.

use serde_json::Value;

use super::live_object;
use crate::model::number::quantity_milli;

const SIZE: &str = "/spec/resources/requests/storage";
/// The immutable fields of a PVC: as a JSON pointer, as field ownership spells them, and in words.
const FIXED: [(&str, &str, &str); 3] = [
    ("/spec/storageClassName", "/f:spec/f:storageClassName", "storage class"),
    ("/spec/accessModes", "/f:spec/f:accessModes", "access mode"),
    ("/spec/volumeMode", "/f:spec/f:volumeMode", "volume mode"),
];

/// A decision about a live PVC that needs no answer from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays unchanged, for this reason.
    Keep(String),
    Refused(String),
}

/// Compares a live PVC with the wanted one; returns nothing if the decision is the server's.
pub fn compare(live: &Value, wanted: &Value, manager: &str) -> Option<Verdict> {
    for (pointer, owned, what) in FIXED {
        let Some(old) = live.pointer(pointer) else { continue };
        let new = wanted.pointer(pointer);
        // Omitting a field that we applied earlier changes it, too.
        let is_ours =
            live_object::owned(live, manager).is_some_and(|fields| fields.pointer(owned).is_some());
        if new.map_or(is_ours, |new| new != old) {
            return Some(Verdict::Refused(format!(
                "its {what} is {old} and cannot change: set it in the profile, or move the data to \
                 another PVC and use that (`existingClaim`)"
            )));
        }
    }
    let (old, new) = (size(live)?, size(wanted)?);
    (quantity_milli(old)? > quantity_milli(new)?).then(|| {
        Verdict::Keep(format!("it has {old} and stays unchanged; the bundle requests {new}"))
    })
}

/// Returns an error message if the wanted PVC is smaller than that of the running bundle.
///
/// A PVC that was only enlarged by hand is kept instead.
pub fn shrinks(running: &Value, wanted: &Value) -> Option<String> {
    let (old, new) = (size(running)?, size(wanted)?);
    (quantity_milli(old)? > quantity_milli(new)?).then(|| {
        format!(
            "a PVC cannot shrink: the running bundle requests {old}, this one {new}: set {old} in \
             the profile"
        )
    })
}

fn size(claim: &Value) -> Option<&str> {
    claim.pointer(SIZE)?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claim(size: &str, class: Option<&str>) -> Value {
        let mut claim = json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}});
        if let Some(class) = class {
            claim["spec"]["storageClassName"] = class.into();
        }
        claim
    }

    #[test]
    fn pvc_may_grow_but_is_never_shrunk_or_moved() {
        let live = claim("10Gi", Some("fast"));
        let is = |wanted: &Value| match compare(&live, wanted, "me") {
            None => "judged by the server",
            Some(Verdict::Keep(_)) => "kept",
            Some(Verdict::Refused(_)) => "refused",
        };

        assert_eq!(is(&claim("20Gi", None)), "judged by the server");
        assert_eq!(is(&claim("10240Mi", Some("fast"))), "judged by the server");
        assert_eq!(is(&claim("5Gi", None)), "kept");
        assert_eq!(is(&claim("10Gi", Some("slow"))), "refused");
        let mut shared = claim("10Gi", None);
        shared["spec"]["accessModes"] = json!(["ReadWriteMany"]);
        assert_eq!(is(&shared), "refused");
        assert!(shrinks(&claim("10Gi", None), &claim("5Gi", None)).is_some());
        assert_eq!(shrinks(&claim("5Gi", None), &claim("5120Mi", None)), None);
    }

    #[test]
    fn omitting_stated_storage_class_would_change_it() {
        let mut live = claim("1Gi", Some("fast"));
        assert_eq!(compare(&live, &claim("1Gi", None), "me"), None);
        let fields = json!({"f:spec": {"f:storageClassName": {}}});
        live["metadata"]["managedFields"] =
            json!([{"manager": "me", "operation": "Apply", "fieldsV1": fields}]);
        assert!(matches!(compare(&live, &claim("1Gi", None), "me"), Some(Verdict::Refused(_))));
    }
}
