//! Renders the relay's ConfigMap: each setting that reaches the relay as an environment variable,
//! once.

use std::collections::BTreeMap;

use super::config_map::Content;
use crate::model::number::quantity_milli;
use crate::profile::resolve::Profile;

/// Returns the ConfigMap of the relay's environment.
pub(super) fn content(profile: &Profile) -> Content {
    Content::of(&format!("{}-config", profile.names.full), variables(profile))
}

fn variables(profile: &Profile) -> BTreeMap<String, String> {
    let settings = &profile.settings;
    let config = &settings.config;
    let (redis_host, redis_port) = settings.redis_address(&profile.names);
    let (redis_database, redis_tls) = if settings.redis.enabled {
        (0, false)
    } else {
        (settings.external_redis.database.get(), settings.external_redis.tls)
    };
    // If several pods may run, a starting pod must not reset the state of the others, and scheduled
    // tests would run once in each pod.
    let alone = !settings.can_scale();
    let fixed = [
        (
            "ACCOUNT_TEST_SCHEDULER_ENABLED",
            config.account_test_scheduler_enabled.unwrap_or(alone).to_string(),
        ),
        ("ADMIN_SESSION_TIMEOUT", config.admin_session_timeout.to_string()),
        ("ADMIN_USERNAME", config.admin_username.to_string()),
        ("API_KEY_PREFIX", config.api_key_prefix.to_string()),
        (
            "CLAUDE_CONSOLE_BLOCKED_HANDLING_MINUTES",
            config.claude_console_blocked_handling_minutes.to_string(),
        ),
        ("CLEANUP_INTERVAL", config.cleanup_interval.to_string()),
        (
            "CLEAR_CONCURRENCY_QUEUES_ON_STARTUP",
            config.clear_concurrency_queues_on_startup.unwrap_or(alone).to_string(),
        ),
        ("DEFAULT_TOKEN_LIMIT", config.default_token_limit.to_string()),
        ("ENABLE_CORS", config.enable_cors.to_string()),
        ("HEALTH_CHECK_INTERVAL", config.health_check_interval.to_string()),
        ("HOST", config.host.to_string()),
        ("LOG_LEVEL", config.log_level.as_str().to_owned()),
        ("LOG_MAX_FILES", config.log_max_files.to_string()),
        ("LOG_MAX_SIZE", config.log_max_size.to_string()),
        ("METRICS_WINDOW", config.metrics_window.to_string()),
        ("NODE_ENV", config.node_env.as_str().to_owned()),
        ("PORT", config.port.to_string()),
        ("REDIS_DB", redis_database.to_string()),
        ("REDIS_ENABLE_TLS", redis_tls.to_string()),
        ("REDIS_HOST", redis_host),
        ("REDIS_PORT", redis_port.to_string()),
        ("REQUEST_MAX_SIZE_MB", config.request_max_size_mb.to_string()),
        ("REQUEST_TIMEOUT", config.request_timeout.to_string()),
        (
            "STICKY_SESSION_RENEWAL_THRESHOLD_MINUTES",
            config.sticky_session_renewal_threshold_minutes.to_string(),
        ),
        ("STICKY_SESSION_TTL_HOURS", config.sticky_session_ttl_hours.to_string()),
        ("TIMEZONE_OFFSET", config.timezone_offset.to_string()),
        ("TOKEN_USAGE_RETENTION", config.token_usage_retention.to_string()),
        ("TRUST_PROXY", config.trust_proxy.to_string()),
    ];
    let optional = [
        ("NODE_EXTRA_CA_CERTS", Some(config.node_extra_ca_certs.to_string())),
        ("NODE_OPTIONS", old_space_mb(profile).map(|mb| format!("--max-old-space-size={mb}"))),
        ("PRICE_MIRROR_BASE_URL", Some(config.price_mirror_base_url.to_string())),
    ];
    let set = optional
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)));
    fixed.into_iter().chain(set).map(|(name, value)| (name.to_owned(), value)).collect()
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
