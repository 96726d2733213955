//! Tests servers that stop and restart, or are not the expected ones.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::control_plane::own_control_plane;
use crate::proxy::{Fault, Proxy, Seen};
use crate::site::{Site, apply};
use crate::tools::find;

#[test]
fn run_survives_etcd_outage_or_fails_and_can_be_rerun() {
    let Some(own) = own_control_plane() else { return };
    let plane = own.plane;
    let site = Site::unwatched(plane, "outage");
    let stop_once = |is_stopped: &Arc<AtomicBool>| {
        let is_stopped = Arc::clone(is_stopped);
        move |seen: &Seen| {
            // Objects are applied sequentially, so no other request gets here concurrently.
            if seen.is_write()
                && seen.path.contains("/services/")
                && !is_stopped.load(Ordering::SeqCst)
            {
                plane.server_is("stop", "etcd");
                is_stopped.store(true, Ordering::SeqCst);
            }
            Fault::None
        }
    };

    // The server restarts soon.
    let is_stopped = Arc::new(AtomicBool::new(false));
    let proxy = Proxy::before(plane, stop_once(&is_stopped));
    let bundle = site.build("dev", &[]);
    let started = site.start(&proxy, &bundle, &[]);
    let start = Instant::now();
    while !is_stopped.load(Ordering::SeqCst) {
        assert!(start.elapsed() < Duration::from_mins(2));
        std::thread::sleep(Duration::from_millis(50));
    }
    plane.server_is("start", "etcd");
    let ended = started.end();
    plane.await_ready();
    let state = site.head("relay-dev")["generations"][0]["state"].clone();
    match ended.code {
        Some(0) => assert_eq!(state, "deployed"),
        // On a busy machine, the restart may exceed the run's timeout.
        Some(4) => {
            assert_eq!(state, "pending", "{}", ended.stderr);
            site.applied(&bundle, &["--break-lock"]);
        }
        _ => panic!("{ended:?}"),
    }

    // The server stays down.
    let proxy = Proxy::before(plane, stop_once(&Arc::new(AtomicBool::new(false))));
    let next = site.build("dev", &["service.annotations={a=\"b\"}"]);
    let ended = site.apply_through(&proxy, &next, &[]);
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("cannot release the lock"), "{}", ended.stderr);
    plane.server_is("start", "etcd");
    plane.await_ready();
    let head = site.head("relay-dev");
    assert_eq!(head["generations"][1]["state"], "pending");
    let report = site.applied(&next, &["--break-lock"]);
    assert_eq!(report["done"]["generation"], 2);
}

#[test]
fn wrong_ca_and_expired_credentials_are_reported_at_once() {
    let Some(site) = Site::new("other-authority") else { return };
    let Some(program) = find("openssl", "openssl") else { return };
    let bundle = site.build("dev", &[]);
    let kubeconfig = fs_err::read_to_string(&site.plane.kubeconfig).unwrap();
    let folder = site.path();
    let openssl = |arguments: &str| {
        let mut command = Command::new(&program);
        let output = command.args(arguments.split(' ')).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -batch -subj /CN=other -keyout other.key -out other.crt",
    );
    let other = |field: &str, file: &str| {
        let lines =
            kubeconfig.lines().map(|line| match line.split_once(&format!("{field}-data:")) {
                Some((indent, _)) => format!("{indent}{field}: {}\n", folder.join(file)),
                None => format!("{line}\n"),
            });
        lines.collect::<String>()
    };
    let ours = "certificate-authority";
    let token = other(ours, "none")
        .replace(&format!("{ours}: {}", folder.join("none")), "insecure-skip-tls-verify: true");
    let token =
        token.lines().filter(|line| !line.contains("client-")).collect::<Vec<_>>().join("\n");
    let token = token.replace("    user:\n", "    user:\n      token: expired\n");
    let table = [
        ("authority", other(ours, "other.crt"), "compare the authority"),
        ("token", token, "are invalid or expired"),
    ];
    for (name, kubeconfig, message) in table {
        let path = folder.join(format!("{name}.kubeconfig"));
        fs_err::write(&path, kubeconfig).unwrap();

        let ran = apply(folder, &bundle, path.as_str(), &["--yes"]);

        assert_eq!(ran.code, 4, "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains(message), "{name}: {}", ran.stderr);
        assert!(!site.plane.has("default", "namespace/other-authority"), "{name}");
    }
}
