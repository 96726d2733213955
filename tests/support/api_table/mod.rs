//! The behaviour that the program expects of an API server, as a table of scenarios. It runs against the fake server
//! and against a real control plane, so that tests on the fake one prove the program.

mod applies;
mod writes;

use std::rc::Rc;

use relay_bundle::cluster::error::{ApiStatus, CallError};
use relay_bundle::cluster::request::{Method, Request};
use relay_bundle::cluster::resource::path;
use relay_bundle::cluster::{Cluster, ClusterAccess, PluginEnvironment, Session, Terminal, Write};
use relay_bundle::model::object_key::ObjectKey;
use relay_bundle::proxy::ProxyEnvironment;
use serde_json::{Value, json};

/// Makes a test of each scenario; `$run` gets its name and its function.
macro_rules! api_tests {
    ($run:path) => {
        crate::api_table::api_tests!($run:
            access_review_allows_administrator,
            apply_by_edit_conflict_names_api_version,
            apply_conflict_names_field_and_manager,
            apply_conflicts_are_listed_by_manager,
            apply_dry_run_stores_nothing,
            apply_force_takes_field,
            apply_keeps_environment_of_other_manager,
            apply_keeps_label_of_other_manager,
            apply_keeps_order_of_containers,
            apply_merges_ports_of_service_by_number_and_protocol,
            apply_of_nothing_gives_up_all_fields,
            apply_of_same_value_shares_field,
            apply_owns_what_it_states,
            apply_removes_environment_variable_that_it_omits,
            apply_removes_field_that_it_omits,
            apply_removes_whole_item_with_defaults,
            apply_without_change_makes_no_version,
            create_dry_run_stores_nothing,
            create_in_ending_namespace_is_forbidden,
            create_of_existing_object_is_refused,
            create_without_namespace_is_refused,
            delete_of_absent_object_is_not_found,
            delete_with_finalizer_marks_object,
            delete_with_old_version_is_refused,
            delete_with_other_uid_is_refused,
            generation_counts_changes_of_spec,
            immutable_claim_class_is_refused,
            immutable_config_map_is_refused,
            immutable_selector_is_refused,
            immutable_stateful_set_is_refused,
            list_selects_by_labels,
            put_of_managed_fields_changes_owners,
            put_of_old_version_is_refused,
            put_takes_fields_that_it_changes,
            put_without_change_makes_no_version,
            put_without_managed_fields_keeps_owners,
            unknown_group_is_not_served,
        );
    };
    ($run:path: $($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                $run(stringify!($name), crate::api_table::$name);
            }
        )*
    };
}
pub(crate) use api_tests;
pub(crate) use applies::*;
pub(crate) use writes::*;

/// Returns a client for the server of a kubeconfig.
pub(crate) fn client(kubeconfig: &str) -> Cluster {
    let access = ClusterAccess {
        kubeconfigs: vec![kubeconfig.to_owned()],
        context: None,
        proxies: ProxyEnvironment::default(),
        surroundings: PluginEnvironment { terminal: Terminal::Absent, clock: || None },
    };
    Cluster::connect(&access).unwrap()
}

/// A server, and a namespace of a scenario's own.
pub(crate) struct Server {
    cluster: Rc<Cluster>,
    namespace: String,
}

type Answer = Result<Value, CallError>;

impl Server {
    /// Creates a namespace for the scenario.
    pub(crate) fn new(cluster: Cluster, scenario: &str) -> Self {
        let cluster = Rc::new(cluster);
        let server = Self { cluster, namespace: scenario.replace('_', "-") };
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": server.namespace}});
        server.create(&namespace).unwrap();
        server
    }

    fn key(&self, object: &Value) -> ObjectKey {
        let text =
            |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        ObjectKey::of_named(text("/kind"), &self.namespace, text("/metadata/name")).unwrap()
    }

    fn send(&self, method: Method, path: String, body: &Value) -> Answer {
        let body = body.to_string().into_bytes().into();
        self.cluster.call(&Request { method, path, body })
    }

    fn apply_with(&self, manager: &str, object: &Value, more: &str) -> Answer {
        let path = format!("{}?fieldManager={manager}{more}", path(&self.key(object)));
        self.send(Method::Apply, path, object)
    }

    fn apply(&self, manager: &str, object: &Value) -> Answer {
        self.apply_with(manager, object, "")
    }

    fn force(&self, manager: &str, object: &Value) -> Answer {
        self.apply_with(manager, object, "&force=true")
    }

    fn create(&self, object: &Value) -> Answer {
        Session::begin(&self.cluster).write(&Write::create(&self.key(object), object))
    }

    fn put(&self, manager: &str, object: &Value) -> Answer {
        let write = Write::replace_as(manager, &self.key(object), object);
        Session::begin(&self.cluster).write(&write)
    }

    fn find(&self, object: &Value) -> Option<Value> {
        self.cluster.find(&self.key(object)).unwrap()
    }
}

/// Returns the refusal, which must have this code and reason.
#[track_caller]
fn refused(answer: Answer, code: u16, reason: &str) -> ApiStatus {
    match answer {
        Err(CallError::Status(status)) => {
            assert_eq!((status.code, status.reason.as_str()), (code, reason), "{status}");
            *status
        }
        Err(other) => panic!("{other}"),
        Ok(object) => panic!("not refused: {object}"),
    }
}

/// Returns the fields of a manager that applies, as the server writes them.
fn owned(object: &Value, manager: &str) -> Value {
    let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array).unwrap();
    let is_it = |entry: &&Value| entry["manager"] == manager && entry["operation"] == "Apply";
    entries.iter().find(is_it).map_or(Value::Null, |entry| entry["fieldsV1"].clone())
}

fn version(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().unwrap()
}

fn map(data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data})
}

/// Returns a Deployment without pods, with one container.
fn deployment(container: &Value) -> Value {
    let mut container = container.clone();
    container["name"] = "relay".into();
    workload("Deployment", &[container])
}

fn workload(kind: &str, containers: &[Value]) -> Value {
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "a"}, "spec": {
        "replicas": 0, "selector": {"matchLabels": {"app": "a"}},
        "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": containers}}}})
}

fn container(object: &Value) -> &Value {
    &object["spec"]["template"]["spec"]["containers"][0]
}

fn names(list: &Value) -> Vec<&str> {
    let items = list.as_array().into_iter().flatten();
    items.map(|item| item["name"].as_str().unwrap()).collect()
}
