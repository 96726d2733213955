//! The stored objects.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::apply::owned_by;
use super::kinds::{Kind, Scope, Target, named};
use super::managers::{Manager, NOW, Operation};
use super::refusal::Refusal;
use super::rules;
use super::verbs::Write;

/// Resource, namespace and name.
pub(super) type Id = (&'static str, String, String);

/// The controllers of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Controllers {
    /// Every object is ready as soon as it is written.
    Quick,
    /// The status of an object stays as the test leaves it.
    Absent,
}

/// The effect of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Stored,
    /// A dry run.
    Nothing,
}

#[derive(Clone)]
pub(super) struct Store {
    pub(super) objects: BTreeMap<Id, Value>,
    pub(super) count: u64,
    /// Verbs and resources that are not permitted.
    pub(super) denied: BTreeSet<(String, String)>,
    pub(super) unserved: BTreeSet<String>,
    pub(super) controllers: Controllers,
    pub(super) version: String,
}

impl Store {
    pub(super) fn new() -> Self {
        let mut store = Self {
            objects: BTreeMap::new(),
            count: 0,
            denied: BTreeSet::new(),
            unserved: BTreeSet::new(),
            controllers: Controllers::Quick,
            version: "v1.37.0".to_owned(),
        };
        for name in ["kube-system", "default"] {
            let namespace =
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            store.put("kube-apiserver", &namespace);
        }
        store
    }

    pub(super) fn find(&self, target: &Target) -> Result<&Value, Refusal> {
        self.objects.get(&id(target)).ok_or_else(|| Refusal::not_found(target))
    }

    /// Refuses new objects in a namespace that does not exist, or is being deleted.
    pub(super) fn check_namespace(&self, target: &Target) -> Result<(), Refusal> {
        if target.kind.scope == Scope::Cluster {
            return Ok(());
        }
        let key = ("namespaces", String::new(), target.namespace.clone());
        match self.objects.get(&key) {
            None => Err(Refusal::no_namespace(&target.namespace)),
            Some(namespace) if namespace["metadata"].get("deletionTimestamp").is_some() => {
                Err(Refusal::namespace_ends(target))
            }
            Some(_) => Ok(()),
        }
    }

    /// Removes an object, or marks it if it has finalizers, or is a namespace.
    pub(super) fn end(&mut self, target: &Target, mut live: Value) {
        self.count += 1;
        if is_free(&live) {
            self.objects.remove(&id(target));
            return;
        }
        if target.kind.name == "Namespace" {
            live["status"]["phase"] = "Terminating".into();
        }
        live["metadata"]["deletionTimestamp"] = NOW.into();
        live["metadata"]["resourceVersion"] = self.count.to_string().into();
        self.objects.insert(id(target), live);
    }

    /// Completes and stores a new version of an object, and returns it.
    pub(super) fn store(
        &mut self,
        target: &Target,
        live: Option<&Value>,
        mut new: Value,
        effect: Effect,
    ) -> Value {
        let number = self.count + 1;
        new["apiVersion"] = target.kind.api_version().into();
        new["kind"] = target.kind.name.into();
        rules::complete(target.kind, &mut new, number);
        // A write that changes nothing makes no version.
        if live == Some(&new) {
            return new;
        }
        if live.is_none() {
            identify(target, &mut new, number);
        }
        if target.kind.has_generation {
            count_changes(live, &mut new);
        }
        if effect == Effect::Nothing {
            return new;
        }
        self.count = number;
        new["metadata"]["resourceVersion"] = number.to_string().into();
        if self.controllers == Controllers::Quick {
            rules::settle(&mut new);
        }
        self.objects.insert(id(target), new.clone());
        if new["metadata"].get("deletionTimestamp").is_some() && is_free(&new) {
            self.objects.remove(&id(target));
        }
        new
    }
}

/// Access for tests, without a request.
impl Store {
    pub(super) fn get(&self, target: &Target) -> Option<Value> {
        self.objects.get(&id(target)).cloned()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Value> {
        self.objects.values()
    }

    /// Applies an object by force as a manager.
    pub(super) fn put(&mut self, manager: &str, object: &Value) -> Value {
        let write = Write::of((manager, Operation::Apply), object);
        self.apply(write).unwrap_or_else(|refusal| panic!("{refusal:?}")).1
    }

    /// Creates an object as a manager that does not apply.
    pub(super) fn add(&mut self, manager: &str, object: &Value) {
        let write = Write::of((manager, Operation::Update), object);
        self.create(write).unwrap_or_else(|refusal| panic!("{refusal:?}"));
    }

    /// Changes an object as a manager that does not apply.
    pub(super) fn edit(
        &mut self,
        (manager, subresource): (&str, Option<&str>),
        target: &Target,
        change: impl FnOnce(&mut Value),
    ) -> Value {
        let live = self.find(target).unwrap_or_else(|refusal| panic!("{refusal:?}")).clone();
        let mut new = live.clone();
        change(&mut new);
        let manager = Manager {
            operation: Operation::Update,
            name: manager.to_owned(),
            subresource: subresource.map(str::to_owned),
            api_version: target.kind.api_version(),
        };
        owned_by(manager, &live, &mut new);
        self.store(target, Some(&live), new, Effect::Stored)
    }

    /// Writes the status of an object, which stays until the object is written.
    pub(super) fn set_status(&mut self, target: &Target, status: Value) {
        self.count += 1;
        let version = self.count.to_string();
        let object = self.objects.get_mut(&id(target)).expect("the object is there");
        object["status"] = status;
        object["metadata"]["resourceVersion"] = version.into();
    }

    /// Removes an object in spite of its finalizers.
    pub(super) fn remove(&mut self, target: &Target) -> Option<Value> {
        self.objects.remove(&id(target))
    }
}

pub(super) fn target_of(object: &Value) -> Target {
    let text = |pointer: &str| {
        object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    target(&text("/kind"), &text("/metadata/namespace"), &text("/metadata/name"))
}

pub(super) fn target(kind: &str, namespace: &str, name: &str) -> Target {
    let kind: &'static Kind = named(kind);
    let namespace = if kind.scope == Scope::Cluster { "" } else { namespace };
    Target { kind, namespace: namespace.to_owned(), name: name.to_owned() }
}

pub(super) fn id(target: &Target) -> Id {
    (target.kind.plural, target.namespace.clone(), target.name.clone())
}

/// Gives a new object its identity.
fn identify(target: &Target, new: &mut Value, number: u64) {
    let metadata = &mut new["metadata"];
    if target.kind.scope == Scope::Namespaced {
        metadata["namespace"] = target.namespace.clone().into();
    }
    metadata["uid"] = format!("00000000-0000-4000-8000-{number:012}").into();
    metadata["creationTimestamp"] = NOW.into();
}

/// Counts the versions of `spec`.
fn count_changes(live: Option<&Value>, new: &mut Value) {
    let before = live.and_then(|live| live["metadata"]["generation"].as_u64()).unwrap_or(0);
    let is_changed = live.is_none_or(|live| live.get("spec") != new.get("spec"));
    new["metadata"]["generation"] = (before + u64::from(is_changed)).into();
}

/// Returns whether a deleted object goes at once. A namespace never does: nothing deletes its content.
fn is_free(object: &Value) -> bool {
    let finalizers = object.pointer("/metadata/finalizers").and_then(Value::as_array);
    object["kind"] != "Namespace" && finalizers.is_none_or(Vec::is_empty)
}
