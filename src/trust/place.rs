//! The place that a minimum serial applies to: an installation, and the site and cluster of the
//! trust policy.

use serde::{Deserialize, Serialize};

use super::policy::{PolicyTarget, uid};
use super::statement::Statement;
use crate::model::text::{Label, ReleaseName};

/// An installation at a site and in a cluster, as far as the trust policy names them.
// The order of the fields is the sort order of the entries in the state file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Place {
    pub bundle: ReleaseName,
    pub profile: Label,
    pub namespace: Label,
    /// `target.site` of the trust policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Label>,
    /// `target.clusterUid` of the trust policy.
    #[serde(default, deserialize_with = "uid", skip_serializing_if = "Option::is_none")]
    pub cluster_uid: Option<String>,
}

impl Place {
    /// Returns the place of a statement at the target of a policy.
    pub fn of(statement: &Statement, target: &PolicyTarget) -> Self {
        let predicate = &statement.predicate;
        Self {
            bundle: predicate.bundle.clone(),
            profile: predicate.profile.clone(),
            namespace: predicate.namespace.clone(),
            site: target.site.clone(),
            cluster_uid: target.cluster_uid.clone(),
        }
    }

    /// Returns whether a minimum serial of this place applies to `other`: the installation is the
    /// same, and this place's site and cluster are each unset or the same.
    ///
    /// Never the other way round: one of two named sites must not block the other's releases.
    pub fn covers(&self, other: &Self) -> bool {
        let is_open_or_same =
            |own: Option<&str>, theirs: Option<&str>| own.is_none() || own == theirs;
        self.is_same_installation(other)
            && is_open_or_same(
                self.site.as_ref().map(Label::as_str),
                other.site.as_ref().map(Label::as_str),
            )
            && is_open_or_same(self.cluster_uid.as_deref(), other.cluster_uid.as_deref())
    }

    /// Returns whether both have the same bundle, profile and namespace.
    pub fn is_same_installation(&self, other: &Self) -> bool {
        (&self.bundle, &self.profile, &self.namespace)
            == (&other.bundle, &other.profile, &other.namespace)
    }
}
