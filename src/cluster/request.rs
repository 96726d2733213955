//! Requests that store nothing, as data; [`super::Cluster`] sends them.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::resource::{escaped, is_of_secrets, path};
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;

/// The field manager of this program.
pub const FIELD_MANAGER: &str = "relay-bundle";

/// A request to the API server. One that changes the cluster is a [`Write`](super::Write).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub method: Method,
    pub path: String,
    pub body: Body,
}

/// The body of a request. It may contain a secret: it is never shown, and is overwritten when the
/// last copy is dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Body(Arc<Zeroizing<Vec<u8>>>);

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Zeroizing::new(bytes).into()
    }
}

impl From<Zeroizing<Vec<u8>>> for Body {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(Arc::new(bytes))
    }
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<not shown>")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Put,
    /// Server-side apply.
    Apply,
    Delete,
}

impl Request {
    /// Returns whether the request is a write or the dry run of one.
    pub(super) fn is_write(&self) -> bool {
        self.method != Method::Get
    }

    /// Returns whether the request sends secret values, which the answer may quote.
    pub(super) fn carries_secret(&self) -> bool {
        self.is_write() && is_of_secrets(&self.path)
    }

    /// Reads a path.
    pub fn get_path(path: impl Into<String>) -> Self {
        Self { method: Method::Get, path: path.into(), body: Body::default() }
    }

    /// Reads an object, or lists the objects of the kind in the namespace if the key has no name.
    pub fn get(key: &ObjectKey) -> Self {
        Self::get_path(path(key))
    }

    /// Lists the objects of a kind in a namespace with these labels, such as `a=b,c=d`.
    pub fn list(folder: &ObjectKey, labels: &str) -> Self {
        Self::get_path(format!("{}?labelSelector={}", path(folder), labels.replace('=', "%3D")))
    }

    /// Lists the events about the object with this uid.
    pub fn events(namespace: &str, uid: &str) -> Self {
        let folder = ObjectKey::of(Kind::Event, namespace, "");
        Self::get_path(format!(
            "{}?fieldSelector=involvedObject.uid%3D{}",
            path(&folder),
            escaped(uid)
        ))
    }

    /// Dry-runs [`Write::apply`](super::Write::apply): the server does everything except storing the
    /// object.
    pub fn try_apply(key: &ObjectKey, yaml: &[u8]) -> Self {
        Self::apply(key, yaml).dry()
    }

    /// Returns the object that applying a manifest would produce, regardless of field ownership: a
    /// forced dry run.
    pub fn would_be(key: &ObjectKey, yaml: &[u8]) -> Self {
        Self::try_apply(key, yaml).by_force()
    }

    /// Dry-runs [`Write::create`](super::Write::create).
    pub fn try_create(key: &ObjectKey, object: &Value) -> Self {
        Self::post(key, object.to_string().into_bytes().into()).dry()
    }

    /// Dry-runs [`Write::replace`](super::Write::replace).
    pub fn try_replace(key: &ObjectKey, object: &Value) -> Self {
        Self::put(FIELD_MANAGER, key, object.to_string().into_bytes().into()).dry()
    }

    /// Asks whether we have a permission, for all objects of a kind or for one.
    pub fn may_i(verb: &str, kind: Kind, namespace: &str, name: Option<&str>) -> Self {
        let (group, resource) = (kind.group(), kind.resource());
        let mut attributes =
            json!({"verb": verb, "group": group, "resource": resource, "namespace": namespace});
        if let Some(name) = name {
            attributes["name"] = name.into();
        }
        let body = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews".to_owned();
        Self { method: Method::Post, path, body: body.to_string().into_bytes().into() }
    }

    pub(super) fn apply(key: &ObjectKey, yaml: &[u8]) -> Self {
        Self::owned(Method::Apply, FIELD_MANAGER, key, yaml.to_vec().into())
    }

    /// Creates an object in the folder of `key`.
    pub(super) fn post(key: &ObjectKey, body: Body) -> Self {
        let folder = ObjectKey { name: String::new(), ..key.clone() };
        Self::owned(Method::Post, FIELD_MANAGER, &folder, body)
    }

    pub(super) fn put(manager: &str, key: &ObjectKey, body: Body) -> Self {
        Self::owned(Method::Put, manager, key, body)
    }

    /// Sends an object in the name of a field manager.
    pub(super) fn owned(method: Method, manager: &str, key: &ObjectKey, body: Body) -> Self {
        let path = format!("{}?fieldManager={manager}&fieldValidation=Strict", path(key));
        Self { method, path, body }
    }

    pub(super) fn by_force(mut self) -> Self {
        self.path.push_str("&force=true");
        self
    }

    fn dry(mut self) -> Self {
        self.path.push_str("&dryRun=All");
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_body_is_never_shown() {
        let request = Request::try_create(
            &ObjectKey::of(Kind::Secret, "ns", "x"),
            &json!({"stringData": {"password": "s3cret"}}),
        );

        let shown = format!("{request:?}");

        assert!(
            shown.contains("/api/v1/namespaces/ns/secrets") && !shown.contains("s3cret"),
            "{shown}"
        );
    }
}
