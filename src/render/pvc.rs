//! Renders PVCs, which are never pruned: their data outlives every release.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::labels::{Component, metadata};
use crate::model::number::Size;
use crate::model::text::StorageClass;
use crate::profile::resolve::Profile;
use crate::profile::settings::AccessMode;

pub(super) fn logs_name(profile: &Profile) -> String {
    format!("{}-logs", profile.names.full)
}

pub(super) fn external_data_name(profile: &Profile) -> String {
    format!("{}-external-data", profile.names.full)
}

/// Returns the name of Redis's PVC: the bundle's own, or the one that the profile names.
pub(super) fn redis_name(profile: &Profile) -> String {
    match profile.settings.redis.persistence.existing_claim.as_str() {
        "" => format!("{}-data", profile.names.redis),
        existing => existing.to_owned(),
    }
}

pub(super) fn logs(profile: &Profile) -> PersistentVolumeClaim {
    let claim = &profile.settings.storage.logs.persistence;
    render(
        profile,
        Component::Relay,
        logs_name(profile),
        &claim.storage_class,
        claim.access_mode,
        &claim.size,
    )
}

pub(super) fn external_data(profile: &Profile) -> PersistentVolumeClaim {
    let claim = &profile.settings.storage.data.external;
    render(
        profile,
        Component::Relay,
        external_data_name(profile),
        &claim.storage_class,
        claim.access_mode,
        &claim.size,
    )
}

pub(super) fn redis(profile: &Profile) -> PersistentVolumeClaim {
    let claim = &profile.settings.redis.persistence;
    render(
        profile,
        Component::Redis,
        redis_name(profile),
        &claim.storage_class,
        claim.access_mode,
        &claim.size,
    )
}

fn render(
    profile: &Profile,
    component: Component,
    name: String,
    class: &StorageClass,
    mode: AccessMode,
    size: &Size,
) -> PersistentVolumeClaim {
    let storage_class_name = match class.as_str() {
        "" => None,
        "-" => Some(String::new()),
        class => Some(class.to_owned()),
    };
    let requests = BTreeMap::from([("storage".to_owned(), Quantity(size.to_string()))]);
    PersistentVolumeClaim {
        metadata: metadata(profile, component, name),
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec![mode.as_str().into()]),
            resources: Some(VolumeResourceRequirements { requests: Some(requests), limits: None }),
            storage_class_name,
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}
