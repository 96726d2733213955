//! Random profiles: a table of keys, each with a strategy of valid values.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

/// Lines of a profile that set some keys together; most rows have a single key.
pub(crate) struct Row {
    pub keys: &'static [&'static str],
    lines: BoxedStrategy<String>,
}

/// Writes a string of TOML.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() => write!(quoted, "\\u{:04X}", u32::from(c)).unwrap(),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn row(key: &'static str, values: impl Strategy<Value = String> + 'static) -> Row {
    Row {
        keys: Vec::leak(vec![key]),
        lines: values.prop_map(move |value| format!("{key} = {value}\n")).boxed(),
    }
}

/// Several keys, with examples that are valid sets of lines.
fn together(keys: &'static [&'static str], examples: &'static [&'static str]) -> Row {
    let lines = select(examples).prop_map(|lines| format!("{}\n", lines.replace("; ", "\n")));
    Row { keys, lines: lines.boxed() }
}

fn integer(range: std::ops::RangeInclusive<i64>) -> impl Strategy<Value = String> {
    range.prop_map(|number| number.to_string())
}

fn boolean() -> impl Strategy<Value = String> {
    any::<bool>().prop_map(|value| value.to_string())
}

fn word(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(words).prop_map(quote)
}

/// Values that are already TOML.
fn raw(values: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(values).prop_map(str::to_owned)
}

fn like(pattern: &'static str) -> impl Strategy<Value = String> {
    pattern.prop_map(|text: String| quote(&text))
}

/// Texts that YAML readers, shells and templates misinterpret.
const HOSTILE: [&str; 28] = [
    "yes",
    "No",
    "on",
    "off",
    "y",
    "n",
    "true",
    "null",
    "~",
    "1_000",
    "0x1F",
    "0o17",
    "012",
    "1e3",
    ".inf",
    "190:20:30",
    "2026-11-22",
    "=",
    "<<",
    "a: b",
    "a #b",
    "- a",
    "? b",
    "{a: b}",
    "%YAML 1.1",
    "---",
    "*x",
    "  spaces  ",
];

/// A text that is valid in an annotation: one line, any script.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        select(&HOSTILE[..]).prop_map(str::to_owned),
        "[ -~]{0,40}".boxed(),
        "[\u{a1}-\u{17f}\u{4e00}-\u{4eff}\u{1f600}-\u{1f640} :#'\"-]{0,20}".boxed(),
    ]
}

fn map(
    keys: &'static str,
    values: impl Strategy<Value = String> + 'static,
) -> impl Strategy<Value = String> {
    proptest::collection::btree_map(keys, values, 0..4).prop_map(|map: BTreeMap<String, String>| {
        let entries: Vec<String> =
            map.iter().map(|(key, value)| format!("{} = {}", quote(key), quote(value))).collect();
        format!("{{ {} }}", entries.join(", "))
    })
}

const ANNOTATION: &str = "([a-z]{1,8}\\.example/)?[a-zA-Z]([-a-zA-Z0-9_.]{0,8}[a-zA-Z0-9])?";
const LABEL_VALUE: &str = "([a-zA-Z0-9]([-a-zA-Z0-9_.]{0,8}[a-zA-Z0-9])?)?";
const NAME: &str = "[a-z]([-a-z0-9]{0,18}[a-z0-9])?";

fn size() -> impl Strategy<Value = String> {
    (1..2000_u32, select(&["Mi", "Gi", "M", "G", "000000"][..]))
        .prop_map(|(n, unit)| quote(&format!("{n}{unit}")))
}

/// A secret in each form that does not need a file; a literal is valid in dev only.
fn secret() -> impl Strategy<Value = String> {
    prop_oneof![
        (16..64_u8).prop_map(|length| format!("{{ generate = {{ length = {length} }} }}")),
        (NAME, "[a-zA-Z0-9._-]{2,9}", 1..9_u8).prop_filter_map(
            "the name of a key",
            |(name, key, revision)| {
                (!key.starts_with('.')).then(|| {
                    format!(
                        "{{ existing = {{ name = \"x-{name}\", key = \"{key}\", revision = {revision} }} }}"
                    )
                })
            }
        ),
    ]
}

