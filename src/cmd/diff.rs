//! `diff`: shows the changes from a bundle or a cluster to a bundle, and which pods restart.

use std::process::ExitCode;

use super::args::cluster::ClusterArgs;
use super::args::source::{self, SourceArgs, tell_carried};
use super::ctx::Ctx;
use super::exit_code::{DIFFERS, Outcome};
use crate::cluster::Cluster;
use crate::diff::changes::diff;
use crate::diff::warning::Warning;
use crate::failure::{Failure, FailureKind};
use crate::install::comparison::LiveComparison;
use crate::install::preflight::{Missing, check_contract};
use crate::media::argument::{BundleArgument, located};
use crate::media::unverified_bundle::UnverifiedBundle;
use crate::ui::diff_view::DiffReport;
use crate::ui::live_diff_view::LiveDiffReport;

#[derive(Debug, clap::Args)]
#[command(
    mut_arg("kubeconfig", |argument| argument.requires("live")),
    mut_arg("context", |argument| argument.requires("live")),
    after_long_help = format!("Exit code 0 if both are the same, 1 if they differ.

With --live, the old side is the cluster: each live object is compared with the result of a \
server-side dry run of the bundle, regardless of field owners. Nothing is written. Needs permission \
to get and patch the objects.

Examples:
  relay-bundle diff production      the newest build with one made now
  relay-bundle diff old.tar new.tar
  relay-bundle diff @production new.tar --json
  relay-bundle diff dev production
  relay-bundle diff new.tar --live  what applying it would change

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

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        if self.live {
            return self.run_live(ctx);
        }

        let alone = self.new.is_none();
        let (old, new) = match self.new {
            Some(new) => (self.old, new),
            None if self.is_profile(&self.old) => (format!("@{}", self.old), self.old),
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
        tell_carried(ctx, &old)?;
        tell_carried(ctx, &new)?;

        let diff = diff(&old.bundle, &new.bundle);
        let same = diff.same;
        ctx.printer.report(&DiffReport { old_origin: old.origin, new_origin: new.origin, diff })?;
        Ok(if same { ExitCode::SUCCESS } else { ExitCode::from(DIFFERS) })
    }

    fn is_profile(&self, argument: &str) -> bool {
        let argument = located(argument, Some(&self.source.profiles.profiles));
        matches!(BundleArgument::of(&argument), BundleArgument::Profile(_))
    }

    fn run_live(&self, ctx: &Ctx) -> Outcome {
        let source = self.source.open(ctx, &self.old)?;
        tell_carried(ctx, &source)?;
        let cluster = self.cluster.connect(&ctx.printer)?;
        let live = LiveComparison::look(&cluster, &source.bundle)?;
        let report = live_report(&cluster, &source, &live)?;
        ctx.printer.report(&report)?;
        Ok(if report.same { ExitCode::SUCCESS } else { ExitCode::from(DIFFERS) })
    }
}

/// Returns the report of a comparison.
fn live_report(
    cluster: &Cluster,
    source: &UnverifiedBundle,
    live: &LiveComparison<'_>,
) -> Result<LiveDiffReport, Failure> {
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
    let refused: Vec<String> = live.refused().map(|(key, why)| format!("{key}: {why}")).collect();
    Ok(LiveDiffReport {
        same: changes.objects.is_empty() && refused.is_empty() && missing.is_empty(),
        context: cluster.context.clone(),
        namespace: source.bundle.index.namespace.to_string(),
        generation: live.deployed.as_ref().map(|entry| entry.generation),
        old_content_id: live.deployed.as_ref().map(|entry| entry.content_id.prefixed()),
        new_origin: source.origin.clone(),
        new_content_id: source.bundle.content_id.prefixed(),
        refused,
        missing,
        unseen,
        changes,
    })
}
