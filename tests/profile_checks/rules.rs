//! Rules between keys that no defect of the chart stands for, and the secrets.

use std::collections::BTreeMap;

use relay_bundle::profile;

use super::sealed_files::{RECIPIENT, sealed_for, without_place};
use super::{Files, expect, findings, load_bytes, load_dev, load_strict, words};

#[test]
fn an_empty_profile_for_production_is_valid_and_says_what_is_better_stated() {
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
fn literal_secrets_are_for_development_only_and_never_shown() {
    let literal = "config.jwtSecret = \"hunter2-hunter2\"\nredis.auth.password = { value = \"hunter2\" }";
    expect(load_dev, &[(&format!("redis.auth.enabled = true\n{literal}"), &[])]);
    expect(load_strict, &[(literal, &["RB0201 config.jwtSecret", "RB0201 redis.auth.password"])]);
    assert!(!words(&load_strict(literal)).contains("hunter2"));
}

#[test]
fn an_existing_secret_is_not_one_of_the_bundle() {
    let existing =
        |name: &str| format!("config.jwtSecret = {{ existing = {{ name = \"{name}\", key = \"k\" }} }}");
    expect(
        load_strict,
        &[
            (&existing("mine"), &[]),
            (&existing("claude-relay-secret"), &[]),
            (&existing("claude-relay-generated"), &["RB0203 config.jwtSecret.existing.name"]),
        ],
    );
}

#[test]
fn a_sealed_secret_is_a_small_file_of_age_for_one_place() {
    let sealed = BTreeMap::from([
        ("secrets/good.age".to_owned(), sealed_for("claude-relay/claude-relay-sealed/jwt-secret")),
        ("secrets/old.age".to_owned(), without_place()),
        ("secrets/moved.age".to_owned(), sealed_for("plant-7/claude-relay-sealed/jwt-secret")),
        ("secrets/swapped.age".to_owned(), sealed_for("claude-relay/claude-relay-sealed/admin-password")),
        ("secrets/cut.age".to_owned(), without_place()[..300].to_vec()),
        ("secrets/armour.age".to_owned(), b"-----BEGIN AGE ENCRYPTED FILE-----\nabc".to_vec()),
        ("secrets/clear.age".to_owned(), b"hunter2".to_vec()),
        ("secrets/large.age".to_owned(), [b"age-encryption.org/v1\n".to_vec(), vec![0; 65536]].concat()),
    ]);
    let loaded = |text: &str| {
        let profiles =
            BTreeMap::from([("p".to_owned(), format!("release.environment = \"dev\"\n{text}").into_bytes())]);
        profile::load("p", &[], &Files { profiles, sealed: sealed.clone() })
    };
    let codes = |text: &str| {
        let loaded = loaded(text);
        (findings(&loaded), loaded.profile.map_or(0, |profile| profile.sealed.len()))
    };
    let one = |file: &str| format!("config.jwtSecret = {{ age = \"secrets/{file}.age\" }}");
    assert_eq!(codes(&one("good")), (vec![], 1));
    assert_eq!(codes(&one("old")), (vec!["RB0430 config.jwtSecret".to_owned()], 1));
    for (file, code) in [
        ("clear", "RB0211"),
        ("cut", "RB0211"),
        ("armour", "RB0211"),
        ("large", "RB0212"),
        ("missing", "RB0210"),
        ("moved", "RB0215"),
        ("swapped", "RB0215"),
    ] {
        assert_eq!(codes(&one(file)), (vec![format!("{code} config.jwtSecret")], 0));
        assert!(!words(&loaded(&one(file))).contains("hunter2"));
    }
    let both = format!("{}\nconfig.adminPassword = {{ age = \"secrets/good.age\" }}", one("good"));
    assert_eq!(codes(&both).0, ["RB0213 config.adminPassword"]);
}

#[test]
fn sealed_secret_is_for_every_seal_recipient() {
    let own = format!("\"{RECIPIENT}\"");
    let other = "\"age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa\"";
    let sealed = sealed_for("claude-relay/claude-relay-sealed/jwt-secret");
    for (keys, wanted) in [
        (own.clone(), vec![]),
        (String::new(), vec![]),
        (format!("{own}, {other}"), vec!["RB0431 config.jwtSecret"]),
        (other.to_owned(), vec!["RB0431 config.jwtSecret"]),
    ] {
        let text = format!(
            "release = {{ environment = \"dev\", sealRecipients = [{keys}] }}\nconfig.jwtSecret.age = \"secrets/a.age\""
        );
        let profiles = BTreeMap::from([("p".to_owned(), text.into_bytes())]);
        let sealed = BTreeMap::from([("secrets/a.age".to_owned(), sealed.clone())]);

        let loaded = profile::load("p", &[], &Files { profiles, sealed });

        assert_eq!(findings(&loaded), wanted, "{keys}");
    }
}

#[test]
fn images_are_decided_by_something() {
    expect(
        load_dev,
        &[
            ("redis.image = { tag = \"\", digest = \"\" }", &["RB0350 redis.image.tag"]),
            ("redis.image = { tag = \"latest\", digest = \"\" }", &["RB0403 redis.image.tag"]),
            // A tag in a higher layer takes the default's digest away.
            ("redis.image.tag = \"8.4.0\"", &[]),
            (
                "redis.enabled = false\nexternalRedis.host = \"a\"\nredis.image = { tag = \"\", digest = \"\" }",
                &[],
            ),
        ],
    );
    expect(load_strict, &[("redis.image.tag = \"8.4.0\"", &["RB0402 redis.image.digest"])]);
}

#[test]
fn the_relay_listens_where_it_is_asked() {
    expect(
        load_dev,
        &[
            ("config.host = \"127.0.0.1\"", &["RB0304 config.host"]),
            ("config.host = \"::\"", &[]),
            ("config.port = 2020", &["RB0306 config.port"]),
            ("config.port = 7979", &[]),
            ("config.port = 7979\nserviceMonitor.enabled = true", &["RB0306 serviceMonitor.exporter.port"]),
            ("config.port = 2020\nstorage.logs.mode = \"emptyDir\"", &[]),
        ],
    );
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
fn an_authority_is_mounted() {
    let authority = "config.nodeExtraCaCerts = \"/etc/relay/ca.crt\"";
    let mount = "extraVolumes = [{ name = \"ca\", secret = { secretName = \"ca\" } }]\nextraVolumeMounts = [{ name = \"ca\", mountPath = \"/etc/relay\" }]";
    expect(
        load_dev,
        &[(authority, &["RB0416 config.nodeExtraCaCerts"]), (&format!("{authority}\n{mount}"), &[])],
    );
}

#[test]
fn a_budget_lets_a_node_be_drained() {
    let budget = |more: &str| format!("podDisruptionBudget = {{ enabled = true, {more} }}");
    let of = |pods: u8, more: &str| format!("replicaCount = {pods}\n{}", budget(more));
    let (min, max): (&[&str], &[&str]) =
        (&["RB0325 podDisruptionBudget.minAvailable"], &["RB0325 podDisruptionBudget.maxUnavailable"]);
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
fn a_strategy_can_replace_pods() {
    let rolling =
        |more: &str| format!("strategy = {{ type = \"RollingUpdate\", rollingUpdate = {{ {more} }} }}");
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
            (&rolling("maxUnavailable = \"200%\""), &["RB0171 strategy.rollingUpdate.maxUnavailable"]),
            ("replicaCount = 0", &["RB0411 replicaCount"]),
        ],
    );
}

#[test]
fn one_pod_volumes_need_a_server_that_knows_them() {
    let external =
        |mode: &str| format!("storage.data.external = {{ enabled = true, accessMode = \"{mode}\" }}");
    expect(
        load_dev,
        &[
            (&external("ReadWriteOncePod"), &["RB0170 storage.data.external.accessMode"]),
            (&format!("kubernetes.version = \"1.29\"\n{}", external("ReadWriteOncePod")), &[]),
            ("redis.persistence.accessMode = \"ReadWriteOncePod\"", &["RB0170 redis.persistence.accessMode"]),
        ],
    );
}

#[test]
fn redis_without_a_volume_is_for_development() {
    expect(load_dev, &[("redis.persistence.enabled = false", &[])]);
    expect(load_strict, &[("redis.persistence.enabled = false", &["RB0414 redis.persistence.enabled"])]);
    expect(
        load_dev,
        &[(
            "redis.persistence = { enabled = false, existingClaim = \"data\" }",
            &["RB0404 redis.persistence.existingClaim"],
        )],
    );
}

#[test]
fn an_ingress_fits_together() {
    let ingress = |more: &str| format!("ingress = {{ enabled = true, {more} }}");
    let host = "hosts = [{ host = \"relay.example.internal\" }]";
    expect(
        load_strict,
        &[
            (&ingress("className = \"nginx\""), &["RB0405 ingress.tls", "RB0407 ingress.hosts[0].host"]),
            (&ingress(host), &["RB0405 ingress.tls"]),
            (
                &ingress(&format!(
                    "{host}, tls = [{{ secretName = \"t\", hosts = [\"relay.example.internal\"] }}]"
                )),
                &[],
            ),
            (
                &ingress(&format!(
                    "{host}, tls = [{{ secretName = \"t\", hosts = [\"*.example.internal\"] }}]"
                )),
                &[],
            ),
            (
                &ingress(&format!(
                    "{host}, tls = [{{ secretName = \"t\", hosts = [\"other.example.internal\"] }}]"
                )),
                &["RB0406 ingress.tls[0].hosts[0]"],
            ),
            (
                &ingress(&format!("{host}, tls = [{{ secretName = \"\" }}]")),
                &["RB0337 ingress.tls[0].secretName"],
            ),
        ],
    );
    expect(
        load_dev,
        &[
            (&ingress("hosts = [{ host = \"a.b\" }, { host = \"a.b\" }]"), &["RB0331 ingress.hosts[1].host"]),
            (
                &ingress("hosts = [{ host = \"a.b\", paths = [{ path = \"/x\" }, { path = \"/x\" }] }]"),
                &["RB0331 ingress.hosts[0].paths[1].path"],
            ),
            (
                &ingress("routes = \"known\", hosts = [{ host = \"a.b\", paths = [{ path = \"/x\" }] }]"),
                &["RB0333 ingress.hosts[0].paths[0].path"],
            ),
            (&ingress("routes = \"known\", hosts = [{ host = \"a.b\" }]"), &[]),
        ],
    );
}

#[test]
fn a_route_belongs_to_a_gateway() {
    let gateway = |more: &str| format!("gateway = {{ enabled = true, {more} }}");
    expect(
        load_dev,
        &[
            (&gateway("hostnames = [\"a.b\"]"), &["RB0335 gateway.parentRefs"]),
            (&gateway("parentRefs = [{ name = \"public\" }]"), &[]),
            (&gateway("parentRefs = [{ name = \"\" }]"), &["RB0335 gateway.parentRefs[0].name"]),
            (
                &gateway("parentRefs = [{ name = \"public\" }], hostnames = [\"a.b\", \"a.b\", \"\"]"),
                &["RB0331 gateway.hostnames[1]", "RB0331 gateway.hostnames[2]"],
            ),
        ],
    );
}

#[test]
fn a_policy_lets_through_what_the_relay_needs() {
    let policy = |egress: &str| format!("networkPolicy = {{ enabled = true, egressTo = {egress} }}");
    let external = |host: &str, egress: &str| {
        format!(
            "redis.enabled = false\nexternalRedis = {{ host = \"{host}\", port = 6380 }}\n{}",
            policy(egress)
        )
    };
    let blocked: &[&str] = &["RB0370 networkPolicy.egressTo"];
    let to = |cidr: &str, port: u16| {
        format!("[{{ to = [{{ ipBlock = {{ cidr = \"{cidr}\" }} }}], ports = [{{ port = {port} }}] }}]")
    };
    expect(
        load_dev,
        &[
            (&policy("[]"), &["RB0415 networkPolicy.egressTo"]),
            (
                &format!("config.priceMirrorBaseUrl = \"\"\n{}", policy("[]")),
                &["RB0415 config.priceMirrorBaseUrl", "RB0415 networkPolicy.egressTo"],
            ),
            (&policy("[{}]"), &[]),
            (
                &format!("kubernetes.version = \"1.20\"\n{}", policy("[{}]")),
                &["RB0372 networkPolicy.dns.peers"],
            ),
            (&format!("kubernetes.version = \"1.21\"\n{}", policy("[{}]")), &[]),
            (
                &external("redis.example.internal", "[]"),
                &["RB0370 networkPolicy.egressTo", "RB0415 networkPolicy.egressTo"],
            ),
            (&external("redis.example.internal", &to("10.0.0.0/8", 6380)), &[]),
            (&external("redis.example.internal", &to("10.0.0.0/8", 6379)), blocked),
            (&external("10.1.2.3", &to("10.0.0.0/8", 6380)), &[]),
            (&external("192.0.2.1", &to("10.0.0.0/8", 6380)), blocked),
            (&external("192.0.2.1", &to("0.0.0.0/0", 6380)), &[]),
            (&external("fd00::1", &to("10.0.0.0/8", 6380)), blocked),
            (&external("10.1.2.3", "[{ ports = [{ port = 6000, endPort = 7000 }] }]"), &[]),
            (
                &external(
                    "10.1.2.3",
                    "[{ to = [{ ipBlock = { cidr = \"10.0.0.0/8\", except = [\"10.1.0.0/16\"] } }] }]",
                ),
                blocked,
            ),
            (
                &format!(
                    "storage.logs = {{ mode = \"forward\", fluentbit.output.config.host = \"logs\" }}\n{}",
                    policy("[]")
                ),
                &["RB0370 networkPolicy.egressTo", "RB0415 networkPolicy.egressTo"],
            ),
        ],
    );
}

#[test]
fn a_service_monitor_finds_its_service() {
    let monitor = |more: &str| format!("serviceMonitor = {{ enabled = true, {more} }}");
    expect(
        load_dev,
        &[
            (
                &monitor("namespaceSelector.matchNames = [\"other\"]"),
                &["RB0342 serviceMonitor.namespaceSelector"],
            ),
            (&monitor("namespaceSelector.matchNames = [\"other\", \"claude-relay\"]"), &[]),
            (&monitor("namespaceSelector.any = true"), &[]),
            (&monitor("relabelings = [{ action = \"labelmap\" }]"), &[]),
            (&monitor("namespace = \"m\""), &[]),
            (&monitor("namespace = \"m\", namespaceSelector.matchNames = [\"claude-relay\"]"), &[]),
            (&monitor("namespace = \"claude-relay\", namespaceSelector.any = true"), &[]),
            (
                &monitor("namespace = \"m\", namespaceSelector.any = true"),
                &["RB0344 serviceMonitor.namespaceSelector"],
            ),
            (
                &monitor("namespace = \"m\", namespaceSelector.matchNames = [\"other\", \"claude-relay\"]"),
                &["RB0344 serviceMonitor.namespaceSelector"],
            ),
            (
                &monitor(
                    "namespace = \"m\", relabelings = [{ action = \"labelmap\" }, { targetLabel = \"__address__\" }]",
                ),
                &["RB0344 serviceMonitor.relabelings[0]", "RB0344 serviceMonitor.relabelings[1]"],
            ),
            (
                &monitor("relabelings = [{ sourceLabels = [\"a\"] }]"),
                &["RB0343 serviceMonitor.relabelings[0]"],
            ),
            (&monitor("relabelings = [{ sourceLabels = [\"a\"], targetLabel = \"b\" }]"), &[]),
            (
                &monitor("metricRelabelings = [{ action = \"drop\", sourceLabels = [\"a-b\"] }]"),
                &["RB0343 serviceMonitor.metricRelabelings[0].sourceLabels[0]"],
            ),
        ],
    );
}

#[test]
fn a_credential_in_a_variable_is_named_outside_dev() {
    let variable = |name: &str| format!("extraEnv = [{{ name = \"{name}\", value = \"hunter2\" }}]");
    expect(load_dev, &[(&variable("LDAP_BIND_PASSWORD"), &[])]);
    let loaded = load_strict(&variable("LDAP_BIND_PASSWORD"));
    assert!(loaded.diagnostics.has_errors() && !words(&loaded).contains("hunter2"));
    let loaded = load_strict(&variable("MY_TOKEN"));
    assert_eq!(findings(&loaded), ["RB0204 extraEnv[0].value"]);
    assert!(loaded.diagnostics.has_errors());
    let loaded = load_strict("extraEnv = [{ name = \"LDAP_URL\", value = \"ldap://u:hunter2@h\" }]");
    assert_eq!(findings(&loaded), ["RB0204 extraEnv[0].value"]);
    assert!(loaded.diagnostics.has_errors() && !words(&loaded).contains("hunter2"));
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
fn value_that_holds_a_credential_is_refused_outside_dev() {
    let variable = |value: &str| format!("extraEnv = [{{ name = \"UPSTREAM\", value = {value} }}]");
    let annotation = |value: &str| format!("service.annotations.\"x.y/z\" = {value}");
    for value in [
        "'sk-ant-api03-hunter2hunter2'",
        "'{\"password\":\"hunter2\"}'",
        "'https://u:hunter2@x/'",
        "'proxy_set_header Authorization \"Bearer hunter2X\";'",
    ] {
        for (profile, finding) in [
            (variable(value), "RB0204 extraEnv[0].value"),
            (annotation(value), "RB0204 service.annotations.\"x.y/z\""),
        ] {
            let loaded = load_strict(&profile);
            assert_eq!(findings(&loaded), [finding], "{profile}");
            assert!(!words(&loaded).contains("hunter2"), "{profile}");
        }
    }
    expect(load_dev, &[(&annotation("'https://u:hunter2@x/'"), &[])]);
    for value in
        ["'basic-auth'", "'{\"secretName\":\"oidc\"}'", "'https://auth.example/oauth2/auth?rd=$escaped'"]
    {
        assert_eq!(findings(&load_strict(&annotation(value))), [] as [&str; 0], "{value}");
    }
}

#[test]
fn a_url_of_the_config_map_holds_no_password() {
    let loaded = load_dev("config.priceMirrorBaseUrl = \"http://user:hunter2@proxy:3128\"");
    assert_eq!(findings(&loaded), ["RB0205 config.priceMirrorBaseUrl"]);
    assert!(loaded.diagnostics.has_errors() && !words(&loaded).contains("hunter2"));
    // What is no URL at all is not shown either.
    let loaded = load_dev("config.priceMirrorBaseUrl = \"socks://user:hunter2@proxy\"");
    assert!(loaded.diagnostics.has_errors() && !words(&loaded).contains("hunter2"), "{}", words(&loaded));
}

#[test]
fn proxy_for_the_whole_relay_is_refused_with_the_accounts_as_remedy() {
    for text in [
        "config.httpsProxy = \"http://user:hunter2@proxy:3128\"",
        "config.httpsProxy = \"\"",
        "extraEnv = [{ name = \"HTTPS_PROXY\", value = \"http://proxy:3128\" }]",
        "extraEnv = [{ name = \"https_proxy\", value = \"http://proxy:3128\" }]",
        "extraEnv = [{ name = \"ALL_PROXY\", valueFrom = { secretKeyRef = { name = \"p\", key = \"url\" } } }]",
    ] {
        let loaded = load_dev(text);
        let found = words(&loaded);
        assert!(loaded.diagnostics.has_errors() && found.starts_with("Error[RB0307]"), "{text}: {found}");
        assert!(found.contains("each account") && found.contains("networkPolicy.egressTo"), "{found}");
        assert!(!found.contains("hunter2"), "{found}");
    }
    assert_eq!(findings(&load_dev("extraEnv = [{ name = \"NO_PROXY\", value = \"a\" }]")), [""; 0]);
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
fn large_requests_fit_into_the_memory_or_are_warned_of() {
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
    let told = words(&load_dev("config.requestMaxSizeMb = 60\nresources.limits.memory = \"512Mi\""));
    assert!(
        told.contains("need 555 MiB") && told.contains("\"555Mi\"") && told.contains("54 or less"),
        "{told}"
    );
}

#[test]
fn addresses_of_ipv6_beside_a_host_of_ipv4_are_warned_of() {
    let balanced = "service.type = \"LoadBalancer\"\nservice.loadBalancerSourceRanges";
    let range = format!("{balanced} = [\"10.0.0.0/8\", \"fd00::/8\"]");
    let policy = "networkPolicy.enabled = true\nnetworkPolicy.egressTo = [{}]\nnetworkPolicy";
    let dns = format!("{policy}.dns.nodeLocalDns = \"fd00::10\"");
    let peer = format!("{policy}.ingressFrom = [{{ ipBlock = {{ cidr = \"fd00::/8\" }} }}]");
    expect(
        load_dev,
        &[
            (&range, &["RB0422 service.loadBalancerSourceRanges[1]"]),
            (&dns, &["RB0422 networkPolicy.dns.nodeLocalDns"]),
            (&peer, &["RB0422 networkPolicy.ingressFrom[0].ipBlock.cidr"]),
            (&format!("config.host = \"::\"\n{range}"), &[]),
            (&format!("{balanced} = [\"10.0.0.0/8\"]"), &[]),
        ],
    );
}

#[test]
fn fields_of_the_log_leave_the_pod_only_with_a_warning() {
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
fn image_without_a_registry_is_warned_of() {
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
fn redis_is_new_enough_and_not_open_to_the_cluster() {
    let image = |tag: &str| format!("redis.image.tag = \"{tag}\"");
    let old: &[&str] = &["RB0351 redis.image.tag"];
    expect(
        load_dev,
        &[(&image("6.2-alpine"), old), (&image("7.0"), &[]), (&image("8"), &[]), (&image("stable"), &[])],
    );
    let open = load_bytes(b"schema = 1\n");
    assert!(findings(&open).contains(&"RB0417 redis.auth.enabled".to_owned()), "{}", words(&open));
}

#[test]
fn a_finding_about_a_default_names_the_key() {
    let loaded = load_strict("redis.enabled = false");
    assert!(words(&loaded).contains("[RB0301] `externalRedis.host`: "), "{}", words(&loaded));
}

#[test]
fn nothing_is_said_about_defaults_that_stand_in_for_a_line_that_could_not_be_read() {
    let loaded =
        load_bytes(b"redis.enabled = false\nexternalRedis.host = redis.example.internal\nreplicaCount = 0\n");
    assert_eq!(findings(&loaded), ["RB0001 ", "RB0411 replicaCount"]);
}

#[test]
fn nothing_is_said_about_what_an_item_lacks_because_of_a_misspelt_key() {
    let loaded = load_dev("tolerations = [{ operater = \"Exists\" }, { value = \"a\" }]");
    assert_eq!(findings(&loaded), ["RB0002 tolerations[0].operater", "RB0120 tolerations[1].key"]);
}

#[test]
fn a_missing_encrypted_file_gets_a_remedy_that_exists() {
    let loaded = load_strict("config.jwtSecret = { age = \"secrets/jwt.age\" }");
    assert_eq!(findings(&loaded), ["RB0210 config.jwtSecret"]);
    let said =
        format!("{} {}", words(&loaded), relay_bundle::profile::codes::find("RB0210").unwrap().explanation);
    assert!(said.contains("folder of the profiles"), "{said}");
    assert!(said.contains("`relay-bundle secrets encrypt PROFILE KEY`"), "{said}");
}

#[test]
fn nothing_is_said_about_a_default_that_stands_in_for_a_wrong_value() {
    let tls = "ingress.tls = [{ secretName = \"tls\", hosts = [\"relay.example.com\"] }]\ningress.className = \"nginx\"\ningress.enabled = true\n";
    let hosts = |hosts: &str| format!("{tls}ingress.hosts = {hosts}\n");
    for text in
        [hosts("\"relay.example.com\""), hosts("[\"relay.example.com\"]"), hosts("[{ host = \"http://x\" }]")]
    {
        let loaded = load_strict(&text);
        assert!(loaded.diagnostics.has_errors());
        assert!(!words(&loaded).contains("RB0407"), "{}", words(&loaded));
    }
    let loaded = load_bytes(b"release.recoveryRecipients = [\"age1\"]");
    assert!(loaded.diagnostics.has_errors());
    assert!(!words(&loaded).contains("RB0401"), "{}", words(&loaded));
}

#[test]
fn the_recovery_key_of_the_shipped_profiles_is_to_be_replaced() {
    let own = "\"age19gxp379vj3ffq4kl7h3lmy2nnpcld3p5rpl2sdpj43ldwth6qc5qmedqms\"";
    let example = "\"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\"";
    let both = format!("{own}, {example}");
    for (environment, keys, wanted) in [
        ("production", own, None),
        ("production", example, Some("RB0418 release.recoveryRecipients[0]")),
        ("production", &both, Some("RB0418 release.recoveryRecipients[1]")),
        ("dev", example, Some("RB0418 release.recoveryRecipients[0]")),
    ] {
        for list in ["recoveryRecipients", "sealRecipients"] {
            let text = format!("release.environment = \"{environment}\"\nrelease.{list} = [{keys}]\n");
            let found = findings(&load_bytes(text.as_bytes()));
            let found = found.iter().find(|finding| finding.starts_with("RB0418"));
            let wanted = wanted.map(|wanted| wanted.replace("recoveryRecipients", list));
            assert_eq!(found, wanted.as_ref(), "{text}");
        }
    }
}

#[test]
fn encrypted_files_keep_apart_in_the_bundle() {
    let file = || sealed_for("claude-relay/claude-relay-sealed/jwt-secret");
    for (one, other) in [("secrets/a/b.age", "secrets/a-b.age"), ("secrets/a.age", "a.age")] {
        let text = format!(
            "release.environment = \"dev\"\nconfig = {{ jwtSecret.age = \"{one}\", adminPassword.age = \"{other}\" }}"
        );
        let profiles = BTreeMap::from([("p".to_owned(), text.into_bytes())]);
        let sealed = BTreeMap::from([(one.to_owned(), file()), (other.to_owned(), file())]);

        let loaded = profile::load("p", &[], &Files { profiles, sealed });

        assert_eq!(findings(&loaded), ["RB0214 config.adminPassword"]);
        assert!(words(&loaded).contains("`config.jwtSecret`"), "{}", words(&loaded));
    }
}

/// Writes the item of a list at a place.
type Item = fn(usize) -> String;

#[test]
fn routes_have_an_end() {
    let many = |count: usize, item: fn(usize) -> String| {
        format!("[{}]", (0..count).map(item).collect::<Vec<_>>().join(", "))
    };
    let host = |index: usize| format!("{{ host = \"h{index}.example\" }}");
    let path = |index: usize| format!("{{ path = \"/p{index}\" }}");
    let paths =
        |count: usize| format!("ingress.hosts = [{{ host = \"a.b\", paths = {} }}]", many(count, path));
    let lists: [(&str, usize, Item); 5] = [
        ("ingress.hosts", 200, host),
        ("ingress.blockedPaths", 50, |index| format!("\"/b{index}\"")),
        ("ingress.tls", 200, |index| format!("{{ secretName = \"s{index}\" }}")),
        ("gateway.hostnames", 16, |index| format!("\"h{index}.example\"")),
        ("gateway.parentRefs", 32, |index| format!("{{ name = \"g{index}\" }}")),
    ];
    for (key, limit, item) in lists {
        let too_many = format!("RB0338 {key}");
        expect(
            load_dev,
            &[
                (&format!("{key} = {}", many(limit, item)), &[]),
                (&format!("{key} = {}", many(limit + 1, item)), &[&too_many]),
            ],
        );
    }
    expect(load_dev, &[(&paths(100), &[]), (&paths(101), &["RB0338 ingress.hosts[0].paths"])]);

    let begin = std::time::Instant::now();
    let flood = load_dev(&format!("ingress.enabled = true\ningress.hosts = {}", many(30_000, host)));
    assert_eq!(findings(&flood), ["RB0338 ingress.hosts"]);
    assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
}
