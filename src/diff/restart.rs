//! Forecasts which pods restart, and why: pods restart when, and only when, their template changes.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::fields::{FieldChange, compare};
use super::path::{FieldPath, PathStep};
use crate::model::kind::Kind;
use crate::render::references::pod_template;

/// The effect on the pods of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Restart {
    Yes,
    No,
    /// The workload is new.
    Added,
    /// The workload is removed.
    Removed,
}

/// The effect on the pods of a workload, and the reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Forecast {
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub restart: Restart,
    /// In words, such as `config LOG_LEVEL changed`.
    pub reasons: Vec<String>,
    /// Further effects, such as downtime.
    pub notes: Vec<String>,
}

/// The changes of ConfigMaps' data, by old and new name, which differ only in their hash.
pub(super) type Configs = BTreeMap<(String, String), Vec<FieldChange>>;

/// The annotation for the password that Redis and the relay share.
const REDIS_PASSWORD: &str = "checksum/secret-redis-password";

/// Returns whether the pods of a workload in both sets restart, and the reasons in order of
/// interest.
pub(super) fn reasons(old: &Value, new: &Value, configs: &Configs) -> (Restart, Vec<String>) {
    let (old, new) =
        (pod_template(old).unwrap_or(&Value::Null), pod_template(new).unwrap_or(&Value::Null));
    let mut changes = compare(old, new);
    if changes.is_empty() {
        return (Restart::No, Vec::new());
    }

    for change in &mut changes {
        mark_template(change, configs);
    }
    let mut found: Vec<(Rank, String)> = Vec::new();
    for change in &changes {
        if let Some(config) = config_of(change, configs) {
            found.extend(config.iter().map(|change| (Rank::Config, config_reason(change))));
        } else if !change.follows {
            found.push(template_reason(change));
        }
    }

    if found.is_empty() {
        // Only checksums without the data behind them changed, so report them as they are.
        found.extend(
            changes
                .iter()
                .map(|change| (Rank::Other, format!("{} {}", change.path, change.verb()))),
        );
    }
    found.sort();
    found.dedup();
    (Restart::Yes, found.into_iter().map(|(_, reason)| reason).collect())
}

/// The order in which reasons are listed. A short list must not leave out an image, a container,
/// its privileges or a secret in favour of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Image,
    Container,
    Security,
    Secret,
    Other,
    Config,
    Environment,
}

/// Returns whether a field decides what a pod runs or may do. Short reports must not leave it out.
pub fn is_vital(path: &FieldPath) -> bool {
    let is_vital = |key: &str| {
        key.starts_with("host")
            || matches!(
                key,
                "image"
                    | "command"
                    | "args"
                    | "lifecycle"
                    | "securityContext"
                    | "serviceAccountName"
                    | "automountServiceAccountToken"
                    | "rules"
                    | "subjects"
                    | "roleRef"
            )
    };
    let is_list = |key: &str| matches!(key, "containers" | "initContainers" | "volumes");
    let steps = &path.0;
    let is_item =
        matches!(steps.as_slice(), [.., PathStep::Key(list), PathStep::Item(_)] if is_list(list));
    let is_in_metadata = path.starts_with(&["metadata"]);
    is_item
        || !is_in_metadata
            && steps.iter().any(|step| matches!(step, PathStep::Key(key) if is_vital(key)))
}

/// Marks a change of a pod template that only follows from a change of another object.
pub(super) fn mark_template(change: &mut FieldChange, configs: &Configs) {
    let is_digest = |value: &Option<Value>| {
        value.as_ref().and_then(Value::as_str).is_some_and(|text| text.len() == 64)
    };
    let is_checksum = change.path.last_key().is_some_and(|key| key.starts_with("checksum/"))
        && is_digest(&change.old)
        && is_digest(&change.new);
    change.follows = is_checksum || config_of(change, configs).is_some();
}

/// Returns the data changes of the ConfigMap, if a field changed to its new name.
fn config_of<'a>(change: &FieldChange, configs: &'a Configs) -> Option<&'a Vec<FieldChange>> {
    let (old, new) = (change.old.as_ref()?.as_str()?, change.new.as_ref()?.as_str()?);
    configs.get(&(old.to_owned(), new.to_owned()))
}

fn config_reason(change: &FieldChange) -> String {
    let key = change.path.last_key().unwrap_or("data");
    format!("config {key} {}", change.verb())
}

