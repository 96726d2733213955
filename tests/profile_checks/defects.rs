//! The chart's defects that a profile could reproduce: each is refused or named.

use super::{expect, findings, load_dev, load_strict, words};

#[test]
fn d01_encryption_key_has_no_generations() {
    expect(
        load_strict,
        &[
            (
                "config.encryptionKey = { generate = { generation = 2 } }",
                &["RB0202 config.encryptionKey.generate.generation"],
            ),
            ("config.encryptionKey = { generate = { generation = 1 } }", &[]),
            ("config.jwtSecret = { generate = { generation = 2 } }", &[]),
        ],
    );
}

#[test]
fn d04_relay_name_never_equals_redis_name() {
    expect(
        load_dev,
        &[
            ("nameOverride = \"redis\"", &["RB0311 nameOverride"]),
            ("release.name = \"claude-relay-redis\"", &[]),
            // `a-redis-headless` would name both the relay's Service and Redis's headless one.
            (
                "release.name = \"a-redis\"\nfullnameOverride = \"a-redis-headless\"",
                &["RB0311 fullnameOverride"],
            ),
            ("serviceAccount.name = \"claude-relay-redis\"", &["RB0311 release.name"]),
            ("serviceAccount = { create = false, name = \"claude-relay-redis\" }", &[]),
        ],
    );
}

#[test]
fn d04b_name_leaves_room_for_suffixes() {
    let long = |length: usize| format!("release.name = \"{}\"", "a".repeat(length));
    // `-claude-relay` has 13 characters.
    expect(load_dev, &[(&long(37), &[]), (&long(38), &["RB0310 release.name"])]);
    expect(
        load_dev,
        &[(&format!("{}\nnameOverride = \"bcdefgh\"", long(45)), &["RB0310 nameOverride"])],
    );
}

#[test]
fn d06_password_not_required_by_redis_is_reported() {
    expect(
        load_dev,
        &[
            ("redis.auth.password = \"secret\"", &["RB0404 redis.auth.password"]),
            ("redis.auth = { enabled = true, password = \"secret\" }", &[]),
        ],
    );
}

#[test]
fn d08_ingress_needs_host() {
    expect(
        load_dev,
        &[
            ("ingress = { enabled = true, hosts = [] }", &["RB0330 ingress.hosts"]),
            // A host without paths gets `/`.
            ("ingress = { enabled = true, hosts = [{ host = \"relay.example.internal\" }] }", &[]),
        ],
    );
}

#[test]
fn d09_blocked_path_is_neither_root_nor_route() {
    let with = |paths: &str| {
        format!(
            "ingress = {{ enabled = true, hosts = [{{ host = \"a.b\", paths = [{{ path = \"/api\" }}] }}], blockedPaths = {paths} }}"
        )
    };
    expect(
        load_dev,
        &[
            (&with("[\"/metrics\"]"), &[]),
            (&with("[\"/\"]"), &["RB0334 ingress.blockedPaths[0]"]),
            (&with("[\"/metrics/\"]"), &["RB0334 ingress.blockedPaths[0]"]),
            (&with("[\"/metrics\", \"/metrics\"]"), &["RB0334 ingress.blockedPaths[1]"]),
            (&with("[\"/api\"]"), &["RB0334 ingress.blockedPaths[0]"]),
            (&with("[\"/API\"]"), &["RB0334 ingress.blockedPaths[0]"]),
            (&with("[\"/ap\"]"), &[]),
            (&with("[\"/api/a;b\"]"), &["RB0004 ingress.blockedPaths[0]"]),
        ],
    );
}

#[test]
fn d10_ingress_class_is_set_only_once() {
    expect(
        load_dev,
        &[
            (
                "ingress = { enabled = true, className = \"nginx\", annotations = { \"kubernetes.io/ingress.class\" = \"nginx\" } }",
                &["RB0332 ingress.className"],
            ),
            (
                "ingress = { enabled = true, annotations = { \"kubernetes.io/ingress.class\" = \"nginx\" } }",
                &[],
            ),
        ],
    );
}

