//! One run against one cluster: what it reads for its plan. `course` goes from the lock to the
//! record.

mod course;
mod error;
mod secrets_alone;

use camino::Utf8PathBuf;

use self::error::RunError;
use super::checked_bundle::CheckedBundle;
use super::event::{Event, Observer};
use super::execution::Uids;
use super::generations::{inventory, known_secrets};
use super::host::Host;
use super::options::Options;
use super::ownership::{self, TakeoverRules, resolve_conflicts, tell_additions};
use super::record::{Journal, Turn};
use super::secrets::{self, NONE_COMING, SecretContext, SecretPlan, SecretSources};
use super::standing::BundleStanding;
use super::{observation, preflight};
use crate::cluster::{Cluster, ClusterIdentity};
use crate::diff::warning::Warning;
use crate::failure::{Failure, FailureKind};
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::model::text::ReleaseName;
use crate::render::manifest_set::ManifestSet;
use crate::rollout::live_object;
use crate::rollout::obstacle::{MissingGroup, Obstacle, Roles};
use crate::rollout::permissions::{Permission, of_the_record};
use crate::rollout::plan::{DryRunAnswer, Observed};
use crate::rollout::record::GenerationProgress;

/// A run against one cluster.
pub struct Run<'a> {
    pub host: Host<'a>,
    pub checked: &'a CheckedBundle,
    pub journal: Journal,
    is_namespace_there: bool,
    standing: BundleStanding,
    /// The Helm release that the run takes over.
    pub adopts: Option<&'a ReleaseName>,
}

impl<'a> Run<'a> {
    /// Starts a run: checks the cluster's version, the namespace and the lock of another run, and
    /// refuses a bundle older than the accepted one.
    pub fn begin(
        host: Host<'a>,
        checked: &'a CheckedBundle,
        (cluster, identity): (&Cluster, &ClusterIdentity),
        turn: Turn,
    ) -> Result<Self, Failure> {
        let bundle = &checked.bundle;
        preflight::check_version(identity, bundle)?;
        let namespace = bundle.index.namespace.as_str();
        let namespace_key = ObjectKey::of(Kind::Namespace, "", namespace);
        let live = cluster.find(&namespace_key)?;
        if live.as_ref().is_some_and(live_object::is_ending) {
            return Err(RunError::NamespaceEnding(namespace.to_owned()).into());
        }
        let is_namespace_there = live.is_some();
        let mut journal = Journal::open(cluster, &bundle.index.name, namespace)?;
        journal.await_turn(turn, host.observe)?;
        let standing = BundleStanding::of(checked, &journal)?;
        Ok(Self { host, checked, journal, is_namespace_there, standing, adopts: None })
    }

    /// Returns the reason for which the bundle would be refused if its content were not deployed.
    pub fn excused(&self) -> Option<String> {
        self.standing.excused(&self.journal)
    }

    /// Reads everything that the plan depends on, and collects all obstacles.
    pub fn survey(&self, options: &Options) -> Result<(Observed, SecretPlan), Failure> {
        let (cluster, bundle) = (self.journal.session(), &self.checked.bundle);
        let missing = preflight::check_contract(cluster, bundle)?;
        for unseen in &missing.unseen {
            (self.host.observe)(&Event::Unchecked { what: unseen });
        }

        let recorded = self.journal.recorded(|_| true)?;
        let (earlier, known) = (inventory(&recorded), known_secrets(&self.journal.head, &recorded));
        let secret_plan = secrets::survey(self.secrets(), &known, &earlier, &options.consent);
        let mut observed = observation::survey(cluster, bundle, &earlier, self.is_namespace_there)?;

        let running = || self.running();
        let rules = TakeoverRules {
            is_reported: &|_| false,
            adopt: options.adopt,
            remedy: ownership::FOREIGN_REMEDY,
            permits: &options.permits,
            running: &running,
        };
        resolve_conflicts(cluster, bundle, &mut observed, &earlier, &rules)?;
        tell_additions(&mut observed, &bundle.manifests);

        observed.obstacles.extend(missing.wanted.into_iter().map(Obstacle::Missing));
        // The refused dry run of such an object already reports it.
        let is_told = |group: &MissingGroup| {
            observed
                .tried
                .iter()
                .any(|(key, tried)| group.has(key) && matches!(tried, DryRunAnswer::Refused(_)))
        };
        let untold: Vec<Obstacle> = missing
            .groups
            .into_iter()
            .filter(|group| !is_told(group))
            .map(Obstacle::Unserved)
            .collect();
        observed.obstacles.extend(untold);

        match secret_plan {
            Err(why) if observed.is_blocked() && why.kind != FailureKind::Interrupted => {
                let (why, remedies) = (why.message(), [why.reasons, why.hints].concat());
                observed.obstacles.push(Obstacle::Secrets { why, remedies });
                Ok((observed, SecretPlan::default()))
            }
            secret_plan => {
                let secret_plan = secret_plan?;
                observed.warnings.extend(secret_plan.warnings().iter().cloned().map(Warning::from));
                Ok((observed, secret_plan))
            }
        }
    }

