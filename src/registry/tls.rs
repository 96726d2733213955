//! TLS for registries: trusted authorities, and descriptions of failed handshakes.

use std::error::Error;
use std::io;
use std::sync::Arc;

use camino::Utf8Path;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{AlertDescription, CertificateError, RootCertStore};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::error::RegistryFault;
use super::settings::RegistrySettingsError;
use crate::fsio;
use crate::tls_error;

/// The maximum size of a CA file: that of a whole system has a few hundred thousand bytes.
const CA_BYTES_MAX: u64 = 4 << 20;

/// Returns the TLS configuration, with the authorities of the system unless `ca` replaces them.
pub(super) fn configure(ca: Option<&Utf8Path>) -> Result<TlsConfig, RegistrySettingsError> {
    let roots = match ca {
        // Same as in kube's client: those of the system, or of $SSL_CERT_FILE. They are read at the
        // first handshake.
        None => RootCerts::PlatformVerifier,
        Some(path) => RootCerts::Specific(Arc::new(authorities(path)?)),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(TlsConfig::builder().root_certs(roots).unversioned_rustls_crypto_provider(provider).build())
}

fn authorities(path: &Utf8Path) -> Result<Vec<Certificate<'static>>, RegistrySettingsError> {
    let pem = fsio::read_bounded(path, CA_BYTES_MAX)?;
    let is_usable =
        |certificate: &CertificateDer| RootCertStore::empty().add(certificate.clone()).is_ok();
    let certificates = CertificateDer::pem_slice_iter(&pem).flatten().filter(is_usable);
    let certificates: Vec<_> =
        certificates.map(|certificate| Certificate::from_der(&certificate).to_owned()).collect();
    if certificates.is_empty() {
        return Err(RegistrySettingsError::NoCertificate { path: path.to_owned() });
    }
    Ok(certificates)
}

/// Returns the TLS failure in a chain of errors, or `None` if another layer failed or a retry may
/// succeed.
pub(super) fn failure(error: &(dyn Error + 'static)) -> Option<RegistryFault> {
    let mut link = Some(error);
    while let Some(this) = link {
        if let Some(error) = this.downcast_ref() {
            return of(error);
        }
        // `io::Error::source` skips the error that it wraps.
        let inner = this.downcast_ref().and_then(io::Error::get_ref);
        link = inner.map(|inner| inner as &(dyn Error + 'static)).or_else(|| this.source());
    }
    None
}

/// Returns the failure for an error of the TLS library.
pub(super) fn of(error: &rustls::Error) -> Option<RegistryFault> {
    use AlertDescription as A;
    Some(match error {
        rustls::Error::InvalidMessage(_) => RegistryFault::NotTls,
        // An authority that was recreated under its old name causes a bad signature.
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => RegistryFault::UnknownAuthority,
        rustls::Error::InvalidCertificate(why) => {
            RegistryFault::Tls(tls_error::certificate(why, error))
        }
        // The system has no certificate store, or $SSL_CERT_FILE has no certificates.
        rustls::Error::General(_) => RegistryFault::NoAuthorities,
        rustls::Error::AlertReceived(A::CertificateRequired) => RegistryFault::Tls(
            "the registry asks for a client certificate, which this program does not send"
                .to_owned(),
        ),
        rustls::Error::AlertReceived(
            alert @ (A::HandshakeFailure
            | A::ProtocolVersion
            | A::InsufficientSecurity
            | A::UnrecognisedName),
        ) => RegistryFault::Tls(tls_error::nothing_in_common(*alert)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_failure_is_found_inside_io_error() {
        let told = |error: rustls::Error| failure(&io::Error::other(io::Error::other(error)));
        for why in [CertificateError::UnknownIssuer, CertificateError::BadSignature] {
            let unknown = rustls::Error::InvalidCertificate(why);
            assert!(matches!(told(unknown), Some(RegistryFault::UnknownAuthority)));
        }
        let not_tls = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        assert!(matches!(told(not_tls), Some(RegistryFault::NotTls)));
        assert!(told(rustls::Error::AlertReceived(AlertDescription::InternalError)).is_none());
        assert!(failure(&io::Error::from(io::ErrorKind::ConnectionReset)).is_none());
    }

    #[test]
    fn file_without_certificate_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = camino::Utf8PathBuf::from_path_buf(folder.path().join("ca.crt")).unwrap();
        assert!(matches!(configure(Some(&path)).err(), Some(RegistrySettingsError::ReadCa(_))));
        for text in ["", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            fs_err::write(&path, text).unwrap();
            assert!(
                matches!(
                    configure(Some(&path)).err(),
                    Some(RegistrySettingsError::NoCertificate { .. })
                ),
                "{text}"
            );
        }
    }
}
