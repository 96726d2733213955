//! The `Status` objects with which a server refuses requests, in its own words.

use serde_json::{Value, json};

use super::kinds::{Kind, Target};
use super::managers::Conflict;

/// Why a request is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: u16,
    reason: &'static str,
    message: String,
    details: Value,
}

impl Refusal {
    pub(super) fn to_json(&self) -> Value {
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "details": self.details, "code": self.code})
    }

    fn about(target: &Target, (code, reason): (u16, &'static str), message: String) -> Self {
        let details =
            json!({"name": target.name, "group": target.kind.group, "kind": target.kind.plural});
        Self { code, reason, message, details }
    }

    pub(super) fn not_found(target: &Target) -> Self {
        let message = format!("{} \"{}\" not found", target.kind.resource(), target.name);
        Self::about(target, (404, "NotFound"), message)
    }

    pub(super) fn exists(target: &Target) -> Self {
        let message = format!("{} \"{}\" already exists", target.kind.resource(), target.name);
        Self::about(target, (409, "AlreadyExists"), message)
    }

    pub(super) fn no_namespace(name: &str) -> Self {
        let details = json!({"name": name, "kind": "namespaces"});
        let message = format!("namespaces \"{name}\" not found");
        Self { code: 404, reason: "NotFound", message, details }
    }

    pub(super) fn namespace_ends(target: &Target) -> Self {
        let namespace = &target.namespace;
        let message = format!(
            "{} \"{}\" is forbidden: unable to create new content in namespace {namespace} because it is being terminated",
            target.kind.resource(),
            target.name
        );
        let mut refusal = Self::about(target, (403, "Forbidden"), message);
        refusal.details["causes"] = json!([{"reason": "NamespaceTerminating",
            "message": format!("namespace {namespace} is being terminated"), "field": "metadata.namespace"}]);
        refusal
    }

    pub(super) fn forbidden(target: &Target, verb: &str) -> Self {
        let Target { kind, namespace, name } = target;
        let place = if namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace \"{namespace}\"")
        };
        let message = format!(
            "{} \"{name}\" is forbidden: User \"tester\" cannot {verb} resource \"{}\" in API group \"{}\" {place}",
            kind.resource(),
            kind.plural,
            kind.group
        );
        Self::about(target, (403, "Forbidden"), message)
    }

    /// The object has another version than the one that the request replaces.
    pub(super) fn changed(target: &Target) -> Self {
        Self::conflict(
            target,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    pub(super) fn conflict(target: &Target, why: &str) -> Self {
        Self::unfulfilled(target, &target.kind.resource(), why)
    }

    /// The object is another one, or has another version, than the one to delete.
    pub(super) fn precondition(target: &Target, why: &str) -> Self {
        Self::unfulfilled(target, &target.kind.qualified(), why)
    }

    fn unfulfilled(target: &Target, what: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {what} \"{}\": {why}", target.name);
        Self::about(target, (409, "Conflict"), message)
    }

    /// Other managers own applied fields.
    pub(super) fn owned(conflicts: &[Conflict]) -> Self {
        let causes: Vec<Value> = conflicts
            .iter()
            .map(|Conflict { manager, path }| {
                json!({"reason": "FieldManagerConflict", "message": format!("conflict with {manager}"), "field": path})
            })
            .collect();
        let message = if let [Conflict { manager, path }] = conflicts {
            format!("Apply failed with 1 conflict: conflict with {manager}: {path}")
        } else {
            let mut lines = Vec::new();
            for (at, Conflict { manager, path }) in conflicts.iter().enumerate() {
                if at == 0 || conflicts[at - 1].manager != *manager {
                    lines.push(format!("conflicts with {manager}:"));
                }
                lines.push(format!("- {path}"));
            }
            format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
        };
        Self { code: 409, reason: "Conflict", message, details: json!({"causes": causes}) }
    }

    /// A field must not change.
    pub(super) fn invalid(
        kind: &Kind,
        name: &str,
        (reason, field, why): (&str, &str, &str),
    ) -> Self {
        let message = format!("{} \"{name}\" is invalid: {field}: {why}", kind.qualified());
        let details = json!({"name": name, "group": kind.group, "kind": kind.name,
            "causes": [{"reason": reason, "message": why, "field": field}]});
        Self { code: 422, reason: "Invalid", message, details }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self { code: 400, reason: "BadRequest", message: message.into(), details: json!({}) }
    }
}
