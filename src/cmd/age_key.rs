//! `keygen --age`.

use std::io::{self, Write};

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::ctx::Ctx;
use crate::failure::Failure;
use crate::keyring::age_key::{make_pair, public_keys};
use crate::model::text::AgeRecipient;
use crate::model::timestamp::Timestamp;
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

/// Generates a pair, and tells the operator how to use it.
pub(super) fn made(path: &Utf8Path, now: Timestamp, ctx: &Ctx) -> Result<AgeKeyReport, Failure> {
    let recipients = vec![make_pair(path, now)?];
    ctx.printer.say_lines(&format!(
        "created `{path}`, an age private key: keep an offline copy, and never commit it
add its public key to the profile: to release.sealRecipients for an operator, who opens sealed secrets with it,
or to release.recoveryRecipients for the safe"
    ));
    Ok(AgeKeyReport { recipients, private_file: Some(path.to_owned()) })
}

/// Returns the public keys of a file of private keys.
pub(super) fn shown(path: &Utf8Path) -> Result<AgeKeyReport, Failure> {
    Ok(AgeKeyReport { recipients: public_keys(path)?, private_file: None })
}
