//! Brings a cluster to a verified bundle's state: what `apply` and whatever goes back have in common.
//!
//! The order is the promise: verified before any connection, planned before any lock, recorded before any write.

pub(super) mod adopt;
mod confirm;
mod execute;
mod preflight;
mod report;
mod run;
mod secrets;
mod survey;
mod wait;

use std::process::ExitCode;
use std::time::Duration;

use super::ctx::Ctx;
use super::failure::{Failure, Outcome};
use crate::archive;
use crate::bundle::open::Bundle;
use crate::cluster::request::FIELD_MANAGER;
use crate::cluster::{Cluster, Identity};
use crate::model::timestamp::Timestamp;
use crate::rollout::plan::plan;
use crate::rollout::record::pack;
use crate::state_file::StateFile;
use crate::trust::policy::Policy;
use crate::trust::verify::Verified;
use report::{ApplyReport, Done};
use run::Run;
use secrets::Consent;

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
    /// Generate the encryption key: the relay has never run here
    #[arg(long)]
    first_install: bool,
    /// Generate secrets of which no encrypted copy is kept
    #[arg(long)]
    no_recovery: bool,
}

/// What was verified, and under which terms.
pub(super) struct Checked {
    pub(super) policy: Policy,
    state_file: StateFile,
    bundle: Verified<Bundle>,
    /// The bundle as the record keeps it.
    packed: String,
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
        Ok(Self { policy, state_file, bundle, packed, now })
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
    let (before, makings) = run.survey(args.consent())?;
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
        confirm::confirm(ctx, &report, checked, identity)?;
    }
    report.done = Some(run.execute(&plan, &makings, uids)?);
    ctx.printer.report(&report)?;
    Ok(ExitCode::SUCCESS)
}

impl InstallArgs {
    fn consent(&self) -> Consent {
        Consent { first_install: self.first_install, no_recovery: self.no_recovery }
    }
}
