//! Reads kubeconfigs, and says what is wrong with them and their credentials without quoting either.

use std::error::Error;

use kube::client::{AuthError, RustlsTlsError};
use kube::config::{AuthInfo, Kubeconfig, KubeconfigError, LoadDataError};
use serde_json::Value;
use zeroize::Zeroizing;

use super::client::{Access, ConnectError};
use crate::model::causes::with_causes;

/// Reads the kubeconfigs as one; returns it with the name of the context that is meant.
pub(super) fn read(access: &Access) -> Result<(Kubeconfig, String), ConnectError> {
    let mut merged: Option<Kubeconfig> = None;
    for path in &access.kubeconfigs {
        let next = Kubeconfig::read_from(path);
        let next = next.map_err(|error| ConnectError::Kubeconfig(format!("`{path}`{}", mistake(&error))))?;
        merged = Some(match merged {
            None => next,
            Some(first) => first.merge(next).map_err(|error| unusable(&error))?,
        });
    }
    let config = merged.ok_or_else(|| ConnectError::Kubeconfig("there is none".to_owned()))?;
    let context = access.context.clone().or_else(|| config.current_context.clone()).unwrap_or_default();
    if config.contexts.iter().any(|known| known.name == context) {
        return Ok((config, context));
    }
    let known: Vec<&str> = config.contexts.iter().map(|known| known.name.as_str()).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(ConnectError::Kubeconfig(format!("it has no context `{context}`; it has {known}")))
}

/// Says why a kubeconfig that was read cannot be used.
pub(super) fn unusable(error: &KubeconfigError) -> ConnectError {
    ConnectError::Kubeconfig(words(error))
}

/// Refuses a token that no header can carry: the client would panic.
pub(super) fn check_token(user: &AuthInfo) -> Result<(), ConnectError> {
    let only = AuthInfo { token: user.token.clone(), ..AuthInfo::default() };
    let mut only = serde_json::to_value(&only).unwrap_or_default();
    let Some(Value::String(token)) = only.get_mut("token").map(Value::take) else { return Ok(()) };
    let token = Zeroizing::new(token);
    if token.chars().any(char::is_control) {
        let why = "its token has a control character in it, such as a line break";
        return Err(ConnectError::Kubeconfig(why.to_owned()));
    }
    Ok(())
}

/// Returns the place of a mistake in a file and what it is, to follow the file's name.
fn mistake(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::Parse(error) => {
            let place = error.location();
            let place = place.map(|place| format!(":{}:{}", place.line(), place.column()));
            format!("{}: {}", place.unwrap_or_default(), kind(error))
        }
        error => format!(": {}", words(error)),
    }
}

