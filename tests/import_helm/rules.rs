//! Changed, dropped and added values, each with a note. A test with a number covers that defect of
//! the chart.

use super::examples::MONITOR;
use super::{at, convert, errors, has, load, release, sane, text, what};
use relay_bundle::helm::values::ImportOptions;
use relay_bundle::profile::masking::Visibility;

#[test]
fn key_generated_by_chart_is_kept_and_never_regenerated() {
    let (profile, imported) = sane("replicaCount: 1\n", &release("prod"));
    assert_eq!(text(&profile, "config.encryptionKey.existing.name"), "prod-claude-relay-secret");
    assert_eq!(text(&profile, "config.encryptionKey.existing.key"), "encryption-key");
    assert_eq!(text(&profile, "config.jwtSecret.existing.key"), "jwt-secret");
    assert_eq!(what(&imported, "config.encryptionKey"), "added");
    assert!(!has(&profile, "config.adminPassword"));
    assert_eq!(what(&imported, "config.adminPassword"), "not set");
}

#[test]
fn names_follow_chart_rule() {
    for (name, values, secret, claim) in [
        ("claude-relay", "{}", "claude-relay-secret", "data-claude-relay-redis-0"),
        ("prod", "{}", "prod-claude-relay-secret", "data-prod-redis-0"),
        (
            "my-claude-relay-redis",
            "{}",
            "my-claude-relay-redis-secret",
            "data-my-claude-relay-redis-0",
        ),
        ("prod", "nameOverride: relay", "prod-relay-secret", "data-prod-redis-0"),
        ("prod", "fullnameOverride: whole", "whole-secret", "data-prod-redis-0"),
        ("prod", "redis: {nameOverride: kv}", "prod-claude-relay-secret", "data-prod-kv-0"),
        ("prod", "redis: {fullnameOverride: kv}", "prod-claude-relay-secret", "data-kv-0"),
    ] {
        let (profile, _) = sane(values, &release(name));
        assert_eq!(text(&profile, "config.encryptionKey.existing.name"), secret, "{name} {values}");
        assert_eq!(text(&profile, "redis.persistence.existingClaim"), claim, "{name} {values}");
    }
}

#[test]
fn redis_data_is_kept_unless_absent() {
    for values in [
        "redis: {enabled: false}\nexternalRedis: {host: r}",
        "redis: {persistence: {enabled: false}}",
    ] {
        let (profile, _) = sane(values, &release("prod"));
        assert!(!has(&profile, "redis.persistence.existingClaim"), "{values}");
    }
    let (profile, _) = sane("redis: {persistence: {existingClaim: mine}}", &release("prod"));
    assert_eq!(text(&profile, "redis.persistence.existingClaim"), "mine");
}

#[test]
fn literals_stay_on_demand_and_say_where_they_build() {
    let options = ImportOptions { keep_literals: true, ..release("prod") };
    let imported = convert("config: {encryptionKey: 12345, jwtSecret: abc}\n", &options);
    let profile: toml::Table = imported.toml.parse().unwrap();
    assert_eq!(text(&profile, "config.encryptionKey"), "12345");
    assert!(
        imported
            .notes
            .iter()
            .any(|note| note.key == "config.jwtSecret" && note.why.contains("`dev`"))
    );
    let dev =
        imported.toml.replace("name = \"prod\"\n", "name = \"prod\"\nenvironment = \"dev\"\n");
    assert_eq!(errors(&load(&dev)), [""; 0]);
}

#[test]
fn passwords_of_redis_go_where_they_are_used() {
    let (profile, _) = sane("redis: {auth: {enabled: true, password: p}}", &release("prod"));
    assert_eq!(text(&profile, "redis.auth.password.existing.key"), "redis-password");
    let (profile, imported) = sane("redis: {auth: {enabled: true}}", &release("prod"));
    assert!(!has(&profile, "redis.auth.password"));
    assert_eq!(what(&imported, "redis.auth.password"), "not set");
    let (profile, _) = sane(
        "redis: {auth: {enabled: true, existingSecret: s, existingSecretPasswordKey: k}}",
        &release("prod"),
    );
    assert_eq!(text(&profile, "redis.auth.password.existing.name"), "s");
    let (profile, imported) =
        sane("redis: {auth: {password: p}}\nexternalRedis: {password: q}", &release("prod"));
    assert!(!has(&profile, "redis.auth.password") && !has(&profile, "externalRedis.password"));
    assert_eq!(
        what(&imported, "redis.auth.password") + &what(&imported, "externalRedis.password"),
        "droppeddropped"
    );
}

