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
    without_user_info(&with_causes(error)).into_owned()
}

fn of_kubeconfig(error: &KubeconfigError) -> String {
    // Without a wildcard: a new variant must be checked for secrets that it quotes.
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

/// Returns the kind of a mistake: the parser's own message would quote the lines around it.
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
        | E::SerdeInvalidLength { .. } => {
            "a value is of another kind than a kubeconfig has there".to_owned()
        }
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

/// Describes a TLS error; kube handles no client certificates here.
fn of_tls(error: &RustlsTlsError) -> String {
    match error {
        RustlsTlsError::AddRootCertificate(_) | RustlsTlsError::NoValidNativeRootCA(_) => {
            "the kubeconfig has no certificate-authority, and this machine has no usable one"
        }
        RustlsTlsError::InvalidServerName(_) => {
            "the kubeconfig's tls-server-name is not the name of a server"
        }
        RustlsTlsError::MissingCertificate
        | RustlsTlsError::MissingPrivateKey
        | RustlsTlsError::InvalidIdentityPem(_)
        | RustlsTlsError::InvalidPrivateKey(_)
        | RustlsTlsError::UnknownPrivateKeyFormat => {
            "the client certificate or its key cannot be used"
        }
    }
    .to_owned()
}
