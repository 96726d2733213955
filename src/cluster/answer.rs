//! The answer that a request expects.

use std::fmt;

use super::body::{LIST_BYTES_MAX, OBJECT_BYTES_MAX};
use super::request::Method;
use super::resource::split;
use crate::model::kind::Kind;

/// The expected kind and name of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// `None` accepts any kind.
    kind: Option<String>,
    /// `None` accepts any name.
    name: Option<String>,
}

impl Answer {
    /// Returns the expected answer to a request for a path.
    pub(super) fn to(method: Method, path: &str) -> Self {
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
    pub(super) fn is(&self, kind: Option<&str>, name: Option<&str>) -> bool {
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
    fn only_requested_object_is_accepted_as_answer() {
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
    fn list_has_higher_byte_limit_than_object() {
        let bytes_max = |path: &str| Answer::to(Method::Get, path).bytes_max();
        assert_eq!(bytes_max("/api/v1/namespaces/ns/pods?labelSelector=a"), LIST_BYTES_MAX);
        assert_eq!(bytes_max("/api/v1/namespaces/ns/pods/a"), OBJECT_BYTES_MAX);
        assert_eq!(bytes_max("/version"), OBJECT_BYTES_MAX);
    }
}
