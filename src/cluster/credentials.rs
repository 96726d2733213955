//! Selects the credentials of a user by the rules of kubectl, and adds them to requests.
//!
//! | given | sent |
//! |---|---|
//! | `tokenFile` | its token, read for each request; `token` only until the file is readable |
//! | `token` | the token |
//! | `username` | user name and password; refused beside a token |
//! | `auth-provider` of the kind `oidc`, and none of these | its id-token |
//! | `exec`, none of these, and no client certificate | those of the plugin, renewed in time |
//!
//! A server without TLS receives none of them.

use std::sync::{Mutex, PoisonError};

use http::HeaderValue;
use http::header::AUTHORIZATION;
use kube::config::{AuthInfo, AuthProviderConfig};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::authorization;
use super::connect_error::ConnectError;
use super::files::{self, NAMED_BYTES_MAX};
use super::plugin::{IssuedCredentials, Plugin, PluginError};
use super::tls::has_certificate;

/// The source of the `Authorization` header. Without `Debug`.
pub(super) enum Credentials {
    /// No header; the user may have a client certificate or a plugin.
    Elsewhere,
    Fixed(HeaderValue),
    File {
        path: String,
        /// The last token that was read; it stays in use if the file disappears.
        last: Mutex<HeaderValue>,
    },
    Plugin {
        plugin: Box<Plugin>,
        last: Mutex<IssuedCredentials>,
    },
}

impl Credentials {
    /// Takes the selected credentials out of `user`, and removes the others.
    pub(super) fn take(user: &mut AuthInfo) -> Result<Self, ConnectError> {
        let token = user.token.take().map(|token| Zeroizing::new(token.expose_secret().to_owned()));
        let (username, password) = (user.username.take(), user.password.take());
        let credentials = match (user.token_file.take(), token, username) {
            (Some(path), token, _) => Self::from_file(path, token)?,
            (None, Some(token), _) => Self::Fixed(bearer(&token, "its token")?),
            (None, None, Some(username)) => {
                let password =
                    password.as_ref().map(SecretString::expose_secret).unwrap_or_default();
                Self::Fixed(authorization::basic(&username, password))
            }
            (None, None, None) => match user.auth_provider.take() {
                Some(provider) => Self::of_provider(&provider)?,
                None => Self::Elsewhere,
            },
        };
        if !matches!(credentials, Self::Elsewhere) || has_certificate(user) {
            user.exec = None;
        }
        Ok(credentials)
    }

    /// Returns whether requests carry an `Authorization` header.
    pub(super) fn is_given(&self) -> bool {
        !matches!(self, Self::Elsewhere)
    }

    /// Returns the credentials of `plugin`, whose first run returned `issued`.
    pub(super) fn of_plugin(plugin: Plugin, issued: IssuedCredentials) -> Self {
        Self::Plugin { plugin: Box::new(plugin), last: Mutex::new(issued) }
    }

    /// Returns the id-token of an `oidc` provider.
    ///
    /// kubectl itself supports only this kind, too; the others were replaced by credential plugins.
    fn of_provider(provider: &AuthProviderConfig) -> Result<Self, ConnectError> {
        let mistake = |why: &str| {
            let name = &provider.name;
            ConnectError::Kubeconfig(format!("its user has an auth-provider `{name}` {why}"))
        };
        if provider.name != "oidc" {
            return Err(mistake(
                "which is not supported: use a credential plugin (exec), such as kubelogin",
            ));
        }
        let token = provider.config.get("id-token");
        let token = token.ok_or_else(|| mistake("without an id-token: log in again"))?;
        Ok(Self::Fixed(bearer(token, "its id-token")?))
    }

    /// Returns whether the credentials may need [`Credentials::renew`].
    pub(super) fn can_expire(&self) -> bool {
        matches!(self, Self::Plugin { .. })
    }

    /// Runs the plugin again if its token is about to expire, and waits for it.
    pub(super) fn renew(&self) -> Result<(), PluginError> {
        let Self::Plugin { plugin, last } = self else { return Ok(()) };
        // Parallel requests wait for a single run.
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if plugin.is_due(&last) {
            *last = plugin.run()?;
        }
        Ok(())
    }

