//! `--key` and its passphrase, shared by every command that signs.

use std::fmt::Display;
use std::io::{self, IsTerminal as _};

use camino::{Utf8Path, Utf8PathBuf};
use zeroize::Zeroizing;

use crate::cmd::ctx::Ctx;
use crate::cmd::{private_file, random};
use crate::failure::Failure;
use crate::fsio::{Durability, MODE_PRIVATE, MODE_PUBLIC, create_new, is_there};
use crate::trust::key::{PrivateKey, PublicKey};
use crate::trust::key_file::{InvalidKeyFile, KEY_FILE_BYTES_MAX, Nonce};
use crate::trust::passphrase::{
    InvalidPassphrase, NEW_PASSPHRASE_BYTES_MIN, PASSPHRASE_BYTES_MAX, Passphrase,
};

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
        load(path, &self.passphrase, ctx)
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
    pub fn load_or_make(&self, ctx: &Ctx) -> Result<(PrivateKey, Origin), Failure> {
        match self.key.as_deref() {
            Some(path) if !is_there(path)? => {
                let passphrase = self.passphrase.read()?;
                Ok((make_pair(path, passphrase.as_ref())?, Origin::Made))
            }
            _ => Ok((self.load(ctx)?, Origin::Read)),
        }
    }
}

/// The origin of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The key existed.
    Read,
    /// The pair is new: the operator must learn where it is and who needs the public key.
    Made,
}

impl PassphraseArgs {
    /// Returns the passphrase from `--passphrase-file` or `--passphrase-fd`, if either is given.
    ///
    /// # Errors
    ///
    /// When the source is unreadable, open to other users, or not a valid passphrase.
    pub fn read(&self) -> Result<Option<Passphrase>, Failure> {
        // One more byte for the line feed.
        let limit = PASSPHRASE_BYTES_MAX as u64 + 1;
        match (&self.passphrase_file, self.passphrase_fd) {
            (Some(path), _) => {
                let line = private_file::read_file_or_pipe(path, limit)?;
                Passphrase::from_line(&line).map(Some).map_err(|error| no_passphrase(path, error))
            }
            (None, Some(number)) => {
                let line = read_descriptor(number, limit)?;
                let name = format!("file descriptor {number}");
                Passphrase::from_line(&line).map(Some).map_err(|error| no_passphrase(&name, error))
            }
            (None, None) => Ok(None),
        }
    }
}

/// Reads a private key. Asks for a passphrase only if the key is encrypted.
///
/// # Errors
///
/// As [`KeyArgs::load`].
pub(in crate::cmd) fn load(
    path: &Utf8Path,
    passphrase: &PassphraseArgs,
    ctx: &Ctx,
) -> Result<PrivateKey, Failure> {
    let file = private_file::read_key(path, KEY_FILE_BYTES_MAX).map_err(|failure| {
        let making = format!(
            "create the pair with `relay-bundle keygen --out {path}`, or while building with \
             --keygen"
        );
        if path.exists() { failure } else { failure.hint(making) }
    })?;
    match PrivateKey::from_pem(&file, None) {
        Err(InvalidKeyFile::NeedsPassphrase) => {}
        Err(error) => return Err(no_key(path, &error)),
        Ok(key) => {
            if passphrase.passphrase_file.is_some() || passphrase.passphrase_fd.is_some() {
                ctx.printer.say(&format!("`{path}` is not encrypted: the passphrase was not used"));
            }
            return Ok(key);
        }
    }
    let passphrase = match passphrase.read()? {
        Some(passphrase) => passphrase,
        None => ask(&format!("Passphrase of {path}: "), || format!("`{path}` is encrypted"))?,
    };
    PrivateKey::from_pem(&file, Some(&passphrase)).map_err(|error| no_key(path, &error))
}

