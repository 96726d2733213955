//! Tests failures between the program and the API server: they are retried or reported, and never
//! recorded as success.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;

use crate::proxy::{Fault, Proxy, Seen};
use crate::site::Site;
use crate::state::{State, objects, state};

const HTML: &str = "<html><body>Please accept the terms of use</body></html>";

fn progress(head: &Value) -> Vec<&str> {
    let generations = head["generations"].as_array().unwrap().iter();
    generations.map(|entry| entry["state"].as_str().unwrap()).collect()
}

fn state_of(site: &Site) -> State {
    state(&objects(site.plane, &site.namespace), &site.namespace)
}

/// Injects a fault into the first attempt of every request that a test chooses.
fn first_attempts(
    choose: impl Fn(&Seen) -> Fault + Send + Sync,
) -> impl Fn(&Seen) -> Fault + Send + Sync {
    let known = Mutex::new(BTreeSet::new());
    move |seen| {
        let is_first = known.lock().unwrap().insert((seen.method.clone(), seen.path.clone()));
        if is_first { choose(seen) } else { Fault::None }
    }
}

#[test]
fn transient_fault_of_every_request_is_retried_until_done() {
    let Some(site) = Site::new("trouble-none") else { return };
    site.applied(&site.build("dev", &[]), &[]);
    let wanted = state_of(&site);
    let faults = [
        Fault::Answer(429, "retry-after: 1", "{}"),
        Fault::CutAfter,
        Fault::Answer(500, "", "{}"),
        Fault::Truncate,
        Fault::Answer(503, "", HTML),
        Fault::Instead(HTML),
        Fault::Cut,
        Fault::Instead("{}"),
    ];
    for offset in [0, 3] {
        let site = Site::new(&format!("trouble-{offset}")).unwrap();
        let faults = faults.clone();
        let script =
            first_attempts(move |seen| faults[(seen.number + offset) % faults.len()].clone());
        let proxy = Proxy::before(site.plane, script);

        let ended = site.apply_through(&proxy, &site.build("dev", &[]), &[]);

        assert_eq!(ended.code, Some(0), "{offset}: {}", ended.stderr);
        assert_eq!(state_of(&site), wanted, "{offset}");
        let seen = proxy.seen();
        let writes: Vec<_> = seen.iter().filter(|seen| seen.is_write()).collect();
        let once: BTreeSet<_> = writes.iter().map(|seen| (&seen.method, &seen.path)).collect();
        assert!(writes.len() >= once.len() * 2, "{} of {}", writes.len(), once.len());
    }
}

/// The API server's answer if an object has changed concurrently, or a name is taken.
const RACE: &str = r#"{"kind": "Status", "code": 409, "reason": "Conflict", "message": "please apply your changes to the latest version"}"#;

#[test]
fn object_conflict_is_retried_and_record_conflict_is_reported() {
    let Some(site) = Site::new("races") else { return };
    let bundle = site.build("dev", &[]);
    let applies = |seen: &Seen| seen.method == "PATCH" && seen.is_write();
    let proxy = Proxy::before(
        site.plane,
        first_attempts(move |seen| {
            if applies(seen) {
                Fault::Answer(409, "content-type: application/json", RACE)
            } else {
                Fault::None
            }
        }),
    );
    let ended = site.apply_through(&proxy, &bundle, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);

    // A run takes the lock by a write to the record; here another run was faster.
    let next = site.build("dev", &["config.logLevel=\"info\""]);
    let is_record = |seen: &Seen| {
        seen.method == "PUT" && seen.path.contains("/configmaps/relay-bundle.relay-dev?")
    };
    let proxy = Proxy::before(site.plane, move |seen| match seen {
        seen if is_record(seen) => Fault::Answer(409, "content-type: application/json", RACE),
        _ => Fault::None,
    });
    let ended = site.apply_through(&proxy, &next, &[]);

    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("ConfigMap/relay-bundle.relay-dev was changed by "),
        "{}",
        ended.stderr
    );
    assert_eq!(progress(&site.head("relay-dev")), ["deployed"]);
    assert!(!proxy.seen().iter().any(Seen::is_object_write));
}

#[test]
fn persistent_fault_is_reported_and_generation_stays_pending() {
    let Some(_) = Site::new("stays-none") else { return };
    let table = [
        ("cut", Fault::Cut, "the API server did not answer"),
        ("lost", Fault::CutAfter, " of context `"),
        ("short", Fault::Truncate, "the API server did not answer"),
        ("other", Fault::Instead(HTML), " is not the JSON of "),
        ("empty", Fault::Instead("{}"), "a proxy may have answered"),
        ("many", Fault::Answer(429, "", "{}"), "HTTP 429"),
        ("bug", Fault::Answer(500, "", "{}"), "HTTP 500"),
        ("busy", Fault::Answer(503, "", HTML), "HTTP 503"),
        ("expired", Fault::Answer(401, "", "{}"), "are invalid or expired"),
    ];
    // Each run retries for some seconds.
    std::thread::scope(|scope| {
        for (name, fault, message) in table {
            scope.spawn(move || stays_wrong(name, &fault, message));
        }
    });
}

