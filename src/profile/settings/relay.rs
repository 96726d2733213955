//! `config`: the relay's own settings, as its environment variables have them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::number::{Bounded, HighPort};
use crate::model::secret::SecretForm;
use crate::model::text::{FilePath, Line, LogSize, Url};

/// An integer for which the relay would take its own default if it were 0.
type Positive = Bounded<1, 9_007_199_254_740_991>;

/// The relay's settings.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Config {
    /// The mode of Node.js (`NODE_ENV`).
    pub node_env: NodeEnv,
    /// The port that the relay listens on (`PORT`).
    pub port: HighPort,
    /// The address that the relay (`HOST`) and Fluent Bit listen on: `0.0.0.0`, or `::` for both
    /// families.
    pub host: Line,
    /// A secret whose presence the relay checks (`JWT_SECRET`); changing it is harmless.
    #[serde(default)]
    pub jwt_secret: SecretForm,
    /// The installation's key (`ENCRYPTION_KEY`): it encrypts every account and salts every API
    /// key. It must never change.
    #[serde(default)]
    pub encryption_key: SecretForm,
    /// How long an administrator's session lasts, in milliseconds (`ADMIN_SESSION_TIMEOUT`).
    pub admin_session_timeout: Positive,
    /// The prefix of issued API keys (`API_KEY_PREFIX`).
    pub api_key_prefix: Line,
    /// The administrator's name (`ADMIN_USERNAME`).
    pub admin_username: Line,
    /// The administrator's password (`ADMIN_PASSWORD`). The Secret is the source of truth.
    #[serde(default)]
    pub admin_password: SecretForm,
    /// How much is logged (`LOG_LEVEL`); at `info` and below also the bodies of all requests, with
    /// credentials.
    pub log_level: LogLevel,
    /// The size at which a log file is rotated (`LOG_MAX_SIZE`).
    pub log_max_size: LogSize,
    /// How many rotated files of each log are kept (`LOG_MAX_FILES`).
    pub log_max_files: Bounded<1, 1000>,
    /// The time between clean-ups, in milliseconds (`CLEANUP_INTERVAL`).
    pub cleanup_interval: Positive,
    /// The relay does not read this; it cleans up rate limits every 5 minutes.
    pub rate_limit_cleanup_interval: Positive,
    /// How long usage is kept, in milliseconds (`TOKEN_USAGE_RETENTION`); the relay reads but does
    /// not use it.
    pub token_usage_retention: Positive,
    /// The time between health checks, in milliseconds (`HEALTH_CHECK_INTERVAL`); the relay reads
    /// but does not use it.
    pub health_check_interval: Positive,
    /// Hours from UTC for quotas and log times (`TIMEZONE_OFFSET`); the relay turns 0 into 8.
    pub timezone_offset: Bounded<-12, 14>,
    /// A limit of tokens (`DEFAULT_TOKEN_LIMIT`); the relay reads but does not use it.
    pub default_token_limit: Positive,
    /// Whether the client's address comes from the proxy in front (`TRUST_PROXY`).
    pub trust_proxy: bool,
    /// Whether browsers of other origins may call the API (`ENABLE_CORS`).
    pub enable_cors: bool,
    /// How long a session sticks to an account, in hours (`STICKY_SESSION_TTL_HOURS`).
    pub sticky_session_ttl_hours: Bounded<1, 8760>,
    /// The remaining time at which a sticky session is renewed, in minutes; 0 never
    /// (`STICKY_SESSION_RENEWAL_THRESHOLD_MINUTES`).
    pub sticky_session_renewal_threshold_minutes: Bounded<0, 525_600>,
    /// How long a blocked console account rests, in minutes
    /// (`CLAUDE_CONSOLE_BLOCKED_HANDLING_MINUTES`).
    pub claude_console_blocked_handling_minutes: Bounded<0, 525_600>,
    /// The largest body of a request, in MiB (`REQUEST_MAX_SIZE_MB`); also the Ingress's limit.
    /// Each request needs several times its size in memory.
    pub request_max_size_mb: Bounded<1, 2048>,
    /// How long a request to the upstream may take, in milliseconds (`REQUEST_TIMEOUT`).
    pub request_timeout: Bounded<1000, 86_400_000>,
    /// Whether a start clears the queues of all replicas (`CLEAR_CONCURRENCY_QUEUES_ON_STARTUP`);
    /// only with one replica unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clear_concurrency_queues_on_startup: Option<bool>,
    /// Whether accounts are tested on a schedule (`ACCOUNT_TEST_SCHEDULER_ENABLED`); only with one
    /// replica unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_test_scheduler_enabled: Option<bool>,
    /// The period of real-time metrics, in minutes (`METRICS_WINDOW`).
    pub metrics_window: Bounded<1, 60>,
    /// The URL of the price list (`PRICE_MIRROR_BASE_URL`). The default fails immediately, so that
    /// a start without egress does not wait; an empty value selects the relay's own mirror, which
    /// needs egress.
    pub price_mirror_base_url: Url,
    /// The heap of Node.js in MiB (`NODE_OPTIONS=--max-old-space-size`); 75 % of the memory limit
    /// unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_max_old_space_mb: Option<Bounded<64, 1_048_576>>,
    /// A file with further certificate authorities (`NODE_EXTRA_CA_CERTS`); mount it with
    /// `extraVolumeMounts`.
    pub node_extra_ca_certs: FilePath,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NodeEnv {
    Production,
    Development,
}

impl NodeEnv {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Development => "development",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Http,
    Verbose,
    Debug,
    Silly,
}

impl LogLevel {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Http => "http",
            Self::Verbose => "verbose",
            Self::Debug => "debug",
            Self::Silly => "silly",
        }
    }
}