#[test]
fn d05b_numbers_and_tags_come_out_as_they_were_meant() {
    let values = "
replicaCount: '3'
image: {tag: 20251101}
config: {tokenUsageRetention: 2.592e+09, adminSessionTimeout: 8.64e+07, cleanupInterval: '3600000', logMaxFiles: 14d}
service: {port: 80.0}
storage: {data: {external: {enabled: 'true', storageClass: 123, accessMode: ReadWriteMany}}}
";
    let (profile, imported) = sane(values, &release("prod"));
    assert_eq!(at(&profile, "replicaCount").as_integer(), Some(3));
    assert_eq!(text(&profile, "image.tag"), "20251101");
    assert_eq!(at(&profile, "config.tokenUsageRetention").as_integer(), Some(2_592_000_000));
    assert_eq!(at(&profile, "config.cleanupInterval").as_integer(), Some(3_600_000));
    assert_eq!(at(&profile, "config.logMaxFiles").as_integer(), Some(14));
    assert_eq!(at(&profile, "storage.data.external.enabled").as_bool(), Some(true));
    assert_eq!(text(&profile, "storage.data.external.storageClass"), "123");
    assert_eq!(what(&imported, "replicaCount"), "changed to an integer");
    assert_eq!(what(&imported, "image.tag"), "changed to a string");
    assert_eq!(what(&imported, "config.tokenUsageRetention"), "written as an integer");
}

#[test]
fn d08_host_without_paths_gets_whole_site() {
    let (profile, imported) = sane(
        "ingress: {enabled: true, hosts: [{host: a.example.com}, b.example.com]}",
        &release("prod"),
    );
    assert_eq!(text(&profile, "ingress.hosts.0.host"), "a.example.com");
    assert_eq!(text(&profile, "ingress.hosts.1.host"), "b.example.com");
    assert_eq!(what(&imported, "ingress.hosts[0].paths"), "not set");
    assert_eq!(what(&imported, "ingress.hosts[1]"), "changed to a table");
}

#[test]
fn d10_ingress_class_is_named_once() {
    let annotation = "kubernetes.io/ingress.class";
    for (class, written, expected) in
        [("", "nginx", "nginx"), ("nginx", "nginx", "nginx"), ("nginx", "other", "nginx")]
    {
        let values = format!(
            "ingress: {{enabled: true, className: '{class}', annotations: {{{annotation}: {written}, x: 1}}, hosts: [{{host: a}}]}}"
        );
        let (profile, imported) = sane(&values, &release("prod"));
        assert_eq!(text(&profile, "ingress.className"), expected);
        assert!(!imported.toml.contains(annotation));
        assert_eq!(text(&profile, "ingress.annotations.x"), "1");
        assert_ne!(what(&imported, "ingress.annotations.\"kubernetes.io/ingress.class\""), "");
    }
}

#[test]
fn d13_other_data_volume_type_is_dropped_with_remedy() {
    let (profile, imported) =
        sane("storage: {data: {type: persistentVolumeClaim, claim: x}}", &release("prod"));
    assert!(!has(&profile, "storage.data.type") && !has(&profile, "storage.data.claim"));
    assert_eq!(what(&imported, "storage.data.type"), "dropped");
    assert!(imported.notes.iter().any(|note| note.why.contains("storage.data.external")));
}

