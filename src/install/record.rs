//! Reads and writes the record in the cluster. Every write states the resource version that it
//! replaces.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::event::{Event, Observer};
use super::generations::{self, Recorded, damaged, may_be_missing, text};
use crate::cluster::Cluster;
use crate::cluster::error::CallError;
use crate::cluster::request::{Request, Run};
use crate::failure::Failure;
use crate::model::kind::Kind;
use crate::model::object_key::ObjectKey;
use crate::model::text::{Label, ReleaseName};
use crate::model::timestamp::Timestamp;
use crate::render::manifest_set::ManifestSet;
use crate::rollout::copies::{with_recovery, without_recovery};
use crate::rollout::live;
use crate::rollout::lock::Lock;
use crate::rollout::record::{
    BUNDLE_KEY, Entry, GENERATION_KEY, Generation, HEAD_KEY, Head, STATE_KEY,
};
use crate::rollout::record_names::{
    GENERATION_COMPONENT, HEAD_COMPONENT, MANAGED_BY, RECOVERY_COMPONENT, generation_name,
    head_name, recovery_name,
};
use crate::trust::state::State;

/// The interval at which the lock holder raises its heartbeat.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// A holder that could not raise its heartbeat for this long must stop writing.
const HEARTBEAT_LOST: Duration = Duration::from_secs(30);
/// A holder whose heartbeat has not changed for this long is dead. Longer than [`HEARTBEAT_LOST`],
/// so that two runs never write at the same time.
const HOLDER_DEAD: Duration = Duration::from_secs(40);

/// The maximum number of objects in all generations of a record, several times what ten bundles
/// have. Each object costs a request, and a forged record has room for tens of thousands.
const ITEMS_MAX: usize = 2_000;

/// The number of generations that are read concurrently.
const READ_AT_ONCE: usize = 8;

/// How a run treats the lock of another run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Reports the lock and goes on: a dry run writes nothing.
    Looks,
    /// Waits until the holder proves to be dead, and fails if it releases the lock.
    Waits,
    /// Takes the lock over: the operator states that the holder is dead.
    Takes,
}

impl Turn {
    /// Returns the variant that the flags select.
    pub fn of(dry_run: bool, break_lock: bool) -> Self {
        match (dry_run, break_lock) {
            (true, _) => Self::Looks,
            (false, true) => Self::Takes,
            (false, false) => Self::Waits,
        }
    }
}

/// The outcome of releasing the lock after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    Back,
    /// Another run holds the lock, or it is free.
    NotOurs,
}

/// The record of one installation.
pub struct Journal<'a> {
    cluster: &'a Cluster,
    name: ReleaseName,
    namespace: String,
    pub head: Head,
    /// The minimum serials, from the bundles that were accepted here.
    pub state: State,
    /// The head's ConfigMap, as last read or written.
    stored: Option<Value>,
    /// The time of the last heartbeat.
    beat: Instant,
    /// Our name in the lock, once we have requested the lock.
    holder: Option<String>,
    /// A lock that we may take over: its holder is dead.
    dead: Option<Lock>,
}

