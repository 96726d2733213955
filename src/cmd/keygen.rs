//! `keygen`: generates a key pair, or prints the trust entry of an existing key.

use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};
use zeroize::Zeroizing;

use super::age_key;
use super::args::key::PassphraseArgs;
use super::ctx::Ctx;
use super::exit_code::Outcome;
use super::passphrase::ask_for_new;
use super::{clock, random, signing_key};
use crate::failure::Failure;
use crate::fsio;
use crate::keyring::public_key::parse_key;
use crate::keyring::signing_key::{make_pair, public_path};
use crate::model::text::Label;
use crate::model::timestamp::Timestamp;
use crate::trust::key::PublicKey;
use crate::trust::key_file::KEY_FILE_BYTES_MAX;
use crate::ui::key_view::KeygenReport;

#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Writes the private key to a file with mode 0600, which is never overwritten; keep an offline copy. \
Add the printed entry to the trust.toml of every site that accepts your bundles. Transfer it over a \
trusted channel, and compare the keyid by telephone.

Examples:
  relay-bundle keygen --holder build-desk
  relay-bundle keygen --out keys/approver.pem --holder approver --passphrase
  relay-bundle keygen --public signing.pem  show an existing key

With --age, an age key pair for release.sealRecipients or release.recoveryRecipients:
  relay-bundle keygen --age --out operator.key
  relay-bundle keygen --age --out recovery.key
  relay-bundle keygen --age --public recovery.key"
)]
pub struct Args {
    /// The file of the private key; the public key of a signer is written beside it, as in
    /// signing.pub.pem [default: signing.pem, or age.key with --age]
    #[arg(long, value_name = "FILE", conflicts_with = "public")]
    out: Option<Utf8PathBuf>,
    /// Create an age key pair, for sealed secrets and for recovery
    #[arg(long, conflicts_with_all = ["passphrase", "passphrase_file", "passphrase_fd", "holder"])]
    age: bool,
    /// Ask on the terminal for a passphrase of the new key
    #[arg(long, conflicts_with_all = ["passphrase_file", "passphrase_fd", "public"])]
    passphrase: bool,
    #[command(flatten)]
    passphrase_from: PassphraseArgs,
    /// The holder of the key; two keys of one holder count as one signer
    #[arg(long, value_name = "NAME", default_value = "builder")]
    holder: Label,
    /// Show the public half of an existing private or public key, instead of creating one
    #[arg(long, value_name = "FILE")]
    public: Option<Utf8PathBuf>,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let now = clock::now()?;
        if self.age {
            let out = self.out.as_deref().unwrap_or("age.key".into());
            let report = match &self.public {
                Some(path) => age_key::shown(path)?,
                None => age_key::made(out, now, ctx)?,
            };
            ctx.printer.report(&report)?;
            return Ok(ExitCode::SUCCESS);
        }
        match &self.public {
            Some(path) => {
                let key = self.read_public(path, ctx)?;
                ctx.printer.report(&KeygenReport::new(&key, self.holder, now))?;
            }
            None => self.make(now, ctx)?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn make(self, now: Timestamp, ctx: &Ctx) -> Result<(), Failure> {
        let out = self.out.unwrap_or_else(|| "signing.pem".into());
        let passphrase =
            if self.passphrase { Some(ask_for_new(&out)?) } else { self.passphrase_from.read()? };
        let key = make_pair(&out, passphrase.as_ref(), random::fill)?.public();
        let public = public_path(&out);
        let report = KeygenReport::new(&key, self.holder.clone(), now)
            .with_files(out.clone(), public.clone());
        ctx.printer.report(&report).map_err(|error| {
            Failure::from(error).hint(format!("the pair is complete: `{out}` and `{public}`")).hint(
                format!(
                    "print its trust entry: relay-bundle keygen --public {public} --holder {}",
                    self.holder
                ),
            )
        })?;
        signing_key::tell_of_new_pair(&out, passphrase.is_some(), &key, ctx);
        Ok(())
    }

    /// Reads the public key from either half of a pair.
    fn read_public(&self, path: &Utf8Path, ctx: &Ctx) -> Result<PublicKey, Failure> {
        let file = Zeroizing::new(fsio::read_bounded(path, KEY_FILE_BYTES_MAX)?);
        match str::from_utf8(&file) {
            Ok(text) if text.contains("-----BEGIN PUBLIC KEY-----") => parse_key(path, text),
            Ok(text) if !text.contains("PRIVATE KEY-----") => {
                Err(Failure::input(format!("`{path}` does not contain a key"))
                    .hint("pass a PEM file with `BEGIN PUBLIC KEY` or `BEGIN PRIVATE KEY`"))
            }
            _ => Ok(signing_key::load(path, &self.passphrase_from, ctx)?.public()),
        }
    }
}
