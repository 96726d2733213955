//! Carries out a plan: from the lock to the record.

use std::time::Duration;

use super::{Run, tell_recovery};
use crate::failure::Failure;
use crate::install::checked_bundle::{Accepted, BundleOrigin, CheckedBundle};
use crate::install::execution::{self, Uids};
use crate::install::options::Options;
use crate::install::record::release_after;
use crate::install::secrets::{self, SecretPlan};
use crate::install::wait;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::rollout::live_object;
use crate::rollout::outcome::Done;
use crate::rollout::plan::{Action, Plan};
use crate::rollout::prune::Candidate;
use crate::rollout::record::{Generation, Item, NewEntry};

impl Run<'_> {
    /// Carries out the plan. Releases the lock on failure, too.
    pub fn execute(
        &mut self,
        plan: &Plan,
        secret_plan: &SecretPlan,
        mut uids: Uids,
        options: &Options,
    ) -> Result<Done, Failure> {
        self.make_namespace(&mut uids)?;
        let done = match self.lock_and_journal(plan, secret_plan, &uids) {
            Ok(generation) => {
                let done = self.roll_out(generation, plan, secret_plan, uids, options.timeout);
                done.map_err(|failure| self.next_steps(generation, failure, options.again()))
            }
            Err(failure) => Err(failure),
        };
        done.map_err(|failure| release_after(&mut self.journal, failure))
    }

    /// Adds hints on how to resume a pending generation, roll back, or remove.
    fn next_steps(&self, pending: u64, failure: Failure, again: &str) -> Failure {
        let failure = failure.hint(format!("generation {pending} stays pending")).hint(again);
        match self.journal.head.deployed().map(|deployed| deployed.generation) {
            Some(deployed) => {
                let line = self.checked.rollback_line(deployed);
                failure.hint(format!("or go back to generation {deployed}: {line}"))
            }
            None => failure.hint(format!("or remove its objects: {}", self.checked.remove_line())),
        }
    }

    /// Creates the namespace first if the bundle has one, because the record is kept in it.
    pub(super) fn make_namespace(&self, uids: &mut Uids) -> Result<(), Failure> {
        let bundle = &self.checked.bundle;
        let made = bundle.index.objects.iter().zip(bundle.manifests.iter());
        let mut made =
            made.filter(|(object, _)| object.is(Kind::Namespace) && !self.is_namespace_there);
        if let Some((object, manifest)) = made.next() {
            let made = execution::apply_one(self.journal.session(), bundle, object, &manifest.key)?;
            uids.insert(manifest.key.clone(), live_object::uid(&made).to_owned());
        }
        Ok(())
    }

    /// Takes the lock, and records the new generation before anything is written.
    pub(in crate::install) fn lock_and_journal(
        &mut self,
        plan: &Plan,
        secret_plan: &SecretPlan,
        uids: &Uids,
    ) -> Result<u64, Failure> {
        let CheckedBundle { policy, origin, bundle, packed, now, .. } = self.checked;
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
            BundleOrigin::Brought(_) => "apply",
            BundleOrigin::Recorded(_) => "rollback",
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
            self.described(generation, uids, &earlier).with_secrets(secret_plan.seen().to_vec());
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
    pub(in crate::install) fn roll_out(
        &mut self,
        generation: u64,
        plan: &Plan,
        secret_plan: &SecretPlan,
        mut uids: Uids,
        timeout: Duration,
    ) -> Result<Done, Failure> {
        let CheckedBundle { bundle, packed, .. } = self.checked;
        let observe = self.host.observe;
        let recovery_files = secret_plan.make(self.sources(), &mut self.journal)?;
        tell_recovery(&recovery_files, observe);
        let noted = secret_plan.noted(self.journal.session(), bundle)?;

        let mut gone = execution::apply_steps(&mut self.journal, bundle, plan, &mut uids, observe)?;
        let keys = bundle.manifests.iter().map(|manifest| &manifest.key);
        let awaited: Vec<ObjectKey> =
            keys.filter(|key| key.known_kind().is_some_and(Kind::is_awaited)).cloned().collect();
        wait::wait(&mut self.journal, &awaited, timeout, observe)?;

        if !gone.is_empty()
            && execution::restore_replicas(&mut self.journal, bundle, plan, observe)?
        {
            wait::wait(&mut self.journal, &awaited, timeout, observe)?;
        }
        let namespace = bundle.index.namespace.as_str();
        gone.extend(execution::prune(&mut self.journal, plan, namespace, observe)?);

        let retained: Vec<&Candidate> =
            plan.going().filter(|candidate| !gone.contains(candidate)).collect();
        secrets::check_noted(self.journal.session(), bundle, &noted)?;
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
