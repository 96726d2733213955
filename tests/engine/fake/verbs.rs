//! Creating, replacing, applying and deleting objects.

use serde_json::{Value, json};

use super::apply::{Apply, owned_by};
use super::kinds::Target;
use super::managers::{Manager, Operation};
use super::refusal::Refusal;
use super::rules;
use super::store::{Effect, Store, id, target_of};

pub(super) type Answer = Result<(u16, Value), Refusal>;

/// A write of a client.
pub(super) struct Write<'a> {
    pub(super) target: Target,
    pub(super) manager: Manager,
    pub(super) is_forced: bool,
    pub(super) effect: Effect,
    pub(super) body: &'a Value,
}

impl<'a> Write<'a> {
    /// Returns a write of a test.
    pub(super) fn of((name, operation): (&str, Operation), body: &'a Value) -> Self {
        let target = target_of(body);
        let (name, api_version) = (name.to_owned(), target.kind.api_version());
        let manager = Manager { operation, name, subresource: None, api_version };
        Self { target, manager, is_forced: true, effect: Effect::Stored, body }
    }
}

impl Store {
    pub(super) fn create(&mut self, write: Write<'_>) -> Answer {
        let mut new = write.body.clone();
        let generated =
            new["metadata"]["generateName"].as_str().map(|start| format!("{start}x7x2p"));
        if let Some(name) = generated.filter(|_| new["metadata"].get("name").is_none()) {
            new["metadata"]["name"] = name.into();
        }
        let name = new["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let target = Target { name, ..write.target };
        self.check_namespace(&target)?;
        if self.objects.contains_key(&id(&target)) {
            return Err(Refusal::exists(&target));
        }
        let nothing = json!({"kind": target.kind.name});
        owned_by(write.manager, &nothing, &mut new);
        Ok((201, self.store(&target, None, new, write.effect)))
    }

    pub(super) fn replace(&mut self, write: Write<'_>) -> Answer {
        let target = &write.target;
        let live = self.find(target)?.clone();
        let mut new = write.body.clone();
        let version = new.pointer("/metadata/resourceVersion").filter(|version| *version != "");
        if version.is_some_and(|version| *version != live["metadata"]["resourceVersion"]) {
            return Err(Refusal::changed(target));
        }
        keep_servers(&live, &mut new);
        rules::check(target.kind, &live, &new)?;
        owned_by(write.manager, &live, &mut new);
        Ok((200, self.store(target, Some(&live), new, write.effect)))
    }

    pub(super) fn apply(&mut self, write: Write<'_>) -> Answer {
        let Write { target, manager, is_forced, effect, body: config } = write;
        let live = self.objects.get(&id(&target)).cloned();
        let uid = config.pointer("/metadata/uid").and_then(Value::as_str);
        let Some(live) = live else {
            self.permit(&target, "create")?;
            self.check_namespace(&target)?;
            if let Some(uid) = uid {
                let why = format!(
                    "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                );
                return Err(Refusal::conflict(&target, &why));
            }
            let nothing = json!({"kind": target.kind.name});
            let applied = Apply { manager, config, is_forced }.to(&nothing);
            let new = applied.map_err(|conflicts| Refusal::owned(&conflicts))?;
            return Ok((201, self.store(&target, None, new, effect)));
        };
        if uid.is_some_and(|uid| live["metadata"]["uid"] != uid) {
            let found = &live["metadata"]["uid"];
            let why = format!(
                "Precondition failed: UID in precondition: {uid:?}, UID in object meta: {found}"
            );
            return Err(Refusal::conflict(&target, &why));
        }
        let applied = Apply { manager, config, is_forced }.to(&live);
        let mut new = applied.map_err(|conflicts| Refusal::owned(&conflicts))?;
        keep_servers(&live, &mut new);
        rules::check(target.kind, &live, &new)?;
        Ok((200, self.store(&target, Some(&live), new, effect)))
    }

    pub(super) fn delete(&mut self, write: &Write<'_>) -> Answer {
        let Write { target, effect, body: options, .. } = write;
        let live = self.find(target)?.clone();
        check_preconditions(target, options, &live["metadata"])?;
        if *effect == Effect::Stored {
            self.end(target, live);
        }
        Ok((
            200,
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}),
        ))
    }
}

/// Refuses to delete another object, or another version, than the client has seen.
fn check_preconditions(target: &Target, options: &Value, found: &Value) -> Result<(), Refusal> {
    let ways = [
        ("uid", "UID", "have been deleted and then recreated"),
        ("resourceVersion", "ResourceVersion", "have been modified"),
    ];
    for (field, name, what) in ways {
        let Some(wanted) = options["preconditions"].get(field).and_then(Value::as_str) else {
            continue;
        };
        let found = found[field].as_str().unwrap_or_default();
        if wanted != found {
            let why = format!(
                "the {name} in the precondition ({wanted}) does not match the {name} in record ({found}). The \
                 object might {what}"
            );
            return Err(Refusal::precondition(target, &why));
        }
    }
    Ok(())
}

/// Keeps the parts of an object that only the server writes.
fn keep_servers(live: &Value, new: &mut Value) {
    for field in ["uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp"]
    {
        match live["metadata"].get(field) {
            Some(value) => new["metadata"][field] = value.clone(),
            None => drop(new["metadata"].as_object_mut().map(|metadata| metadata.remove(field))),
        }
    }
    match live.get("status") {
        Some(status) => new["status"] = status.clone(),
        None => drop(new.as_object_mut().map(|object| object.remove("status"))),
    }
    // The server gives a Service its address once.
    if live["kind"] == "Service" && new["spec"].get("clusterIP").is_none() {
        new["spec"]["clusterIP"] = live["spec"]["clusterIP"].clone();
    }
}
