//! Tests concurrent runs: one writes, the other waits or fails, and never do both write.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::proxy::{Fault, Proxy, Seen};
use crate::site::Site;

/// A barrier that a test opens once.
#[derive(Clone, Default)]
struct Door(Arc<(Mutex<bool>, Condvar)>);

impl Door {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let is_open = self.0.0.lock().unwrap();
        let (_open, timeout) = self
            .0
            .1
            .wait_timeout_while(is_open, Duration::from_secs(90), |is_open| !*is_open)
            .unwrap();
        assert!(!timeout.timed_out(), "nobody opened the door");
    }
}

fn is_head(seen: &Seen) -> bool {
    seen.path.split('?').next().unwrap().ends_with("/configmaps/relay-bundle.relay-dev")
}

/// Returns the writers of objects in chronological order, without repetitions in a row.
fn turns(proxies: &[&Proxy]) -> Vec<usize> {
    let mut writes: Vec<(Instant, usize)> = Vec::new();
    for (who, proxy) in proxies.iter().enumerate() {
        let objects = proxy.seen().into_iter().filter(Seen::is_object_write);
        // The namespace is created before the lock is taken, and is the same for both.
        writes.extend(
            objects
                .filter(|seen| seen.path.contains("/namespaces/") && !is_namespace(seen))
                .map(|seen| (seen.at, who)),
        );
    }
    writes.sort();
    let mut turns: Vec<usize> = writes.into_iter().map(|(_, who)| who).collect();
    turns.dedup();
    turns
}

fn is_namespace(seen: &Seen) -> bool {
    seen.path.split('?').next().unwrap().split('/').count() == 5
}

#[test]
fn second_writer_is_told_lock_holder_and_writes_nothing() {
    let Some(site) = Site::new("second") else { return };
    let site = site.with_namespace();
    let first = site.build("dev", &[]);
    let door = Door::default();
    let arrived = Door::default();
    let (tell, wait) = (arrived.clone(), door.clone());
    let proxy = Proxy::before(site.plane, move |seen| {
        if seen.is_write() && seen.path.contains("/services/") {
            tell.open();
            wait.pass();
        }
        Fault::None
    });
    let started = site.start(&proxy, &first, &[]);
    arrived.pass();
    let shown = site.call(&["status", "-n", &site.namespace]);
    assert!(shown.stdout.contains("held by `apply` by uid "), "{}", shown.stdout);

    // The first run continues once the second has seen the lock and checks it again.
    let other = site.build("dev", &["config.logLevel=\"info\""]);
    let looked = Mutex::new(0);
    let second = Proxy::before(site.plane, move |seen| {
        let mut looked = looked.lock().unwrap();
        *looked += i32::from(is_head(seen));
        if *looked == 3 {
            door.open();
        }
        Fault::None
    });
    let refused = site.apply_through(&second, &other, &[]);

    assert_eq!(refused.code, Some(4), "{}", refused.stderr);
    let holder = format!("process {} (", started.process());
    assert!(refused.stderr.contains(&holder), "{}", refused.stderr);
    assert!(refused.stderr.contains("waiting: `apply` by uid "), "{}", refused.stderr);
    assert!(!second.seen().iter().any(Seen::is_write));
    let ended = started.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(site.applied(&other, &[])["done"]["generation"], 2);
}

#[test]
fn concurrent_runs_are_serialized_without_mixed_writes() {
    let Some(site) = Site::new("at-once") else { return };
    for round in 0..4 {
        let build = |name: &str| {
            site.build("dev", &[&format!("podAnnotations={{round=\"{round}-{name}\"}}")])
        };
        let first = build("first");
        let bundles = [first.clone(), if round % 2 == 0 { first } else { build("second") }];
        let proxies = [(), ()].map(|()| Proxy::before(site.plane, |_| Fault::None));

        let started = [0, 1].map(|who| site.start(&proxies[who], &bundles[who], &[]));
        let ended = started.map(crate::started::Started::end);

        let codes = ended.each_ref().map(|ended| ended.code);
        assert!(codes.contains(&Some(0)), "{ended:#?}");
        for ended in &ended {
            // The older bundle may be rejected because the newer one was faster.
            assert!(matches!(ended.code, Some(0 | 3 | 4)), "{ended:#?}");
        }
        let turns = turns(&[&proxies[0], &proxies[1]]);
        assert!(turns.len() <= 2, "{round}: {turns:?}");
        let head = site.head("relay-dev");
        assert_eq!(head.get("lock"), None, "{round}");
    }
}

#[test]
fn stalled_run_stops_writing_and_next_run_takes_over() {
    let Some(site) = Site::new("stopped") else { return };
    let bundle = site.build("dev", &[]);
    let proxy = Proxy::before(site.plane, |seen| match seen {
        seen if seen.is_write() && seen.path.contains("/services/") => {
            Fault::Signal(Signal::STOP, crate::proxy::When::After)
        }
        _ => Fault::None,
    });
    let first = site.start(&proxy, &bundle, &[]);
    let start = Instant::now();
    while !proxy.seen().iter().any(|seen| seen.is_write() && seen.path.contains("/services/")) {
        assert!(start.elapsed() < Duration::from_mins(1));
        std::thread::sleep(Duration::from_millis(50));
    }

    // The cluster changes while the second run waits: an object that the first run created is
    // deleted.
    let account = "serviceaccount/relay-dev-claude-relay";
    assert!(site.plane.has(&site.namespace, account));
    let (plane, namespace) = (site.plane, site.namespace.clone());
    let looked = Mutex::new(0);
    let other = Proxy::before(site.plane, move |seen| {
        let mut looked = looked.lock().unwrap();
        *looked += i32::from(is_head(seen) && !seen.is_write());
        if is_head(seen) && !seen.is_write() && *looked == 5 {
            plane.kubectl(&["-n", &namespace, "delete", account, "--wait"]);
        }
        Fault::None
    });
    let second = site.apply_through(&other, &bundle, &["--timeout", "60"]);
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    assert!(
        site.plane.has(&site.namespace, account),
        "what was planned with before is not there any more"
    );
    assert!(
        second.stderr.contains("has shown no activity for 40 s: taking over the lock"),
        "{}",
        second.stderr
    );
    let before = proxy.seen().len();
    proxy.signal(Signal::CONT);
    let first = first.end();

    assert_eq!(first.code, Some(4), "{}", first.stderr);
    assert!(
        first.stderr.contains("the lock was not renewed in time")
            || first.stderr.contains("meanwhile"),
        "{}",
        first.stderr
    );
    let seen = proxy.seen();
    let after: Vec<&Seen> = seen[before..].iter().filter(|seen| seen.is_object_write()).collect();
    assert!(after.is_empty(), "{after:#?}");
    let head = site.head("relay-dev");
    assert_eq!((&head["generations"][0]["state"], head.get("lock")), (&"deployed".into(), None));
}
