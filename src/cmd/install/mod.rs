//! Brings a cluster to a verified bundle's state: what `apply` and whatever goes back have in common.
//!
//! The order is the promise: verified before any connection, planned before any lock, recorded before any write.

mod confirm;
mod execute;
mod judge;
mod preflight;
mod report;
mod run;
mod secrets;
mod survey;
mod trial;
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
use crate::rollout::conflict::Permit;
use crate::rollout::plan::plan;
use crate::rollout::record::pack;
use crate::rollout::trial::trials;
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
    /// Take over objects that are there and were not made by this installation
    #[arg(long)]
    adopt: bool,
    /// Take this field from whoever owns it, such as `.spec.replicas`, or `Deployment/relay:.spec.replicas`; of an object,
    /// every field in conflict must be named
    #[arg(long, value_name = "FIELD")]
    force_conflicts: Vec<Permit>,
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
    let (before, makings) = run.survey(args)?;
    let (uids, trials) = (run::known_uids(&before), trials(&before));
    let mut plan = plan(&checked.bundle, before, FIELD_MANAGER);
    trial::try_pods(cluster, &mut plan, &trials)?;
    let is_done = makings.is_empty() && plan.is_empty() && run.is_deployed();
    let lacking = if is_done { Vec::new() } else { run.lacking_rights(&plan, &makings)? };
    // Whoever only looks needs no right to change anything.
    if args.dry_run { &mut plan.changes.warnings } else { &mut plan.obstacles }.extend(lacking);
    let mut report = ApplyReport::new(&checked.bundle, cluster, identity, &plan, &makings);
    let blocked = report::blocked(&plan);
    if args.dry_run {
        ctx.printer.report(&report)?;
        return Ok(blocked.map_or(ExitCode::SUCCESS, |failure| report::tell_blocked(&ctx.printer, &failure)));
    }
    if let Some(blocked) = blocked {
        return Err(blocked);
    }
    if is_done {
        report.done = Some(Done::unchanged(run.deployed()));
        ctx.printer.report(&report)?;
        return Ok(ExitCode::SUCCESS);
    }
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
