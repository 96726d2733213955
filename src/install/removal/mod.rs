//! Removes an installation: decides what goes and what stays, deletes it, and waits until it is gone.

mod error;
mod survey;
mod work;

use std::time::Duration;

use self::error::RemoveError;
use self::survey::survey;
use self::work::Deletion;
use super::AGAIN;
use super::adopt::abandonment::Abandonment;
use super::change::Change;
use super::generations::inventory;
use super::host::Host;
use super::preflight::check_permissions;
use super::record::{Journal, Turn, release_after};
use crate::failure::Failure;
use crate::helm::abandonment::ReleasePart;
use crate::model::command_line::command_line;
use crate::model::text::ReleaseName;
use crate::rollout::permissions::Permission;
use crate::rollout::prune::Candidate;
use crate::rollout::record::{GenerationProgress, Head};
use crate::rollout::removal::{Removal, Stays};

/// How to remove an installation.
pub struct RemoveOptions {
    /// Whether to give a partly adopted release back to Helm.
    pub abandon: bool,
    /// How to proceed when another run holds the lock.
    pub turn: Turn,
    /// How long to wait until everything is gone.
    pub timeout: Duration,
    /// The arguments that select the cluster, for command lines in messages.
    pub cluster_words: Vec<String>,
}

/// The removal of an installation.
pub struct RemovalChange<'a> {
    host: Host<'a>,
    journal: Journal,
    removal: Removal,
    /// The objects that stay.
    pub stays: Vec<Stays>,
    /// The Helm release whose adoption is unfinished.
    adopting: Option<ReleaseName>,
    abandonment: Option<Abandonment>,
    timeout: Duration,
}

impl<'a> RemovalChange<'a> {
    /// Decides what goes and what stays.
    ///
    /// # Errors
    ///
    /// When an adoption is unfinished and not abandoned, another run holds the lock, or the cluster
    /// cannot be asked.
    pub fn plan(
        host: Host<'a>,
        mut journal: Journal,
        options: &RemoveOptions,
    ) -> Result<Self, Failure> {
        journal.await_turn(options.turn, host.observe)?;
        check_adoption(&journal, options)?;
        let recorded = journal.recorded(|_| true)?;
        let adopting = journal.head.adopting.clone();
        let abandonment = adopting
            .as_ref()
            .map(|release| Abandonment::plan(&journal, release, &inventory(&recorded)));
        let abandonment = abandonment.transpose()?.flatten();
        let (removal, stays) = survey(&journal, &recorded, abandonment.as_ref())?;
        let timeout = options.timeout;
        Ok(Self { host, journal, removal, stays, adopting, abandonment, timeout })
    }

    /// Returns the name of the installation.
    pub fn name(&self) -> &ReleaseName {
        self.journal.name()
    }

    /// Returns its namespace.
    pub fn namespace(&self) -> &str {
        self.journal.namespace()
    }

    /// Returns the objects to delete, in order.
    pub fn gone(&self) -> impl Iterator<Item = &Candidate> {
        self.removal.workloads.iter().chain(&self.removal.rest)
    }

    /// Returns the Helm release whose adoption is unfinished.
    pub fn adopting(&self) -> Option<&ReleaseName> {
        self.adopting.as_ref()
    }

    /// Returns the return of that release.
    pub fn release(&self) -> Option<&ReleasePart> {
        self.abandonment.as_ref().map(|abandonment| &abandonment.part)
    }
}

/// Refuses to remove a partly adopted release, and to abandon without an unfinished adoption.
fn check_adoption(journal: &Journal, options: &RemoveOptions) -> Result<(), Failure> {
    match (journal.adoption_obstacle(), options.abandon) {
        (Some(adoption), false) => {
            let place = ["remove", "--abandon", "-n", journal.namespace(), "--name"];
            let own = place.into_iter().chain([journal.name().as_str()]);
            let line = command_line(own.chain(options.cluster_words.iter().map(String::as_str)));
            Err(RemoveError::Unfinished { adoption, abandon: line }.into())
        }
        (None, true) => Err(RemoveError::NothingToAbandon.into()),
        _ => Ok(()),
    }
}

impl Change for RemovalChange<'_> {
    type Done = ();

    fn is_noop(&self) -> bool {
        let is_left = |state| {
            matches!(
                state,
                GenerationProgress::Deployed
                    | GenerationProgress::Pending
                    | GenerationProgress::Removing
            )
        };
        let Head { generations, lock, .. } = &self.journal.head;
        self.gone().next().is_none()
            && self.adopting.is_none()
            && lock.is_none()
            && !generations.iter().any(|entry| is_left(entry.state))
    }

    fn check_permissions(&self) -> Result<(), Failure> {
        let namespace = self.namespace();
        let own = [
            Permission::to_all("update", "ConfigMap", namespace),
            Permission::to_all("list", "Pod", namespace),
        ];
        let delete = |gone: &Candidate| Permission::on("delete", &gone.key);
        let returns = self.abandonment.as_ref().map(Abandonment::permissions).unwrap_or_default();
        check_permissions(
            self.journal.session(),
            &self.gone().map(delete).chain(own).chain(returns).collect(),
        )
    }

    /// Removes the objects under the lock, and records that.
    fn carry_out(&mut self) -> Result<(), Failure> {
        if self.is_noop() {
            return Ok(());
        }
        let holder = (self.host.holder)("remove")?;
        let locked = self.journal.lock(holder, |head, _| head.begin_removal());
        locked.map_err(|failure| release_after(&mut self.journal, failure))?;
        let removed = self.remove_all();
        removed.map_err(|failure| release_after(&mut self.journal, failure.hint(AGAIN)))
    }
}

impl RemovalChange<'_> {
    fn remove_all(&mut self) -> Result<(), Failure> {
        let Self { host, journal, removal, abandonment, timeout, .. } = self;
        let mut deletion = Deletion { host, journal, timeout: *timeout };
        deletion.delete_all(&removal.workloads)?;
        if let Some(abandonment) = abandonment {
            abandonment.carry_out(deletion.journal, &removal.rest, *timeout, host.observe)?;
        }
        deletion.delete_all(&removal.rest)?;
        let now = (host.now)()?;
        journal.update(|head| {
            head.finish_removal(now);
            head.adopting = None;
        })?;
        journal.release()
    }
}
