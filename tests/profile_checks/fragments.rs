//! Kubernetes fragments that the API server would refuse or misread.

use super::{expect, load_dev};

/// Returns a container with all required fields.
fn container(more: &str) -> String {
    format!(
        "extraContainers = [{{ name = \"side\", image = \"registry.example.internal/side:1\", resources = {{ limits = {{ cpu = 1, memory = \"64Mi\" }}, requests = {{ cpu = 1, memory = \"64Mi\" }} }}, {more} }}]"
    )
}

#[test]
fn amounts_are_amounts_and_limits_are_not_below_requests() {
    expect(
        load_dev,
        &[
            ("resources.limits.memory = \"1gi\"", &["RB0110 resources.limits.memory"]),
            (
                "resources.limits.cpu = \"-1\"",
                &["RB0110 resources.limits.cpu", "RB0111 resources.limits.cpu"],
            ),
            ("resources.limits.memory = \"900Mim\"", &["RB0110 resources.limits.memory"]),
            ("resources.requests.memory = \"2Gi\"", &["RB0111 resources.limits.memory"]),
            ("resources.requests.cpu = 2\nresources.limits.cpu = 2", &[]),
            ("resources.limits.memroy = \"1Gi\"", &["RB0113 resources.limits.memroy"]),
            ("resources.limits.\"example.com/gpu\" = 1", &[]),
            (
                "resources.requests.\"example.com/gpu\" = 1",
                &["RB0111 resources.limits.\"example.com/gpu\""],
            ),
            ("resources.limits.hugepages-2Mi = \"4Mi\"", &[]),
        ],
    );
}

#[test]
fn tolerations_tolerate_something() {
    let toleration = |text: &str| format!("tolerations = [{{ {text} }}]");
    expect(
        load_dev,
        &[
            (&toleration("operator = \"Exists\""), &[]),
            (&toleration("key = \"a\", value = \"b\", effect = \"NoSchedule\""), &[]),
            (&toleration("key = \"a\", operator = \"Is\""), &["RB0120 tolerations[0].operator"]),
            (
                &toleration("key = \"a\", operator = \"Exists\", value = \"b\""),
                &["RB0120 tolerations[0].value"],
            ),
            (&toleration("value = \"b\""), &["RB0120 tolerations[0].key"]),
            (&toleration("key = \"a\", effect = \"NoRun\""), &["RB0120 tolerations[0].effect"]),
            (
                &toleration("key = \"a\", tolerationSeconds = 5"),
                &["RB0120 tolerations[0].tolerationSeconds"],
            ),
            ("redis.tolerations = [{ value = \"b\" }]", &["RB0120 redis.tolerations[0].key"]),
        ],
    );
}

#[test]
fn unsatisfiable_affinity_is_reported() {
    let node = |text: &str| {
        format!(
            "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms = {text}"
        )
    };
    let pod = |text: &str| {
        format!(
            "affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution = [{{ {text} }}]"
        )
    };
    let terms =
        "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
    let preferred = "affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0]";
    let expression = |text: &str| node(&format!("[{{ matchExpressions = [{{ {text} }}] }}]"));
    let of_terms = |code: &str, rest: &str| format!("{code} {terms}{rest}");
    let cases: Vec<(String, Vec<String>)> = vec![
        (expression("key = \"zone\", operator = \"In\", values = [\"a\"]"), vec![]),
        (expression("key = \"cpus\", operator = \"Gt\", values = [\"4\"]"), vec![]),
        (node("[]"), vec![of_terms("RB0122", "")]),
        (node("[{}]"), vec![of_terms("RB0122", "[0]")]),
        (
            expression("key = \"zone\", operator = \"in\", values = [\"a\"]"),
            vec![of_terms("RB0121", "[0].matchExpressions[0].operator")],
        ),
        (
            expression("key = \"zone\", operator = \"In\""),
            vec![of_terms("RB0121", "[0].matchExpressions[0]")],
        ),
        (
            expression("key = \"zone\", operator = \"Exists\", values = [\"a\"]"),
            vec![of_terms("RB0121", "[0].matchExpressions[0]")],
        ),
        (
            expression("key = \"cpus\", operator = \"Gt\", values = [\"four\"]"),
            vec![of_terms("RB0121", "[0].matchExpressions[0]")],
        ),
        (
            pod("weight = 0, podAffinityTerm = { topologyKey = \"zone\", labelSelector = {} }"),
            vec![format!("RB0122 {preferred}.weight")],
        ),
        (
            pod("weight = 1, podAffinityTerm = { topologyKey = \"a b\" }"),
            vec![
                format!("RB0122 {preferred}.podAffinityTerm"),
                format!("RB0122 {preferred}.podAffinityTerm.topologyKey"),
            ],
        ),
    ];
    for (text, expected) in &cases {
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        expect(load_dev, &[(text, &expected)]);
    }
}

