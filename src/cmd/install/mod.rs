//! Brings a cluster to a verified bundle's state: shared by `apply`, `adopt` and `rollback`.

pub(super) mod adopt;
mod args;
mod images;
mod init;

use std::fmt;

use super::confirm::place;
use super::ctx::Ctx;
use super::exit_code::Outcome;
use super::holder::holder;
use super::operator::{View, carry_through};
use super::{clock, random};
use crate::cluster::{Cluster, ClusterIdentity};
use crate::install::checked_bundle::{BundleOrigin, CheckedBundle};
use crate::install::event::{Event, Observer};
use crate::install::host::Host;
use crate::install::images::unchecked;
use crate::install::rollout::Rollout;
use crate::install::secrets::SecretPlan;
use crate::model::digest::Digest;
use crate::rollout::image_state::ImageState;
use crate::rollout::outcome::Done;
use crate::rollout::plan::Plan;
use crate::ui::plan_view::{ApplyReport, PlannedBundle};
pub(super) use args::{InstallArgs, SecretArgs, open_sealed};
pub(super) use init::init;

/// Plans a rollout, asks for consent, and carries it out.
pub(super) fn install(
    ctx: &Ctx,
    checked: &CheckedBundle,
    cluster: &Cluster,
    identity: &ClusterIdentity,
    args: &InstallArgs,
) -> Outcome {
    let observe = |event: &Event<'_>| ctx.observe(event);
    let lookup = args.images.lookup(ctx);
    let (host, options) = (host(&observe), args.options());
    let mut rollout = Rollout::plan(host, checked, (cluster, identity), &options, &lookup)?;
    let view = RolloutView { place: ChangePlace { checked, cluster, identity } };
    carry_through(ctx, args.approval(), &mut rollout, &view)
}

/// The bundle and the place of a change.
#[derive(Clone, Copy)]
pub(super) struct ChangePlace<'a> {
    pub(super) checked: &'a CheckedBundle,
    pub(super) cluster: &'a Cluster,
    pub(super) identity: &'a ClusterIdentity,
}

/// The planned changes, and the hash that approves them.
#[derive(Clone, Copy)]
struct Planned<'a> {
    plan: &'a Plan,
    secret_plan: &'a SecretPlan,
    images: &'a [ImageState],
    hash: Digest,
}

impl<'a> ChangePlace<'a> {
    pub(super) fn namespace(&self) -> &str {
        self.checked.bundle().index.namespace.as_str()
    }

    /// Returns the namespace that the operator must type to confirm a first install, if any.
    fn first_install(&self, secret_plan: &SecretPlan) -> Option<&str> {
        secret_plan.asks_first_install().then(|| self.namespace())
    }

    /// Returns the report of a plan, or of its result.
    fn report(self, planned: Planned<'a>, done: Option<&'a Done>) -> ApplyReport<'a> {
        let Planned { plan, secret_plan, images, hash } = planned;
        ApplyReport {
            bundle: PlannedBundle::of(self.checked.bundle()),
            context: &self.cluster.context,
            cluster_uid: &self.identity.uid,
            server_version: &self.identity.version,
            content_of: self.checked.origin.generation(),
            plan_hash: hash,
            generated: secret_plan.generated(),
            regenerated: secret_plan.regenerated(),
            sealed: secret_plan.sealed(),
            recovery: secret_plan.recovery(),
            plan,
            images,
            done,
        }
    }
}

impl fmt::Display for ChangePlace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = Some(&self.checked.policy);
        f.write_str(&place(self.cluster, self.identity, policy, self.namespace()))
    }
}

struct RolloutView<'a> {
    place: ChangePlace<'a>,
}

impl<'c> View<Rollout<'c>> for RolloutView<'_> {
    type Report<'a>
        = ApplyReport<'a>
    where
        Self: 'a,
        'c: 'a;

    const IS_LOGGED: bool = true;

    fn report<'a>(&'a self, rollout: &'a Rollout<'c>, done: Option<&'a Done>) -> ApplyReport<'a> {
        let Rollout { plan, secret_plan, images, hash, .. } = rollout;
        self.place.report(Planned { plan, secret_plan, images, hash: *hash }, done)
    }

    fn question(&self, _: &Rollout<'_>) -> String {
        let place = self.place;
        match place.checked.origin {
            BundleOrigin::Brought(_) => format!("Apply to {place}?"),
            BundleOrigin::Recorded(generation) => {
                format!("Go back to generation {generation} in {place}?")
            }
        }
    }

    fn first_install(&self, rollout: &Rollout<'_>) -> Option<&str> {
        self.place.first_install(&rollout.secret_plan)
    }

    fn warnings(&self, rollout: &Rollout<'_>) -> Vec<String> {
        warnings(self.place.checked, &rollout.plan, &rollout.images)
    }
}

/// Returns the warnings of a plan that the operator does not see.
fn warnings(checked: &CheckedBundle, plan: &Plan, images: &[ImageState]) -> Vec<String> {
    let warnings = plan.changes.warnings.iter().map(ToString::to_string);
    warnings.chain(unchecked(checked, images)).collect()
}

/// Returns this machine, with the functions that read its clock and environment.
pub(super) fn host<'a>(observe: &'a Observer<'a>) -> Host<'a> {
    Host { observe, now: clock::now, random: random::fill, holder }
}
