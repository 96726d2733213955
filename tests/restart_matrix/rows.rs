//! The rows: a key, a change of it alone, and the outcome.

use crate::bases::{EXTERNAL, INTERNAL, LOGS, SCALED, SINGLE};

/// The effect on pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pods {
    Stay,
    Restart,
    Replaced,
    Added,
    Removed,
    Absent,
}

/// The outcome of a change.
pub(crate) enum Outcome {
    /// The build refuses the profile; `because` is a part of the message.
    Refused { because: &'static str },
    /// `because` is a part of the reasons.
    Pods { relay: Pods, redis: Pods, because: &'static str },
}

pub(crate) struct Row {
    pub(crate) key: &'static str,
    pub(crate) base: &'static str,
    /// A layer of TOML.
    pub(crate) change: &'static str,
    pub(crate) outcome: Outcome,
}

impl Row {
    /// Returns the profile with the change.
    pub(crate) fn profile(&self) -> String {
        match self.key {
            "extends" => self.change.to_owned(),
            _ => format!("extends = [{:?}]\n{}", self.base, self.change),
        }
    }
}

const fn row(
    key: &'static str,
    base: &'static str,
    change: &'static str,
    relay: Pods,
    redis: Pods,
    because: &'static str,
) -> Row {
    Row { key, base, change, outcome: Outcome::Pods { relay, redis, because } }
}

/// Neither restarts.
const fn none(key: &'static str, change: &'static str) -> Row {
    row(key, INTERNAL, change, Pods::Stay, Pods::Stay, "")
}

/// Only the relay restarts.
const fn relay(key: &'static str, change: &'static str, because: &'static str) -> Row {
    row(key, INTERNAL, change, Pods::Restart, Pods::Stay, because)
}

/// Only Redis restarts.
const fn redis(key: &'static str, change: &'static str, because: &'static str) -> Row {
    row(key, INTERNAL, change, Pods::Stay, Pods::Restart, because)
}

/// Both restart.
const fn both(key: &'static str, change: &'static str, because: &'static str) -> Row {
    row(key, INTERNAL, change, Pods::Restart, Pods::Restart, because)
}

/// The relay restarts, and its Redis is external.
const fn external(key: &'static str, change: &'static str, because: &'static str) -> Row {
    row(key, EXTERNAL, change, Pods::Restart, Pods::Absent, because)
}

const fn refused(key: &'static str, change: &'static str, because: &'static str) -> Row {
    Row { key, base: INTERNAL, change, outcome: Outcome::Refused { because } }
}

pub(crate) const ROWS: &[Row] = &[
    // The profile and the release.
    refused("schema", "schema = 2", "from 1 to 1"),
    relay(
        "extends",
        "extends = [\"internal\"]\nconfig.logLevel = \"debug\"",
        "config LOG_LEVEL changed",
    ),
    row("release.name", INTERNAL, "release.name = \"other\"", Pods::Replaced, Pods::Replaced, ""),
    row(
        "release.namespace",
        INTERNAL,
        "release.namespace = \"other\"",
        Pods::Replaced,
        Pods::Replaced,
        "",
    ),
    none("release.createNamespace", "release.createNamespace = true"),
    refused("release.environment", "release.environment = \"production\"", "in clear text"),
    row(
        "release.environment",
        EXTERNAL,
        "release.environment = \"staging\"",
        Pods::Stay,
        Pods::Absent,
        "",
    ),
    relay(
        "release.appVersion",
        "release.appVersion = \"v1.1.315\"",
        "image of claude-relay changed",
    ),
    none("release.recoveryRecipients", "release.recoveryRecipients = []"),
    none(
        "release.sealRecipients",
        "release.sealRecipients = [\"age19gxp379vj3ffq4kl7h3lmy2nnpcld3p5rpl2sdpj43ldwth6qc5qmedqms\"]",
    ),
    none("kubernetes.version", "kubernetes.version = \"1.30\""),
    relay("kubernetes.version", "kubernetes.version = \"1.28\"", "container fluent-bit"),
    row(
        "nameOverride",
        INTERNAL,
        "nameOverride = \"proxy\"",
        Pods::Replaced,
        Pods::Restart,
        "environment variable REDIS_PASSWORD",
    ),
    row(
        "fullnameOverride",
        INTERNAL,
        "fullnameOverride = \"proxy\"",
        Pods::Replaced,
        Pods::Restart,
        "environment variable REDIS_PASSWORD",
    ),
    none("replicaCount", "replicaCount = 3"),
    // With a single pod the relay also clears the concurrency queues at startup.
    relay("replicaCount", "replicaCount = 1", "config CLEAR_CONCURRENCY_QUEUES_ON_STARTUP changed"),
    // Images.
    both(
        "images.registry",
        "images.registry = \"mirror.example.internal\"",
        "image of redis changed",
    ),
    both("images.pullPolicy", "images.pullPolicy = \"Always\"", "imagePullPolicy of redis changed"),
    both(
        "imagePullSecrets",
        "imagePullSecrets = [{ name = \"other\" }]",
        "imagePullSecrets changed",
    ),
    relay(
        "image.registry",
        "image.registry = \"own.example.internal\"",
        "image of prepare changed",
    ),
    relay("image.repository", "image.repository = \"own/relay\"", "image of claude-relay changed"),
    relay("image.tag", "image.tag = \"v1.1.315\"", "image of claude-relay changed"),
    relay(
        "image.digest",
        "image.digest = \"sha256:0123456789012345678901234567890123456789012345678901234567890123\"",
        "image of claude-relay changed",
    ),
    relay(
        "image.pullPolicy",
        "image.pullPolicy = \"Always\"",
        "imagePullPolicy of claude-relay changed",
    ),
    redis(
        "redis.image.registry",
        "redis.image.registry = \"own.example.internal\"",
        "image of redis changed",
    ),
    redis(
        "redis.image.repository",
        "redis.image.repository = \"own/redis\"",
        "image of redis changed",
    ),
    redis("redis.image.tag", "redis.image.tag = \"8.2.3\"", "image of redis changed"),
    redis(
        "redis.image.digest",
        "redis.image.digest = \"sha256:0123456789012345678901234567890123456789012345678901234567890123\"",
        "image of redis changed",
    ),
    redis(
        "redis.image.pullPolicy",
        "redis.image.pullPolicy = \"Always\"",
        "imagePullPolicy of redis changed",
    ),
    relay(
        "storage.logs.fluentbit.image.registry",
        "storage.logs.fluentbit.image.registry = \"own.example.internal\"",
        "image of fluent-bit changed",
    ),
    relay(
        "storage.logs.fluentbit.image.repository",
        "storage.logs.fluentbit.image.repository = \"own/fluent-bit\"",
        "image of fluent-bit changed",
    ),
    relay(
        "storage.logs.fluentbit.image.tag",
        "storage.logs.fluentbit.image.tag = \"5.1.0\"",
        "image of fluent-bit changed",
    ),
    relay(
        "storage.logs.fluentbit.image.digest",
        "storage.logs.fluentbit.image.digest = \"sha256:0123456789012345678901234567890123456789012345678901234567890123\"",
        "image of fluent-bit changed",
    ),
    relay(
        "storage.logs.fluentbit.image.pullPolicy",
        "storage.logs.fluentbit.image.pullPolicy = \"Always\"",
        "imagePullPolicy of fluent-bit changed",
    ),
    relay(
        "serviceMonitor.exporter.image.registry",
        "serviceMonitor.exporter.image.registry = \"own.example.internal\"",
        "image of",
    ),
    relay(
        "serviceMonitor.exporter.image.repository",
        "serviceMonitor.exporter.image.repository = \"own/exporter\"",
        "image of",
    ),
    relay(
        "serviceMonitor.exporter.image.tag",
        "serviceMonitor.exporter.image.tag = \"v0.6.0\"",
        "image of",
    ),
    relay(
        "serviceMonitor.exporter.image.digest",
        "serviceMonitor.exporter.image.digest = \"sha256:0123456789012345678901234567890123456789012345678901234567890123\"",
        "image of",
    ),
    relay(
        "serviceMonitor.exporter.image.pullPolicy",
        "serviceMonitor.exporter.image.pullPolicy = \"Always\"",
        "imagePullPolicy of",
    ),
    // The relay's pods.
    relay("serviceAccount.create", "serviceAccount.create = false", "serviceAccountName changed"),
    relay("serviceAccount.name", "serviceAccount.name = \"own\"", "serviceAccountName changed"),
    none("serviceAccount.annotations", "serviceAccount.annotations = { team = \"b\" }"),
    relay("podAnnotations", "podAnnotations = { team = \"b\" }", "pod annotation team changed"),
    relay("podLabels", "podLabels = { shift = \"b\" }", "pod label shift added"),
    relay("podSecurityContext", "podSecurityContext.runAsUser = 2000", "securityContext changed"),
    relay(
        "securityContext",
        "securityContext.readOnlyRootFilesystem = false",
        "securityContext of claude-relay changed",
    ),
    relay("resources", "resources.limits.memory = \"2Gi\"", "config NODE_OPTIONS changed"),
    relay("resources", "resources.requests.cpu = \"300m\"", "resources of claude-relay changed"),
    none("strategy", "strategy = { type = \"RollingUpdate\", rollingUpdate = { maxSurge = 2 } }"),
    row("strategy", SINGLE, "strategy = { type = \"Recreate\" }", Pods::Stay, Pods::Stay, ""),
    both("priorityClassName", "priorityClassName = \"other\"", "priorityClassName changed"),
    relay("nodeSelector", "nodeSelector = { disk = \"hdd\" }", "nodeSelector changed"),
    relay(
        "tolerations",
        "tolerations = [{ key = \"relay\", operator = \"Exists\" }]",
        "tolerations added",
    ),
    relay(
        "affinity",
        "affinity = { podAntiAffinity = { preferredDuringSchedulingIgnoredDuringExecution = [{ weight = 1, podAffinityTerm = { topologyKey = \"kubernetes.io/hostname\", labelSelector = { matchLabels = { a = \"b\" } } } }] } }",
        "affinity added",
    ),
    relay(
        "topologySpreadConstraints",
        "topologySpreadConstraints = [{ maxSkew = 1, topologyKey = \"kubernetes.io/hostname\", whenUnsatisfiable = \"ScheduleAnyway\" }]",
        "topologySpreadConstraints added",
    ),
    relay(
        "initContainers",
        "initContainers = [{ name = \"wait\", image = \"registry.example.internal/wait:1\", resources = { limits = { cpu = \"1\", memory = \"64Mi\" }, requests = { cpu = \"1\", memory = \"64Mi\" } } }]",
        "container wait added",
    ),
    relay(
        "extraContainers",
        "extraContainers = [{ name = \"side\", image = \"registry.example.internal/side:1\", resources = { limits = { cpu = \"1\", memory = \"64Mi\" }, requests = { cpu = \"1\", memory = \"64Mi\" } } }]",
        "container side added",
    ),
    relay(
        "extraEnv",
        "extraEnv = [{ name = \"OWN\", value = \"1\" }]",
        "environment variable OWN of claude-relay added",
    ),
    relay(
        "extraVolumes",
        "extraVolumes = [{ name = \"own-ca\", configMap = { name = \"other-ca\" } }]",
        "volume own-ca changed",
    ),
    relay(
        "extraVolumeMounts",
        "extraVolumeMounts = [{ name = \"own-ca\", mountPath = \"/etc/own-ca-2\", readOnly = true }]",
        "volumeMounts of claude-relay changed",
    ),
    // The relay's settings.
    relay("config.nodeEnv", "config.nodeEnv = \"development\"", "config NODE_ENV changed"),
    relay("config.port", "config.port = 3001", "config PORT changed"),
    relay("config.host", "config.host = \"::\"", "config HOST changed"),
    // A changed value alone does not affect the pods, but its revision does.
    relay(
        "config.jwtSecret",
        "config.jwtSecret = { value = \"first-literal-value\", revision = 2 }",
        "secret jwt-secret: revision 1, now 2",
    ),
    relay(
        "config.jwtSecret",
        "config.jwtSecret = { existing = { name = \"key\", key = \"key\" } }",
        "secret jwt-secret: literal, now existing",
    ),
    external(
        "config.jwtSecret",
        "config.jwtSecret = { age = \"secrets/one.age\" }",
        "secret jwt-secret: generated, now sealed",
    ),
    external(
        "config.jwtSecret",
        "config.jwtSecret = \"a-literal-value\"",
        "secret jwt-secret: generated, now literal",
    ),
    relay(
        "config.encryptionKey",
        "config.encryptionKey = { existing = { name = \"key\", key = \"key\" } }",
        "secret encryption-key: generated, now existing",
    ),
    refused(
        "config.encryptionKey",
        "config.encryptionKey = { generate = { generation = 2 } }",
        "the encryption key cannot be changed",
    ),
    relay(
        "config.adminPassword",
        "config.adminPassword = { existing = { name = \"admin\", key = \"password\", revision = 2 } }",
        "secret admin-password: revision 1, now 2",
    ),
    relay(
        "config.adminPassword",
        "config.adminPassword = { existing = { name = \"admin\", key = \"other\", revision = 1 } }",
        "environment variable ADMIN_PASSWORD of prepare changed",
    ),
    relay(
        "config.adminSessionTimeout",
        "config.adminSessionTimeout = 1",
        "config ADMIN_SESSION_TIMEOUT changed",
    ),
    relay("config.apiKeyPrefix", "config.apiKeyPrefix = \"own_\"", "config API_KEY_PREFIX changed"),
    relay(
        "config.adminUsername",
        "config.adminUsername = \"root\"",
        "config ADMIN_USERNAME changed",
    ),
    relay("config.logLevel", "config.logLevel = \"debug\"", "config LOG_LEVEL changed"),
    relay("config.logMaxSize", "config.logMaxSize = \"20m\"", "config LOG_MAX_SIZE changed"),
    relay("config.logMaxFiles", "config.logMaxFiles = 9", "config LOG_MAX_FILES changed"),
    relay(
        "config.cleanupInterval",
        "config.cleanupInterval = 1",
        "config CLEANUP_INTERVAL changed",
    ),
    none("config.rateLimitCleanupInterval", "config.rateLimitCleanupInterval = 1"),
    relay(
        "config.tokenUsageRetention",
        "config.tokenUsageRetention = 1",
        "config TOKEN_USAGE_RETENTION changed",
    ),
    relay(
        "config.healthCheckInterval",
        "config.healthCheckInterval = 1",
        "config HEALTH_CHECK_INTERVAL changed",
    ),
    relay("config.timezoneOffset", "config.timezoneOffset = 1", "config TIMEZONE_OFFSET changed"),
    relay(
        "config.defaultTokenLimit",
        "config.defaultTokenLimit = 1",
        "config DEFAULT_TOKEN_LIMIT changed",
    ),
    relay("config.trustProxy", "config.trustProxy = false", "config TRUST_PROXY changed"),
    relay("config.enableCors", "config.enableCors = true", "config ENABLE_CORS changed"),
    relay(
        "config.stickySessionTtlHours",
        "config.stickySessionTtlHours = 2",
        "config STICKY_SESSION_TTL_HOURS changed",
    ),
    relay(
        "config.stickySessionRenewalThresholdMinutes",
        "config.stickySessionRenewalThresholdMinutes = 1",
        "config STICKY_SESSION_RENEWAL_THRESHOLD_MINUTES changed",
    ),
    relay(
        "config.claudeConsoleBlockedHandlingMinutes",
        "config.claudeConsoleBlockedHandlingMinutes = 1",
        "config CLAUDE_CONSOLE_BLOCKED_HANDLING_MINUTES changed",
    ),
    relay(
        "config.requestMaxSizeMb",
        "config.requestMaxSizeMb = 10",
        "config REQUEST_MAX_SIZE_MB changed",
    ),
    relay(
        "config.requestTimeout",
        "config.requestTimeout = 60000",
        "config REQUEST_TIMEOUT changed",
    ),
    relay(
        "config.clearConcurrencyQueuesOnStartup",
        "config.clearConcurrencyQueuesOnStartup = true",
        "config CLEAR_CONCURRENCY_QUEUES_ON_STARTUP changed",
    ),
    relay(
        "config.accountTestSchedulerEnabled",
        "config.accountTestSchedulerEnabled = true",
        "config ACCOUNT_TEST_SCHEDULER_ENABLED changed",
    ),
    relay("config.metricsWindow", "config.metricsWindow = 6", "config METRICS_WINDOW changed"),
    relay(
        "config.priceMirrorBaseUrl",
        "config.priceMirrorBaseUrl = \"https://prices.example.internal\"",
        "config PRICE_MIRROR_BASE_URL changed",
    ),
    relay(
        "config.nodeMaxOldSpaceMb",
        "config.nodeMaxOldSpaceMb = 300",
        "config NODE_OPTIONS changed",
    ),
    relay(
        "config.nodeExtraCaCerts",
        "config.nodeExtraCaCerts = \"/etc/own-ca/ca.crt\"",
        "config NODE_EXTRA_CA_CERTS added",
    ),
    // Redis.
    row(
        "redis.enabled",
        INTERNAL,
        "redis.enabled = false\nexternalRedis.host = \"redis.example.internal\"",
        Pods::Restart,
        Pods::Removed,
        "config REDIS_HOST changed",
    ),
    row(
        "redis.enabled",
        EXTERNAL,
        "redis.enabled = true",
        Pods::Restart,
        Pods::Added,
        "config REDIS_HOST changed",
    ),
    redis(
        "redis.podAnnotations",
        "redis.podAnnotations = { team = \"b\" }",
        "pod annotation team added",
    ),
    redis("redis.podLabels", "redis.podLabels = { shift = \"b\" }", "pod label shift added"),
    redis(
        "redis.podSecurityContext",
        "redis.podSecurityContext.runAsUser = 2000",
        "securityContext changed",
    ),
    redis(
        "redis.securityContext",
        "redis.securityContext.readOnlyRootFilesystem = false",
        "securityContext of redis changed",
    ),
    both("redis.auth.enabled", "redis.auth.enabled = false", "secret redis-password removed"),
    both(
        "redis.auth.password",
        "redis.auth.password = { generate = { generation = 2 } }",
        "secret redis-password: generation 1, now 2",
    ),
    both(
        "redis.auth.password",
        "redis.auth.password = { existing = { name = \"key\", key = \"key\" } }",
        "secret redis-password: generated, now existing",
    ),
    redis("redis.persistence.enabled", "redis.persistence.enabled = false", "volume data changed"),
    none("redis.persistence.size", "redis.persistence.size = \"9Gi\""),
    none("redis.persistence.storageClass", "redis.persistence.storageClass = \"fast\""),
    none("redis.persistence.accessMode", "redis.persistence.accessMode = \"ReadWriteOncePod\""),
    refused(
        "redis.persistence.accessMode",
        "redis.persistence.accessMode = \"ReadWriteSometimes\"",
        "invalid value",
    ),
    redis(
        "redis.persistence.existingClaim",
        "redis.persistence.existingClaim = \"data-relay-redis-0\"",
        "volume data changed",
    ),
    redis(
        "redis.resources",
        "redis.resources.limits.memory = \"1Gi\"",
        "config redis.conf changed",
    ),
    redis(
        "redis.resources",
        "redis.resources.requests.cpu = \"150m\"",
        "resources of redis changed",
    ),
    both("redis.service.port", "redis.service.port = 6380", "config REDIS_PORT changed"),
    redis("redis.nodeSelector", "redis.nodeSelector = { disk = \"ssd\" }", "nodeSelector changed"),
    redis(
        "redis.tolerations",
        "redis.tolerations = [{ key = \"relay\", operator = \"Exists\" }]",
        "tolerations added",
    ),
    redis(
        "redis.affinity",
        "redis.affinity = { nodeAffinity = { requiredDuringSchedulingIgnoredDuringExecution = { nodeSelectorTerms = [{ matchExpressions = [{ key = \"a\", operator = \"Exists\" }] }] } } }",
        "affinity added",
    ),
    external(
        "externalRedis.host",
        "externalRedis.host = \"other.example.internal\"",
        "config REDIS_HOST changed",
    ),
    external("externalRedis.port", "externalRedis.port = 6380", "config REDIS_PORT changed"),
    external(
        "externalRedis.password",
        "externalRedis.password = { existing = { name = \"redis\", key = \"password\", revision = 2 } }",
        "secret redis-password: revision 1, now 2",
    ),
    external(
        "externalRedis.password",
        "externalRedis.password = { existing = { name = \"key\", key = \"key\", revision = 1 } }",
        "environment variable REDIS_PASSWORD of claude-relay changed",
    ),
    external("externalRedis.database", "externalRedis.database = 1", "config REDIS_DB changed"),
    external("externalRedis.tls", "externalRedis.tls = true", "config REDIS_ENABLE_TLS changed"),
    // Traffic in.
    none("service.type", "service.type = \"ClusterIP\""),
    none("service.port", "service.port = 8080"),
    none("service.annotations", "service.annotations = { a = \"b\" }"),
    none("service.nodePort", "service.nodePort = 30080"),
    none("service.loadBalancerIP", "service.loadBalancerIP = \"10.1.2.3\""),
    none("service.loadBalancerSourceRanges", "service.loadBalancerSourceRanges = [\"10.0.0.0/8\"]"),
    none("ingress.enabled", "ingress.enabled = false"),
    none("ingress.className", "ingress.className = \"haproxy\""),
    none("ingress.annotations", "ingress.annotations = { \"example.internal/a\" = \"b\" }"),
    none(
        "ingress.hosts",
        "ingress.hosts = [{ host = \"relay.example.internal\", paths = [{ path = \"/api\", pathType = \"Prefix\" }] }]",
    ),
    none("ingress.tls", "ingress.tls = []"),
    none("ingress.blockedPaths", "ingress.blockedPaths = [\"/metrics\"]"),
    none("ingress.routes", "ingress.routes = \"known\""),
    none("ingress.presets", "ingress.presets = false"),
    none("gateway.enabled", "gateway.enabled = false"),
    none(
        "gateway.parentRefs",
        "gateway.parentRefs = [{ name = \"private\", namespace = \"infra\" }]",
    ),
    none("gateway.hostnames", "gateway.hostnames = []"),
    none("gateway.annotations", "gateway.annotations = { a = \"b\" }"),
    none("networkPolicy.enabled", "networkPolicy.enabled = false"),
    none("networkPolicy.ingressFrom", "networkPolicy.ingressFrom = [{ podSelector = {} }]"),
    none(
        "networkPolicy.egressTo",
        "networkPolicy.egressTo = [{ to = [{ ipBlock = { cidr = \"10.1.0.0/16\" } }] }]",
    ),
    none("networkPolicy.dns.peers", "networkPolicy.dns.peers = [{ namespaceSelector = {} }]"),
    none("networkPolicy.dns.nodeLocalDns", "networkPolicy.dns.nodeLocalDns = \"169.254.20.10\""),
    // The number of pods.
    none("autoscaling.enabled", "autoscaling.enabled = true\nautoscaling.minReplicas = 2"),
    row(
        "autoscaling.minReplicas",
        SCALED,
        "autoscaling.minReplicas = 3",
        Pods::Stay,
        Pods::Stay,
        "",
    ),
    refused(
        "autoscaling.minReplicas",
        "autoscaling.minReplicas = 20\nautoscaling.enabled = true",
        "at most 10 pods",
    ),
    row(
        "autoscaling.maxReplicas",
        SCALED,
        "autoscaling.maxReplicas = 9",
        Pods::Stay,
        Pods::Stay,
        "",
    ),
    row(
        "autoscaling.targetCPUUtilizationPercentage",
        SCALED,
        "autoscaling.targetCPUUtilizationPercentage = 50",
        Pods::Stay,
        Pods::Stay,
        "",
    ),
    row(
        "autoscaling.targetMemoryUtilizationPercentage",
        SCALED,
        "autoscaling.targetMemoryUtilizationPercentage = 70",
        Pods::Stay,
        Pods::Stay,
        "",
    ),
    none("podDisruptionBudget.enabled", "podDisruptionBudget.enabled = false"),
    none("podDisruptionBudget.maxUnavailable", "podDisruptionBudget.maxUnavailable = \"50%\""),
    row(
        "podDisruptionBudget.minAvailable",
        EXTERNAL,
        "podDisruptionBudget.minAvailable = 2",
        Pods::Stay,
        Pods::Absent,
        "",
    ),
    // Metrics.
    relay("serviceMonitor.enabled", "serviceMonitor.enabled = false", "removed"),
    none("serviceMonitor.namespace", "serviceMonitor.namespace = \"monitoring\""),
    none("serviceMonitor.labels", "serviceMonitor.labels = { release = \"prometheus\" }"),
    none("serviceMonitor.annotations", "serviceMonitor.annotations = { a = \"b\" }"),
    none("serviceMonitor.interval", "serviceMonitor.interval = \"60s\""),
    none("serviceMonitor.scrapeTimeout", "serviceMonitor.scrapeTimeout = \"5s\""),
    refused(
        "serviceMonitor.scrapeTimeout",
        "serviceMonitor.scrapeTimeout = \"90s\"",
        "longer than the interval",
    ),
    none("serviceMonitor.path", "serviceMonitor.path = \"/health\""),
    refused("serviceMonitor.port", "serviceMonitor.port = \"NOT A PORT\"", "is not valid"),
    none(
        "serviceMonitor.relabelings",
        "serviceMonitor.relabelings = [{ action = \"drop\", sourceLabels = [\"a\"], regex = \"b\" }]",
    ),
    none(
        "serviceMonitor.metricRelabelings",
        "serviceMonitor.metricRelabelings = [{ action = \"keep\", sourceLabels = [\"a\"], regex = \"b\" }]",
    ),
    none("serviceMonitor.namespaceSelector.any", "serviceMonitor.namespaceSelector.any = true"),
    none(
        "serviceMonitor.namespaceSelector.matchNames",
        "serviceMonitor.namespaceSelector.matchNames = [\"relay\"]",
    ),
    relay("serviceMonitor.exporter.enabled", "serviceMonitor.exporter.enabled = false", "removed"),
    relay("serviceMonitor.exporter.port", "serviceMonitor.exporter.port = 7980", "ports of"),
    relay(
        "serviceMonitor.exporter.resources",
        "serviceMonitor.exporter.resources.limits.memory = \"96Mi\"",
        "resources of",
    ),
    relay(
        "serviceMonitor.exporter.securityContext",
        "serviceMonitor.exporter.securityContext.runAsUser = 2000",
        "securityContext of json-exporter changed",
    ),
    // Volumes and logs.
    refused("storage.data.type", "storage.data.type = \"hostPath\"", "invalid value"),
    relay("storage.data.sizeLimit", "storage.data.sizeLimit = \"2Gi\"", "volume data changed"),
    relay(
        "storage.data.external.enabled",
        "storage.data.external.enabled = false",
        "volume external-data removed",
    ),
    none("storage.data.external.size", "storage.data.external.size = \"9Gi\""),
    none("storage.data.external.storageClass", "storage.data.external.storageClass = \"bulk\""),
    row(
        "storage.data.external.accessMode",
        SINGLE,
        "storage.data.external.accessMode = \"ReadWriteOnce\"",
        Pods::Stay,
        Pods::Stay,
        "",
    ),
    refused(
        "storage.data.external.accessMode",
        "storage.data.external.accessMode = \"ReadWriteOnce\"",
        "2 pods share this volume",
    ),
    relay("storage.logs.mode", "storage.logs.mode = \"emptyDir\"", "container fluent-bit removed"),
    row(
        "storage.logs.mode",
        SINGLE,
        "storage.logs.mode = \"pvc\"",
        Pods::Restart,
        Pods::Stay,
        "volume logs changed",
    ),
    relay(
        "storage.logs.fluentbit.enabled",
        "storage.logs.fluentbit.enabled = false",
        "container fluent-bit removed",
    ),
    relay(
        "storage.logs.fluentbit.extraFields",
        "storage.logs.fluentbit.extraFields = [\"key\"]",
        "config fluent-bit.yaml changed",
    ),
    relay(
        "storage.logs.fluentbit.resources",
        "storage.logs.fluentbit.resources.limits.memory = \"160Mi\"",
        "resources of fluent-bit changed",
    ),
    relay(
        "storage.logs.fluentbit.securityContext",
        "storage.logs.fluentbit.securityContext.runAsUser = 2000",
        "securityContext of fluent-bit changed",
    ),
    external(
        "storage.logs.fluentbit.output.type",
        "storage.logs.fluentbit.output.type = \"forward\"\nstorage.logs.fluentbit.output.config.host = \"logs.example.internal\"",
        "config fluent-bit.yaml changed",
    ),
    relay(
        "storage.logs.fluentbit.output.config",
        "storage.logs.fluentbit.output.config.tenant_id = \"other\"",
        "config fluent-bit.yaml changed",
    ),
    relay(
        "storage.logs.fluentbit.output.config",
        "storage.logs.fluentbit.output.config.http_passwd = { existing = { name = \"loki\", key = \"password\" } }",
        "secret fluent-bit-http-passwd added",
    ),
    row(
        "storage.logs.persistence.enabled",
        LOGS,
        "storage.logs.persistence.enabled = true",
        Pods::Stay,
        Pods::Stay,
        "",
    ),
    row(
        "storage.logs.persistence.size",
        LOGS,
        "storage.logs.persistence.size = \"20Gi\"",
        Pods::Stay,
        Pods::Stay,
        "",
    ),
    row(
        "storage.logs.persistence.storageClass",
        LOGS,
        "storage.logs.persistence.storageClass = \"bulk\"",
        Pods::Stay,
        Pods::Stay,
        "",
    ),
    row(
        "storage.logs.persistence.accessMode",
        LOGS,
        "storage.logs.persistence.accessMode = \"ReadWriteOnce\"",
        Pods::Stay,
        Pods::Stay,
        "",
    ),
];