/// Returns the reason for a change inside a pod template.
fn template_reason(change: &FieldChange) -> (Rank, String) {
    let verb = change.verb();
    let name = |step: &PathStep| match step {
        PathStep::Key(text) | PathStep::Item(text) => text.clone(),
        PathStep::Index(index) => index.to_string(),
    };

    let names: Vec<String> = change.path.0.iter().map(name).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rank = if is_vital(&change.path) { Rank::Security } else { Rank::Other };
    let other = |text: String| (rank, text);

    match names.as_slice() {
        ["metadata", "annotations", key] => match key.strip_prefix("checksum/secret-") {
            Some(secret) => (Rank::Secret, secret_reason(secret, change)),
            None => other(format!("pod annotation {key} {verb}")),
        },
        ["metadata", "labels", key] => other(format!("pod label {key} {verb}")),
        ["spec", "containers" | "initContainers", container] => {
            let image = change.new.as_ref().and_then(|new| new.get("image")?.as_str());
            let image = image.map(|image| format!(" with image {image}")).unwrap_or_default();
            (Rank::Container, format!("container {container} {verb}{image}"))
        }
        ["spec", "containers" | "initContainers", container, "image"] => {
            (Rank::Image, format!("image of {container} changed"))
        }
        ["spec", "containers" | "initContainers", container, "env", variable, ..] => {
            let verb = if names.len() == 5 { verb } else { "changed" };
            (Rank::Environment, format!("environment variable {variable} of {container} {verb}"))
        }
        ["spec", "containers" | "initContainers", container, field, ..] => {
            other(format!("{field} of {container} changed"))
        }
        ["spec", "volumes", volume] => other(format!("volume {volume} {verb}")),
        ["spec", "volumes", volume, ..] => other(format!("volume {volume} changed")),
        ["spec", field] => other(format!("{field} {verb}")),
        ["spec", field, ..] => other(format!("{field} changed")),
        _ => other(format!("{} {verb}", change.path)),
    }
}

/// Returns the reason for a changed token of a secret: `existing-2`, `generated-1`, `literal-1`,
/// `sealed-<digest>`.
fn secret_reason(secret: &str, change: &FieldChange) -> String {
    let token = |value: &Option<Value>| {
        let (form, number) = value.as_ref()?.as_str()?.split_once('-')?;
        Some((form.to_owned(), number.to_owned()))
    };
    match (token(&change.old), token(&change.new)) {
        (Some((old, _)), Some((new, _))) if old != new => {
            format!("secret {secret}: {old}, now {new}")
        }
        (Some((form, _)), Some(_)) if form == "sealed" => {
            format!("secret {secret}: another sealed file")
        }
        (Some((form, old)), Some((_, new))) => {
            let counter = if form == "generated" { "generation" } else { "revision" };
            format!("secret {secret}: {counter} {old}, now {new}")
        }
        _ => format!("secret {secret} {}", change.verb()),
    }
}

/// Adds notes about downtime, which depends on all forecasts together.
pub(super) fn add_notes(
    forecasts: &mut [Forecast],
    new_objects: &BTreeMap<(String, String), &Value>,
) {
    let restarts = |forecast: &Forecast, kind: Kind| {
        forecast.kind == kind.name() && forecast.restart == Restart::Yes
    };
    let redis = forecasts.iter().any(|forecast| restarts(forecast, Kind::StatefulSet));
    let relay = forecasts.iter().any(|forecast| restarts(forecast, Kind::Deployment));

    let password = |forecast: &Forecast| {
        let name = REDIS_PASSWORD.trim_start_matches("checksum/secret-");
        forecast.reasons.iter().any(|reason| reason.starts_with(&format!("secret {name}")))
    };
    let both = redis && relay && forecasts.iter().all(|f| f.restart != Restart::Yes || password(f));
    for forecast in forecasts.iter_mut() {
        if restarts(forecast, Kind::StatefulSet) {
            forecast.notes.push(if both {
                "the relay is unavailable until both it and Redis have the new password".to_owned()
            } else {
                "it has one pod: the relay fails requests until it is ready again".to_owned()
            });
        }
        let object = new_objects.get(&(forecast.namespace.clone(), forecast.name.clone()));
        let strategy = object.and_then(|object| object.pointer("/spec/strategy/type")?.as_str());
        if restarts(forecast, Kind::Deployment) && strategy == Some("Recreate") {
            forecast
                .notes
                .push("strategy Recreate: all old pods stop before a new one starts".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reasons_start_with_images_containers_and_privileges() {
        let workload = |spec: Value| json!({"kind": "Deployment", "spec": {"template": spec}});
        let container = |image: &str, level: &str| json!({"name": "web", "image": image, "env": [{"name": "A", "value": level}]});
        let old = workload(json!({
            "metadata": {"labels": {"a": "1"}},
            "spec": {"containers": [container("r.example/web:1", "1")],
                "securityContext": {"runAsUser": 1000}},
        }));
        let new = workload(json!({
            "metadata": {"labels": {"a": "2"}},
            "spec": {"containers": [container("r.example/web:2", "2"),
                    {"name": "x", "image": "r.example/x:1"}],
                "securityContext": {"runAsUser": 0}, "hostNetwork": true},
        }));

        let (restart, reasons) = reasons(&old, &new, &Configs::new());

        let wanted = [
            "image of web changed",
            "container x added with image r.example/x:1",
            "hostNetwork added",
            "securityContext changed",
            "pod label a changed",
            "environment variable A of web changed",
        ];
        assert_eq!((restart, reasons), (Restart::Yes, wanted.map(str::to_owned).to_vec()));
    }
}
