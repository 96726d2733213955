//! Describes mistakes in a kubeconfig or its credentials without quoting either.

use std::error::Error;

use kube::client::RustlsTlsError;
use kube::config::{KubeconfigError, LoadDataError};

use crate::model::causes::with_causes;
use crate::model::url::without_user_info;

/// Returns the position and the kind of a mistake in a file, to follow the file name.
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

/// Returns an error with its causes, except for those that may quote a secret.
pub(in crate::cluster) fn words(error: &(dyn Error + 'static)) -> String {
    let mut link = Some(error);
    while let Some(this) = link {
        let known =
            (this.downcast_ref().map(of_kubeconfig)).or_else(|| this.downcast_ref().map(of_tls));
        if let Some(words) = known {
            return words;
        }
        link = this.source();
    }
    without_user_info(&with_causes(without_wrappers(error))).into_owned()
}

/// Returns the first error of a chain that says more than that a request failed.
fn without_wrappers<'a>(mut error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let is_wrapper = |error: &(dyn Error + 'static)| {
        error.is::<kube::Error>() || error.is::<hyper_util::client::legacy::Error>()
    };
    while let Some(cause) = error.source().filter(|_| is_wrapper(error)) {
        error = cause;
    }
    error
}

fn of_kubeconfig(error: &KubeconfigError) -> String {
    // Without a wildcard: a new variant must be checked for secrets that it quotes.
    match error {
        KubeconfigError::ReadConfig(error, _) if error.kind() == std::io::ErrorKind::NotFound => {
            "it does not exist".to_owned()
        }
        KubeconfigError::ReadConfig(error, _) => format!("it cannot be read: {error}"),
        KubeconfigError::Parse(error) => kind(error),
        KubeconfigError::LoadCertificateAuthority(error) => of_data("certificate-authority", error),
        KubeconfigError::LoadClientCertificate(error) => of_data("client-certificate", error),
        KubeconfigError::LoadClientKey(error) => of_data("client-key", error),
        KubeconfigError::ParseCertificates(_) => "its certificate-authority is not PEM".to_owned(),
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

/// Returns the kind of a mistake: the parser's own message would quote the lines around it.
fn kind(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error as E;
    match error.without_snippet() {
        E::SerdeMissingField { field, .. } => format!("a `{field}` is missing"),
        E::DuplicateMappingKey { .. } => "duplicate key".to_owned(),
        E::Unexpected { .. }
        | E::InvalidScalar { .. }
        | E::InvalidBooleanStrict { .. }
        | E::NullIntoString { .. }
        | E::SerdeInvalidType { .. }
        | E::SerdeInvalidValue { .. }
        | E::SerdeInvalidLength { .. } => "a value has the wrong type".to_owned(),
        _ => "it is not YAML, or its indentation is wrong".to_owned(),
    }
}

fn of_data(what: &str, error: &LoadDataError) -> String {
    match error {
        LoadDataError::DecodeBase64(_) => format!("its {what}-data is not base64"),
        LoadDataError::ReadFile(error, path) => {
            format!("its {what} `{}` cannot be read: {error}", path.display())
        }
        LoadDataError::NoBase64DataOrFile => format!("it has no {what}"),
    }
}

/// Describes a TLS error; kube handles no client certificates here.
fn of_tls(error: &RustlsTlsError) -> String {
    match error {
        RustlsTlsError::AddRootCertificate(_) | RustlsTlsError::NoValidNativeRootCA(_) => {
            "no certificate-authority: neither the kubeconfig nor this machine has a usable one"
        }
        RustlsTlsError::InvalidServerName(_) => "invalid tls-server-name in the kubeconfig",
        RustlsTlsError::MissingCertificate
        | RustlsTlsError::MissingPrivateKey
        | RustlsTlsError::InvalidIdentityPem(_)
        | RustlsTlsError::InvalidPrivateKey(_)
        | RustlsTlsError::UnknownPrivateKeyFormat => "unusable client certificate or key",
    }
    .to_owned()
}