#[test]
fn ineffective_topology_spread_is_reported() {
    let spread =
        |text: &str| format!("topologySpreadConstraints = [{{ topologyKey = \"zone\", {text} }}]");
    let soft = "maxSkew = 1, whenUnsatisfiable = \"ScheduleAnyway\"";
    expect(
        load_dev,
        &[
            (&spread(soft), &[]),
            (
                &spread("maxSkew = 0, whenUnsatisfiable = \"DoNotSchedule\""),
                &["RB0123 topologySpreadConstraints[0].maxSkew"],
            ),
            (
                &spread("maxSkew = 1, whenUnsatisfiable = \"Never\""),
                &["RB0123 topologySpreadConstraints[0].whenUnsatisfiable"],
            ),
            (
                &format!(
                    "kubernetes.version = \"1.27\"\n{}",
                    spread(&format!("{soft}, minDomains = 2"))
                ),
                &["RB0123 topologySpreadConstraints[0].minDomains"],
            ),
            (
                &format!(
                    "topologySpreadConstraints = [{{ topologyKey = \"a\", {soft} }}, {{ topologyKey = \"a\", {soft} }}]"
                ),
                &["RB0123 topologySpreadConstraints[1]"],
            ),
        ],
    );
}

#[test]
fn labels_and_annotations_have_their_form() {
    expect(
        load_dev,
        &[
            ("podLabels.team = \"a b\"", &["RB0102 podLabels.team"]),
            ("podLabels.\"a b\" = \"c\"", &["RB0102 podLabels.\"a b\""]),
            ("podAnnotations.\"Example.com/Key\" = \"any text: {}\"", &[]),
            ("nodeSelector.\"/x\" = \"y\"", &["RB0102 nodeSelector.\"/x\""]),
            ("redis.nodeSelector.disk = \"ssd\"", &[]),
            ("imagePullSecrets = [{ name = \"A\" }]", &["RB0105 imagePullSecrets[0].name"]),
            (
                "imagePullSecrets = [{ name = \"a\" }, { name = \"a\" }]",
                &["RB0105 imagePullSecrets[1]"],
            ),
            ("priorityClassName = \"system-node-critical\"", &["RB0124 priorityClassName"]),
        ],
    );
    let large = format!("service.annotations.a = \"{}\"", "x".repeat(256 << 10));
    expect(load_dev, &[(&large, &["RB0104 service.annotations"])]);
}

