//! The names and labels of the ConfigMaps and Secrets that hold the record.

use crate::model::label::{COMPONENT_LABEL, INSTANCE_LABEL, MANAGED_BY, MANAGED_BY_LABEL};
use crate::model::text::ReleaseName;

/// The components in the labels of the ConfigMaps: heads, generations and recovery copies.
pub const HEAD_COMPONENT: &str = "record";
pub const GENERATION_COMPONENT: &str = "record-generation";
pub const RECOVERY_COMPONENT: &str = "record-recovery";
/// The component of the Secrets that archive Helm's records after an adoption.
pub const HELM_ARCHIVE: &str = "helm-archive";

/// Returns the name of the head's ConfigMap.
pub fn head_name(bundle: &ReleaseName) -> String {
    format!("relay-bundle.{bundle}")
}

/// Returns the bundle of a head, from the name of its ConfigMap.
pub fn bundle_of(head_name: &str) -> Option<ReleaseName> {
    head_name.strip_prefix("relay-bundle.")?.parse().ok()
}

/// Returns the label selector for all heads in a namespace.
pub fn head_labels() -> String {
    format!("{MANAGED_BY_LABEL}={MANAGED_BY},{COMPONENT_LABEL}={HEAD_COMPONENT}")
}

/// Returns the label selector for everything that this program manages for an installation.
pub fn managed_labels(bundle: &ReleaseName) -> String {
    format!("{MANAGED_BY_LABEL}={MANAGED_BY},{}", instance_label(bundle))
}

/// Returns the label that every object and every pod of an installation has.
pub fn instance_label(bundle: &ReleaseName) -> String {
    format!("{INSTANCE_LABEL}={bundle}")
}

/// Returns the label selector for the record of a bundle, without the recovery copies of its
/// Secrets.
pub fn record_labels(bundle: &ReleaseName) -> String {
    let label = instance_label(bundle);
    format!("{label},{COMPONENT_LABEL} in ({HEAD_COMPONENT}, {GENERATION_COMPONENT})")
}

/// Returns the name of a generation's ConfigMap.
pub fn generation_name(bundle: &ReleaseName, generation: u64) -> String {
    format!("relay-bundle.{bundle}.{generation}")
}

/// Returns the name of the ConfigMap with encrypted copies of generated secrets.
pub fn recovery_name(bundle: &ReleaseName) -> String {
    format!("relay-bundle.{bundle}.recovery")
}
