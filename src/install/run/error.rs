use crate::failure::Failure;
use crate::rollout::lock::RecordLock;

/// Why a run cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("Namespace/{0} is being deleted; nothing was changed")]
    NamespaceEnding(String),
    #[error("namespace {0} does not exist, and the bundle does not create it")]
    NoNamespace(String),
    #[error("another run is in progress, or was interrupted: {0}")]
    Unfinished(RecordLock),
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let hint = match &error {
            RunError::NamespaceEnding(namespace) => format!(
                "wait until it is gone (kubectl wait --for=delete namespace/{namespace}), then run \
                 the same command again"
            ),
            RunError::NoNamespace(namespace) => format!("kubectl create namespace {namespace}"),
            RunError::Unfinished(_) => {
                "wait until it is done, or apply the bundle: that creates its secrets too"
                    .to_owned()
            }
        };
        Self::world(error).hint(hint)
    }
}
