//! Parses docker's `config.json` and podman's `auth.json`.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use camino::Utf8Path;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::error::CredentialError;
use super::helper::{Helper, Told};
use super::login::{LoginSecret, RegistryLogin};
use crate::model::printable::shortened;
use crate::model::url::without_user_info;
use crate::registry::host::Repository;

/// The key of Docker Hub in docker's own files.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// Some programs omit the padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A credential file. Logins are decoded at once, to detect a damaged one early.
pub(super) struct AuthFile {
    logins: BTreeMap<AuthScope, RegistryLogin>,
    helpers: BTreeMap<AuthScope, Helper>,
    store: Option<Helper>,
}

/// The images that an entry covers: those of a host, or with a path, those of a repository and the
/// repositories below it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct AuthScope(String);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthFileText {
    auths: Option<BTreeMap<String, AuthEntry>>,
    cred_helpers: Option<BTreeMap<String, String>>,
    creds_store: Option<String>,
}

#[derive(Deserialize)]
struct AuthEntry {
    auth: Option<LoginSecret>,
    identitytoken: Option<LoginSecret>,
    username: Option<LoginSecret>,
    password: Option<LoginSecret>,
}

impl AuthFile {
    /// Parses a file and ignores keys that do not concern credentials.
    pub(super) fn parse(path: &Utf8Path, bytes: &[u8]) -> Result<Self, CredentialError> {
        let written: AuthFileText = from_json(path, bytes)?;
        let logins = logins(path, written.auths.unwrap_or_default())?;
        let helper = |name: &String| {
            Helper::new(name).ok_or_else(|| CredentialError::HelperName { path: path.to_owned() })
        };
        let helpers = written.cred_helpers.into_iter().flatten();
        let helpers = helpers.map(|(key, name)| Ok((AuthScope::of(&key), helper(&name)?)));
        let helpers = helpers.collect::<Result<_, CredentialError>>()?;
        let store =
            written.creds_store.as_ref().filter(|name| !name.is_empty()).map(helper).transpose()?;
        Ok(Self { logins, helpers, store })
    }

    /// Parses the format of docker's former file, `.dockercfg`: the logins alone.
    pub(super) fn parse_logins(path: &Utf8Path, bytes: &[u8]) -> Result<Self, CredentialError> {
        let logins = logins(path, from_json(path, bytes)?)?;
        Ok(Self { logins, helpers: BTreeMap::new(), store: None })
    }

    /// Returns only the logins in the file itself.
    pub(super) fn without_helpers(self) -> Self {
        Self { helpers: BTreeMap::new(), store: None, ..self }
    }

    /// Returns whether the file alone lets its reader log in.
    pub(super) fn holds_secrets(&self) -> bool {
        !self.logins.is_empty()
    }

    /// Returns the login for a repository: from a helper, or else from the most specific entry of
    /// the file.
    pub(super) fn find(
        &self,
        repository: &Repository,
        patience: Duration,
    ) -> Result<Option<RegistryLogin>, CredentialError> {
        let host = AuthScope(repository.host.clone());
        let server = if repository.host == "docker.io" { DOCKER_HUB_KEY } else { &repository.host };
        for helper in self.helpers.get(&host).into_iter().chain(&self.store) {
            if let Told::Login(login) = helper.ask(server, patience)? {
                return Ok(Some(login));
            }
        }
        Ok(scopes(repository).find_map(|scope| self.logins.get(&scope)).map(RegistryLogin::copied))
    }
}

fn from_json<T: DeserializeOwned>(path: &Utf8Path, bytes: &[u8]) -> Result<T, CredentialError> {
    // Parser messages may quote a value.
    serde_json::from_slice(bytes).map_err(|error| CredentialError::Form {
        path: path.to_owned(),
        line: error.line(),
        column: error.column(),
    })
}

