//! `secrets backup`: the secrets of an installation as they are now, in one encrypted file.

use std::io::{self, Write};
use std::process::ExitCode;

use camino::Utf8PathBuf;
use serde::Serialize;

use super::recipients::recipients;
use crate::cluster::resource::key;
use crate::cmd::ctx::{Ctx, count};
use crate::cmd::failure::{Failure, Outcome};
use crate::cmd::recovery_file::{described, saved, write_new};
use crate::cmd::target_args::TargetArgs;
use crate::model::text::AgeRecipient;
use crate::sealed::{Recipients, Recovery, Saved};
use crate::trust::verify::Purpose;
use crate::ui::printer::Report;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Reads every Secret that the bundle refers to and does not hold: generated, sealed, and those of others. They are
encrypted in memory; the file opens with the private key of any recipient, `secrets restore` brings them back. A backup of
Redis is worthless without the encryption key that is in this file.

The bundle is the one that is deployed; neither its age nor newer ones count.

Examples:
  relay-bundle secrets backup prod.tar --trust trust.toml --recovery-file prod-secrets.age
  relay-bundle secrets backup prod.tar --trust trust.toml --recovery-file x.age --recipient age1…"
)]
pub(super) struct Args {
    #[command(flatten)]
    target: TargetArgs,
    /// The file to write; one that is there stays, and the new one gets a number
    #[arg(long, value_name = "FILE")]
    recovery_file: Utf8PathBuf,
    /// A public key that can open it; repeatable [default: the bundle's release.recoveryRecipients]
    // Text: an error of the parser would show a private key that was given by mistake.
    #[arg(long = "recipient", value_name = "AGE1")]
    recipients: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BackupReport {
    path: Utf8PathBuf,
    namespace: String,
    /// The Secrets, with their keys.
    secrets: Vec<String>,
    recipients: Vec<AgeRecipient>,
}

impl Report for BackupReport {
    const SCHEMA: &'static str = "secrets-backup/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.path)
    }
}

impl Args {
    pub(super) fn run(self, ctx: &Ctx) -> Outcome {
        let checked = self.target.verify(Purpose::Deployed)?;
        let bundle = checked.bundle();
        let named =
            bundle.recipe.pointer("/settings/release/recoveryRecipients").and_then(|list| list.as_array());
        let named = named.into_iter().flatten().filter_map(|name| name.as_str());
        let recipients = recipients(&self.recipients, named.map(Recipients::parse_one).collect())?;
        let (cluster, _) = self.target.connect(&checked)?;
        let (mut secrets, mut missing) = (Vec::<Saved>::new(), Vec::new());
        for wanted in bundle.index.contract.iter().filter(|wanted| wanted.kind == "Secret") {
            let key = key("Secret", &wanted.namespace, &wanted.name).expect("a kind that is known");
            match cluster.find_secret(&key)? {
                Some(secret) => secrets.push(saved(&key.name, &secret)),
                None => missing.push(format!("{key}, for {}", wanted.used_by.join(", "))),
            }
        }
        if !missing.is_empty() {
            let failure =
                Failure::world("not all Secrets are there; a backup of the others would look whole");
            return Err(missing.into_iter().fold(failure, Failure::hint));
        }
        if secrets.is_empty() {
            return Err(Failure::input("the bundle refers to no Secret: there is nothing to back up"));
        }
        let list = secrets.iter().map(described).collect();
        let (name, namespace) = (bundle.index.name.to_string(), bundle.index.namespace.to_string());
        let recovery = Recovery { bundle: name, namespace: namespace.clone(), secrets };
        let file = recovery.seal(&recipients).map_err(Failure::world)?;
        let path = write_new(&self.recovery_file, &file)?;
        let report =
            BackupReport { path, namespace, secrets: list, recipients: recipients.iter().cloned().collect() };
        for secret in &report.secrets {
            ctx.printer.say(&format!("saved  {secret}"));
        }
        let number = report.recipients.len();
        ctx.printer.say(&format!("it opens with the private key of any of {}", count(number, "recipient")));
        ctx.printer.report(&report)?;
        Ok(ExitCode::SUCCESS)
    }
}
