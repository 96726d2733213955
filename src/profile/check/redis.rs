//! Checks `redis` and `externalRedis`: exactly one of them, reachable, and with enough memory.

use crate::profile::settings::Settings;

use super::{Report, resources};

/// The memory that Redis and its append-only rewrite need before the first key.
const MEMORY_BYTES_MIN: i128 = 64 << 20;

/// The oldest major version that accepts the bundle's configuration.
const MAJOR_MIN: u32 = 7;

pub(super) fn check(settings: &Settings, report: &mut Report<'_>) {
    if settings.redis.enabled {
        internal(settings, report);
    } else {
        external(settings, report);
    }
}

fn external(settings: &Settings, report: &mut Report<'_>) {
    if settings.external_redis.host.as_str().is_empty() {
        let message = "no Redis configured: `redis.enabled` is false, and no host is set";
        let help = "set the host of your Redis, or set `redis.enabled = true`";
        report.error("RB0301", "externalRedis.host", message, help);
    }
}

fn internal(settings: &Settings, report: &mut Report<'_>) {
    let redis = &settings.redis;
    let unused = [
        (
            !settings.external_redis.host.as_str().is_empty(),
            "externalRedis.host",
            "the bundle's own Redis is used, because `redis.enabled` is true",
            "remove it, or set `redis.enabled = false`",
        ),
        (
            settings.external_redis.password.is_some(),
            "externalRedis.password",
            "the bundle's own Redis is used, because `redis.enabled` is true",
            "remove it; the bundle's Redis uses `redis.auth.password`",
        ),
        (
            !redis.auth.enabled && report.is_written("redis.auth.password"),
            "redis.auth.password",
            "Redis requires no password, because `redis.auth.enabled` is false",
            "set `redis.auth.enabled = true`, or remove the password",
        ),
        (
            !redis.persistence.enabled && !redis.persistence.existing_claim.as_str().is_empty(),
            "redis.persistence.existingClaim",
            "no PVC is used, because `redis.persistence.enabled` is false",
            "set `redis.persistence.enabled = true`, or remove the PVC",
        ),
    ];

    for (_, path, message, help) in unused.into_iter().filter(|(unused, ..)| *unused) {
        report.warning("RB0404", path, message, help);
    }
    if !redis.persistence.enabled && !settings.is_dev() {
        let message = "Redis is the only database: without a volume, every account and key is lost \
                       with its pod";
        report.warning("RB0414", "redis.persistence.enabled", message, "set it to true");
    }
    if !redis.auth.enabled && !settings.network_policy.enabled && !settings.is_dev() {
        let message = "Redis is the only database, and every pod in the cluster can read and \
                       change it: it requires no password, and no policy restricts access";
        let help = "set it to true, or `networkPolicy.enabled = true`";
        report.warning("RB0417", "redis.auth.enabled", message, help);
    }

    image(settings, report);
    memory(settings, report);
}

/// Checks the version of the image.
///
/// The start script needs `appenddirname`, which Redis has since 7.0; `bind -::*` needs 6.2.
fn image(settings: &Settings, report: &mut Report<'_>) {
    let tag = settings.redis.image.tag.as_str();
    if major(tag).is_some_and(|major| major < MAJOR_MIN) {
        let message = format!(
            "the tag `{tag}` is older than Redis {MAJOR_MIN}.0, which would refuse its configuration"
        );
        report.error("RB0351", "redis.image.tag", message, "use Redis 7.0 or newer");
    }
}

/// Returns the major version in a tag, or `None` if it contains none.
fn major(tag: &str) -> Option<u32> {
    let digits = tag.strip_prefix('v').unwrap_or(tag);
    let (number, rest) =
        digits.split_at(digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len()));
    let is_version = rest.is_empty() || rest.starts_with(['.', '-']);
    number.parse().ok().filter(|_| is_version && number.len() <= 2)
}

fn memory(settings: &Settings, report: &mut Report<'_>) {
    match resources::memory_limit(&settings.redis.resources) {
        None => {
            let message =
                "without a memory limit, `maxmemory` is not set and a full Redis is killed";
            report.error(
                "RB0371",
                "redis.resources.limits",
                message,
                "set `redis.resources.limits.memory`",
            );
        }
        Some(bytes) if bytes < MEMORY_BYTES_MIN => {
            let message = "this is too little for Redis to start and to rewrite its file";
            report.error(
                "RB0371",
                "redis.resources.limits.memory",
                message,
                "write \"64Mi\" or more",
            );
        }
        Some(_) => {}
    }
}
