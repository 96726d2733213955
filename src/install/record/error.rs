//! Why the record cannot be read, locked or written.

use crate::failure::{Failure, PLAN_AGAIN};
use crate::model::command_line::kubectl_line;
use crate::model::object_key::ObjectKey;
use crate::model::text::ReleaseName;
use crate::rollout::lock::RecordLock;
use crate::rollout::record_names::record_labels;

/// Why the record cannot be read, locked or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error(
        "the record of the installation, ConfigMap {config_map} in namespace {namespace}, is damaged: {why}"
    )]
    Damaged { installation: ReleaseName, namespace: String, config_map: String, why: String },
    #[error("no generation of {0} is running")]
    NothingRuns(ReleaseName),
    /// The holder of the lock released it while we waited.
    #[error("{holder} has just finished")]
    Finished { holder: String },
    #[error("another run is in progress: {0} holds the lock")]
    Locked(RecordLock),
    #[error("{0} was deleted by another client during this run")]
    Deleted(ObjectKey),
    /// `by` is the holder of the lock, if the head has one.
    #[error("{key} was changed by {} during this run", described(by.as_deref()))]
    Changed { key: ObjectKey, by: Option<Box<RecordLock>> },
}

fn described(by: Option<&RecordLock>) -> String {
    by.map_or_else(|| "another client".to_owned(), ToString::to_string)
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        match &error {
            JournalError::Damaged { installation, namespace, .. } => {
                let labels = record_labels(installation);
                let line = ["-n", namespace, "delete", "configmap", "-l", &labels];
                let give_up = kubectl_line(line);
                Self::world(error).hint("restore that ConfigMap from a backup of the cluster").hint(
                    format!(
                        "or give up the record, with its history and its minimum serials, and \
                         apply the running bundle again: {give_up}"
                    ),
                )
            }
            JournalError::NothingRuns(_) => {
                Self::input(error).hint("list earlier generations with `relay-bundle history`")
            }
            JournalError::Locked(_) => Self::world(error).hint("wait until it is done"),
            JournalError::Finished { .. }
            | JournalError::Deleted(_)
            | JournalError::Changed { .. } => Self::world(error).hint(PLAN_AGAIN),
        }
    }
}
