//! Shows which Secrets are created, and where generated values are saved. No value is ever shown.

use std::io::{self, Write};

use camino::Utf8PathBuf;
use serde::Serialize;

use super::escape::safe;
use super::printer::Report;
use crate::model::text::AgeRecipient;
use crate::rollout::recovery_plan::RecoveryPlan;

/// The creation of a bundle's Secrets and nothing else: the plan, or the result.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretsInitReport<'a> {
    pub content_id: String,
    pub context: &'a str,
    pub cluster_uid: &'a str,
    pub namespace: &'a str,
    /// Secrets whose values are generated, with their keys.
    pub generated: Vec<String>,
    /// Secrets whose values are replaced.
    pub regenerated: Vec<String>,
    /// Sealed secrets of the bundle, with the keys that are written.
    pub sealed: Vec<String>,
    /// The recipients and the place of the recovery file; absent if nothing is generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<RecoveryPlan>,
    /// Warnings for the operator before anything is written.
    pub warnings: &'a [String],
    /// Whether the secrets were written: false in a dry run.
    pub done: bool,
    pub recovery_files: &'a [Utf8PathBuf],
}

impl Report for SecretsInitReport<'_> {
    const SCHEMA: &'static str = "secrets-init/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        let place = format!("secrets in namespace {} of context {}", self.namespace, self.context);
        writeln!(out, "{}", safe(&place))?;
        let written: [&[String]; 3] = [&self.generated, &self.regenerated, &self.sealed];
        if self.done {
            write_values(["generated  ", "regenerated", "unsealed   "], written, out)?;
        } else {
            write_values(["generate  ", "regenerate", "unseal    "], written, out)?;
            self.recovery.iter().try_for_each(|recovery| write_recovery(recovery, out))?;
            let mut warnings = self.warnings.iter();
            warnings.try_for_each(|warning| writeln!(out, "warning: {}", safe(warning)))?;
        }
        if written.iter().all(|secrets| secrets.is_empty()) {
            writeln!(out, "all of them exist; nothing was written")?;
        }
        Ok(())
    }
}

/// Writes the generated, replaced and sealed values, each list with its verb.
pub(super) fn write_values(
    verbs: [&str; 3],
    lists: [&[String]; 3],
    out: &mut dyn Write,
) -> io::Result<()> {
    for (verb, secrets) in verbs.into_iter().zip(lists) {
        secrets.iter().try_for_each(|secret| writeln!(out, "{verb} {secret}"))?;
    }
    Ok(())
}

/// Writes the place of the copy of generated values.
pub(super) fn write_recovery(recovery: &RecoveryPlan, out: &mut dyn Write) -> io::Result<()> {
    let text = match &recovery.file {
        Some(file) => {
            format!("an encrypted copy in {file}, for {}", recovery.recipients.join(", "))
        }
        None => "no copy of generated values: they cannot be recovered".to_owned(),
    };
    writeln!(out, "keep      {}", safe(&text))
}

/// A written backup.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupReport {
    pub path: Utf8PathBuf,
    pub namespace: String,
    /// The Secrets, with their keys.
    pub secrets: Vec<String>,
    pub recipients: Vec<AgeRecipient>,
}

impl Report for BackupReport {
    const SCHEMA: &'static str = "secrets-backup/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.path)
    }
}

/// The Secrets of a recovery file, restored or planned.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreReport<'a> {
    pub context: &'a str,
    pub cluster_uid: &'a str,
    pub namespace: &'a str,
    /// Secrets to create, with their keys.
    pub restored: &'a [String],
    /// Existing Secrets with the same values.
    pub unchanged: &'a [String],
    /// Secrets in the file to which the bundle does not refer.
    pub left_out: &'a [String],
    /// Secrets to which the bundle refers and which the file lacks.
    pub lacking: &'a [String],
    /// Whether the Secrets were created: false in a dry run.
    pub done: bool,
}

impl Report for RestoreReport<'_> {
    const SCHEMA: &'static str = "secrets-restore/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        let verb = if self.done { "restored " } else { "restore  " };
        let lists =
            [(verb, self.restored), ("unchanged", self.unchanged), ("left out ", self.left_out)];
        for (verb, secrets) in lists {
            for secret in secrets {
                writeln!(out, "{verb}  {}", safe(secret))?;
            }
        }
        self.lacking
            .iter()
            .try_for_each(|secret| writeln!(out, "lacking    {}: not in the file", safe(secret)))
    }
}
