//! Rules between keys that do not stem from a defect of the chart.

use super::{expect, findings, load_bytes, load_dev, load_strict, words};

#[test]
fn empty_production_profile_is_valid_with_recommendations() {
    let loaded = load_bytes(b"");
    assert!(loaded.profile.is_some(), "{}", words(&loaded));
    assert_eq!(
        findings(&loaded),
        [
            "RB0401 release.recoveryRecipients",
            "RB0402 image.digest",
            "RB0417 redis.auth.enabled",
            "RB0420 config.logLevel"
        ]
    );
    assert_eq!(findings(&load_strict("")), Vec::<String>::new());
    assert_eq!(findings(&load_dev("")), Vec::<String>::new());
}

#[test]
fn memory_is_enough_for_what_fills_it() {
    expect(
        load_dev,
        &[
            ("config.nodeMaxOldSpaceMb = 1024", &["RB0305 config.nodeMaxOldSpaceMb"]),
            ("config.nodeMaxOldSpaceMb = 384", &[]),
            (
                "resources = { limits.memory = \"128Mi\", requests.memory = \"128Mi\" }",
                &["RB0305 resources.limits"],
            ),
        ],
    );
}

#[test]
fn pdb_must_allow_node_drain() {
    let budget = |more: &str| format!("podDisruptionBudget = {{ enabled = true, {more} }}");
    let of = |pods: u8, more: &str| format!("replicaCount = {pods}\n{}", budget(more));
    let (min, max): (&[&str], &[&str]) = (
        &["RB0325 podDisruptionBudget.minAvailable"],
        &["RB0325 podDisruptionBudget.maxUnavailable"],
    );
    expect(
        load_dev,
        &[
            (&of(1, "maxUnavailable = 1"), &["RB0412 podDisruptionBudget.enabled"]),
            (&of(3, "maxUnavailable = 1"), &[]),
            (&of(3, "minAvailable = 2"), &[]),
            (&of(3, "minAvailable = 3"), min),
            (&of(3, "minAvailable = \"100%\""), min),
            // Rounded up: 2.7 pods are 3.
            (&of(3, "minAvailable = \"90%\""), min),
            (&of(3, "minAvailable = \"50%\""), &[]),
            (&of(3, "maxUnavailable = 0"), max),
            (&of(3, "maxUnavailable = \"0%\""), max),
            (&of(3, "minAvailable = 1, maxUnavailable = 1"), &["RB0324 podDisruptionBudget"]),
            (&of(3, "minAvailable = \"half\""), &["RB0171 podDisruptionBudget.minAvailable"]),
            (&of(3, "minAvailable = -1"), &["RB0171 podDisruptionBudget.minAvailable"]),
            (&format!("autoscaling.enabled = true\n{}", budget("minAvailable = 1")), min),
        ],
    );
}

#[test]
fn strategy_must_be_able_to_replace_pods() {
    let rolling = |more: &str| {
        format!("strategy = {{ type = \"RollingUpdate\", rollingUpdate = {{ {more} }} }}")
    };
    expect(
        load_dev,
        &[
            ("strategy = { type = \"Recreate\" }", &[]),
            ("strategy = { type = \"recreate\" }", &["RB0172 strategy.type"]),
            (
                "strategy = { type = \"Recreate\", rollingUpdate = { maxSurge = 1 } }",
                &["RB0172 strategy.rollingUpdate"],
            ),
            (&rolling("maxSurge = 0, maxUnavailable = 0"), &["RB0172 strategy.rollingUpdate"]),
            // The bundle's own `maxUnavailable` is 0.
            (&rolling("maxSurge = \"0%\""), &["RB0172 strategy.rollingUpdate"]),
            (&rolling("maxSurge = \"200%\", maxUnavailable = 0"), &[]),
            (
                &rolling("maxUnavailable = \"200%\""),
                &["RB0171 strategy.rollingUpdate.maxUnavailable"],
            ),
            ("replicaCount = 0", &["RB0411 replicaCount"]),
        ],
    );
}

