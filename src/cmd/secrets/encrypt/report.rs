//! The report of `secrets encrypt`.

use std::io::{self, Write};

use camino::Utf8PathBuf;
use serde::Serialize;

use crate::model::text::AgeRecipient;
use crate::profile::placement::{Placement, Where};
use crate::sealed::Recipients;
use crate::sealing::seal::SealTarget;
use crate::ui::printer::Report;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EncryptReport {
    path: Utf8PathBuf,
    key: String,
    namespace: String,
    secret: String,
    secret_key: String,
    recipients: Vec<AgeRecipient>,
    /// The line that the profile must have. `under` is the table header above it.
    entry: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    under: Option<String>,
    /// Whether the profile has the line already.
    stated: bool,
    /// Whether stderr stays silent, so that the entry must say where it goes.
    #[serde(skip)]
    quiet: bool,
}

impl Report for EncryptReport {
    const SCHEMA: &'static str = "secrets-encrypt/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        match &self.under {
            _ if self.stated => Ok(()),
            Some(table) if self.quiet => writeln!(out, "{}  # below {table}", self.entry),
            _ => writeln!(out, "{}", self.entry),
        }
    }
}

impl EncryptReport {
    pub(super) fn of(
        target: &SealTarget<'_>,
        placement: Placement,
        recipients: &Recipients,
        quiet: bool,
    ) -> Self {
        Self {
            path: target.path(),
            namespace: target.place.namespace().to_owned(),
            secret: target.place.name().to_owned(),
            secret_key: target.place.key().to_owned(),
            recipients: recipients.iter().cloned().collect(),
            entry: placement.line,
            under: match placement.place {
                Where::Under { table, .. } => Some(table),
                Where::Top | Where::Instead { .. } | Where::Into { .. } => None,
            },
            stated: target.is_stated,
            quiet,
            key: target.key().to_owned(),
        }
    }
}
