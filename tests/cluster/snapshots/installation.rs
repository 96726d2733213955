//! The life of an installation: installed, changed, drifted, rolled back, restarted and removed.

use std::time::{Duration, Instant};

use super::{applied, see, see_asked, typed};
use crate::control_plane::own_control_plane;
use crate::site::Site;

const VOLUME: &str = "redis.persistence.enabled=true";
const INFO: &str = "config.logLevel=\"info\"";
const VERSION: &str = "release.appVersion=\"v1.1.315\"";
const TWO: &str = "replicaCount=2";
const BUDGET: &str = "podDisruptionBudget.maxUnavailable=1";
const NO_IMAGE: &str = "podAnnotations={\"relay-bundle.test/fail\"=\"ImagePullBackOff\"}";

#[test]
fn installation_commands_match_snapshots() {
    let Some(own) = own_control_plane() else { return };
    let site = Site::on(own.plane, "relay");
    // The serial of a bundle is in its name: `dev-1.tar` is the first.
    let changes: [&[&str]; 6] = [
        &[VOLUME],
        &[VOLUME, INFO],
        &[VOLUME, INFO, VERSION],
        &[VOLUME, INFO, VERSION, TWO, "podDisruptionBudget.enabled=true", BUDGET],
        &[VOLUME, INFO, VERSION, TWO],
        &[VOLUME, INFO, VERSION, TWO, NO_IMAGE],
    ];
    for settings in changes {
        site.build("dev", settings);
    }

    install(&site);
    change(&site);
    drift(&site);
    roll_back(&site);
    decline(&site);
    restart(&site);
    clear(&site);
    fail(&site);
    remove(&site);
}

fn install(site: &Site) {
    see(
        site,
        "apply_first_dry_run",
        &[
            "apply dev-1.tar --trust trust.toml --dry-run",
            "apply dev-1.tar --trust trust.toml --dry-run --json",
        ],
    );
    see(site, "apply_first", &["apply dev-1.tar --trust trust.toml --yes"]);
    see(
        site,
        "apply_unchanged",
        &[
            "apply dev-1.tar --trust trust.toml --dry-run",
            "apply dev-1.tar --trust trust.toml --yes",
            "apply dev-1.tar --trust trust.toml --yes --json",
        ],
    );
    see(
        site,
        "status_ready",
        &[
            "status -n relay",
            "status -n relay --trust trust.toml",
            "status -n relay --trust trust.toml --json",
        ],
    );
}

fn change(site: &Site) {
    see(
        site,
        "apply_changed_config",
        &[
            "apply dev-2.tar --trust trust.toml --dry-run",
            "apply dev-2.tar --trust trust.toml --yes",
        ],
    );
    see(
        site,
        "apply_new_version",
        &[
            "apply dev-3.tar --trust trust.toml --dry-run",
            "apply dev-3.tar --trust trust.toml --yes --json",
        ],
    );
    applied(site, "dev-4.tar");
    see(
        site,
        "apply_prune",
        &[
            "apply dev-5.tar --trust trust.toml --dry-run",
            "apply dev-5.tar --trust trust.toml --yes",
        ],
    );
    see(
        site,
        "history",
        &["history -n relay", "history -n relay --json", "history -n relay --name other"],
    );
}

fn drift(site: &Site) {
    see(
        site,
        "live_same",
        &[
            "diff dev-5.tar --live",
            "verify dev-5.tar --trust trust.toml --live",
            "verify --live -n relay --trust trust.toml",
        ],
    );
    let kubectl =
        |arguments: &[&str]| drop(site.plane.kubectl(&[&["-n", "relay"], arguments].concat()));
    kubectl(&["scale", "deployment/relay-dev-claude-relay", "--replicas=3"]);
    kubectl(&["annotate", "statefulset/relay-dev-redis", "example.internal/note=mine"]);
    kubectl(&["delete", "service/relay-dev-redis-headless"]);
    see(
        site,
        "live_drift",
        &[
            "diff dev-5.tar --live",
            "diff dev-5.tar --live --json",
            "verify dev-5.tar --trust trust.toml --live",
            "verify --live -n relay --trust trust.toml --json",
        ],
    );
    see(site, "live_other_bundle", &["diff dev-4.tar --live", "diff dev-6.tar --live"]);
    see(site, "status_drift", &["status -n relay", "status -n relay --json"]);
    see(
        site,
        "apply_conflict",
        &[
            "apply dev-5.tar --trust trust.toml --dry-run",
            "apply dev-5.tar --trust trust.toml --yes",
            "apply dev-5.tar --trust trust.toml --yes --json",
            "apply dev-5.tar --trust trust.toml --dry-run --force-conflicts .spec.replicas",
            "apply dev-5.tar --trust trust.toml --yes --force-conflicts .spec.replicas",
        ],
    );
}

