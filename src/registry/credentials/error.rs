//! Why credentials cannot be used, and the risks of usable ones.

use std::io;
use std::time::Duration;

use camino::Utf8PathBuf;

/// A risk of a usable credential file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialWarning {
    #[error("`{path}` has mode {mode:04o}: other users can read the credentials in it")]
    Readable { path: Utf8PathBuf, mode: u32 },
}

impl CredentialWarning {
    pub fn remedy(&self) -> String {
        let Self::Readable { path, .. } = self;
        format!("chmod 600 {path}")
    }
}

/// Why credentials cannot be used. Never quotes a file or a helper's answer.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    #[error("cannot read credentials: {0}")]
    Read(String),
    #[error("`{path}` is not a credential file of docker or podman: line {line}, column {column}")]
    Form { path: Utf8PathBuf, line: usize, column: usize },
    #[error("the credentials for `{key}` in `{path}` are not base64 of USER:PASSWORD")]
    Encoding { path: Utf8PathBuf, key: String },
    #[error(
        "`{path}` has a credential helper with an invalid name: expected lowercase letters, digits and `-`"
    )]
    HelperName { path: Utf8PathBuf },
    #[error("the credential helper `{name}` cannot be started: {why}")]
    HelperStart { name: String, why: io::Error },
    #[error("the credential helper `{name}` did not answer within {} s", .limit.as_secs())]
    HelperHangs { name: String, limit: Duration },
    #[error("the credential helper `{name}` failed for `{server}`")]
    HelperFailed { name: String, server: String },
    #[error("the credential helper `{name}` did not print credentials for `{server}`")]
    HelperAnswer { name: String, server: String },
}

impl CredentialError {
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Read(_) => Some("correct it, or name a file with --registry-config FILE".to_owned()),
            Self::Form { .. } | Self::Encoding { .. } => {
                Some("write it again with `docker login` or `podman login`, or pass another with --registry-config FILE".to_owned())
            }
            Self::HelperName { .. } => {
                Some("correct `credsStore` or `credHelpers`, or pass another file with --registry-config FILE".to_owned())
            }
            Self::HelperStart { name, .. } => Some(format!(
                "install {name} on the PATH, or pass a file without it with --registry-config FILE"
            )),
            Self::HelperHangs { name, .. } => {
                Some(format!("run `{name} list` to see what it waits for, or pass a file without it with --registry-config FILE"))
            }
            Self::HelperFailed { name, server } | Self::HelperAnswer { name, server } => {
                Some(format!("see what it says: echo {server} | {name} get"))
            }
        }
    }
}
