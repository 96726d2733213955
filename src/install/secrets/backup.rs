//! Copies the Secrets of an installation to an encrypted file, and reads such a file.

use camino::{Utf8Path, Utf8PathBuf};

use super::recovery_file::{described, saved, write_new};
use crate::bundle::open::Bundle;
use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::fsio;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::sealed::{Identities, RECOVERY_BYTES_MAX, Recipients, Recovery, RecoveryError, Saved};

/// A backup that cannot be written or used.
#[derive(Debug, thiserror::Error)]
enum BackupError {
    #[error("Secrets are missing; a backup of the others would look complete")]
    Missing(Vec<String>),
    #[error("the bundle refers to no Secret: nothing to back up")]
    NoSecrets,
    #[error("`{path}`: {why}")]
    Unopened { path: Utf8PathBuf, why: RecoveryError },
    #[error(
        "`{path}` is for {} in namespace {}, but the bundle is {} for namespace {}",
        .found.0, .found.1, .wanted.0, .wanted.1
    )]
    OfAnother {
        path: Utf8PathBuf,
        /// The installation and its namespace.
        found: (String, String),
        wanted: (String, String),
    },
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        match &error {
            BackupError::Missing(secrets) => {
                let secrets = secrets.clone();
                secrets.into_iter().fold(Self::world(error), Self::reason)
            }
            BackupError::NoSecrets => Self::input(error),
            BackupError::Unopened { .. } => {
                Self::input(error).hint("the cluster was not contacted")
            }
            BackupError::OfAnother { .. } => {
                Self::input(error).hint("use the file or the bundle of this installation")
            }
        }
    }
}

/// A written backup.
pub struct Backup {
    pub path: Utf8PathBuf,
    /// The Secrets, with their keys.
    pub secrets: Vec<String>,
}

/// Writes every Secret to which the bundle refers to a new file.
///
/// # Errors
///
/// When a Secret is missing, the cluster does not answer, or the disk fails.
pub fn back_up(
    cluster: &Cluster,
    bundle: &Bundle,
    recipients: &Recipients,
    file: &Utf8Path,
) -> Result<Backup, Failure> {
    let secrets = read_all(cluster, bundle)?;
    let list = secrets.iter().map(described).collect();
    let (name, namespace) = (bundle.index.name.to_string(), bundle.index.namespace.to_string());
    let recovery = Recovery { bundle: name, namespace, secrets };
    let bytes = recovery.seal(recipients).map_err(Failure::world)?;
    Ok(Backup { path: write_new(file, &bytes)?, secrets: list })
}

/// Reads every Secret to which the bundle refers.
fn read_all(cluster: &Cluster, bundle: &Bundle) -> Result<Vec<Saved>, Failure> {
    let (mut secrets, mut missing) = (Vec::<Saved>::new(), Vec::new());
    let namespace = bundle.index.namespace.as_str();
    let wanted = bundle.index.contract.iter();
    for wanted in wanted.filter(|wanted| wanted.is(Kind::Secret) && wanted.namespace == namespace) {
        let key = ObjectKey::of(Kind::Secret, &wanted.namespace, &wanted.name);
        match cluster.find_secret(&key)? {
            Some(secret) => secrets.push(saved(&key.name, &secret)),
            None => missing.push(format!("{key}, for {}", wanted.used_by.join(", "))),
        }
    }
    if !missing.is_empty() {
        return Err(BackupError::Missing(missing).into());
    }
    if secrets.is_empty() {
        return Err(BackupError::NoSecrets.into());
    }
    Ok(secrets)
}

/// Opens a recovery file in memory.
///
/// # Errors
///
/// When no key opens it, or it is that of another installation.
pub fn open_backup(
    path: &Utf8Path,
    identities: &Identities,
    bundle: &Bundle,
) -> Result<Recovery, Failure> {
    let file = fsio::read_bounded(path, RECOVERY_BYTES_MAX as u64)?;
    let path = path.to_owned();
    let recovery = match Recovery::open(&file, identities) {
        Ok(recovery) => recovery,
        Err(why) => return Err(BackupError::Unopened { path, why }.into()),
    };
    let (name, namespace) = (&bundle.index.name, &bundle.index.namespace);
    if recovery.bundle == name.as_str() && recovery.namespace == namespace.as_str() {
        return Ok(recovery);
    }
    let (found, wanted) =
        ((recovery.bundle, recovery.namespace), (name.to_string(), namespace.to_string()));
    Err(BackupError::OfAnother { path, found, wanted }.into())
}
