//! `--identity`: the private keys that open sealed secrets.

use camino::Utf8PathBuf;

use crate::failure::Failure;
use crate::keyring::age_key::load_identities;
use crate::sealed::Identities;

/// Where the private keys are. They are never an argument or a variable, which other processes can
/// see.
#[derive(Debug, clap::Args)]
pub struct IdentityArgs {
    /// The age private keys that open sealed secrets: a file with mode 0600, as written by
    /// `age-keygen`, or a pipe
    #[arg(long, value_name = "FILE")]
    pub identity: Option<Utf8PathBuf>,
}

impl IdentityArgs {
    /// Reads the private keys, if a file is named.
    ///
    /// # Errors
    ///
    /// When the file is unreadable, open to other users, or holds anything but age keys.
    pub fn read(&self) -> Result<Option<Identities>, Failure> {
        self.identity.as_deref().map(load_identities).transpose()
    }
}