/// Returns an error with its causes, but for those that quote what should stay secret.
pub(super) fn words(error: &(dyn Error + 'static)) -> String {
    let mut link = Some(error);
    while let Some(this) = link {
        let known = (this.downcast_ref().map(of_kubeconfig))
            .or_else(|| this.downcast_ref().map(of_credentials))
            .or_else(|| this.downcast_ref().map(of_tls));
        if let Some(words) = known {
            return words;
        }
        link = this.source();
    }
    with_causes(error)
}

fn of_kubeconfig(error: &KubeconfigError) -> String {
    // Without a wildcard: what a new one quotes is to be looked at first.
    match error {
        KubeconfigError::ReadConfig(error, _) if error.kind() == std::io::ErrorKind::NotFound => {
            "there is no such file".to_owned()
        }
        KubeconfigError::ReadConfig(error, _) => format!("it cannot be read: {error}"),
        KubeconfigError::Parse(error) => kind(error),
        KubeconfigError::LoadCertificateAuthority(error) => of_data("certificate-authority", error),
        KubeconfigError::LoadClientCertificate(error) => of_data("client-certificate", error),
        KubeconfigError::LoadClientKey(error) => of_data("client-key", error),
        KubeconfigError::ParseCertificates(_) => "its certificate-authority is no PEM".to_owned(),
        KubeconfigError::CurrentContextNotSet
        | KubeconfigError::KindMismatch
        | KubeconfigError::ApiVersionMismatch
        | KubeconfigError::LoadContext(_)
        | KubeconfigError::LoadClusterOfContext(_)
        | KubeconfigError::FindPath
        | KubeconfigError::MissingClusterUrl
        | KubeconfigError::ParseClusterUrl(_)
        | KubeconfigError::ParseProxyUrl(_)
        | KubeconfigError::ParseNoProxy(_) => with_causes(error),
    }
}

/// Says which mistake it is: the parser's own words show the lines around it.
fn kind(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error as E;
    match error.without_snippet() {
        E::SerdeMissingField { field, .. } => format!("a `{field}` is missing"),
        E::DuplicateMappingKey { .. } => "a key is there twice".to_owned(),
        E::Unexpected { .. }
        | E::InvalidScalar { .. }
        | E::InvalidBooleanStrict { .. }
        | E::NullIntoString { .. }
        | E::SerdeInvalidType { .. }
        | E::SerdeInvalidValue { .. }
        | E::SerdeInvalidLength { .. } => "a value is of another kind than a kubeconfig has there".to_owned(),
        _ => "this is no YAML, or is indented wrongly".to_owned(),
    }
}

fn of_data(what: &str, error: &LoadDataError) -> String {
    match error {
        LoadDataError::DecodeBase64(_) => format!("its {what}-data is no base64"),
        LoadDataError::ReadFile(error, path) => {
            format!("its {what} `{}` cannot be read: {error}", path.display())
        }
        LoadDataError::NoBase64DataOrFile => format!("it has no {what}"),
    }
}

fn of_credentials(error: &AuthError) -> String {
    let why = match error {
        AuthError::InvalidBasicAuth(_)
        | AuthError::InvalidBearerToken(_)
        | AuthError::UnrefreshableTokenResponse
        | AuthError::ExecPluginFailed
        | AuthError::AuthExecStart(_)
        | AuthError::ReadTokenFile(..)
        | AuthError::MissingCommand
        | AuthError::ExecMissingClusterInfo
        | AuthError::NoValidNativeRootCA(_) => with_causes(error),
        AuthError::AuthExecRun { out, .. } => {
            format!("their command failed ({}); run it by hand to see why", out.status)
        }
        AuthError::AuthExecParse(_) => "their command printed no ExecCredential".to_owned(),
        AuthError::MalformedTokenExpirationDate(_)
        | AuthError::AuthExecSerialize(_)
        | AuthError::AuthExec(_)
        | AuthError::ParseTokenKey(_) => "what gives them gave no token".to_owned(),
    };
    format!("there are no credentials for the kubeconfig's user: {why}")
}

fn of_tls(error: &RustlsTlsError) -> String {
    let what = match error {
        RustlsTlsError::AddRootCertificate(_) => "certificate-authority is no certificate",
        RustlsTlsError::NoValidNativeRootCA(_) => {
            "certificate-authority is missing, and this machine has none"
        }
        RustlsTlsError::InvalidServerName(_) => "tls-server-name is no name",
        RustlsTlsError::MissingCertificate => "client-certificate has no certificate",
        RustlsTlsError::MissingPrivateKey => "client-key has no private key (PKCS8 or RSA)",
        RustlsTlsError::InvalidIdentityPem(_) => "client-certificate or client-key is no PEM",
        RustlsTlsError::InvalidPrivateKey(_) | RustlsTlsError::UnknownPrivateKeyFormat => {
            "client-key is no private key that belongs to its client-certificate"
        }
    };
    format!("the kubeconfig's {what}")
}

#[cfg(test)]
mod tests {
    use super::super::client::Cluster;
    use super::*;

    /// What must never be shown.
    const SECRET: &str = "s3cretT0ken";

    fn refused(user: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig").to_str().unwrap().to_owned();
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: t\nclusters: [{{name: t, cluster: {{server: \"https://t\"}}}}]\n\
             contexts: [{{name: t, context: {{cluster: t, user: t}}}}]\nusers:\n- name: t\n  user:\n{user}"
        );
        fs_err::write(&path, text).unwrap();
        let access = Access { kubeconfigs: vec![path.clone()], context: None };
        let error = Cluster::connect(&access).err().unwrap();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(SECRET), "{shown}");
        error.to_string().replace(&path, "FILE")
    }

    #[test]
    fn a_mistake_in_a_kubeconfig_is_told_by_its_place_and_kind_and_quotes_nothing() {
        let table = [
            (format!("    token: {SECRET}\n   other: x\n"), "`FILE`:10:"),
            (format!("    token: [{SECRET}]\n"), "`FILE`:9:12: a value is of another kind"),
            (format!("    token: \"{SECRET}\n"), "no YAML"),
            (format!("    token: {SECRET}\n    token: {SECRET}\n"), "a key is there twice"),
            (format!("    exec: {{command: {SECRET}, args: {SECRET}}}\n"), "`FILE`:9:"),
        ];
        for (user, wanted) in table {
            let told = refused(&user);
            assert!(told.contains(wanted), "{user}: {told}");
        }
    }

    #[test]
    fn credentials_that_cannot_be_used_are_named_and_not_quoted() {
        let exec = |script: &str| {
            format!(
                "    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      command: /bin/sh\n      \
                 interactiveMode: Never\n      args: [\"-c\", \"{script}\"]\n"
            )
        };
        let pem = "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tczNjcmV0VDBrZW4K";
        let table = [
            (format!("    client-certificate-data: \"{SECRET}!\"\n"), "client-certificate-data is no base64"),
            (
                format!("    client-certificate-data: {pem}\n    client-key-data: \"{SECRET}!\"\n"),
                "client-key-data is no base64",
            ),
            (
                format!("    client-certificate-data: {pem}\n    client-key-data: {pem}\n"),
                "the kubeconfig's client-",
            ),
            (format!("    token: \"{SECRET}\\u0001\"\n"), "its token has a control character"),
            (exec(&format!("echo {SECRET}; echo {SECRET} >&2; exit 3")), "failed (exit status: 3)"),
            (exec(&format!("echo 'token: [{SECRET}'")), "printed no ExecCredential"),
            (exec(&format!("echo '{{status: {{token: [{SECRET}]}}}}'")), "printed no ExecCredential"),
        ];
        for (user, wanted) in table {
            let told = refused(&user);
            assert!(told.contains(wanted), "{user}: {told}");
        }
    }
}
