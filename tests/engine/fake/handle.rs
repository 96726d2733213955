//! Access to the objects for tests, without a request.

use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;

use super::store::{Controllers, Store, target, target_of};

/// Access to the objects, without requests.
#[derive(Clone)]
pub(crate) struct Handle(Arc<Mutex<Store>>);

impl Handle {
    pub(super) fn new(store: Store) -> Self {
        Self(Arc::new(Mutex::new(store)))
    }

    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap()
    }

    /// Returns an object.
    pub(crate) fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        self.store().get(&target(kind, namespace, name))
    }

    /// Returns all objects of a kind.
    pub(crate) fn all(&self, kind: &str) -> Vec<Value> {
        self.store().all().filter(|object| object["kind"] == kind).cloned().collect()
    }

    /// Applies an object by force as a manager, and returns it.
    #[track_caller]
    pub(crate) fn put(&self, manager: &str, object: &Value) -> Value {
        self.store().put(manager, object)
    }

    /// Creates an object as a manager that does not apply.
    #[track_caller]
    pub(crate) fn create(&self, manager: &str, object: &Value) {
        self.store().add(manager, object);
    }

    /// Changes an object as a manager that does not apply.
    #[track_caller]
    pub(crate) fn edit(&self, manager: &str, object: &Value, change: impl FnOnce(&mut Value)) {
        self.store().edit((manager, None), &target_of(object), change);
    }

    /// Changes the number of replicas of an object as an autoscaler.
    #[track_caller]
    pub(crate) fn scale(&self, object: &Value, replicas: u32) {
        let who = ("kube-controller-manager", Some("scale"));
        self.store()
            .edit(who, &target_of(object), |object| object["spec"]["replicas"] = replicas.into());
    }

    /// Sets the status of an object.
    #[track_caller]
    pub(crate) fn set_status(&self, object: &Value, status: Value) {
        self.store().set_status(&target_of(object), status);
    }

    /// Removes an object at once.
    #[track_caller]
    pub(crate) fn remove(&self, object: &Value) {
        self.store().remove(&target_of(object)).expect("the object is there");
    }

    /// Denies a verb for a resource.
    pub(crate) fn deny(&self, verb: &str, resource: &str) {
        self.store().denied.insert((verb.to_owned(), resource.to_owned()));
    }

    /// Stops serving an API group.
    pub(crate) fn unserve(&self, group: &str) {
        self.store().unserved.insert(group.to_owned());
    }

    pub(crate) fn set_version(&self, version: &str) {
        version.clone_into(&mut self.store().version);
    }

    pub(crate) fn set_controllers(&self, controllers: Controllers) {
        self.store().controllers = controllers;
    }

    /// Returns all objects with their versions: equal results mean that nothing was written.
    pub(crate) fn versions(&self) -> Vec<String> {
        let line = |object: &Value| {
            let metadata = &object["metadata"];
            format!("{}/{} {}", object["kind"], metadata["name"], metadata["resourceVersion"])
        };
        self.store().all().map(line).collect()
    }
}
