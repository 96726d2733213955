//! Brings a cluster to a verified bundle's state: what `apply` and whatever goes back have in common.
//!
//! The order is the promise: verified before any connection, planned before any lock, recorded before any write.

mod confirm;
mod execute;
#[cfg(feature = "age")]
mod init;
mod preflight;
mod report;
mod run;
pub(super) mod secrets;
mod survey;
mod wait;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use super::ctx::Ctx;
use super::failure::{Failure, Outcome};
#[cfg(feature = "age")]
use super::identity_args::IdentityArgs;
use crate::archive;
use crate::bundle::open::Bundle;
use crate::cluster::request::FIELD_MANAGER;
use crate::cluster::{Cluster, Identity};
use crate::fsio::folder_of;
use crate::model::timestamp::Timestamp;
use crate::rollout::plan::plan;
use crate::rollout::record::pack;
use crate::state_file::StateFile;
use crate::trust::policy::Policy;
use crate::trust::verify::Verified;
#[cfg(feature = "age")]
pub(super) use init::init;
use report::{ApplyReport, Done};
use run::Run;
use secrets::{Consent, Opened, RecoveryFile};

/// How to go about it.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct InstallArgs {
    /// Show the plan, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Take the lock from whoever holds it, without seeing whether they live
    #[arg(long)]
    break_lock: bool,
    /// How many seconds to wait until everything is ready
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,
    #[command(flatten)]
    secrets: SecretArgs,
}

/// What may be done about secrets.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Secrets")]
pub(super) struct SecretArgs {
    /// Generate the encryption key: the relay has never run here
    #[arg(long)]
    first_install: bool,
    /// Generate secrets of which no encrypted copy is kept
    #[arg(long)]
    no_recovery: bool,
    /// Generate a new value where the bundle has raised a secret's `generation`
    #[arg(long)]
    allow_regenerate: bool,
    /// Where the encrypted copy of generated secrets goes; a file that is there stays [default: recovery/NAMESPACE-NAME.age
    /// beside the state]
    #[arg(long, value_name = "FILE", conflicts_with = "no_recovery")]
    recovery_file: Option<Utf8PathBuf>,
    #[cfg(feature = "age")]
    #[command(flatten)]
    identity: IdentityArgs,
}

/// What was verified, and under which terms.
pub(super) struct Checked {
    pub(super) policy: Policy,
    state_file: StateFile,
    bundle: Verified<Bundle>,
    /// The bundle as the record keeps it.
    packed: String,
    /// What it brings sealed, if it was opened.
    opened: Option<Opened>,
    /// Where recovery files go if nobody says otherwise.
    recovery_folder: Utf8PathBuf,
    now: Timestamp,
}

impl Checked {
    /// Takes a bundle that was verified; refuses one that is too large for a record.
    pub(super) fn new(
        policy: Policy,
        state_file: StateFile,
        bundle: Verified<Bundle>,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let mut bytes = Vec::new();
        let attestation = Some(bundle.voucher().attestation.as_slice());
        archive::write(&mut bytes, attestation, bundle.files.open()).map_err(Failure::bug)?;
        let packed = pack(&bytes).map_err(Failure::input)?;
        let recovery_folder = folder_of(state_file.path()).join("recovery");
        Ok(Self { policy, state_file, bundle, packed, opened: None, recovery_folder, now })
    }

    /// Returns the bundle.
    #[cfg(feature = "age")]
    pub(super) fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Opens what is sealed, if there is a key to do so; in memory, and before anything is asked of the cluster.
    #[cfg(feature = "age")]
    pub(super) fn open_sealed(self, args: &SecretArgs) -> Result<Self, Failure> {
        let opened =
            args.identity.read()?.map(|identities| secrets::open(&self.bundle, &identities)).transpose()?;
        Ok(Self { opened, ..self })
    }
}

/// Plans, asks, and does it.
pub(super) fn install(
    ctx: &Ctx,
    checked: &Checked,
    cluster: &Cluster,
    identity: &Identity,
    args: &InstallArgs,
) -> Outcome {
    let timeout = Duration::from_secs(args.timeout);
    let mut run = Run::begin(ctx, checked, (cluster, identity), args.break_lock, timeout)?;
    let (before, makings) = run.survey(args.consent(&checked.recovery_folder))?;
    let uids = run::known_uids(&before);
    let plan = plan(&checked.bundle, before, FIELD_MANAGER);
    let mut report = ApplyReport::new(&checked.bundle, cluster, identity, &plan, &makings);
    if let Some(blocked) = report::blocked(&plan) {
        return Err(blocked);
    }
    if args.dry_run {
        ctx.printer.report(&report)?;
        return Ok(ExitCode::SUCCESS);
    }
    if makings.is_empty() && plan.is_empty() && run.is_deployed() {
        report.done = Some(Done::unchanged(run.deployed()));
        ctx.printer.report(&report)?;
        return Ok(ExitCode::SUCCESS);
    }
    run.check_rights(&plan, &makings)?;
    if !args.yes {
        confirm::confirm(ctx, &report, ("Apply to", report.context()), checked, identity)?;
        if makings.asks_first_install() {
            confirm::confirm_first_install(checked.bundle.index.namespace.as_str())?;
        }
    }
    report.done = Some(run.execute(&plan, &makings, uids)?);
    ctx.printer.report(&report)?;
    Ok(ExitCode::SUCCESS)
}

impl InstallArgs {
    fn consent<'a>(&'a self, recovery_folder: &'a Utf8Path) -> Consent<'a> {
        self.secrets.consent(recovery_folder, !self.yes && !self.dry_run)
    }

    /// Returns what may be done about secrets.
    #[cfg(feature = "age")]
    pub(super) fn secrets(&self) -> &SecretArgs {
        &self.secrets
    }
}

impl SecretArgs {
    fn consent<'a>(&'a self, recovery_folder: &'a Utf8Path, asks: bool) -> Consent<'a> {
        let recovery_file = self.recovery_file.as_deref();
        Consent {
            first_install: self.first_install,
            no_recovery: self.no_recovery,
            allow_regenerate: self.allow_regenerate,
            recovery_file: recovery_file.map_or(RecoveryFile::Below(recovery_folder), RecoveryFile::At),
            can_ask: asks && can_ask(),
        }
    }
}

/// Tells whether somebody sits at a terminal.
fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}
