//! Tests secrets that are generated once, with consent, and never again.

use crate::site::Site;

const KEY: &str = "secret/relay-loki-claude-relay-encryption-key";
const OTHERS: &str = "secret/relay-loki-claude-relay-generated";

fn site(namespace: &str) -> Option<Site> {
    let site = Site::new(namespace)?.with_namespace();
    site.plane.kubectl(&[
        "-n",
        namespace,
        "create",
        "secret",
        "generic",
        "loki-credentials",
        "--from-literal=password=x",
    ]);
    Some(site)
}

#[test]
fn encryption_key_is_generated_once_and_only_with_consent() {
    let Some(site) = site("loki-secrets") else { return };
    let bundle = site.build("loki-logging", &[]);

    for refused in [&["--yes"][..], &["--yes", "--no-recovery"], &["--yes", "--allow-regenerate"]] {
        let ran = site.apply(&bundle, refused);
        assert_eq!(ran.code, 2, "{refused:?}: {}", ran.stderr);
        assert!(!site.plane.has(&site.namespace, KEY), "{refused:?}");
        assert!(
            !site.plane.has(&site.namespace, "configmap/relay-bundle.relay-loki"),
            "{refused:?}"
        );
    }
    site.applied(&bundle, &["--first-install", "--no-recovery"]);
    let made = [KEY, OTHERS].map(|secret| site.plane.get(&site.namespace, secret));
    assert_eq!(made[0]["immutable"], true);
    let again = site.build("loki-logging", &["config.logLevel=\"debug\""]);
    let report = site.applied(&again, &[]);

    assert_eq!(report["generated"], serde_json::json!([]));
    assert_eq!([KEY, OTHERS].map(|secret| site.plane.get(&site.namespace, secret)), made);
    let moments = site.references_hold();
    assert!(moments > 17, "{moments}");
}

#[test]
fn lost_encryption_key_is_never_replaced() {
    let Some(site) = site("loki-lost") else { return };
    let bundle = site.build("loki-logging", &[]);
    site.applied(&bundle, &["--first-install", "--no-recovery"]);
    let consent = ["--yes", "--first-install", "--no-recovery"];
    site.takes_away_what_pods_name();
    site.plane.kubectl(&["-n", &site.namespace, "delete", KEY]);

    let ran = site.apply(&bundle, &consent);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("the relay has run here"), "{}", ran.stderr);

    // Even without a record, Redis's volume proves that there is data.
    site.plane.kubectl(&["-n", &site.namespace, "delete", "configmap/relay-bundle.relay-loki"]);
    let ran = site.apply(&bundle, &consent);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("the Redis volume "), "{}", ran.stderr);
    assert!(!site.plane.has(&site.namespace, KEY));
}

#[test]
fn lost_generated_values_are_made_again_only_with_consent() {
    let Some(site) = site("loki-lost-values") else { return };
    let bundle = site.build("loki-logging", &[]);
    site.applied(&bundle, &["--first-install", "--no-recovery"]);
    let newer = site.build("loki-logging", &["config.logLevel=\"debug\""]);
    site.takes_away_what_pods_name();
    site.plane.kubectl(&["-n", &site.namespace, "delete", OTHERS]);

    for bundle in [&bundle, &newer] {
        let ran = site.apply(bundle, &["--yes", "--no-recovery"]);
        assert_eq!(ran.code, 4, "{}", ran.stderr);
        for said in ["redis-password", "relay-bundle secrets restore", "--allow-regenerate"] {
            assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
        }
        assert!(!site.plane.has(&site.namespace, OTHERS));
    }

    let ran = site.apply(&newer, &["--yes", "--no-recovery", "--allow-regenerate"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("running pods keep the old ones: restart Redis and the relay"),
        "{}",
        ran.stderr
    );
    assert!(site.plane.has(&site.namespace, OTHERS));
}

#[test]
fn leftover_volume_blocks_generation_of_encryption_key() {
    let Some(site) = site("loki-volume") else { return };
    let bundle = site.build("loki-logging", &[]);
    site.plane.ensure(
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: loki-volume}\nspec:\n  capacity: {storage: 1Gi}\n  \
         accessModes: [ReadWriteOnce]\n  persistentVolumeReclaimPolicy: Retain\n  hostPath: {path: /nowhere}\n  \
         claimRef: {namespace: loki-volume, name: data-relay-loki-redis-0}\n",
    );
    let consent = ["--yes", "--first-install", "--no-recovery"];

    let ran = site.apply(&bundle, &consent);

    assert_eq!(ran.code, 4, "{}", ran.stderr);
    let had =
        "PersistentVolume/loki-volume of PersistentVolumeClaim/data-relay-loki-redis-0 exists";
    assert!(ran.stderr.contains(had), "{}", ran.stderr);
    site.plane.kubectl(&["delete", "persistentvolume/loki-volume"]);
    let ran = site.apply(&bundle, &consent);
    assert_eq!(
        (ran.code, ran.stderr.contains("volumes were not checked")),
        (0, false),
        "{}",
        ran.stderr
    );
}
