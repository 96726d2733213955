//! What to do about an object that the server refuses.

use crate::model::object_key::ObjectKey;

/// What the server says of fields that are fixed once an object exists.
const FIXED: [&str; 4] = [
    "immutable",
    "updates to statefulset spec",
    "may not change once set",
    "may not be specified when strategy",
];

/// Says why an object is refused, and what to do.
pub fn explain(key: &ObjectKey, code: u16, message: &str) -> String {
    if code == 404 && !message.contains("namespaces ") {
        return format!("the cluster does not serve {} {}: {}", key.api_version, key.kind, served(key));
    }
    let way = match code {
        422 if message.contains("Duplicate value") => undone(key),
        422 if FIXED.iter().any(|text| message.contains(text)) => made_again(key),
        403 if message.contains("exceeded quota") => "have the quota raised".to_owned(),
        403 if message.contains("cannot ") => "ask for the right".to_owned(),
        404 => "have the namespace made".to_owned(),
        _ => return message.to_owned(),
    };
    format!("{message}: {way}")
}

fn served(key: &ObjectKey) -> &'static str {
    if key.api_version.contains(".coreos.com") || key.api_version.starts_with("gateway.") {
        "have its definition installed, or switch it off in the profile"
    } else {
        "set `kubernetes.version` of the profile to the server's, and build again"
    }
}

/// Returns what to do where somebody changed that by which the elements of a list are told apart: both are in it then.
fn undone(key: &ObjectKey) -> String {
    let (kind, namespace, name) = (key.kind.to_lowercase(), &key.namespace, &key.name);
    format!(
        "somebody changed it by hand: take that back, `kubectl -n {namespace} edit {kind} {name}`, and apply again"
    )
}

/// Returns how an object is made again whose fields are fixed.
fn made_again(key: &ObjectKey) -> String {
    let (kind, namespace, name) = (key.kind.to_lowercase(), &key.namespace, &key.name);
    let delete = format!("`kubectl -n {namespace} delete {kind} {name}`");
    match key.kind.as_str() {
        "StatefulSet" => format!(
            "delete it without its pods and claims, `kubectl -n {namespace} delete {kind} {name} --cascade=orphan`, and \
             apply again"
        ),
        "Deployment" => format!("delete it, {delete}, and apply again: its pods are away meanwhile"),
        "ConfigMap" | "Secret" => {
            format!("somebody else made it: if nothing needs it, delete it, {delete}, and apply again")
        }
        "PersistentVolumeClaim" => {
            "state in the profile what it has, or move its data to a claim of another name".to_owned()
        }
        _ => format!("delete it, {delete}, and apply again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_to_do() {
        let key = |api_version: &str, kind: &str| ObjectKey {
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: "ns".into(),
            name: "a".into(),
        };
        for (key, code, message, wanted) in [
            (
                key("apps/v1", "StatefulSet"),
                422,
                "updates to statefulset spec for fields",
                "--cascade=orphan",
            ),
            (key("v1", "Service"), 422, "spec.clusterIP: may not change once set", "delete service a"),
            (key("v1", "Service"), 422, r#"spec.ports[1].name: Duplicate value: "http""#, "edit service a"),
            (key("v1", "ConfigMap"), 422, "data: field is immutable when", "somebody else made it"),
            (
                key("policy/v1beta1", "PodDisruptionBudget"),
                404,
                "not find",
                "serve policy/v1beta1 PodDisruptionBudget",
            ),
            (
                key("monitoring.coreos.com/v1", "ServiceMonitor"),
                404,
                "not find",
                "have its definition installed",
            ),
            (
                key("monitoring.coreos.com/v1", "ServiceMonitor"),
                404,
                "namespaces \"m\" not found",
                "namespace made",
            ),
            (key("v1", "Service"), 403, "User \"a\" cannot patch", "ask for the right"),
        ] {
            let text = explain(&key, code, message);
            assert!(text.contains(wanted), "{text}");
        }
        assert_eq!(
            explain(&key("v1", "Service"), 422, "spec.ports: Required value"),
            "spec.ports: Required value"
        );
    }
}