/// Asks on the terminal for the passphrase of a new key, twice.
///
/// # Errors
///
/// When stdin or stderr is not a terminal, the two answers differ, or the passphrase is too short.
pub(in crate::cmd) fn ask_for_new(path: &Utf8Path) -> Result<Passphrase, Failure> {
    let why = || "the new key needs one".to_owned();
    let first = ask(&format!("Passphrase for {path}: "), why)?;
    check_new(&first)?;
    let second = ask("Repeat: ", why)?;
    if first.is_same(&second) {
        Ok(first)
    } else {
        Err(Failure::input("the two passphrases differ"))
    }
}

/// Generates a key pair: writes the private key to `private` with mode 0600, and the public key
/// beside it as `….pub.pem`.
///
/// The private key is on disk before the public key is written.
///
/// # Errors
///
/// When either file exists: then nothing is written.
pub fn make_pair(
    private: &Utf8Path,
    passphrase: Option<&Passphrase>,
) -> Result<PrivateKey, Failure> {
    let public = public_path(private);
    for path in [private, &public] {
        if is_there(path)? {
            return Err(Failure::input(format!(
                "`{path}` already exists, and keys are never overwritten"
            ))
            .hint("choose another file for the new key")
            .hint(format!("show the existing key: relay-bundle keygen --public {path}")));
        }
    }
    passphrase.map_or(Ok(()), check_new)?;
    let key = PrivateKey::from_seed(&*random::<32>()?);
    let pem = match passphrase {
        Some(passphrase) => {
            let (salt, iv): (Zeroizing<Nonce>, Zeroizing<Nonce>) = (random()?, random()?);
            key.to_encrypted_pem(passphrase, &salt, *iv)
        }
        None => key.to_pem(),
    };
    create_new(private, pem.as_bytes(), MODE_PRIVATE, Durability::Synced)?;
    create_new(&public, key.public().to_pem().as_bytes(), MODE_PUBLIC, Durability::Synced)
        .map_err(|error| {
            Failure::from(error)
                .hint(format!(
                    "the private key `{private}` is complete; once there is space, create its \
                     public half: openssl pkey -in {private} -pubout -out {public}"
                ))
                .hint(format!(
                    "print its trust entry: relay-bundle keygen --public {private} --holder NAME"
                ))
        })?;
    Ok(key)
}

/// Tells the operator where a new pair is, which half to back up, and who needs the public key.
pub(in crate::cmd) fn tell_of_new_pair(
    private: &Utf8Path,
    is_encrypted: bool,
    key: &PublicKey,
    ctx: &Ctx,
) {
    let how = if is_encrypted { "under its passphrase" } else { "without a passphrase" };
    let public = public_path(private);
    ctx.printer.say_lines(&format!(
        "created `{private}`, the private key, {how}; keep an offline copy: it cannot be recreated; never share it
created `{public}`, the public key {id}
every site that accepts your bundles needs its entry in trust.toml and a grant that names it; compare the keyid by telephone
to print the entry again: relay-bundle keygen --public {public} --holder NAME",
        id = key.id(),
    ));
}

/// Returns the path of the public key of a private key: `signing.pub.pem` for `signing.pem`.
pub fn public_path(private: &Utf8Path) -> Utf8PathBuf {
    let stem = private.as_str().strip_suffix(".pem").unwrap_or(private.as_str());
    format!("{stem}.pub.pem").into()
}

fn check_new(passphrase: &Passphrase) -> Result<(), Failure> {
    if !passphrase.is_short() {
        return Ok(());
    }
    Err(Failure::input(format!("the passphrase has fewer than {NEW_PASSPHRASE_BYTES_MIN} bytes"))
        .hint("use several words: a thief of the file can try billions of passphrases"))
}

/// Asks on the terminal without echo.
fn ask(prompt: &str, why: impl Fn() -> String) -> Result<Passphrase, Failure> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Failure::input(format!(
            "cannot ask for a passphrase without a terminal: {}",
            why()
        ))
        .hint("pass the passphrase with --passphrase-file FILE or --passphrase-fd N"));
    }
    let line = Zeroizing::new(rpassword::prompt_password(prompt)?.into_bytes());
    Passphrase::from_line(&line).map_err(Failure::input)
}