impl<'a> Journal<'a> {
    /// Opens the record of an installation and reads the head.
    pub fn open(
        cluster: &'a Cluster,
        name: &ReleaseName,
        namespace: &str,
    ) -> Result<Self, Failure> {
        let mut journal = Self {
            cluster,
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

    fn key(&self, name: &str) -> ObjectKey {
        ObjectKey::of(Kind::ConfigMap, &self.namespace, name)
    }

    fn head_key(&self) -> ObjectKey {
        self.key(&head_name(&self.name))
    }

    fn read(&mut self) -> Result<(), Failure> {
        self.stored = self.cluster.find(&self.head_key())?;
        if let Some(stored) = &self.stored {
            let wrong = |why: &dyn std::fmt::Display| {
                damaged(&self.name, &self.namespace, &head_name(&self.name), why)
            };
            self.head = Head::parse(text(stored, "data", HEAD_KEY)).map_err(|why| wrong(&why))?;
            // An adopted release has the name of the installation.
            if let Some(other) =
                self.head.adopting.as_ref().filter(|release| **release != self.name)
            {
                return Err(wrong(&format!(
                    "it states the adoption of the Helm release `{other}`, which has another name"
                )));
            }
            let state = text(stored, "data", STATE_KEY).as_bytes();
            self.state =
                State::parse(state).map_err(|why| wrong(&format!("{STATE_KEY}: {why}")))?;
        }
        Ok(())
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

    /// Returns a message about an unfinished adoption, with the command that continues it.
    pub fn unfinished_adoption(&self) -> Option<String> {
        self.head.adopting.as_ref().map(|release| {
            format!(
                "the adoption of the Helm release `{release}` is not finished: run `relay-bundle \
                 adopt --from-helm {release}` with its bundle again"
            )
        })
    }

    /// Notes that the adoption is complete.
    pub fn finish_adoption(&mut self) -> Result<(), Failure> {
        if self.head.adopting.is_none() {
            return Ok(());
        }
        self.update(|head| head.adopting = None)
    }

    /// Returns the running generation, or an error if none runs.
    pub fn running(&self) -> Result<&Entry, Failure> {
        self.head.deployed().ok_or_else(|| {
            Failure::input(format!("no generation of {} is running", self.name))
                .hint("list earlier generations with `relay-bundle history`")
        })
    }

    /// Returns the compressed bundle of a generation, as stored. It is not verified.
    pub fn packed_bundle(&self, generation: u64) -> Result<String, Failure> {
        Ok(text(&self.stored_generation(generation)?, "binaryData", BUNDLE_KEY).to_owned())
    }

    /// Returns the objects of a generation's bundle. The bundle is not verified.
    pub fn manifests(&self, entry: &Entry) -> Result<ManifestSet, Failure> {
        let stored = self.stored_generation(entry.generation)?;
        let place = (&self.name, self.namespace.as_str());
        generations::manifests(entry, place, &stored)
            .map_err(|why| self.damaged(entry.generation, &why))
    }

    /// Returns the environment of a generation's bundle. The bundle is not verified.
    pub fn environment(&self, entry: &Entry) -> Result<Label, Failure> {
        let stored = self.stored_generation(entry.generation)?;
        let place = (&self.name, self.namespace.as_str());
        let read = Recorded::read(entry, place, &stored);
        read.map(|recorded| recorded.environment)
            .map_err(|why| self.damaged(entry.generation, &why))
    }

    fn stored_generation(&self, generation: u64) -> Result<Value, Failure> {
        let stored = self.cluster.find(&self.key(&generation_name(&self.name, generation)))?;
        stored.ok_or_else(|| self.damaged(generation, &"it is missing"))
    }

    /// Returns the error for a damaged generation of the record.
    pub fn damaged(&self, generation: u64, why: &dyn std::fmt::Display) -> Failure {
        damaged(&self.name, &self.namespace, &generation_name(&self.name, generation), why)
    }

    /// Reads the selected generations. Skips a missing one if its run was interrupted before it
    /// wrote the ConfigMap, or if an interrupted run has already deleted it as surplus.
    pub fn recorded(&self, is_wanted: impl Fn(&Entry) -> bool) -> Result<Vec<Recorded>, Failure> {
        let forgotten = self.head.forgotten_next();
        let may_be_missing =
            |entry: &Entry| may_be_missing(entry) || forgotten.contains(&entry.generation);
        let entries: Vec<&Entry> =
            self.head.generations.iter().filter(|entry| is_wanted(entry)).collect();
        let mut all: Vec<Recorded> = Vec::new();
        let mut items = 0;
        // Each ConfigMap may hold a bundle of some MiB, and a forged head may list thousands.
        for some in entries.chunks(READ_AT_ONCE) {
            let names = some.iter().map(|entry| generation_name(&self.name, entry.generation));
            let requests: Vec<Request> = names.map(|name| Request::get(&self.key(&name))).collect();
            for (entry, answer) in some.iter().zip(self.cluster.call_all(&requests)) {
                match answer {
                    Ok(stored) => {
                        let place = (&self.name, self.namespace.as_str());
                        let read = Recorded::read(entry, place, &stored);
                        let read = read.map_err(|why| self.damaged(entry.generation, &why))?;
                        items += read.inventory.len() + read.retained.len();
                        if items > ITEMS_MAX {
                            let why = format!("with it, the record exceeds {ITEMS_MAX} objects");
                            return Err(self.damaged(entry.generation, &why));
                        }
                        all.push(read);
                    }
                    Err(error) if error.code() == 404 && may_be_missing(entry) => {}
                    Err(error) if error.code() == 404 => {
                        let why = format!(
                            "generation {} is {}, but missing",
                            entry.generation, entry.state
                        );
                        return Err(self.damaged(entry.generation, &why));
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(all)
    }

    /// Waits until the holder of the lock is dead, unless the lock is free or `turn` says not to
    /// wait. Fails if the holder releases the lock, or another run takes it.
    ///
    /// Must be called before planning: the holder may still change the cluster.
    pub fn await_turn(&mut self, turn: Turn, observe: &Observer<'_>) -> Result<(), Failure> {
        let Some(first) = self.head.lock.clone() else { return Ok(()) };
        match turn {
            Turn::Looks => {
                observe(&Event::LockHeld { by: &first });
                return Ok(());
            }
            Turn::Takes => {
                observe(&Event::LockBroken { by: &first });
                self.dead = Some(first);
                return Ok(());
            }
            Turn::Waits => {}
        }
        observe(&Event::LockAwaited { by: &first });
        let start = Instant::now();
        while start.elapsed() < HOLDER_DEAD {
            self.cluster.pause(HEARTBEAT / 3)?;
            self.read()?;
            match &self.head.lock {
                None => {
                    return Err(Failure::world(format!("{} has just finished", first.holder))
                        .hint("run the command again: it will plan from the current state"));
                }
                Some(lock) if *lock != first => return Err(under_way(lock)),
                Some(_) => {}
            }
        }
        let (holder, silence_seconds) = (first.holder.as_str(), HOLDER_DEAD.as_secs());
        observe(&Event::HolderDead { holder, silence_seconds });
        self.dead = Some(first);
        Ok(())
    }

    /// Takes the lock if it is free or its holder is dead; `change` changes the head in the same
    /// write.
    ///
    /// From now on, SIGINT and SIGTERM interrupt the current call or pause instead of ending the
    /// process, so that an interrupted run still releases the lock.
    pub fn lock(
        &mut self,
        holder: Lock,
        change: impl FnOnce(&mut Head, &mut State),
    ) -> Result<(), Failure> {
        self.cluster.heed_signals()?;
        if let Some(lock) = self.head.lock.as_ref().filter(|lock| self.dead.as_ref() != Some(lock))
        {
            return Err(under_way(lock));
        }
        let heartbeat =
            Lock::next_heartbeat(self.head.lock.as_ref().map_or(0, |lock| lock.heartbeat));
        self.holder = Some(holder.holder.clone());
        self.head.lock = Some(Lock { heartbeat, ..holder });
        change(&mut self.head, &mut self.state);
        self.write()
    }

    /// Removes the lock of a dead holder when there is nothing else to write.
    pub fn clear_dead_lock(&mut self) -> Result<(), Failure> {
        if self.dead.is_none() {
            return Ok(());
        }
        self.update(|head| head.lock = None)
    }

    /// Raises the heartbeat if it is due. Called before every write.
    ///
    /// A late heartbeat is safe: a run that took the lock over has changed the record, and then
    /// this write fails.
    pub fn beat(&mut self) -> Result<(), Failure> {
        if self.head.lock.is_none() {
            return Ok(());
        }
        if self.beat.elapsed() < HEARTBEAT {
            return Ok(());
        }
        if let Some(lock) = &mut self.head.lock {
            lock.heartbeat = Lock::next_heartbeat(lock.heartbeat);
        }
        self.write()
    }

    /// Changes the head and writes it.
    pub fn update(&mut self, change: impl FnOnce(&mut Head)) -> Result<(), Failure> {
        change(&mut self.head);
        self.write()
    }

    /// Marks the pending generation as deployed and releases the lock.
    ///
    /// Both happen in one write, so an interrupted run has done both or neither. Surplus
    /// generations are deleted first, while the head still lists them.
    pub fn finish(&mut self, now: Timestamp) -> Result<(), Failure> {
        self.cluster.overlook_first_signal();
        let surplus = self.head.clone().finish(now);
        self.forget(&surplus)?;
        self.update(|head| {
            head.finish(now);
            head.lock = None;
        })
    }

    /// Releases the lock.
    pub fn release(&mut self) -> Result<(), Failure> {
        self.cluster.overlook_first_signal();
        self.update(|head| head.lock = None)
    }

    /// Releases the lock after a failure, if we hold it. Reads the head first: the answer to our
    /// last write may have been lost.
    pub fn give_back(&mut self) -> Result<Given, Failure> {
        if self.holder.is_none() {
            return Ok(Given::NotOurs);
        }
        self.cluster.overlook_first_signal();
        self.cluster.hurry();
        self.read()?;
        let holder = self.head.lock.as_ref().map(|lock| &lock.holder);
        if self.stored.is_none() || holder.is_none() || holder != self.holder.as_ref() {
            return Ok(Given::NotOurs);
        }
        self.release()?;
        Ok(Given::Back)
    }

    fn write(&mut self) -> Result<(), Failure> {
        // A head that could not be read again must not be written: a forged number may be too large
        // to increment.
        self.head
            .check()
            .map_err(|why| damaged(&self.name, &self.namespace, &head_name(&self.name), &why))?;
        let state = self.state.to_bytes().map_err(Failure::bug)?;
        let data = json!({
            HEAD_KEY: self.head.to_text().map_err(Failure::bug)?,
            STATE_KEY: String::from_utf8(state).map_err(Failure::bug)?,
        });
        let key = self.head_key();
        let object = self.config_map(&key, HEAD_COMPONENT, &data, &Value::Null);
        // Other runs see the heartbeat later than this, so their timeout ends after ours.
        let sent = Instant::now();
        let stored = self.put(&key, object, self.stored.as_ref(), &|request| {
            // The resource version is a stronger guard than any deadline: the write takes effect
            // only on an unchanged record.
            self.cluster.call_unfenced(request)
        })?;
        self.stored = Some(stored);
        self.beat = sent;
        self.cluster.fence(self.head.lock.is_some().then_some(sent + HEARTBEAT_LOST));
        Ok(())
    }

    /// Writes the ConfigMap of a generation: its inventory and its bundle.
    pub fn write_generation(&self, generation: &Generation, packed: &str) -> Result<(), Failure> {
        let key = self.key(&generation_name(&self.name, generation.generation));
        let stored = self.cluster.find(&key)?;
        let data = json!({GENERATION_KEY: generation.to_text().map_err(Failure::bug)?});
        let object =
            self.config_map(&key, GENERATION_COMPONENT, &data, &json!({BUNDLE_KEY: packed}));
        self.put(&key, object, stored.as_ref(), &|request| self.cluster.call(request))?;
        Ok(())
    }

    /// Adds an encrypted copy of generated values to the record; returns the copies before that.
    pub fn keep_recovery(&self, encrypted: &str) -> Result<Option<Value>, Failure> {
        let key = self.key(&recovery_name(&self.name));
        let stored = self.cluster.find(&key)?;
        let before = stored.as_ref().and_then(|stored| stored.get("data"));
        let data = with_recovery(before, encrypted);
        let object = self.config_map(&key, RECOVERY_COMPONENT, &data, &Value::Null);
        self.put(&key, object, stored.as_ref(), &|request| self.cluster.call(request))?;
        Ok(before.cloned())
    }

    /// Removes an encrypted copy whose values were never written to the cluster, and restores the
    /// older copies that it displaced.
    pub fn discard_recovery(&self, encrypted: &str, before: Option<&Value>) -> Result<(), Failure> {
        let key = self.key(&recovery_name(&self.name));
        let Some(stored) = self.cluster.find(&key)? else { return Ok(()) };
        match without_recovery(stored.get("data"), encrypted, before) {
            None => delete(self.cluster, &key, &stored)?,
            Some(data) => {
                let object = self.config_map(&key, RECOVERY_COMPONENT, &data, &Value::Null);
                self.put(&key, object, Some(&stored), &|request| self.cluster.call(request))?;
            }
        }
        Ok(())
    }

    /// Deletes the ConfigMaps of generations.
    pub fn forget(&self, generations: &[u64]) -> Result<(), Failure> {
        for generation in generations {
            let key = self.key(&generation_name(&self.name, *generation));
            if let Some(stored) = self.cluster.find(&key)? {
                delete(self.cluster, &key, &stored)?;
            }
        }
        Ok(())
    }

    fn config_map(&self, key: &ObjectKey, component: &str, data: &Value, binary: &Value) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": key.name, "namespace": key.namespace, "labels": {
                "app.kubernetes.io/managed-by": MANAGED_BY,
                "app.kubernetes.io/instance": self.name.as_str(),
                "app.kubernetes.io/component": component,
            }},
            "data": data,
            "binaryData": binary,
        })
    }

    /// Creates an object, or replaces its known version.
    fn put(
        &self,
        key: &ObjectKey,
        mut object: Value,
        known: Option<&Value>,
        call: &dyn Fn(&Request) -> Result<Value, CallError>,
    ) -> Result<Value, Failure> {
        let request = match known {
            None => Request::create(key, &object, Run::Real),
            Some(known) => {
                object["metadata"]["resourceVersion"] = live::resource_version(known).into();
                Request::replace(key, &object)
            }
        };
        let error = match call(&request) {
            Ok(stored) => return Ok(stored),
            Err(error) => error,
        };
        let again = "run the command again: it will plan from the current state";
        match error.code() {
            404 if known.is_some() => {
                Err(Failure::world(format!("{key} was deleted by another client during this run"))
                    .hint(again))
            }
            409 => {
                let stored = self.cluster.find(key)?;
                // The answer to a successful write may have been lost. The retry then finds its own
                // data.
                if let Some(stored) =
                    stored.as_ref().filter(|stored| stored.get("data") == object.get("data"))
                {
                    return Ok(stored.clone());
                }
                let lock = stored
                    .and_then(|stored| Head::parse(text(&stored, "data", HEAD_KEY)).ok()?.lock);
                let who = lock.map_or("another client".to_owned(), |lock| lock.to_string());
                Err(Failure::world(format!("{key} was changed by {who} during this run"))
                    .hint(again))
            }
            _ => Err(error.into()),
        }
    }
}

/// Deletes an object if it still has the uid that was read. A missing object is not an error.
pub fn delete(cluster: &Cluster, key: &ObjectKey, object: &Value) -> Result<(), CallError> {
    delete_with(cluster, key, object, Request::delete)
}

/// Deletes an object as [`delete`] does, with the propagation policy of `request`.
pub fn delete_with(
    cluster: &Cluster,
    key: &ObjectKey,
    object: &Value,
    request: fn(&ObjectKey, &str, &str) -> Request,
) -> Result<(), CallError> {
    let uid = live::uid(object);
    let mut version = live::resource_version(object).to_owned();
    loop {
        let Err(error) = cluster.call(&request(key, uid, &version)) else { return Ok(()) };
        match error.code() {
            404 => return Ok(()),
            409 => {}
            _ => return Err(error),
        }
        // A controller may have written the status since: the resource version changed, but the
        // object is the same.
        match cluster.find(key)? {
            Some(now) if live::uid(&now) == uid && live::resource_version(&now) != version => {
                live::resource_version(&now).clone_into(&mut version);
            }
            Some(now) if live::uid(&now) == uid => return Err(error),
            _ => return Ok(()),
        }
    }
}

fn under_way(lock: &Lock) -> Failure {
    let what = format!("another run is in progress: {lock} holds the lock");
    Failure::world(what).hint("wait until it is done")
}

/// Releases the lock after a failure, and adds the outcome to the failure.
pub fn gave_back(journal: &mut Journal<'_>, failure: Failure) -> Failure {
    match journal.give_back() {
        Ok(Given::Back) => failure.hint("the lock was released"),
        Ok(Given::NotOurs) => failure,
        Err(why) => failure.hint(format!(
            "cannot release the lock ({}): the next run waits until the lock has expired; \
             pass --break-lock to skip that",
            why.message()
        )),
    }
}
