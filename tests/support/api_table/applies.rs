//! Scenarios of server-side apply.

use serde_json::{Value, json};

use super::{Server, container, deployment, map, names, owned, refused, workload};

pub(crate) fn apply_conflict_names_field_and_manager(server: &Server) {
    server.apply("one", &map(&json!({"a": "1", "b": "1"}))).unwrap();
    let status = refused(server.apply("two", &map(&json!({"a": "2"}))), 409, "Conflict");
    assert_eq!(status.message, "Apply failed with 1 conflict: conflict with \"one\": .data.a");
    let causes = status.causes.iter().map(|cause| (&*cause.reason, &*cause.message, &*cause.field));
    let wanted = ("FieldManagerConflict", "conflict with \"one\"", ".data.a");
    assert_eq!(causes.collect::<Vec<_>>(), [wanted]);
    assert_eq!(server.find(&map(&json!({}))).unwrap()["data"]["a"], "1");
}

pub(crate) fn apply_conflicts_are_listed_by_manager(server: &Server) {
    server
        .apply("one", &deployment(&json!({"image": "a:1", "env": [{"name": "A", "value": "1"}]})))
        .unwrap();
    let mut replicas = deployment(&json!({"image": "a:1"}));
    replicas["spec"]["revisionHistoryLimit"] = 3.into();
    server.apply("other", &replicas).unwrap();
    let mut wanted = deployment(&json!({"image": "a:1", "env": [{"name": "A", "value": "2"}]}));
    wanted["spec"]["revisionHistoryLimit"] = 4.into();

    let status = refused(server.apply("two", &wanted), 409, "Conflict");

    assert_eq!(
        status.message,
        "Apply failed with 2 conflicts: conflicts with \"one\":\n\
         - .spec.template.spec.containers[name=\"relay\"].env[name=\"A\"].value\n\
         conflicts with \"other\":\n- .spec.revisionHistoryLimit"
    );
}

pub(crate) fn apply_by_edit_conflict_names_api_version(server: &Server) {
    let mut live = server.apply("one", &map(&json!({"a": "1"}))).unwrap();
    live["data"]["a"] = "2".into();
    server.put("editor", &live).unwrap();
    let status = refused(server.apply("one", &map(&json!({"a": "1"}))), 409, "Conflict");
    assert!(status.causes[0].message.starts_with("conflict with \"editor\" using v1"), "{status}");
}

pub(crate) fn apply_force_takes_field(server: &Server) {
    server.apply("one", &map(&json!({"a": "1", "b": "1"}))).unwrap();
    let taken = server.force("two", &map(&json!({"a": "2"}))).unwrap();
    assert_eq!(taken["data"], json!({"a": "2", "b": "1"}));
    assert_eq!(owned(&taken, "one"), json!({"f:data": {"f:b": {}}}));
    assert_eq!(owned(&taken, "two"), json!({"f:data": {"f:a": {}}}));
}

pub(crate) fn apply_of_same_value_shares_field(server: &Server) {
    server.apply("one", &map(&json!({"a": "1"}))).unwrap();
    server.apply("two", &map(&json!({"a": "1"}))).unwrap();
    let left = server.apply("two", &map(&json!({"b": "1"}))).unwrap();
    assert_eq!(left["data"], json!({"a": "1", "b": "1"}));
    assert_eq!(owned(&left, "two"), json!({"f:data": {"f:b": {}}}));
}

pub(crate) fn apply_removes_field_that_it_omits(server: &Server) {
    server.apply("one", &map(&json!({"a": "1", "b": "1"}))).unwrap();
    let left = server.apply("one", &map(&json!({"b": "1"}))).unwrap();
    assert_eq!(left["data"], json!({"b": "1"}));
}

pub(crate) fn apply_of_nothing_gives_up_all_fields(server: &Server) {
    server.apply("one", &map(&json!({"a": "1"}))).unwrap();
    server.apply("two", &map(&json!({"b": "1"}))).unwrap();
    let nothing = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    let left = server.apply("two", &nothing).unwrap();
    assert_eq!((&left["data"], owned(&left, "two")), (&json!({"a": "1"}), Value::Null));
}

pub(crate) fn apply_keeps_environment_of_other_manager(server: &Server) {
    server
        .apply("one", &deployment(&json!({"image": "a:1", "env": [{"name": "A", "value": "1"}]})))
        .unwrap();
    server.apply("two", &deployment(&json!({"env": [{"name": "B", "value": "2"}]}))).unwrap();
    let both = server
        .apply("one", &deployment(&json!({"image": "a:2", "env": [{"name": "A", "value": "1"}]})));
    let both = both.unwrap();
    assert_eq!(container(&both)["image"], "a:2");
    let env = container(&both)["env"].as_array().unwrap();
    assert!(env.contains(&json!({"name": "B", "value": "2"})) && env.len() == 2, "{env:?}");
}

