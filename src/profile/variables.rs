//! Maps keys to environment variables of the relay.
//!
//! Tests compare the tables with the schema and the renderers.

/// The keys that become variables in the relay's ConfigMap.
pub const VARIABLES: [(&str, &str); 33] = [
    ("config.accountTestSchedulerEnabled", "ACCOUNT_TEST_SCHEDULER_ENABLED"),
    ("config.adminSessionTimeout", "ADMIN_SESSION_TIMEOUT"),
    ("config.adminUsername", "ADMIN_USERNAME"),
    ("config.apiKeyPrefix", "API_KEY_PREFIX"),
    ("config.claudeConsoleBlockedHandlingMinutes", "CLAUDE_CONSOLE_BLOCKED_HANDLING_MINUTES"),
    ("config.cleanupInterval", "CLEANUP_INTERVAL"),
    ("config.clearConcurrencyQueuesOnStartup", "CLEAR_CONCURRENCY_QUEUES_ON_STARTUP"),
    ("config.defaultTokenLimit", "DEFAULT_TOKEN_LIMIT"),
    ("config.enableCors", "ENABLE_CORS"),
    ("config.healthCheckInterval", "HEALTH_CHECK_INTERVAL"),
    ("config.host", "HOST"),
    ("config.logLevel", "LOG_LEVEL"),
    ("config.logMaxFiles", "LOG_MAX_FILES"),
    ("config.logMaxSize", "LOG_MAX_SIZE"),
    ("config.metricsWindow", "METRICS_WINDOW"),
    ("config.nodeEnv", "NODE_ENV"),
    ("config.nodeExtraCaCerts", "NODE_EXTRA_CA_CERTS"),
    ("config.nodeMaxOldSpaceMb", "NODE_OPTIONS"),
    ("config.port", "PORT"),
    ("config.priceMirrorBaseUrl", "PRICE_MIRROR_BASE_URL"),
    ("config.requestMaxSizeMb", "REQUEST_MAX_SIZE_MB"),
    ("config.requestTimeout", "REQUEST_TIMEOUT"),
    ("config.stickySessionRenewalThresholdMinutes", "STICKY_SESSION_RENEWAL_THRESHOLD_MINUTES"),
    ("config.stickySessionTtlHours", "STICKY_SESSION_TTL_HOURS"),
    ("config.timezoneOffset", "TIMEZONE_OFFSET"),
    ("config.tokenUsageRetention", "TOKEN_USAGE_RETENTION"),
    ("config.trustProxy", "TRUST_PROXY"),
    ("externalRedis.database", "REDIS_DB"),
    ("externalRedis.host", "REDIS_HOST"),
    ("externalRedis.port", "REDIS_PORT"),
    ("externalRedis.tls", "REDIS_ENABLE_TLS"),
    ("redis.enabled", "REDIS_HOST"),
    ("redis.service.port", "REDIS_PORT"),
];

/// The keys of secrets, the variables that carry them, and the containers with these variables.
pub const SECRET_VARIABLES: [(&str, &str, &str); 5] = [
    ("config.adminPassword", "ADMIN_PASSWORD", "init container prepare"),
    ("config.encryptionKey", "ENCRYPTION_KEY", "container claude-relay"),
    ("config.jwtSecret", "JWT_SECRET", "container claude-relay"),
    ("externalRedis.password", "REDIS_PASSWORD", "container claude-relay"),
    ("redis.auth.password", "REDIS_PASSWORD", "containers claude-relay and redis"),
];

/// Returns the keys that set a variable of the relay.
pub fn keys_of(variable: &str) -> Vec<&'static str> {
    let plain = VARIABLES.iter().map(|(key, name)| (*key, *name));
    let secret = SECRET_VARIABLES.iter().map(|(key, name, _)| (*key, *name));
    plain.chain(secret).filter(|(_, name)| *name == variable).map(|(key, _)| key).collect()
}
