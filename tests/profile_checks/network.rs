//! Rules for traffic in and out: ingress, gateway, network policy, proxies and addresses.

use super::{expect, findings, load_dev, load_strict, words};

#[test]
fn relay_listens_on_reachable_host_and_free_port() {
    expect(
        load_dev,
        &[
            ("config.host = \"127.0.0.1\"", &["RB0304 config.host"]),
            ("config.host = \"::\"", &[]),
            ("config.port = 2020", &["RB0306 config.port"]),
            ("config.port = 7979", &[]),
            (
                "config.port = 7979\nserviceMonitor.enabled = true",
                &["RB0306 serviceMonitor.exporter.port"],
            ),
            ("config.port = 2020\nstorage.logs.mode = \"emptyDir\"", &[]),
        ],
    );
}

#[test]
fn extra_ca_file_must_be_mounted() {
    let authority = "config.nodeExtraCaCerts = \"/etc/relay/ca.crt\"";
    let mount = "extraVolumes = [{ name = \"ca\", secret = { secretName = \"ca\" } }]\nextraVolumeMounts = [{ name = \"ca\", mountPath = \"/etc/relay\" }]";
    expect(
        load_dev,
        &[
            (authority, &["RB0416 config.nodeExtraCaCerts"]),
            (&format!("{authority}\n{mount}"), &[]),
        ],
    );
}

#[test]
fn ingress_hosts_paths_and_tls_are_consistent() {
    let ingress = |more: &str| format!("ingress = {{ enabled = true, {more} }}");
    let host = "hosts = [{ host = \"relay.example.internal\" }]";
    expect(
        load_strict,
        &[
            (
                &ingress("className = \"nginx\""),
                &["RB0405 ingress.tls", "RB0407 ingress.hosts[0].host"],
            ),
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
            (
                &ingress("hosts = [{ host = \"a.b\" }, { host = \"a.b\" }]"),
                &["RB0331 ingress.hosts[1].host"],
            ),
            (
                &ingress(
                    "hosts = [{ host = \"a.b\", paths = [{ path = \"/x\" }, { path = \"/x\" }] }]",
                ),
                &["RB0331 ingress.hosts[0].paths[1].path"],
            ),
            (
                &ingress(
                    "routes = \"known\", hosts = [{ host = \"a.b\", paths = [{ path = \"/x\" }] }]",
                ),
                &["RB0333 ingress.hosts[0].paths[0].path"],
            ),
            (&ingress("routes = \"known\", hosts = [{ host = \"a.b\" }]"), &[]),
        ],
    );
}

#[test]
fn route_needs_gateway() {
    let gateway = |more: &str| format!("gateway = {{ enabled = true, {more} }}");
    expect(
        load_dev,
        &[
            (&gateway("hostnames = [\"a.b\"]"), &["RB0335 gateway.parentRefs"]),
            (&gateway("parentRefs = [{ name = \"public\" }]"), &[]),
            (&gateway("parentRefs = [{ name = \"\" }]"), &["RB0335 gateway.parentRefs[0].name"]),
            (
                &gateway(
                    "parentRefs = [{ name = \"public\" }], hostnames = [\"a.b\", \"a.b\", \"\"]",
                ),
                &["RB0331 gateway.hostnames[1]", "RB0331 gateway.hostnames[2]"],
            ),
        ],
    );
}

#[test]
fn network_policy_must_allow_traffic_relay_needs() {
    let policy =
        |egress: &str| format!("networkPolicy = {{ enabled = true, egressTo = {egress} }}");
    let external = |host: &str, egress: &str| {
        format!(
            "redis.enabled = false\nexternalRedis = {{ host = \"{host}\", port = 6380 }}\n{}",
            policy(egress)
        )
    };
    let blocked: &[&str] = &["RB0370 networkPolicy.egressTo"];
    let to = |cidr: &str, port: u16| {
        format!(
            "[{{ to = [{{ ipBlock = {{ cidr = \"{cidr}\" }} }}], ports = [{{ port = {port} }}] }}]"
        )
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
fn service_monitor_must_find_its_service() {
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
                &monitor(
                    "namespace = \"m\", namespaceSelector.matchNames = [\"other\", \"claude-relay\"]",
                ),
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
fn relay_wide_proxy_is_refused_with_per_account_remedy() {
    for text in [
        "config.httpsProxy = \"http://user:hunter2@proxy:3128\"",
        "config.httpsProxy = \"\"",
        "extraEnv = [{ name = \"HTTPS_PROXY\", value = \"http://proxy:3128\" }]",
        "extraEnv = [{ name = \"https_proxy\", value = \"http://proxy:3128\" }]",
        "extraEnv = [{ name = \"ALL_PROXY\", valueFrom = { secretKeyRef = { name = \"p\", key = \"url\" } } }]",
    ] {
        let loaded = load_dev(text);
        let found = words(&loaded);
        assert!(
            loaded.diagnostics.has_errors() && found.starts_with("Error[RB0307]"),
            "{text}: {found}"
        );
        assert!(
            found.contains("each account") && found.contains("networkPolicy.egressTo"),
            "{found}"
        );
        assert!(!found.contains("hunter2"), "{found}");
    }
    assert_eq!(findings(&load_dev("extraEnv = [{ name = \"NO_PROXY\", value = \"a\" }]")), [""; 0]);
}

#[test]
fn ipv6_addresses_with_ipv4_host_cause_warning() {
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

/// Returns the text of a list's item at an index.
type Item = fn(usize) -> String;

#[test]
fn number_of_routes_is_limited() {
    let many = |count: usize, item: fn(usize) -> String| {
        format!("[{}]", (0..count).map(item).collect::<Vec<_>>().join(", "))
    };
    let host = |index: usize| format!("{{ host = \"h{index}.example\" }}");
    let path = |index: usize| format!("{{ path = \"/p{index}\" }}");
    let paths = |count: usize| {
        format!("ingress.hosts = [{{ host = \"a.b\", paths = {} }}]", many(count, path))
    };
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
    let flood =
        load_dev(&format!("ingress.enabled = true\ningress.hosts = {}", many(30_000, host)));
    assert_eq!(findings(&flood), ["RB0338 ingress.hosts"]);
    assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
}