    fn from_file(path: String, token: Option<Zeroizing<String>>) -> Result<Self, ConnectError> {
        let last = match (read_token(&path), token) {
            (Ok(last), _) => last,
            (Err(_), Some(token)) => bearer(&token, "its token")?,
            (Err(why), None) => return Err(ConnectError::Kubeconfig(why)),
        };
        Ok(Self::File { path, last: Mutex::new(last) })
    }

    /// Adds the `Authorization` header to a request.
    pub(super) fn sign(&self, headers: &mut http::HeaderMap) {
        let value = match self {
            Self::Elsewhere => return,
            Self::Fixed(value) => value.clone(),
            Self::File { path, last } => {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                if let Ok(token) = read_token(path) {
                    *last = token;
                }
                last.clone()
            }
            Self::Plugin { last, .. } => {
                let last = last.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(token) = last.token.clone() else { return };
                token
            }
        };
        headers.insert(AUTHORIZATION, value);
    }
}

/// Removes all credentials from `user`, but keeps the impersonation settings.
pub(super) fn remove_all(user: &mut AuthInfo) {
    let AuthInfo {
        impersonate, impersonate_uid, impersonate_groups, impersonate_user_extra, ..
    } = std::mem::take(user);
    *user = AuthInfo {
        impersonate,
        impersonate_uid,
        impersonate_groups,
        impersonate_user_extra,
        ..AuthInfo::default()
    };
}

/// Refuses combinations that kubectl refuses.
pub(super) fn check(user: &AuthInfo) -> Result<(), ConnectError> {
    let has_login = user.username.is_some() || user.password.is_some();
    let is_both =
        user.token.is_some() && has_login || user.token_file.is_some() && user.username.is_some();
    let is_impersonating = user.impersonate_uid.is_some()
        || user.impersonate_groups.is_some()
        || user.impersonate_user_extra.is_some();
    let why = if is_both {
        "its user has a token and a username: remove one of them"
    } else if user.exec.is_some() && user.auth_provider.is_some() {
        "its user has `exec` and `auth-provider`: remove one of them"
    } else if is_impersonating && user.impersonate.is_none() {
        "its user has `as-uid`, `as-groups` or `as-user-extra` without `as`"
    } else {
        return Ok(());
    };
    Err(ConnectError::Kubeconfig(why.to_owned()))
}

/// Reads the token from a file.
fn read_token(path: &str) -> Result<HeaderValue, String> {
    let what = format!("its tokenFile `{path}`");
    let bytes = files::read(path, NAMED_BYTES_MAX)
        .map_err(|error| format!("{what} cannot be read: {error}"))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("{what} is not text"))?;
    match text.trim() {
        "" => Err(format!("{what} is empty")),
        token => authorization::bearer(token).ok_or_else(|| format!("{what} {UNSENDABLE}")),
    }
}

const UNSENDABLE: &str = "contains a control character, such as a line break";

fn bearer(token: &str, what: &str) -> Result<HeaderValue, ConnectError> {
    authorization::bearer(token)
        .ok_or_else(|| ConnectError::Kubeconfig(format!("{what} {UNSENDABLE}")))
}

#[cfg(test)]
mod tests {
    use kube::config::Kubeconfig;

    use super::*;
    use crate::cluster::plugin::{PluginEnvironment, Terminal};

    fn user(fields: &str) -> AuthInfo {
        let config =
            Kubeconfig::from_yaml(&format!("{{users: [{{name: u, user: {{{fields}}}}}]}}"))
                .unwrap();
        config.auth_infos[0].auth_info.clone().unwrap()
    }

