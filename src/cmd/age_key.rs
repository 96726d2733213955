//! age key pairs for sealed secrets and recovery, in files of the form that `age-keygen` writes.

use std::io::{self, Write};

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use zeroize::Zeroizing;

use super::ctx::Ctx;
use super::private_file;
use crate::failure::Failure;
use crate::fsio::{Durability, MODE_PRIVATE, create_new};
use crate::model::text::AgeRecipient;
use crate::model::timestamp::Timestamp;
use crate::sealed::{IDENTITIES_BYTES_MAX, Identities, NewIdentity};
use crate::ui::printer::Report;

/// The public keys of a key file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AgeKeyReport {
    recipients: Vec<AgeRecipient>,
    /// The private key file of a new pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    private_file: Option<Utf8PathBuf>,
}

impl Report for AgeKeyReport {
    const SCHEMA: &'static str = "keygen-age/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        self.recipients.iter().try_for_each(|recipient| writeln!(out, "{recipient}"))
    }
}

/// Generates a pair. Writes the private key to `path` with mode 0600, and its public key above it.
pub(super) fn made(path: &Utf8Path, now: Timestamp, ctx: &Ctx) -> Result<AgeKeyReport, Failure> {
    let NewIdentity { public, line } = NewIdentity::generate();
    let file = Zeroizing::new(format!("# created: {now}\n# public key: {public}\n{}\n", *line));
    create_new(path, file.as_bytes(), MODE_PRIVATE, Durability::Synced).map_err(
        |error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                Failure::input(format!("`{path}` already exists, and keys are never overwritten"))
                    .hint("choose another file for the new key: --out FILE")
                    .hint(format!("its public half: relay-bundle keygen --age --public {path}"))
            }
            _ => error.into(),
        },
    )?;
    ctx.printer.say_lines(&format!(
        "created `{path}`, an age private key: keep an offline copy, and never commit it
add its public key to the profile: to release.sealRecipients for an operator, who opens sealed secrets with it,
or to release.recoveryRecipients for the safe"
    ));
    Ok(AgeKeyReport { recipients: vec![public], private_file: Some(path.to_owned()) })
}

/// Returns the public keys of a file of private keys.
pub(super) fn shown(path: &Utf8Path) -> Result<AgeKeyReport, Failure> {
    let file = private_file::read_file_or_pipe(path, IDENTITIES_BYTES_MAX)?;
    let identities = Identities::parse(&file);
    let identities = identities.map_err(|error| Failure::input(format!("`{path}`: {error}")))?;
    Ok(AgeKeyReport { recipients: identities.recipients(), private_file: None })
}
