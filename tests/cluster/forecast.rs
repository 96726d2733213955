//! Checks the forecast with the restart matrix: the plan's forecast for pods must match the control
//! plane's actions.

use std::collections::BTreeMap;

use relay_bundle::profile::overlay::ProfileFiles as _;
use serde_json::Value;

use crate::bases::{BASES, Bases};
use crate::happened::{ByWorkload, forecast, happened, revisions};
use crate::platform;
use crate::rows::{Outcome, Pods, ROWS, Row};
use crate::site::Site;

/// The number of namespaces that test rows concurrently.
const LANES: usize = 6;

/// The sampling step: without `RELAY_BUNDLE_FORECAST=all`, only one of this many rows runs.
const SAMPLE: usize = 9;

/// The cluster-scoped objects that the bases and rows need.
const CLUSTER: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: infra}
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: relay}
value: 1
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: other}
value: 2
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: haproxy}
spec: {controller: example.internal/haproxy}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast}
provisioner: relay-bundle.test/volumes
";

const GATEWAYS: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: public, namespace: infra}
spec: {}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: private, namespace: infra}
spec: {}
";

/// The namespaced objects that they need; the key is the same in both forms.
const NAMESPACED: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: own-ca, namespace: NAMESPACE}
data: {ca.crt: none}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: other-ca, namespace: NAMESPACE}
data: {ca.crt: none}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data-relay-redis-0, namespace: NAMESPACE}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Secret
metadata: {name: admin, namespace: NAMESPACE}
stringData: {password: none, other: none}
---
apiVersion: v1
kind: Secret
metadata: {name: redis, namespace: NAMESPACE}
stringData: {password: none}
---
apiVersion: v1
kind: Secret
metadata: {name: loki, namespace: NAMESPACE}
stringData: {password: none}
---
apiVersion: v1
kind: Secret
metadata: {name: pull, namespace: NAMESPACE}
type: kubernetes.io/dockerconfigjson
stringData: {.dockerconfigjson: '{}'}
---
apiVersion: v1
kind: Secret
metadata: {name: other, namespace: NAMESPACE}
type: kubernetes.io/dockerconfigjson
stringData: {.dockerconfigjson: '{}'}
---
apiVersion: v1
kind: Secret
metadata: {name: key, namespace: NAMESPACE}
stringData: {key: 'one-key-of-thirty-two-characters'}
";

/// The encryption key, created for every name that the rows give the relay.
const ENCRYPTION_KEY: &str = "
apiVersion: v1
kind: Secret
metadata: {name: NAME-encryption-key, namespace: NAMESPACE}
stringData: {encryption-key: 'one-key-of-thirty-two-characters'}
";

fn prepare_cluster(site: &Site) {
    platform::ensure(site.plane, &site.namespace);
    site.plane.ensure(CLUSTER);
    for kind in ["HTTPRoute", "Gateway"] {
        platform::serve(site.plane, "gateway.networking.k8s.io", kind);
    }
    site.plane.ensure(GATEWAYS);
    for (node, disk) in [("node-1", "ssd"), ("node-2", "hdd"), ("node-3", "ssd")] {
        site.plane.kubectl(&["label", "--overwrite", "node", node, &format!("disk={disk}"), "a=b"]);
    }
}

/// Returns a namespace for rows of one base.
fn lane(base: &str, number: usize) -> Option<Site> {
    let site = Site::new(&format!("forecast-{base}-{number}"))?.with_namespace();
    site.plane.ensure(&NAMESPACED.replace("NAMESPACE", &site.namespace));
    platform::ensure(site.plane, &site.namespace);
    for name in ["relay-claude-relay", "relay-proxy", "proxy", "other-claude-relay"] {
        let secret = ENCRYPTION_KEY.replace("NAMESPACE", &site.namespace).replace("NAME", name);
        site.plane.ensure(&secret);
    }
    let bases = Bases::with(String::new());
    for name in bases.names() {
        let (_, text) = bases.profile(&name).unwrap();
        fs_err::write(site.path().join(format!("profiles/{name}.toml")), text).unwrap();
    }
    let system = site.plane.get("default", "namespace/kube-system");
    site.trust(system["metadata"]["uid"].as_str().unwrap());
    Some(site)
}

