//! What the bundle itself puts into the relay's pods: a profile may not use these names for
//! something else.

use super::settings::Settings;

/// The containers of ours.
pub const CONTAINERS: [&str; 4] = ["claude-relay", "fluent-bit", "json-exporter", "prepare"];

/// The volumes of ours.
pub const VOLUMES: [&str; 6] =
    ["data", "exporter-config", "external-data", "fluent-bit-config", "fluent-bit-state", "logs"];

impl Settings {
    /// Returns the volumes of ours that a container of the profile may mount: they are there with
    /// these settings.
    pub fn shared_volumes(&self) -> Vec<&'static str> {
        let external = self.storage.data.external.enabled.then_some("external-data");
        ["data", "logs"].into_iter().chain(external).collect()
    }
}

/// Where the relay's container mounts ours, and where it would find settings beside its
/// environment.
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

/// The variable that the bundle sets for itself: each pod's folder of logs is called by it.
pub const POD_NAME: &str = "POD_NAME";

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

/// The variables from which the relay's HTTP client takes a proxy for URLs with `https`; letter
/// case does not count.
const PROXY_ENVIRONMENT: [&str; 4] =
    ["ALL_PROXY", "HTTPS_PROXY", "NPM_CONFIG_HTTPS_PROXY", "NPM_CONFIG_PROXY"];

/// Returns whether the relay's HTTP client takes a proxy from the variable `name`.
pub fn is_proxy(name: &str) -> bool {
    PROXY_ENVIRONMENT.iter().any(|known| known.eq_ignore_ascii_case(name))
}
