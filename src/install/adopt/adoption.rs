//! The adoption of a Helm release: prepares ownership, runs the same rollout as `apply`, and
//! finally moves Helm's records to where Helm does not look.
//!
//! Everything is decided before the first write. An interrupted adoption can be repeated at any
//! point: each step finds the work that is left.

use super::adoption_run::Work;
use super::carried_values::CarriedValue;
use super::decision::{Decided, decide, observe_rest};
use super::helm_records::Records;
use crate::cluster::request::FIELD_MANAGER;
use crate::cluster::{Cluster, ClusterIdentity};
use crate::diff::warning::Warning;
use crate::failure::Failure;
use crate::helm::adoption::HelmPart;
use crate::install::blocked_plan::blocked;
use crate::install::change::Change;
use crate::install::checked_bundle::CheckedBundle;
use crate::install::execution::Uids;
use crate::install::host::Host;
use crate::install::images::{self, ImageLookup};
use crate::install::options::Options;
use crate::install::record::release_after;
use crate::install::rollout::hash;
use crate::install::run::{self, Run};
use crate::install::secrets::SecretPlan;
use crate::model::digest::Digest;
use crate::model::text::ReleaseName;
use crate::rollout::image_state::ImageState;
use crate::rollout::outcome::Done;
use crate::rollout::plan::{Plan, plan};
use crate::rollout::plan_hash::{bound, secret_versions};

/// A planned adoption.
pub struct Adoption<'a> {
    options: Options,
    run: Run<'a>,
    release: &'a ReleaseName,
    pub helm: HelmPart,
    pub plan: Plan,
    pub secret_plan: SecretPlan,
    /// The images of the bundle, and whether their registries have them.
    pub images: Vec<ImageState>,
    pub hash: Digest,
    carried: Vec<CarriedValue>,
    uids: Uids,
    /// Whether the rollout is done, so that only Helm's records are left.
    is_rolled_out: bool,
}

impl<'a> Adoption<'a> {
    /// Reads everything that the plan depends on, and decides. `from` is the Helm release, and the
    /// revision whose keys the relay runs with according to the operator.
    ///
    /// # Errors
    ///
    /// When the bundle or the adoption is refused, another run holds the lock, or the cluster cannot
    /// be asked.
    pub fn plan(
        host: Host<'a>,
        checked: &'a CheckedBundle,
        (cluster, identity): (&Cluster, &ClusterIdentity),
        from: (&'a ReleaseName, Option<u64>),
        mut options: Options,
        lookup: &ImageLookup<'_>,
    ) -> Result<Self, Failure> {
        let mut run = Run::begin(host, checked, (cluster, identity), options.turn)?;
        let namespace = checked.bundle.index.namespace.as_str();
        let records = Records { cluster, namespace, release: from.0 };
        let found = records.read(run.journal.head.adopting.is_some())?;
        run.adopts = found.release.is_some().then_some(from.0);
        // The release's objects are taken over. Without a release, no object of another owner is.
        options.adopt = run.adopts.is_some();

        let Decided { helm, carried, mut observed, secret_plan, is_noop } =
            decide(&run, cluster, &found, from, &options)?;
        let (uids, versions) = (run::known_uids(&observed), secret_versions(&observed));
        observe_rest(&run, cluster, &mut observed, &helm, &secret_plan)?;
        observed.obstacles.extend(records.taken_names(&found)?);
        observed.warnings.extend(run.excused().map(Warning::from));
        let is_applied = observed.changes_nothing(checked.bundle(), FIELD_MANAGER);
        let images = if is_applied {
            Vec::new()
        } else {
            images::look(lookup, checked, cluster, &mut observed)?
        };
        let plan = plan(checked.bundle(), observed, FIELD_MANAGER);

        let is_known = secret_plan.is_empty() && !secret_plan.notes_others();
        let is_rolled_out = is_noop && is_known && is_applied && run.is_deployed();
        let hash = bound(hash(checked, identity, &plan, &secret_plan, &versions), &helm.approved());
        Ok(Self {
            options,
            run,
            release: from.0,
            helm,
            plan,
            secret_plan,
            images,
            hash,
            carried,
            uids,
            is_rolled_out,
        })
    }
}

impl Change for Adoption<'_> {
    type Done = Done;

    fn blocked(&self) -> Option<Failure> {
        blocked(&self.plan).map(Failure::from)
    }

    /// Archiving Helm's records is a change, too.
    fn is_noop(&self) -> bool {
        self.is_rolled_out && self.run.adopts.is_none()
    }

    fn hash(&self) -> Option<Digest> {
        Some(self.hash)
    }

    fn carry_out(&mut self) -> Result<Done, Failure> {
        let done = if self.is_rolled_out {
            self.run.journal.clear_dead_lock()?;
            Done::unchanged(self.run.deployed())
        } else {
            self.roll_out()?
        };
        let session = self.run.journal.session();
        let namespace = self.run.checked.bundle.index.namespace.as_str();
        let records = Records { cluster: session, namespace, release: self.release };
        self.helm.archived = records.archive(session)?;
        self.run.journal.finish_adoption()?;
        Ok(done)
    }
}

impl Adoption<'_> {
    fn roll_out(&mut self) -> Result<Done, Failure> {
        let work = Work {
            options: &self.options,
            carried: &self.carried,
            objects: &self.helm.objects,
            plan: &self.plan,
            secret_plan: &self.secret_plan,
        };
        let done = work.carry_out(&mut self.run, &self.uids);
        done.map_err(|failure| release_after(&mut self.run.journal, failure))
    }
}
