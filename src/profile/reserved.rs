//! The names that the bundle itself uses in the relay's pods, and that a profile must not reuse.

use super::settings::Settings;
use crate::model::label::{
    COMPONENT_LABEL, INSTANCE_LABEL, MANAGED_BY_LABEL, NAME_LABEL, PART_OF_LABEL, VERSION_LABEL,
};

/// The bundle's own containers.
pub const CONTAINERS: [&str; 4] = ["claude-relay", "fluent-bit", "json-exporter", "prepare"];

/// The bundle's own volumes.
pub const VOLUMES: [&str; 6] =
    ["data", "exporter-config", "external-data", "fluent-bit-config", "fluent-bit-state", "logs"];

impl Settings {
    /// Returns the bundle's volumes that exist with these settings, and that the profile's own
    /// containers may mount.
    pub fn shared_volumes(&self) -> Vec<&'static str> {
        let external = self.storage.data.external.enabled.then_some("external-data");
        ["data", "logs"].into_iter().chain(external).collect()
    }
}

/// The mount paths of the bundle's volumes in the relay's container, and `.env`, where the relay
/// would read further settings.
pub const MOUNT_PATHS: [&str; 4] = ["/app/.env", "/app/data", "/app/external-data", "/app/logs"];

/// The port names of the bundle's containers; Services reference ports by name.
pub const PORT_NAMES: [&str; 3] = ["fluent-bit", "http", "metrics"];

/// The port on which Fluent Bit answers probes.
pub const FLUENT_BIT_PORT: i64 = 2020;

/// The pod labels that selectors and the bundle's tools depend on.
pub const POD_LABELS: [&str; 4] = [
    NAME_LABEL,
    INSTANCE_LABEL,
    COMPONENT_LABEL,
    // The Deployment controller sets this label.
    "pod-template-hash",
];

/// The labels of every object.
pub const OBJECT_LABELS: [&str; 6] =
    [NAME_LABEL, INSTANCE_LABEL, COMPONENT_LABEL, MANAGED_BY_LABEL, PART_OF_LABEL, VERSION_LABEL];

/// The prefixes of the bundle's own annotations.
pub const ANNOTATION_PREFIXES: [&str; 1] = ["checksum/"];

/// The variable that the bundle sets for itself; it names each pod's log folder.
pub const POD_NAME: &str = "POD_NAME";

/// The variables with credentials that the relay reads.
pub const SECRET_ENVIRONMENT: [&str; 7] = [
    "ANTIGRAVITY_OAUTH_CLIENT_SECRET",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "GEMINI_OAUTH_CLIENT_SECRET",
    "LDAP_BIND_PASSWORD",
    "WEBHOOK_URLS",
    "WEB_SESSION_SECRET",
];

/// The variables from which the relay's HTTP client takes a proxy for `https` URLs, in any letter
/// case.
const PROXY_ENVIRONMENT: [&str; 4] =
    ["ALL_PROXY", "HTTPS_PROXY", "NPM_CONFIG_HTTPS_PROXY", "NPM_CONFIG_PROXY"];

/// Returns whether the relay's HTTP client takes a proxy from the variable `name`.
pub fn is_proxy(name: &str) -> bool {
    PROXY_ENVIRONMENT.iter().any(|known| known.eq_ignore_ascii_case(name))
}
