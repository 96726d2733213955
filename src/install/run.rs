//! One run against one cluster: from the lock to the record.

use std::time::Duration;

use camino::Utf8PathBuf;
use serde::Serialize;

use super::AGAIN;
use super::checked::{Accepted, Checked, Origin};
use super::event::{Event, Observer};
use super::execute::{self, Uids};
use super::generations::{inventory, known_secrets};
use super::host::Host;
use super::options::Options;
use super::ownership::{self, Leave, judge, tell_additions};
use super::preflight::{self, MissingGroup};
use super::record::{Journal, gave_back};
use super::secrets::{self, Consent, Context, Makings};
use super::standing::Standing;
use super::{observe, wait};
use crate::cluster::{Cluster, Identity};
use crate::diff::warning::Warning;
use crate::failure::Failure;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::model::text::ReleaseName;
use crate::render::manifest_set::ManifestSet;
use crate::rollout::plan::{Action, Before, Plan, Tried};
use crate::rollout::prune::Candidate;
use crate::rollout::record::{Generation, Item, NewEntry, Progress};
use crate::rollout::rights::{Right, of_the_record};
use crate::rollout::{live, readiness};

/// A run against one cluster.
pub struct Run<'a> {
    host: Host<'a>,
    checked: &'a Checked,
    cluster: &'a Cluster,
    pub journal: Journal<'a>,
    is_namespace_there: bool,
    timeout: Duration,
    standing: Standing,
    /// The Helm release that the run takes over.
    pub adopts: Option<&'a ReleaseName>,
}

