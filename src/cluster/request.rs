//! Requests as data; [`super::Cluster`] sends them.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::resource::{escaped, is_of_secrets, path};
use super::secret::Secret;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;

/// The field manager of this program.
pub const FIELD_MANAGER: &str = "relay-bundle";

/// A request to the API server.
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
        Self(Arc::new(Zeroizing::new(bytes)))
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

/// Whether a write is a dry run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// The server does everything except storing the object.
    Dry,
    Real,
}

impl Request {
    /// Returns whether the request may change something.
    pub fn is_write(&self) -> bool {
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

    /// Applies a manifest; `yaml` is sent unchanged.
    pub fn apply(key: &ObjectKey, yaml: &[u8], run: Run) -> Self {
        let path = format!("{}?{}{}", path(key), owner(), dry(run));
        Self { method: Method::Apply, path, body: yaml.to_vec().into() }
    }

    /// Applies fields as another field manager than [`FIELD_MANAGER`], whose own applies then leave
    /// them unchanged.
    pub fn apply_as(manager: &str, key: &ObjectKey, object: &Value) -> Self {
        let path = format!("{}?fieldManager={manager}&fieldValidation=Strict", path(key));
        Self { method: Method::Apply, path, body: object.to_string().into_bytes().into() }
    }

    /// Allows fields that the server does not know, because fields that another client wrote need
    /// not pass strict validation.
    #[must_use]
    pub fn leniently(mut self) -> Self {
        self.path = self.path.replace("fieldValidation=Strict", "fieldValidation=Ignore");
        self
    }

    /// Takes over fields of other field managers.
    #[must_use]
    pub fn by_force(mut self) -> Self {
        self.path.push_str("&force=true");
        self
    }

    /// Returns the object that applying a manifest would produce, regardless of field ownership: a
    /// forced dry run, which writes nothing.
    pub fn would_be(key: &ObjectKey, yaml: &[u8]) -> Self {
        Self::apply(key, yaml, Run::Dry).by_force()
    }

    /// Creates an object; fails if it exists.
    pub fn create(key: &ObjectKey, object: &Value, run: Run) -> Self {
        let folder = ObjectKey { name: String::new(), ..key.clone() };
        Self::write(Method::Post, &folder, object.to_string().into_bytes().into(), run)
    }

    /// Creates a Secret; fails if it exists.
    pub fn create_secret(key: &ObjectKey, secret: &Secret) -> Self {
        let folder = ObjectKey { name: String::new(), ..key.clone() };
        Self::write(Method::Post, &folder, secret.to_body(), Run::Real)
    }

    /// Replaces a Secret if it still has the version that was read.
    pub fn replace_secret(key: &ObjectKey, secret: &Secret) -> Self {
        Self::write(Method::Put, key, secret.to_body(), Run::Real)
    }

    /// Replaces an object; if it contains a `resourceVersion`, only that version.
    pub fn replace(key: &ObjectKey, object: &Value) -> Self {
        Self::write(Method::Put, key, object.to_string().into_bytes().into(), Run::Real)
    }

    /// Same as [`Request::replace`], as another field manager than [`FIELD_MANAGER`].
    pub fn replace_as(manager: &str, key: &ObjectKey, object: &Value) -> Self {
        let path = format!("{}?fieldManager={manager}&fieldValidation=Strict", path(key));
        Self { method: Method::Put, path, body: object.to_string().into_bytes().into() }
    }

    fn write(method: Method, key: &ObjectKey, body: Body, run: Run) -> Self {
        let path = format!("{}?{}{}", path(key), owner(), dry(run));
        Self { method, path, body }
    }

    /// Deletes an object if its uid and version still match; its dependents are deleted in the
    /// background.
    pub fn delete(key: &ObjectKey, uid: &str, resource_version: &str) -> Self {
        Self::delete_with("Background", key, uid, resource_version)
    }

    /// Same as [`Request::delete`], but with foreground propagation: the object is deleted after
    /// its dependents, so that its pods are gone when it is.
    pub fn delete_last(key: &ObjectKey, uid: &str, resource_version: &str) -> Self {
        Self::delete_with("Foreground", key, uid, resource_version)
    }

    /// Same as [`Request::delete`], but orphans the dependents, which stay.
    pub fn delete_alone(key: &ObjectKey, uid: &str, resource_version: &str) -> Self {
        Self::delete_with("Orphan", key, uid, resource_version)
    }

    fn delete_with(policy: &str, key: &ObjectKey, uid: &str, resource_version: &str) -> Self {
        let body = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": policy,
            "preconditions": {"uid": uid, "resourceVersion": resource_version},
        });
        Self { method: Method::Delete, path: path(key), body: body.to_string().into_bytes().into() }
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
}

fn owner() -> String {
    format!("fieldManager={FIELD_MANAGER}&fieldValidation=Strict")
}

fn dry(run: Run) -> &'static str {
    match run {
        Run::Dry => "&dryRun=All",
        Run::Real => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_carries_is_never_shown() {
        let request = Request::create(
            &ObjectKey::of(Kind::Secret, "ns", "x"),
            &json!({"stringData": {"password": "s3cret"}}),
            Run::Real,
        );

        let shown = format!("{request:?}");

        assert!(
            shown.contains("/api/v1/namespaces/ns/secrets") && !shown.contains("s3cret"),
            "{shown}"
        );
    }
}
