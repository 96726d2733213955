//! Throw-away keys and certificates, made by openssl.
//!
//! A test program that uses this module also declares `tools` of this folder at its root.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;

use crate::tools::find;

/// Makes a key and a certificate.
const REQUEST: &str = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -batch";

/// The program and its working directory.
pub(crate) struct Openssl {
    program: PathBuf,
    folder: PathBuf,
}

impl Openssl {
    /// Finds openssl; returns `None` without it.
    pub(crate) fn find(folder: &Path) -> Option<Self> {
        Some(Self { program: find("openssl", "openssl")?, folder: folder.to_owned() })
    }

    /// Runs the words of a line, without the machine's settings; returns the standard output.
    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> Vec<u8> {
        let mut command = Command::new(&self.program);
        command.args(line.split(' ')).current_dir(&self.folder).env_clear().stdin(Stdio::null());
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "openssl {line}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    }

    /// Makes an authority: `NAME.crt` and `NAME.key`.
    pub(crate) fn make_authority(&self, name: &str) {
        self.run(&format!("{REQUEST} -subj /CN={name} -keyout {name}.key -out {name}.crt"));
    }

    /// Makes `server.crt` and `server.key` for some names and addresses, signed by the authority
    /// `ca`.
    pub(crate) fn make_server(&self, names: &str) {
        self.run(&format!(
            "{REQUEST} -subj /CN=server -addext subjectAltName={names} -addext \
             basicConstraints=critical,CA:FALSE -CA ca.crt -CAkey ca.key -keyout server.key -out \
             server.crt"
        ));
    }
}

/// Returns the configuration of a server with `server.crt` and `server.key` of a folder.
pub(crate) fn server_config(folder: &Path, clients: Arc<dyn ClientCertVerifier>) -> ServerConfig {
    let certificate = CertificateDer::from_pem_file(folder.join("server.crt")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    config.with_client_cert_verifier(clients).with_single_cert(vec![certificate], key).unwrap()
}