#[test]
fn d11_key_without_effect_is_reported() {
    expect(
        load_dev,
        &[
            (
                "storage.logs.persistence.enabled = true",
                &["RB0404 storage.logs.persistence.enabled"],
            ),
            ("storage.logs = { mode = \"pvc\" }", &["RB0413 storage.logs.persistence.enabled"]),
            (
                "storage.logs = { mode = \"emptyDir\", fluentbit.output.type = \"stdout\" }",
                &["RB0404 storage.logs.fluentbit.output"],
            ),
            (
                "storage.logs = { mode = \"forward\", fluentbit.enabled = false }",
                &["RB0404 storage.logs.fluentbit.enabled"],
            ),
            (
                "storage.logs = { mode = \"forward\", fluentbit.output.type = \"stdout\" }",
                &["RB0504 storage.logs.fluentbit.output.type"],
            ),
            (
                "serviceMonitor = { enabled = true, port = \"metrics\" }",
                &["RB0341 serviceMonitor.port"],
            ),
        ],
    );
}

#[test]
fn d12_unknown_log_mode_is_refused() {
    expect(load_dev, &[("storage.logs.mode = \"fluent-bit\"", &["RB0004 storage.logs.mode"])]);
}

#[test]
fn d13_data_is_stored_in_emptydir_only() {
    expect(load_dev, &[("storage.data.type = \"pvc\"", &["RB0004 storage.data.type"])]);
}

#[test]
fn d14_single_node_volume_is_not_shared() {
    let logs = |more: &str| {
        format!("storage.logs = {{ mode = \"pvc\", persistence.enabled = true }}\n{more}")
    };
    let external = |more: &str| format!("storage.data.external.enabled = true\n{more}");
    let (of_logs, of_data): (&[&str], &[&str]) = (
        &["RB0322 storage.logs.persistence.accessMode"],
        &["RB0322 storage.data.external.accessMode"],
    );
    expect(
        load_dev,
        &[
            (&logs(""), &[]),
            (&logs("replicaCount = 2"), of_logs),
            (&logs("autoscaling.enabled = true"), of_logs),
            (&logs("strategy = { type = \"RollingUpdate\" }"), of_logs),
            (&logs("strategy = { type = \"Recreate\" }"), &[]),
            (
                "storage.logs = { mode = \"pvc\", persistence = { enabled = true, accessMode = \"ReadWriteMany\" } }\nreplicaCount = 3",
                &[],
            ),
            (&external(""), &[]),
            (&external("replicaCount = 2"), of_data),
            (&external("autoscaling = { enabled = true, maxReplicas = 1 }"), of_data),
        ],
    );
    let loaded = load_dev(&logs("replicaCount = 2"));
    assert!(words(&loaded).contains(
        "`storage.logs.persistence.accessMode = \"ReadWriteMany\"`, or `replicaCount = 1`"
    ));
}

#[test]
fn d15_outdated_fluent_bit_image_is_refused() {
    expect(
        load_dev,
        &[(
            "storage.logs.fluentbit.image.tag = \"2.2.0\"",
            &["RB0500 storage.logs.fluentbit.image.tag"],
        )],
    );
}

#[test]
fn d16_credentials_are_never_written_out_outside_dev() {
    let output = "storage.logs.fluentbit.output = { type = \"http\", config = { host = \"logs.example.internal\", http_user = \"u\", http_passwd = \"p\", tls = true } }";
    expect(load_dev, &[(output, &[])]);
    expect(load_strict, &[(output, &["RB0502 storage.logs.fluentbit.output.config.http_passwd"])]);
}

