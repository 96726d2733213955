//! Reads the record of an installation.

use std::time::Instant;

use serde_json::Value;

use super::error::JournalError;
use crate::cluster::request::Request;
use crate::cluster::{Cluster, Session};
use crate::failure::Failure;
use crate::install::generations::{self, Recorded, may_be_missing, text};
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::model::text::{Label, ReleaseName};
use crate::render::manifest_set::ManifestSet;
use crate::rollout::lock::RecordLock;
use crate::rollout::obstacle::Obstacle;
use crate::rollout::record::{BUNDLE_KEY, GenerationEntry, HEAD_KEY, Head, STATE_KEY};
use crate::rollout::record_names::{generation_name, head_name};
use crate::trust::state::State;

/// The maximum number of objects in all generations of a record, several times what ten bundles
/// have. Each object costs a request, and a forged record has room for tens of thousands.
const ITEMS_MAX: usize = 2_000;

/// The number of generations that are read concurrently.
const READ_AT_ONCE: usize = 8;

/// The record of one installation, and the session of the run that changes it.
pub struct Journal {
    pub(super) session: Session,
    pub(super) name: ReleaseName,
    pub(super) namespace: String,
    pub head: Head,
    /// The minimum serials, from the bundles that were accepted here.
    pub state: State,
    /// The head's ConfigMap, as last read or written.
    pub(super) stored: Option<Value>,
    /// The time of the last heartbeat.
    pub(super) beat: Instant,
    /// Our name in the lock, once we have requested the lock.
    pub(super) holder: Option<String>,
    /// A lock that we may take over: its holder is dead.
    pub(super) dead: Option<RecordLock>,
}

impl Journal {
    /// Opens the record of an installation and reads the head.
    pub fn open(cluster: &Cluster, name: &ReleaseName, namespace: &str) -> Result<Self, Failure> {
        let mut journal = Self {
            session: Session::begin(cluster),
            name: name.clone(),
            namespace: namespace.to_owned(),
            head: Head::default(),
            state: State::default(),
            stored: None,
            beat: Instant::now(),
            holder: None,
            dead: None,
        };
        journal.read()?;
        Ok(journal)
    }

    pub(super) fn key(&self, name: &str) -> ObjectKey {
        ObjectKey::of(Kind::ConfigMap, &self.namespace, name)
    }

    pub(super) fn head_key(&self) -> ObjectKey {
        self.key(&head_name(&self.name))
    }

    pub(super) fn read(&mut self) -> Result<(), Failure> {
        self.stored = self.session.find(&self.head_key())?;
        if let Some(stored) = &self.stored {
            let head = Head::parse(text(stored, "data", HEAD_KEY));
            self.head = head.map_err(|why| self.damaged_head(&why))?;
            // An adopted release has the name of the installation.
            if let Some(other) =
                self.head.adopting.as_ref().filter(|release| **release != self.name)
            {
                let why = format!(
                    "it states the adoption of the Helm release `{other}`, which has another name"
                );
                return Err(self.damaged_head(&why).into());
            }
            let state = State::parse(text(stored, "data", STATE_KEY).as_bytes());
            let wrong = |why| self.damaged_head(&format!("{STATE_KEY}: {why}"));
            self.state = state.map_err(wrong)?;
        }
        Ok(())
    }

    /// Returns the session of the run: the only access to the cluster while the run holds the lock.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Returns the name of the installation.
    pub fn name(&self) -> &ReleaseName {
        &self.name
    }

    /// Returns the namespace of the installation.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Returns whether the installation has a record.
    pub fn is_there(&self) -> bool {
        self.stored.is_some()
    }

    /// Returns an unfinished adoption as an obstacle to other changes.
    pub fn adoption_obstacle(&self) -> Option<Obstacle> {
        self.head.adopting.clone().map(Obstacle::UnfinishedAdoption)
    }

    /// Returns the running generation, or an error if none runs.
    pub fn running(&self) -> Result<&GenerationEntry, JournalError> {
        self.head.deployed().ok_or_else(|| JournalError::NothingRuns(self.name.clone()))
    }

