//! The reasons why Helm's records cannot be read or archived, with their remedies.

use crate::failure::Failure;
use crate::helm::release::{InvalidRelease, REVISIONS_MAX};
use crate::model::text::ReleaseName;

/// Records of a release that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HelmRecordError {
    #[error("Secret {secret} in {namespace}, Helm's record of a revision, cannot be read: {why}")]
    Unreadable { secret: String, namespace: String, why: InvalidRelease },
    #[error(
        "Secret {secret} in {namespace}, Helm's record of a revision, cannot be read: its label \
         `version` does not match its revision"
    )]
    Mislabelled { secret: String, namespace: String },
    #[error("two records of revision {revision} of the Helm release `{release}` in {namespace}")]
    Twice { revision: u64, release: ReleaseName, namespace: String },
    #[error("Helm release `{release}` does not exist in namespace {namespace}")]
    NotFound {
        release: ReleaseName,
        namespace: String,
        /// The releases in the namespace.
        others: Vec<String>,
    },
    #[error(
        "revision {revision} of the Helm release `{release}` is `{status}`: the state of the \
         cluster is unknown"
    )]
    NotReady { revision: u64, release: ReleaseName, status: String },
    #[error("another client keeps creating revisions of the Helm release `{0}`")]
    KeepsGrowing(ReleaseName),
    #[error("Secret {secret} already exists with different content")]
    ArchiveTaken { secret: String },
    #[error("Helm keeps more than {REVISIONS_MAX} revisions of `{0}`")]
    TooMany(ReleaseName),
    #[error("the server's list of the Secrets of `{0}` does not end")]
    Endless(ReleaseName),
    #[error("Secret {secret}, a Helm record, has no label with its revision")]
    Unnumbered { secret: String },
}

impl From<HelmRecordError> for Failure {
    fn from(error: HelmRecordError) -> Self {
        let hint = match &error {
            HelmRecordError::Unreadable { .. } => {
                "nothing was changed; check with `helm history` whether Helm can read it"
            }
            HelmRecordError::Mislabelled { .. } => {
                "nothing was changed; find out which client changed it: Helm writes the label"
            }
            HelmRecordError::Twice { .. } => {
                "nothing was changed; Helm creates one Secret per revision: find out which client \
                 created the other"
            }
            HelmRecordError::NotFound { others, .. } => {
                let others = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
                return Self::input(error)
                    .hint(format!("releases in this namespace: {others}"))
                    .hint(
                        "list all releases with `helm list --all-namespaces`; the bundle's \
                         `release.namespace` must be that of the release",
                    );
            }
            HelmRecordError::NotReady { .. } => {
                "bring it to `deployed` first, with `helm rollback` or by repeating the upgrade; \
                 check with `helm history`"
            }
            HelmRecordError::KeepsGrowing(_) => {
                "the bundle is applied; stop the client that runs helm, and run the command again"
            }
            HelmRecordError::ArchiveTaken { .. } => {
                "it is the archive of another release with this name: move it away, and run the \
                 command again"
            }
            HelmRecordError::TooMany(_) => {
                "delete the Secrets of the oldest; `helm history` lists them"
            }
            HelmRecordError::Endless(_) => {
                "run the command again; ask the cluster administrator about proxies in front of \
                 the API server"
            }
            HelmRecordError::Unnumbered { .. } => {
                "the bundle is applied; find out which client changed the Secret, and run the \
                 command again"
            }
        };
        Self::world(error).hint(hint)
    }
}