#[test]
fn d16b_line_break_is_refused_except_where_kubernetes_hands_text_on() {
    let own = |key: &str| {
        format!(
            "extraContainers = [{{ name = \"side\", image = \"r.example/side:1\", resources = {{ limits = {{ cpu = 1, memory = \"64Mi\" }}, requests = {{ cpu = 1, memory = \"64Mi\" }} }}, {key} }}]"
        )
    };
    expect(
        load_dev,
        &[
            ("podAnnotations.note = \"a\\nb\\tc\"", &[]),
            ("ingress.annotations.note = \"\"\"a\nb\"\"\"", &[]),
            (&own("args = [\"-c\", \"a\\n\\tb\"]"), &[]),
            (&own("env = [{ name = \"A\", value = \"a\\nb\" }]"), &[]),
            (&own("lifecycle = { preStop = { exec = { command = [\"a\\nb\"] } } }"), &[]),
            (&own("workingDir = \"/a\\nb\""), &["RB0101 extraContainers[0].workingDir"]),
            ("podAnnotations.note = \"a\\rb\"", &["RB0101 podAnnotations.note"]),
            ("podAnnotations.note = \"a\\n\\u202Eb\"", &["RB0101 podAnnotations.note"]),
            ("extraEnv = [{ name = \"A\", value = \"a\\tb\" }]", &["RB0101 extraEnv[0].value"]),
        ],
    );
}

#[test]
fn d16c_options_of_another_plugin_are_refused() {
    expect(
        load_dev,
        &[(
            "storage.logs.fluentbit.output = { type = \"loki\", config = { host = \"loki\", BatchWait = 1 } }",
            &["RB0502 storage.logs.fluentbit.output.config.BatchWait"],
        )],
    );
}

#[test]
fn d17_every_container_meets_restricted_standard() {
    expect(
        load_dev,
        &[
            ("podSecurityContext.runAsUser = 0", &["RB0160 podSecurityContext.runAsUser"]),
            ("podSecurityContext.runAsUser = 10001", &[]),
            ("securityContext.privileged = true", &["RB0160 securityContext.privileged"]),
            (
                "securityContext.capabilities.drop = [\"NET_RAW\"]",
                &["RB0160 securityContext.capabilities.drop"],
            ),
            (
                "podAnnotations = { \"container.apparmor.security.beta.kubernetes.io/claude-relay\" = \"unconfined\" }",
                &[
                    "RB0160 podAnnotations.\"container.apparmor.security.beta.kubernetes.io/claude-relay\"",
                ],
            ),
            (
                "podAnnotations = { \"container.apparmor.security.beta.kubernetes.io/claude-relay\" = \"runtime/default\" }",
                &[],
            ),
            (
                "podAnnotations = { \"seccomp.security.alpha.kubernetes.io/pod\" = \"unconfined\" }",
                &["RB0160 podAnnotations.\"seccomp.security.alpha.kubernetes.io/pod\""],
            ),
        ],
    );
}

#[test]
fn d18_target_prometheus_cannot_scrape_is_reported() {
    let monitor = |more: &str| format!("serviceMonitor = {{ enabled = true, {more} }}");
    expect(
        load_dev,
        &[
            (&monitor("interval = \"1m\""), &[]),
            (&monitor("exporter.enabled = false"), &["RB0410 serviceMonitor.exporter.enabled"]),
            (&monitor("path = \"/prometheus\""), &["RB0341 serviceMonitor.path"]),
            (&monitor("scrapeTimeout = \"31s\""), &["RB0340 serviceMonitor.scrapeTimeout"]),
            (&monitor("scrapeTimeout = \"30s\""), &[]),
        ],
    );
}

#[test]
fn d20_autoscaler_needs_valid_bounds_targets_and_requests() {
    let scaled = |more: &str| format!("autoscaling = {{ enabled = true, {more} }}");
    expect(
        load_dev,
        &[
            (&scaled("minReplicas = 2"), &[]),
            (&scaled("minReplicas = 11"), &["RB0320 autoscaling.minReplicas"]),
            (
                &scaled("targetCPUUtilizationPercentage = 0"),
                &["RB0321 autoscaling.targetCPUUtilizationPercentage"],
            ),
            (
                &scaled(
                    "targetCPUUtilizationPercentage = 0, targetMemoryUtilizationPercentage = 80",
                ),
                &[],
            ),
        ],
    );
    let gap = "extraContainers = [{ name = \"side\", image = \"r.example/b:1\" }]";
    let path = "RB0112 extraContainers[0].resources";
    let expected = [format!("{path}.limits"), format!("{path}.requests")];
    let (plain, scaled) = (load_dev(gap), load_dev(&format!("autoscaling.enabled = true\n{gap}")));
    assert_eq!((findings(&plain), plain.diagnostics.has_errors()), (expected.to_vec(), false));
    assert_eq!((findings(&scaled), scaled.diagnostics.has_errors()), (expected.to_vec(), true));
}