const DIGEST: &str = "sha256:[0-9a-f]{64}";
const RESOURCES: [&str; 3] = [
    "{ limits = { cpu = 2, memory = \"1Gi\" }, requests = { cpu = \"100m\", memory = \"300Mi\" } }",
    "{ limits = { cpu = \"1500m\", memory = \"900000000\" }, requests = { cpu = \"0.1\", memory = \"256Mi\" } }",
    "{ limits = { cpu = 1, memory = \"512Mi\", ephemeral-storage = \"2Gi\" }, requests = { cpu = 1, memory = \"512Mi\" } }",
];
const TOLERATIONS: [&str; 3] = [
    "[]",
    "[{ operator = \"Exists\" }]",
    "[{ key = \"a\", operator = \"Equal\", value = \"yes\", effect = \"NoExecute\", tolerationSeconds = 60 }]",
];

fn names_and_images() -> Vec<Row> {
    vec![
        row(
            "release.name",
            prop_oneof![like(NAME), word(&["redis", "claude-relay-redis", "redis-x", "a"])],
        ),
        row("release.namespace", like("[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?")),
        row("release.createNamespace", boolean()),
        row("release.environment", word(&["dev", "production", "test-2"])),
        row("release.appVersion", word(&["v1.1.314", "2", "1.0_rc.1"])),
        row(
            "release.recoveryRecipients",
            raw(&["[]", "[\"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\"]"]),
        ),
        row(
            "release.sealRecipients",
            raw(&["[]", "[\"age19gxp379vj3ffq4kl7h3lmy2nnpcld3p5rpl2sdpj43ldwth6qc5qmedqms\"]"]),
        ),
        row("kubernetes.version", (19..=37_u8).prop_map(|minor| format!("\"1.{minor}\""))),
        row("nameOverride", like("[a-z]([-a-z0-9]{0,8}[a-z0-9])?")),
        row("fullnameOverride", like(NAME)),
        row("images.registry", word(&["mirror.example.internal", "localhost:5000/a/b"])),
        row("images.pullPolicy", word(&["Always", "IfNotPresent", "Never"])),
        row("image.registry", word(&["", "r.example"])),
        row("image.repository", word(&["relay", "r.example:5000/team/relay"])),
        row("image.tag", like("[A-Za-z0-9_][A-Za-z0-9._-]{0,9}")),
        row("image.digest", like(DIGEST)),
        row("image.pullPolicy", word(&["Always", "Never"])),
        row("redis.image.digest", like(DIGEST)),
        row("storage.logs.fluentbit.image.tag", word(&["5.1.1", "3.2.0", "4.2.3-debug", "latest"])),
        row("serviceMonitor.exporter.image.tag", word(&["v0.7.0", "v0.6.0"])),
        row("imagePullSecrets", raw(&["[]", "[{ name = \"a\" }, { name = \"b.c\" }]"])),
        row("serviceAccount.create", boolean()),
        row("serviceAccount.name", like(NAME)),
        row("serviceAccount.annotations", map(ANNOTATION, line())),
    ]
}

