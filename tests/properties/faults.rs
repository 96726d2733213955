//! Finds faults of a bundle. Reads only the objects and the index, and uses none of the code that
//! made them.

use std::collections::BTreeSet;

use relay_bundle::bundle::index::Index;
use relay_bundle::bundle::open::Bundle;
use relay_bundle::model::safe_path::SafePath;
use relay_bundle::render::yaml::to_yaml;
use serde_json::{Map, Value};

use crate::rendered::{Rendered, load};

/// Returns the faults of a bundle.
pub(crate) fn faults(rendered: &Rendered) -> Vec<String> {
    let objects: Vec<&Value> = rendered.set.iter().map(|manifest| &manifest.object).collect();
    let mut faults = files(rendered);
    faults.extend(objects.iter().filter_map(|object| reads_back(object)));
    faults.extend(
        Bundle::of_files(rendered.bundle.files.clone()).err().map(|error| error.to_string()),
    );
    faults.extend(selectors(&objects));
    faults.extend(unresolved(&objects, &rendered.bundle.index));
    for pod in objects.iter().filter_map(|object| object.pointer("/spec/template/spec")) {
        faults.extend(unrestricted(pod));
    }
    faults
}

fn files(rendered: &Rendered) -> Vec<String> {
    let mut faults = Vec::new();
    let listed = &rendered.bundle.index.objects;
    if rendered.set.iter().count() != listed.len() || !rendered.set.duplicates().is_empty() {
        faults.push("the index does not list every object once".to_owned());
    }
    for (path, file) in rendered.bundle.files.iter() {
        let legal = SafePath::parse(path.as_str()).is_ok() && path.as_str().len() <= 100;
        if !legal || file.bytes().len() > 1 << 20 {
            faults.push(format!("{path} has {} bytes", file.bytes().len()));
        }
    }
    for object in rendered.set.iter() {
        let longest = match object.key.kind.as_str() {
            "Service" => 63,
            "StatefulSet" => 52,
            _ => 253,
        };
        if object.key.name.len() > longest {
            faults.push(format!("{} has too long a name", object.key));
        }
    }
    faults
}

fn reads_back(object: &Value) -> Option<String> {
    let text = to_yaml(object);
    let read: Result<Value, _> = serde_saphyr::from_str(&text);
    match read {
        Ok(read) if read == *object => None,
        Ok(read) => Some(format!("read back as {read}, was {object}")),
        Err(error) => Some(format!("{error}\n{text}")),
    }
}

fn is_subset(selector: &Value, labels: &Value) -> bool {
    selector.as_object().is_some_and(|selector| {
        !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
    })
}

/// Returns the selectors of workloads, Services, budgets and policies that do not match exactly one
/// pod template.
fn selectors(objects: &[&Value]) -> Vec<String> {
    let templates: Vec<&Value> = objects
        .iter()
        .filter_map(|object| object.pointer("/spec/template/metadata/labels"))
        .collect();
    let mut faults = Vec::new();
    for object in objects {
        let selector = match object["kind"].as_str().unwrap() {
            "Deployment" | "StatefulSet" | "PodDisruptionBudget" => {
                &object["spec"]["selector"]["matchLabels"]
            }
            "NetworkPolicy" => &object["spec"]["podSelector"]["matchLabels"],
            "Service" if object["spec"].get("selector").is_some() => &object["spec"]["selector"],
            _ => continue,
        };
        let matched = templates.iter().filter(|labels| is_subset(selector, labels)).count();
        if matched != 1 {
            faults.push(format!(
                "{} {} selects {matched} workloads",
                object["kind"], object["metadata"]["name"]
            ));
        }
    }
    faults
}

/// Returns the references to objects that are neither in the set nor in the contract.
fn unresolved(objects: &[&Value], index: &Index) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut known: BTreeSet<(String, String)> = objects
        .iter()
        .map(|object| (text(&object["kind"]), text(&object["metadata"]["name"])))
        .collect();
    known.extend(index.contract.iter().map(|wanted| (wanted.kind.clone(), wanted.name.clone())));
    known.insert(("ServiceAccount".into(), "default".into()));
    let mut found = BTreeSet::new();
    for object in objects {
        referred(&object["spec"], &mut found);
        if let Some(namespace) = object["metadata"].get("namespace") {
            found.insert(("Namespace".to_owned(), text(namespace)));
        }
    }
    found
        .difference(&known)
        .map(|(kind, name)| format!("{kind} {name} is neither in the set nor wanted"))
        .collect()
}

