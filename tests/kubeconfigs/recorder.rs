//! An API server that records its requests, with proxies in front of it. Each proxy leads to this
//! server, independent of the requested target, so that a name that does not resolve is enough.

use std::collections::BTreeSet;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, ServerConfig, ServerConnection,
    SignatureScheme, StreamOwned,
};

use crate::certificates::Certificates;
use crate::openssl::server_config;

const REFUSAL: &str = "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"reason\":\"NotFound\",\"code\":404}";

/// The server and its proxies; their threads end with the process.
pub(crate) struct Recorder {
    addresses: [(&'static str, SocketAddr); 6],
    shared: Arc<Shared>,
}

struct Shared {
    tls: Arc<ServerConfig>,
    certificates: &'static Certificates,
    arrivals: Mutex<Vec<String>>,
}

impl Recorder {
    pub(crate) fn start(certificates: &'static Certificates) -> Self {
        let tls = Arc::new(server_config(certificates.folder(), Arc::new(AnyCertificate)));
        let shared = Arc::new(Shared { tls, certificates, arrivals: Mutex::default() });
        let listen = |serve: fn(TcpStream, &Shared) -> io::Result<()>| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    let shared = Arc::clone(&shared);
                    // Some rows test clients that hang up.
                    std::thread::spawn(move || serve(stream.unwrap(), &shared).ok());
                }
            });
            address
        };
        let addresses = [
            ("TLS", listen(|stream, shared| serve_tls(stream, shared, "directly"))),
            ("PLAIN", listen(|stream, shared| serve(stream, shared, "directly without TLS"))),
            ("HTTP", listen(|stream, shared| serve_connect(stream, shared, "http"))),
            (
                "HTTPS",
                listen(|stream, shared| {
                    let session =
                        ServerConnection::new(Arc::clone(&shared.tls)).map_err(io::Error::other)?;
                    serve_connect(StreamOwned::new(session, stream), shared, "https")
                }),
            ),
            ("SOCKS", listen(serve_socks)),
            ("BAD", listen(|stream, _| refuse(stream))),
        ];
        Self { addresses, shared }
    }

    /// Replaces `TLS_PORT` and the like by the ports.
    pub(crate) fn fill(&self, text: &str) -> String {
        let ports = self.addresses.iter();
        ports.fold(text.to_owned(), |text, (name, address)| {
            text.replace(&format!("{{{name}}}"), &address.port().to_string())
        })
    }

    /// Returns the first request: its path through the proxies, and its identity.
    pub(crate) fn first(&self) -> String {
        let arrivals = self.shared.arrivals.lock().unwrap();
        arrivals.first().map_or("nothing", String::as_str).to_owned()
    }

    /// Returns all requests, without repetitions.
    pub(crate) fn all(&self) -> Vec<String> {
        let mut arrivals = self.shared.arrivals.lock().unwrap().clone();
        arrivals.dedup();
        arrivals
    }
}

/// Serves one request on a connection that came by `way`.
fn serve_tls(stream: impl Read + Write, shared: &Shared, way: &str) -> io::Result<()> {
    let session = ServerConnection::new(Arc::clone(&shared.tls)).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(session, stream);
    let (_, headers) = read_head(&mut stream)?;
    let mut parts = vec![way.to_owned()];
    let certificate = stream.conn.peer_certificates().and_then(<[_]>::first);
    parts.extend(
        certificate
            .map(|certificate| format!("certificate {}", shared.certificates.owner(certificate))),
    );
    answer(&mut stream, shared, parts, &headers)
}

fn serve(mut stream: TcpStream, shared: &Shared, way: &str) -> io::Result<()> {
    let (_, headers) = read_head(&mut stream)?;
    answer(&mut stream, shared, vec![way.to_owned()], &headers)
}

fn answer(
    stream: &mut impl Write,
    shared: &Shared,
    mut parts: Vec<String>,
    headers: &[(String, String)],
) -> io::Result<()> {
    let shown = headers
        .iter()
        .filter(|(name, _)| name == "authorization" || name.starts_with("impersonate-"));
    let shown = shown.map(|(name, value)| match name.as_str() {
        "authorization" => value.clone(),
        name => format!("{name} {value}"),
    });
    // The order of headers does not matter.
    parts.extend(shown.collect::<BTreeSet<_>>());
    shared.arrivals.lock().unwrap().push(parts.join(", "));
    let length = REFUSAL.len();
    let head = format!(
        "HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(format!("{head}{REFUSAL}").as_bytes())?;
    stream.flush()
}

/// Answers everything like an HTTPS server that receives plain HTTP.
fn refuse(mut stream: TcpStream) -> io::Result<()> {
    let mut bytes = [0; 4096];
    if stream.read(&mut bytes)? == 0 {
        return Ok(());
    }
    stream.write_all(
        b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
    )
}

/// Acts as a proxy that supports `CONNECT`.
fn serve_connect(mut stream: impl Read + Write, shared: &Shared, scheme: &str) -> io::Result<()> {
    let (first, headers) = read_head(&mut stream)?;
    let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let port = target.rsplit(':').next().unwrap_or_default();
    let target = target.replace(port, "PORT");
    let login = headers.iter().find(|(name, _)| name == "proxy-authorization");
    let login = login.map(|(_, value)| format!(" as {value}")).unwrap_or_default();
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    stream.flush()?;
    serve_tls(stream, shared, &format!("{scheme} to {target}{login}"))
}

/// Acts as a SOCKS 5 proxy.
fn serve_socks(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let read = |length: usize| {
        let mut bytes = vec![0; length];
        (&stream).read_exact(&mut bytes).map(|()| bytes)
    };
    let methods = read(2)?[1];
    let methods = read(methods.into())?;
    let mut login = String::new();
    if methods.contains(&2) {
        (&stream).write_all(&[5, 2])?;
        let length = read(2)?[1];
        let user = read(length.into())?;
        let length = read(1)?[0];
        let password = read(length.into())?;
        login = format!(
            " as {}:{}",
            String::from_utf8_lossy(&user),
            String::from_utf8_lossy(&password)
        );
        (&stream).write_all(&[1, 0])?;
    } else {
        (&stream).write_all(&[5, 0])?;
    }
    let target = match read(4)?[3] {
        1 => read(4)?.iter().map(u8::to_string).collect::<Vec<_>>().join("."),
        3 => {
            let length = read(1)?[0];
            String::from_utf8_lossy(&read(length.into())?).into_owned()
        }
        _ => return Err(io::ErrorKind::Unsupported.into()),
    };
    read(2)?;
    stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    serve_tls(stream, shared, &format!("socks to {target}{login}"))
}

/// A first line, and the headers below it, with names in lower case.
type Head = (String, Vec<(String, String)>);

/// Reads a head byte by byte, because another reader takes over after it.
fn read_head(stream: &mut impl Read) -> io::Result<Head> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let mut lines = BufReader::new(head.as_slice()).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let headers = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    Ok((first, headers.collect()))
}

/// Requests a client certificate and accepts any; the tests check which one is sent.
#[derive(Debug)]
struct AnyCertificate;

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::ECDSA_NISTP521_SHA512,
            SignatureScheme::ED25519,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PSS_SHA384,
            SignatureScheme::RSA_PSS_SHA512,
            SignatureScheme::RSA_PKCS1_SHA256,
        ]
    }
}