#[test]
fn env_vars_have_valid_name_and_single_source() {
    let variable = |text: &str| format!("extraEnv = [{{ {text} }}]");
    expect(
        load_dev,
        &[
            (&variable("name = \"1A\", value = \"x\""), &["RB0130 extraEnv[0].name"]),
            (&variable("name = \"A=B\", value = \"x\""), &["RB0130 extraEnv[0].name"]),
            (&variable("name = \"A\""), &[]),
            (
                &variable(
                    "name = \"A\", value = \"x\", valueFrom = { fieldRef = { fieldPath = \"metadata.name\" } }",
                ),
                &["RB0133 extraEnv[0]"],
            ),
            (&variable("name = \"A\", valueFrom = {}"), &["RB0133 extraEnv[0].valueFrom"]),
            (
                &variable(
                    "name = \"A\", valueFrom = { fieldRef = { fieldPath = \"metadata.nam\" } }",
                ),
                &["RB0133 extraEnv[0].valueFrom.fieldRef.fieldPath"],
            ),
            (
                &variable(
                    "name = \"A\", valueFrom = { secretKeyRef = { name = \"S\", key = \"a/b\" } }",
                ),
                &[
                    "RB0105 extraEnv[0].valueFrom.secretKeyRef.key",
                    "RB0105 extraEnv[0].valueFrom.secretKeyRef.name",
                ],
            ),
        ],
    );
}

#[test]
fn volumes_need_free_name_and_one_allowed_source() {
    let volume = |text: &str| format!("extraVolumes = [{{ {text} }}]");
    expect(
        load_dev,
        &[
            (&volume("name = \"ca\", configMap = { name = \"ca\" }"), &[]),
            (&volume("name = \"data\", emptyDir = {}"), &["RB0140 extraVolumes[0].name"]),
            (&volume("name = \"A\", emptyDir = {}"), &["RB0140 extraVolumes[0].name"]),
            (&volume("name = \"a\""), &["RB0141 extraVolumes[0]"]),
            (
                &volume("name = \"a\", emptyDir = {}, secret = { secretName = \"s\" }"),
                &["RB0141 extraVolumes[0]"],
            ),
            (
                &volume("name = \"a\", hostPath = { path = \"/\" }"),
                &["RB0160 extraVolumes[0].hostPath"],
            ),
            (
                &volume("name = \"a\", secret = { secretName = \"S\" }"),
                &["RB0105 extraVolumes[0].secret.secretName"],
            ),
            (
                &volume("name = \"a\", emptyDir = { sizeLimit = \"lots\" }"),
                &["RB0110 extraVolumes[0].emptyDir.sizeLimit"],
            ),
        ],
    );
}

#[test]
fn mounts_need_volume_and_hide_nothing() {
    let mount = |text: &str| {
        format!(
            "extraVolumes = [{{ name = \"ca\", emptyDir = {{}} }}]\nextraVolumeMounts = [{{ {text} }}]"
        )
    };
    let at = |path: &str| mount(&format!("name = \"ca\", mountPath = \"{path}\""));
    expect(
        load_dev,
        &[
            (&at("/etc/ca"), &[]),
            (&at("/app/data/more"), &[]),
            (&at("/application"), &[]),
            (&at("/app"), &["RB0144 extraVolumeMounts[0].mountPath"]),
            (&at("/app/"), &["RB0144 extraVolumeMounts[0].mountPath"]),
            (&at("/app/.env"), &["RB0144 extraVolumeMounts[0].mountPath"]),
            (&at("/app/logs"), &["RB0144 extraVolumeMounts[0].mountPath"]),
            (&at("etc"), &["RB0143 extraVolumeMounts[0].mountPath"]),
            (&at("/a/../b"), &["RB0143 extraVolumeMounts[0].mountPath"]),
            (&mount("name = \"cd\", mountPath = \"/x\""), &["RB0142 extraVolumeMounts[0].name"]),
            (
                &mount("name = \"external-data\", mountPath = \"/x\""),
                &["RB0142 extraVolumeMounts[0].name"],
            ),
            (
                &mount("name = \"ca\", mountPath = \"/x\", subPath = \"../y\""),
                &["RB0143 extraVolumeMounts[0].subPath"],
            ),
            (
                &mount("name = \"ca\", mountPath = \"/x\" }, { name = \"ca\", mountPath = \"/x/\""),
                &["RB0143 extraVolumeMounts[1].mountPath"],
            ),
        ],
    );
}

