//! The relay's environment: every variable, the keys that set it, and its value.

use super::resolve::Profile;
use super::settings::Config;
use crate::model::number::quantity_milli;

/// A variable in the relay's ConfigMap.
pub struct Variable {
    pub name: &'static str,
    /// The keys that set it.
    pub keys: &'static [&'static str],
    source: ValueSource,
}

/// The source of a variable's value.
enum ValueSource {
    /// One setting of the relay.
    Config(fn(&Config) -> String),
    /// The whole profile, in which the variable may have no value.
    Profile(fn(&Profile) -> Option<String>),
}

impl Variable {
    const fn of_config(
        name: &'static str,
        keys: &'static [&'static str],
        value: fn(&Config) -> String,
    ) -> Self {
        Self { name, keys, source: ValueSource::Config(value) }
    }

    const fn of_profile(
        name: &'static str,
        keys: &'static [&'static str],
        value: fn(&Profile) -> Option<String>,
    ) -> Self {
        Self { name, keys, source: ValueSource::Profile(value) }
    }

    /// Returns the value with the settings of `profile`, if the relay gets the variable.
    pub fn value(&self, profile: &Profile) -> Option<String> {
        match self.source {
            ValueSource::Config(value) => Some(value(&profile.settings.config)),
            ValueSource::Profile(value) => value(profile),
        }
    }
}

/// The variables in the relay's ConfigMap.
pub static VARIABLES: &[Variable] = &[
    Variable::of_profile(
        "ACCOUNT_TEST_SCHEDULER_ENABLED",
        &["config.accountTestSchedulerEnabled"],
        |profile| {
            let set = profile.settings.config.account_test_scheduler_enabled;
            Some(set.unwrap_or(is_alone(profile)).to_string())
        },
    ),
    Variable::of_config("ADMIN_SESSION_TIMEOUT", &["config.adminSessionTimeout"], |config| {
        config.admin_session_timeout.to_string()
    }),
    Variable::of_config("ADMIN_USERNAME", &["config.adminUsername"], |config| {
        config.admin_username.to_string()
    }),
    Variable::of_config("API_KEY_PREFIX", &["config.apiKeyPrefix"], |config| {
        config.api_key_prefix.to_string()
    }),
    Variable::of_config(
        "CLAUDE_CONSOLE_BLOCKED_HANDLING_MINUTES",
        &["config.claudeConsoleBlockedHandlingMinutes"],
        |config| config.claude_console_blocked_handling_minutes.to_string(),
    ),
    Variable::of_config("CLEANUP_INTERVAL", &["config.cleanupInterval"], |config| {
        config.cleanup_interval.to_string()
    }),
    Variable::of_profile(
        "CLEAR_CONCURRENCY_QUEUES_ON_STARTUP",
        &["config.clearConcurrencyQueuesOnStartup"],
        |profile| {
            let set = profile.settings.config.clear_concurrency_queues_on_startup;
            Some(set.unwrap_or(is_alone(profile)).to_string())
        },
    ),
    Variable::of_config("DEFAULT_TOKEN_LIMIT", &["config.defaultTokenLimit"], |config| {
        config.default_token_limit.to_string()
    }),
    Variable::of_config("ENABLE_CORS", &["config.enableCors"], |config| {
        config.enable_cors.to_string()
    }),
    Variable::of_config("HEALTH_CHECK_INTERVAL", &["config.healthCheckInterval"], |config| {
        config.health_check_interval.to_string()
    }),
    Variable::of_config("HOST", &["config.host"], |config| config.host.to_string()),
    Variable::of_config("LOG_LEVEL", &["config.logLevel"], |config| {
        config.log_level.as_str().to_owned()
    }),
    Variable::of_config("LOG_MAX_FILES", &["config.logMaxFiles"], |config| {
        config.log_max_files.to_string()
    }),
    Variable::of_config("LOG_MAX_SIZE", &["config.logMaxSize"], |config| {
        config.log_max_size.to_string()
    }),
    Variable::of_config("METRICS_WINDOW", &["config.metricsWindow"], |config| {
        config.metrics_window.to_string()
    }),
    Variable::of_config("NODE_ENV", &["config.nodeEnv"], |config| {
        config.node_env.as_str().to_owned()
    }),
    Variable::of_profile("NODE_EXTRA_CA_CERTS", &["config.nodeExtraCaCerts"], |profile| {
        unless_empty(profile.settings.config.node_extra_ca_certs.to_string())
    }),
    Variable::of_profile("NODE_OPTIONS", &["config.nodeMaxOldSpaceMb"], |profile| {
        old_space_mb(profile).map(|mb| format!("--max-old-space-size={mb}"))
    }),
    Variable::of_config("PORT", &["config.port"], |config| config.port.to_string()),
    Variable::of_profile("PRICE_MIRROR_BASE_URL", &["config.priceMirrorBaseUrl"], |profile| {
        unless_empty(profile.settings.config.price_mirror_base_url.to_string())
    }),
    Variable::of_profile("REDIS_DB", &["externalRedis.database"], |profile| {
        let settings = &profile.settings;
        let database =
            if settings.redis.enabled { 0 } else { settings.external_redis.database.get() };
        Some(database.to_string())
    }),
    Variable::of_profile("REDIS_ENABLE_TLS", &["externalRedis.tls"], |profile| {
        let settings = &profile.settings;
        Some((!settings.redis.enabled && settings.external_redis.tls).to_string())
    }),
    Variable::of_profile("REDIS_HOST", &["externalRedis.host", "redis.enabled"], |profile| {
        Some(profile.settings.redis_address(&profile.names).0)
    }),
    Variable::of_profile("REDIS_PORT", &["externalRedis.port", "redis.service.port"], |profile| {
        Some(profile.settings.redis_address(&profile.names).1.to_string())
    }),
    Variable::of_config("REQUEST_MAX_SIZE_MB", &["config.requestMaxSizeMb"], |config| {
        config.request_max_size_mb.to_string()
    }),
    Variable::of_config("REQUEST_TIMEOUT", &["config.requestTimeout"], |config| {
        config.request_timeout.to_string()
    }),
    Variable::of_config(
        "STICKY_SESSION_RENEWAL_THRESHOLD_MINUTES",
        &["config.stickySessionRenewalThresholdMinutes"],
        |config| config.sticky_session_renewal_threshold_minutes.to_string(),
    ),
    Variable::of_config("STICKY_SESSION_TTL_HOURS", &["config.stickySessionTtlHours"], |config| {
        config.sticky_session_ttl_hours.to_string()
    }),
    Variable::of_config("TIMEZONE_OFFSET", &["config.timezoneOffset"], |config| {
        config.timezone_offset.to_string()
    }),
    Variable::of_config("TOKEN_USAGE_RETENTION", &["config.tokenUsageRetention"], |config| {
        config.token_usage_retention.to_string()
    }),
    Variable::of_config("TRUST_PROXY", &["config.trustProxy"], |config| {
        config.trust_proxy.to_string()
    }),
];

