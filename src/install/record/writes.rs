//! Writes the record. Every write states the resource version that it replaces.

use std::time::Instant;

use serde_json::{Value, json};

use super::error::JournalError;
use super::journal::Journal;
use super::lock::HEARTBEAT_LOST;
use crate::cluster::Write;
use crate::cluster::error::CallError;
use crate::failure::Failure;
use crate::install::deletion::delete;
use crate::install::generations::text;
use crate::model::label::{COMPONENT_LABEL, INSTANCE_LABEL, MANAGED_BY, MANAGED_BY_LABEL};
use crate::model::object_key::ObjectKey;
use crate::rollout::live_object;
use crate::rollout::record::{BUNDLE_KEY, GENERATION_KEY, Generation, HEAD_KEY, Head, STATE_KEY};
use crate::rollout::record_names::{
    GENERATION_COMPONENT, HEAD_COMPONENT, RECOVERY_COMPONENT, generation_name, recovery_name,
};
use crate::rollout::recovery_copies::{with_recovery, without_recovery};

impl Journal {
    /// Changes the head and writes it.
    pub fn update(&mut self, change: impl FnOnce(&mut Head)) -> Result<(), Failure> {
        change(&mut self.head);
        self.write()
    }

    /// Notes that the adoption is complete.
    pub fn finish_adoption(&mut self) -> Result<(), Failure> {
        if self.head.adopting.is_none() {
            return Ok(());
        }
        self.update(|head| head.adopting = None)
    }

    pub(super) fn write(&mut self) -> Result<(), Failure> {
        // A head that could not be read again must not be written: a forged number may be too large
        // to increment.
        self.head.check().map_err(|why| self.damaged_head(&why))?;
        let state = self.state.to_bytes().map_err(Failure::bug)?;
        let data = json!({
            HEAD_KEY: self.head.to_text().map_err(Failure::bug)?,
            STATE_KEY: String::from_utf8(state).map_err(Failure::bug)?,
        });
        let key = self.head_key();
        let object = self.config_map(&key, HEAD_COMPONENT, &data, &Value::Null);
        // Other runs see the heartbeat later than this, so their timeout ends after ours.
        let sent = Instant::now();
        let stored = self.put(&key, object, self.stored.as_ref(), &|write| {
            // The resource version is a stronger guard than any deadline: the write takes effect
            // only on an unchanged record.
            self.session.write_unfenced(write)
        })?;
        self.stored = Some(stored);
        self.beat = sent;
        self.session.fence(self.head.lock.is_some().then_some(sent + HEARTBEAT_LOST));
        Ok(())
    }

    /// Writes the ConfigMap of a generation: its inventory and its bundle.
    pub fn write_generation(&self, generation: &Generation, packed: &str) -> Result<(), Failure> {
        let key = self.key(&generation_name(&self.name, generation.generation));
        let stored = self.session.find(&key)?;
        let data = json!({GENERATION_KEY: generation.to_text().map_err(Failure::bug)?});
        let object =
            self.config_map(&key, GENERATION_COMPONENT, &data, &json!({BUNDLE_KEY: packed}));
        self.put(&key, object, stored.as_ref(), &|write| self.session.write(write))?;
        Ok(())
    }

    /// Adds an encrypted copy of generated values to the record; returns the copies before that.
    pub fn keep_recovery(&self, encrypted: &str) -> Result<Option<Value>, Failure> {
        let key = self.key(&recovery_name(&self.name));
        let stored = self.session.find(&key)?;
        let before = stored.as_ref().and_then(|stored| stored.get("data"));
        let data = with_recovery(before, encrypted);
        let object = self.config_map(&key, RECOVERY_COMPONENT, &data, &Value::Null);
        self.put(&key, object, stored.as_ref(), &|write| self.session.write(write))?;
        Ok(before.cloned())
    }

    /// Removes an encrypted copy whose values were never written to the cluster, and restores the
    /// older copies that it displaced.
    pub fn discard_recovery(&self, encrypted: &str, before: Option<&Value>) -> Result<(), Failure> {
        let key = self.key(&recovery_name(&self.name));
        let Some(stored) = self.session.find(&key)? else { return Ok(()) };
        match without_recovery(stored.get("data"), encrypted, before) {
            None => delete(&self.session, &key, &stored)?,
            Some(data) => {
                let object = self.config_map(&key, RECOVERY_COMPONENT, &data, &Value::Null);
                self.put(&key, object, Some(&stored), &|write| self.session.write(write))?;
            }
        }
        Ok(())
    }

    /// Deletes the ConfigMaps of generations.
    pub fn forget(&self, generations: &[u64]) -> Result<(), Failure> {
        for generation in generations {
            let key = self.key(&generation_name(&self.name, *generation));
            if let Some(stored) = self.session.find(&key)? {
                delete(&self.session, &key, &stored)?;
            }
        }
        Ok(())
    }

    fn config_map(&self, key: &ObjectKey, component: &str, data: &Value, binary: &Value) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": key.name, "namespace": key.namespace, "labels": {
                MANAGED_BY_LABEL: MANAGED_BY,
                INSTANCE_LABEL: self.name.as_str(),
                COMPONENT_LABEL: component,
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
        send: &dyn Fn(&Write) -> Result<Value, CallError>,
    ) -> Result<Value, Failure> {
        let write = match known {
            None => Write::create(key, &object),
            Some(known) => {
                object["metadata"]["resourceVersion"] = live_object::resource_version(known).into();
                Write::replace(key, &object)
            }
        };

        let error = match send(&write) {
            Ok(stored) => return Ok(stored),
            Err(error) => error,
        };
        match error.code() {
            404 if known.is_some() => Err(JournalError::Deleted(key.clone()).into()),
            409 => {
                let stored = self.session.find(key)?;
                // The answer to a successful write may have been lost. The retry then finds its own
                // data.
                if let Some(stored) =
                    stored.as_ref().filter(|stored| stored.get("data") == object.get("data"))
                {
                    return Ok(stored.clone());
                }
                let by = stored
                    .and_then(|stored| Head::parse(text(&stored, "data", HEAD_KEY)).ok()?.lock);
                let by = by.map(Box::new);
                Err(JournalError::Changed { key: key.clone(), by }.into())
            }
            _ => Err(error.into()),
        }
    }
}
