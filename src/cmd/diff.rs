//! `diff`: shows the changes from a bundle or a cluster to a bundle, and which pods restart.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::args::cluster::ClusterArgs;
use super::ctx::Ctx;
use super::exit_code::{DIFFERS, Outcome};
use super::source::{self, Source, SourceArgs};
use crate::cluster::Cluster;
use crate::diff::changes::{Changes, Diff, diff};
use crate::diff::warning::Warning;
use crate::failure::{Failure, FailureKind};
use crate::install::comparison::Live;
use crate::install::preflight::{Missing, check_contract};
use crate::ui::diff_view;
use crate::ui::escape::safe;
use crate::ui::printer::Report;

#[derive(Debug, clap::Args)]
#[command(
    mut_arg("kubeconfig", |argument| argument.requires("live")),
    mut_arg("context", |argument| argument.requires("live")),
    after_help = format!("Exit code 0 if both are the same, 1 if they differ.

With --live, the old side is the cluster: each live object is compared with the result of a
server-side dry run of the bundle, regardless of field owners. Nothing is written. Needs permission
to get and patch the objects.

Examples:
  relay-bundle diff production                  the newest build in the store with a build made now
  relay-bundle diff old.tar new.tar
  relay-bundle diff @production new.tar --json
  relay-bundle diff dev production
  relay-bundle diff new.tar --live              what applying it would change in the cluster

{}", source::HELP))]
pub struct Args {
    /// The old bundle; without NEW, a profile, which is compared with its newest build in the store
    old: String,
    /// The new bundle
    new: Option<String>,
    /// Compare the bundle with the cluster
    #[arg(long, conflicts_with = "new")]
    live: bool,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// The differences, and the origins of both bundles.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DiffReport {
    old_origin: String,
    new_origin: String,
    #[serde(flatten)]
    diff: Diff,
}

impl Report for DiffReport {
    const SCHEMA: &'static str = "diff/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        if !self.diff.same {
            for (name, origin, side) in [
                ("old", &self.old_origin, &self.diff.old),
                ("new", &self.new_origin, &self.diff.new),
            ] {
                let place = format!("{} of {} in {}", side.name, side.profile, side.namespace);
                writeln!(out, "{name}  {} ({}), {}", safe(origin), safe(&place), side.content_id)?;
            }
        }
        diff_view::write(&self.diff, out)
    }
}

/// The changes that applying a bundle would make in a cluster.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LiveDiffReport {
    same: bool,
    context: String,
    namespace: String,
    /// The deployed generation according to the record. `old_content_id` is its content.
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_content_id: Option<String>,
    new_origin: String,
    new_content_id: String,
    /// Objects that the server rejects, each with the reason.
    refused: Vec<String>,
    /// References of the bundle that the cluster does not satisfy.
    missing: Vec<String>,
    /// Objects that our permissions do not let us read.
    unseen: Vec<String>,
    #[serde(flatten)]
    changes: Changes,
}

impl LiveDiffReport {
    fn new(cluster: &Cluster, source: &Source, live: &Live<'_>) -> Result<Self, Failure> {
        let mut changes = live.changes();
        // A generated Secret counts as missing only in an existing installation.
        let missing = if live.deployed.is_some() {
            live.missing(cluster)
        } else {
            check_contract(cluster, &source.bundle)
        };
        let Missing { wanted: mut missing, groups, others, unseen } = missing?;
        missing.extend(groups.iter().filter(|group| !live.tells(group)).map(ToString::to_string));
        changes.warnings.extend(others.into_iter().map(Warning::from));
        let refused: Vec<String> =
            live.refused().map(|(key, why)| format!("{key}: {why}")).collect();
        Ok(Self {
            same: changes.objects.is_empty() && refused.is_empty() && missing.is_empty(),
            context: cluster.context.clone(),
            namespace: source.bundle.index.namespace.to_string(),
            generation: live.deployed.as_ref().map(|entry| entry.generation),
            old_content_id: live
                .deployed
                .as_ref()
                .map(|entry| format!("sha256:{}", entry.content_id)),
            new_origin: source.origin.clone(),
            new_content_id: format!("sha256:{}", source.bundle.content_id),
            refused,
            missing,
            unseen,
            changes,
        })
    }
}

impl Report for LiveDiffReport {
    const SCHEMA: &'static str = "diff-live/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        let place = format!("namespace {} of context {}", self.namespace, self.context);
        let runs = match (self.generation, &self.old_content_id) {
            (Some(generation), Some(content_id)) => {
                format!("generation {generation}, {content_id}")
            }
            _ => "nothing is installed, according to the record".to_owned(),
        };
        writeln!(out, "old  {}: {runs}", safe(&place))?;
        writeln!(out, "new  {}, {}", safe(&self.new_origin), self.new_content_id)?;
        let Changes { objects, workloads, warnings } = &self.changes;
        if self.same {
            writeln!(out, "no difference: everything that the bundle states is in place")?;
            diff_view::write_warnings(warnings, out)?;
        } else {
            diff_view::write_changes(objects, workloads, warnings, out)?;
        }
        self.refused
            .iter()
            .try_for_each(|refused| writeln!(out, "  ! the server refuses {}", safe(refused)))?;
        self.missing
            .iter()
            .try_for_each(|missing| writeln!(out, "  ! missing: {}", safe(missing)))?;
        self.unseen.iter().try_for_each(|unseen| writeln!(out, "  not checked: {}", safe(unseen)))
    }
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        if self.live {
            return self.run_live(ctx);
        }
        let alone = self.new.is_none();
        let (old, new) = match self.new {
            Some(new) => (self.old, new),
            None if source::is_profile(&self.old) => (format!("@{}", self.old), self.old),
            None => {
                return Err(Failure::input(format!("nothing to compare `{}` with", self.old))
                    .hint("pass two bundles; a single profile is compared with its newest build")
                    .hint("or compare it with the cluster: --live"));
            }
        };
        let old = self.source.open(ctx, &old).map_err(|failure| match failure.kind {
            FailureKind::Input if alone => {
                failure.hint(format!("build it first: relay-bundle build {new}"))
            }
            _ => failure,
        })?;
        let new = self.source.open(ctx, &new)?;
        old.tell_carried(ctx)?;
        new.tell_carried(ctx)?;
        let diff = diff(&old.bundle, &new.bundle);
        let same = diff.same;
        ctx.printer.report(&DiffReport { old_origin: old.origin, new_origin: new.origin, diff })?;
        Ok(if same { ExitCode::SUCCESS } else { ExitCode::from(DIFFERS) })
    }

    fn run_live(&self, ctx: &Ctx) -> Outcome {
        let source = self.source.open(ctx, &self.old)?;
        source.tell_carried(ctx)?;
        let cluster = self.cluster.connect(&ctx.printer)?;
        let live = Live::look(&cluster, &source.bundle)?;
        let report = LiveDiffReport::new(&cluster, &source, &live)?;
        ctx.printer.report(&report)?;
        Ok(if report.same { ExitCode::SUCCESS } else { ExitCode::from(DIFFERS) })
    }
}
