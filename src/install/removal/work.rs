//! Deletes the objects of an installation.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::error::RemoveError;
use crate::cluster::Write;
use crate::cluster::request::{FIELD_MANAGER, Request};
use crate::failure::Failure;
use crate::install::deletion::delete_with;
use crate::install::event::{Act, Event, Position};
use crate::install::host::Host;
use crate::install::record::Journal;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::rollout::live_object;
use crate::rollout::prune::Candidate;
use crate::rollout::record_names::instance_label;

const POLL: Duration = Duration::from_millis(200);

/// The number of pods that an error names at most.
const PODS_SHOWN: usize = 10;

/// Deletes objects, and waits until they are gone.
pub(super) struct Deletion<'a> {
    pub(super) host: &'a Host<'a>,
    pub(super) journal: &'a mut Journal,
    pub(super) timeout: Duration,
}

impl Deletion<'_> {
    pub(super) fn delete_all(&mut self, gone: &[Candidate]) -> Result<(), Failure> {
        for (candidate, number) in gone.iter().zip(1..) {
            self.journal.beat()?;
            delete(self.journal, candidate)?;
            let position = Some(Position { number, of: gone.len() });
            let key = &candidate.key;
            (self.host.observe)(&Event::Changed { act: Act::Delete, key, position });
        }
        self.wait(gone)
    }

    /// Waits until the objects are gone. Workloads go after their pods.
    fn wait(&mut self, gone: &[Candidate]) -> Result<(), Failure> {
        let start = Instant::now();
        let keys: Vec<ObjectKey> = gone.iter().map(|candidate| candidate.key.clone()).collect();
        loop {
            let live = self.journal.session().find_all(&keys)?;
            let is_there = |gone: &&Candidate| {
                live.get(&gone.key).is_some_and(|now| live_object::uid(now) == gone.uid)
            };
            let Some(left) = gone.iter().find(is_there) else { return Ok(()) };
            if start.elapsed() >= self.timeout {
                let (seconds, key) = (self.timeout.as_secs(), left.key.clone());
                let pods = pods_left(self.journal)?;
                return Err(RemoveError::Remains { seconds, key, pods }.into());
            }
            self.journal.beat()?;
            self.journal.session().pause(POLL)?;
        }
    }
}

/// Deletes an object if its UID is still that of the plan. A workload goes after its pods.
fn delete(journal: &Journal, candidate: &Candidate) -> Result<(), Failure> {
    let session = journal.session();
    // Another object may have the same name by now.
    let live =
        session.find(&candidate.key)?.filter(|object| live_object::uid(object) == candidate.uid);
    let name = journal.name().as_str();
    let is_ours = |object: &Value| live_object::is_managed_by(object, FIELD_MANAGER, name);
    let Some(live) = live.filter(is_ours) else { return Ok(()) };
    let has_pods = candidate.key.known_kind().is_some_and(Kind::has_pods);
    let write = if has_pods { Write::delete_last } else { Write::delete };
    Ok(delete_with(session, &candidate.key, &live, write)?)
}

/// Returns a line for each remaining pod.
fn pods_left(journal: &Journal) -> Result<Vec<String>, Failure> {
    let folder = ObjectKey::of(Kind::Pod, journal.namespace(), "");
    let request = Request::list(&folder, &instance_label(journal.name()));
    let pods = journal.session().list(&request)?;
    let line = |pod: &Value| {
        let text = |pointer| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (name, node) = (text("/metadata/name"), text("/spec/nodeName"));
        let since = text("/metadata/deletionTimestamp");
        format!("pod {name} on node {node} still exists; it was told to stop at {since}")
    };
    Ok(pods.iter().take(PODS_SHOWN).map(line).collect())
}
