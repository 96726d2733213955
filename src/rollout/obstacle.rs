//! The reasons why a plan cannot be carried out, besides objects that the server refuses.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::model::object_key::ObjectKey;
use crate::model::text::ReleaseName;

/// An obstacle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The cluster lacks an object, or a key of one, that the bundle refers to.
    Missing(String),
    /// The cluster does not serve an API group.
    Unserved(MissingGroup),
    /// An object of the plan must not be read.
    Unreadable { key: ObjectKey, why: String },
    /// Creating the Secrets could cost data, or lacks the consent of the operator.
    Secrets { why: String, remedies: Vec<String> },
    /// The server refuses the pods of a workload.
    Pod { workload: ObjectKey, why: String },
    /// The operator lacks permissions. `roles` are the arguments of `rbac` that prints them.
    MissingPermissions { permissions: Vec<String>, roles: Roles },
    /// An image is not in its registry, or was not found there although it must be.
    Image { image: String, remedy: String },
    /// The adoption of a Helm release must be finished first.
    UnfinishedAdoption(ReleaseName),
    /// Another Secret has the name that the archive of a Helm revision needs.
    ArchiveName { secret: String, revision: u64 },
}

/// An API group that the cluster does not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingGroup {
    pub group: String,
    /// The objects that need it, in words.
    pub users: String,
}

impl MissingGroup {
    /// Returns whether an object belongs to this group.
    pub fn has(&self, key: &ObjectKey) -> bool {
        key.api_version.split('/').next() == Some(&self.group)
    }
}

impl fmt::Display for MissingGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the cluster does not serve the API group {}, for {}", self.group, self.users)
    }
}

/// The roles that `rbac` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roles {
    Apply,
    Adopt,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(what) => write!(f, "missing: {what}"),
            Self::Unserved(group) => write!(f, "{group}"),
            Self::Unreadable { key, why } => {
                write!(f, "cannot read {key}: {why}: request the permission")
            }
            Self::Secrets { why, remedies } => {
                f.write_str(why)?;
                remedies.iter().try_for_each(|remedy| write!(f, "; {remedy}"))
            }
            Self::Pod { workload, why } => write!(f, "{}/{}: {why}", workload.kind, workload.name),
            Self::MissingPermissions { permissions, roles } => {
                let print = match roles {
                    Roles::Apply => "the Role printed by `relay-bundle rbac`",
                    Roles::Adopt => "the Roles printed by `relay-bundle rbac --from-helm`",
                };
                write!(f, "missing permissions: {}; apply {print}", permissions.join(", "))
            }
            Self::Image { image, remedy } => write!(f, "image {image}: {remedy}"),
            Self::UnfinishedAdoption(release) => write!(
                f,
                "the adoption of the Helm release `{release}` is not finished: run `relay-bundle \
                 adopt --from-helm {release}` with its bundle again"
            ),
            Self::ArchiveName { secret, revision } => write!(
                f,
                "Secret/{secret}: its name is needed for the archive of Helm's revision {revision}: \
                 move it away"
            ),
        }
    }
}

impl Serialize for Obstacle {
    /// Writes the text that people see.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
