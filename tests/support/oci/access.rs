//! The configuration of a registry for each kind of access.

use std::path::Path;

use serde_json::{Value, json};

use super::token_server::{ISSUER, SERVICE, TokenServer};

/// The transport and the authentication of a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// HTTP without credentials.
    Plain,
    /// HTTPS with user and password.
    Basic,
    /// HTTPS with a token; the token server requires user and password.
    Bearer,
}

impl Access {
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::Basic, Self::Bearer];
}

/// Returns the configuration; JSON is YAML.
pub(crate) fn config(folder: &Path, access: Access, tokens: Option<&TokenServer>) -> Value {
    let mut config = json!({
        "version": "0.1",
        "log": { "level": "info", "accesslog": { "disabled": true } },
        "storage": {
            "filesystem": { "rootdirectory": folder.join("storage") },
            "delete": { "enabled": true },
        },
        // The system chooses the port: a free port that a test had found could be taken before the
        // registry starts.
        "http": { "addr": "127.0.0.1:0" },
    });
    if access != Access::Plain {
        let (certificate, key) = (folder.join("server.crt"), folder.join("server.key"));
        config["http"]["tls"] = json!({ "certificate": certificate, "key": key });
    }
    if access == Access::Basic {
        config["auth"] =
            json!({ "htpasswd": { "realm": "registry", "path": folder.join("htpasswd") } });
    }
    if let Some(tokens) = tokens {
        config["auth"] = json!({ "token": {
            "realm": format!("https://{}/token", tokens.address),
            "service": SERVICE,
            "issuer": ISSUER,
            "rootcertbundle": folder.join("token.crt"),
        }});
    }
    config
}