fn pods() -> Vec<Row> {
    vec![
        row("podAnnotations", map(ANNOTATION, line())),
        row("podLabels", map(ANNOTATION, LABEL_VALUE.boxed())),
        row("nodeSelector", map(ANNOTATION, LABEL_VALUE.boxed())),
        row("redis.nodeSelector", map(ANNOTATION, LABEL_VALUE.boxed())),
        row("tolerations", raw(&TOLERATIONS)),
        row("redis.tolerations", raw(&TOLERATIONS)),
        row("priorityClassName", like(NAME)),
        row(
            "topologySpreadConstraints",
            raw(&[
                "[]",
                "[{ maxSkew = 1, topologyKey = \"a.example/zone\", whenUnsatisfiable = \"DoNotSchedule\" }]",
            ]),
        ),
        row("resources", raw(&RESOURCES)),
        row("redis.resources", raw(&RESOURCES)),
        row("storage.logs.fluentbit.resources", raw(&RESOURCES)),
        row("storage.logs.fluentbit.extraFields", raw(&["[]", "[\"key\"]", "[\"msg\", \"end\"]"])),
        row("podSecurityContext.runAsUser", integer(1..=70_000)),
        row("podSecurityContext.supplementalGroups", raw(&["[]", "[1, 2]"])),
        row(
            "podSecurityContext.seLinuxOptions",
            raw(&["{ level = \"s0:c1,c2\" }", "{ type = \"container_t\" }"]),
        ),
        row(
            "podSecurityContext.sysctls",
            raw(&["[]", "[{ name = \"net.ipv4.tcp_syncookies\", value = \"1\" }]"]),
        ),
        row("securityContext.readOnlyRootFilesystem", boolean()),
        row("securityContext.privileged", raw(&["false"])),
        row("securityContext.procMount", word(&["Default"])),
        row(
            "securityContext.capabilities",
            raw(&["{ drop = [\"ALL\"], add = [\"NET_BIND_SERVICE\"] }"]),
        ),
        row(
            "extraEnv",
            (line(), "[A-Z]{3,8}").prop_map(|(value, name)| {
                format!("[{{ name = \"X_{name}\", value = {} }}]", quote(&value))
            }),
        ),
        together(
            &["extraVolumes", "extraVolumeMounts"],
            &[
                "extraVolumes = [{ name = \"x\", emptyDir = {} }]; extraVolumeMounts = [{ name = \"x\", mountPath = \"/x\" }]",
                "extraVolumes = [{ name = \"y\", secret = { secretName = \"s\" } }]; extraVolumeMounts = [{ name = \"y\", mountPath = \"/y\", readOnly = true }]",
                "extraVolumes = [{ name = \"v\", csi = { driver = \"x.example\" } }]",
                "extraVolumes = [{ name = \"w\", ephemeral = { volumeClaimTemplate = { spec = { accessModes = [\"ReadWriteOnce\"], resources = { requests = { storage = \"1Gi\" } } } } } }]",
                "extraVolumes = [{ name = \"z\", projected = { sources = [{ configMap = { name = \"c\" } }] } }]",
            ],
        ),
        row(
            "extraContainers",
            raw(&[
                "[{ name = \"x\", image = \"r.example/x:1\", resources = { limits = { cpu = 1, memory = \"64Mi\" }, requests = { cpu = 1, memory = \"64Mi\" } } }]",
            ]),
        ),
        row(
            "initContainers",
            raw(&[
                "[{ name = \"j\", image = \"r.example/j:1\", resources = { limits = { cpu = 1, memory = \"64Mi\" }, requests = { cpu = 1, memory = \"64Mi\" } }, restartPolicy = \"Always\", volumeDevices = [], stdin = true, securityContext = { privileged = false, runAsUser = 5, seccompProfile = { type = \"RuntimeDefault\" } }, ports = [{ containerPort = 4100, hostPort = 0 }], livenessProbe = { tcpSocket = { port = 4100, host = \"\" } } }]",
                "[{ name = \"i\", image = \"r.example/i:1\", resources = { limits = { cpu = 1, memory = \"64Mi\" }, requests = { cpu = 1, memory = \"64Mi\" } }, envFrom = [{ configMapRef = { name = \"c\" } }] }]",
            ]),
        ),
    ]
}

fn config() -> Vec<Row> {
    vec![
        row("config.nodeEnv", word(&["production", "development"])),
        row("config.port", integer(3000..=7000)),
        row("config.host", word(&["0.0.0.0", "::"])),
        row("config.jwtSecret", secret()),
        row("config.encryptionKey", secret()),
        row("config.adminPassword", secret()),
        row("config.adminSessionTimeout", integer(1..=9_007_199_254_740_991)),
        row("config.apiKeyPrefix", line().prop_map(|text| quote(&format!("k{text}")))),
        row("config.adminUsername", line().prop_map(|text| quote(&format!("u{text}")))),
        row(
            "config.logLevel",
            word(&["error", "warn", "info", "http", "verbose", "debug", "silly"]),
        ),
        row("config.logMaxSize", like("[1-9][0-9]{0,2}[kmg]")),
        row("config.logMaxFiles", integer(1..=1000)),
        row("config.cleanupInterval", integer(1..=10_000_000)),
        row("config.tokenUsageRetention", integer(1..=9_007_199_254_740_991)),
        row("config.healthCheckInterval", integer(1..=1_000_000)),
        row(
            "config.timezoneOffset",
            (1..=14_i64).prop_map(|hours| (if hours > 12 { hours } else { -hours }).to_string()),
        ),
        row("config.defaultTokenLimit", integer(1..=1_000_000_000)),
        row("config.trustProxy", boolean()),
        row("config.enableCors", boolean()),
        row("config.stickySessionTtlHours", integer(1..=8760)),
        row("config.stickySessionRenewalThresholdMinutes", integer(0..=525_600)),
        row("config.claudeConsoleBlockedHandlingMinutes", integer(0..=525_600)),
        row("config.requestMaxSizeMb", integer(1..=2048)),
        row("config.requestTimeout", integer(1000..=86_400_000)),
        row("config.clearConcurrencyQueuesOnStartup", boolean()),
        row("config.accountTestSchedulerEnabled", boolean()),
        row("config.metricsWindow", integer(1..=60)),
        row("config.priceMirrorBaseUrl", word(&["", "https://prices.example.internal"])),
        row("config.nodeMaxOldSpaceMb", integer(64..=400)),
        row("config.nodeExtraCaCerts", word(&["", "/etc/ca.crt"])),
    ]
}