/// Decodes the entries with a login.
fn logins(
    path: &Utf8Path,
    entries: BTreeMap<String, AuthEntry>,
) -> Result<BTreeMap<AuthScope, RegistryLogin>, CredentialError> {
    let mut logins = BTreeMap::new();
    for (key, entry) in entries {
        let login = entry.login().map_err(|NotALogin| CredentialError::Encoding {
            path: path.to_owned(),
            key: shortened(&without_user_info(&key)),
        })?;
        logins.extend(login.map(|login| (AuthScope::of(&key), login)));
    }
    Ok(logins)
}

impl AuthScope {
    /// Parses the key of an entry: `HOST`, `HOST/PATH`, or a URL from old versions of docker.
    fn of(key: &str) -> Self {
        let address = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
        let key = match address {
            // The path of a URL belongs to the API.
            Some(address) => address.split('/').next().unwrap_or_default(),
            None => key.trim_end_matches('/'),
        };
        let (host, path) =
            key.split_once('/').map_or((key, None), |(host, path)| (host, Some(path)));
        let host = if matches!(host, "index.docker.io" | "registry-1.docker.io") {
            "docker.io"
        } else {
            host
        };
        Self(path.map_or_else(|| host.to_owned(), |path| format!("{host}/{path}")))
    }
}

/// Returns the scopes that contain a repository, the narrowest first.
fn scopes(repository: &Repository) -> impl Iterator<Item = AuthScope> {
    let whole = format!("{}/{}", repository.host, repository.path);
    let ends: Vec<usize> =
        whole.match_indices('/').map(|(at, _)| at).chain([whole.len()]).collect();
    ends.into_iter().rev().map(move |end| AuthScope(whole[..end].to_owned()))
}

struct NotALogin;

impl AuthEntry {
    fn login(self) -> Result<Option<RegistryLogin>, NotALogin> {
        let is_given = |secret: &LoginSecret| !secret.0.is_empty();
        if let Some(LoginSecret(token)) = self.identitytoken.filter(is_given) {
            return Ok(Some(RegistryLogin::Identity(token)));
        }
        if let Some(LoginSecret(auth)) = self.auth.filter(is_given) {
            let mut bytes = Zeroizing::new(Vec::with_capacity(auth.len()));
            BASE64.decode_vec(auth.trim(), &mut bytes).map_err(|_| NotALogin)?;
            let text = std::str::from_utf8(&bytes).map_err(|_| NotALogin)?;
            let (user, password) = text.split_once(':').ok_or(NotALogin)?;
            // Old versions of docker pad with zero bytes.
            let password = password.trim_end_matches('\0');
            return Ok(Some(RegistryLogin::new(user, password)));
        }
        let both = self.username.filter(is_given).zip(self.password);
        Ok(both.map(|(LoginSecret(user), LoginSecret(password))| RegistryLogin::Password {
            user,
            password,
        }))
    }
}

impl RegistryLogin {
    pub(super) fn new(user: &str, password: &str) -> Self {
        Self::Password {
            user: Zeroizing::new(user.to_owned()),
            password: Zeroizing::new(password.to_owned()),
        }
    }