impl<'a> Run<'a> {
    /// Starts a run: checks the cluster's version, the namespace and the lock of another run, and
    /// refuses a bundle older than the accepted one.
    pub fn begin(
        host: Host<'a>,
        checked: &'a Checked,
        (cluster, identity): (&'a Cluster, &Identity),
        options: &Options,
    ) -> Result<Self, Failure> {
        let bundle = &checked.bundle;
        preflight::check_version(identity, bundle)?;
        let namespace = bundle.index.namespace.as_str();
        let namespace_key = ObjectKey::of(Kind::Namespace, "", namespace);
        let live = cluster.find(&namespace_key)?;
        if live.as_ref().is_some_and(live::is_ending) {
            return Err(Failure::world(format!(
                "{namespace_key} is being deleted; nothing was changed"
            ))
            .hint(format!(
                "wait until it is gone (kubectl wait --for=delete namespace/{namespace}), then run \
                 the same command again"
            )));
        }
        let is_namespace_there = live.is_some();
        let mut journal = Journal::open(cluster, &bundle.index.name, namespace)?;
        journal.await_turn(options.turn, host.observe)?;
        let standing = Standing::of(checked, &journal)?;
        Ok(Self {
            host,
            checked,
            cluster,
            journal,
            is_namespace_there,
            timeout: options.timeout,
            standing,
            adopts: None,
        })
    }

    /// Returns the reason for which the bundle would be refused if its content were not deployed.
    pub fn excused(&self) -> Option<String> {
        self.standing.excused(&self.journal)
    }

    /// Reads everything that the plan depends on, and collects all obstacles.
    pub fn survey(&self, options: &Options) -> Result<(Before, Makings), Failure> {
        let bundle = &self.checked.bundle;
        let missing = preflight::check_contract(self.cluster, bundle)?;
        for unseen in &missing.unseen {
            (self.host.observe)(&Event::Unchecked { what: unseen });
        }
        let recorded = self.journal.recorded(|_| true)?;
        let (earlier, known) = (inventory(&recorded), known_secrets(&self.journal.head, &recorded));
        let makings = secrets::survey(self.secrets(), &known, &earlier, &options.consent);
        let mut before = observe::survey(self.cluster, bundle, &earlier, self.is_namespace_there)?;
        let running = || self.running();
        let leave = Leave {
            is_shown: &|_| false,
            adopt: options.adopt,
            remedy: ownership::STRANGER_REMEDY,
            permits: &options.permits,
            running: &running,
        };
        judge(self.cluster, bundle, &mut before, &earlier, &leave)?;
        tell_additions(&mut before, &bundle.manifests);
        before.obstacles.extend(missing.wanted.into_iter().map(|what| format!("missing: {what}")));
        // The refused dry run of such an object already reports it.
        let is_told = |group: &MissingGroup| {
            before
                .tried
                .iter()
                .any(|(key, tried)| group.has(key) && matches!(tried, Tried::Refused(_)))
        };
        let untold = missing.groups.iter().filter(|group| !is_told(group)).map(ToString::to_string);
        let untold: Vec<String> = untold.collect();
        before.obstacles.extend(untold);
        match makings {
            Err(why) if before.is_blocked() => {
                let parts = [vec![why.message()], why.reasons, why.hints].concat();
                before.obstacles.push(parts.join("; "));
                Ok((before, Makings::default()))
            }
            makings => {
                let makings = makings?;
                before.warnings.extend(makings.warnings().iter().cloned().map(Warning::from));
                Ok((before, makings))
            }
        }
    }

    /// Returns the objects of the deployed bundle, unless the new content has run here before.
    pub fn running(&self) -> Result<Option<ManifestSet>, Failure> {
        let content_id = self.checked.bundle.content_id;
        let was_here = self.journal.head.generations.iter().any(|entry| {
            entry.content_id == content_id
                && matches!(entry.state, Progress::Deployed | Progress::Superseded)
        });
        if was_here {
            return Ok(None);
        }
        self.journal.head.deployed().map(|entry| self.journal.manifests(entry)).transpose()
    }

    /// Reads the state that the secrets depend on, and nothing else.
    pub fn survey_secrets(&self, consent: &Consent) -> Result<Makings, Failure> {
        if let Some(lock) = &self.journal.head.lock {
            return Err(Failure::world(format!(
                "another run is in progress, or was interrupted: {lock}"
            ))
            .hint("wait until it is done, or apply the bundle: that creates its secrets too"));
        }
        let bundle = &self.checked.bundle;
        if !self.is_namespace_there
            && !bundle.index.objects.iter().any(|object| object.kind == "Namespace")
        {
            let namespace = &bundle.index.namespace;
            return Err(Failure::world(format!(
                "namespace {namespace} does not exist, and the bundle does not create it"
            ))
            .hint(format!("kubectl create namespace {namespace}")));
        }
        let recorded = self.journal.recorded(|_| true)?;
        let known = known_secrets(&self.journal.head, &recorded);
        secrets::survey(self.secrets(), &known, &inventory(&recorded), consent)
    }

    /// Generates secrets, and nothing else. Returns the paths of the recovery files.
    pub fn make_secrets(&mut self, makings: &Makings) -> Result<Vec<Utf8PathBuf>, Failure> {
        let namespace = self.checked.bundle.index.namespace.as_str();
        let record =
            ["get", "create", "update"].map(|verb| Right::to_all(verb, "ConfigMap", namespace));
        let rights = record.into_iter().chain(makings.rights(namespace)).collect();
        preflight::check_rights(self.cluster, &rights)?;
        self.make_namespace(&mut Uids::new())?;
        makings.make(self.secrets(), &mut self.journal)
    }

    /// Returns the context of decisions about secrets.
    pub fn secrets(&self) -> Context<'a> {
        let Checked { bundle, opened, .. } = self.checked;
        Context {
            cluster: self.cluster,
            bundle,
            opened: opened.as_ref(),
            goes_back: self.standing.ran_here(),
            adopts: self.adopts.is_some(),
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

    /// Returns a message about the missing permissions that the dry run of the objects did not
    /// exercise, if any.
    pub fn lacking_rights(
        &self,
        plan: &Plan,
        makings: &Makings,
    ) -> Result<Option<String>, Failure> {
        let namespace = self.checked.bundle.index.namespace.as_str();
        let mut rights = of_the_record(namespace);
        let gone = plan.prune_first.iter().chain(&plan.prune).map(|gone| &gone.key);
        rights
            .extend(gone.map(|key| Right::to_one("delete", &key.kind, &key.namespace, &key.name)));
        rights.extend(makings.rights(namespace));
        let untried = plan.steps.iter().filter(|step| !step.tried && !step.key.is(Kind::Namespace));
        for key in untried.map(|step| &step.key) {
            rights.insert(Right::to_all("create", &key.kind, &key.namespace));
            rights.insert(Right::to_one("patch", &key.kind, &key.namespace, &key.name));
        }
        let lacking = preflight::lacking_rights(self.cluster, &rights)?;
        let told = || {
            format!(
                "missing permissions: {}; apply the Role printed by `relay-bundle rbac`",
                lacking.join(", ")
            )
        };
        Ok((!lacking.is_empty()).then(told))
    }

    /// Carries out the plan. Releases the lock on failure, too.
    pub fn execute(
        &mut self,
        plan: &Plan,
        makings: &Makings,
        mut uids: Uids,
    ) -> Result<Done, Failure> {
        self.make_namespace(&mut uids)?;
        let done = match self.lock_and_journal(plan, makings, &uids) {
            Ok(generation) => {
                let done = self.roll_out(generation, plan, makings, uids);
                done.map_err(|failure| self.ways_on(generation, failure))
            }
            Err(failure) => Err(failure),
        };
        done.map_err(|failure| gave_back(&mut self.journal, failure))
    }

    /// Adds hints on how to resume a pending generation, roll back, or remove.
    fn ways_on(&self, pending: u64, failure: Failure) -> Failure {
        let failure = failure.hint(format!("generation {pending} stays pending")).hint(AGAIN);
        match self.journal.head.deployed().map(|deployed| deployed.generation) {
            Some(deployed) => {
                let line = self.checked.rollback_line(deployed);
                failure.hint(format!("or go back to generation {deployed}: {line}"))
            }
            None => failure.hint(format!("or remove its objects: {}", self.checked.remove_line())),
        }
    }

    /// Creates the namespace first if the bundle has one, because the record is kept in it.
    fn make_namespace(&self, uids: &mut Uids) -> Result<(), Failure> {
        let bundle = &self.checked.bundle;
        let made = bundle.index.objects.iter().zip(bundle.manifests.iter());
        let mut made =
            made.filter(|(object, _)| object.kind == "Namespace" && !self.is_namespace_there);
        if let Some((object, manifest)) = made.next() {
            let made = execute::apply_one(self.cluster, bundle, object, &manifest.key)?;
            uids.insert(manifest.key.clone(), live::uid(&made).to_owned());
        }
        Ok(())
    }

    /// Takes the lock, and records the new generation before anything is written.
    pub(super) fn lock_and_journal(
        &mut self,
        plan: &Plan,
        makings: &Makings,
        uids: &Uids,
    ) -> Result<u64, Failure> {
        let Checked { policy, origin, bundle, packed, now, .. } = self.checked;
        let statement = &bundle.voucher().statement;
        let mut generation = 0;
        let new = NewEntry {
            content_id: bundle.content_id,
            profile: &bundle.index.profile,
            serial: statement.predicate.serial,
            content_of: origin.generation(),
        };
        let (adopts, accepted) = (self.adopts, self.standing.accepted(origin));
        let command = match origin {
            _ if self.journal.head.adopting.is_some() || adopts.is_some() => "adopt",
            Origin::Brought(_) => "apply",
            Origin::Recorded(_) => "rollback",
        };
        self.journal.lock((self.host.holder)(command)?, |head, state| {
            generation = head.begin(new, *now);
            head.adopting = adopts.cloned().or(head.adopting.take());
            if accepted.is_some() {
                state.accept(statement, &policy.target.within_cluster(), *now);
            }
        })?;
        if let Some(Accepted { file, .. }) = accepted {
            file.record(statement, &policy.target, *now)?;
        }
        let earlier: Vec<&Candidate> = plan.going().collect();
        let described =
            self.described(generation, uids, &earlier).with_secrets(makings.seen().to_vec());
        self.journal.write_generation(&described, packed)?;
        Ok(generation)
    }

    fn described(&self, generation: u64, uids: &Uids, earlier: &[&Candidate]) -> Generation {
        let bundle = &self.checked.bundle;
        let item = |key: &ObjectKey| Item { key: key.clone(), uid: uids.get(key).cloned() };
        let inventory = bundle.manifests.iter().map(|manifest| item(&manifest.key)).collect();
        let retained =
            earlier.iter().map(|old| Item { key: old.key.clone(), uid: Some(old.uid.clone()) });
        Generation::new(generation, bundle.content_id, inventory, retained.collect())
    }

    /// Applies and prunes the objects, waits for the workloads, and finishes the record.
    pub(super) fn roll_out(
        &mut self,
        generation: u64,
        plan: &Plan,
        makings: &Makings,
        mut uids: Uids,
    ) -> Result<Done, Failure> {
        let Checked { bundle, packed, .. } = self.checked;
        let observe = self.host.observe;
        let recovery_files = makings.make(self.secrets(), &mut self.journal)?;
        tell_recovery(&recovery_files, observe);
        let noted = makings.noted(self.cluster, bundle)?;
        let mut gone = execute::apply_steps(
            self.cluster,
            &mut self.journal,
            bundle,
            plan,
            &mut uids,
            observe,
        )?;
        let keys = bundle.manifests.iter().map(|manifest| &manifest.key);
        let awaited: Vec<ObjectKey> =
            keys.filter(|key| readiness::is_awaited(&key.kind)).cloned().collect();
        wait::wait(self.cluster, &mut self.journal, &awaited, self.timeout, observe)?;
        if !gone.is_empty()
            && execute::unscale(self.cluster, &mut self.journal, bundle, plan, observe)?
        {
            wait::wait(self.cluster, &mut self.journal, &awaited, self.timeout, observe)?;
        }
        let namespace = bundle.index.namespace.as_str();
        gone.extend(execute::prune(self.cluster, &mut self.journal, plan, namespace, observe)?);
        let retained: Vec<&Candidate> =
            plan.going().filter(|candidate| !gone.contains(candidate)).collect();
        secrets::check_noted(self.cluster, bundle, &noted)?;
        let described = self.described(generation, &uids, &retained).with_secrets(noted);
        self.journal.write_generation(&described, packed)?;
        self.journal.finish((self.host.now)()?)?;
        let written = plan.count(Action::Create) + plan.count(Action::Update);
        Ok(Done {
            generation: Some(generation),
            is_new: true,
            written,
            pruned: gone,
            recovery_files,
        })
    }
}

/// The result of a run.
#[derive(Serialize)]
pub struct Done {
    /// The deployed generation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Whether a generation was recorded or completed, even if no object had to be written.
    #[serde(skip)]
    pub is_new: bool,
    /// The number of written objects.
    pub written: usize,
    pub pruned: Vec<Candidate>,
    /// The encrypted copies of the generated values.
    #[serde(skip_serializing_if = "Vec::is_empty", rename = "recoveryFiles")]
    pub recovery_files: Vec<Utf8PathBuf>,
}

impl Done {
    /// Returns the result of a run that had nothing to do.
    pub fn unchanged(generation: Option<u64>) -> Self {
        Self {
            generation,
            is_new: false,
            written: 0,
            pruned: Vec::new(),
            recovery_files: Vec::new(),
        }
    }
}

/// Tells the operator which files the generated values can be recovered from.
pub fn tell_recovery(files: &[Utf8PathBuf], observe: &Observer<'_>) {
    for file in files {
        observe(&Event::RecoverySaved { file });
    }
}

/// Returns the UIDs of the live objects.
pub fn known_uids(before: &Before) -> Uids {
    before.live.iter().map(|(key, object)| (key.clone(), live::uid(object).to_owned())).collect()
}