    /// Returns the objects of the deployed bundle, unless the new content has run here before.
    pub fn running(&self) -> Result<Option<ManifestSet>, Failure> {
        let content_id = self.checked.bundle.content_id;
        let was_here = self.journal.head.generations.iter().any(|entry| {
            entry.content_id == content_id
                && matches!(
                    entry.state,
                    GenerationProgress::Deployed | GenerationProgress::Superseded
                )
        });
        if was_here {
            return Ok(None);
        }
        self.journal.head.deployed().map(|entry| self.journal.manifests(entry)).transpose()
    }

    /// Returns the context of decisions about secrets.
    pub fn secrets(&self) -> SecretContext<'_> {
        let (cluster, sources) = (self.journal.session(), self.sources());
        SecretContext { cluster, sources, adopts: self.adopts.is_some(), coming: &NONE_COMING }
    }

    fn sources(&self) -> SecretSources<'a> {
        let CheckedBundle { bundle, opened, .. } = self.checked;
        SecretSources {
            bundle,
            opened: opened.as_ref(),
            goes_back: self.standing.ran_here(),
            random: self.host.random,
        }
    }

    /// Returns whether this very statement was deployed last, with no generation pending.
    pub fn is_deployed(&self) -> bool {
        let (bundle, head) = (&self.checked.bundle, &self.journal.head);
        let serial = bundle.voucher().statement.predicate.serial;
        head.pending().is_none()
            && head
                .deployed()
                .is_some_and(|last| last.content_id == bundle.content_id && last.serial == serial)
    }

    /// Returns the deployed generation.
    pub fn deployed(&self) -> Option<u64> {
        self.journal.head.deployed().map(|entry| entry.generation)
    }

    /// Returns the missing permissions that the dry run of the objects did not exercise, if any.
    pub(super) fn missing_permissions(
        &self,
        observed: &Observed,
        secret_plan: &SecretPlan,
    ) -> Result<Option<Obstacle>, Failure> {
        let namespace = self.checked.bundle.index.namespace.as_str();
        let mut permissions = of_the_record(namespace);
        let gone = observed.prune_first.iter().chain(&observed.prune).map(|gone| &gone.key);
        permissions.extend(gone.map(|key| Permission::on("delete", key)));
        permissions.extend(secret_plan.permissions(namespace));
        let keys = self.checked.bundle.manifests.iter().map(|manifest| &manifest.key);
        let is_tried = |key: &ObjectKey| observed.is_tried(key) || key.is(Kind::Namespace);
        for key in keys.filter(|key| !is_tried(key)) {
            permissions.insert(Permission::to_all("create", &key.kind, &key.namespace));
            permissions.insert(Permission::on("patch", key));
        }
        preflight::missing_permissions(self.journal.session(), &permissions, Roles::Apply)
    }
}

/// Tells the operator which files the generated values can be recovered from.
pub fn tell_recovery(files: &[Utf8PathBuf], observe: &Observer<'_>) {
    for file in files {
        observe(&Event::RecoverySaved { file });
    }
}

/// Returns the UIDs of the live objects.
pub fn known_uids(observed: &Observed) -> Uids {
    observed
        .live
        .iter()
        .map(|(key, object)| (key.clone(), live_object::uid(object).to_owned()))
        .collect()
}
