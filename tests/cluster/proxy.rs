//! A proxy between the program and the API server that records every request, and injects faults
//! into those that a test selects.

use std::io::{self, BufReader, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::control_plane::ControlPlane;

/// A fault to inject into a request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// No fault: the request and the answer are forwarded.
    None,
    /// The proxy sends this answer without asking the server.
    Answer(u16, &'static str, &'static str),
    /// The server handles the request, but the proxy sends this answer.
    Instead(&'static str),
    /// The proxy closes the connection before it asks the server.
    Cut,
    /// The server handles the request, but the proxy closes the connection instead of answering.
    CutAfter,
    /// The server handles the request, but the proxy sends only half of the answer.
    Truncate,
    /// The server handles the request, but the proxy sends the answer byte by byte, for many
    /// seconds.
    Drip,
    /// The proxy sends an endless answer without asking the server.
    Flood,
    /// The server handles the request, but the proxy delays the answer.
    Stall(Duration),
    /// The proxy kills the program.
    Kill(When),
    /// The proxy sends a signal to the program, and forwards the request and the answer.
    Signal(Signal, When),
}

/// The moment of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// The server has not received it.
    Before,
    /// The server has received it, but may not have handled it.
    During,
    /// The server has handled it, but the answer is not forwarded yet.
    After,
}

/// A recorded request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The position among all requests, from 1.
    pub(crate) number: usize,
    pub(crate) method: String,
    /// The path with its query.
    pub(crate) path: String,
    pub(crate) at: Instant,
}

impl Seen {
    /// Returns whether the request may change stored data.
    pub(crate) fn is_write(&self) -> bool {
        self.method != "GET"
            && !self.path.contains("dryRun=All")
            && !self.path.ends_with("accessreviews")
    }

    /// Returns whether the request writes an object of the bundle, not the record.
    pub(crate) fn is_object_write(&self) -> bool {
        self.is_write()
            && !self.path.contains("/configmaps/relay-bundle.")
            && !self.is_record_creation()
    }

    fn is_record_creation(&self) -> bool {
        // Objects of the bundle are applied; only the record and Secrets are created.
        self.method == "POST" && self.path.contains("/configmaps")
    }
}

type Script = Box<dyn Fn(&Seen) -> Fault + Send + Sync>;

/// The proxy, which listens until it is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: Option<Upstream>,
    script: Script,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    is_closed: AtomicBool,
    program: Mutex<Option<Pid>>,
    is_started: Condvar,
}

