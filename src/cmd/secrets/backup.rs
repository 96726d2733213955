//! `secrets backup`: writes the current secrets of an installation to one encrypted file.

use std::io::{self, Write};
use std::process::ExitCode;

use camino::Utf8PathBuf;
use serde::Serialize;

use super::recipients::{openers, recipients};
use crate::bundle::open::Bundle;
use crate::bundle::sealed::AgeKeys;
use crate::cluster::Cluster;
use crate::cmd::args::cluster::identify;
use crate::cmd::args::installation::InstallationArgs;
use crate::cmd::args::state::StateArgs;
use crate::cmd::args::trust::load_policy;
use crate::cmd::clock;
use crate::cmd::ctx::{Ctx, StoreArgs};
use crate::cmd::exit_code::Outcome;
use crate::cmd::gate::BundleArgs;
use crate::failure::Failure;
use crate::install::recovery_file::{check_place, described, saved, write_new};
use crate::install::verified_record::verified;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::model::text::AgeRecipient;
use crate::model::timestamp::Timestamp;
use crate::sealed::{Recipients, Recovery, Saved};
use crate::trust::policy::Policy;
use crate::trust::verify::{Authority, Purpose, Terms, Verified};
use crate::ui::printer::Report;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Saves every Secret that the bundle refers to but does not contain: generated ones, sealed ones, and
those of other owners. Encrypts them in memory; the private key of any recipient opens the file, and
`secrets restore` restores it. A backup of Redis is worthless without the encryption key in this
file.

BUNDLE is the deployed bundle, regardless of its age and of newer releases. Without BUNDLE, it is
read from the record in the cluster and verified.

Examples:
  relay-bundle secrets backup -n claude-relay --trust trust.toml --recovery-file prod-secrets.age
  relay-bundle secrets backup prod.tar --trust trust.toml --recovery-file prod-secrets.age
  relay-bundle secrets backup prod.tar --trust trust.toml --recovery-file x.age --recipient age1…"
)]
pub(super) struct Args {
    /// The bundle, as `verify` takes it [default: the one that the record says is deployed]
    #[arg(conflicts_with_all = ["namespace", "name"])]
    bundle: Option<String>,
    /// The trust policy: which keys may sign which bundles, and for which place
    #[arg(long, value_name = "TOML")]
    trust: Utf8PathBuf,
    #[command(flatten)]
    installation: InstallationArgs,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    store: StoreArgs,
    /// The file to write; an existing file is kept, and the new one gets a number
    #[arg(long, value_name = "FILE")]
    recovery_file: Utf8PathBuf,
    /// A public key that can open it; repeatable [default: the bundle's release.recoveryRecipients]
    // Parsed later, because clap's error would print a private key that was passed by mistake.
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
        check_place(&self.recovery_file)?;
        let (policy, now) = (load_policy(&self.trust)?, clock::now()?);
        // A local bundle is verified before the first connection.
        let brought = self.brought(ctx, &policy, now)?;
        let cluster = self.installation.connect(&ctx.printer)?;
        identify(&cluster, &policy)?;
        let bundle = match brought {
            Some(bundle) => bundle,
            None => self.deployed(&cluster, &policy, now)?,
        };
        let of_release = AgeKeys::of(&bundle.recipe).recovery;
        let of_release = of_release.iter().map(|key| Recipients::parse_one(key)).collect();
        let recipients = recipients(&self.recipients, of_release, "release.recoveryRecipients")?;
        let secrets = read_all(&cluster, &bundle)?;
        let list = secrets.iter().map(described).collect();
        let (name, namespace) = (bundle.index.name.to_string(), bundle.index.namespace.to_string());
        let recovery = Recovery { bundle: name, namespace: namespace.clone(), secrets };
        let file = recovery.seal(&recipients).map_err(Failure::world)?;
        let path = write_new(&self.recovery_file, &file)?;
        let recipients: Vec<AgeRecipient> = recipients.iter().cloned().collect();
        for secret in &list {
            ctx.printer.say(&format!("saved  {secret}"));
        }
        let openers = openers(recipients.len());
        ctx.printer.say(&format!("it can be opened with the private key of {openers}"));
        ctx.printer.report(&BackupReport { path, namespace, secrets: list, recipients })?;
        Ok(ExitCode::SUCCESS)
    }

    /// Verifies the bundle that the arguments name, if any.
    fn brought(
        &self,
        ctx: &Ctx,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Option<Verified<Bundle>>, Failure> {
        let Some(bundle) = &self.bundle else { return Ok(None) };
        let state = self.state.file(ctx)?.read()?;
        let terms =
            Terms { authority: Authority::Policy(policy, &state), purpose: Purpose::Deployed, now };
        let (_, bundle) = BundleArgs::of(bundle.clone()).verify(&self.store, &terms)?;
        Ok(Some(bundle))
    }

    /// Verifies the deployed bundle from the record.
    fn deployed(
        &self,
        cluster: &Cluster,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Verified<Bundle>, Failure> {
        let journal = self.installation.open(cluster)?;
        let running = journal
            .running()
            .map_err(|failure| failure.hint("or pass the bundle whose secrets to back up"))?;
        verified(&journal, running, policy, now)
    }
}

/// Reads every Secret to which the bundle refers.
fn read_all(cluster: &Cluster, bundle: &Bundle) -> Result<Vec<Saved>, Failure> {
    let (mut secrets, mut missing) = (Vec::<Saved>::new(), Vec::new());
    let namespace = bundle.index.namespace.as_str();
    let wanted = bundle.index.contract.iter();
    for wanted in wanted.filter(|wanted| wanted.kind == "Secret" && wanted.namespace == namespace) {
        let key = ObjectKey::of(Kind::Secret, &wanted.namespace, &wanted.name);
        match cluster.find_secret(&key)? {
            Some(secret) => secrets.push(saved(&key.name, &secret)),
            None => missing.push(format!("{key}, for {}", wanted.used_by.join(", "))),
        }
    }
    if !missing.is_empty() {
        let failure =
            Failure::world("Secrets are missing; a backup of the others would look complete");
        return Err(missing.into_iter().fold(failure, Failure::reason));
    }
    if secrets.is_empty() {
        return Err(Failure::input("the bundle refers to no Secret: nothing to back up"));
    }
    Ok(secrets)
}
