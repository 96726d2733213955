//! Takes over a Helm release: prepares ownership, runs the same rollout as `apply`, and finally
//! moves Helm's records to where Helm does not look.
//!
//! Everything is decided before the first write. An interrupted adoption can be repeated at any
//! point: each step finds the work that is left.

mod consent;
mod report;

use std::process::ExitCode;

use super::images::ImageArgs;
use super::report::{ApplyReport, tell_blocked, tell_warnings};
use super::{InstallArgs, host, place_of};
use crate::cluster::{Cluster, Identity};
use crate::cmd::ctx::Ctx;
use crate::cmd::exit_code::{DIFFERS, Outcome};
use crate::diff::warning::Warning;
use crate::install::adopt::decide::{Decided, decide, plan_of};
use crate::install::adopt::helm_records::Records;
use crate::install::adopt::work::Work;
use crate::install::blocked::blocked;
use crate::install::checked::Checked;
use crate::install::event::Event;
use crate::install::record::gave_back;
use crate::install::run::{self, Done, Run};
use crate::model::text::ReleaseName;
use crate::rollout::plan_hash::secret_versions;
use report::AdoptReport;

/// How a release is taken over.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Helm")]
pub(in crate::cmd) struct AdoptArgs {
    /// The Helm release, in the namespace of the bundle
    #[arg(long, value_name = "RELEASE")]
    pub(in crate::cmd) from_helm: ReleaseName,
    /// Agree that the StatefulSet of Redis is deleted and recreated on the same volume, instead of
    /// asking
    #[arg(long)]
    recreate_redis: bool,
    /// The revision whose encryption key the relay runs with, if the stored one is newer than its
    /// pods
    #[arg(long, value_name = "N")]
    key_from_revision: Option<u64>,
}

/// Plans the adoption, asks for consent, and carries it out.
pub(in crate::cmd) fn adopt(
    ctx: &Ctx,
    checked: &Checked,
    (cluster, identity): (&Cluster, &Identity),
    args: &AdoptArgs,
    install: &InstallArgs,
) -> Outcome {
    let observe = |event: &Event<'_>| ctx.observe(event);
    let host = host(&observe);
    let mut options = install.options();
    let mut run = Run::begin(host, checked, (cluster, identity), &options)?;
    let namespace = checked.bundle().index.namespace.as_str();
    let records = Records { cluster, namespace, release: &args.from_helm };
    let found = records.read(run.journal.head.adopting.is_some())?;
    run.adopts = found.release.as_ref().map(|_| &args.from_helm);
    // The release's objects are taken over. Without a release, no object of another owner is.
    options.adopt = found.release.is_some();
    let options = &options;
    let Decided { helm, carried, before, makings, is_over } = {
        let helm = (&args.from_helm, args.key_from_revision);
        decide(checked, cluster, &run, &found, helm, options)?
    };
    let (uids, versions) = (run::known_uids(&before), secret_versions(&before));
    let mut plan = plan_of(cluster, checked, &run, before, &helm, &makings)?;
    plan.obstacles.extend(records.taken_names(&found)?);
    plan.changes.warnings.extend(run.excused().map(Warning::from));
    let is_done = plan.is_empty();
    let images =
        if is_done { Vec::new() } else { install.images.look(ctx, checked, cluster, &mut plan)? };
    // Otherwise the operator sees the warnings with the plan.
    if install.is_agreed() {
        tell_warnings(&ctx.printer, &plan);
        ImageArgs::tell_unchecked(ctx, checked, &images);
    }
    let mut apply = ApplyReport::new(checked, cluster, identity, &plan, &makings, &versions);
    apply.images = images;
    let mut report = AdoptReport { helm, apply };
    report.apply.bind(&report.helm.approved());
    let blocked = blocked(&plan);
    if install.dry_run {
        ctx.printer.report(&report)?;
        return Ok(
            blocked.map_or(ExitCode::SUCCESS, |failure| tell_blocked(&ctx.printer, &failure))
        );
    }
    if let Some(blocked) = blocked {
        return Err(blocked);
    }
    let is_known = makings.is_empty() && !makings.notes_others();
    let is_done = is_over && is_known && plan.is_empty() && run.is_deployed();
    // An approved and completed plan may be repeated, but archiving Helm's records is a change.
    let is_over = is_done && found.release.is_none();
    if !is_over && install.plan_hash.is_some_and(|approved| approved != report.apply.plan_hash()) {
        ctx.printer.tell("the plan differs from the approved one; nothing was changed");
        ctx.printer.report(&report)?;
        return Ok(ExitCode::from(DIFFERS));
    }
    let first_install = makings.asks_first_install().then_some(namespace);
    consent::ask(
        ctx,
        &report,
        &place_of(checked, cluster, identity),
        first_install,
        args,
        install,
    )?;
    report.apply.done = Some(if is_done {
        run.journal.clear_dead_lock()?;
        Done::unchanged(run.deployed())
    } else {
        let objects = &report.helm.objects;
        let (plan, makings) = (&plan, &makings);
        let work =
            Work { host, checked, cluster, options, carried: &carried, objects, plan, makings };
        let done = work.carry_out(&mut run, &uids);
        let done = done.map_err(|failure| install.planned_again(failure));
        done.map_err(|failure| gave_back(&mut run.journal, failure))?
    });
    report.helm.archived = records.archive()?;
    run.journal.finish_adoption()?;
    ctx.printer.report(&report)?;
    Ok(ExitCode::SUCCESS)
}
