//! Registry credentials, from the files of docker and podman.
//!
//! | entry of a file, in this order | credentials |
//! |---|---|
//! | `credHelpers` for the host | from the helper |
//! | `credsStore` | from the helper, if it knows the host |
//! | `auths` for the repository, its parents, then the host | a password or an identity token |
//!
//! The first file with credentials for an image wins. A helper runs only when a registry asks for
//! credentials.

mod auth_file;
mod error;
mod helper;
mod login;
mod places;

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

pub use error::{CredentialError, CredentialWarning};
pub(super) use login::{LoginSecret, RegistryLogin};
pub use places::{CredentialEnvironment, CredentialFile, Presence};

use self::auth_file::AuthFile;
use super::host::Repository;
use crate::fsio::guard::read_secret;
use crate::fsio::{ReadFileError, open_regular};

/// The maximum size of a credential file: one with a hundred registries has about ten thousand
/// bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The permission bits for read access by other users.
const OTHERS_READ: u32 = 0o044;

/// The operator's registry credentials. Without `Debug`.
#[derive(Default)]
pub struct RegistryCredentials {
    files: Vec<AuthFile>,
}

/// The format of a pull Secret, which its type determines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullSecretFormat {
    /// `kubernetes.io/dockerconfigjson`: docker's `config.json`.
    ConfigJson,
    /// `kubernetes.io/dockercfg`: docker's former file.
    Dockercfg,
}

impl PullSecretFormat {
    /// Returns the format of a Secret of this type; nodes ignore Secrets of other types.
    pub fn of_type(secret_type: &str) -> Option<Self> {
        match secret_type {
            "kubernetes.io/dockerconfigjson" => Some(Self::ConfigJson),
            "kubernetes.io/dockercfg" => Some(Self::Dockercfg),
            _ => None,
        }
    }

    /// Returns the data key of the Secret.
    pub fn key(self) -> &'static str {
        match self {
            Self::ConfigJson => ".dockerconfigjson",
            Self::Dockercfg => ".dockercfg",
        }
    }
}

impl RegistryCredentials {
    /// Reads the existing files in order.
    ///
    /// # Errors
    ///
    /// When a file is malformed, or a required one is missing.
    pub fn read(
        files: &[CredentialFile],
    ) -> Result<(Self, Vec<CredentialWarning>), CredentialError> {
        let (mut configs, mut warnings) = (Vec::new(), Vec::new());
        for CredentialFile { path, presence } in files {
            let refused = |error: ReadFileError| CredentialError::Read(error.to_string());
            let (file, _) = match open_regular(path) {
                Err(ReadFileError::Io(error))
                    if error.kind() == io::ErrorKind::NotFound
                        && *presence == Presence::Optional =>
                {
                    continue;
                }
                opened => opened.map_err(refused)?,
            };
            let mode = file.metadata().map_err(|error| refused(error.into()))?.mode() & 0o7777;
            let bytes = read_secret(path, file, FILE_BYTES_MAX)
                .map_err(|error| CredentialError::Read(error.to_string()))?;
            let config = AuthFile::parse(path, &bytes)?;
            if mode & OTHERS_READ != 0 && config.holds_secrets() {
                warnings.push(CredentialWarning::Readable { path: path.clone(), mode });
            }
            configs.push(config);
        }
        Ok((Self { files: configs }, warnings))
    }

    /// Gives the logins of a pull Secret precedence over all others. Its helpers are ignored: a
    /// cluster must not choose programs that run on this machine.
    ///
    /// # Errors
    ///
    /// When it does not have the given format.
    pub fn prefer_pull_secret(
        &mut self,
        name: &str,
        format: PullSecretFormat,
        bytes: &[u8],
    ) -> Result<(), CredentialError> {
        let file = match format {
            PullSecretFormat::ConfigJson => AuthFile::parse(name.into(), bytes)?.without_helpers(),
            PullSecretFormat::Dockercfg => AuthFile::parse_logins(name.into(), bytes)?,
        };
        self.files.insert(0, file);
        Ok(())
    }

    /// Returns the login for a repository, if any. `patience` is the deadline of each helper.
    pub(super) fn find(
        &self,
        repository: &Repository,
        patience: Duration,
    ) -> Result<Option<RegistryLogin>, CredentialError> {
        for file in &self.files {
            if let Some(login) = file.find(repository, patience)? {
                return Ok(Some(login));
            }
        }
        Ok(None)
    }
}