#[test]
fn word_takes_default_away_where_platform_or_profile_may_leave_it_out() {
    let scaled = "autoscaling.enabled = true\nstorage.logs.mode = \"emptyDir\"\n";
    expect(
        load_dev,
        &[
            ("podSecurityContext.runAsUser = \"platform\"", &[]),
            ("redis.podSecurityContext.fsGroup = \"platform\"", &[]),
            ("storage.logs.fluentbit.securityContext.runAsGroup = \"platform\"", &[]),
            ("resources.limits.cpu = \"none\"", &[]),
            ("redis.resources.requests.cpu = \"none\"", &[]),
            ("redis.resources.limits.memory = \"none\"", &["RB0371 redis.resources.limits"]),
            ("podSecurityContext.runAsUser = \"none\"", &["RB0003 podSecurityContext.runAsUser"]),
            ("resources.limits.cpu = \"platform\"", &["RB0110 resources.limits.cpu"]),
            (&format!("{scaled}resources.limits.cpu = \"none\""), &[]),
            (&format!("{scaled}resources.requests.cpu = \"none\""), &["RB0112 resources.requests"]),
            (
                "redis.podSecurityContext.runAsUser = 0",
                &["RB0160 redis.podSecurityContext.runAsUser"],
            ),
            (
                "serviceMonitor.exporter.securityContext.privileged = true",
                &["RB0160 serviceMonitor.exporter.securityContext.privileged"],
            ),
            (
                "redis.podLabels.\"app.kubernetes.io/name\" = \"x\"",
                &["RB0103 redis.podLabels.\"app.kubernetes.io/name\""],
            ),
        ],
    );
}

#[test]
fn image_volumes_need_valid_reference() {
    let volume = |image: &str| {
        format!(
            "kubernetes.version = \"1.37\"\nextraVolumes = [{{ name = \"m\", image = {{ {image} }} }}]"
        )
    };
    expect(
        load_dev,
        &[
            (&volume("reference = \"r.example/models:1\""), &[]),
            (&volume(""), &["RB0141 extraVolumes[0].image"]),
            (&volume("reference = \"A B\""), &["RB0151 extraVolumes[0].image.reference"]),
            (&volume("reference = \"r.example/b\""), &["RB0403 extraVolumes[0].image.reference"]),
            (&volume("reference = \"b:1\""), &["RB0423 extraVolumes[0].image.reference"]),
        ],
    );
}

#[test]
fn containers_need_free_name_image_and_free_ports() {
    let plain = |name: &str, image: &str| {
        container("").replacen("side", name, 1).replace("registry.example.internal/side:1", image)
    };
    expect(
        load_dev,
        &[
            (&container(""), &[]),
            (&plain("fluent-bit", "r.example/a:1"), &["RB0150 extraContainers[0].name"]),
            (&plain("A", "r.example/a:1"), &["RB0150 extraContainers[0].name"]),
            (&plain("a", ""), &["RB0151 extraContainers[0]"]),
            (&plain("a", "A B"), &["RB0151 extraContainers[0].image"]),
            (&plain("a", "r.example/b"), &["RB0403 extraContainers[0].image"]),
            (&plain("a", "b:1"), &["RB0423 extraContainers[0].image"]),
            (&container("ports = [{ containerPort = 9000, name = \"nine\" }]"), &[]),
            (
                &container("ports = [{ containerPort = 3000 }]"),
                &["RB0152 extraContainers[0].ports[0].containerPort"],
            ),
            (
                &container("ports = [{ containerPort = 70000 }]"),
                &["RB0152 extraContainers[0].ports[0].containerPort"],
            ),
            (
                &container("ports = [{ containerPort = 9000, name = \"http\" }]"),
                &["RB0152 extraContainers[0].ports[0].name"],
            ),
            (
                &container("ports = [{ containerPort = 9000, hostPort = 9000 }]"),
                &["RB0160 extraContainers[0].ports[0].hostPort"],
            ),
            (
                &container("env = [{ name = \"A\" }, { name = \"A\" }]"),
                &["RB0131 extraContainers[0].env[1].name"],
            ),
            (
                &container(
                    "volumeMounts = [{ name = \"logs\", mountPath = \"/logs\", readOnly = true }]",
                ),
                &[],
            ),
            (
                &container("volumeMounts = [{ name = \"log\", mountPath = \"/logs\" }]"),
                &["RB0142 extraContainers[0].volumeMounts[0].name"],
            ),
            (
                &container(
                    "securityContext = { capabilities = { add = [\"NET_BIND_SERVICE\", \"SYS_ADMIN\"] } }",
                ),
                &["RB0160 extraContainers[0].securityContext.capabilities.add"],
            ),
            (
                &container("securityContext = { seccompProfile = { type = \"Unconfined\" } }"),
                &["RB0160 extraContainers[0].securityContext.seccompProfile.type"],
            ),
            (
                &container("securityContext = { windowsOptions = { hostProcess = true } }"),
                &["RB0160 extraContainers[0].securityContext.windowsOptions"],
            ),
        ],
    );
}