impl Proxy {
    /// Starts a proxy for a control plane; `script` chooses the fault of each request.
    pub(crate) fn before(
        plane: &ControlPlane,
        script: impl Fn(&Seen) -> Fault + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Some(Upstream::of(plane)), Box::new(script))
    }

    /// Starts a proxy without a server, which only counts connections.
    pub(crate) fn before_nothing() -> Self {
        Self::listen(None, Box::new(|_| Fault::Cut))
    }

    fn listen(upstream: Option<Upstream>, script: Script) -> Self {
        let [.., high, low] = std::process::id().to_be_bytes();
        let listener = TcpListener::bind((Ipv4Addr::new(127, 9, high, low.max(1)), 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream,
            script,
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
            is_closed: AtomicBool::new(false),
            program: Mutex::new(None),
            is_started: Condvar::new(),
        });
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if of_thread.is_closed.load(Ordering::SeqCst) {
                    return;
                }
                of_thread.connections.fetch_add(1, Ordering::SeqCst);
                let (stream, shared) = (stream.unwrap(), Arc::clone(&of_thread));
                // Many tests make the client disappear, so errors are ignored.
                std::thread::spawn(move || serve(&stream, &shared).ok());
            }
        });
        Self { address, shared }
    }

    /// Returns a kubeconfig with the proxy as the cluster's server.
    pub(crate) fn kubeconfig(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: t\nclusters: [{{name: t, cluster: {{server: \"http://{}\"}}}}]\n\
             users: [{{name: t, user: {{}}}}]\ncontexts: [{{name: t, context: {{cluster: t, user: t}}}}]\n",
            self.address
        )
    }

    /// Sets the process that receives the signals.
    pub(crate) fn program_is(&self, process: u32) {
        let pid = Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
        *self.shared.program.lock().unwrap() = Some(pid);
        self.shared.is_started.notify_all();
    }

    /// Sends a signal to the program.
    pub(crate) fn signal(&self, signal: Signal) {
        self.shared.signal(signal);
    }

    /// Returns the requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Returns the number of connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, Ordering::SeqCst);
        // A connection wakes the listener, which then sees that it is closed.
        TcpStream::connect(self.address).ok();
    }
}

impl Shared {
    fn note(&self, method: &str, path: &str) -> Seen {
        let mut all = self.seen.lock().unwrap();
        let (method, path) = (method.to_owned(), path.to_owned());
        let seen = Seen { number: all.len() + 1, method, path, at: Instant::now() };
        all.push(seen.clone());
        seen
    }

    fn signal(&self, signal: Signal) {
        let program = self.program.lock().unwrap();
        let program = self.is_started.wait_while(program, |program| program.is_none()).unwrap();
        // The program may have ended for another reason.
        kill_process(program.unwrap(), signal).ok();
    }

    fn ask(&self, request: &Message) -> io::Result<Message> {
        self.upstream.as_ref().ok_or(io::ErrorKind::NotConnected)?.ask(request)
    }
}

/// A request or an answer: its first line, the relevant headers, and the body.
struct Message {
    first: String,
    headers: Vec<String>,
    body: Vec<u8>,
}

impl Message {
    /// Reads a head and the body that it announces; `None` at the end of the stream.
    fn read(stream: &mut impl io::BufRead) -> io::Result<Option<Self>> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let first = lines.remove(0);
        let value = |name: &str| {
            let line = lines.iter().find(|line| line.to_ascii_lowercase().starts_with(name));
            line.and_then(|line| line.split_once(": ")).map(|(_, value)| value.to_owned())
        };
        let mut body = Vec::new();
        match value("content-length:") {
            Some(length) => {
                body.resize(length.parse().map_err(io::Error::other)?, 0);
                stream.read_exact(&mut body)?;
            }
            // An HTTP/1.0 answer ends with its connection.
            None if first.starts_with("HTTP/") => drop(stream.read_to_end(&mut body)?),
            None => {}
        }
        let kept = ["content-type:", "accept:", "retry-after:"];
        lines.retain(|line| kept.iter().any(|name| line.to_ascii_lowercase().starts_with(name)));
        Ok(Some(Self { first, headers: lines, body }))
    }

    fn head(&self, first: &str) -> Vec<u8> {
        let mut head = format!("{first}\r\ncontent-length: {}\r\n", self.body.len());
        for header in &self.headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// The API server, with the administrator's credentials.
struct Upstream {
    address: SocketAddr,
    config: Arc<ClientConfig>,
}

impl Upstream {
    fn of(plane: &ControlPlane) -> Self {
        let keys = plane.folder().join("pki");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(keys.join("ca.crt")).unwrap()).unwrap();
        let certificate = CertificateDer::from_pem_file(keys.join("admin.crt")).unwrap();
        let key = PrivateKeyDer::from_pem_file(keys.join("admin.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider);
        let config =
            config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        let config = Arc::new(config.with_client_auth_cert(vec![certificate], key).unwrap());
        Self { address: plane.server(), config }
    }

    /// Sends a request on a connection of its own.
    fn send(&self, request: &Message) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let name = ServerName::IpAddress(self.address.ip().into());
        let session =
            ClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(session, TcpStream::connect(self.address)?);
        // HTTP/1.0 has no chunked encoding, so an answer ends with its connection.
        stream.write_all(&request.head(&request.first.replace("HTTP/1.1", "HTTP/1.0")))?;
        stream.write_all(&request.body)?;
        stream.flush()?;
        Ok(stream)
    }

    fn ask(&self, request: &Message) -> io::Result<Message> {
        let mut stream = BufReader::new(self.send(request)?);
        Message::read(&mut stream)?.ok_or(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Serves one connection until it is closed or cut.
fn serve(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    let mut incoming = BufReader::new(stream);
    while let Some(request) = Message::read(&mut incoming)? {
        let mut words = request.first.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let seen = shared.note(method, path);
        let fault = (shared.script)(&seen);
        let Some(answer) = answer(shared, &request, &fault)? else {
            return stream.shutdown(Shutdown::Both);
        };
        let first = answer.first.replace("HTTP/1.0", "HTTP/1.1");
        let mut out = stream;
        match fault {
            Fault::Drip => return drip(out, &answer.head(&first), &answer.body),
            Fault::Flood => return flood(out),
            _ => {}
        }
        let length = if matches!(fault, Fault::Truncate) {
            answer.body.len() / 2
        } else {
            answer.body.len()
        };
        out.write_all(&[answer.head(&first).as_slice(), &answer.body[..length]].concat())?;
        if length < answer.body.len() {
            return stream.shutdown(Shutdown::Both);
        }
    }
    Ok(())
}

/// Writes an answer so slowly that data keeps coming, but the end takes minutes.
fn drip(mut out: &TcpStream, head: &[u8], body: &[u8]) -> io::Result<()> {
    out.write_all(head)?;
    for byte in body {
        out.write_all(&[*byte])?;
        std::thread::sleep(Duration::from_millis(500));
    }
    Ok(())
}

/// Writes an endless answer until the client stops reading.
fn flood(mut out: &TcpStream) -> io::Result<()> {
    out.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"a\": \"")?;
    let piece = vec![b'x'; 1 << 16];
    loop {
        out.write_all(&piece)?;
    }
}

/// Returns the answer, or `None` if the connection is to close.
fn answer(shared: &Shared, request: &Message, fault: &Fault) -> io::Result<Option<Message>> {
    let with = |body: &str, first: String, headers: Vec<String>| Message {
        first,
        headers,
        body: body.as_bytes().to_vec(),
    };
    match fault {
        Fault::None | Fault::Truncate | Fault::Drip => shared.ask(request).map(Some),
        Fault::Answer(code, header, body) => {
            let headers =
                [*header].into_iter().filter(|header| !header.is_empty()).map(str::to_owned);
            Ok(Some(with(body, format!("HTTP/1.1 {code} Fault"), headers.collect())))
        }
        Fault::Instead(body) => {
            shared.ask(request)?;
            Ok(Some(with(body, "HTTP/1.1 200 OK".to_owned(), Vec::new())))
        }
        Fault::Flood => Ok(Some(with("", String::new(), Vec::new()))),
        Fault::Cut => Ok(None),
        Fault::CutAfter => shared.ask(request).map(|_| None),
        Fault::Stall(duration) => {
            let answer = shared.ask(request)?;
            std::thread::sleep(*duration);
            Ok(Some(answer))
        }
        Fault::Kill(when) => {
            match when {
                When::Before => {}
                When::During => {
                    drop(shared.upstream.as_ref().map(|upstream| upstream.send(request)));
                }
                When::After => drop(shared.ask(request)?),
            }
            shared.signal(Signal::KILL);
            Ok(None)
        }
        Fault::Signal(signal, When::After) => {
            let answer = shared.ask(request)?;
            shared.signal(*signal);
            Ok(Some(answer))
        }
        Fault::Signal(signal, _) => {
            shared.signal(*signal);
            shared.ask(request).map(Some)
        }
    }
}
