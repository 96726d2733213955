//! The options of commands that bring a cluster to a bundle's state.

use std::time::Duration;

use camino::Utf8PathBuf;

use super::images::ImageArgs;
use crate::cmd::args::identity::IdentityArgs;
use crate::cmd::args::state::recovery_place;
use crate::cmd::confirm::can_ask;
use crate::cmd::operator::Approval;
use crate::failure::Failure;
use crate::install::checked_bundle::CheckedBundle;
use crate::install::options::Options;
use crate::install::record::Turn;
use crate::install::secrets::{Consent, RecoveryPlace};
use crate::model::digest::Digest;
use crate::rollout::conflict::Permit;

/// How to go about it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Rollout")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(in crate::cmd) struct InstallArgs {
    /// Show the plan, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Carry out the plan that --dry-run showed with this hash, without asking; if the plan has
    /// changed, show it and do nothing
    #[arg(long, value_name = "HASH", conflicts_with = "dry_run")]
    plan_hash: Option<Digest>,
    /// Take the lock from its holder, without checking whether it is alive
    #[arg(long)]
    break_lock: bool,
    /// How many seconds to wait until everything is ready
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,
    /// Take over existing objects that were not created by this installation
    #[arg(long)]
    adopt: bool,
    /// Take this field from its owner, such as `.spec.replicas`, or
    /// `Deployment/relay:.spec.replicas`; pass every field in conflict of an object
    #[arg(long, value_name = "FIELD")]
    force_conflicts: Vec<Permit>,
    #[command(flatten)]
    secrets: SecretArgs,
    #[command(flatten)]
    pub(super) images: ImageArgs,
}

/// The options for secrets.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Secrets")]
pub(in crate::cmd) struct SecretArgs {
    /// Generate the encryption key: the relay has never run here
    #[arg(long)]
    first_install: bool,
    /// Generate secrets without an encrypted copy
    #[arg(long)]
    no_recovery: bool,
    /// Generate a new value if the bundle raises a secret's `generation`, or if the generated value
    /// is missing; running pods keep a missing value until they are restarted
    #[arg(long)]
    allow_regenerate: bool,
    /// The file for the encrypted copy of generated secrets; existing files are kept [default:
    /// $XDG_STATE_HOME/relay-bundle/recovery/NAMESPACE-NAME.age, or below ~/.local/state]
    #[arg(long, value_name = "FILE", conflicts_with = "no_recovery")]
    recovery_file: Option<Utf8PathBuf>,
    #[command(flatten)]
    identity: IdentityArgs,
}

impl InstallArgs {
    /// Returns the options for the engine.
    pub(super) fn options(&self) -> Options {
        Options {
            adopt: self.adopt,
            permits: self.force_conflicts.clone(),
            consent: self.consent(),
            turn: Turn::of(self.dry_run, self.break_lock),
            timeout: Duration::from_secs(self.timeout),
            is_approved_by_hash: self.plan_hash.is_some(),
        }
    }

    pub(super) fn approval(&self) -> Approval {
        match self.plan_hash {
            Some(hash) => Approval::To(hash),
            None => Approval::of(self.dry_run, self.yes),
        }
    }

    fn consent(&self) -> Consent {
        self.secrets.consent(matches!(self.approval(), Approval::Asked) && can_ask())
    }

    /// Returns the secret options.
    pub(in crate::cmd) fn secrets(&self) -> &SecretArgs {
        &self.secrets
    }
}

impl SecretArgs {
    pub(super) fn consent(&self, can_ask: bool) -> Consent {
        Consent {
            first_install: self.first_install,
            no_recovery: self.no_recovery,
            allow_regenerate: self.allow_regenerate,
            recovery: self.recovery_file.clone().map_or_else(recovery_place, RecoveryPlace::Named),
            can_ask,
        }
    }
}

/// Opens the sealed secrets if a key was given.
pub(in crate::cmd) fn open_sealed(
    checked: CheckedBundle,
    args: &SecretArgs,
) -> Result<CheckedBundle, Failure> {
    match args.identity.read()? {
        Some(identities) => checked.unsealed(&identities),
        None => Ok(checked),
    }
}