    /// Returns the compressed bundle of a generation, as stored. It is not verified.
    pub fn packed_bundle(&self, generation: u64) -> Result<String, Failure> {
        Ok(text(&self.stored_generation(generation)?, "binaryData", BUNDLE_KEY).to_owned())
    }

    /// Returns the objects of a generation's bundle. The bundle is not verified.
    pub fn manifests(&self, entry: &GenerationEntry) -> Result<ManifestSet, Failure> {
        let stored = self.stored_generation(entry.generation)?;
        let place = (&self.name, self.namespace.as_str());
        generations::manifests(entry, place, &stored)
            .map_err(|why| self.damaged(entry.generation, &why).into())
    }

    /// Returns the environment of a generation's bundle. The bundle is not verified.
    pub fn environment(&self, entry: &GenerationEntry) -> Result<Label, Failure> {
        let stored = self.stored_generation(entry.generation)?;
        let place = (&self.name, self.namespace.as_str());
        let read = Recorded::read(entry, place, &stored);
        read.map(|recorded| recorded.environment)
            .map_err(|why| self.damaged(entry.generation, &why).into())
    }

    fn stored_generation(&self, generation: u64) -> Result<Value, Failure> {
        let stored = self.session.find(&self.key(&generation_name(&self.name, generation)))?;
        stored.ok_or_else(|| self.damaged(generation, &"it is missing").into())
    }

    /// Returns the error for a damaged generation of the record.
    pub fn damaged(&self, generation: u64, why: &dyn std::fmt::Display) -> JournalError {
        self.damaged_map(generation_name(&self.name, generation), why)
    }

    pub(super) fn damaged_head(&self, why: &dyn std::fmt::Display) -> JournalError {
        self.damaged_map(head_name(&self.name), why)
    }

    fn damaged_map(&self, config_map: String, why: &dyn std::fmt::Display) -> JournalError {
        let (installation, namespace) = (self.name.clone(), self.namespace.clone());
        JournalError::Damaged { installation, namespace, config_map, why: why.to_string() }
    }

    /// Reads the selected generations. Skips a missing one if its run was interrupted before it
    /// wrote the ConfigMap, or if an interrupted run has already deleted it as surplus.
    pub fn recorded(
        &self,
        is_wanted: impl Fn(&GenerationEntry) -> bool,
    ) -> Result<Vec<Recorded>, Failure> {
        let forgotten = self.head.forgotten_next();
        let may_be_missing = |entry: &GenerationEntry| {
            may_be_missing(entry) || forgotten.contains(&entry.generation)
        };
        let entries: Vec<&GenerationEntry> =
            self.head.generations.iter().filter(|entry| is_wanted(entry)).collect();

        let mut all: Vec<Recorded> = Vec::new();
        let mut items = 0;
        // Each ConfigMap may hold a bundle of some MiB, and a forged head may list thousands.
        for some in entries.chunks(READ_AT_ONCE) {
            let names = some.iter().map(|entry| generation_name(&self.name, entry.generation));
            let requests: Vec<Request> = names.map(|name| Request::get(&self.key(&name))).collect();
            for (entry, answer) in some.iter().zip(self.session.call_all(&requests)) {
                match answer {
                    Ok(stored) => {
                        let place = (&self.name, self.namespace.as_str());
                        let read = Recorded::read(entry, place, &stored);
                        let read = read.map_err(|why| self.damaged(entry.generation, &why))?;
                        items += read.inventory.len() + read.retained.len();
                        if items > ITEMS_MAX {
                            let why = format!("with it, the record exceeds {ITEMS_MAX} objects");
                            return Err(self.damaged(entry.generation, &why).into());
                        }
                        all.push(read);
                    }
                    Err(error) if error.code() == 404 && may_be_missing(entry) => {}
                    Err(error) if error.code() == 404 => {
                        let why = format!(
                            "generation {} is {}, but missing",
                            entry.generation, entry.state
                        );
                        return Err(self.damaged(entry.generation, &why).into());
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(all)
    }
}
