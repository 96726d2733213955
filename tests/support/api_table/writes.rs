//! Scenarios of other requests, and of dry runs and refusals.

use std::rc::Rc;

use relay_bundle::cluster::request::{Method, Request};
use relay_bundle::cluster::resource::path;
use relay_bundle::model::kind::Kind;
use relay_bundle::model::object_key::ObjectKey;
use serde_json::{Value, json};

use super::{Answer, Server, deployment, map, owned, refused, version, workload};

pub(crate) fn access_review_allows_administrator(server: &Server) {
    let review = Request::may_i("create", Kind::Deployment, &server.namespace, None);
    let answer = server.cluster.call(&review).unwrap();
    assert_eq!(answer["status"]["allowed"], true);
}

pub(crate) fn apply_dry_run_stores_nothing(server: &Server) {
    let live = server.apply("one", &map(&json!({"a": "1"}))).unwrap();
    let would = server.apply_with("one", &map(&json!({"a": "2"})), "&dryRun=All").unwrap();
    assert_eq!(would["data"]["a"], "2");
    assert_eq!(server.find(&live), Some(live));
}

pub(crate) fn create_dry_run_stores_nothing(server: &Server) {
    let map = map(&json!({"a": "1"}));
    let would = server.cluster.call(&Request::try_create(&server.key(&map), &map)).unwrap();
    assert_eq!((&would["data"]["a"], server.find(&map)), (&json!("1"), None));
}

pub(crate) fn apply_without_change_makes_no_version(server: &Server) {
    let first = server.apply("one", &map(&json!({"a": "1"}))).unwrap();
    let again = server.apply("one", &map(&json!({"a": "1"}))).unwrap();
    assert_eq!(version(&first), version(&again));
    let changed = server.apply("one", &map(&json!({"a": "2"}))).unwrap();
    assert_ne!(version(&first), version(&changed));
}

pub(crate) fn put_of_old_version_is_refused(server: &Server) {
    let mut old = server.create(&map(&json!({"a": "1"}))).unwrap();
    server.force("two", &map(&json!({"a": "2"}))).unwrap();
    old["data"]["a"] = "3".into();
    let status = refused(server.put("one", &old), 409, "Conflict");
    assert_eq!(
        status.message,
        "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your \
         changes to the latest version and try again"
    );
}

pub(crate) fn put_without_change_makes_no_version(server: &Server) {
    let live = server.create(&map(&json!({"a": "1"}))).unwrap();
    let again = server.put("one", &live).unwrap();
    assert_eq!(version(&live), version(&again));
}

pub(crate) fn put_takes_fields_that_it_changes(server: &Server) {
    let mut live = server.apply("one", &map(&json!({"a": "1", "b": "1"}))).unwrap();
    live["data"]["a"] = "2".into();
    let live = server.put("two", &live).unwrap();
    assert_eq!(owned(&live, "one"), json!({"f:data": {"f:b": {}}}));
    let entries = live["metadata"]["managedFields"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["manager"] == "two").unwrap();
    assert_eq!(
        (&entry["operation"], &entry["fieldsV1"]),
        (&json!("Update"), &json!({"f:data": {"f:a": {}}}))
    );
}

pub(crate) fn put_of_managed_fields_changes_owners(server: &Server) {
    let mut live = server.apply("one", &map(&json!({"a": "1"}))).unwrap();
    live["metadata"]["managedFields"][0]["manager"] = "two".into();
    let live = server.put("three", &live).unwrap();
    let owners = ["one", "two", "three"].map(|manager| owned(&live, manager));
    assert_eq!(owners, [Value::Null, json!({"f:data": {"f:a": {}}}), Value::Null]);
    server.apply("two", &map(&json!({"a": "2"}))).unwrap();
}

pub(crate) fn put_without_managed_fields_keeps_owners(server: &Server) {
    let mut live = server.apply("one", &map(&json!({"a": "1"}))).unwrap();
    live["metadata"].as_object_mut().unwrap().remove("managedFields");
    let live = server.put("two", &live).unwrap();
    assert_eq!(owned(&live, "one"), json!({"f:data": {"f:a": {}}}));
}

