//! The API paths of resources.

use std::borrow::Cow;
use std::fmt;

use super::body::{LIST_BYTES_MAX, OBJECT_BYTES_MAX};
use super::request::Method;
use crate::model::kind::Kind;
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
fn split(path: &str) -> Option<(&str, Option<&str>)> {
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

/// The expected kind and name of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `None` accepts any kind.
    kind: Option<String>,
    /// `None` accepts any name.
    name: Option<String>,
}

impl Answer {
    /// Returns the expected answer to a request for a path.
    pub fn to(method: Method, path: &str) -> Self {
        let any = Self { kind: None, name: None };
        let Some((resource, name)) = split(path) else { return any };
        if resource == "selfsubjectaccessreviews" {
            return Self { kind: Some("SelfSubjectAccessReview".to_owned()), name: None };
        }
        let kind = Kind::of_resource(resource).map(Kind::name);
        match (kind, name, method) {
            // The API server may answer a deletion with a `Status`.
            (None, ..) | (.., Method::Delete) => any,
            (Some(kind), None, Method::Get) => {
                Self { kind: Some(format!("{kind}List")), name: None }
            }
            (Some(kind), name, _) => {
                Self { kind: Some(kind.to_owned()), name: name.map(str::to_owned) }
            }
        }
    }

    /// Returns the maximum size of the answer.
    pub(super) fn bytes_max(&self) -> usize {
        let is_list = self.kind.as_ref().is_some_and(|kind| kind.ends_with("List"));
        if is_list { LIST_BYTES_MAX } else { OBJECT_BYTES_MAX }
    }

    /// Returns whether an answer has the expected kind and name.
    pub fn is(&self, kind: Option<&str>, name: Option<&str>) -> bool {
        let fits = |wanted: &Option<String>, found| wanted.is_none() || found == wanted.as_deref();
        fits(&self.kind, kind) && fits(&self.name, name)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.as_deref().unwrap_or("an object");
        match &self.name {
            Some(name) => write!(formatter, "{kind}/{name}"),
            None => formatter.write_str(kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_are_those_of_the_api_server() {
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
    fn an_answer_is_the_object_that_was_asked_for_or_it_is_none() {
        let object = |kind: &str, name: &str| json!({"kind": kind, "metadata": {"name": name}});
        let table = [
            (Method::Get, "/api/v1/namespaces/ns/configmaps/a", object("ConfigMap", "a"), true),
            (Method::Get, "/api/v1/namespaces/ns/configmaps/a", object("ConfigMap", "b"), false),
            (
                Method::Apply,
                "/apis/apps/v1/namespaces/ns/deployments/a?x=y",
                object("Deployment", "a"),
                true,
            ),
            (
                Method::Apply,
                "/apis/apps/v1/namespaces/ns/deployments/a?x=y",
                object("Status", ""),
                false,
            ),
            (Method::Put, "/api/v1/namespaces/ns/configmaps/a", json!({}), false),
            (Method::Post, "/api/v1/namespaces/ns/secrets", object("Secret", "a"), true),
            (Method::Post, "/api/v1/namespaces/ns/secrets", json!({"metadata": {}}), false),
            (
                Method::Get,
                "/api/v1/namespaces/ns/pods",
                json!({"kind": "PodList", "items": []}),
                true,
            ),
            (Method::Get, "/api/v1/namespaces/ns/pods", json!([]), false),
            (Method::Get, "/api/v1/namespaces/ns", object("Namespace", "ns"), true),
            (Method::Delete, "/api/v1/namespaces/ns/secrets/a", object("Status", ""), true),
            (Method::Get, "/version", json!({"gitVersion": "v1"}), true),
            (
                Method::Post,
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                json!({}),
                false,
            ),
        ];
        for (method, path, answer, is_good) in table {
            let text = |pointer: &str| answer.pointer(pointer).and_then(serde_json::Value::as_str);
            let is_answer = Answer::to(method, path).is(text("/kind"), text("/metadata/name"));
            assert_eq!(is_answer, is_good, "{method:?} {path} {answer}");
        }
    }

    #[test]
    fn a_list_may_have_more_than_an_object_and_what_is_a_secret_is_known_by_its_path() {
        let bytes_max = |path: &str| Answer::to(Method::Get, path).bytes_max();
        assert_eq!(bytes_max("/api/v1/namespaces/ns/pods?labelSelector=a"), LIST_BYTES_MAX);
        assert_eq!(bytes_max("/api/v1/namespaces/ns/pods/a"), OBJECT_BYTES_MAX);
        assert_eq!(bytes_max("/version"), OBJECT_BYTES_MAX);
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
