use crate::failure::Failure;
use crate::model::object_key::ObjectKey;
use crate::rollout::obstacle::Obstacle;

/// Why an installation cannot be removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// `abandon` is the command line that gives the release back.
    #[error("{adoption}")]
    Unfinished { adoption: Obstacle, abandon: String },
    #[error("no adoption is in progress: nothing to abandon")]
    NothingToAbandon,
    /// `pods` describes each remaining pod.
    #[error("not gone after {seconds} s: {key}")]
    Remains { seconds: u64, key: ObjectKey, pods: Vec<String> },
}

impl From<RemoveError> for Failure {
    fn from(mut error: RemoveError) -> Self {
        match &mut error {
            RemoveError::Unfinished { abandon, .. } => {
                let hint = format!("or give the release back to Helm: {abandon}");
                Self::world(error).hint(hint)
            }
            RemoveError::NothingToAbandon => Self::input(error)
                .hint("to remove the installation, run `relay-bundle remove` without --abandon"),
            RemoveError::Remains { pods, .. } => {
                let reasons = std::mem::take(pods);
                Self { reasons, ..Self::world(error) }
            }
        }
    }
}
