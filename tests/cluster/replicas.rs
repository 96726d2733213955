//! Tests the handover between the bundle and an autoscaler: the number of pods never drops.

use std::collections::BTreeSet;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::control_plane::ControlPlane;
use crate::site::Site;

/// Records every state of a namespace's Deployments from a moment on.
pub(crate) struct Counts {
    child: Child,
    file: tempfile::NamedTempFile,
}

impl Counts {
    /// Starts to watch; a Deployment must exist already.
    pub(crate) fn of(plane: &ControlPlane, namespace: &str) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments?watch=1");
        let out = std::fs::File::options().append(true).open(file.path()).unwrap();
        let child = plane
            .command(&["get", "--raw", &path])
            .stdout(out)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let counts = Self { child, file };
        counts.until(|_| true);
        counts
    }

    /// Returns the states so far, as soon as `is_it` holds for one of them.
    fn until(&self, is_it: impl Fn(&Value) -> bool) -> Vec<Value> {
        let start = Instant::now();
        loop {
            let text = fs_err::read_to_string(self.file.path()).unwrap();
            // The last line may be incomplete.
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            let object = |line| serde_json::from_str::<Value>(line).unwrap()["object"].take();
            let objects: Vec<Value> = whole.lines().map(object).collect();
            if objects.iter().any(&is_it) {
                return objects;
            }
            assert!(start.elapsed() < Duration::from_mins(1), "the watch does not catch up");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Returns the desired numbers of pods, the smallest number of ready pods, and the number of
    /// states, up to this version of the Deployment.
    pub(crate) fn end(mut self, version: &Value) -> (BTreeSet<i64>, i64, usize) {
        let objects = self.until(|object| object["metadata"]["resourceVersion"] == *version);
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let number = |object: &Value, pointer: &str| {
            object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
        };
        let wanted = objects.iter().map(|object| number(object, "/spec/replicas")).collect();
        let ready = objects.iter().map(|object| number(object, "/status/readyReplicas")).min();
        (wanted, ready.unwrap(), objects.len())
    }
}

const OFF: [&str; 1] = ["replicaCount=3"];
const ON: [&str; 4] = [
    "replicaCount=3",
    "autoscaling.enabled=true",
    "autoscaling.minReplicas=2",
    "autoscaling.maxReplicas=6",
];
const RELAY: &str = "deployment/relay-dev-claude-relay";

#[test]
fn pod_count_never_drops_as_autoscaler_comes_and_goes() {
    let Some(site) = Site::new("hpa-hand-over") else { return };
    site.applied(&site.build("dev", &OFF), &[]);
    let counts = Counts::of(site.plane, &site.namespace);
    let replicas = || site.plane.get(&site.namespace, RELAY)["spec"]["replicas"].clone();

    for turn in 0..2 {
        let report = site.applied(&site.build("dev", &ON), &[]);
        let steps = report["steps"].as_array().unwrap();
        assert!(steps.iter().any(|step| step["heldReplicas"] == 3), "{report}");
        let workloads = report["workloads"].as_array().unwrap();
        assert!(
            workloads.len() == 2 && workloads.iter().all(|of| of["restart"] == "no"),
            "{report}"
        );
        assert_eq!(replicas(), 3, "turn {turn}");
        let report = site.applied(&site.build("dev", &OFF), &[]);
        assert_eq!(report["pruneFirst"][0]["kind"], "HorizontalPodAutoscaler", "{report}");
        assert_eq!(report["done"]["pruned"].as_array().unwrap().len(), 1);
        assert_eq!(replicas(), 3, "turn {turn}");
        assert_eq!(site.applied(&site.build("dev", &OFF), &[])["done"]["written"], 0);
    }

    let live = site.plane.get(&site.namespace, RELAY);
    let (wanted, ready, states) = counts.end(&live["metadata"]["resourceVersion"]);
    assert_eq!((wanted, ready), (BTreeSet::from([3]), 3), "in {states} states");
    assert!(states > 4, "{states}");
}

#[test]
fn replicas_belong_to_autoscaler_until_it_is_removed() {
    let Some(site) = Site::new("hpa-scaled") else { return };
    site.applied(&site.build("dev", &OFF), &[]);
    let more = [
        "replicaCount=3",
        "autoscaling.enabled=true",
        "autoscaling.minReplicas=5",
        "autoscaling.maxReplicas=6",
    ];
    let counts = Counts::of(site.plane, &site.namespace);
    let replicas = || site.plane.get(&site.namespace, RELAY)["spec"]["replicas"].clone();

    // The autoscaler raises the number of pods to its minimum.
    let scaled = site.build("dev", &more);
    site.applied(&scaled, &[]);
    assert_eq!(replicas(), 5);
    assert_eq!(site.applied(&scaled, &[])["done"]["written"], 0);
    // The bundle takes the field back with another number than the autoscaler's.
    let report = site.applied(&site.build("dev", &["replicaCount=4"]), &[]);
    let forced =
        report["steps"].as_array().unwrap().iter().find_map(|step| step.get("forced")).unwrap();
    assert_eq!(forced[0]["field"], ".spec.replicas");
    assert_eq!(replicas(), 4);
    assert!(site.plane.list(&site.namespace, "horizontalpodautoscalers").is_empty());
    // A user who scales is a different owner, whose field is not taken.
    site.plane.kubectl(&["-n", &site.namespace, "scale", RELAY, "--replicas=6"]);
    let ran = site.apply(&site.build("dev", &["replicaCount=5"]), &["--yes"]);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("kubectl (scale)"), "{}", ran.stderr);

    let live = site.plane.get(&site.namespace, RELAY);
    let (wanted, ready, _) = counts.end(&live["metadata"]["resourceVersion"]);
    assert_eq!((wanted, ready), (BTreeSet::from([3, 4, 5, 6]), 3));
}