#[test]
fn each_container_kind_allows_only_its_fields() {
    let probe = "livenessProbe = { tcpSocket = { port = 1 } }";
    let init = |more: &str| container(more).replace("extraContainers", "initContainers");
    expect(
        load_dev,
        &[
            (&container(probe), &[]),
            (&container("livenessProbe = {}"), &["RB0154 extraContainers[0].livenessProbe"]),
            (
                &container("livenessProbe = { tcpSocket = { port = 1, host = \"10.0.0.1\" } }"),
                &["RB0160 extraContainers[0].livenessProbe"],
            ),
            (
                &container("restartPolicy = \"Always\""),
                &["RB0153 extraContainers[0].restartPolicy"],
            ),
            (&init(probe), &["RB0153 initContainers[0].livenessProbe"]),
            (
                &format!(
                    "kubernetes.version = \"1.29\"\n{}",
                    init(&format!("{probe}, restartPolicy = \"Always\""))
                ),
                &[],
            ),
            (&init("restartPolicy = \"Always\""), &["RB0170 initContainers[0].restartPolicy"]),
            (
                &container("imagePullPolicy = \"always\""),
                &["RB0153 extraContainers[0].imagePullPolicy"],
            ),
        ],
    );
}

#[test]
fn peers_and_ports_of_policies_have_their_form() {
    let from = |text: &str| format!("networkPolicy.ingressFrom = [{{ {text} }}]");
    let ports = |text: &str| format!("networkPolicy.egressTo = [{{ ports = [{{ {text} }}] }}]");
    let port = "networkPolicy.egressTo[0].ports[0]";
    let cases: Vec<(String, Vec<String>)> = vec![
        (from("podSelector = {}"), vec![]),
        (from(""), vec!["RB0173 networkPolicy.ingressFrom[0]".into()]),
        (
            from("podSelector = {}, ipBlock = { cidr = \"10.0.0.0/8\" }"),
            vec!["RB0173 networkPolicy.ingressFrom[0]".into()],
        ),
        (
            from("ipBlock = { cidr = \"10.0.0.0\" }"),
            vec!["RB0173 networkPolicy.ingressFrom[0].ipBlock.cidr".into()],
        ),
        (from("ipBlock = { cidr = \"10.0.0.0/8\", except = [\"10.1.0.0/16\"] }"), vec![]),
        (
            from(
                "ipBlock = { cidr = \"10.0.0.0/8\", except = [\"10.0.0.0/8\", \"192.168.0.0/16\"] }",
            ),
            vec![
                "RB0173 networkPolicy.ingressFrom[0].ipBlock.except[0]".into(),
                "RB0173 networkPolicy.ingressFrom[0].ipBlock.except[1]".into(),
            ],
        ),
        (ports("port = 443, protocol = \"TCP\""), vec![]),
        (ports("port = \"https\""), vec![]),
        (ports("port = 0"), vec![format!("RB0174 {port}.port")]),
        (ports("port = 80, endPort = 90"), vec![]),
        (ports("port = 80, endPort = 70"), vec![format!("RB0174 {port}.endPort")]),
        (ports("port = \"https\", endPort = 70"), vec![format!("RB0174 {port}.endPort")]),
        (ports("port = 80, protocol = \"tcp\""), vec![format!("RB0174 {port}.protocol")]),
    ];
    for (text, expected) in &cases {
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        expect(load_dev, &[(text, &expected)]);
    }
}