/// Returns whether a row is tested on the cluster.
///
/// Three kinds are not: rows that `build` rejects for the matrix's reason, rows whose sealed file
/// is a placeholder, and rows for another namespace.
fn is_tried(row: &Row) -> bool {
    let is_sealed = row.change.contains("age = ");
    match row.outcome {
        Outcome::Refused { because } => because.is_empty(),
        Outcome::Pods { .. } => row.key != "release.namespace" && !is_sealed,
    }
}

/// Returns whether an existing PVC cannot take the row's change.
fn is_fixed(row: &Row) -> bool {
    [
        "persistence.storageClass",
        "persistence.accessMode",
        "external.storageClass",
        "external.accessMode",
    ]
    .iter()
    .any(|end| row.key.ends_with(end))
}

/// Returns whether a row generates a new secret.
///
/// The old value does not come back, so the row needs a namespace of its own.
fn is_for_good(row: &Row) -> bool {
    row.key == "redis.auth.password" && row.change.contains("generation")
}

/// Returns the matrix's expectation for a workload in the words of a forecast, or `None` if it
/// concerns names.
fn wanted(pods: Pods) -> Option<&'static str> {
    match pods {
        Pods::Stay => Some("no"),
        Pods::Restart => Some("yes"),
        Pods::Added => Some("added"),
        Pods::Removed => Some("removed"),
        Pods::Replaced | Pods::Absent => None,
    }
}

/// The result of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Came {
    True,
    Refused,
}

const CONSENT: [&str; 3] = ["--first-install", "--no-recovery", "--allow-regenerate"];

fn report(stdout: &str) -> Value {
    serde_json::from_str(stdout).unwrap()
}

/// Applies a bundle, and compares the forecast with the result.
fn compare(site: &Site, profile: &str) -> Result<ByWorkload, String> {
    let bundle = site.build(profile, &[]);
    let shown = site.apply(&bundle, &[&["--dry-run", "--json"], &CONSENT[..]].concat());
    if shown.code != 0 {
        return Err(format!("the plan: {}", shown.stderr));
    }
    let before = revisions(site);
    let ran =
        site.apply(&bundle, &[&["--yes", "--json", "--timeout", "60"], &CONSENT[..]].concat());
    if ran.code != 0 {
        return Err(format!("apply: {}", ran.stderr));
    }
    let (said, done) = (forecast(&report(&shown.stdout)), happened(&before, &revisions(site)));
    // Objects that the previous row left under another name do not belong to this bundle.
    let done: ByWorkload = done.into_iter().filter(|(key, _)| said.contains_key(key)).collect();
    if said == done { Ok(said) } else { Err(format!("forecast {said:?}, and it was {done:?}")) }
}