/// Reads a descriptor that the caller opened.
fn read_descriptor(number: u32, limit: u64) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let name = format!("file descriptor {number}");
    // Taking over a descriptor needs unsafe Rust. Opening it by its name does not.
    let file = std::fs::File::open(format!("/dev/fd/{number}")).map_err(|error| {
        Failure::input(format!("{name} cannot be read: {error}")).hint(format!(
            "open it in the shell: relay-bundle … --passphrase-fd {number} {number}< FILE"
        ))
    })?;
    if file.is_terminal() {
        return Err(Failure::input(format!(
            "{name} is a terminal, which would show the passphrase"
        ))
        .hint("omit --passphrase-fd to type it without echo"));
    }
    private_file::read_opened(file, &name, limit)
}

/// Returns cryptographically secure random bytes.
fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, Failure> {
    let mut bytes = Zeroizing::new([0; N]);
    random::fill(&mut *bytes)?;
    Ok(bytes)
}

fn no_key(path: &Utf8Path, error: &InvalidKeyFile) -> Failure {
    let remedy = error.remedy();
    let failure = Failure::input(format!("`{path}` cannot sign: {error}"));
    remedy.into_iter().fold(failure, Failure::hint)
}

fn no_passphrase(origin: &impl Display, error: InvalidPassphrase) -> Failure {
    Failure::input(format!("`{origin}`: {error}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::ui::printer::{ColorChoice, Printer};

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        key: KeyArgs,
    }

    fn ctx() -> Ctx {
        Ctx { printer: Printer::new(false, true, ColorChoice::Never) }
    }

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        (folder, path)
    }

    fn args(arguments: &[&str]) -> Result<KeyArgs, clap::Error> {
        Command::try_parse_from([&["command"], arguments].concat()).map(|command| command.key)
    }

    #[test]
    fn a_passphrase_without_a_key_or_from_two_places_is_refused() {
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
    fn a_pair_is_made_once_and_read_from_then_on() {
        let (_keep, folder) = folder();
        let path = folder.join("signing.pem");
        let pass = folder.join("pass");
        create_new(&pass, b"correct horse\n", MODE_PRIVATE, Durability::Cached).unwrap();
        let args = args(&["--key", path.as_str(), "--passphrase-file", pass.as_str()]).unwrap();

        let (made, first) = args.load_or_make(&ctx()).unwrap();
        let (read, second) = args.load_or_make(&ctx()).unwrap();

        assert_eq!((first, second), (Origin::Made, Origin::Read));
        assert_eq!(made.public(), read.public());
        assert_eq!(args.load(&ctx()).unwrap().public(), made.public());
    }

    #[test]
    fn a_public_half_without_its_private_one_is_not_replaced() {
        let (_keep, folder) = folder();
        let path = folder.join("signing.pem");
        create_new(&public_path(&path), b"precious", MODE_PUBLIC, Durability::Cached).unwrap();

        let failure = args(&["--key", path.as_str()]).unwrap().load_or_make(&ctx()).err().unwrap();

        assert!(
            failure.message().contains("signing.pub.pem` already exists"),
            "{}",
            failure.message()
        );
        assert!(!path.exists());
    }

    #[test]
    fn without_a_key_the_failure_says_how_to_make_one() {
        let failure = args(&[]).unwrap().load(&ctx()).err().unwrap();

        assert!(failure.hints[0].contains("relay-bundle keygen"), "{:?}", failure.hints);
        assert_eq!(failure.kind, crate::failure::FailureKind::Input);
    }

    #[test]
    fn the_public_half_stands_beside_the_private_one() {
        for (private, public) in [
            ("signing.pem", "signing.pub.pem"),
            ("keys/a.b.pem", "keys/a.b.pub.pem"),
            ("key", "key.pub.pem"),
        ] {
            assert_eq!(public_path(private.into()), public);
        }
    }
}
