//! Throw-away keys and certificates, made by openssl.

use std::path::{Path, PathBuf};

use super::{isolated, run};
use crate::tools::find;

/// A folder with certificates and keys.
///
/// `ca/ca.crt` is alone in its folder, because skopeo takes every `*.crt` beside it for an authority. `server.crt` and
/// `server.key` are a server's on loopback, or of `example.internal`; `token.crt` and `token.key` are the token issuer's.
pub(crate) struct Authority {
    openssl: PathBuf,
    folder: PathBuf,
}

impl Authority {
    /// Makes the files in a folder; returns nothing without openssl.
    pub(crate) fn make(folder: &Path) -> Option<Self> {
        let authority = Self { openssl: find("openssl", "openssl")?, folder: folder.to_owned() };
        fs_err::create_dir_all(folder.join("ca")).unwrap();
        let request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -batch";
        let names = "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:*.example.internal";
        authority.call(&format!("{request} -subj /CN=ca -keyout ca.key -out ca/ca.crt"));
        authority.call(&format!(
            "{request} -subj /CN=registry -addext {names} -addext basicConstraints=critical,CA:FALSE \
             -CA ca/ca.crt -CAkey ca.key -keyout server.key -out server.crt"
        ));
        // RSA, because openssl writes its signatures as a token has them.
        authority.call(
            "req -x509 -newkey rsa:2048 -nodes -days 2 -batch -subj /CN=tokens -keyout token.key -out token.crt",
        );
        Some(authority)
    }

    /// Returns the RSA signature over SHA-256 by the key for tokens.
    pub(crate) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        let message = tempfile::NamedTempFile::new_in(&self.folder).unwrap();
        fs_err::write(message.path(), bytes).unwrap();
        self.call(&format!("dgst -sha256 -sign token.key {}", message.path().display()))
    }

    /// Returns the path of a file.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn call(&self, line: &str) -> Vec<u8> {
        let mut command = isolated(&self.openssl);
        let result = run(command.args(line.split(' ')).current_dir(&self.folder));
        result.unwrap_or_else(|why| panic!("openssl {line}: {why}"))
    }
}
