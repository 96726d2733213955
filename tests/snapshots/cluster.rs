//! Commands for a cluster, without one.

use crate::scene;
use crate::transcript::{Transcript, snapshot};

/// A kubeconfig whose server does not listen.
const DEAD: &str = "
apiVersion: v1
kind: Config
current-context: plant
clusters: [{ name: plant, cluster: { server: \"https://127.0.0.1:1\" } }]
users: [{ name: me, user: { token: not-a-token } }]
contexts: [{ name: plant, context: { cluster: plant, user: me, namespace: relay } }]
";

#[test]
fn missing_arguments_of_cluster_commands_are_as_saved() {
    let lines = [
        "apply",
        "apply web.tar",
        "apply --trust trust.toml",
        "apply web.tar --key signing.pub.pem",
        "apply web.tar --trust signing.pub.pem",
        "apply web.tar --trust trust.toml --yes --dry-run",
        "apply web.tar --trust trust.toml --plan-hash x",
        "apply web.tar --trust trust.toml --timeout soon",
        "apply web.tar --trust trust.toml --force-conflicts spec.replicas",
        "apply web.tar --trust trust.toml --force",
        "apply web.tar --trust trust.toml -n other",
        "apply web --trust trust.toml",
        "apply nosuch.tar --trust trust.toml",
        "apply ./web.tar.gz --trust trust.toml",
        "adopt web.tar --trust trust.toml",
        "adopt --from-helm prod --trust trust.toml",
        "rollback",
        "rollback web.tar --trust trust.toml",
        "rollback --trust trust.toml --to first",
        "restart",
        "restart relay redis",
        "remove relay",
        "remove --force",
        "status relay",
        "history --limit 3",
        "gc --live --break-lok",
        "diff web --live --trust trust.toml",
    ];
    let home = scene::operator();
    scene::write_gzipped(&home, "web.tar.gz");
    snapshot("cluster_mistakes", &home, &lines);
}

#[test]
fn missing_arguments_of_cluster_secrets_are_as_saved() {
    let lines = [
        "secrets init",
        "secrets init web.tar",
        "secrets backup",
        "secrets backup --trust trust.toml",
        "secrets restore web.tar --trust trust.toml",
        "secrets restore web.tar x.age",
        "secrets restore web.tar nosuch.age --trust trust.toml",
    ];
    snapshot("cluster_secrets_mistakes", &scene::operator(), &lines);
}

#[test]
fn kubeconfigs_that_name_no_cluster_are_as_saved() {
    let home = scene::operator();
    home.write("dead", DEAD);
    home.write("broken", "clusters: [");
    home.write("empty", "");
    let mut seen = Transcript::new(&home);
    for line in [
        "status",
        "status --json",
        "apply web.tar --trust trust.toml",
        "remove -n relay",
        "verify web.tar --trust trust.toml --live",
        "diff web.tar --live",
        "status --kubeconfig nosuch",
        "status --kubeconfig broken",
        "status --kubeconfig empty",
        "status --kubeconfig dead --context nosuch",
    ] {
        seen.run(line);
    }
    seen.run_with(&[("KUBECONFIG", "nosuch:nor-this")], "status");
    seen.snapshot("no_kubeconfig");
}

#[test]
fn cluster_that_does_not_answer_is_as_saved() {
    let home = scene::operator();
    home.write("dead", DEAD);
    snapshot("no_cluster", &home, &["status --kubeconfig dead"]);
}
