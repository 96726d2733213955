//! Describes failed TLS handshakes, in the same words for clusters and registries.

use rustls::{AlertDescription, CertificateError};

/// Describes the problem with a server's certificate; `error` is the error that contains `why`.
pub fn certificate(why: &CertificateError, error: &rustls::Error) -> String {
    match why {
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "unsupported key or signature in the certificate of the server or of an authority: \
             supported are RSA, Ed25519, P-256 and P-384, but not P-521"
                .to_owned()
        }
        _ => error.to_string(),
    }
}

/// Describes an alert that ends a handshake because client and server share no version or
/// algorithm.
pub fn nothing_in_common(alert: AlertDescription) -> String {
    format!(
        "no TLS version or algorithm in common with the server ({alert:?}): supported are TLS 1.2 \
         and 1.3, and certificates with RSA, Ed25519, P-256 or P-384 keys, but not P-521"
    )
}