/// Collects references by the field names that Kubernetes uses for them.
fn referred(value: &Value, found: &mut BTreeSet<(String, String)>) {
    const NAMES: [(&str, &str); 5] = [
        ("claimName", "PersistentVolumeClaim"),
        ("ingressClassName", "IngressClass"),
        ("priorityClassName", "PriorityClass"),
        ("secretName", "Secret"),
        ("serviceAccountName", "ServiceAccount"),
    ];
    const OBJECTS: [(&str, &str); 6] = [
        ("configMap", "ConfigMap"),
        ("configMapKeyRef", "ConfigMap"),
        ("configMapRef", "ConfigMap"),
        ("secretKeyRef", "Secret"),
        ("secretRef", "Secret"),
        ("service", "Service"),
    ];
    const LISTS: [(&str, &str); 3] =
        [("backendRefs", "Service"), ("imagePullSecrets", "Secret"), ("parentRefs", "Gateway")];
    let mut add = |kind: &str, name: &Value| {
        if let Some(name) = name.as_str().filter(|name| !name.is_empty()) {
            found.insert((kind.to_owned(), name.to_owned()));
        }
    };
    let empty = Map::new();
    for (field, inner) in value.as_object().unwrap_or(&empty) {
        let is = |table: &[(&str, &str)]| {
            table.iter().find(|(name, _)| name == field).map(|(_, kind)| (*kind).to_owned())
        };
        if let Some(kind) = is(&NAMES) {
            add(&kind, inner);
        } else if let Some(kind) =
            is(&OBJECTS).filter(|_| inner.get("optional") != Some(&Value::Bool(true)))
        {
            add(&kind, &inner["name"]);
        } else if let Some(kind) = is(&LISTS) {
            inner.as_array().into_iter().flatten().for_each(|item| add(&kind, &item["name"]));
        } else if field == "scaleTargetRef" {
            add(inner["kind"].as_str().unwrap(), &inner["name"]);
        } else if field == "serviceName" || field == "storageClassName" {
            add(if field == "serviceName" { "Service" } else { "StorageClass" }, inner);
        }
    }
    let list = value.as_array().into_iter().flatten();
    let fields = value.as_object().into_iter().flatten().map(|(_, inner)| inner);
    list.chain(fields).for_each(|inner| referred(inner, found));
}

/// Returns a pod's violations of the Pod Security Standard *restricted*, and its missing resource
/// limits.
fn unrestricted(pod: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let context = &pod["securityContext"];
    if context["runAsNonRoot"] != true || context["seccompProfile"]["type"] != "RuntimeDefault" {
        faults.push(format!("the pod's security context is {context}"));
    }
    let containers =
        ["initContainers", "containers"].into_iter().filter_map(|list| pod[list].as_array());
    for container in containers.flatten() {
        let (name, context) = (&container["name"], &container["securityContext"]);
        let confined = context["allowPrivilegeEscalation"] == false
            && context["capabilities"]["drop"]
                .as_array()
                .is_some_and(|drop| drop.contains(&Value::from("ALL")))
            && context["runAsUser"] != 0
            && context["privileged"] != true;
        let stated = ["limits", "requests"].into_iter().all(|bound| {
            ["cpu", "memory"]
                .into_iter()
                .all(|amount| container["resources"][bound].get(amount).is_some())
        });
        if !confined || !stated {
            faults.push(format!("container {name}: {context} {}", container["resources"]));
        }
    }
    faults
}

#[test]
fn each_kind_of_fault_is_found() {
    let sound = || {
        let text = "[ingress]\nenabled = true\nclassName = \"nginx\"\n[podDisruptionBudget]\nenabled = true";
        Rendered::of(&load(&format!("replicaCount = 2\n{text}"), &[]).profile.unwrap())
    };
    let found = |change: &dyn Fn(&mut Vec<Value>, &mut Index)| {
        let rendered = sound();
        let mut objects: Vec<Value> =
            rendered.set.iter().map(|manifest| manifest.object.clone()).collect();
        let mut index = rendered.bundle.index;
        change(&mut objects, &mut index);
        let objects: Vec<&Value> = objects.iter().collect();
        let pods = objects.iter().filter_map(|object| object.pointer("/spec/template/spec"));
        let pods: Vec<String> = pods.flat_map(unrestricted).collect();
        [selectors(&objects), unresolved(&objects, &index), pods].concat().join("; ")
    };
    let of = |objects: &[Value], kind: &str| {
        objects.iter().position(|object| object["kind"] == kind).unwrap()
    };

    assert_eq!(faults(&sound()), Vec::<String>::new());
    assert_eq!(found(&|_, _| {}), "");
    let no_contract = found(&|_, index| index.contract.clear());
    for wanted in ["IngressClass nginx", "Secret claude-relay-generated", "Namespace claude-relay"]
    {
        assert!(no_contract.contains(wanted), "{no_contract}");
    }
    let twice = found(&|objects, _| {
        let copy = objects[of(objects, "Deployment")].clone();
        objects.push(copy);
    });
    assert!(twice.contains("selects 2 workloads"), "{twice}");
    let none = found(&|objects, _| {
        let at = of(objects, "PodDisruptionBudget");
        objects[at]["spec"]["selector"]["matchLabels"]["x"] = Value::from("y");
    });
    assert!(none.contains("selects 0 workloads"), "{none}");
    for (pointer, value) in [
        ("/spec/template/spec/securityContext/runAsNonRoot", Value::from(false)),
        ("/spec/template/spec/initContainers/0/securityContext/capabilities/drop", Value::Null),
        ("/spec/template/spec/containers/0/resources/limits", Value::Null),
        ("/spec/template/spec/containers/0/securityContext/runAsUser", Value::from(0)),
    ] {
        let text = found(&|objects, _| {
            let at = of(objects, "Deployment");
            let (parent, last) = pointer.rsplit_once('/').unwrap();
            objects[at].pointer_mut(parent).unwrap()[last] = value.clone();
        });
        assert!(!text.is_empty(), "{pointer}");
    }
}
