//! Replaces the pods of a workload with new ones from the same template.

use std::time::Duration;

use super::change::Change;
use super::event::{Act, Event, Observer};
use super::host::Host;
use super::preflight::check_permissions;
use super::record::{Journal, Turn, release_after};
use super::wait::wait;
use crate::cluster::Write;
use crate::cluster::request::FIELD_MANAGER;
use crate::failure::{Failure, FailureKind};
use crate::model::object_key::ObjectKey;
use crate::model::text::{ObjectName, ReleaseName};
use crate::model::timestamp::Timestamp;
use crate::rollout::live_object;
use crate::rollout::permissions::Permission;
use crate::rollout::record::Item;
use crate::rollout::restart::{MANAGER, is_workload, patch, restarted_at, workload};

/// Why a workload cannot be restarted.
#[derive(Debug, thiserror::Error)]
pub enum RestartError {
    /// `known` describes the workloads of the installation.
    #[error("{installation} has no workload `{meant}`")]
    UnknownWorkload { installation: ReleaseName, meant: String, known: Vec<String> },
    #[error("{0} does not exist, or is not the installed one")]
    Absent(ObjectKey),
    /// The annotation of a restart has seconds.
    #[error("{0} was already restarted within this second")]
    JustRestarted(ObjectKey),
}

impl From<RestartError> for Failure {
    fn from(error: RestartError) -> Self {
        match &error {
            RestartError::UnknownWorkload { known, .. } => {
                let hint = format!("it has {}", known.join(", "));
                Self::input(error).hint(hint)
            }
            RestartError::Absent(_) => Self::world(error)
                .hint("check with `relay-bundle status`, and apply the bundle again"),
            RestartError::JustRestarted(_) => Self::world(error),
        }
    }
}

/// A restart of one workload.
pub struct RestartChange<'a> {
    host: Host<'a>,
    journal: Journal,
    item: Item,
    timeout: Duration,
}

impl<'a> RestartChange<'a> {
    /// Plans the restart of the workload that `meant` selects among the deployed ones.
    ///
    /// # Errors
    ///
    /// When the workload does not exist, another run holds the lock, or the cluster cannot be asked.
    pub fn plan(
        host: Host<'a>,
        mut journal: Journal,
        meant: &ObjectName,
        (turn, timeout): (Turn, Duration),
    ) -> Result<Self, Failure> {
        journal.await_turn(turn, host.observe)?;
        let item = find(&journal, meant.as_str())?;
        Ok(Self { host, journal, item, timeout })
    }

    /// Returns the workload.
    pub fn key(&self) -> &ObjectKey {
        &self.item.key
    }

    /// Returns a warning about a pending generation.
    pub fn warning(&self) -> Option<String> {
        let pending = self.journal.head.pending()?.generation;
        Some(format!(
            "generation {pending} is pending: new pods use the parts of it that are already \
             applied; apply its bundle again, or roll back"
        ))
    }
}

impl Change for RestartChange<'_> {
    /// The time of the restart.
    type Done = Timestamp;

    fn is_noop(&self) -> bool {
        false
    }

    fn check_permissions(&self) -> Result<(), Failure> {
        let key = &self.item.key;
        let namespace = &key.namespace;
        let lists = ["Pod", "ReplicaSet"].map(|kind| Permission::to_all("list", kind, namespace));
        let writes = [
            Permission::to_one("patch", &key.kind, namespace, &key.name),
            Permission::to_all("update", "ConfigMap", namespace),
        ];
        check_permissions(self.journal.session(), &lists.into_iter().chain(writes).collect())
    }

    /// Restarts the workload under the lock, and waits until it is ready.
    fn carry_out(&mut self) -> Result<Timestamp, Failure> {
        let Self { host, journal, item, timeout } = self;
        let now = (host.now)()?;
        let locked = journal.lock((host.holder)("restart")?, |_, _| {});
        locked.map_err(|failure| release_after(journal, failure))?;
        let done = replace_pods(journal, item, now, (*timeout, host.observe))
            .and_then(|()| journal.release());
        done.map_err(|failure| release_after(journal, failure))?;
        Ok(now)
    }
}

/// Returns the deployed workload that a word selects.
fn find(journal: &Journal, meant: &str) -> Result<Item, Failure> {
    let running = journal.running()?;
    let recorded = journal.recorded(|entry| entry == running)?;
    let inventory: Vec<Item> =
        recorded.into_iter().flat_map(|recorded| recorded.inventory).collect();
    if let Some(item) = workload(&inventory, meant) {
        return Ok(item.clone());
    }
    let all = inventory.iter().filter(|item| is_workload(item));
    let known = all.map(|item| described(&inventory, item)).collect();
    let (installation, meant) = (journal.name().clone(), meant.to_owned());
    Err(RestartError::UnknownWorkload { installation, meant, known }.into())
}

/// Describes a workload, with its short name if it has one.
fn described(inventory: &[Item], item: &Item) -> String {
    let is_short = |word: &&str| workload(inventory, word) == Some(item);
    match ["relay", "redis"].into_iter().find(is_short) {
        Some(word) => format!("`{word}` ({})", item.key.name),
        None => format!("`{}`", item.key.name),
    }
}

fn replace_pods(
    journal: &mut Journal,
    item: &Item,
    now: Timestamp,
    (timeout, observe): (Duration, &Observer<'_>),
) -> Result<(), Failure> {
    let key = &item.key;
    let live = journal.session().find(key)?;
    let is_ours = |object: &serde_json::Value| {
        item.uid.as_deref() == Some(live_object::uid(object))
            && live_object::is_managed_by(object, FIELD_MANAGER, journal.name().as_str())
    };
    let Some(live) = live.filter(is_ours) else {
        return Err(RestartError::Absent(key.clone()).into());
    };
    if restarted_at(&live) == Some(now.to_string().as_str()) {
        return Err(RestartError::JustRestarted(key.clone()).into());
    }

    journal.session().write(&Write::apply_as(MANAGER, key, &patch(key, &live, now)))?;
    observe(&Event::Changed { act: Act::Restart, key, position: None });
    let ready = wait(journal, std::slice::from_ref(key), timeout, observe);
    ready.map_err(|failure| match failure.kind {
        FailureKind::World => failure
            .hint(
                "nothing was undone, and the new pods may still become ready: check with \
                 `relay-bundle status`",
            )
            .hint(
                "if the running bundle is the cause, apply a fixed one, or run: relay-bundle \
                 rollback",
            ),
        _ => failure,
    })
}