fn redis_and_storage() -> Vec<Row> {
    vec![
        together(
            &[
                "redis.enabled",
                "externalRedis.host",
                "externalRedis.port",
                "externalRedis.tls",
                "externalRedis.database",
            ],
            &[
                "redis.enabled = false; externalRedis.host = \"redis.example\"",
                "redis.enabled = false; externalRedis.host = \"10.0.0.1\"; externalRedis.port = 6380; externalRedis.tls = true",
                "redis.enabled = false; externalRedis.host = \"fd00::1\"; externalRedis.database = 15",
                "redis.enabled = true",
            ],
        ),
        row("externalRedis.password", secret()),
        row("redis.auth.enabled", boolean()),
        row("redis.auth.password", secret()),
        row("redis.persistence.enabled", boolean()),
        row("redis.persistence.size", size()),
        row("redis.persistence.storageClass", word(&["", "-", "fast", "123", "a.b"])),
        row("redis.persistence.accessMode", word(&["ReadWriteOnce", "ReadWriteMany"])),
        row("redis.persistence.existingClaim", like(NAME)),
        row("redis.service.port", integer(1024..=65_535)),
        row("storage.data.sizeLimit", size()),
        together(
            &[
                "storage.data.external.enabled",
                "storage.data.external.accessMode",
                "storage.data.external.size",
            ],
            &[
                "storage.data.external.enabled = true; storage.data.external.accessMode = \"ReadWriteMany\"; storage.data.external.size = \"7Gi\"",
            ],
        ),
        together(
            &[
                "storage.logs.mode",
                "storage.logs.persistence.enabled",
                "storage.logs.persistence.accessMode",
                "storage.logs.output",
            ],
            &[
                "storage.logs.mode = \"emptyDir\"",
                "storage.logs.mode = \"pvc\"; storage.logs.persistence.accessMode = \"ReadWriteMany\"",
                "storage.logs.mode = \"forward\"; storage.logs.fluentbit.output.config.host = \"a\"",
                "storage.logs.fluentbit.output.type = \"kafka\"; storage.logs.fluentbit.output.config.brokers = \"a:9092\"",
                "storage.logs.fluentbit.output.type = \"es\"; storage.logs.fluentbit.output.config.http_user = \"u\"; storage.logs.fluentbit.output.config.http_passwd = { existing = { name = \"s\", key = \"k\" } }",
                "storage.logs.fluentbit.output.type = \"s3\"; storage.logs.fluentbit.output.config.bucket = \"b\"",
            ],
        ),
        row("storage.logs.fluentbit.enabled", boolean()),
        row("storage.logs.persistence.storageClass", word(&["", "-", "bulk"])),
        row("storage.logs.persistence.size", size()),
    ]
}

fn network() -> Vec<Row> {
    vec![
        row("replicaCount", integer(0..=5)),
        together(
            &["strategy"],
            &[
                "strategy = { type = \"Recreate\" }",
                "strategy = { rollingUpdate = { maxUnavailable = \"25%\" } }",
            ],
        ),
        together(
            &[
                "autoscaling.enabled",
                "autoscaling.minReplicas",
                "autoscaling.maxReplicas",
                "autoscaling.targetCPUUtilizationPercentage",
                "autoscaling.targetMemoryUtilizationPercentage",
            ],
            &[
                "autoscaling.enabled = true; autoscaling.minReplicas = 2",
                "autoscaling.enabled = true; autoscaling.maxReplicas = 1",
                "autoscaling.enabled = true; autoscaling.minReplicas = 3; autoscaling.maxReplicas = 30; autoscaling.targetCPUUtilizationPercentage = 0; autoscaling.targetMemoryUtilizationPercentage = 90",
            ],
        ),
        together(
            &[
                "podDisruptionBudget.enabled",
                "podDisruptionBudget.minAvailable",
                "podDisruptionBudget.maxUnavailable",
            ],
            &[
                "podDisruptionBudget.enabled = true",
                "podDisruptionBudget.enabled = true; podDisruptionBudget.maxUnavailable = \"50%\"",
                "podDisruptionBudget.enabled = true; podDisruptionBudget.minAvailable = 1",
            ],
        ),
        together(
            &[
                "service.type",
                "service.nodePort",
                "service.loadBalancerIP",
                "service.loadBalancerSourceRanges",
            ],
            &[
                "service.type = \"NodePort\"; service.nodePort = 30080",
                "service.type = \"LoadBalancer\"; service.loadBalancerSourceRanges = [\"10.0.0.0/8\"]",
                "service.type = \"LoadBalancer\"; service.loadBalancerIP = \"192.0.2.1\"",
            ],
        ),
        row("service.port", integer(1..=65_535)),
        row("service.annotations", map(ANNOTATION, line())),
    ]
}

