//! TLS for the API server: trusted authorities and the client certificate.

use std::sync::Arc;

use kube::Config;
use kube::client::ConfigExt as _;
use kube::config::{AuthInfo, Cluster};
use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme};
use secrecy::{ExposeSecret as _, SecretString};

use super::connect_error::ConnectError;
use super::files;
use super::kubeconfig::words;
use super::plugin::{IssuedCertificate, PluginError, PluginFault};

/// The DER-encoded OIDs of elliptic curves that the TLS library cannot sign with, and their names.
const CURVES: [(&[u8], &str); 3] = [
    (&[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23], "P-521"),
    (&[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x21], "P-224"),
    (&[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a], "secp256k1"),
];

/// The DER-encoded OID of RSA in a PKCS#8 key.
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// Sets the authorities for the server's certificate, or disables its verification.
pub(super) fn trust(config: &mut Config, cluster: &Cluster) -> Result<(), ConnectError> {
    let authority = files::authority(cluster)?;
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or_default();
    config.tls_server_name.clone_from(&cluster.tls_server_name);
    let Some(pem) = authority else { return Ok(()) };
    if config.accept_invalid_certs {
        return Err(refused(
            "its cluster has a certificate-authority and insecure-skip-tls-verify: remove one of them",
        ));
    }
    let is_usable =
        |certificate: &CertificateDer| RootCertStore::empty().add(certificate.clone()).is_ok();
    let certificates = CertificateDer::pem_slice_iter(&pem).flatten().filter(is_usable);
    let certificates: Vec<Vec<u8>> = certificates.map(|certificate| certificate.to_vec()).collect();
    if certificates.is_empty() {
        return Err(refused("its certificate-authority has no certificate (PEM)"));
    }
    config.root_cert = Some(certificates);
    Ok(())
}

/// The source of a client certificate and its key.
pub(super) enum ClientCertificate {
    Named(Box<AuthInfo>),
    /// A credential plugin returned it.
    Issued(IssuedCertificate),
}

/// Returns whether the user has a client certificate for TLS.
pub(super) fn has_certificate(user: &AuthInfo) -> bool {
    user.client_certificate.is_some() || user.client_certificate_data.is_some()
}

impl ClientCertificate {
    /// Takes the client certificate out of `user`; a key without a certificate is ignored.
    pub(super) fn take(user: &mut AuthInfo) -> Option<Self> {
        let taken = AuthInfo {
            client_certificate: user.client_certificate.take(),
            client_certificate_data: user.client_certificate_data.take(),
            client_key: user.client_key.take(),
            client_key_data: user.client_key_data.take(),
            ..AuthInfo::default()
        };
        has_certificate(&taken).then(|| Self::Named(Box::new(taken)))
    }

    fn load(&self) -> Result<ClientIdentity, ConnectError> {
        let user = match self {
            Self::Named(user) => user,
            Self::Issued(IssuedCertificate { command, certificate, key }) => {
                let identity = ClientIdentity::new(certificate.as_bytes(), key.as_bytes());
                return identity.map_err(|why| {
                    let why = PluginFault::Certificate(why);
                    PluginError { command: command.clone(), why }.into()
                });
            }
        };
        let (data, path) =
            (user.client_certificate_data.as_deref(), user.client_certificate.as_deref());
        let certificate = files::load("client-certificate", data, path)?.unwrap_or_default();
        let key_data = user.client_key_data.as_ref().map(SecretString::expose_secret);
        let key = files::load("client-key", key_data, user.client_key.as_deref())?;
        let key =
            key.ok_or_else(|| refused("its user has a client-certificate but no client-key"))?;
        ClientIdentity::new(&certificate, &key).map_err(|why| refused(&format!("its {why}")))
    }
}

/// Returns the TLS configuration.
pub(super) fn configure(
    config: &Config,
    certificate: Option<ClientCertificate>,
) -> Result<ClientConfig, ConnectError> {
    let made = config.rustls_client_config();
    let mut made = made.map_err(|error| ConnectError::Client(words(&error)))?;
    if let Some(certificate) = certificate {
        made.client_auth_cert_resolver = Arc::new(certificate.load()?);
    }
    Ok(made)
}

/// A client certificate with its key, of any X.509 version: the TLS library itself parses only
/// version 3, which servers do not require.
#[derive(Debug)]
struct ClientIdentity(Arc<CertifiedKey>);

impl ClientIdentity {
    /// Parses a certificate and its key. The error follows the name of their source.
    fn new(certificate: &[u8], key: &[u8]) -> Result<Self, String> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain =
            chain.ok_or_else(|| "client-certificate has no certificate (PEM)".to_owned())?;
        let der = PrivateKeyDer::from_pem_slice(key).map_err(|_| absent(key).to_owned())?;
        let signing = rustls::crypto::ring::sign::any_supported_type(&der);
        let signing = signing.map_err(|_| unusable(der.secret_der()))?;
        // A public key has only one encoding, so it must occur verbatim in the certificate.
        let public = signing.public_key();
        let belongs =
            public.is_none_or(|key| chain[0].windows(key.len()).any(|part| part == key.as_ref()));
        if !belongs {
            return Err("client-key does not belong to its client-certificate".to_owned());
        }
        Ok(Self(Arc::new(CertifiedKey::new(chain, signing))))
    }
}

impl ResolvesClientCert for ClientIdentity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Returns why a file contains no usable private key.
fn absent(key: &[u8]) -> &'static str {
    let is_encrypted =
        key.windows(10).any(|part| [b"ENCRYPTED ", b",ENCRYPTED"].iter().any(|mark| part == *mark));
    if is_encrypted {
        "client-key has a passphrase, which a kubeconfig cannot provide: decrypt it with `openssl \
         pkey -in KEY -out PLAIN`"
    } else {
        "client-key has no private key (PEM of PKCS#8, PKCS#1 or SEC 1)"
    }
}

/// Returns why a key of this kind or size cannot be used.
fn unusable(key: &[u8]) -> String {
    let has = |part: &[u8]| key.windows(part.len()).any(|window| window == part);
    let curve = CURVES.iter().find(|(oid, _)| has(oid)).map(|(_, name)| *name);
    let what = match curve {
        Some(curve) => format!("is on the curve {curve}"),
        None if has(RSA) => "is an RSA key outside 2048 to 4096 bits".to_owned(),
        None => "has an unknown type".to_owned(),
    };
    format!(
        "client-key {what}, which is not supported: use a client certificate with an RSA key of \
         2048 to 4096 bits, or a key on P-256, P-384 or Ed25519"
    )
}

fn refused(why: &str) -> ConnectError {
    ConnectError::Kubeconfig(why.to_owned())
}
