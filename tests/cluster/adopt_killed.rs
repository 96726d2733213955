//! Kills `adopt` at one write after the other, and runs it again each time: nothing may be lost.

use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::Signal;
use serde_json::json;

use crate::helm::{Helm, RELEASE, with_newer_key};
use crate::proxy::{Fault, Proxy, Seen, When};
use crate::started::spawn;

const MOMENTS: [When; 3] = [When::Before, When::During, When::After];

/// Kills the first run at its first write, and each later run `step` writes further, until one
/// finishes; returns the number of killed runs.
fn kill_and_go_on(helm: &Helm, bundle: &str, step: usize) -> usize {
    for killed in 0.. {
        let (at, when) = (1 + killed * step, MOMENTS[killed % MOMENTS.len()]);
        let writes = AtomicUsize::new(0);
        let script = move |seen: &Seen| {
            let is_it = seen.is_write() && writes.fetch_add(1, Ordering::Relaxed) + 1 == at;
            if is_it { Fault::Kill(when) } else { Fault::None }
        };
        let proxy = Proxy::before(helm.site.plane, script);
        let arguments = ["adopt", "--from-helm", RELEASE, bundle, "--recreate-redis"];
        let more = ["--key-from-revision", "1", "--break-lock"];
        let ended = spawn(helm.site.path(), &proxy, &[&arguments[..], &more].concat()).end();
        if ended.code == Some(0) {
            return killed;
        }
        assert_eq!(
            ended.signal,
            Some(Signal::KILL.as_raw()),
            "write {at}, {when:?}: {}",
            ended.stderr
        );
    }
    unreachable!("there is no end of numbers")
}

fn adopt_with_kills(namespace: &str, step: usize) {
    let Some((helm, running, _)) = with_newer_key(namespace) else { return };
    let site = &helm.site;
    let bundle = helm.build_with_own_keys();
    let object = |name: &str| site.plane.get(&site.namespace, name)["metadata"]["uid"].clone();
    let kept = [
        "persistentvolumeclaim/data-claude-relay-redis-0",
        "service/claude-relay",
        "deployment/claude-relay",
    ];
    let uids = kept.map(object);

    let killed = kill_and_go_on(&helm, bundle.as_str(), step);

    println!("{namespace}: {killed} runs were killed before one came to its end");
    assert!(killed > 3, "{killed}");
    assert_eq!(kept.map(object), uids);
    assert_eq!(helm.value("claude-relay-encryption-key", "encryption-key"), running[0]);
    assert_eq!(helm.value("claude-relay-generated", "jwt-secret"), running[1]);
    assert_eq!(helm.traces(), [""; 0]);
    let listed = helm.helm(&["list", "--short"]);
    assert_eq!((listed.code, listed.stdout.as_str()), (0, ""), "{}", listed.stderr);
    for revision in [1, 2] {
        assert!(
            site.plane.has(
                &site.namespace,
                &format!("secret/relay-bundle.claude-relay.helm.v{revision}")
            )
        );
    }
    assert_eq!(
        site.watcher().at_once(
            &site.namespace,
            "PersistentVolumeClaim",
            "data-claude-relay-redis-0"
        ),
        1
    );
    let moments = site.references_hold();
    assert!(moments > 30, "{moments}");
    assert_eq!(site.head(RELEASE)["generations"].as_array().unwrap().len(), 1);
    assert_eq!(site.plane.list(&site.namespace, "replicasets").len(), 2);
    let again = site.applied(&bundle, &[]);
    assert_eq!(again["done"], json!({"generation": 1, "written": 0, "pruned": []}));
}

#[test]
fn repeatedly_killed_adoption_loses_nothing_and_finishes() {
    adopt_with_kills("adopt-killed", 2);
}

#[test]
#[ignore = "some dozen runs, some minutes"]
fn adoption_survives_kill_at_every_write() {
    adopt_with_kills("adopt-killed-all", 1);
}
