//! Throw-away keys and certificates, made by openssl.

use std::path::{Path, PathBuf};

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;

use crate::openssl::{Openssl, server_config};

/// A folder with certificates and keys.
///
/// `ca/ca.crt` is alone in its folder, because skopeo trusts every `*.crt` beside it as an
/// authority. `server.crt` and `server.key` are those of a server on loopback, or of
/// `example.internal`; `token.crt` and `token.key` are the token issuer's.
pub(crate) struct Authority {
    openssl: Openssl,
    folder: PathBuf,
}

impl Authority {
    /// Makes the files in a folder; returns `None` without openssl.
    pub(crate) fn make(folder: &Path) -> Option<Self> {
        let openssl = Openssl::find(folder)?;
        openssl.make_authority("ca");
        openssl.make_server("IP:127.0.0.1,DNS:localhost,DNS:*.example.internal");
        fs_err::create_dir(folder.join("ca")).unwrap();
        fs_err::rename(folder.join("ca.crt"), folder.join("ca/ca.crt")).unwrap();
        // RSA, because openssl writes its signatures in the form of a token.
        openssl.run(
            "req -x509 -newkey rsa:2048 -nodes -days 2 -batch -subj /CN=tokens -keyout token.key -out token.crt",
        );
        Some(Self { openssl, folder: folder.to_owned() })
    }

    /// Returns the RSA signature over SHA-256 by the key for tokens.
    pub(crate) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        let message = tempfile::NamedTempFile::new_in(&self.folder).unwrap();
        fs_err::write(message.path(), bytes).unwrap();
        self.openssl.run(&format!("dgst -sha256 -sign token.key {}", message.path().display()))
    }

    /// Returns the path of a file.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Returns the configuration of a server with `server.crt`.
    pub(crate) fn server(&self) -> ServerConfig {
        server_config(&self.folder, WebPkiClientVerifier::no_client_auth())
    }
}
