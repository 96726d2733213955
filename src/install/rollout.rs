//! The rollout of a bundle: the change of `apply` and `rollback`.

use super::blocked_plan::blocked;
use super::change::Change;
use super::checked_bundle::CheckedBundle;
use super::execution::Uids;
use super::host::Host;
use super::images::{self, ImageLookup};
use super::options::Options;
use super::pod_dry_run::try_pods;
use super::run::{self, Run};
use super::secrets::SecretPlan;
use crate::cluster::request::FIELD_MANAGER;
use crate::cluster::{Cluster, ClusterIdentity};
use crate::diff::warning::Warning;
use crate::failure::Failure;
use crate::model::digest::Digest;
use crate::rollout::image_state::ImageState;
use crate::rollout::outcome::Done;
use crate::rollout::plan::{Plan, plan};
use crate::rollout::plan_hash::{PlanSubject, SecretVersions, plan_hash, secret_versions};

/// A planned rollout.
pub struct Rollout<'a> {
    run: Run<'a>,
    pub plan: Plan,
    pub secret_plan: SecretPlan,
    /// The images of the bundle, and whether their registries have them.
    pub images: Vec<ImageState>,
    pub hash: Digest,
    uids: Uids,
    is_noop: bool,
    options: &'a Options,
}

impl<'a> Rollout<'a> {
    /// Reads everything that the plan depends on, and decides.
    ///
    /// # Errors
    ///
    /// When the bundle is refused here, another run holds the lock, or the cluster cannot be asked.
    pub fn plan(
        host: Host<'a>,
        checked: &'a CheckedBundle,
        (cluster, identity): (&Cluster, &ClusterIdentity),
        options: &'a Options,
        lookup: &ImageLookup<'_>,
    ) -> Result<Self, Failure> {
        let run = Run::begin(host, checked, (cluster, identity), options.turn)?;
        let (mut observed, secret_plan) = run.survey(options)?;
        let (uids, secrets) = (run::known_uids(&observed), secret_versions(&observed));
        let bundle = checked.bundle();
        try_pods(cluster, &bundle.manifests, &mut observed)?;
        let is_noop = secret_plan.is_empty()
            && !secret_plan.notes_others()
            && observed.changes_nothing(bundle, FIELD_MANAGER)
            && run.is_deployed();
        let mut images = Vec::new();
        if !is_noop {
            let missing = run.missing_permissions(&observed, &secret_plan)?;
            // A dry run needs read access only.
            if options.is_dry_run() {
                observed.warnings.extend(missing.map(|missing| missing.to_string().into()));
            } else {
                observed.obstacles.extend(missing);
            }
            images = images::look(lookup, checked, cluster, &mut observed)?;
        }
        // While Helm still has its records, `helm uninstall` would delete the objects of this run.
        observed.obstacles.extend(run.journal.adoption_obstacle());
        observed.warnings.extend(run.excused().map(Warning::from));

        let plan = plan(bundle, observed, FIELD_MANAGER);
        let hash = hash(checked, identity, &plan, &secret_plan, &secrets);
        Ok(Self { run, plan, secret_plan, images, hash, uids, is_noop, options })
    }
}

impl Change for Rollout<'_> {
    type Done = Done;

    fn blocked(&self) -> Option<Failure> {
        blocked(&self.plan).map(Failure::from)
    }

    fn is_noop(&self) -> bool {
        self.is_noop
    }

    fn hash(&self) -> Option<Digest> {
        Some(self.hash)
    }

    fn carry_out(&mut self) -> Result<Done, Failure> {
        if self.is_noop {
            self.run.journal.clear_dead_lock()?;
            return Ok(Done::unchanged(self.run.deployed()));
        }
        let uids = std::mem::take(&mut self.uids);
        self.run.execute(&self.plan, &self.secret_plan, uids, self.options)
    }
}

/// Returns the hash that approves a plan.
pub(super) fn hash(
    checked: &CheckedBundle,
    identity: &ClusterIdentity,
    plan: &Plan,
    secret_plan: &SecretPlan,
    secrets: &SecretVersions,
) -> Digest {
    let bundle = checked.bundle();
    let (generated, recovery) = (secret_plan.all(), secret_plan.recovery());
    let purpose = PlanSubject {
        cluster_uid: &identity.uid,
        namespace: bundle.index.namespace.as_str(),
        content_id: bundle.content_id,
        serial: bundle.voucher().statement.predicate.serial,
        content_of: checked.origin.generation(),
        generated: &generated,
        recipients: recovery.as_ref().map_or(&[], |recovery| &recovery.recipients),
        foreign: secret_plan.foreign(),
    };
    plan_hash(purpose, plan, secrets)
}