    /// Returns a copy for one request.
    fn copied(&self) -> Self {
        match self {
            Self::Password { user, password } => Self::new(user, password),
            Self::Identity(token) => Self::Identity(Zeroizing::new(token.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<AuthFile, CredentialError> {
        AuthFile::parse("auth.json".into(), text.as_bytes())
    }

    #[test]
    fn helpers_in_pull_secret_are_not_run() {
        let text = r#"{"credsStore":"evil","credHelpers":{"r.example":"evil"},"auths":{"r.example":{"auth":"bWU6cHc="}}}"#;
        assert_eq!(found(&config(text).unwrap().without_helpers(), "r.example", "a"), "me:pw");
    }

    fn found(config: &AuthFile, host: &str, path: &str) -> String {
        let repository = Repository { host: host.to_owned(), path: path.to_owned() };
        match config.find(&repository, Duration::from_secs(1)).unwrap() {
            None => "none".to_owned(),
            Some(RegistryLogin::Password { user, password }) => format!("{}:{}", *user, *password),
            Some(RegistryLogin::Identity(token)) => format!("identity {}", *token),
        }
    }

    fn entry(key: &str, login: &str) -> String {
        format!(
            "{key:?}: {{\"auth\": {:?}}}",
            base64::engine::general_purpose::STANDARD.encode(login)
        )
    }

    #[test]
    fn login_with_narrowest_scope_is_used() {
        let entries = [
            ("r.example:5000", "host:1"),
            ("r.example:5000/a", "folder:2"),
            ("r.example:5000/a/b", "image:3"),
        ];
        let entries: Vec<String> = entries.iter().map(|(key, login)| entry(key, login)).collect();
        let config = config(&format!("{{\"auths\": {{{}}}}}", entries.join(","))).ok().unwrap();
        assert_eq!(found(&config, "r.example:5000", "a/b"), "image:3");
        assert_eq!(found(&config, "r.example:5000", "a/c"), "folder:2");
        assert_eq!(found(&config, "r.example:5000", "ab/b"), "host:1");
        assert_eq!(found(&config, "r.example", "a/b"), "none");
    }

    #[test]
    fn docker_hub_is_found_under_each_of_its_keys() {
        for key in [
            "https://index.docker.io/v1/",
            "index.docker.io",
            "docker.io",
            "docker.io/library",
            "https://registry-1.docker.io/v2/",
        ] {
            let config =
                config(&format!("{{\"auths\": {{{}}}}}", entry(key, "me:p:w"))).ok().unwrap();
            assert_eq!(found(&config, "docker.io", "library/redis"), "me:p:w", "{key}");
        }
        let url =
            config(&format!("{{\"auths\": {{{}}}}}", entry("https://r.example/v1/", "me:pw")))
                .ok()
                .unwrap();
        assert_eq!(found(&url, "r.example", "v2/x"), "me:pw");
    }

    #[test]
    fn identity_token_wins_and_empty_entries_are_none() {
        let config = config(
            r#"{"auths": {"a.example": {"auth": "bWU6cHc=", "identitytoken": "it"}, "b.example": {}, "c.example": {"auth": ""},
                "d.example": {"username": "me", "password": "pw"}}, "currentContext": "x", "HttpHeaders": {}}"#,
        );
        let config = config.ok().unwrap();
        assert_eq!(found(&config, "a.example", "x"), "identity it");
        assert_eq!(found(&config, "b.example", "x"), "none");
        assert_eq!(found(&config, "c.example", "x"), "none");
        assert_eq!(found(&config, "d.example", "x"), "me:pw");
        assert!(
            config.holds_secrets()
                && !super::AuthFile::parse("x".into(), b"{}").ok().unwrap().holds_secrets()
        );
    }

    #[test]
    fn former_file_has_logins_only() {
        let parse = |text: &str| AuthFile::parse_logins("secret".into(), text.as_bytes());
        let text = format!("{{{}}}", entry("https://r.example/v1/", "me:pw"));
        assert_eq!(found(&parse(&text).ok().unwrap(), "r.example", "a"), "me:pw");
        for damaged in [r#"{"r.example": "s3cret"}"#, r#"{"r.example": {"auth": "s3cret!"}}"#] {
            let error = parse(damaged).err().unwrap();
            assert!(!format!("{error} {error:?}").contains("s3"), "{error:?}");
        }
    }

    #[test]
    fn damaged_file_is_refused_and_not_quoted() {
        for text in [
            "s3cret",
            r#"{"auths": {"a.example": "s3cret"}}"#,
            r#"{"auths": {"a.example": {"auth": ["s3cret"]}}}"#,
            r#"{"auths": {"a.example": {"auth": "s3cret!"}}}"#,
            r#"{"auths": {"a.example": {"auth": "czNjcmV0"}}}"#,
            r#"{"credsStore": "../s3cret"}"#,
            r#"{"credHelpers": {"a.example": "s3cret sh"}}"#,
        ] {
            let error = config(text).err().unwrap();
            assert!(!format!("{error} {error:?}").contains("s3"), "{error:?}");
            assert!(error.remedy().is_some());
        }
    }
}
