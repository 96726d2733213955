//! `--identity`: the private keys that open sealed secrets.

use camino::Utf8PathBuf;

use crate::cmd::private_file;
use crate::failure::Failure;
use crate::sealed::{IDENTITIES_BYTES_MAX, Identities};

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
        let Some(path) = &self.identity else { return Ok(None) };
        let file = private_file::read_file_or_pipe(path, IDENTITIES_BYTES_MAX)?;
        let identities = Identities::parse(&file);
        identities.map(Some).map_err(|error| {
            Failure::input(format!("`{path}` cannot open secrets: {error}")).hint(
                "create a key: relay-bundle keygen --age; secrets are sealed for its public half",
            )
        })
    }
}