#[test]
fn read_write_once_pod_volumes_need_supporting_server() {
    let external = |mode: &str| {
        format!("storage.data.external = {{ enabled = true, accessMode = \"{mode}\" }}")
    };
    expect(
        load_dev,
        &[
            (&external("ReadWriteOncePod"), &["RB0170 storage.data.external.accessMode"]),
            (&format!("kubernetes.version = \"1.29\"\n{}", external("ReadWriteOncePod")), &[]),
            (
                "redis.persistence.accessMode = \"ReadWriteOncePod\"",
                &["RB0170 redis.persistence.accessMode"],
            ),
        ],
    );
}

#[test]
fn redis_without_volume_is_for_dev_only() {
    expect(load_dev, &[("redis.persistence.enabled = false", &[])]);
    expect(
        load_strict,
        &[("redis.persistence.enabled = false", &["RB0414 redis.persistence.enabled"])],
    );
    expect(
        load_dev,
        &[(
            "redis.persistence = { enabled = false, existingClaim = \"data\" }",
            &["RB0404 redis.persistence.existingClaim"],
        )],
    );
}

#[test]
fn mode_with_leading_zero_or_quotes_is_told_in_octal() {
    for mode in ["0400", "\"0400\""] {
        let volume = format!(
            "extraVolumes = [{{ name = \"a\", secret = {{ secretName = \"a\", defaultMode = {mode} }} }}]"
        );
        let loaded = load_dev(&volume);
        let helps: Vec<&str> =
            loaded.diagnostics.iter().filter_map(|finding| finding.help.as_deref()).collect();
        assert!(helps.iter().any(|help| help.contains("write `0o400`")), "{mode}: {helps:?}");
    }
}

#[test]
fn verbose_log_outside_dev_is_warned_of() {
    let warned: &[&str] = &["RB0420 config.logLevel"];
    expect(
        load_strict,
        &[
            ("config.logLevel = \"info\"", warned),
            ("config.logLevel = \"debug\"", warned),
            ("config.logLevel = \"warn\"", &[]),
            ("config.logLevel = \"error\"", &[]),
        ],
    );
    expect(load_dev, &[("config.logLevel = \"debug\"", &[])]);
    let kept = load_strict("config.logLevel = \"info\"\nstorage.logs.mode = \"pvc\"");
    assert!(words(&kept).contains("on the volume"), "{}", words(&kept));
}

#[test]
fn requests_too_large_for_memory_cause_warning() {
    let warned: &[&str] = &["RB0421 config.requestMaxSizeMb"];
    expect(
        load_dev,
        &[
            ("config.requestMaxSizeMb = 60", &[]),
            ("config.requestMaxSizeMb = 60\nresources.limits.memory = \"512Mi\"", warned),
            ("config.requestMaxSizeMb = 54\nresources.limits.memory = \"512Mi\"", &[]),
            ("config.requestMaxSizeMb = 55\nresources.limits.memory = \"512Mi\"", warned),
            ("config.requestMaxSizeMb = 200", warned),
            // The heap alone can be too small.
            ("config.requestMaxSizeMb = 60\nconfig.nodeMaxOldSpaceMb = 384", warned),
            ("config.nodeMaxOldSpaceMb = 64", warned),
        ],
    );
    let told =
        words(&load_dev("config.requestMaxSizeMb = 60\nresources.limits.memory = \"512Mi\""));
    assert!(
        told.contains("need 555 MiB") && told.contains("\"555Mi\"") && told.contains("54 or less"),
        "{told}"
    );
}

