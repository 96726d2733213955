//! What becomes of a claim that is there: it grows, or stays; it never shrinks and never moves.

use serde_json::Value;

use super::live;
use crate::model::number::quantity_milli;

const SIZE: &str = "/spec/resources/requests/storage";
/// What is fixed once a claim is made, and how a person calls it.
const FIXED: [(&str, &str); 3] = [
    ("/spec/storageClassName", "storage class"),
    ("/spec/accessModes", "access mode"),
    ("/spec/volumeMode", "volume mode"),
];
/// The same, as field ownership spells it.
const SIZE_OWNED: &str = "/f:spec/f:resources/f:requests/f:storage";

/// What is decided about a live claim without asking the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays as it is, and why.
    Keep(String),
    Refused(String),
}

/// Compares a live claim with the one that is wanted; none if the server may judge.
///
/// A claim that somebody has grown is kept. One that would shrink because the bundle asks for less than the one before is
/// a mistake, unless the bundle has run here (`was_here`): whoever goes back must be able to.
pub fn judge(live: &Value, wanted: &Value, manager: &str, was_here: bool) -> Option<Verdict> {
    for (pointer, what) in FIXED {
        let (old, new) = (live.pointer(pointer), wanted.pointer(pointer));
        if let (Some(old), Some(new)) = (old, new)
            && old != new
        {
            return Some(Verdict::Refused(format!(
                "its {what} is {old} and cannot become {new}: state {old} in the profile, or move the data to a claim of \
                 another name and name that (`existingClaim`)"
            )));
        }
    }
    let size = |object: &Value| object.pointer(SIZE)?.as_str().map(str::to_owned);
    let (old, new) = (size(live)?, size(wanted)?);
    if quantity_milli(&old)? <= quantity_milli(&new)? {
        return None;
    }
    let is_ours = live::owned(live, manager).is_some_and(|owned| owned.pointer(SIZE_OWNED).is_some());
    if is_ours && !was_here {
        return Some(Verdict::Refused(format!(
            "a claim cannot shrink: it has {old}, and the bundle asks for {new}: set the size in the profile to {old}"
        )));
    }
    Some(Verdict::Keep(format!("it has {old} and stays as it is; the bundle asks for {new}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claim(size: &str, class: Option<&str>) -> Value {
        let mut claim =
            json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}});
        if let Some(class) = class {
            claim["spec"]["storageClassName"] = class.into();
        }
        claim
    }

    /// A claim whose size the manager owns.
    fn live(size: &str, manager: &str) -> Value {
        let mut claim = claim(size, Some("fast"));
        let fields = json!({"f:spec": {"f:resources": {"f:requests": {"f:storage": {}}}}});
        claim["metadata"]["managedFields"] =
            json!([{"manager": manager, "operation": "Apply", "fieldsV1": fields}]);
        claim
    }

    #[test]
    fn a_claim_grows_or_stays_and_is_never_shrunk_or_moved() {
        let is = |live: &Value, wanted: &Value, was_here| match judge(live, wanted, "me", was_here) {
            None => "judged by the server",
            Some(Verdict::Keep(_)) => "kept",
            Some(Verdict::Refused(_)) => "refused",
        };
        let (ours, theirs) = (live("10Gi", "me"), live("10Gi", "somebody"));

        assert_eq!(is(&ours, &claim("20Gi", None), false), "judged by the server");
        assert_eq!(is(&ours, &claim("10240Mi", None), false), "judged by the server");
        assert_eq!(is(&ours, &claim("5Gi", None), false), "refused");
        assert_eq!(is(&ours, &claim("5Gi", None), true), "kept");
        assert_eq!(is(&theirs, &claim("5Gi", None), false), "kept");
        assert_eq!(is(&theirs, &claim("5Gi", Some("slow")), true), "refused");
        let mut shared = claim("10Gi", None);
        shared["spec"]["accessModes"] = json!(["ReadWriteMany"]);
        assert_eq!(is(&ours, &shared, true), "refused");
    }
}
