//! The command line of `adopt`: the plan, the questions and the report.

mod consent;

use super::{ChangePlace, InstallArgs, Planned, host, warnings};
use crate::cluster::{Cluster, ClusterIdentity};
use crate::cmd::ctx::Ctx;
use crate::cmd::exit_code::Outcome;
use crate::cmd::operator::{View, carry_through};
use crate::failure::Failure;
use crate::install::adopt::adoption::Adoption;
use crate::install::checked_bundle::CheckedBundle;
use crate::install::event::Event;
use crate::model::text::ReleaseName;
use crate::rollout::outcome::Done;
use crate::ui::adoption_view::AdoptReport;

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
    checked: &CheckedBundle,
    (cluster, identity): (&Cluster, &ClusterIdentity),
    args: &AdoptArgs,
    install: &InstallArgs,
) -> Outcome {
    let observe = |event: &Event<'_>| ctx.observe(event);
    let lookup = install.images.lookup(ctx);
    let (host, from) = (host(&observe), (&args.from_helm, args.key_from_revision));
    let at = (cluster, identity);
    let mut adoption = Adoption::plan(host, checked, at, from, install.options(), &lookup)?;
    let place = ChangePlace { checked, cluster, identity };
    let view = AdoptView { place, recreate_redis: args.recreate_redis };
    carry_through(ctx, install.approval(), &mut adoption, &view)
}

struct AdoptView<'a> {
    place: ChangePlace<'a>,
    /// Whether the operator agreed in advance that Redis is recreated.
    recreate_redis: bool,
}

impl<'c> View<Adoption<'c>> for AdoptView<'_> {
    type Report<'a>
        = AdoptReport<'a>
    where
        Self: 'a,
        'c: 'a;

    const IS_LOGGED: bool = true;

    fn report<'a>(&'a self, adoption: &'a Adoption<'c>, done: Option<&'a Done>) -> AdoptReport<'a> {
        let Adoption { helm, plan, secret_plan, images, hash, .. } = adoption;
        let planned = Planned { plan, secret_plan, images, hash: *hash };
        AdoptReport { helm, apply: self.place.report(planned, done) }
    }

    fn question(&self, adoption: &Adoption<'_>) -> String {
        format!("Take over the Helm release {} of {}?", adoption.helm.release, self.place)
    }

    fn ask(&self, ctx: &Ctx, adoption: &Adoption<'_>) -> Result<(), Failure> {
        consent::ask(ctx, self, adoption)
    }

    fn first_install(&self, adoption: &Adoption<'_>) -> Option<&str> {
        self.place.first_install(&adoption.secret_plan)
    }

    fn check_given(&self, adoption: &Adoption<'_>) -> Result<(), Failure> {
        consent::check_given(self, adoption)
    }

    fn warnings(&self, adoption: &Adoption<'_>) -> Vec<String> {
        warnings(self.place.checked, &adoption.plan, &adoption.images)
    }
}