fn stays_wrong(name: &str, fault: &Fault, message: &str) {
    let site = Site::new(&format!("stays-{name}")).unwrap();
    let bundle = site.build("dev", &[]);
    let fault = fault.clone();
    let proxy = Proxy::before(site.plane, move |seen| match seen {
        seen if seen.is_write() && seen.path.contains("/deployments/") => fault.clone(),
        _ => Fault::None,
    });

    let ended = site.apply_through(&proxy, &bundle, &[]);

    assert_eq!(ended.code, Some(4), "{name}: {}", ended.stderr);
    for wanted in
        [message, "while applying Deployment/relay-dev-claude-relay", "the lock was released"]
    {
        assert!(ended.stderr.contains(wanted), "{name}: {}", ended.stderr);
    }
    let head = site.head("relay-dev");
    assert_eq!((progress(&head), head.get("lock")), (vec!["pending"], None), "{name}");
    assert_eq!(site.applied(&bundle, &[])["done"]["generation"], 1, "{name}");
}

#[test]
fn credentials_expiring_midway_leave_lock_and_say_so() {
    let Some(site) = Site::new("expired") else { return };
    let bundle = site.build("dev", &[]);
    let is_over = Mutex::new(false);
    let proxy = Proxy::before(site.plane, move |seen| {
        let mut is_over = is_over.lock().unwrap();
        *is_over |= seen.is_write() && seen.path.contains("/deployments/");
        if *is_over { Fault::Answer(401, "", "{}") } else { Fault::None }
    });

    let ended = site.apply_through(&proxy, &bundle, &[]);

    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("cannot release the lock"), "{}", ended.stderr);
    assert_eq!(progress(&site.head("relay-dev")), ["pending"]);
    assert_eq!(site.applied(&bundle, &["--break-lock"])["done"]["generation"], 1);
}

#[test]
fn single_stall_of_write_or_record_is_survived() {
    let Some(_) = Site::new("stall-none") else { return };
    std::thread::scope(|scope| {
        for (name, path) in
            [("object", "/services/"), ("record", "/configmaps/relay-bundle.relay-dev.1")]
        {
            scope.spawn(move || {
                let site = Site::new(&format!("stall-{name}")).unwrap();
                let is_it = move |seen: &Seen| seen.is_write() && seen.path.contains(path);
                let stall = Fault::Stall(Duration::from_secs(30));
                let is_over = Mutex::new(false);
                let proxy = Proxy::before(site.plane, move |seen| {
                    let mut is_over = is_over.lock().unwrap();
                    if *is_over || !is_it(seen) {
                        return Fault::None;
                    }
                    *is_over = true;
                    stall.clone()
                });

                let ended = site.apply_through(&proxy, &site.build("dev", &[]), &[]);

                assert_eq!(ended.code, Some(0), "{name}: {}", ended.stderr);
                assert_eq!(progress(&site.head("relay-dev")), ["deployed"], "{name}");
                assert!(proxy.seen().iter().filter(|seen| is_it(seen)).count() > 1, "{name}");
            });
        }
    });
}

#[test]
fn stalled_write_is_not_resent_after_lock_deadline() {
    let Some(site) = Site::new("stall-on") else { return };
    let is_it = |seen: &Seen| seen.is_write() && seen.path.contains("/deployments/");
    let proxy = Proxy::before(site.plane, move |seen| match seen {
        seen if is_it(seen) => Fault::Stall(Duration::from_secs(35)),
        _ => Fault::None,
    });
    let bundle = site.build("dev", &[]);

    let ended = site.apply_through(&proxy, &bundle, &[]);

    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("the lock was not renewed in time"), "{}", ended.stderr);
    let seen = proxy.seen();
    let writes: Vec<&Seen> = seen.iter().filter(|seen| is_it(seen)).collect();
    let between = writes[writes.len() - 1].at - writes[0].at;
    assert!(
        writes.len() == 2 && between < Duration::from_secs(30),
        "{between:?} of {}",
        writes.len()
    );
    // No other run took the lock, so it could still be released.
    let head = site.head("relay-dev");
    assert_eq!((progress(&head), head.get("lock")), (vec!["pending"], None));
    assert_eq!(site.applied(&bundle, &[])["done"]["generation"], 1);
}