#[test]
fn d21_administrator_needs_name() {
    expect(
        load_dev,
        &[
            ("config.adminUsername = \"\"", &["RB0303 config.adminUsername"]),
            ("config.adminPassword = \"only-the-password\"", &[]),
        ],
    );
}

#[test]
fn d22_relay_without_own_redis_needs_external_host() {
    expect(
        load_dev,
        &[
            ("redis.enabled = false", &["RB0301 externalRedis.host"]),
            ("redis.enabled = false\nexternalRedis.host = \"redis.example.internal\"", &[]),
            ("externalRedis.host = \"redis.example.internal\"", &["RB0404 externalRedis.host"]),
            ("externalRedis.password = \"p\"", &["RB0404 externalRedis.password"]),
        ],
    );
}

#[test]
fn d24_no_key_and_no_variable_stands_twice() {
    expect(
        load_dev,
        &[
            (
                "serviceMonitor.labels.\"app.kubernetes.io/name\" = \"x\"",
                &["RB0103 serviceMonitor.labels.\"app.kubernetes.io/name\""],
            ),
            (
                "podLabels.\"app.kubernetes.io/instance\" = \"x\"",
                &["RB0103 podLabels.\"app.kubernetes.io/instance\""],
            ),
            (
                "podAnnotations.\"checksum/config\" = \"x\"",
                &["RB0103 podAnnotations.\"checksum/config\""],
            ),
            (
                "extraEnv = [{ name = \"A\", value = \"1\" }, { name = \"A\", value = \"2\" }]",
                &["RB0131 extraEnv[1].name"],
            ),
            ("extraEnv = [{ name = \"REDIS_HOST\", value = \"x\" }]", &["RB0132 extraEnv[0].name"]),
            (
                "extraEnv = [{ name = \"NODE_OPTIONS\", value = \"x\" }]",
                &["RB0132 extraEnv[0].name"],
            ),
        ],
    );
    let loaded = load_dev("extraEnv = [{ name = \"LOG_LEVEL\", value = \"debug\" }]");
    assert!(words(&loaded).contains("set `config.logLevel`"), "{}", words(&loaded));
}

#[test]
fn d28_redis_has_memory_bound_below_its_limit() {
    expect(
        load_dev,
        &[
            (
                "redis.resources.limits.memory = \"32Mi\"",
                &["RB0111 redis.resources.limits.memory", "RB0371 redis.resources.limits.memory"],
            ),
            ("redis.resources.limits.memory = \"1Gi\"", &[]),
        ],
    );
}

#[test]
fn d30_values_relay_would_change_are_refused() {
    expect(
        load_dev,
        &[
            ("config.timezoneOffset = 0", &["RB0302 config.timezoneOffset"]),
            ("config.timezoneOffset = -5", &[]),
            ("config.rateLimitCleanupInterval = 5", &["RB0404 config.rateLimitCleanupInterval"]),
        ],
    );
}

#[test]
fn d31_service_fields_match_service_type() {
    let service = |more: &str| format!("service = {{ {more} }}");
    expect(
        load_dev,
        &[
            (&service("nodePort = 30080"), &["RB0336 service.nodePort"]),
            (&service("type = \"NodePort\", nodePort = 30080"), &[]),
            (&service("type = \"LoadBalancer\", nodePort = 30080"), &[]),
            (&service("type = \"NodePort\", nodePort = 8080"), &["RB0408 service.nodePort"]),
            (&service("loadBalancerIP = \"10.0.0.1\""), &["RB0336 service.loadBalancerIP"]),
            (
                &service("type = \"LoadBalancer\", loadBalancerIP = \"10.0.0.1\""),
                &["RB0409 service.loadBalancerIP"],
            ),
            (
                &service("loadBalancerSourceRanges = [\"10.0.0.0/8\"]"),
                &["RB0336 service.loadBalancerSourceRanges"],
            ),
        ],
    );
}