pub(crate) fn create_of_existing_object_is_refused(server: &Server) {
    server.create(&map(&json!({"a": "1"}))).unwrap();
    let status = refused(server.create(&map(&json!({"a": "1"}))), 409, "AlreadyExists");
    assert_eq!(status.message, "configmaps \"a\" already exists");
}

pub(crate) fn create_without_namespace_is_refused(server: &Server) {
    let absent = Server {
        cluster: Rc::clone(&server.cluster),
        namespace: "there-is-no-such-namespace".into(),
    };
    for answer in [absent.create(&map(&json!({}))), absent.apply("one", &map(&json!({})))] {
        let status = refused(answer, 404, "NotFound");
        assert_eq!(status.message, "namespaces \"there-is-no-such-namespace\" not found");
        assert_eq!(status.resource, "namespaces");
    }
}

pub(crate) fn create_in_ending_namespace_is_forbidden(server: &Server) {
    let mut kept = map(&json!({}));
    kept["metadata"]["finalizers"] = json!(["relay-bundle.test/keep"]);
    let mut kept = server.create(&kept).unwrap();
    let namespace = json!({"kind": "Namespace", "metadata": {"name": server.namespace}});
    let path = path(&server.key(&namespace));
    server.send(Method::Delete, path, &json!({})).unwrap();
    let mut other = map(&json!({}));
    other["metadata"]["name"] = "b".into();

    let status = refused(server.apply("one", &other), 403, "Forbidden");

    assert!(status.is_namespace_going(), "{status:?}");
    kept = server.find(&kept).unwrap();
    kept["metadata"]["finalizers"] = json!([]);
    server.put("one", &kept).unwrap();
}

fn delete(server: &Server, object: &Value, preconditions: &Value) -> Answer {
    let options =
        json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions});
    server.send(Method::Delete, path(&server.key(object)), &options)
}

pub(crate) fn delete_with_other_uid_is_refused(server: &Server) {
    let live = server.create(&map(&json!({}))).unwrap();
    let status = refused(delete(server, &live, &json!({"uid": "other"})), 409, "Conflict");
    assert!(
        status.message.starts_with("Operation cannot be fulfilled on ConfigMap \"a\": the UID"),
        "{status}"
    );
    assert!(server.find(&live).is_some());
    delete(server, &live, &json!({"uid": live["metadata"]["uid"]})).unwrap();
    assert!(server.find(&live).is_none());
}

pub(crate) fn delete_with_old_version_is_refused(server: &Server) {
    let old = server.create(&map(&json!({"a": "1"}))).unwrap();
    server.force("two", &map(&json!({"a": "2"}))).unwrap();
    let wanted = json!({"uid": old["metadata"]["uid"], "resourceVersion": version(&old)});
    refused(delete(server, &old, &wanted), 409, "Conflict");
    assert!(server.find(&old).is_some());
}

pub(crate) fn delete_of_absent_object_is_not_found(server: &Server) {
    let status = refused(delete(server, &map(&json!({})), &json!({})), 404, "NotFound");
    assert_eq!(status.message, "configmaps \"a\" not found");
}

pub(crate) fn delete_with_finalizer_marks_object(server: &Server) {
    let mut map = map(&json!({}));
    map["metadata"]["finalizers"] = json!(["relay-bundle.test/keep"]);
    let live = server.create(&map).unwrap();
    delete(server, &live, &json!({"uid": live["metadata"]["uid"]})).unwrap();
    let mut marked = server.find(&live).unwrap();
    assert!(marked["metadata"]["deletionTimestamp"].is_string(), "{marked}");
    marked["metadata"]["finalizers"] = json!([]);
    server.put("one", &marked).unwrap();
    assert!(server.find(&live).is_none());
}