fn roll_back(site: &Site) {
    see(
        site,
        "rollback_refused",
        &[
            "rollback -n relay --trust trust.toml --to 99 --yes",
            "rollback -n relay --trust trust.toml --to 1",
            "rollback -n relay --trust trust.toml --to 1 --yes --json --plan-hash 12345678",
        ],
    );
    see(
        site,
        "rollback",
        &[
            "rollback -n relay --trust trust.toml --to 2 --dry-run",
            "rollback -n relay --trust trust.toml --to 2 --dry-run --json",
            "rollback -n relay --trust trust.toml --to 2 --yes",
            "rollback -n relay --trust trust.toml --to 2 --yes",
            "apply dev-5.tar --trust trust.toml --yes",
        ],
    );
}

/// Answers no to each question.
fn decline(site: &Site) {
    see_asked(
        site,
        "asked",
        &[
            ("apply dev-6.tar --trust trust.toml", &["n"]),
            ("rollback -n relay --trust trust.toml --to 2", &["n"]),
            ("restart relay -n relay", &["n"]),
            ("remove -n relay", &["n"]),
        ],
    );
}

fn restart(site: &Site) {
    see(
        site,
        "restart",
        &[
            "restart relay -n relay --dry-run",
            "restart relay -n relay",
            "restart relay -n relay --yes",
            "restart redis -n relay --yes --json",
            "restart web -n relay --yes",
        ],
    );
}

/// Deletes the old `ReplicaSets`, so that nothing refers to their ConfigMaps.
fn clear(site: &Site) {
    see(site, "gc_live_nothing", &["gc --live -n relay --dry-run"]);
    site.await_leaving_pods();
    let sets = site.plane.list("relay", "replicasets");
    for set in sets.iter().filter(|set| set["spec"]["replicas"] == 0) {
        let name = set["metadata"]["name"].as_str().unwrap();
        site.plane.kubectl(&["-n", "relay", "delete", "replicaset", name]);
    }
    see(
        site,
        "gc_live",
        &[
            "gc --live -n relay --dry-run",
            "gc --live -n relay --dry-run --json",
            "gc --live -n relay",
        ],
    );
    see_asked(site, "gc_live_asked", &[("gc --live -n relay", &["y"])]);
}

/// Applies a bundle whose image cannot be pulled.
fn fail(site: &Site) {
    // The output of the first run depends on the speed of the cluster.
    assert_eq!(typed(site, "apply dev-6.tar --trust trust.toml --yes --timeout 1").code, 4);
    let is_told = || {
        let pods = site.plane.list("relay", "pods");
        pods.iter().any(|pod| pod["status"].to_string().contains("ImagePullBackOff"))
    };
    let start = Instant::now();
    while !is_told() {
        assert!(start.elapsed() < Duration::from_mins(1), "no pod fails");
        std::thread::sleep(Duration::from_millis(100));
    }
    see(
        site,
        "apply_not_ready",
        &[
            "apply dev-6.tar --trust trust.toml --yes --timeout 2",
            "apply dev-6.tar --trust trust.toml --yes --timeout 2 --json",
        ],
    );
    see(
        site,
        "status_not_ready",
        &["status -n relay", "status -n relay --trust trust.toml --json", "history -n relay"],
    );
}

fn remove(site: &Site) {
    see(
        site,
        "remove",
        &[
            "remove -n relay --dry-run",
            "remove -n relay --dry-run --json",
            "remove -n relay",
            "remove -n relay --yes",
            "remove -n relay --yes",
        ],
    );
    see(site, "removed", &["status -n relay", "history -n relay", "restart relay -n relay --yes"]);
}