/// Tests a row on its base, and returns to the base.
fn try_row(site: &Site, row: &Row) -> Result<Came, String> {
    // A row that names the namespace means its own.
    let namespace = format!("matchNames = [{:?}]", site.namespace);
    let text = row.profile().replace("matchNames = [\"relay\"]", &namespace);
    fs_err::write(site.path().join("profiles/changed.toml"), text).unwrap();
    if is_fixed(row) {
        let before = site.versions();
        let ran = site.apply(&site.build("changed", &[]), &[&["--yes"], &CONSENT[..]].concat());
        let is_said = ran.code == 4 && ran.stderr.contains("cannot change");
        let is_untouched = site.versions() == before;
        return if is_said && is_untouched { Ok(Came::Refused) } else { Err(ran.stderr) };
    }
    let said = compare(site, "changed")?;
    let Outcome::Pods { relay, redis, because } = row.outcome else {
        unreachable!("filtered before")
    };
    for (kind, pods) in [("Deployment", relay), ("StatefulSet", redis)] {
        let all: Vec<&str> =
            said.iter().filter(|((of, _), _)| of == kind).map(|(_, word)| word.as_str()).collect();
        if let Some(word) = wanted(pods).filter(|word| all != [*word]) {
            return Err(format!("{kind}: the matrix says {word} ({because}), the plan {all:?}"));
        }
    }
    match compare(site, row.base) {
        Err(why) if is_for_good(row) && why.contains("old values are not restored") => {
            Ok(Came::True)
        }
        Ok(_) if is_for_good(row) => Err("an old value has come back".to_owned()),
        back => back.map(|_| Came::True),
    }
}

/// Tests rows of one base in a namespace of their own.
fn try_rows(number: usize, rows: &[&Row]) -> Vec<(String, Result<Came, String>)> {
    let Some(site) = lane(rows[0].base, number) else { return Vec::new() };
    site.applied(&site.build(rows[0].base, &[]), &CONSENT);
    let mut came = Vec::new();
    for row in rows {
        let result = try_row(&site, row);
        if let Err(why) = &result {
            println!("{}: {} ({}): {why}", row.base, row.key, row.change);
            // The next row must start from the base.
            site.apply(&site.build(row.base, &[]), &[&["--yes"], &CONSENT[..]].concat());
        }
        came.push((format!("{}: {} ({})", row.base, row.key, row.change), result));
    }
    came
}

#[test]
#[expect(clippy::disallowed_methods, reason = "who has the time asks for all rows")]
fn pod_forecast_of_plan_matches_outcome() {
    let Some(site) = Site::new("forecast") else { return };
    let site = site.with_namespace();
    prepare_cluster(&site);
    let step = if std::env::var_os("RELAY_BUNDLE_FORECAST").is_some_and(|all| all == "all") {
        1
    } else {
        SAMPLE
    };
    let mut lanes: Vec<Vec<&Row>> = Vec::new();
    for base in BASES {
        let rows: Vec<&Row> =
            ROWS.iter().filter(|row| row.base == base && is_tried(row)).step_by(step).collect();
        assert!(!rows.is_empty(), "{base} has no row");
        let (alone, rows): (Vec<&Row>, Vec<&Row>) =
            rows.into_iter().partition(|row| is_for_good(row));
        let length = rows.len().div_ceil(LANES).max(5);
        lanes.extend(rows.chunks(length).map(<[&Row]>::to_vec));
        lanes.extend(alone.into_iter().map(|row| vec![row]));
    }
    let start = std::time::Instant::now();
    let queue = std::sync::Mutex::new(lanes.iter().enumerate().collect::<Vec<_>>());
    let results = std::sync::Mutex::new(Vec::new());

    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                while let Some((number, rows)) = { queue.lock().unwrap().pop() } {
                    let came = try_rows(number, rows);
                    results.lock().unwrap().extend(came);
                }
            });
        }
    });

    let results = results.into_inner().unwrap();
    let wrong: Vec<String> = results
        .iter()
        .filter_map(|(row, came)| Some(format!("{row}: {}", came.as_ref().err()?)))
        .collect();
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), results.len(), wrong.join("\n"));
    let mut counts: BTreeMap<Came, usize> = BTreeMap::new();
    for came in results.iter().filter_map(|(_, came)| came.as_ref().ok()) {
        *counts.entry(*came).or_default() += 1;
    }
    println!("{} rows in {} s: {counts:?}", results.len(), start.elapsed().as_secs());
    let tried: usize = lanes.iter().map(Vec::len).sum();
    assert_eq!(results.len(), tried);
    assert!(counts.get(&Came::True).is_some_and(|rows| *rows > BASES.len()), "{counts:?}");
}
