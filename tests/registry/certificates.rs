//! The certificates of the tests, made once by openssl.

use std::sync::LazyLock;

use camino::Utf8PathBuf;
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use tempfile::TempDir;

use crate::openssl::{Openssl, server_config};

/// An authority, its server certificate for this machine and Docker Hub, and another authority.
pub(crate) struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Returns the certificates; `None` without openssl.
    pub(crate) fn get() -> Option<&'static Self> {
        static MADE: LazyLock<Option<Certificates>> = LazyLock::new(Certificates::make);
        MADE.as_ref()
    }

    fn make() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let openssl = Openssl::find(folder.path())?;
        openssl.make_authority("ca");
        openssl.make_authority("other");
        openssl.make_server("IP:127.0.0.1,DNS:localhost,DNS:registry-1.docker.io");
        Some(Self { folder })
    }

    /// Returns the path of a certificate.
    pub(crate) fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(self.folder.path().join(name)).unwrap()
    }

    pub(crate) fn server(&self) -> ServerConfig {
        server_config(self.folder.path(), WebPkiClientVerifier::no_client_auth())
    }
}
