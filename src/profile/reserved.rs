//! What the bundle itself puts into the relay's pods: a profile may not use these names for something else.

use super::settings::Settings;

/// The containers of ours.
pub const CONTAINERS: [&str; 4] = ["claude-relay", "fluent-bit", "json-exporter", "prepare"];

/// The volumes of ours.
pub const VOLUMES: [&str; 6] =
    ["data", "exporter-config", "external-data", "fluent-bit-config", "fluent-bit-state", "logs"];

impl Settings {
    /// Returns the volumes of ours that a container of the profile may mount: they are there with these settings.
    pub fn shared_volumes(&self) -> Vec<&'static str> {
        let external = self.storage.data.external.enabled.then_some("external-data");
        ["data", "logs"].into_iter().chain(external).collect()
    }
}

/// Where the relay's container mounts ours, and where it would find settings beside its environment.
pub const MOUNT_PATHS: [&str; 4] = ["/app/.env", "/app/data", "/app/external-data", "/app/logs"];

/// The names of our containers' ports; Services find a port by its name.
pub const PORT_NAMES: [&str; 3] = ["fluent-bit", "http", "metrics"];

/// The port at which Fluent Bit answers probes.
pub const FLUENT_BIT_PORT: i64 = 2020;

/// Labels of pods that selectors and tools of ours go by.
pub const POD_LABELS: [&str; 4] = [
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/component",
    // The Deployment's own controller writes this one.
    "pod-template-hash",
];

/// Labels that every object has.
pub const OBJECT_LABELS: [&str; 6] = [
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/component",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/part-of",
    "app.kubernetes.io/version",
];

/// What annotations of ours start with.
pub const ANNOTATION_PREFIXES: [&str; 1] = ["checksum/"];

/// The relay's environment variables that the bundle sets, and the key of the profile that decides them.
pub const ENVIRONMENT: [(&str, &str); 38] = [
    ("ACCOUNT_TEST_SCHEDULER_ENABLED", "config.accountTestSchedulerEnabled"),
    ("ADMIN_PASSWORD", "config.adminPassword"),
    ("ADMIN_SESSION_TIMEOUT", "config.adminSessionTimeout"),
    ("ADMIN_USERNAME", "config.adminUsername"),
    ("API_KEY_PREFIX", "config.apiKeyPrefix"),
    ("CLAUDE_CONSOLE_BLOCKED_HANDLING_MINUTES", "config.claudeConsoleBlockedHandlingMinutes"),
    ("CLEANUP_INTERVAL", "config.cleanupInterval"),
    ("CLEAR_CONCURRENCY_QUEUES_ON_STARTUP", "config.clearConcurrencyQueuesOnStartup"),
    ("DEFAULT_TOKEN_LIMIT", "config.defaultTokenLimit"),
    ("ENABLE_CORS", "config.enableCors"),
    ("ENCRYPTION_KEY", "config.encryptionKey"),
    ("HEALTH_CHECK_INTERVAL", "config.healthCheckInterval"),
    ("HOST", "config.host"),
    ("HTTPS_PROXY", "config.httpsProxy"),
    ("JWT_SECRET", "config.jwtSecret"),
    ("LOG_LEVEL", "config.logLevel"),
    ("LOG_MAX_FILES", "config.logMaxFiles"),
    ("LOG_MAX_SIZE", "config.logMaxSize"),
    ("METRICS_WINDOW", "config.metricsWindow"),
    ("NODE_ENV", "config.nodeEnv"),
    ("NODE_EXTRA_CA_CERTS", "config.nodeExtraCaCerts"),
    ("NODE_OPTIONS", "config.nodeMaxOldSpaceMb"),
    ("POD_NAME", ""),
    ("PORT", "config.port"),
    ("PRICE_MIRROR_BASE_URL", "config.priceMirrorBaseUrl"),
    ("RATE_LIMIT_CLEANUP_INTERVAL", "config.rateLimitCleanupInterval"),
    ("REDIS_DB", "externalRedis.database"),
    ("REDIS_ENABLE_TLS", "externalRedis.tls"),
    ("REDIS_HOST", "externalRedis.host"),
    ("REDIS_PASSWORD", "redis.auth.password` or `externalRedis.password"),
    ("REDIS_PORT", "redis.service.port` or `externalRedis.port"),
    ("REQUEST_MAX_SIZE_MB", "config.requestMaxSizeMb"),
    ("REQUEST_TIMEOUT", "config.requestTimeout"),
    ("STICKY_SESSION_RENEWAL_THRESHOLD_MINUTES", "config.stickySessionRenewalThresholdMinutes"),
    ("STICKY_SESSION_TTL_HOURS", "config.stickySessionTtlHours"),
    ("TIMEZONE_OFFSET", "config.timezoneOffset"),
    ("TOKEN_USAGE_RETENTION", "config.tokenUsageRetention"),
    ("TRUST_PROXY", "config.trustProxy"),
];

/// Returns the key that decides a variable which the bundle sets; empty where none does.
pub fn environment_key(variable: &str) -> Option<&'static str> {
    ENVIRONMENT.iter().find(|(name, _)| *name == variable).map(|(_, key)| *key)
}

/// Variables that the relay reads and that hold credentials.
pub const SECRET_ENVIRONMENT: [&str; 7] = [
    "ANTIGRAVITY_OAUTH_CLIENT_SECRET",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "GEMINI_OAUTH_CLIENT_SECRET",
    "LDAP_BIND_PASSWORD",
    "WEBHOOK_URLS",
    "WEB_SESSION_SECRET",
];
