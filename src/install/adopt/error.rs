//! The reasons why a release is not adopted.

use std::fmt;

use crate::failure::Failure;
use crate::helm::adoption_obstacle::AdoptionObstacle;
use crate::model::object_key::ObjectKey;
use crate::model::text::ReleaseName;
use crate::rollout::obstacle::Obstacle;

/// An adoption that would lose data, could not succeed, or was not approved.
#[derive(Debug, thiserror::Error)]
pub enum AdoptionError {
    #[error("the cluster lacks what the bundle needs; nothing was changed")]
    Missing(Vec<String>),
    #[error("cannot read all objects; nothing was changed")]
    Unreadable(Vec<Obstacle>),
    #[error("the Helm release `{release}` cannot be adopted; nothing was changed")]
    Obstructed { release: ReleaseName, obstacles: Vec<AdoptionObstacle> },
    /// The new plan has more changes than the approved one. `so_far` has the writes before it.
    #[error("the plan differs from the approved one; {so_far}")]
    Unapproved { so_far: String, changes: Vec<UnapprovedChange> },
}

/// A change that the approved plan does not have.
#[derive(Debug, PartialEq, Eq)]
pub enum UnapprovedChange {
    Deleted(ObjectKey),
    Taken {
        key: ObjectKey,
        field: String,
        manager: String,
    },
    /// Values of a Secret, with their keys.
    Generated(String),
}

impl fmt::Display for UnapprovedChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deleted(key) => write!(f, "{key}: it is deleted"),
            Self::Taken { key, field, manager } => {
                write!(f, "{key}: {field} is taken over from {manager}")
            }
            Self::Generated(values) => write!(f, "{values}: values are generated"),
        }
    }
}

impl From<AdoptionError> for Failure {
    fn from(error: AdoptionError) -> Self {
        let reasons: Vec<String> = match &error {
            AdoptionError::Missing(what) => what.clone(),
            AdoptionError::Unreadable(unseen) => unseen.iter().map(ToString::to_string).collect(),
            AdoptionError::Obstructed { obstacles, .. } => {
                obstacles.iter().map(ToString::to_string).collect()
            }
            AdoptionError::Unapproved { changes, .. } => {
                changes.iter().map(ToString::to_string).collect()
            }
        };
        Self { reasons, ..Self::world(error) }
    }
}
