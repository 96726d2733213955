//! Describes failed handshakes in words that lead to a remedy.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError, InvalidMessage};

use crate::tls_error;

/// A failure that no retry can fix.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HandshakeFailure {
    /// One side does not accept the other's certificate, version or algorithms.
    Tls(String),
    /// The answer is not TLS.
    NoTls,
    /// The answer is not HTTP.
    NoHttp,
}

/// Returns why the connection failed, or `None` if a retry may succeed.
pub(super) fn failure(error: &(dyn Error + 'static)) -> Option<HandshakeFailure> {
    let mut link = Some(error);
    while let Some(this) = link {
        if let Some(error) = this.downcast_ref() {
            return of_tls(error);
        }
        if this.downcast_ref().is_some_and(hyper::Error::is_parse) {
            return Some(HandshakeFailure::NoHttp);
        }
        // `io::Error::source` skips the error that it wraps.
        let inner = this.downcast_ref().and_then(io::Error::get_ref);
        link = inner.map(|inner| inner as &(dyn Error + 'static)).or_else(|| this.source());
    }
    None
}

fn of_tls(error: &rustls::Error) -> Option<HandshakeFailure> {
    match error {
        rustls::Error::InvalidCertificate(why) => {
            Some(HandshakeFailure::Tls(of_server(why, error)))
        }
        rustls::Error::AlertReceived(alert) => of_alert(*alert).map(HandshakeFailure::Tls),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            Some(HandshakeFailure::NoTls)
        }
        _ => None,
    }
}

fn of_server(why: &CertificateError, error: &rustls::Error) -> String {
    use CertificateError as E;
    match why {
        E::UnknownIssuer => {
            "the server's certificate is not signed by a certificate-authority of the kubeconfig"
                .to_owned()
        }
        _ => tls_error::certificate(why, error),
    }
}

/// Describes an alert that the server would send again, or returns `None`.
fn of_alert(alert: AlertDescription) -> Option<String> {
    use AlertDescription as A;
    match alert {
        A::CertificateRequired => Some(
            "the server requires a client certificate, and the kubeconfig's user has none"
                .to_owned(),
        ),
        A::AccessDenied
        | A::BadCertificate
        | A::CertificateExpired
        | A::CertificateRevoked
        | A::CertificateUnknown
        | A::DecryptError
        | A::UnknownCA
        | A::UnsupportedCertificate => Some(format!(
            "the server does not accept the kubeconfig's client certificate ({alert:?})"
        )),
        A::HandshakeFailure | A::ProtocolVersion | A::InsufficientSecurity => {
            Some(tls_error::nothing_in_common(alert))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(error: rustls::Error) -> Option<String> {
        match failure(&io::Error::other(io::Error::other(error)))? {
            HandshakeFailure::Tls(why) => Some(why),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn tls_failure_is_found_inside_io_error() {
        let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        assert!(told(unknown).unwrap().contains("certificate-authority"));
        let required = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
        assert!(told(required).unwrap().contains("requires a client certificate"));
        let p521 = rustls::Error::InvalidCertificate(
            CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext {
                signature_algorithm_id: Vec::new(),
                public_key_algorithm_id: Vec::new(),
            },
        );
        assert!(told(p521).unwrap().contains("not P-521"));
    }

    #[test]
    fn failure_that_may_pass_is_not_one_of_tls() {
        assert_eq!(told(rustls::Error::AlertReceived(AlertDescription::InternalError)), None);
        assert_eq!(failure(&io::Error::from(io::ErrorKind::ConnectionReset)), None);
    }
}
