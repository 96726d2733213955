//! Clients for the tests, with short timeouts, and with pauses that are recorded instead of slept.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use camino::Utf8PathBuf;
use relay_bundle::images::reference::ImageReference;
use relay_bundle::proxy::ProxyEnvironment;
use relay_bundle::registry::{
    BlobSink, CredentialFile, Mirror, Persistence, Presence, Registry, RegistryCredentials,
    RegistrySettings, Timeouts,
};

use crate::certificates::Certificates;
use crate::stub::Stub;

/// The password of `me`, its login, and the header that sends it.
pub(crate) const PASSWORD: &str = "s3cret";
pub(crate) const LOGIN: &str = "bWU6czNjcmV0";
pub(crate) const BASIC: &str = "Basic bWU6czNjcmV0";

/// Returns a file of credentials with [`LOGIN`] under a key.
pub(crate) fn auths(key: &str) -> String {
    format!("{{\"auths\":{{\"{key}\":{{\"auth\":\"{LOGIN}\"}}}}}}")
}

/// A client and its recorded pauses.
pub(crate) struct Client {
    pub(crate) registry: Registry,
    pauses: Arc<Mutex<Vec<u64>>>,
}

/// Settings that differ from test to test.
#[derive(Default)]
pub(crate) struct Options<'a> {
    /// The text of a file of credentials.
    pub(crate) credentials: Option<&'a str>,
    pub(crate) ca: Option<Utf8PathBuf>,
    pub(crate) mirror: Option<String>,
    pub(crate) proxies: ProxyEnvironment,
    pub(crate) persistence: Option<Persistence>,
    /// Servers without TLS, from the first request on.
    pub(crate) plain: Vec<&'a Stub>,
}

impl Client {
    /// Makes a client that knows that `stub` does not have TLS.
    pub(crate) fn plain(stub: &Stub) -> Self {
        Self::new(Options { plain: vec![stub], ..Options::default() })
    }

    /// Makes a client that trusts the servers of the tests, with a file of credentials.
    pub(crate) fn tls(certificates: &Certificates, credentials: &str) -> Self {
        let ca = Some(certificates.path("ca.crt"));
        Self::new(Options { credentials: Some(credentials), ca, ..Options::default() })
    }

    /// Makes a client that has [`LOGIN`] for a server with TLS.
    pub(crate) fn logged_in(certificates: &Certificates, stub: &Stub) -> Self {
        Self::tls(certificates, &auths(&stub.address()))
    }

    pub(crate) fn new(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = options.credentials.map(|text| {
            let path = Utf8PathBuf::from_path_buf(folder.path().join("auth.json")).unwrap();
            fs_err::write(&path, text).unwrap();
            CredentialFile { path, presence: Presence::Required }
        });
        let credentials = RegistryCredentials::read(file.as_slice()).unwrap().0;
        let pauses: Arc<Mutex<Vec<u64>>> = Arc::default();
        let noted = Arc::clone(&pauses);
        let settings = RegistrySettings {
            credentials,
            ca: options.ca,
            plain_http: options.plain.iter().map(|stub| stub.address().parse().unwrap()).collect(),
            proxies: options.proxies,
            mirrors: options
                .mirror
                .iter()
                .map(|mirror| mirror.parse::<Mirror>().unwrap())
                .collect(),
            timeouts: Timeouts {
                connect: Duration::from_secs(5),
                silence: Duration::from_millis(500),
                commit: Duration::from_secs(20),
                helper: Duration::from_secs(1),
                total: None,
            },
            persistence: options.persistence.unwrap_or(Persistence::Retry),
            sleep: Box::new(move |pause: Duration| noted.lock().unwrap().push(pause.as_secs())),
        };
        Self { registry: Registry::new(settings).unwrap(), pauses }
    }

    /// Returns the pauses, in seconds.
    pub(crate) fn pauses(&self) -> Vec<u64> {
        self.pauses.lock().unwrap().clone()
    }
}

/// Returns the reference of `name` at a server, such as `a/b:1`.
pub(crate) fn image(stub: &Stub, name: &str) -> ImageReference {
    format!("{}/{name}", stub.address()).parse().unwrap()
}

/// Keeps the received bytes like a file.
#[derive(Default)]
pub(crate) struct Sink {
    pub(crate) bytes: Vec<u8>,
    pub(crate) begins: Vec<u64>,
    /// The disk is full after this many bytes.
    pub(crate) room: Option<usize>,
}

impl BlobSink for Sink {
    fn begin(&mut self, offset: u64) -> io::Result<()> {
        self.begins.push(offset);
        self.bytes.truncate(usize::try_from(offset).unwrap());
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        match self.room {
            Some(room) if self.bytes.len() > room => {
                Err(io::Error::from(io::ErrorKind::StorageFull))
            }
            _ => Ok(()),
        }
    }
}
