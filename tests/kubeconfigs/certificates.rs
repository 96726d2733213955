//! The certificates of the tests, made once by openssl.

use std::path::Path;
use std::sync::LazyLock;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tempfile::TempDir;

use crate::openssl::Openssl;

/// The client certificates, and the openssl options for each key.
pub(crate) const CLIENTS: [(&str, &str); 7] = [
    ("p256", "-newkey ec -pkeyopt ec_paramgen_curve:P-256"),
    ("p384", "-newkey ec -pkeyopt ec_paramgen_curve:P-384"),
    ("p521", "-newkey ec -pkeyopt ec_paramgen_curve:P-521"),
    ("ed25519", "-newkey ed25519"),
    ("rsa", "-newkey rsa:2048"),
    ("rsa1024", "-newkey rsa:1024"),
    ("version1", "-newkey rsa:2048"),
];

/// A folder with `ca.crt`, `server.crt`, `server.key`, and a certificate and key for each client.
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
        openssl.make_authority("other-ca");
        openssl.make_server(
            "IP:127.0.0.1,IP:0.0.0.0,DNS:localhost,DNS:api.example.invalid,DNS:named.example.invalid",
        );
        for (name, key) in CLIENTS {
            openssl.run(&format!(
                "req {key} -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
            ));
            let sign = format!(
                "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -days 2 -out {name}.crt"
            );
            if name != "version1" {
                fs_err::write(folder.path().join("extensions"), "extendedKeyUsage=clientAuth\n")
                    .unwrap();
                openssl.run(&format!("{sign} -extfile extensions"));
                continue;
            }
            // Newer openssl needs an option for version 1, which older ones do not know.
            openssl.run(&sign);
            if !is_version_1(&folder.path().join("version1.crt")) {
                openssl.run(&format!("{sign} -x509v1"));
            }
        }
        openssl.run("pkey -in rsa.key -aes256 -passout pass:EXAMPLE -out encrypted.key");
        // `openssl ecparam -genkey` writes the parameters in front of the key.
        openssl.run("ecparam -name prime256v1 -out parameters.pem");
        let read = |file: &str| fs_err::read_to_string(folder.path().join(file)).unwrap();
        fs_err::write(folder.path().join("both.key"), read("parameters.pem") + &read("p256.key"))
            .unwrap();
        Some(Self { folder })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn text(&self, file: &str) -> String {
        fs_err::read_to_string(self.folder().join(file)).unwrap()
    }

    /// Returns the owner of a certificate.
    pub(crate) fn owner(&self, certificate: &CertificateDer) -> String {
        let is_his = |name: &str| {
            CertificateDer::from_pem_file(self.folder().join(format!("{name}.crt"))).unwrap()
                == *certificate
        };
        let owner = CLIENTS.iter().find(|(name, _)| is_his(name));
        owner.map_or("unknown", |(name, _)| name).to_owned()
    }
}

/// Returns true if a certificate states no version, which means version 1.
fn is_version_1(file: &Path) -> bool {
    let certificate = CertificateDer::from_pem_file(file).unwrap();
    !certificate.windows(5).any(|part| part == [0xa0, 3, 2, 1, 2])
}
