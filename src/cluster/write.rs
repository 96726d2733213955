//! Requests that change the cluster, as data; only a [`super::Session`] sends them.

use serde_json::{Value, json};

use super::request::{Body, FIELD_MANAGER, Method, Request};
use super::resource::path;
use super::secret::Secret;
use crate::model::object_key::ObjectKey;

/// A request that changes the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write(pub(super) Request);

impl Write {
    /// Applies a manifest; `yaml` is sent unchanged.
    pub fn apply(key: &ObjectKey, yaml: &[u8]) -> Self {
        Self(Request::apply(key, yaml))
    }

    /// Applies fields as another field manager than [`FIELD_MANAGER`], whose own applies then leave
    /// them unchanged.
    pub fn apply_as(manager: &str, key: &ObjectKey, object: &Value) -> Self {
        Self(Request::owned(Method::Apply, manager, key, json_body(object)))
    }

    /// Allows fields that the server does not know, because fields that another client wrote need
    /// not pass strict validation.
    #[must_use]
    pub fn leniently(mut self) -> Self {
        self.0.path = self.0.path.replace("fieldValidation=Strict", "fieldValidation=Ignore");
        self
    }

    /// Takes over fields of other field managers.
    #[must_use]
    pub fn by_force(self) -> Self {
        Self(self.0.by_force())
    }

    /// Creates an object; fails if it exists.
    pub fn create(key: &ObjectKey, object: &Value) -> Self {
        Self(Request::post(key, json_body(object)))
    }

    /// Creates a new Secret, which fails if it exists, or replaces the version that was read.
    pub(super) fn secret(key: &ObjectKey, secret: &Secret) -> Self {
        let body = secret.to_json().into();
        Self(if secret.resource_version().is_empty() {
            Request::post(key, body)
        } else {
            Request::put(FIELD_MANAGER, key, body)
        })
    }

    /// Replaces an object; if it contains a `resourceVersion`, only that version.
    pub fn replace(key: &ObjectKey, object: &Value) -> Self {
        Self::replace_as(FIELD_MANAGER, key, object)
    }

    /// Same as [`Write::replace`], as another field manager than [`FIELD_MANAGER`].
    pub fn replace_as(manager: &str, key: &ObjectKey, object: &Value) -> Self {
        Self(Request::put(manager, key, json_body(object)))
    }

    /// Deletes an object if its uid and version still match; its dependents are deleted in the
    /// background.
    pub fn delete(key: &ObjectKey, uid: &str, resource_version: &str) -> Self {
        Self::delete_with("Background", key, uid, resource_version)
    }

    /// Same as [`Write::delete`], but with foreground propagation: the object is deleted after
    /// its dependents, so that its pods are gone when it is.
    pub fn delete_last(key: &ObjectKey, uid: &str, resource_version: &str) -> Self {
        Self::delete_with("Foreground", key, uid, resource_version)
    }

    /// Same as [`Write::delete`], but orphans the dependents, which stay.
    pub fn delete_alone(key: &ObjectKey, uid: &str, resource_version: &str) -> Self {
        Self::delete_with("Orphan", key, uid, resource_version)
    }

    fn delete_with(policy: &str, key: &ObjectKey, uid: &str, resource_version: &str) -> Self {
        let options = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": policy,
            "preconditions": {"uid": uid, "resourceVersion": resource_version},
        });
        Self(Request { method: Method::Delete, path: path(key), body: json_body(&options) })
    }
}

fn json_body(object: &Value) -> Body {
    object.to_string().into_bytes().into()
}