#[test]
fn d16_output_credentials_are_removed_from_profile() {
    let values = "
storage:
  logs:
    fluentbit:
      output:
        type: elasticsearch
        config: {Host: es.example.com, HTTP_User: u, HTTP_Passwd: s3cret, 'tls': 'On', Logstash_Format: 'On', Suppress_Type_Name: 'On', tls.key_passwd: s3cret}
";
    let (profile, imported) = sane(values, &release("prod"));
    let config = "storage.logs.fluentbit.output.config";
    assert_eq!(text(&profile, "storage.logs.fluentbit.output.type"), "es");
    assert_eq!(
        text(&profile, &format!("{config}.HTTP_Passwd.existing.name")),
        "prod-claude-relay-fluent-bit"
    );
    assert_eq!(text(&profile, &format!("{config}.HTTP_Passwd.existing.key")), "http-passwd");
    assert_eq!(text(&profile, &format!("{config}.HTTP_User")), "u");
    assert!(!format!("{}{:?}", imported.toml, imported.notes).contains("s3cret"));
    assert!(imported.notes.iter().any(|note| note.why.contains("create the Secret")));

    for (kind, property) in [
        ("forward", "Shared_Key: s3cret"),
        ("http", "Header: 'Authorization Bearer s3cret'"),
        ("http", "Header: ['X-Scope a', 'Authorization Bearer s3cret']"),
        ("kafka", "rdkafka.sasl.password: s3cret"),
        ("splunk", "Splunk_Token: s3cret"),
        ("loki", "bearer_token: s3cret"),
        ("loki", "BearerToken: s3cret"),
    ] {
        let values = format!(
            "storage: {{logs: {{fluentbit: {{output: {{type: {kind}, config: {{{property}}}}}}}}}}}"
        );
        let imported = convert(&values, &release("prod"));
        assert!(
            !format!("{}{:?}", imported.toml, imported.notes).contains("s3cret"),
            "{}",
            imported.toml
        );
        assert!(imported.toml.contains("existing"), "{}", imported.toml);
    }
}

#[test]
fn d16c_options_of_another_plugin_are_dropped_or_renamed() {
    let values = "storage: {logs: {fluentbit: {output: {type: loki, config: {Host: l, BatchWait: 1, BatchSize: 1.001024e+06, LineFormat: json, TenantID: t, Labels: 'a=b'}}}}}";
    let (profile, imported) = sane(values, &release("prod"));
    let config = at(&profile, "storage.logs.fluentbit.output.config").as_table().unwrap();
    assert_eq!(config.keys().collect::<Vec<_>>(), ["Host", "Labels", "line_format", "tenant_id"]);
    assert_eq!(what(&imported, "storage.logs.fluentbit.output.config.BatchSize"), "dropped");
    assert_eq!(
        what(&imported, "storage.logs.fluentbit.output.config.LineFormat"),
        "is now `line_format`"
    );
}

#[test]
fn outdated_fluent_bit_image_is_dropped_with_reason() {
    let (profile, imported) =
        sane("storage: {logs: {fluentbit: {image: {tag: 2.2.0}}}}", &release("prod"));
    assert!(!has(&profile, "storage.logs.fluentbit.image.tag"));
    assert!(
        imported
            .notes
            .iter()
            .any(|note| note.key.ends_with("image.tag") && note.why.contains("CVE-2024-4323"))
    );
    let (profile, _) =
        sane("storage: {logs: {fluentbit: {image: {tag: 4.2.1}}}}", &release("prod"));
    assert_eq!(text(&profile, "storage.logs.fluentbit.image.tag"), "4.2.1");
}

#[test]
fn d11_ineffective_forward_mode_becomes_its_actual_mode() {
    let (profile, imported) = sane("storage: {logs: {mode: forward}}", &release("prod"));
    assert_eq!(text(&profile, "storage.logs.mode"), "fluentbit");
    assert_eq!(what(&imported, "storage.logs.mode"), "changed to `fluentbit`");
}

#[test]
fn d18_nonexistent_endpoint_is_dropped() {
    let (profile, imported) = sane(MONITOR, &release("prod"));
    assert!(!has(&profile, "serviceMonitor.path"));
    assert_eq!(what(&imported, "serviceMonitor.path"), "dropped");
    assert_eq!(what(&imported, "serviceMonitor.namespace"), "kept");
}

#[test]
fn d25_scalars_in_maps_of_strings_get_their_quotes() {
    let values = "podAnnotations: {a: true, b: 1, c: 1.5}\nnodeSelector: {gpu: false}\nresources: {limits: {cpu: 1, memory: 1073741824}, requests: {cpu: 0.5}}\n";
    let (profile, _) = sane(values, &release("prod"));
    assert_eq!(text(&profile, "podAnnotations.a"), "true");
    assert_eq!(text(&profile, "podAnnotations.c"), "1.5");
    assert_eq!(text(&profile, "nodeSelector.gpu"), "false");
    assert_eq!(text(&profile, "resources.limits.cpu"), "1");
    assert_eq!(text(&profile, "resources.requests.cpu"), "0.5");
}

