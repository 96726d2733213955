//! The API paths of resources.

use std::borrow::Cow;

use crate::model::object_key::ObjectKey;

/// Returns the path of an object, or of all objects of the kind in a namespace if the key has no
/// name.
///
/// # Panics
///
/// For an unsupported kind. Bundles contain and reference supported kinds only.
pub fn path(key: &ObjectKey) -> String {
    let kind = key.known_kind().expect("only kinds of the closed list are asked for");
    let root = if key.api_version.contains('/') { "/apis/" } else { "/api/" };
    let namespace = match key.namespace.as_str() {
        "" => String::new(),
        namespace => format!("/namespaces/{}", escaped(namespace)),
    };
    let name = if key.name.is_empty() { String::new() } else { format!("/{}", escaped(&key.name)) };
    let api_version: Vec<_> = key.api_version.split('/').map(escaped).collect();
    format!("{root}{}{namespace}/{}{name}", api_version.join("/"), kind.resource())
}

/// Percent-encodes a text for a path or a query: names may come from objects of other owners.
pub fn escaped(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
    if text.bytes().all(is_plain) {
        return text.into();
    }
    let of = |byte: u8| {
        if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(of).collect::<String>().into()
}

/// Returns the resource of a path, and the name if the path leads to one object.
pub(super) fn split(path: &str) -> Option<(&str, Option<&str>)> {
    let path = path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let (["api", _, parts @ ..] | ["apis", _, _, parts @ ..]) = parts.as_slice() else {
        return None;
    };
    match parts {
        ["namespaces", _, resource] | [resource] => Some((resource, None)),
        ["namespaces", _, resource, name] | [resource, name] => Some((resource, Some(name))),
        _ => None,
    }
}

/// Returns whether a path leads to Secrets.
pub(super) fn is_of_secrets(path: &str) -> bool {
    split(path).is_some_and(|(resource, _)| resource == "secrets")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kind::Kind;

    #[test]
    fn resource_paths_match_api_server() {
        for (kind, name, wanted) in [
            (Kind::ConfigMap, "a.b", "/api/v1/namespaces/ns/configmaps/a.b"),
            (Kind::Namespace, "ns", "/api/v1/namespaces/ns"),
            (Kind::Deployment, "", "/apis/apps/v1/namespaces/ns/deployments"),
            (Kind::StorageClass, "fast", "/apis/storage.k8s.io/v1/storageclasses/fast"),
            (
                Kind::HorizontalPodAutoscaler,
                "x",
                "/apis/autoscaling/v2/namespaces/ns/horizontalpodautoscalers/x",
            ),
        ] {
            assert_eq!(path(&ObjectKey::of(kind, "ns", name)), wanted);
        }
        let hostile = ObjectKey::of(Kind::Secret, "a b", "../x?y#\u{e9}");
        assert_eq!(path(&hostile), "/api/v1/namespaces/a%20b/secrets/..%2Fx%3Fy%23%C3%A9");
    }

    #[test]
    fn path_of_secrets_is_recognized() {
        for (path, is_it) in [
            ("/api/v1/namespaces/ns/secrets/a?dryRun=All", true),
            ("/api/v1/namespaces/ns/secrets", true),
            ("/api/v1/namespaces/secrets", false),
            ("/api/v1/namespaces/ns/configmaps/secrets", false),
        ] {
            assert_eq!(is_of_secrets(path), is_it, "{path}");
        }
    }
}