/// The keys that take a secret, and the variables that carry it; credentials of Fluent Bit outputs
/// are recognised by their names.
pub const SECRET_VARIABLES: [(&str, &str); 5] = [
    ("config.jwtSecret", "JWT_SECRET"),
    ("config.encryptionKey", "ENCRYPTION_KEY"),
    ("config.adminPassword", "ADMIN_PASSWORD"),
    ("externalRedis.password", "REDIS_PASSWORD"),
    ("redis.auth.password", "REDIS_PASSWORD"),
];

/// Returns the keys that set a variable of the relay.
pub fn keys_of(variable: &str) -> Vec<&'static str> {
    let plain = VARIABLES.iter().filter(|known| known.name == variable);
    let secret = SECRET_VARIABLES.iter().filter(|(_, name)| *name == variable);
    plain.flat_map(|known| known.keys.iter().copied()).chain(secret.map(|(key, _)| *key)).collect()
}

/// Returns the variable of the relay that a key sets.
pub fn variable_of(key: &str) -> Option<&'static str> {
    let plain = VARIABLES.iter().find(|known| known.keys.contains(&key)).map(|known| known.name);
    let secret = || SECRET_VARIABLES.iter().find(|(known, _)| *known == key);
    plain.or_else(|| secret().map(|(_, variable)| *variable))
}

/// Returns whether the relay has one pod.
///
/// If several may run, a starting pod must not reset the state of the others, and scheduled tests
/// would run once in each pod.
fn is_alone(profile: &Profile) -> bool {
    !profile.settings.can_scale()
}

fn unless_empty(value: String) -> Option<String> {
    Some(value).filter(|value| !value.is_empty())
}

/// Returns the heap size of Node.js in MiB: the profile's setting, or three quarters of the memory
/// limit.
fn old_space_mb(profile: &Profile) -> Option<i64> {
    let settings = &profile.settings;
    if let Some(megabytes) = settings.config.node_max_old_space_mb {
        return Some(megabytes.get());
    }
    let limit = settings.resources.limits.as_ref()?.get("memory")?;
    let bytes = quantity_milli(&limit.0)? / 1000;
    i64::try_from(bytes * 3 / 4 / (1 << 20)).ok().filter(|megabytes| *megabytes > 0)
}