    fn sent(credentials: &Credentials) -> Option<String> {
        let mut headers = http::HeaderMap::new();
        credentials.sign(&mut headers);
        headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned())
    }

    fn sent_by(fields: &str) -> Option<String> {
        sent(&Credentials::take(&mut user(fields)).unwrap())
    }

    #[test]
    fn token_is_sent_without_blanks_around_it() {
        assert_eq!(sent_by("token: \" T\\r\\n\"").as_deref(), Some("Bearer T"));
        assert_eq!(sent_by("username: u, password: p").as_deref(), Some("Basic dTpw"));
        assert_eq!(sent_by("username: u").as_deref(), Some("Basic dTo="));
        assert_eq!(sent_by("password: p"), None);
    }

    #[test]
    fn token_file_wins_over_token_and_is_read_for_each_request() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let fields = format!("token: fallback, tokenFile: {}", path.to_str().unwrap());
        let write = |text: &str| fs_err::write(&path, text).unwrap();
        assert_eq!(sent_by(&fields).as_deref(), Some("Bearer fallback"));

        write("first\n");
        let credentials = Credentials::take(&mut user(&fields)).unwrap();
        assert_eq!(sent(&credentials).as_deref(), Some("Bearer first"));
        write("\tsecond\r\n\n");
        assert_eq!(sent(&credentials).as_deref(), Some("Bearer second"));
        for text in ["", " \n", "a\nb"] {
            write(text);
            assert_eq!(sent(&credentials).as_deref(), Some("Bearer second"));
        }
        fs_err::remove_file(&path).unwrap();
        assert_eq!(sent(&credentials).as_deref(), Some("Bearer second"));
    }

    #[test]
    fn plugin_is_kept_only_where_nothing_else_is_given() {
        let exec = "exec: {command: x}";
        let is_left = |fields: &str| {
            let mut user = user(fields);
            Credentials::take(&mut user).unwrap();
            user.exec.is_some()
        };
        assert!(is_left(exec));
        assert!(!is_left(&format!("token: t, {exec}")));
        assert!(!is_left(&format!("client-certificate: c, {exec}")));
    }

    #[test]
    fn id_token_of_auth_provider_is_sent_unless_token_is_set() {
        let oidc = "auth-provider: {name: oidc, config: {id-token: I}}";
        assert_eq!(sent_by(oidc).as_deref(), Some("Bearer I"));
        assert_eq!(sent_by(&format!("client-certificate: c, {oidc}")).as_deref(), Some("Bearer I"));
        assert_eq!(sent_by(&format!("token: t, {oidc}")).as_deref(), Some("Bearer t"));
        for (fields, wanted) in [
            ("auth-provider: {name: oidc}", "`oidc` without an id-token"),
            (
                "auth-provider: {name: gcp, config: {cmd-path: /bin/true}}",
                "`gcp` which is not supported",
            ),
        ] {
            let why = Credentials::take(&mut user(fields)).err().unwrap().to_string();
            assert!(why.contains(wanted), "{why}");
        }
    }

    #[test]
    fn plugin_is_run_again_when_its_token_expires() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let mut user = user(&format!(
            "exec: {{command: /bin/cat, args: [{}], interactiveMode: Never}}",
            path.to_str().unwrap()
        ));
        let write = |token: &str, year: u16| {
            let answer = format!(
                "{{status: {{token: {token}, expirationTimestamp: {year}-01-01T00:00:00Z}}}}"
            );
            fs_err::write(&path, answer).unwrap();
        };
        let clock = || "2026-01-01T00:00:00Z".parse().ok();
        let plugin =
            Plugin::take(&mut user, PluginEnvironment { terminal: Terminal::Absent, clock })
                .unwrap()
                .unwrap();
        write("A", 2020);
        let issued = plugin.run().unwrap();
        let credentials = Credentials::of_plugin(plugin, issued);
        assert_eq!(sent(&credentials).as_deref(), Some("Bearer A"));

        write("B", 2030);
        credentials.renew().unwrap();
        write("C", 2030);
        credentials.renew().unwrap();
        assert_eq!(sent(&credentials).as_deref(), Some("Bearer B"));
    }

    #[test]
    fn contradicting_credentials_are_refused_and_not_quoted() {
        for (fields, wanted) in [
            ("token: s3cret, username: u", "a token and a username"),
            ("tokenFile: s3cret, username: u", "a token and a username"),
            ("exec: {command: s3cret}, auth-provider: {name: oidc}", "`exec` and `auth-provider`"),
            ("as-groups: [s3cret]", "without `as`"),
            ("token: \"s3\\ncret\"", "its token contains a control character"),
        ] {
            let mut user = user(fields);
            let taken = check(&user).and_then(|()| Credentials::take(&mut user));
            let why = taken.err().unwrap().to_string();
            assert!(why.contains(wanted) && !why.contains("s3"), "{why}");
        }
    }
}
