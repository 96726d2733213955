//! Carries out an adoption under the lock: the writes before the rollout, and the rollout with a
//! plan made from the state after those writes.

use super::prepare;
use super::values::{self, Carried};
use crate::cluster::Cluster;
use crate::cluster::request::FIELD_MANAGER;
use crate::failure::Failure;
use crate::helm::disposition::{Fate, Handed};
use crate::install::AGAIN;
use crate::install::blocked::blocked_after;
use crate::install::checked::Checked;
use crate::install::event::{Act, Event};
use crate::install::execute::Uids;
use crate::install::host::Host;
use crate::install::options::Options;
use crate::install::run::{self, Done, Run};
use crate::install::secrets::Makings;
use crate::model::object_key::ObjectKey;
use crate::rollout::conflict::Conflict;
use crate::rollout::plan::{Plan, Step, plan};
use crate::rollout::prune::Candidate;

pub struct Work<'a> {
    pub host: Host<'a>,
    pub checked: &'a Checked,
    pub cluster: &'a Cluster,
    pub options: &'a Options,
    pub carried: &'a [Carried],
    pub objects: &'a [Handed],
    /// The approved plan. Nothing outside it is deleted, taken over or generated.
    pub plan: &'a Plan,
    pub makings: &'a Makings,
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
        let generation = run.lock_and_journal(self.plan, self.makings, &uids)?;
        let done = self.prepare(run).and_then(|()| self.roll_out(run, generation));
        done.map_err(|failure| {
            let left = format!(
                "generation {generation} stays pending, and the Helm release is partly taken over"
            );
            failure.hint(left).hint(AGAIN)
        })
    }

    fn prepare(&self, run: &mut Run<'_>) -> Result<(), Failure> {
        for (secret, carried) in values::by_secret(self.carried) {
            run.journal.beat()?;
            values::carry(self.cluster, secret, &carried, self.checked.bundle.index.name.as_str())?;
            (self.host.observe)(&Event::Changed { act: Act::Carry, key: secret });
        }
        for handed in self.objects {
            run.journal.beat()?;
            prepare::hand_over(self.cluster, &self.checked.bundle, handed)?;
        }
        let timeout = self.options.timeout;
        self.objects
            .iter()
            .try_for_each(|handed| prepare::clear(self.cluster, &mut run.journal, handed, timeout))
    }

    /// Rolls out as `apply` does, after checking the new plan against the approved one.
    fn roll_out(&self, run: &mut Run<'_>, generation: u64) -> Result<Done, Failure> {
        let (before, makings) = run.survey(self.options)?;
        let uids = run::known_uids(&before);
        let plan = plan(&self.checked.bundle, before, FIELD_MANAGER);
        let so_far = so_far(self.objects);
        if let Some(blocked) = blocked_after(&plan, &so_far) {
            return Err(blocked);
        }
        let mut new = unapproved(self.plan, &plan);
        let made = makings.all();
        let known = self.makings.all();
        new.extend(
            made.into_iter()
                .filter(|made| !known.contains(made))
                .map(|made| format!("{made}: values are generated")),
        );
        if new.is_empty() {
            return run.roll_out(generation, &plan, &makings, uids);
        }
        let failure = Failure::world(format!("the plan differs from the approved one; {so_far}"));
        Err(new.into_iter().fold(failure, Failure::reason))
    }
}

/// Returns the deletions and the fields taken from others that the approved plan does not have.
fn unapproved(approved: &Plan, now: &Plan) -> Vec<String> {
    let was_going = |gone: &Candidate| approved.going().any(|known| known.uid == gone.uid);
    let deleted = now
        .going()
        .filter(|gone| !was_going(gone))
        .map(|gone| format!("{}: it is deleted", gone.key));
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
    let taken = taken.map(|(step, taken)| {
        format!("{}: {} is taken over from {}", step.key, taken.field, taken.manager)
    });
    deleted.chain(taken).collect()
}

/// Returns the changes to the release before the rollout, in words.
fn so_far(objects: &[Handed]) -> String {
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
    fn what_was_not_approved_is_named_and_what_was_left_out_since_is_not() {
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
        assert_eq!(unapproved(&approved, &plan(&[".a"], [&[], &["3"], &["2"]])), [""; 0]);
        let found = unapproved(&approved, &plan(&[".a", ".c"], [&["4"], &[], &["1", "5"]]));
        assert_eq!(
            found,
            [
                "ConfigMap/x: it is deleted",
                "ConfigMap/x: it is deleted",
                "Deployment/x: .c is taken over from a"
            ]
        );
    }

    #[test]
    fn what_was_done_before_the_rollout_is_said_as_it_is() {
        let handed = |kind: &str, name: &str, fate| Handed {
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
