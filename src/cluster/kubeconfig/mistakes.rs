//! Says what is wrong with a kubeconfig or its credentials without quoting either.

use std::error::Error;

use kube::client::{AuthError, RustlsTlsError};
use kube::config::{KubeconfigError, LoadDataError};

use crate::model::causes::with_causes;
use crate::model::url::without_user_info;

/// Returns the place of a mistake in a file and what it is, to follow the file's name.
pub(super) fn in_file(error: &KubeconfigError) -> String {
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
pub(in crate::cluster) fn words(error: &(dyn Error + 'static)) -> String {
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
    without_user_info(&with_causes(error)).into_owned()
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
        | KubeconfigError::ParseProxyUrl(_) => with_causes(error),
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

/// Says what is wrong with TLS: with what a plugin gave, for the kubeconfig's own files are read elsewhere.
fn of_tls(error: &RustlsTlsError) -> String {
    let what = match error {
        RustlsTlsError::AddRootCertificate(_) | RustlsTlsError::NoValidNativeRootCA(_) => {
            return "the kubeconfig has no certificate-authority, and this machine has no usable one"
                .to_owned();
        }
        RustlsTlsError::InvalidServerName(_) => "a tls-server-name that is not the name of a server",
        RustlsTlsError::MissingCertificate => "no client certificate",
        RustlsTlsError::MissingPrivateKey => "no private key (PEM of PKCS#8, PKCS#1 or SEC 1)",
        RustlsTlsError::InvalidIdentityPem(_) => "a client certificate or key that is not PEM",
        RustlsTlsError::InvalidPrivateKey(_) | RustlsTlsError::UnknownPrivateKeyFormat => {
            "a private key that does not belong to its client certificate, or a pair that this program cannot use: it takes \
             certificates of X.509 version 3 with RSA (2048 to 4096 bits), P-256, P-384 or Ed25519 keys"
        }
    };
    format!("the kubeconfig's credential plugin gave {what}")
}
