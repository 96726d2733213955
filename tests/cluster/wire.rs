//! Tests a hostile API server: it can neither exhaust the machine's memory or block a run forever,
//! nor obtain a secret.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::proxy::{Fault, Proxy, Seen};
use crate::site::{Ran, Site};

const KUBE_SYSTEM: &str = "/api/v1/namespaces/kube-system";

fn is_head(seen: &Seen) -> bool {
    seen.method == "PUT" && seen.path.contains("/configmaps/relay-bundle.relay-dev?")
}

/// Injects a fault into the first matching request.
fn once(
    is_it: impl Fn(&Seen) -> bool + Send + Sync,
    fault: Fault,
) -> impl Fn(&Seen) -> Fault + Send + Sync {
    let is_over = Mutex::new(false);
    move |seen| {
        let mut is_over = is_over.lock().unwrap();
        if *is_over || !is_it(seen) {
            return Fault::None;
        }
        *is_over = true;
        fault.clone()
    }
}

#[test]
fn endless_response_is_cut_off_and_reported() {
    let Some(site) = Site::new("wire-flood") else { return };
    let bundle = site.build("dev", &[]);
    let proxy = Proxy::before(site.plane, |seen| match seen.path.as_str() {
        KUBE_SYSTEM => Fault::Flood,
        _ => Fault::None,
    });

    let ended = site.apply_through(&proxy, &bundle, &[]);

    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("the answer has more than 16 MiB"), "{}", ended.stderr);
    assert_eq!(proxy.seen().len(), 1);
}

#[test]
fn redirect_is_reported_and_not_followed() {
    let Some(site) = Site::new("wire-redirect") else { return };
    let bundle = site.build("dev", &[]);
    let proxy = Proxy::before(site.plane, |_| {
        Fault::Answer(302, "location: https://login.example.com/?next=1", "<html></html>")
    });

    let ended = site.apply_through(&proxy, &bundle, &[]);

    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    for wanted in [
        "redirects to `https://login.example.com/?next=1` (HTTP 302)",
        "not followed",
        "a login page",
    ] {
        assert!(ended.stderr.contains(wanted), "{wanted}: {}", ended.stderr);
    }
    assert_eq!(proxy.seen().len(), 1);
}

#[test]
fn dripping_response_is_retried() {
    let Some(site) = Site::new("wire-drip") else { return };
    let bundle = site.build("dev", &[]);
    let is_it = |seen: &Seen| seen.path == KUBE_SYSTEM;
    let proxy = Proxy::before(site.plane, once(is_it, Fault::Drip));
    let start = Instant::now();

    let ended = site.apply_through(&proxy, &bundle, &[]);

    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(proxy.seen().iter().filter(|seen| is_it(seen)).count() == 2);
    assert!(start.elapsed() >= Duration::from_secs(30));
}

#[test]
fn stop_during_lock_write_waits_seconds_and_leaves_no_lock() {
    let Some(site) = Site::new("wire-stop") else { return };
    site.applied(&site.build("dev", &[]), &[]);
    let proxy = Proxy::before(site.plane, once(is_head, Fault::Drip));
    let started = site.start(&proxy, &site.build("dev", &["config.logLevel=\"info\""]), &[]);
    let start = Instant::now();
    while !proxy.seen().iter().any(is_head) {
        assert!(start.elapsed() < Duration::from_mins(1));
        std::thread::sleep(Duration::from_millis(20));
    }
    // The process never writes a core dump, however it ends.
    let limits = fs_err::read_to_string(format!("/proc/{}/limits", started.process())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert!(
        core.split_whitespace().filter(|word| ["0", "1"].contains(word)).count() == 2,
        "{core}"
    );

    let asked = Instant::now();
    proxy.signal(Signal::INT);
    let ended = started.end();

    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert!(asked.elapsed() < Duration::from_secs(25), "{:?}", asked.elapsed());
    assert!(ended.stderr.contains("the lock was released"), "{}", ended.stderr);
    assert!(!site.head("relay-dev").as_object().unwrap().contains_key("lock"));
}

/// A value of the profile, and a webhook's answer that quotes the Secret with this value.
const VALUE: &str = "change-me-in-dev";
const QUOTED: &str = r#"{"kind": "Status", "code": 422, "reason": "Invalid",
    "message": "Secret is invalid: stringData: {\"adminPassword\": \"change-me-in-dev\"}",
    "details": {"causes": [{"reason": "FieldValueInvalid", "message": "change-me-in-dev", "field": "change-me-in-dev"}]}}"#;

#[test]
fn literal_secret_is_not_shown_even_if_server_quotes_it() {
    let Some(site) = Site::new("wire-quoted") else { return };
    let site = site.with_namespace();
    let bundle = site.build("dev", &[]);
    for is_dry in [true, false] {
        let is_it = move |seen: &Seen| {
            seen.method == "PATCH"
                && seen.path.contains("/secrets/")
                && seen.path.contains("dryRun=All") == is_dry
        };
        let proxy = Proxy::before(site.plane, move |seen| {
            if is_it(seen) {
                Fault::Answer(422, "content-type: application/json", QUOTED)
            } else {
                Fault::None
            }
        });
        let config = site.path().join("quoted.kubeconfig");
        fs_err::write(&config, proxy.kubeconfig()).unwrap();
        for more in [&["--yes"][..], &["--yes", "--json"], &["--dry-run", "--json"]] {
            let Ran { code, stdout, stderr } =
                crate::site::apply(site.path(), &bundle, config.as_str(), more);

            let is_refused = is_dry || more[0] == "--yes";
            assert_eq!(code != 0, is_refused, "{is_dry} {more:?}: {stderr}");
            assert!(!format!("{stdout}{stderr}").contains(VALUE), "{stdout}{stderr}");
            if is_refused {
                assert!(
                    stderr.contains("(HTTP 422 Invalid)")
                        && stderr.contains("message is not shown"),
                    "{stderr}"
                );
            }
        }
        assert!(proxy.seen().iter().any(is_it));
    }
}