#[test]
fn log_fields_leave_pod_only_with_warning() {
    expect(
        load_dev,
        &[
            (
                "storage.logs.fluentbit.extraFields = [\"key\", \"req\"]",
                &[
                    "RB0505 storage.logs.fluentbit.extraFields[0]",
                    "RB0505 storage.logs.fluentbit.extraFields[1]",
                ],
            ),
            (
                "storage.logs.fluentbit.extraFields = [\"a b\"]",
                &["RB0004 storage.logs.fluentbit.extraFields[0]"],
            ),
            (
                "storage.logs.fluentbit.extraFields = [\"a\\\"] = 1\"]",
                &["RB0004 storage.logs.fluentbit.extraFields[0]"],
            ),
        ],
    );
}

#[test]
fn relay_whose_log_is_text_ships_nothing_and_is_warned_of() {
    expect(
        load_dev,
        &[
            ("release.appVersion = \"v1.1.272\"", &["RB0506 release.appVersion"]),
            ("release.appVersion = \"v1.1.273\"", &[]),
            ("image.tag = \"v1.1.241\"", &["RB0506 image.tag"]),
            ("image.tag = \"v1.1.241\"\nstorage.logs.mode = \"emptyDir\"", &[]),
            ("image.tag = \"own-build\"", &[]),
        ],
    );
}

#[test]
fn image_without_registry_causes_warning() {
    let short = "storage.logs.fluentbit.image.repository = \"fluent/fluent-bit\"";
    expect(
        load_dev,
        &[
            ("", &[]),
            (short, &["RB0423 storage.logs.fluentbit.image.repository"]),
            (&format!("{short}\nimages.registry = \"mirror.example.internal\""), &[]),
        ],
    );
}

#[test]
fn redis_must_be_recent_and_not_open_to_cluster() {
    let image = |tag: &str| format!("redis.image.tag = \"{tag}\"");
    let old: &[&str] = &["RB0351 redis.image.tag"];
    expect(
        load_dev,
        &[
            (&image("6.2-alpine"), old),
            (&image("7.0"), &[]),
            (&image("8"), &[]),
            (&image("stable"), &[]),
        ],
    );
    let open = load_bytes(b"schema = 1\n");
    assert!(findings(&open).contains(&"RB0417 redis.auth.enabled".to_owned()), "{}", words(&open));
}

#[test]
fn finding_about_default_names_key() {
    let loaded = load_strict("redis.enabled = false");
    assert!(words(&loaded).contains("[RB0301] `externalRedis.host`: "), "{}", words(&loaded));
}

#[test]
fn default_in_place_of_unreadable_line_is_not_reported() {
    let loaded = load_bytes(
        b"redis.enabled = false\nexternalRedis.host = redis.example.internal\nreplicaCount = 0\n",
    );
    assert_eq!(findings(&loaded), ["RB0001 ", "RB0411 replicaCount"]);
}

#[test]
fn field_missing_because_of_misspelt_key_is_not_reported() {
    let loaded = load_dev("tolerations = [{ operater = \"Exists\" }, { value = \"a\" }]");
    assert_eq!(findings(&loaded), ["RB0002 tolerations[0].operater", "RB0120 tolerations[1].key"]);
}

#[test]
fn default_in_place_of_wrong_value_is_not_reported() {
    let tls = "ingress.tls = [{ secretName = \"tls\", hosts = [\"relay.example.com\"] }]\ningress.className = \"nginx\"\ningress.enabled = true\n";
    let hosts = |hosts: &str| format!("{tls}ingress.hosts = {hosts}\n");
    for text in [
        hosts("\"relay.example.com\""),
        hosts("[\"relay.example.com\"]"),
        hosts("[{ host = \"http://x\" }]"),
    ] {
        let loaded = load_strict(&text);
        assert!(loaded.diagnostics.has_errors());
        assert!(!words(&loaded).contains("RB0407"), "{}", words(&loaded));
    }
    let loaded = load_bytes(b"release.recoveryRecipients = [\"age1\"]");
    assert!(loaded.diagnostics.has_errors());
    assert!(!words(&loaded).contains("RB0401"), "{}", words(&loaded));
}