#[test]
fn d30_ineffective_settings_drop_and_zeros_get_effective_value() {
    let (profile, imported) = sane(
        "config: {rateLimitCleanupInterval: 5, timezoneOffset: 0, logMaxFiles: 0, apiKeyPrefix: ''}",
        &release("prod"),
    );
    for key in ["rateLimitCleanupInterval", "timezoneOffset", "logMaxFiles", "apiKeyPrefix"] {
        assert!(!has(&profile, &format!("config.{key}")), "{key}");
        assert_eq!(what(&imported, &format!("config.{key}")), "dropped", "{key}");
    }
}

#[test]
fn variables_move_to_matching_keys_without_duplicate_names() {
    let values = "
extraEnv:
- {name: TRUST_PROXY, value: 'true'}
- {name: NODE_OPTIONS, value: --max-old-space-size=300}
- {name: A, value: '1'}
- {name: A, value: '2'}
- {name: LDAP_BIND_PASSWORD, value: s3cret}
- {name: ENCRYPTION_KEY, valueFrom: {secretKeyRef: {name: own, key: enc}}}
- {name: RATE_LIMIT_CLEANUP_INTERVAL, value: '5'}
- {name: HTTPS_PROXY, value: 'http://u:s3cret@proxy:3128'}
- {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
- {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
";
    let (profile, imported) = sane(values, &release("prod"));
    assert_eq!(at(&profile, "config.trustProxy").as_bool(), Some(true));
    assert_eq!(at(&profile, "config.nodeMaxOldSpaceMb").as_integer(), Some(300));
    assert_eq!(text(&profile, "config.encryptionKey.existing.name"), "own");
    let names: Vec<&str> = at(&profile, "extraEnv")
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| variable["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["A", "LDAP_BIND_PASSWORD", "POD_IP"]);
    assert_eq!(text(&profile, "extraEnv.0.value"), "2");
    assert_eq!(text(&profile, "extraEnv.1.valueFrom.secretKeyRef.name"), "prod-claude-relay-env");
    assert_eq!(what(&imported, "extraEnv[7]"), "dropped");
    assert!(!format!("{}{:?}", imported.toml, imported.notes).contains("s3cret"));
}

#[test]
fn values_in_wrapper_are_read_and_noted() {
    let umbrella = "global: {imagePullSecrets: [{name: pull}]}\nother: {a: 1}\nclaude-relay: {replicaCount: 2, config: {logLevel: debug}}\n";
    let alias = "database: {size: 1}\nrelay:\n  replicaCount: 2\n  config: {logLevel: debug}\n";
    let flux = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nspec:\n  values: {replicaCount: 2, config: {logLevel: debug}}\n";
    let argo = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec:\n  source:\n    helm:\n      values: |\n        replicaCount: 2\n        config: {logLevel: debug}\n";
    for (values, place) in [
        (umbrella, "claude-relay"),
        (alias, "relay"),
        (flux, "spec.values"),
        (argo, "spec.source.helm.values"),
    ] {
        let (profile, imported) = sane(values, &release("prod"));
        assert_eq!(at(&profile, "replicaCount").as_integer(), Some(2), "{values}");
        assert_eq!(text(&profile, "config.logLevel"), "debug", "{values}");
        assert_eq!(what(&imported, "values"), format!("read below `{place}`"));
    }
    let (profile, _) = sane(umbrella, &release("prod"));
    assert_eq!(text(&profile, "imagePullSecrets.0.name"), "pull");
}

#[test]
fn pull_secrets_given_by_name_are_kept() {
    for values in ["imagePullSecrets: [pull]\n", "global: {imagePullSecrets: [pull]}\n"] {
        let (profile, imported) = sane(values, &release("prod"));
        assert_eq!(text(&profile, "imagePullSecrets.0.name"), "pull", "{values}");
        assert_eq!(what(&imported, "imagePullSecrets[0]"), "changed to a table");
    }
}

#[test]
fn object_without_values_of_chart_is_refused() {
    for (text, wanted) in [
        ("apiVersion: v1\nkind: ConfigMap\ndata: {a: b}\n", "an object of the kind ConfigMap"),
        ("apiVersion: x/v1\nkind: HelmRelease\nspec: {}\n", "an object of the kind HelmRelease"),
        (
            "a: {replicaCount: 1, config: {port: 1}}\nb: {replicaCount: 1, config: {port: 1}}\n",
            "several charts",
        ),
    ] {
        let error = relay_bundle::helm::values::import(text.as_bytes(), &release("prod"))
            .unwrap_err()
            .to_string();
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn variables_that_only_sound_secret_stay_plain() {
    let values = "
extraEnv:
- {name: MAX_API_KEYS_PER_USER, value: '3'}
- {name: ALLOW_USER_DELETE_API_KEYS, value: 'false'}
- {name: TLS_PRIVATE_KEY_FILE, value: /etc/tls/tls.key}
- {name: SITE_API_KEY, value: qvzk1}
- {name: BACKEND_URL, value: 'https://u:qvzk1@backend.example/'}
";
    let (profile, imported) = sane(values, &release("prod"));
    assert_eq!(text(&profile, "extraEnv.0.value"), "3");
    assert_eq!(text(&profile, "extraEnv.1.value"), "false");
    assert_eq!(text(&profile, "extraEnv.2.value"), "/etc/tls/tls.key");
    for index in [3, 4] {
        let secret = format!("extraEnv.{index}.valueFrom.secretKeyRef.name");
        assert_eq!(text(&profile, &secret), "prod-claude-relay-env");
    }
    assert!(!format!("{}{:?}", imported.toml, imported.notes).contains("qvzk1"));
}

#[test]
fn limits_missing_from_chart_are_reported() {
    let (_, imported) = sane("replicaCount: 1\n", &release("prod"));
    assert_eq!(what(&imported, "resources.limits.memory"), "not set");
    assert_eq!(what(&imported, "config.requestMaxSizeMb"), "not set");
    let (profile, imported) = sane("resources: {limits: {memory: 512Mi}}\n", &release("prod"));
    assert_eq!(text(&profile, "resources.limits.memory"), "512Mi");
    assert_eq!(what(&imported, "resources.limits.memory"), "");
}

#[test]
fn images_get_registry_that_nodes_assumed() {
    let values = "image: {repository: 'ghcr.io/own/relay'}\nredis: {image: {repository: bitnami/redis, registry: r.example}}\n\
                  storage: {logs: {fluentbit: {image: {repository: fluent/fluent-bit}}}}\n";
    let (profile, imported) = sane(values, &release("prod"));
    let repository = |image: &str| text(&profile, &format!("{image}.repository")).to_owned();
    assert_eq!(repository("storage.logs.fluentbit.image"), "docker.io/fluent/fluent-bit");
    assert_eq!(repository("image"), "ghcr.io/own/relay");
    assert_eq!(repository("redis.image"), "bitnami/redis");
    assert_eq!(
        what(&imported, "storage.logs.fluentbit.image.repository"),
        "is now `docker.io/fluent/fluent-bit`"
    );
}

#[test]
fn unknown_keys_are_dropped_with_nearest_key() {
    let values = "replicaCuont: 2\nconfig: {lgoLevel: debug}\ntolerations: [{key: a, opertor: Exists}]\nglobal: {foo: 1}\nredis: {architecture: standalone}\n";
    let (profile, imported) = sane(values, &release("prod"));
    assert!(
        !has(&profile, "replicaCuont")
            && !has(&profile, "config.lgoLevel")
            && !has(&profile, "global")
    );
    let why = |key: &str| {
        imported.notes.iter().find(|note| note.key == key).map(|note| note.why.clone()).unwrap()
    };
    assert!(why("replicaCuont").contains("`replicaCount`"), "{}", why("replicaCuont"));
    assert!(why("config.lgoLevel").contains("`logLevel`"));
    assert!(
        why("tolerations[0].opertor").contains("`operator`"),
        "{}",
        why("tolerations[0].opertor")
    );
    assert!(why("global.foo").contains("subchart"));
    assert_eq!(what(&imported, "redis.architecture"), "dropped");
}

#[test]
fn globals_move_where_chart_used_them() {
    let values = "global: {imageRegistry: r.example.com, imagePullSecrets: [{name: pull}], storageClass: fast}\nredis: {image: {imagePullPolicy: Always, tag: '8.2.1@sha256:0000000000000000000000000000000000000000000000000000000000000000'}}\n";
    let (profile, _) = sane(values, &release("prod"));
    assert_eq!(text(&profile, "redis.image.registry"), "r.example.com");
    assert_eq!(text(&profile, "imagePullSecrets.0.name"), "pull");
    assert_eq!(text(&profile, "redis.persistence.storageClass"), "fast");
    assert_eq!(text(&profile, "redis.image.pullPolicy"), "Always");
    assert_eq!(text(&profile, "redis.image.tag"), "8.2.1");
    assert!(text(&profile, "redis.image.digest").starts_with("sha256:"));
}

#[test]
fn nulls_empties_and_wrong_types_are_dropped_with_note() {
    let values = "
replicaCount: null
image: {pullPolicy: ''}
serviceMonitor: {namespace: '', interval: ''}
service: {nodePort: ''}
autoscaling: [1]
ingress: {tls: [{secretName: '', hosts: [a.example.com]}]}
podAnnotations: text
extraVolumes: {a: b}
release: {name: x}
";
    let (profile, imported) = sane(values, &release("prod"));
    for key in [
        "replicaCount",
        "image.pullPolicy",
        "serviceMonitor.namespace",
        "serviceMonitor.interval",
        "service.nodePort",
        "autoscaling",
        "podAnnotations",
        "extraVolumes",
    ] {
        assert!(!has(&profile, key), "{key}");
        assert!(what(&imported, key).contains("dropped"), "{key}");
    }
    assert_eq!(text(&profile, "release.name"), "prod");
}

#[test]
fn d20_chart_default_of_max_replicas_is_written_out() {
    let (profile, imported) = sane("autoscaling: {enabled: true}", &release("prod"));
    assert_eq!(at(&profile, "autoscaling.maxReplicas").as_integer(), Some(100));
    assert_eq!(what(&imported, "autoscaling.maxReplicas"), "added");
}

#[test]
fn long_fragments_become_equivalent_sections() {
    let values = r#"
extraContainers:
- name: proxy
  image: registry.example.com/proxy@sha256:0000000000000000000000000000000000000000000000000000000000000000
  args: ["--listen=127.0.0.1:8080", "--upstream=https://api.example.com", "--verbose", "--log-format=json", "--x"]
  resources: {limits: {cpu: 1, memory: 64Mi}, requests: {cpu: 10m, memory: 32Mi}}
tolerations:
- {key: a, operator: Exists}
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: kubernetes.io/arch, operator: In, values: [amd64, arm64, s390x, ppc64le, riscv64]}
replicaCount: 2
"#;
    let (profile, imported) = sane(values, &release("prod"));
    assert_eq!(text(&profile, "extraContainers.0.name"), "proxy");
    assert_eq!(text(&profile, "extraContainers.0.resources.limits.cpu"), "1");
    assert_eq!(at(&profile, "replicaCount").as_integer(), Some(2));
    assert!(imported.toml.contains("[[extraContainers]]"), "{}", imported.toml);
    assert!(imported.toml.lines().all(|line| line.chars().count() <= 130), "{}", imported.toml);
    let expressions = "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms.0.matchExpressions.0";
    assert_eq!(at(&profile, &format!("{expressions}.values")).as_array().unwrap().len(), 5);
}

#[test]
fn notes_follow_order_of_values() {
    let values = "zzz: 1\nconfig: {aaa: 1, jwtSecret: x}\naaa: 1\n";
    let keys: Vec<String> =
        convert(values, &release("prod")).notes.into_iter().map(|note| note.key).collect();
    assert_eq!(
        keys[..3],
        ["zzz", "config.encryptionKey", "config.adminPassword"].map(String::from)
    );
    assert!(
        keys.iter().position(|key| key == "config.aaa") < keys.iter().position(|key| key == "aaa")
    );
}

#[test]
fn emptied_section_is_not_written() {
    let values =
        "storage: {logs: {fluentbit: {image: {tag: 2.2.0}}}}\nservice: {prot: 80}\nconfig: {}\n";
    let (profile, _) = sane(values, &release("prod"));
    assert!(!has(&profile, "storage") && !has(&profile, "service"));
}

#[test]
fn values_changed_by_rule_keep_their_place() {
    let values = "tolerations: []\nextraEnv: [{name: A, value: b}]\nnodeSelector: {}\nstorage: {logs: {fluentbit: {output: {config: {Format: json}}}}}\nservice: {port: 8080}\n";
    let (_, imported) = sane(values, &release("prod"));
    let at = |text: &str| {
        imported.toml.find(text).unwrap_or_else(|| panic!("{text} in {}", imported.toml))
    };
    assert!(at("tolerations") < at("extraEnv") && at("extraEnv") < at("nodeSelector"));
    assert!(at("[storage") < at("[service]") && at("[service]") < at("[redis"));
}

#[test]
fn redis_tls_map_becomes_boolean() {
    for (tls, expected) in
        [("{enabled: true}", true), ("{enabled: 'true', ca: x}", true), ("{enabled: false}", false)]
    {
        let values = format!(
            "redis: {{enabled: false}}\nexternalRedis: {{host: r.example.com, tls: {tls}}}\n"
        );

        let (profile, imported) = sane(&values, &release("prod"));

        assert_eq!(at(&profile, "externalRedis.tls").as_bool(), Some(expected), "{tls}");
        assert_eq!(what(&imported, "externalRedis.tls"), format!("changed to `{expected}`"));
    }
}

#[test]
fn number_with_leading_zero_becomes_mode_read_by_helm() {
    let values = "extraVolumes:\n  - name: ldap-tls\n    secret: {secretName: ldap-tls, defaultMode: 0400, items: [{key: a, path: a, mode: 0755}]}\n\
                  podSecurityContext: {fsGroup: 01750}\nextraVolumeMounts:\n  - {name: ldap-tls, mountPath: /etc/ldap, readOnly: true}\n";
    let (profile, imported) = sane(values, &release("prod"));

    assert_eq!(at(&profile, "extraVolumes.0.secret.defaultMode").as_integer(), Some(0o400));
    assert_eq!(at(&profile, "extraVolumes.0.secret.items.0.mode").as_integer(), Some(0o755));
    assert_eq!(at(&profile, "podSecurityContext.fsGroup").as_integer(), Some(1000));
    assert!(
        imported.toml.contains("defaultMode = 0o400") && imported.toml.contains("mode = 0o755"),
        "{}",
        imported.toml
    );
    assert_eq!(what(&imported, "extraVolumes[0].secret.defaultMode"), "read as octal");
    assert_eq!(what(&imported, "podSecurityContext.fsGroup"), "read as octal");
}

#[test]
fn quoted_mode_is_octal_and_relay_variable_is_decimal() {
    let values = "extraVolumes:\n  - {name: a, secret: {secretName: a, defaultMode: \"0400\"}}\nconfig: {maxApiKeys: 5, port: \"03000\"}\n\
                  extraVolumeMounts:\n  - {name: a, mountPath: /etc/a}\n";
    let imported = convert(values, &release("prod"));
    let profile: toml::Table = imported.toml.parse().unwrap();

    assert_eq!(at(&profile, "extraVolumes.0.secret.defaultMode").as_integer(), Some(0o400));
    assert_eq!(what(&imported, "extraVolumes[0].secret.defaultMode"), "read as octal");
    assert_eq!(at(&profile, "config.port").as_integer(), Some(3000));
}

#[test]
fn note_names_octal_number_unless_it_may_be_password() {
    let values = "extraVolumes:\n  - {name: a, secret: {secretName: a, defaultMode: 0755}}\n  - {name: b, secret: {secretName: b, defaultMode: 400}}\n\
                  redis: {auth: {password: 0123456}}\n";
    let imported = convert(values, &release("prod"));

    let why = |key: &str| {
        let notes = imported
            .notes
            .iter()
            .filter(|note| note.key == key && note.why.starts_with("Helm reads"));
        notes.map(|note| note.why.as_str()).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(
        why("extraVolumes[0].secret.defaultMode"),
        "Helm reads a number that starts with 0 as octal: 0755 is 493"
    );
    assert_eq!(
        why("extraVolumes[1].secret.defaultMode"),
        "Helm reads 400 as decimal; write `0o400` if you mean octal"
    );
    assert_eq!(what(&imported, "extraVolumes[1].secret.defaultMode"), "is the mode `0o620`");
    assert_eq!(why("redis.auth.password"), "Helm reads a number that starts with 0 as octal");
}

#[test]
fn mode_that_helm_shows_as_decimal_is_written_in_octal() {
    let (_, imported) = sane(
        "extraVolumes:\n  - {name: a, secret: {secretName: a, defaultMode: 256}}\nextraVolumeMounts:\n  - {name: a, mountPath: /etc/a}\n",
        &release("prod"),
    );
    assert!(imported.toml.contains("defaultMode = 0o400"), "{}", imported.toml);
    assert_eq!(what(&imported, "extraVolumes[0].secret.defaultMode"), "");
}

#[test]
fn invisible_characters_are_escaped_in_profile() {
    let values = "podAnnotations: {\"a/b\\u200Bc\": \"x\\u009B2Jy\\u202E\\uFEFF\\U000E0001\\\"\\\\\"}\ningress: {hosts: [{host: \"a\\u200Bb\"}]}\n";
    let imported = convert(values, &release("prod"));
    let profile: toml::Table = imported.toml.parse().unwrap();

    let hidden =
        |c: char| c != '\n' && (c.is_control() || "\u{200b}\u{202e}\u{feff}\u{e0001}".contains(c));
    assert!(!imported.toml.contains(hidden), "{:?}", imported.toml);
    let annotations = profile["podAnnotations"].as_table().unwrap();
    assert_eq!(
        annotations["a/b\u{200b}c"].as_str(),
        Some("x\u{9b}2Jy\u{202e}\u{feff}\u{e0001}\"\\")
    );
}

#[test]
fn password_parsed_as_yaml_map_is_not_in_notes() {
    let values = "config: {jwtSecret: {qvzk1}, adminPassword: {qvzk1: qvzk2}, jwtSecrt: {qvzk1}}\nredis: {auth: {enabled: true, password: {qvzk1}, existingSecret: null}}\n\
                  extraEnv: [{name: LDAP_PASSWORD, value: {qvzk1}}]\n";
    let imported = convert(values, &release("prod"));

    assert!(!format!("{:?}", imported.notes).contains("qvzk"), "{:?}", imported.notes);
    assert!(!imported.toml.contains("qvzk"), "{}", imported.toml);
}

#[test]
fn key_that_may_hold_secret_is_not_named() {
    for values in [
        "{jwtSecret:qvzk1}",
        "config: {jwtSecret:qvzk1, logLevel: info}",
        "config: {qvzk1}",
        "config:\n  jwtSecret:qvzk1:\n",
        "qvzk1:\n",
        "redis: {auth: {password:qvzk1}}",
        "global: {redis: {password:qvzk1}}",
        "storage: {logs: {mode: fluentbit, fluentbit: {enabled: true, output: {type: http, config: {http_passwd:qvzk1}}}}}",
        "extraEnv: [{name: PASSWORD, value:qvzk1}]",
        "env: {JWT_SECRET=qvzk1: a}",
        "\"password qvzk1\": a",
        "externalRedis: {tls: {qvzk1: 1}}",
        "config: {jwtSecret: {qvzk1: a}}",
        "config: {jwtSecret: {existing: {name: \"qvzk1 x\", key: k}}}",
        "config: {jwtSecret: {generate: {length: qvzk1}}}",
    ] {
        let imported = convert(values, &ImportOptions::default());
        let said = format!("{}{:?}", imported.toml, imported.notes);
        assert!(!said.contains("qvzk"), "{values}\n{said}");
    }
}

#[test]
fn notes_on_symlinked_values_name_only_known_keys() {
    let options = ImportOptions { visibility: Visibility::Places, ..ImportOptions::default() };
    let imported = convert("qvzk1: a\nconfig: {qvzk2: a, logLevel: true}\n", &options);

    assert!(!format!("{:?}", imported.notes).contains("qvzk"), "{:?}", imported.notes);
    assert_eq!(what(&imported, "values"), "dropped");
    assert!(what(&imported, "config.logLevel").contains("a string"), "{:?}", imported.notes);
}
