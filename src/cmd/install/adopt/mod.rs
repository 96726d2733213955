//! Takes over a Helm release: prepares ownership, runs the same rollout as `apply`, and finally
//! moves Helm's records to where Helm does not look.
//!
//! Everything is decided before the first write. An interrupted adoption can be repeated at any
//! point: each step finds the work that is left.

mod consent;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use serde_json::Value;

use super::images::ImageArgs;
use super::report::{ApplyReport, tell_blocked, tell_warnings};
use super::{InstallArgs, host, place_of};
use crate::bundle::open::Bundle;
use crate::cluster::request::FIELD_MANAGER;
use crate::cluster::{Cluster, Identity};
use crate::cmd::ctx::Ctx;
use crate::cmd::exit_code::{DIFFERS, Outcome};
use crate::diff::warning::Warning;
use crate::failure::Failure;
use crate::helm::disposition::{Fate, Handed, Scope, find};
use crate::helm::redis_volume::claims;
use crate::helm::release::Release;
use crate::install::adopt::helm_records::{Found, Records};
use crate::install::adopt::values::Carried;
use crate::install::adopt::work::Work;
use crate::install::adopt::{forecast, prepare, values};
use crate::install::blocked::blocked;
use crate::install::checked::Checked;
use crate::install::event::Event;
use crate::install::generations::{inventory, known_secrets};
use crate::install::observe::{find_all, is_wanted, split_used};
use crate::install::options::Options;
use crate::install::ownership::{Leave, judge};
use crate::install::pod_dry_run::try_pods;
use crate::install::preflight;
use crate::install::record::gave_back;
use crate::install::run::{self, Done, Run};
use crate::install::secrets::{self, Makings};
use crate::model::object_key::ObjectKey;
use crate::model::text::ReleaseName;
use crate::render::manifest_set::phase;
use crate::rollout::live;
use crate::rollout::plan::{Before, Plan, plan};
use crate::rollout::plan_hash::secret_versions;
use crate::rollout::prune::{Candidate, candidates};
use crate::rollout::record::Item;
use crate::rollout::rights::Right;
use crate::rollout::trial::trials;
use report::{AdoptReport, HelmPart};

/// The remedy for a foreign object if Helm has no record of the release.
const NO_RECORD: &str = "Helm has no record of the release, so objects of other owners are not \
                         taken over: inspect it, and move it away";

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

/// The decisions of an adoption.
struct Decided {
    helm: HelmPart,
    carried: Vec<Carried>,
    before: Before,
    makings: Makings,
    /// Whether only Helm's records are left to take over, because an earlier run did the rest.
    is_over: bool,
}

