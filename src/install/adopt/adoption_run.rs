//! Carries out an adoption under the lock: the writes before the rollout, and the rollout with a
//! plan made from the state after those writes.

use super::carried_values::{CarriedValue, by_secret, carry};
use super::error::{AdoptionError, UnapprovedChange};
use super::preparation;
use crate::cluster::request::FIELD_MANAGER;
use crate::failure::Failure;
use crate::helm::disposition::{AdoptedObject, Fate};
use crate::install::blocked_plan::blocked_after;
use crate::install::event::{Act, Event};
use crate::install::execution::Uids;
use crate::install::options::Options;
use crate::install::run::{self, Run};
use crate::install::secrets::SecretPlan;
use crate::model::object_key::ObjectKey;
use crate::rollout::conflict::Conflict;
use crate::rollout::outcome::Done;
use crate::rollout::plan::{Plan, Step, plan};
use crate::rollout::prune::Candidate;

pub struct Work<'a> {
    pub options: &'a Options,
    pub carried: &'a [CarriedValue],
    pub objects: &'a [AdoptedObject],
    /// The approved plan. Nothing outside it is deleted, taken over or generated.
    pub plan: &'a Plan,
    pub secret_plan: &'a SecretPlan,
}

impl Work<'_> {
    pub fn carry_out(&self, run: &mut Run<'_>, uids: &Uids) -> Result<Done, Failure> {
        // A recreated object gets another UID than the existing one.
        let is_made_again = |key: &ObjectKey| {
            self.objects
                .iter()
                .any(|of| of.fate == Fate::Recreate && of.key.identity() == key.identity())
        };
        let uids = uids.iter().filter(|(key, _)| !is_made_again(key));
        let uids = uids.map(|(key, uid)| (key.clone(), uid.clone())).collect();
        let generation = run.lock_and_journal(self.plan, self.secret_plan, &uids)?;
        let done = self.prepare(run).and_then(|()| self.roll_out(run, generation));
        done.map_err(|failure| {
            let left = format!(
                "generation {generation} stays pending, and the Helm release is partly taken over"
            );
            failure.hint(left).hint(self.options.again())
        })
    }

    fn prepare(&self, run: &mut Run<'_>) -> Result<(), Failure> {
        let name = run.checked.bundle.index.name.as_str();
        for (secret, carried) in by_secret(self.carried) {
            run.journal.beat()?;
            carry(run.journal.session(), secret, &carried, name)?;
            (run.host.observe)(&Event::Changed { act: Act::Carry, key: secret, position: None });
        }
        for handed in self.objects {
            run.journal.beat()?;
            preparation::hand_over(run.journal.session(), &run.checked.bundle, handed)?;
        }
        let timeout = self.options.timeout;
        self.objects
            .iter()
            .try_for_each(|handed| preparation::clear(&mut run.journal, handed, timeout))
    }

    /// Rolls out as `apply` does, after checking the new plan against the approved one.
    fn roll_out(&self, run: &mut Run<'_>, generation: u64) -> Result<Done, Failure> {
        let (before, secret_plan) = run.survey(self.options)?;
        let uids = run::known_uids(&before);
        let plan = plan(&run.checked.bundle, before, FIELD_MANAGER);
        let so_far = so_far(self.objects);
        if let Some(blocked) = blocked_after(&plan, &so_far) {
            return Err(blocked.into());
        }
        let mut new = unapproved(self.plan, &plan);
        let made = secret_plan.all();
        let known = self.secret_plan.all();
        let unknown = made.into_iter().filter(|made| !known.contains(made));
        new.extend(unknown.map(UnapprovedChange::Generated));
        if new.is_empty() {
            return run.roll_out(generation, &plan, &secret_plan, uids, self.options.timeout);
        }
        Err(AdoptionError::Unapproved { so_far, changes: new }.into())
    }
}

