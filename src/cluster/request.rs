//! A request as data: made here, sent by [`super::Cluster`].

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::resource::{escaped, is_of_secrets, key, path};
use super::secret::Secret;
use crate::model::object_key::ObjectKey;

/// The name under which this program owns fields.
pub const FIELD_MANAGER: &str = "relay-bundle";

/// What is asked of the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub method: Method,
    pub path: String,
    pub body: Body,
}

/// What a request carries. It may be a secret: it is never shown, and is overwritten when the last
/// copy is dropped.
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

/// Whether a write happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// The server does all but to store the object.
    Dry,
    Real,
}

impl Request {
    /// Returns whether it may change something.
    pub fn is_write(&self) -> bool {
        self.method != Method::Get
    }

    /// Returns whether it sends values that nobody may see: what is answered may quote them.
    pub(super) fn carries_secret(&self) -> bool {
        self.is_write() && is_of_secrets(&self.path)
    }

    /// Asks for what is at a path.
    pub fn get_path(path: impl Into<String>) -> Self {
        Self { method: Method::Get, path: path.into(), body: Body::default() }
    }

    /// Asks for an object, or for all objects of the kind in the namespace if the key has no name.
    pub fn get(key: &ObjectKey) -> Self {
        Self::get_path(path(key))
    }

    /// Asks for the objects of a kind in a namespace that have these labels, as in `a=b,c=d`.
    pub fn list(folder: &ObjectKey, labels: &str) -> Self {
        Self::get_path(format!("{}?labelSelector={}", path(folder), labels.replace('=', "%3D")))
    }

    /// Asks for the events about the object with this uid.
    pub fn events(namespace: &str, uid: &str) -> Self {
        let folder = key("Event", namespace, "").expect("a kind that is known");
        Self::get_path(format!(
            "{}?fieldSelector=involvedObject.uid%3D{}",
            path(&folder),
            escaped(uid)
        ))
    }

    /// Applies a manifest: `yaml` is sent as it is.
    pub fn apply(key: &ObjectKey, yaml: &[u8], run: Run) -> Self {
        let path = format!("{}?{}{}", path(key), owner(), dry(run));
        Self { method: Method::Apply, path, body: yaml.to_vec().into() }
    }

    /// Applies fields in the name of another manager than [`FIELD_MANAGER`], whose applying leaves
    /// them alone.
    pub fn apply_as(manager: &str, key: &ObjectKey, object: &Value) -> Self {
        let path = format!("{}?fieldManager={manager}&fieldValidation=Strict", path(key));
        Self { method: Method::Apply, path, body: object.to_string().into_bytes().into() }
    }

    /// Lets a field pass that the server does not know: what others wrote is taken as the server
    /// takes it from them.
    #[must_use]
    pub fn leniently(mut self) -> Self {
        self.path = self.path.replace("fieldValidation=Strict", "fieldValidation=Ignore");
        self
    }

    /// Takes fields that others own.
    #[must_use]
    pub fn by_force(mut self) -> Self {
        self.path.push_str("&force=true");
        self
    }

    /// Asks what an object would be if a manifest were applied, whoever owns its fields: nothing is
    /// written.
    pub fn would_be(key: &ObjectKey, yaml: &[u8]) -> Self {
        Self::apply(key, yaml, Run::Dry).by_force()
    }

    /// Creates an object; fails if it is there.
    pub fn create(key: &ObjectKey, object: &Value, run: Run) -> Self {
        let folder = ObjectKey { name: String::new(), ..key.clone() };
        Self::write(Method::Post, &folder, object.to_string().into_bytes().into(), run)
    }

    /// Creates a Secret; fails if it is there.
    pub fn create_secret(key: &ObjectKey, secret: &Secret) -> Self {
        let folder = ObjectKey { name: String::new(), ..key.clone() };
        Self::write(Method::Post, &folder, secret.to_body(), Run::Real)
    }

    /// Replaces a Secret, only if it is still the version that was read.
    pub fn replace_secret(key: &ObjectKey, secret: &Secret) -> Self {
        Self::write(Method::Put, key, secret.to_body(), Run::Real)
    }

    /// Replaces an object; with a `resourceVersion` in it, only if it is still that one.
    pub fn replace(key: &ObjectKey, object: &Value) -> Self {
        Self::write(Method::Put, key, object.to_string().into_bytes().into(), Run::Real)
    }

    /// As [`Request::replace`], in the name of another manager than [`FIELD_MANAGER`].
    pub fn replace_as(manager: &str, key: &ObjectKey, object: &Value) -> Self {
        let path = format!("{}?fieldManager={manager}&fieldValidation=Strict", path(key));
        Self { method: Method::Put, path, body: object.to_string().into_bytes().into() }
    }

    fn write(method: Method, key: &ObjectKey, body: Body, run: Run) -> Self {
        let path = format!("{}?{}{}", path(key), owner(), dry(run));
        Self { method, path, body }
    }

    /// Deletes an object if it is still the one that was seen; what it owns goes in the background.
    pub fn delete(key: &ObjectKey, uid: &str, resource_version: &str) -> Self {
        Self::delete_with("Background", key, uid, resource_version)
    }

    /// As [`Request::delete`]; the object goes after what it owns, so that its pods are gone when
    /// it is.
    pub fn delete_last(key: &ObjectKey, uid: &str, resource_version: &str) -> Self {
        Self::delete_with("Foreground", key, uid, resource_version)
    }

    /// As [`Request::delete`]; what the object owns stays, and is nobody's.
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

    /// Asks whether we may do something, with all objects of a resource or with one.
    pub fn may_i(
        verb: &str,
        group: &str,
        resource: &str,
        namespace: &str,
        name: Option<&str>,
    ) -> Self {
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
            &super::super::resource::key("Secret", "ns", "x").unwrap(),
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