/// Plans the adoption, asks for consent, and carries it out.
pub(in crate::cmd) fn adopt(
    ctx: &Ctx,
    checked: &Checked,
    (cluster, identity): (&Cluster, &Identity),
    args: &AdoptArgs,
    mut install: InstallArgs,
) -> Outcome {
    let observe = |event: &Event<'_>| ctx.observe(event);
    let host = host(&observe);
    let mut run = Run::begin(host, checked, (cluster, identity), &install.options())?;
    let namespace = checked.bundle.index.namespace.as_str();
    let records = Records { cluster, namespace, release: &args.from_helm };
    let found = records.read(run.journal.head.adopting.is_some())?;
    run.adopts = found.release.as_ref().map(|_| &args.from_helm);
    // The release's objects are taken over. Without a release, no object of another owner is.
    install.adopt = found.release.is_some();
    let install = &install;
    let options = &install.options();
    let Decided { helm, carried, before, makings, is_over } =
        decide(checked, cluster, &run, &found, args, options)?;
    let (uids, versions) = (run::known_uids(&before), secret_versions(&before));
    let mut plan = forecast(cluster, checked, &run, before, &helm, &makings)?;
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

/// Reads the whole state, and refuses an adoption that would lose data or could not succeed.
fn decide(
    checked: &Checked,
    cluster: &Cluster,
    run: &Run<'_>,
    found: &Found,
    args: &AdoptArgs,
    options: &Options,
) -> Result<Decided, Failure> {
    let release = found.release.as_ref();
    let bundle = &checked.bundle;
    let namespace = bundle.index.namespace.as_str();
    let mut missing = preflight::check_contract(cluster, bundle)?;
    missing.wanted.extend(missing.groups.iter().map(ToString::to_string));
    if !missing.wanted.is_empty() {
        let failure =
            Failure::world("the cluster lacks what the bundle needs; nothing was changed");
        return Err(missing.wanted.into_iter().fold(failure, Failure::reason));
    }
    let recorded = run.journal.recorded(|_| true)?;
    let (earlier, known) = (inventory(&recorded), known_secrets(&run.journal.head, &recorded));
    let live = look(cluster, checked, release, &earlier)?;
    let taken =
        candidates(&earlier, &bundle.manifests, &live, (FIELD_MANAGER, bundle.index.name.as_str()));
    let taken = taken.into_iter().map(|taken| taken.uid).collect();
    let scope = release.map(|release| Scope {
        name: args.from_helm.as_str(),
        namespace,
        release,
        bundle: &bundle.manifests,
        live: &live,
        taken: &taken,
    });
    let objects = scope.as_ref().map_or_else(Vec::new, Scope::fates);
    let obstacles = scope.as_ref().map_or_else(Vec::new, Scope::obstacles);
    if !obstacles.is_empty() {
        let failure = Failure::world(format!(
            "the Helm release `{}` cannot be adopted; nothing was changed",
            args.from_helm
        ));
        return Err(obstacles.into_iter().fold(failure, Failure::reason));
    }
    let (carried, source) = match release {
        Some(release) => values::decide(
            cluster,
            bundle,
            release,
            args.key_from_revision,
            checked.opened.as_ref(),
        )?,
        None => (Vec::new(), None),
    };
    let coming = values::coming(&carried);
    let makings =
        secrets::survey_beside(run.secrets(), &known, &earlier, &options.consent, &coming)?;
    let is_taken = |handed: &Handed| {
        find(&live, &handed.key).is_none_or(|object| prepare::is_over(bundle, handed, object))
    };
    let is_over = carried.is_empty() && objects.iter().all(is_taken);
    let mut before = before(checked, cluster, run, (live, &objects), &earlier, options)?;
    before.warnings.extend(makings.warnings().iter().cloned().map(Warning::from));
    let helm = HelmPart {
        release: args.from_helm.to_string(),
        namespace: namespace.to_owned(),
        revision: release.map(|release| release.newest().number),
        is_archived: found.is_archived,
        objects,
        key_from_revision: args.key_from_revision,
        carried: values::describe(&carried),
        source,
        archived: Vec::new(),
    };
    Ok(Decided { helm, carried, before, makings, is_over })
}

/// Returns the state for the plan: the dry run of the bundle, conflicts, and the objects to prune.
fn before(
    checked: &Checked,
    cluster: &Cluster,
    run: &Run<'_>,
    (live, objects): (BTreeMap<ObjectKey, Value>, &[Handed]),
    earlier: &[Item],
    options: &Options,
) -> Result<Before, Failure> {
    let bundle = &checked.bundle;
    let tried = forecast::try_all(cluster, bundle, &live, objects)?;
    let mut gone = gone(objects, earlier, bundle, &live);
    gone.retain(|candidate| !is_wanted(bundle, &candidate.key));
    // Objects of the release count as having run before.
    let ran = gone.iter().map(|gone| Item { key: gone.key.clone(), uid: Some(gone.uid.clone()) });
    let ran: Vec<Item> = ran.chain(earlier.iter().cloned()).collect();
    let (prune, prune_later) = split_used(cluster, bundle.index.namespace.as_str(), gone)?;
    let mut before = Before { live, tried, prune, prune_later, ..Before::default() };
    let running = || run.running();
    let leave = Leave {
        is_shown: &|key| {
            objects.iter().any(|of| (&of.key.kind, &of.key.name) == (&key.kind, &key.name))
        },
        adopt: options.adopt,
        remedy: NO_RECORD,
        permits: &options.permits,
        running: &running,
    };
    judge(cluster, bundle, &mut before, &ran, &leave)?;
    Ok(before)
}

/// Returns the live objects of the bundle, the release, its PVCs, and earlier generations.
fn look(
    cluster: &Cluster,
    checked: &Checked,
    release: Option<&Release>,
    earlier: &[Item],
) -> Result<BTreeMap<ObjectKey, Value>, Failure> {
    let bundle = &checked.bundle;
    let namespace = bundle.index.namespace.as_str();
    let own = bundle.manifests.iter().map(|manifest| manifest.key.clone());
    let known = release.into_iter().flat_map(|release| {
        let claims = release.of_kind("StatefulSet").flat_map(|set| claims(set, namespace));
        release
            .keys(namespace)
            .into_iter()
            .filter(|key| phase(&key.kind).is_some())
            .chain(claims)
            .collect::<Vec<_>>()
    });
    let known = known
        .filter_map(|key| prepare::served(&key))
        .chain(earlier.iter().map(|item| item.key.clone()));
    let all: Vec<ObjectKey> = own.chain(known).collect();
    let mut seen = BTreeSet::new();
    let keys: Vec<ObjectKey> =
        all.iter().filter(|key| seen.insert(key.identity())).cloned().collect();
    let (live, unseen) = find_all(cluster, &keys)?;
    if unseen.is_empty() {
        return Ok(live);
    }
    let failure = Failure::world("cannot read all objects; nothing was changed");
    Err(unseen.into_iter().fold(failure, Failure::reason))
}

/// Returns the objects to delete after the rollout, referrers first: those of the release that the
/// bundle lacks, and leftovers of earlier generations.
fn gone(
    objects: &[Handed],
    earlier: &[Item],
    bundle: &Bundle,
    live: &BTreeMap<ObjectKey, Value>,
) -> Vec<Candidate> {
    let goes = objects.iter().filter(|handed| handed.fate == Fate::Prune);
    let candidate = |handed: &Handed| {
        let uid = live::uid(find(live, &handed.key)?).to_owned();
        Some(Candidate { key: prepare::served(&handed.key)?, uid })
    };
    let mut gone: Vec<Candidate> = goes.filter_map(candidate).collect();
    for left in
        candidates(earlier, &bundle.manifests, live, (FIELD_MANAGER, bundle.index.name.as_str()))
    {
        if !gone.iter().any(|known| known.uid == left.uid) {
            gone.push(left);
        }
    }
    gone.sort_by_key(|candidate| std::cmp::Reverse(phase(&candidate.key.kind)));
    gone
}

/// Builds the plan. Drops warnings about immutable fields of objects that are recreated.
fn forecast(
    cluster: &Cluster,
    checked: &Checked,
    run: &Run<'_>,
    before: Before,
    helm: &HelmPart,
    makings: &Makings,
) -> Result<Plan, Failure> {
    let trials = trials(&before);
    let mut plan = plan(&checked.bundle, before, FIELD_MANAGER);
    try_pods(cluster, &mut plan, &trials)?;
    let is_of_cleared = |warning: &Warning| helm.cleared().any(|of| warning.is_about(&of.key));
    plan.changes.warnings.retain(|warning| !is_of_cleared(warning));
    plan.obstacles.extend(run.lacking_rights(&plan, makings)?);
    plan.obstacles.extend(lacking_rights(cluster, checked.bundle.index.namespace.as_str(), helm)?);
    Ok(plan)
}

/// Returns a message about the missing permissions that only adoption needs, if any.
fn lacking_rights(
    cluster: &Cluster,
    namespace: &str,
    helm: &HelmPart,
) -> Result<Option<String>, Failure> {
    let written =
        helm.objects.iter().filter(|of| matches!(of.fate, Fate::Adopt | Fate::Keep | Fate::Prune));
    let written =
        written.map(|of| Right::to_one("update", &of.key.kind, &of.key.namespace, &of.key.name));
    let cleared = helm
        .cleared()
        .map(|of| Right::to_one("delete", &of.key.kind, &of.key.namespace, &of.key.name));
    let records = ["get", "list", "create", "update", "delete"]
        .map(|verb| Right::to_all(verb, "Secret", namespace));
    let lacking =
        preflight::lacking_rights(cluster, &written.chain(cleared).chain(records).collect())?;
    let told = || {
        format!(
            "missing permissions: {}; apply the Roles printed by `relay-bundle rbac --from-helm`",
            lacking.join(", ")
        )
    };
    Ok((!lacking.is_empty()).then(told))
}
