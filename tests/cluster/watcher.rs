//! The reference watcher: at each moment, everything that a live pod names is there. The simulated kubelets would not mind.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::process::{Child, Stdio};
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

/// Watches a namespace until it is asked.
pub(crate) struct Watcher {
    plane: &'static ControlPlane,
    namespace: String,
    /// The version of the cluster before. What was there is told with the versions of its last changes: in that order an
    /// object may seem to come after a pod that names it.
    begin: u64,
    watches: Vec<(&'static str, &'static str, Child, tempfile::NamedTempFile)>,
}

/// What was seen: the version of the whole cluster at which it happened, and the object.
type Events = BTreeMap<u64, (&'static str, bool, Value)>;

impl Watcher {
    /// Begins to watch.
    pub(crate) fn of(plane: &'static ControlPlane, namespace: &str) -> Self {
        let watch = |(kind, resource): (&'static str, &'static str)| {
            let file = tempfile::NamedTempFile::new().unwrap();
            let path = format!("/api/v1/namespaces/{namespace}/{resource}?watch=1");
            let mut command = plane.command(&["get", "--raw", &path]);
            let out = File::options().append(true).open(file.path()).unwrap();
            (kind, resource, command.stdout(out).stderr(Stdio::null()).spawn().unwrap(), file)
        };
        let list = plane.kubectl(&["get", "--raw", &format!("/api/v1/namespaces/{namespace}/pods?limit=1")]);
        let list: Value = serde_json::from_str(&list).unwrap();
        let begin = version(&list).parse().unwrap();
        let watches = RESOURCES.into_iter().map(watch).collect();
        Self { plane, namespace: namespace.to_owned(), begin, watches }
    }

    /// Says what was named while it was not there, and how many moments were looked at.
    pub(crate) fn end(mut self) -> (Vec<String>, usize) {
        let events = self.settle();
        for (_, _, child, _) in &mut self.watches {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let mut there: BTreeSet<(String, String)> = BTreeSet::new();
        let mut pods: BTreeMap<String, Value> = BTreeMap::new();
        let mut wrong = Vec::new();
        let moments = events.len();
        for (at, (kind, is_there, object)) in events {
            let name = object["metadata"]["name"].as_str().unwrap().to_owned();
            match (kind, is_there && is_live(&object)) {
                ("Pod", true) => drop(pods.insert(name, object)),
                ("Pod", false) => drop(pods.remove(&name)),
                _ if is_there => drop(there.insert((kind.to_owned(), name))),
                _ => drop(there.remove(&(kind.to_owned(), name))),
            }
            if at <= self.begin {
                continue;
            }
            for (pod, object) in &pods {
                let missing = named(object).into_iter().filter(|target| !there.contains(target));
                wrong.extend(
                    missing.map(|(kind, name)| format!("{pod} names {kind}/{name}, which is not there")),
                );
            }
        }
        wrong.sort();
        wrong.dedup();
        (wrong, moments)
    }

    /// Returns how many pods named an object at once, at most, until they were gone.
    pub(crate) fn at_once(&self, kind: &str, name: &str) -> usize {
        let target = (kind.to_owned(), name.to_owned());
        let mut there: BTreeSet<String> = BTreeSet::new();
        let mut most = 0;
        for (_, (_, is_there, pod)) in self.settle().into_iter().filter(|(_, (of, ..))| *of == "Pod") {
            let uid = pod["metadata"]["uid"].as_str().unwrap().to_owned();
            if is_there && named(&pod).contains(&target) {
                there.insert(uid);
            } else {
                there.remove(&uid);
            }
            most = most.max(there.len());
        }
        most
    }

    /// Waits until the watches have told all that is so now.
    fn settle(&self) -> Events {
        let start = Instant::now();
        loop {
            let events = self.read();
            let is_seen = |kind: &str, resource: &str| {
                let now: BTreeSet<String> =
                    self.plane.list(&self.namespace, resource).iter().map(version).collect();
                let mut last: BTreeMap<String, Option<String>> = BTreeMap::new();
                for (of, is_there, object) in events.values().filter(|(of, ..)| *of == kind) {
                    assert_eq!(*of, kind);
                    let uid = object["metadata"]["uid"].as_str().unwrap().to_owned();
                    last.insert(uid, is_there.then(|| version(object)));
                }
                last.into_values().flatten().collect::<BTreeSet<_>>() == now
            };
            if self.watches.iter().all(|(kind, resource, ..)| is_seen(kind, resource)) {
                return events;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "the watches do not catch up");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn read(&self) -> Events {
        let mut events = Events::new();
        for (kind, _, _, file) in &self.watches {
            let text = fs_err::read_to_string(file.path()).unwrap();
            // The last line may be half written.
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            for line in whole.lines() {
                let event: Value = serde_json::from_str(line).unwrap();
                let object = event["object"].clone();
                let is_there = match event["type"].as_str().unwrap() {
                    "ADDED" | "MODIFIED" => true,
                    "DELETED" => false,
                    other => panic!("{other}: {object}"),
                };
                events.insert(version(&object).parse().unwrap(), (kind, is_there, object));
            }
        }
        events
    }
}

fn version(object: &Value) -> String {
    object["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
}

/// Tells whether the containers of a pod run, or will.
fn is_live(pod: &Value) -> bool {
    pod.pointer("/metadata/deletionTimestamp").is_none()
        && !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

/// Returns what a pod names, by kind and name.
fn named(pod: &Value) -> Vec<(String, String)> {
    let workload = json!({"kind": "Deployment", "metadata": {"namespace": "-"}, "spec": {"template": {"spec": pod["spec"]}}});
    let targets = references(&workload).into_keys();
    let data = ["ConfigMap", "Secret", "PersistentVolumeClaim"];
    targets
        .filter(|target| data.contains(&target.kind.as_str()))
        .map(|target| (target.kind, target.name))
        .collect()
}
