//! Checks at each moment that all references of live pods exist, which the simulated kubelets do
//! not check.
//!
//! One watch per kind covers all namespaces of a control plane, starting before the first test; each
//! test queries its own namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use relay_bundle::render::references::references;
use serde_json::{Value, json};

use crate::control_plane::ControlPlane;

const RESOURCES: [(&str, &str); 4] = [
    ("Pod", "pods"),
    ("ConfigMap", "configmaps"),
    ("Secret", "secrets"),
    ("PersistentVolumeClaim", "persistentvolumeclaims"),
];

/// A watcher of a control plane.
pub(crate) struct Watcher {
    plane: &'static ControlPlane,
    seen: Arc<Seen>,
}

/// The events of each namespace, by the cluster's resource version.
type Seen = Mutex<BTreeMap<String, BTreeMap<u64, Event>>>;

#[derive(Clone)]
struct Event {
    kind: &'static str,
    name: String,
    uid: String,
    is_there: bool,
    /// Whether the containers of a pod run, or will run.
    is_live: bool,
    /// The objects that a pod references, by kind and name.
    names: Vec<(String, String)>,
}

impl Watcher {
    /// Starts to watch.
    pub(crate) fn begin(plane: &'static ControlPlane) -> Self {
        let seen = Arc::new(Seen::default());
        let list: Value =
            serde_json::from_str(&plane.kubectl(&["get", "--raw", "/api/v1/pods?limit=1"]))
                .unwrap();
        let from = version(&list);
        for (kind, resource) in RESOURCES {
            let seen = Arc::clone(&seen);
            std::thread::spawn(move || follow(plane, kind, resource, from, &seen));
        }
        Self { plane, seen }
    }

    /// Asserts that all references of live pods in a namespace existed so far, and returns the
    /// number of moments checked.
    #[track_caller]
    pub(crate) fn references_hold(&self, namespace: &str) -> usize {
        let (missed, moments) = self.missed(namespace);
        assert!(missed.is_empty(), "{missed:#?} in {namespace}");
        moments
    }

    /// Returns the references of live pods to missing objects, and the number of moments checked.
    fn missed(&self, namespace: &str) -> (BTreeSet<String>, usize) {
        let events = self.settle(namespace);
        let moments = events.len();
        let mut there: BTreeSet<(String, String)> = BTreeSet::new();
        let mut pods: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        let mut missed = BTreeSet::new();
        for event in events.into_values() {
            match (event.kind, event.is_there && event.is_live) {
                ("Pod", true) => drop(pods.insert(event.name, event.names)),
                ("Pod", false) => drop(pods.remove(&event.name)),
                (kind, true) => drop(there.insert((kind.to_owned(), event.name))),
                (kind, false) => drop(there.remove(&(kind.to_owned(), event.name))),
            }
            for (pod, names) in &pods {
                let missing = names.iter().filter(|target| !there.contains(target));
                missed.extend(
                    missing.map(|(kind, name)| {
                        format!("{pod} named {kind}/{name}, which was not there")
                    }),
                );
            }
        }
        (missed, moments)
    }

    /// Returns the maximum number of pods that referenced an object at the same time, including
    /// terminating pods.
    pub(crate) fn at_once(&self, namespace: &str, kind: &str, name: &str) -> usize {
        let target = (kind.to_owned(), name.to_owned());
        let mut there: BTreeSet<String> = BTreeSet::new();
        let mut most = 0;
        for event in self.settle(namespace).into_values().filter(|event| event.kind == "Pod") {
            if event.is_there && event.names.contains(&target) {
                there.insert(event.uid);
            } else {
                there.remove(&event.uid);
            }
            most = most.max(there.len());
        }
        most
    }

    /// Waits until the watches have reported the current state of a namespace.
    fn settle(&self, namespace: &str) -> BTreeMap<u64, Event> {
        let kinds = RESOURCES.map(|(_, resource)| resource).join(",");
        let start = Instant::now();
        loop {
            let now = self.plane.list(namespace, &kinds);
            let now: BTreeMap<String, u64> =
                now.iter().map(|object| (uid(object), version(object))).collect();
            let events = self.seen.lock().unwrap().get(namespace).cloned().unwrap_or_default();
            let mut last: BTreeMap<String, u64> = BTreeMap::new();
            for (at, event) in &events {
                if event.is_there {
                    last.insert(event.uid.clone(), *at);
                } else {
                    last.remove(&event.uid);
                }
            }
            if last == now {
                return events;
            }
            assert!(
                start.elapsed() < Duration::from_mins(1),
                "the watches do not catch up with {namespace}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Records the events of a kind as long as the control plane lives.
///
/// The server may end a watch at any time; the next watch continues from there.
fn follow(plane: &ControlPlane, kind: &'static str, resource: &str, mut from: u64, seen: &Seen) {
    while !plane.is_down() {
        let path =
            format!("/api/v1/{resource}?watch=1&timeoutSeconds=86400&resourceVersion={from}");
        let mut command = plane.command(&["get", "--raw", &path]);
        let mut watch = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        // The next watch repeats an incomplete line.
        let lines = BufReader::new(watch.stdout.take().unwrap()).lines().map_while(Result::ok);
        for event in lines.map_while(|line| serde_json::from_str::<Value>(&line).ok()) {
            let object = &event["object"];
            let is_there = match event["type"].as_str().unwrap() {
                "ADDED" | "MODIFIED" => true,
                "DELETED" => false,
                other => panic!("the watch of {resource} says {other}: {object}"),
            };
            from = version(object);
            let namespace = object["metadata"]["namespace"].as_str().unwrap().to_owned();
            let event = Event::of(kind, object, is_there);
            seen.lock().unwrap().entry(namespace).or_default().insert(from, event);
        }
        watch.wait().unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
}

impl Event {
    fn of(kind: &'static str, object: &Value, is_there: bool) -> Self {
        let is_pod = kind == "Pod";
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let names = if is_pod { named(object) } else { Vec::new() };
        Self { kind, name, uid: uid(object), is_there, is_live: !is_pod || is_live(object), names }
    }
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap().to_owned()
}

fn is_live(pod: &Value) -> bool {
    pod.pointer("/metadata/deletionTimestamp").is_none()
        && !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

/// Returns the objects that a pod references, by kind and name.
fn named(pod: &Value) -> Vec<(String, String)> {
    let workload = json!({"kind": "Deployment", "metadata": {"namespace": "-"}, "spec": {"template": {"spec": pod["spec"]}}});
    let targets = references(&workload).into_keys();
    let data = ["ConfigMap", "Secret", "PersistentVolumeClaim"];
    targets
        .filter(|target| data.contains(&target.kind.as_str()))
        .map(|target| (target.kind, target.name))
        .collect()
}