#[test]
fn oldest_server_must_support_every_field() {
    let spread = "topologySpreadConstraints = [{ topologyKey = \"zone\", maxSkew = 1, whenUnsatisfiable = \"ScheduleAnyway\", matchLabelKeys = [\"pod-template-hash\"] }]";
    let affinity = "affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution = [{ topologyKey = \"zone\", labelSelector = {}, matchLabelKeys = [\"a\"] }]";
    let at = |version: &str, text: &str| format!("kubernetes.version = \"{version}\"\n{text}");
    let by_name = "networkPolicy.ingressFrom = [{ namespaceSelector = { matchLabels = { \"kubernetes.io/metadata.name\" = \"a\" } } }]";
    let domains = "topologySpreadConstraints = [{ topologyKey = \"zone\", maxSkew = 1, whenUnsatisfiable = \"DoNotSchedule\", minDomains = 2 }]";
    expect(
        load_dev,
        &[
            (&at("1.26", domains), &["RB0170 topologySpreadConstraints[0].minDomains"]),
            (&at("1.27", domains), &[]),
            (&at("1.26", spread), &["RB0170 topologySpreadConstraints[0].matchLabelKeys"]),
            (&at("1.27", spread), &[]),
            (
                &at("1.30", affinity),
                &[
                    "RB0170 affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].matchLabelKeys",
                ],
            ),
            (&at("1.31", affinity), &[]),
            (
                "extraVolumes = [{ name = \"a\", image = { reference = \"r.example/a:1\" } }]",
                &["RB0170 extraVolumes[0].image"],
            ),
            (
                &at("1.37", "extraVolumes = [{ name = \"a\", emptyDir = { mode = 448 } }]"),
                &["RB0170 extraVolumes[0].emptyDir.mode"],
            ),
            // Rendering handles the defaults.
            (&at("1.19", ""), &[]),
            (
                &at("1.19", "networkPolicy.egressTo = [{ ports = [{ port = 1, endPort = 2 }] }]"),
                &["RB0170 networkPolicy.egressTo[0].ports[0].endPort"],
            ),
            (
                &at("1.20", by_name),
                &[
                    "RB0170 networkPolicy.ingressFrom[0].namespaceSelector.matchLabels.\"kubernetes.io/metadata.name\"",
                ],
            ),
            (&at("1.21", by_name), &[]),
        ],
    );
}

#[test]
fn mode_in_decimal_that_looks_octal_is_refused() {
    let volume = |source: &str| {
        format!(
            "extraVolumes = [{{ name = \"a\", {source} }}]\nextraVolumeMounts = [{{ name = \"a\", mountPath = \"/etc/a\" }}]"
        )
    };
    let secret =
        |mode: &str| volume(&format!("secret = {{ secretName = \"a\", defaultMode = {mode} }}"));
    let item = volume(
        "projected = { sources = [{ secret = { name = \"a\", items = [{ key = \"k\", path = \"p\", mode = 755 }] } }] }",
    );
    let default_mode: &[&str] = &["RB0145 extraVolumes[0].secret.defaultMode"];
    expect(
        load_dev,
        &[
            (&secret("400"), default_mode),
            (&secret("0o400"), &[]),
            (&secret("420"), &[]),
            (&secret("0o1777"), default_mode),
            (&item, &["RB0145 extraVolumes[0].projected.sources[0].secret.items[0].mode"]),
        ],
    );
}
