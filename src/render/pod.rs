//! Parts of pods that several renderers share.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    EmptyDirVolumeSource, EnvVar, EnvVarSource, ObjectFieldSelector,
    PersistentVolumeClaimVolumeSource, SecretKeySelector, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::profile::resolve::SecretRef;

/// Returns an amount of mebibytes in the API server's own spelling, so that no drift shows.
pub(super) fn mebibytes(number: u64) -> String {
    if number.is_multiple_of(1024) { format!("{}Gi", number / 1024) } else { format!("{number}Mi") }
}

/// Returns an emptyDir volume, which is deleted with the pod.
pub(super) fn empty_dir(name: &str, size_limit: impl Into<String>) -> Volume {
    let source = EmptyDirVolumeSource {
        size_limit: Some(Quantity(size_limit.into())),
        ..EmptyDirVolumeSource::default()
    };
    Volume { name: name.into(), empty_dir: Some(source), ..Volume::default() }
}

/// Returns a volume backed by a PVC.
pub(super) fn claim(name: &str, claim_name: impl Into<String>) -> Volume {
    let source = PersistentVolumeClaimVolumeSource {
        claim_name: claim_name.into(),
        ..PersistentVolumeClaimVolumeSource::default()
    };
    Volume { name: name.into(), persistent_volume_claim: Some(source), ..Volume::default() }
}

/// Returns a mount of the whole volume `name`.
pub(super) fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount { name: name.into(), mount_path: path.into(), ..VolumeMount::default() }
}

/// Returns a read-only mount of the whole volume `name`.
pub(super) fn mount_read_only(name: &str, path: &str) -> VolumeMount {
    VolumeMount { read_only: Some(true), ..mount(name, path) }
}

/// Returns an environment variable with the value of a secret.
pub(super) fn secret_env(name: impl Into<String>, secret: &SecretRef<'_>) -> EnvVar {
    let selector =
        SecretKeySelector { name: secret.object.clone(), key: secret.key.clone(), optional: None };
    let source = EnvVarSource { secret_key_ref: Some(selector), ..EnvVarSource::default() };
    EnvVar { name: name.into(), value_from: Some(source), ..EnvVar::default() }
}

/// Returns an environment variable with the value of a pod's field.
pub(super) fn field_env(name: &str, field: &str) -> EnvVar {
    let selector = ObjectFieldSelector { api_version: Some("v1".into()), field_path: field.into() };
    let source = EnvVarSource { field_ref: Some(selector), ..EnvVarSource::default() };
    EnvVar { name: name.into(), value_from: Some(source), ..EnvVar::default() }
}

/// Returns the annotation that changes when pods must restart because of a secret.
pub(super) fn secret_token(secret: &SecretRef<'_>) -> (String, String) {
    (format!("checksum/secret-{}", secret.purpose.data_key()), secret.token.clone())
}

/// Returns `None` for an empty list, which the API server would drop and drift would report.
pub(super) fn list<T: Clone>(items: &[T]) -> Option<Vec<T>> {
    (!items.is_empty()).then(|| items.to_vec())
}

/// Returns `None` for an empty map.
pub(super) fn map(entries: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!entries.is_empty()).then(|| entries.clone())
}
