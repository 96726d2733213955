//! `--key` and its passphrase, shared by every command that signs.

use camino::Utf8PathBuf;

use crate::cmd::ctx::Ctx;
use crate::cmd::{random, signing_key};
use crate::failure::Failure;
use crate::fsio::is_there;
use crate::keyring::passphrase_source::PassphraseSource;
use crate::keyring::signing_key::make_pair;
use crate::trust::key::PrivateKey;
use crate::trust::passphrase::Passphrase;

/// The private key that signs, and where its passphrase is.
#[derive(Debug, clap::Args)]
#[command(
    mut_arg("passphrase_file", |argument| argument.requires("key")),
    mut_arg("passphrase_fd", |argument| argument.requires("key"))
)]
pub struct KeyArgs {
    /// The private key for signing: a PEM file with mode 0600
    #[arg(long, value_name = "PEM")]
    pub key: Option<Utf8PathBuf>,
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
}

/// Where a passphrase is. It is never an argument or a variable, which other processes can see.
#[derive(Debug, clap::Args)]
pub struct PassphraseArgs {
    /// Read the passphrase of the key from a file with mode 0600, or from a pipe
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_fd")]
    pub passphrase_file: Option<Utf8PathBuf>,
    /// Read the passphrase of the key from an open file descriptor
    #[arg(long, value_name = "N")]
    pub passphrase_fd: Option<u32>,
}

impl KeyArgs {
    /// Reads the private key. Asks for a passphrase only if the key is encrypted.
    ///
    /// # Errors
    ///
    /// When no key is named, other users have access to its file, it is not an Ed25519 key, or its
    /// passphrase is missing or wrong.
    pub fn load(&self, ctx: &Ctx) -> Result<PrivateKey, Failure> {
        let path = self.key.as_deref().ok_or_else(|| {
            Failure::input("no private key given")
                .hint("pass the private key with --key, or create one: relay-bundle keygen")
        })?;
        signing_key::load(path, &self.passphrase, ctx)
    }

    /// Reads the private key, or generates the pair if neither half exists. Also returns which of
    /// the two happened.
    ///
    /// A new key is encrypted with the passphrase of `--passphrase-file` or `--passphrase-fd`, and
    /// is unencrypted without them.
    ///
    /// # Errors
    ///
    /// As [`KeyArgs::load`] and [`make_pair`].
    pub fn load_or_make(&self, ctx: &Ctx) -> Result<(PrivateKey, KeyOrigin), Failure> {
        match self.key.as_deref() {
            Some(path) if !is_there(path)? => {
                let passphrase = self.passphrase.read()?;
                Ok((make_pair(path, passphrase.as_ref(), random::fill)?, KeyOrigin::Made))
            }
            _ => Ok((self.load(ctx)?, KeyOrigin::Read)),
        }
    }
}

/// The origin of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOrigin {
    /// The key existed.
    Read,
    /// The pair is new: the operator must learn where it is and who needs the public key.
    Made,
}

impl PassphraseArgs {
    /// Returns where the passphrase is, if an argument says so.
    fn source(&self) -> Option<PassphraseSource<'_>> {
        let file = self.passphrase_file.as_deref().map(PassphraseSource::File);
        file.or(self.passphrase_fd.map(PassphraseSource::Descriptor))
    }

    /// Returns the passphrase from `--passphrase-file` or `--passphrase-fd`, if either is given.
    ///
    /// # Errors
    ///
    /// When the source is unreadable, open to other users, or not a valid passphrase.
    pub fn read(&self) -> Result<Option<Passphrase>, Failure> {
        self.source().map(PassphraseSource::read).transpose()
    }

    /// Returns whether an argument names a passphrase.
    pub(in crate::cmd) fn is_given(&self) -> bool {
        self.source().is_some()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::ui::printer::{ColorChoice, Printer};

    #[derive(Debug, Parser)]
    struct KeyCommand {
        #[command(flatten)]
        key: KeyArgs,
    }

    fn args(arguments: &[&str]) -> Result<KeyArgs, clap::Error> {
        KeyCommand::try_parse_from([&["command"], arguments].concat()).map(|command| command.key)
    }

    #[test]
    fn passphrase_without_key_or_from_two_sources_is_refused() {
        for arguments in [
            &["--passphrase-file", "a"][..],
            &["--passphrase-fd", "3"],
            &["--key", "k", "--passphrase-file", "a", "--passphrase-fd", "3"],
            &["--key", "k", "--passphrase-fd", "-1"],
        ] {
            assert!(args(arguments).is_err(), "{arguments:?}");
        }
        assert!(args(&[]).is_ok() && args(&["--key", "k", "--passphrase-fd", "3"]).is_ok());
    }

    #[test]
    fn missing_key_failure_explains_how_to_create_key() {
        let printer = Printer::new(false, true, ColorChoice::Never);
        let ctx = Ctx { printer, started: std::time::Instant::now() };

        let failure = args(&[]).unwrap().load(&ctx).err().unwrap();

        assert!(failure.hints[0].contains("relay-bundle keygen"), "{:?}", failure.hints);
        assert_eq!(failure.kind, crate::failure::FailureKind::Input);
    }
}