/// Returns the deletions and the fields taken from others that the approved plan does not have.
fn unapproved(approved: &Plan, now: &Plan) -> Vec<UnapprovedChange> {
    let was_going = |gone: &Candidate| approved.going().any(|known| known.uid == gone.uid);
    let deleted = now
        .going()
        .filter(|gone| !was_going(gone))
        .map(|gone| UnapprovedChange::Deleted(gone.key.clone()));
    let was_taken = |step: &Step, taken: &Conflict| {
        let mut same = approved
            .steps
            .iter()
            .filter(|known| known.key == step.key)
            .flat_map(|known| &known.forced);
        same.any(|known| (&known.field, &known.manager) == (&taken.field, &taken.manager))
    };
    let all = now.steps.iter().flat_map(|step| step.forced.iter().map(move |taken| (step, taken)));
    let taken = all.filter(|(step, taken)| !was_taken(step, taken));
    let taken = taken.map(|(step, taken)| UnapprovedChange::Taken {
        key: step.key.clone(),
        field: taken.field.clone(),
        manager: taken.manager.clone(),
    });
    deleted.chain(taken).collect()
}

/// Returns the changes to the release before the rollout, in words.
fn so_far(objects: &[AdoptedObject]) -> String {
    let cleared = objects.iter().filter_map(|handed| match handed.fate {
        Fate::Recreate => Some(format!("{} is deleted, and its pods keep running", handed.key)),
        Fate::Replace => Some(format!("{} is deleted with its pods", handed.key)),
        Fate::Adopt | Fate::Prune | Fate::Keep | Fate::Leave | Fate::Foreign | Fate::Gone => None,
    });
    let mut done = vec!["the fields that Helm owned are already ours".to_owned()];
    done.extend(cleared);
    done.push("nothing of the bundle was applied".to_owned());
    done.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::changes::Changes;
    use crate::rollout::plan::Action;

    #[test]
    fn unapproved_changes_are_reported_but_omissions_are_not() {
        let key = |kind: &str| ObjectKey {
            api_version: "v1".into(),
            kind: kind.into(),
            namespace: "ns".into(),
            name: "x".into(),
        };
        let gone = |uid: &str| Candidate { key: key("ConfigMap"), uid: uid.to_owned() };
        let step = |fields: &[&str]| Step {
            key: key("Deployment"),
            action: Action::Update,
            conflicts: Vec::new(),
            refusal: None,
            forced: fields.iter().map(|field| Conflict::of(field, "conflict with \"a\"")).collect(),
            held_replicas: None,
            tried: true,
        };
        let plan = |fields: &[&str], [first, prune, later]: [&[&str]; 3]| {
            let all = |uids: &[&str]| uids.iter().map(|uid| gone(uid)).collect();
            Plan {
                steps: vec![step(fields)],
                obstacles: Vec::new(),
                prune_first: all(first),
                prune: all(prune),
                prune_later: all(later),
                changes: Changes::default(),
            }
        };
        let approved = plan(&[".a", ".b"], [&["1"], &["2"], &["3"]]);

        // The time of a deletion may differ from the approved one.
        assert_eq!(unapproved(&approved, &plan(&[".a"], [&[], &["3"], &["2"]])), []);
        let found = unapproved(&approved, &plan(&[".a", ".c"], [&["4"], &[], &["1", "5"]]));
        let deleted = || UnapprovedChange::Deleted(key("ConfigMap"));
        let taken = UnapprovedChange::Taken {
            key: key("Deployment"),
            field: ".c".into(),
            manager: "a".into(),
        };
        assert_eq!(found, [deleted(), deleted(), taken]);
    }

    #[test]
    fn work_done_before_rollout_is_reported_accurately() {
        let handed = |kind: &str, name: &str, fate| AdoptedObject {
            key: ObjectKey {
                api_version: "apps/v1".into(),
                kind: kind.into(),
                namespace: "ns".into(),
                name: name.into(),
            },
            fate,
        };
        let objects = [
            handed("Deployment", "relay", Fate::Adopt),
            handed("StatefulSet", "redis", Fate::Recreate),
            handed("StatefulSet", "store", Fate::Replace),
        ];
        assert_eq!(
            so_far(&objects),
            "the fields that Helm owned are already ours; StatefulSet/redis is deleted, and its \
             pods keep running; StatefulSet/store is deleted with its pods; nothing of the bundle was \
             applied"
        );
    }
}
