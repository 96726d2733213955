//! Brings a cluster to a verified bundle's state: shared by `apply`, `adopt` and `rollback`.
//!
//! The order is a promise: verification before connection, plan before lock, record before write.

pub(super) mod adopt;
mod images;
mod init;
mod report;

use std::process::ExitCode;
use std::time::Duration;

use camino::Utf8PathBuf;

use super::args::identity::IdentityArgs;
use super::args::state::recovery_place;
use super::confirm::{can_ask, confirm, confirm_first_install, place};
use super::ctx::Ctx;
use super::exit_code::{DIFFERS, Outcome};
use super::holder::holder;
use super::{clock, random};
use crate::cluster::request::FIELD_MANAGER;
use crate::cluster::{Cluster, Identity};
use crate::diff::warning::Warning;
use crate::failure::Failure;
use crate::install::AGAIN;
use crate::install::blocked::blocked;
use crate::install::checked::{Checked, Origin};
use crate::install::event::{Event, Observer};
use crate::install::host::Host;
use crate::install::options::Options;
use crate::install::pod_dry_run;
use crate::install::record::Turn;
use crate::install::run::{self, Done, Run};
use crate::install::secrets::{Consent, RecoveryPlace};
use crate::model::digest::Digest;
use crate::rollout::conflict::Permit;
use crate::rollout::plan::plan;
use crate::rollout::plan_hash::secret_versions;
use crate::rollout::trial::trials;
use images::ImageArgs;
pub(super) use init::init;
use report::ApplyReport;

/// How to go about it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Rollout")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct InstallArgs {
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
    images: ImageArgs,
}

/// What may be done about secrets.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Secrets")]
pub(super) struct SecretArgs {
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

/// Plans a rollout, asks for consent, and carries it out.
pub(super) fn install(
    ctx: &Ctx,
    checked: &Checked,
    cluster: &Cluster,
    identity: &Identity,
    args: &InstallArgs,
) -> Outcome {
    let observe = |event: &Event<'_>| ctx.observe(event);
    let options = args.options();
    let mut run = Run::begin(host(&observe), checked, (cluster, identity), &options)?;
    let (before, makings) = run.survey(&options)?;
    let (uids, trials) = (run::known_uids(&before), trials(&before));
    let secrets = secret_versions(&before);
    let mut plan = plan(checked.bundle(), before, FIELD_MANAGER);
    pod_dry_run::try_pods(cluster, &mut plan, &trials)?;
    let is_done =
        makings.is_empty() && !makings.notes_others() && plan.is_empty() && run.is_deployed();
    let lacking = if is_done { None } else { run.lacking_rights(&plan, &makings)? };
    // A dry run needs read access only.
    if args.dry_run {
        plan.changes.warnings.extend(lacking.map(Warning::from));
    } else {
        plan.obstacles.extend(lacking);
    }
    let images =
        if is_done { Vec::new() } else { args.images.look(ctx, checked, cluster, &mut plan)? };
    // While Helm still has its records, `helm uninstall` would delete the objects of this run.
    plan.obstacles.extend(run.journal.unfinished_adoption());
    plan.changes.warnings.extend(run.excused().map(Warning::from));
    // Otherwise the operator sees the warnings with the plan.
    if args.is_agreed() || is_done && !args.dry_run {
        report::tell_warnings(&ctx.printer, &plan);
        ImageArgs::tell_unchecked(ctx, checked, &images);
    }
    let mut report = ApplyReport::new(checked, cluster, identity, &plan, &makings, &secrets);
    report.images = images;
    let blocked = blocked(&plan);
    if args.dry_run {
        ctx.printer.report(&report)?;
        return Ok(blocked
            .map_or(ExitCode::SUCCESS, |failure| report::tell_blocked(&ctx.printer, &failure)));
    }
    if let Some(blocked) = blocked {
        return Err(blocked);
    }
    // An approved and completed plan may be repeated.
    if is_done {
        run.journal.clear_dead_lock()?;
        report.done = Some(Done::unchanged(run.deployed()));
        ctx.printer.report(&report)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.plan_hash.is_some_and(|approved| approved != report.plan_hash()) {
        ctx.printer.tell("the plan differs from the approved one; nothing was changed");
        ctx.printer.report(&report)?;
        return Ok(ExitCode::from(DIFFERS));
    }
    if !args.is_agreed() {
        confirm(ctx, &report, &question(checked, cluster, identity))?;
        if makings.asks_first_install() {
            confirm_first_install(checked.bundle().index.namespace.as_str())?;
        }
    }
    let done = run.execute(&plan, &makings, uids);
    report.done = Some(done.map_err(|failure| args.planned_again(failure))?);
    ctx.printer.report(&report)?;
    Ok(ExitCode::SUCCESS)
}

impl InstallArgs {
    /// Returns the options for the engine.
    fn options(&self) -> Options {
        Options {
            adopt: self.adopt,
            permits: self.force_conflicts.clone(),
            consent: self.consent(),
            turn: Turn::of(self.dry_run, self.break_lock),
            timeout: Duration::from_secs(self.timeout),
        }
    }

    /// Replaces the hint: the rest of an approved plan is another plan, with another hash.
    fn planned_again(&self, mut failure: Failure) -> Failure {
        if self.plan_hash.is_none() {
            return failure;
        }
        failure.hints.retain(|hint| hint != AGAIN);
        failure.hint(
            "the remaining plan has another hash: review it with --dry-run, and run it with that \
             hash, or with --yes",
        )
    }

    /// Returns whether the run goes on without showing the plan and asking.
    fn is_agreed(&self) -> bool {
        !self.dry_run && (self.yes || self.plan_hash.is_some())
    }

    fn consent(&self) -> Consent {
        self.secrets.consent(!self.is_agreed() && !self.dry_run && can_ask())
    }

    /// Returns the secret options.
    pub(super) fn secrets(&self) -> &SecretArgs {
        &self.secrets
    }
}

impl SecretArgs {
    fn consent(&self, can_ask: bool) -> Consent {
        Consent {
            first_install: self.first_install,
            no_recovery: self.no_recovery,
            allow_regenerate: self.allow_regenerate,
            recovery: self.recovery_file.clone().map_or_else(recovery_place, RecoveryPlace::Named),
            can_ask,
        }
    }
}

/// Returns this machine, with the functions that read its clock and environment.
pub(super) fn host<'a>(observe: &'a Observer<'a>) -> Host<'a> {
    Host { observe, now: clock::now, random: random::fill, holder }
}

/// Opens the sealed secrets if a key was given.
pub(super) fn open_sealed(checked: Checked, args: &SecretArgs) -> Result<Checked, Failure> {
    match args.identity.read()? {
        Some(identities) => checked.unsealed(&identities),
        None => Ok(checked),
    }
}

/// Returns a description of the place of the change.
fn place_of(checked: &Checked, cluster: &Cluster, identity: &Identity) -> String {
    place(cluster, identity, Some(&checked.policy), checked.bundle().index.namespace.as_str())
}

/// Returns the question to ask before anything is changed.
fn question(checked: &Checked, cluster: &Cluster, identity: &Identity) -> String {
    let place = place_of(checked, cluster, identity);
    match checked.origin {
        Origin::Brought(_) => format!("Apply to {place}?"),
        Origin::Recorded(generation) => format!("Go back to generation {generation} in {place}?"),
    }
}
