//! Docker Hub: the host that serves its images, and the key of its credentials.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use relay_bundle::proxy::ProxyEnvironment;

use crate::certificates::Certificates;
use crate::client::{Client, Options};
use crate::images::manifest;
use crate::stub::{Answer, Stub};

/// `me:s3cret`
const LOGIN: &str = "bWU6czNjcmV0";

/// A proxy that leads every connection to one server; its threads end with the process.
struct Tunnel {
    address: String,
    /// The first lines of the requests.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Tunnel {
    fn to(stub: &Stub) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (kept, server) = (Arc::clone(&asked), stub.address());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let line = connect(client.unwrap(), &server).unwrap();
                asked.lock().unwrap().push(line);
            }
        });
        Self { address, asked: kept }
    }
}

/// Answers `CONNECT`, passes everything on, and returns the first line of the request.
fn connect(mut client: TcpStream, server: &str) -> io::Result<String> {
    let mut reader = BufReader::new(client.try_clone()?);
    let (mut first, mut line) = (String::new(), String::new());
    reader.read_line(&mut first)?;
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line)?;
    }
    let mut up = TcpStream::connect(server)?;
    let (mut down, mut back) = (up.try_clone()?, client.try_clone()?);
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    std::thread::spawn(move || io::copy(&mut reader, &mut up));
    std::thread::spawn(move || {
        io::copy(&mut down, &mut back).ok();
        back.shutdown(Shutdown::Both)
    });
    Ok(first.trim_end().to_owned())
}

#[test]
fn image_of_docker_hub_is_asked_for_at_its_registry_with_its_login() {
    let Some(certificates) = Certificates::get() else { return };
    for key in ["https://index.docker.io/v1/", "docker.io"] {
        let basic = format!("Basic {LOGIN}");
        let accepted = basic.clone();
        let stub = Stub::start_tls(certificates, move |seen, _| {
            if seen.header("authorization") == Some(&accepted) {
                return manifest().answer();
            }
            Answer::challenge("Basic realm=\"registry\"")
        });
        let tunnel = Tunnel::to(&stub);
        let https = Some(format!("http://{}", tunnel.address));
        let credentials = format!("{{\"auths\":{{\"{key}\":{{\"auth\":\"{LOGIN}\"}}}}}}");
        let client = Client::new(Options {
            credentials: Some(&credentials),
            ca: Some(certificates.path("ca.crt")),
            proxies: ProxyEnvironment { https, ..ProxyEnvironment::default() },
            ..Options::default()
        });

        client.registry.pull_manifest(&"redis:8".parse().unwrap()).unwrap();

        let asked = tunnel.asked.lock().unwrap().clone();
        let connect = |line: &String| line == "CONNECT registry-1.docker.io:443 HTTP/1.1";
        assert!(!asked.is_empty() && asked.iter().all(connect), "{asked:?}");
        let seen = stub.seen();
        assert!(seen.iter().all(|seen| seen.header("host") == Some("registry-1.docker.io")));
        let last = seen.last().unwrap();
        assert_eq!(last.target, "/v2/library/redis/manifests/8");
        assert_eq!(last.header("authorization"), Some(basic.as_str()), "{key}");
    }
}
