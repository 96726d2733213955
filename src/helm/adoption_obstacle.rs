//! The obstacles to the adoption of a release, each with its remedy.

use serde_json::Value;

use super::field_owners::{RELEASE_NAME, RELEASE_NAMESPACE};
use crate::model::object_key::ObjectKey;

/// An obstacle, as a line of a report. `object` is an object as [`super::disposition::named`] names
/// it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AdoptionObstacle {
    #[error(
        "{key} belongs to the Helm release `{release}`{}: adopt that release first, or rename the \
         bundle's release",
        .namespace.as_ref().map(|other| format!(" in namespace {other}")).unwrap_or_default()
    )]
    OfAnotherRelease {
        key: ObjectKey,
        release: String,
        /// Its namespace, if it is not that of the bundle.
        namespace: Option<String>,
    },
    #[error(
        "{key} selects its pods by {theirs} and the bundle by {ours}, and a selector cannot \
         change: set `release.name`, `nameOverride` and `fullnameOverride` of the profile to \
         Helm's values (`relay-bundle import helm`), and build again"
    )]
    OtherSelector { key: ObjectKey, theirs: Value, ours: Value },
    /// It would keep running beside the bundle's workloads.
    #[error(
        "{object} is not in the bundle: set `release.name`, `nameOverride` and `fullnameOverride` \
         of the profile to Helm's values (`relay-bundle import helm`), and build again"
    )]
    NotInBundle { object: String },
    #[error(
        "{object} has the data, but the bundle has no Redis: adopt with `redis.enabled`, and move \
         the data afterwards"
    )]
    NoRedis { object: String },
    /// Nothing says that it belongs to the release: it may be another owner's.
    #[error(
        "{object} is in the release but not in the bundle, and is not marked as part of the \
         release, nor are its pods: find its owner; if it belongs to another owner, remove it from \
         the release (`helm upgrade` with a chart or values that omit it)"
    )]
    Unmarked { object: String },
    /// Only its pods carry the label of the release.
    #[error(
        "{object} is in the release but not in the bundle, and is not marked as part of the \
         release: if it is part of the release, restore Helm's annotations: kubectl -n {} annotate \
         --overwrite {key} {RELEASE_NAME}={release} {RELEASE_NAMESPACE}={namespace}",
        .key.namespace
    )]
    Unannotated { object: String, key: ObjectKey, release: String, namespace: String },
    #[error(
        "StatefulSet/{set} keeps its data without a PVC: the data would be lost with its pod. Save \
         the data, and install from scratch"
    )]
    NoClaim { set: String },
    #[error(
        "StatefulSet/{set} has several replicas, but the bundle's Redis has one: scale it to 1 \
         first"
    )]
    SeveralReplicas { set: String },
    #[error(
        "{0} has the data, but the bundle's Redis does not use it: set \
         `redis.persistence.existingClaim = \"{name}\"` in the profile, and build again",
        name = .0.name
    )]
    UnusedClaim(ObjectKey),
    #[error(
        "{claim} is deleted with its owner: set \
         `persistentVolumeClaimRetentionPolicy.whenDeleted` of StatefulSet/{set} to `Retain` first"
    )]
    OwnedClaim { claim: ObjectKey, set: String },
}