fn routes() -> Vec<Row> {
    vec![
        together(
            &[
                "ingress.enabled",
                "ingress.className",
                "ingress.hosts",
                "ingress.tls",
                "ingress.routes",
                "ingress.blockedPaths",
                "ingress.presets",
            ],
            &[
                "ingress.enabled = true",
                "ingress.enabled = true; ingress.className = \"nginx\"; ingress.routes = \"known\"; ingress.hosts = [{ host = \"a.example\" }]",
                "ingress.enabled = true; ingress.className = \"haproxy-x\"; ingress.presets = false; ingress.hosts = [{ host = \"a.example\", paths = [{ path = \"/api\" }, { path = \"/x\", pathType = \"Exact\" }] }, { host = \"*.b.example\" }]; ingress.tls = [{ secretName = \"t\", hosts = [\"a.example\"] }]",
                "ingress.enabled = true; ingress.blockedPaths = []; ingress.hosts = [{ host = \"\" }]; ingress.tls = [{ hosts = [] }]",
            ],
        ),
        row("ingress.annotations", map(ANNOTATION, line())),
        together(
            &["gateway.enabled", "gateway.parentRefs", "gateway.hostnames"],
            &[
                "gateway.enabled = true; gateway.parentRefs = [{ name = \"edge\" }]",
                "gateway.enabled = true; gateway.parentRefs = [{ name = \"edge\", namespace = \"x\", sectionName = \"s\", port = 443 }]; gateway.hostnames = [\"a.example\"]",
            ],
        ),
        row("gateway.annotations", map(ANNOTATION, line())),
        together(
            &[
                "networkPolicy.enabled",
                "networkPolicy.ingressFrom",
                "networkPolicy.egressTo",
                "networkPolicy.dns",
            ],
            &[
                "networkPolicy.enabled = true; networkPolicy.egressTo = [{}]",
                "networkPolicy.enabled = true; networkPolicy.ingressFrom = [{ podSelector = {} }]; networkPolicy.egressTo = [{ to = [{ ipBlock = { cidr = \"0.0.0.0/0\" } }, { ipBlock = { cidr = \"::/0\" } }] }]; networkPolicy.dns.nodeLocalDns = \"169.254.20.10\"",
            ],
        ),
        together(
            &[
                "serviceMonitor.enabled",
                "serviceMonitor.namespace",
                "serviceMonitor.interval",
                "serviceMonitor.scrapeTimeout",
                "serviceMonitor.exporter.enabled",
                "serviceMonitor.relabelings",
                "serviceMonitor.namespaceSelector",
            ],
            &[
                "serviceMonitor.enabled = true; serviceMonitor.relabelings = [{ targetLabel = \"__address__\", replacement = \"a:1\" }]; serviceMonitor.namespaceSelector = { any = true }",
                "serviceMonitor.enabled = true",
                "serviceMonitor.enabled = true; serviceMonitor.namespace = \"monitoring\"; serviceMonitor.interval = \"1m\"; serviceMonitor.scrapeTimeout = \"1m\"",
                "serviceMonitor.enabled = true; serviceMonitor.exporter.enabled = false",
            ],
        ),
        row("serviceMonitor.labels", map(ANNOTATION, LABEL_VALUE.boxed())),
        row("serviceMonitor.exporter.port", integer(7001..=9000)),
    ]
}

pub(crate) fn rows() -> Vec<Row> {
    [names_and_images(), pods(), config(), redis_and_storage(), network(), routes()]
        .into_iter()
        .flatten()
        .collect()
}

/// Profiles that set about a quarter of all keys.
pub(crate) fn profiles() -> impl Strategy<Value = String> {
    let lines: Vec<_> = rows().into_iter().map(|row| weighted(0.25, row.lines)).collect();
    lines.prop_map(|lines| lines.into_iter().flatten().collect())
}
