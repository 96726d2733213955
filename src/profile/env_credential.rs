//! Decides whether the plain value of an environment variable is, or may be, a credential.

use super::reserved::SECRET_ENVIRONMENT;
use crate::model::credential::{holds_credential, names_credential, sounds_secret};

/// Variables of the relay that hold no credential although their names sound like one.
const PLAIN_ENVIRONMENT: [&str; 16] = [
    "ALLOW_USER_DELETE_API_KEYS",
    "ANTIGRAVITY_OAUTH_CLIENT_ID",
    "ANTIGRAVITY_OAUTH_REDIRECT_URI",
    "API_KEY_PREFIX",
    "BEDROCK_MAX_OUTPUT_TOKENS",
    "CLAUDE_BETA_HEADER",
    "CLAUDE_CODE_MAX_OUTPUT_TOKENS",
    "DEFAULT_TOKEN_LIMIT",
    "GEMINI_OAUTH_CLIENT_ID",
    "GEMINI_OAUTH_REDIRECT_URI",
    "LDAP_TLS_KEY_FILE",
    "LDAP_TLS_REJECT_UNAUTHORIZED",
    "MAX_API_KEYS_PER_USER",
    "MAX_THINKING_TOKENS",
    "TOKEN_USAGE_RETENTION",
    "UPSTREAM_ERROR_AUTH_TTL_SECONDS",
];

/// Why a variable with a plain value must come from a Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvCredential {
    /// The relay reads a credential from it.
    Known,
    /// Its name sounds like a credential's, and its value may be one.
    ByName,
    /// Its value holds one.
    ByValue,
}

impl EnvCredential {
    /// Returns why `value` must not be in clear text under `name`, if so.
    pub fn of(name: &str, value: &str) -> Option<Self> {
        let upper = name.to_ascii_uppercase();
        if value.is_empty() {
            None
        } else if SECRET_ENVIRONMENT.contains(&upper.as_str()) {
            Some(Self::Known)
        } else if holds_credential(value) {
            Some(Self::ByValue)
        } else if PLAIN_ENVIRONMENT.contains(&upper.as_str()) {
            None
        } else {
            (sounds_secret(name) && may_be_credential(name, value)).then_some(Self::ByName)
        }
    }
}

/// Returns whether a value may be a credential: switches, paths and numbers are not. A
/// number under a password's name may be one.
fn may_be_credential(name: &str, value: &str) -> bool {
    const SWITCHES: [&str; 6] = ["true", "false", "yes", "no", "on", "off"];
    let is_switch = SWITCHES.iter().any(|switch| value.eq_ignore_ascii_case(switch));
    let is_number = value.parse::<f64>().is_ok();
    !is_switch && !is_path(value) && (!is_number || names_credential(name))
}

fn is_path(value: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    value.starts_with('/') && value.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_hint_only_if_value_may_be_credential() {
        for (name, value, found) in [
            ("MAX_API_KEYS_PER_USER", "3", None),
            ("ALLOW_USER_DELETE_API_KEYS", "false", None),
            ("UPSTREAM_ERROR_AUTH_TTL_SECONDS", "900", None),
            ("CLAUDE_BETA_HEADER", "oauth-2025-04-20", None),
            ("GEMINI_OAUTH_CLIENT_ID", "1234.apps.example", None),
            ("TOKEN_FILE", "/var/run/secrets/token", None),
            ("PROXY_AUTH_ENABLED", "Yes", None),
            ("OIDC_AUTH_RATIO", "0.5", None),
            ("LDAP_PASSWORD_FILE", "", None),
            ("LDAP_BIND_PASSWORD", "true", Some(EnvCredential::Known)),
            ("ldap_bind_password", "x", Some(EnvCredential::Known)),
            ("DB_PASSWORD", "123456", Some(EnvCredential::ByName)),
            ("DB_PASSWORD", "hunter2", Some(EnvCredential::ByName)),
            ("OIDC_CLIENT_SECRET", "a/b+c", Some(EnvCredential::ByName)),
            ("CLAUDE_BETA_HEADER", "sk-ant-api03-hunter2hunter2", Some(EnvCredential::ByValue)),
            ("BASE_URL", "https://me:pass@r.example/", Some(EnvCredential::ByValue)),
        ] {
            assert_eq!(EnvCredential::of(name, value), found, "{name}={value}");
        }
    }
}
