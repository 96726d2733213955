//! `secrets backup`: writes the current secrets of an installation to one encrypted file.

use std::process::ExitCode;

use camino::Utf8PathBuf;

use super::openers;
use crate::bundle::open::Bundle;
use crate::bundle::sealed::AgeKeys;
use crate::cluster::Cluster;
use crate::cmd::args::installation::InstallationArgs;
use crate::cmd::args::state::StateArgs;
use crate::cmd::clock;
use crate::cmd::ctx::{Ctx, StoreArgs};
use crate::cmd::exit_code::Outcome;
use crate::failure::Failure;
use crate::install::preflight::identify;
use crate::install::secrets::backup::back_up;
use crate::install::secrets::recovery_file::check_place;
use crate::install::verified_record::verified;
use crate::keyring::policy_file::load_policy;
use crate::media::named_bundle::NamedBundle;
use crate::model::text::AgeRecipient;
use crate::model::timestamp::Timestamp;
use crate::sealed::Recipients;
use crate::sealing::recipients::recipients;
use crate::trust::policy::Policy;
use crate::trust::terms::{Authority, Purpose, VerifyTerms};
use crate::trust::verify::Verified;
use crate::ui::secrets_view::BackupReport;

#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Saves every Secret that the bundle refers to but does not contain: generated ones, sealed ones, and \
those of other owners. Encrypts them in memory; the private key of any recipient opens the file, and \
`secrets restore` restores it. A backup of Redis is worthless without the encryption key in this \
file.

BUNDLE is the deployed bundle, regardless of its age and of newer releases. Without BUNDLE, it is \
read from the record in the cluster and verified.

Examples:
  relay-bundle secrets backup -n claude-relay --trust trust.toml \\
      --recovery-file prod-secrets.age
  relay-bundle secrets backup prod.tar --trust trust.toml \\
      --recovery-file prod-secrets.age --recipient age1…"
)]
pub(super) struct Args {
    /// The bundle, as `verify` takes it [default: the one that the record says is deployed]
    #[arg(conflicts_with_all = ["namespace", "name"])]
    bundle: Option<String>,
    /// The trust policy: which keys may sign which bundles, and for which site
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
        let backup = back_up(&cluster, &bundle, &recipients, &self.recovery_file)?;

        for secret in &backup.secrets {
            ctx.printer.say(&format!("saved  {secret}"));
        }
        let recipients: Vec<AgeRecipient> = recipients.iter().cloned().collect();
        let openers = openers(recipients.len());
        ctx.printer.say(&format!("it can be opened with the private key of {openers}"));
        ctx.printer.report(&BackupReport {
            path: backup.path,
            namespace: bundle.index.namespace.to_string(),
            secrets: backup.secrets,
            recipients,
        })?;
        Ok(ExitCode::SUCCESS)
    }

    /// Verifies the bundle that the arguments name, if any.
    fn brought(
        &self,
        ctx: &Ctx,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Option<Verified<Bundle>>, Failure> {
        let Some(argument) = self.bundle.clone() else { return Ok(None) };
        let store = self.store.store.clone();
        let bundle = NamedBundle { argument, parts: Vec::new(), store };
        let state = self.state.file(ctx)?.read()?;
        let terms = VerifyTerms {
            authority: Authority::Policy(policy, &state),
            purpose: Purpose::Deployed,
            now,
        };
        let (_, bundle) = bundle.verify(&terms)?;
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
        let hint = "or pass the bundle whose secrets to back up";
        let running = journal.running().map_err(|error| Failure::from(error).hint(hint))?;
        verified(&journal, running, policy, now)
    }
}
