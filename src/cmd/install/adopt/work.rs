//! What is done under the lock: the writes before the rollout, and the rollout, planned anew with what is there by then.

use std::time::Duration;

use super::super::execute::Uids;
use super::super::report::{Done, blocked_after};
use super::super::run::{self, Run};
use super::super::{Checked, InstallArgs};
use super::prepare;
use super::values::{self, Carried};
use crate::adoption::fate::{Fate, Handed};
use crate::cluster::Cluster;
use crate::cluster::request::FIELD_MANAGER;
use crate::cmd::ctx::Ctx;
use crate::cmd::failure::Failure;
use crate::rollout::plan::{Plan, plan};

pub(super) struct Work<'a> {
    pub(super) ctx: &'a Ctx,
    pub(super) checked: &'a Checked,
    pub(super) cluster: &'a Cluster,
    pub(super) install: &'a InstallArgs,
    pub(super) carried: &'a [Carried],
    pub(super) objects: &'a [Handed],
}

impl Work<'_> {
    pub(super) fn carry_out(&self, run: &mut Run<'_>, plan: &Plan, uids: &Uids) -> Result<Done, Failure> {
        let generation = run.lock_and_journal(plan, uids)?;
        let done = self.prepare(run).and_then(|()| self.roll_out(run, generation));
        done.map_err(|failure| {
            failure.hint(format!(
                "generation {generation} stays pending, and what Helm installed is partly taken over: run the same command \
                 again, and it goes on where it stopped"
            ))
        })
    }

    fn prepare(&self, run: &mut Run<'_>) -> Result<(), Failure> {
        for carried in self.carried {
            run.journal.beat()?;
            values::carry(self.cluster, carried)?;
            self.ctx.printer.say(&format!("carry  {}", carried.secret));
        }
        for handed in self.objects {
            run.journal.beat()?;
            prepare::hand_over(self.cluster, &self.checked.bundle, handed)?;
        }
        let timeout = Duration::from_secs(self.install.timeout);
        self.objects
            .iter()
            .try_for_each(|handed| prepare::clear(self.cluster, &mut run.journal, handed, timeout))
    }

    /// From here on it is what `apply` does.
    fn roll_out(&self, run: &mut Run<'_>, generation: u64) -> Result<Done, Failure> {
        let (before, makings) = run.survey(self.install)?;
        let uids = run::known_uids(&before);
        let plan = plan(&self.checked.bundle, before, FIELD_MANAGER);
        match blocked_after(&plan, &so_far(self.objects)) {
            Some(blocked) => Err(blocked),
            None => run.roll_out(generation, &plan, &makings, uids),
        }
    }
}

/// Says what was done to the release before the rollout.
fn so_far(objects: &[Handed]) -> String {
    let cleared = objects.iter().filter_map(|handed| match handed.fate {
        Fate::Recreate => Some(format!("{} is deleted, and its pods run on", handed.key)),
        Fate::Replace => Some(format!("{} is deleted with its pods", handed.key)),
        Fate::Adopt | Fate::Prune | Fate::Keep | Fate::Leave | Fate::Gone => None,
    });
    let mut done = vec!["the fields that Helm owned are ours by now".to_owned()];
    done.extend(cleared);
    done.push("nothing of the bundle was applied".to_owned());
    done.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::object_key::ObjectKey;

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
            "the fields that Helm owned are ours by now; StatefulSet/redis is deleted, and its pods run on; \
             StatefulSet/store is deleted with its pods; nothing of the bundle was applied"
        );
    }
}