pub(crate) fn generation_counts_changes_of_spec(server: &Server) {
    let mut wanted = deployment(&json!({"image": "a:1"}));
    let first = server.apply("one", &wanted).unwrap();
    wanted["metadata"]["labels"] = json!({"a": "1"});
    let labelled = server.apply("one", &wanted).unwrap();
    wanted["spec"]["minReadySeconds"] = 1.into();
    let changed = server.apply("one", &wanted).unwrap();
    let generations =
        [first, labelled, changed].map(|object| object["metadata"]["generation"].as_u64());
    assert_eq!(generations, [Some(1), Some(1), Some(2)]);
}

#[track_caller]
fn fault(answer: Answer) -> (String, String) {
    let status = refused(answer, 422, "Invalid");
    let cause = &status.causes[0];
    (cause.reason.clone(), cause.field.clone())
}

fn fault_is(found: &(String, String), reason: &str, field: &str) {
    assert_eq!((found.0.as_str(), found.1.as_str()), (reason, field));
}

pub(crate) fn immutable_config_map_is_refused(server: &Server) {
    let mut map = map(&json!({"a": "1"}));
    map["immutable"] = true.into();
    server.apply("one", &map).unwrap();
    map["data"]["a"] = "2".into();
    fault_is(&fault(server.apply("one", &map)), "FieldValueForbidden", "data");
}

pub(crate) fn immutable_selector_is_refused(server: &Server) {
    let mut wanted = deployment(&json!({"image": "a:1"}));
    server.apply("one", &wanted).unwrap();
    wanted["spec"]["selector"]["matchLabels"] = json!({"app": "b"});
    wanted["spec"]["template"]["metadata"]["labels"] = json!({"app": "b"});
    fault_is(&fault(server.apply("one", &wanted)), "FieldValueInvalid", "spec.selector");
}

pub(crate) fn immutable_stateful_set_is_refused(server: &Server) {
    let mut wanted = workload("StatefulSet", &[json!({"name": "redis", "image": "a:1"})]);
    wanted["spec"]["serviceName"] = "a".into();
    server.apply("one", &wanted).unwrap();
    wanted["spec"]["serviceName"] = "b".into();
    // Older servers forbid the change of `spec`, and newer ones name the field.
    let (reason, field) = fault(server.apply("one", &wanted));
    let known = [("FieldValueForbidden", "spec"), ("FieldValueInvalid", "spec.serviceName")];
    assert!(known.contains(&(reason.as_str(), field.as_str())), "{reason} {field}");
}

pub(crate) fn immutable_claim_class_is_refused(server: &Server) {
    let claim = |class: &str| {
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "a"}, "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": class,
            "resources": {"requests": {"storage": "1Gi"}}}})
    };
    server.apply("one", &claim("first")).unwrap();
    fault_is(&fault(server.apply("one", &claim("second"))), "FieldValueForbidden", "spec");
}

pub(crate) fn list_selects_by_labels(server: &Server) {
    for (name, label) in [("a", "1"), ("b", "2"), ("c", "1")] {
        let mut map = map(&json!({}));
        map["metadata"] = json!({"name": name, "labels": {"x.y/z": label, "all": "yes"}});
        server.create(&map).unwrap();
    }
    let folder = ObjectKey::of(Kind::ConfigMap, &server.namespace, "");
    let found = server.cluster.list(&Request::list(&folder, "x.y/z=1,all=yes")).unwrap();
    let found: Vec<&Value> = found.iter().map(|item| &item["metadata"]["name"]).collect();
    assert_eq!(found, ["a", "c"]);
}

pub(crate) fn unknown_group_is_not_served(server: &Server) {
    let answer = server.cluster.call(&Request::get_path("/apis/nothing.example.com"));
    let error = answer.unwrap_err();
    assert_eq!(error.code(), 404);
    assert_eq!(error.status().unwrap().message, "404 page not found");
    assert!(server.cluster.call(&Request::get_path("/apis/apps")).is_ok());
}