pub(crate) fn apply_removes_environment_variable_that_it_omits(server: &Server) {
    let two = json!([{"name": "A", "value": "1"}, {"name": "B", "value": "1"}]);
    server.apply("one", &deployment(&json!({"image": "a:1", "env": two}))).unwrap();
    let one = json!([{"name": "B", "value": "1"}]);
    let left = server.apply("one", &deployment(&json!({"image": "a:1", "env": one}))).unwrap();
    assert_eq!(container(&left)["env"], one);
}

pub(crate) fn apply_removes_whole_item_with_defaults(server: &Server) {
    let (relay, side) =
        (json!({"name": "relay", "image": "a:1"}), json!({"name": "side", "image": "b:1"}));
    server.apply("one", &workload("Deployment", &[relay.clone(), side])).unwrap();
    let left = server.apply("one", &workload("Deployment", &[relay])).unwrap();
    assert_eq!(names(&left["spec"]["template"]["spec"]["containers"]), ["relay"]);
}

pub(crate) fn apply_keeps_order_of_containers(server: &Server) {
    let of = |name: &str| json!({"name": name, "image": "a:1"});
    server.apply("one", &workload("Deployment", &["a", "c"].map(of))).unwrap();
    server.apply("two", &workload("Deployment", &["b"].map(of))).unwrap();
    let all = server.apply("one", &workload("Deployment", &["c", "d", "a"].map(of))).unwrap();
    let found = &all["spec"]["template"]["spec"]["containers"];
    let own: Vec<&str> = names(found).into_iter().filter(|name| *name != "b").collect();
    assert_eq!((own.as_slice(), found.as_array().unwrap().len()), (&["c", "d", "a"][..], 4));
}

pub(crate) fn apply_merges_ports_of_service_by_number_and_protocol(server: &Server) {
    let service = |port: Value| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"},
            "spec": {"selector": {"app": "a"}, "ports": [port]}})
    };
    let udp = json!({"name": "dns", "port": 53, "protocol": "UDP"});
    server.apply("one", &service(json!({"name": "tcp", "port": 53, "targetPort": 5353}))).unwrap();
    let both = server.apply("two", &service(udp)).unwrap();
    assert_eq!(both["spec"]["ports"].as_array().unwrap().len(), 2, "{both}");
    let other = json!({"name": "tcp", "port": 53, "targetPort": 54});
    let status = refused(server.apply("two", &service(other)), 409, "Conflict");
    assert_eq!(status.causes[0].field, ".spec.ports[port=53,protocol=\"TCP\"].targetPort");
}

pub(crate) fn apply_keeps_label_of_other_manager(server: &Server) {
    let labelled = |labels: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": labels}});
    server.apply("one", &labelled(json!({"a": "1", "b": "1"}))).unwrap();
    server.apply("two", &labelled(json!({"c": "1"}))).unwrap();
    let left = server.apply("one", &labelled(json!({"a": "2"}))).unwrap();
    assert_eq!(left["metadata"]["labels"], json!({"a": "2", "c": "1"}));
}

pub(crate) fn apply_owns_what_it_states(server: &Server) {
    let ports = json!([{"containerPort": 80}]);
    let limits = json!({"limits": {"memory": "1Gi"}});
    let security = json!({"capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true});
    let stated = json!({"image": "a:1", "args": ["-v"], "ports": ports, "resources": limits,
        "securityContext": security, "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]});
    let mut wanted = deployment(&stated);
    wanted["metadata"]["labels"] = json!({"a.b/c": "1"});
    let applied = server.apply("one", &wanted).unwrap();
    let env = json!({"k:{\"name\":\"A\"}": {".": {}, "f:name": {}, "f:valueFrom": {"f:secretKeyRef": {}}}});
    let container = json!({".": {}, "f:args": {}, "f:env": env, "f:image": {}, "f:name": {},
        "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
        "f:resources": {"f:limits": {"f:memory": {}}},
        "f:securityContext": {"f:capabilities": {"f:drop": {}}, "f:runAsNonRoot": {}}});
    let template = json!({"f:metadata": {"f:labels": {"f:app": {}}},
        "f:spec": {"f:containers": {"k:{\"name\":\"relay\"}": container}}});
    assert_eq!(
        owned(&applied, "one"),
        json!({"f:metadata": {"f:labels": {"f:a.b/c": {}}},
            "f:spec": {"f:replicas": {}, "f:selector": {}, "f:template": template}})
    );
}
