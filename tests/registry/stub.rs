//! A registry whose answers a test defines.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::certificates::Certificates;

/// The first byte of a TLS handshake.
const HANDSHAKE: u8 = 0x16;

/// A received request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// An answer of the server.
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    end: End,
}

/// The end of an answer.
enum End {
    Whole,
    /// The connection ends after this many bytes of the body.
    CutAfter(usize),
    /// The body repeats endlessly, without an announced length.
    Endless,
    /// The server sends no more data, and keeps the connection open.
    Silent,
    /// The server sends only the body: no status, no headers.
    Bare,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), end: End::Whole }
    }

    pub(crate) fn of(media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new(200, body).header("Content-Type", media_type)
    }

    pub(crate) fn redirect(status: u16, location: &str) -> Self {
        Self::new(status, "moved").header("Location", location)
    }

    pub(crate) fn challenge(challenge: &str) -> Self {
        Self::new(401, "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"who are you\"}]}")
            .header("WWW-Authenticate", challenge)
    }

    pub(crate) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn cut_after(self, bytes: usize) -> Self {
        Self { end: End::CutAfter(bytes), ..self }
    }

    pub(crate) fn endless(self) -> Self {
        Self { end: End::Endless, ..self }
    }

    pub(crate) fn silent(self) -> Self {
        Self { end: End::Silent, ..self }
    }

    pub(crate) fn bare(self) -> Self {
        Self { end: End::Bare, ..self }
    }

    pub(crate) fn body_len(&self) -> usize {
        self.body.len()
    }

    fn write(&self, stream: &mut impl Write) -> io::Result<()> {
        if !matches!(self.end, End::Bare) {
            self.write_head(stream)?;
        }
        match self.end {
            End::Whole | End::Bare => stream.write_all(&self.body)?,
            End::CutAfter(bytes) => stream.write_all(&self.body[..bytes])?,
            End::Endless => loop {
                stream.write_all(&self.body)?;
            },
            End::Silent => {
                stream.flush()?;
                std::thread::sleep(Duration::from_secs(5));
            }
        }
        stream.flush()
    }

    fn write_head(&self, stream: &mut impl Write) -> io::Result<()> {
        write!(stream, "HTTP/1.1 {} Stub\r\nConnection: close\r\n", self.status)?;
        let is_sized = self.headers.iter().any(|(name, _)| name == "Transfer-Encoding");
        if !is_sized && !matches!(self.end, End::Endless) {
            write!(stream, "Content-Length: {}\r\n", self.body.len())?;
        }
        for (name, value) in &self.headers {
            write!(stream, "{name}: {value}\r\n")?;
        }
        stream.write_all(b"\r\n")
    }
}

type Handler = dyn Fn(&Seen, usize) -> Answer + Send + Sync;
/// Answers a request before its body is sent, or lets the client send it.
type Gate = dyn Fn(&Seen) -> Option<Answer> + Send + Sync;
/// Decides from the head of a request whether its body is read to the end.
type Break = dyn Fn(&Seen) -> Option<BodyBreak> + Send + Sync;

/// The end of a body that the server does not read whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyBreak {
    /// The number of bytes that are read.
    pub(crate) after: usize,
    pub(crate) then: BreakEnd,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum BreakEnd {
    /// The connection ends.
    Close,
    /// The server reads no more, and keeps the connection open.
    Stall,
}

/// A server; its threads end with the process.
pub(crate) struct Stub {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    service: Service,
    seen: Mutex<Vec<Seen>>,
}

/// The behaviour of a server.
struct Service {
    handler: Box<Handler>,
    gate: Option<Box<Gate>>,
    breaks: Option<Box<Break>>,
    tls: Option<Arc<ServerConfig>>,
}

impl Service {
    fn new(handler: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static) -> Self {
        Self { handler: Box::new(handler), gate: None, breaks: None, tls: None }
    }
}

impl Stub {
    /// Starts a server without TLS. The handler gets a request and the number of earlier ones.
    pub(crate) fn start(handler: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static) -> Self {
        Self::listen(Service::new(handler))
    }

    /// Like [`Stub::start`]; `breaks` sees the head of each request before its body is read.
    pub(crate) fn start_breaking(
        breaks: impl Fn(&Seen) -> Option<BodyBreak> + Send + Sync + 'static,
        handler: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Service { breaks: Some(Box::new(breaks)), ..Service::new(handler) })
    }

    /// Like [`Stub::start`]; `gate` sees the head of each request with `Expect: 100-continue`
    /// before its body is sent.
    pub(crate) fn start_gated(
        gate: impl Fn(&Seen) -> Option<Answer> + Send + Sync + 'static,
        handler: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Service { gate: Some(Box::new(gate)), ..Service::new(handler) })
    }

    /// Starts a server with TLS and the certificate of [`Certificates`].
    pub(crate) fn start_tls(
        certificates: &Certificates,
        handler: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let tls = Some(Arc::new(certificates.server()));
        Self::listen(Service { tls, ..Service::new(handler) })
    }

    fn listen(service: Service) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared { service, seen: Mutex::default() });
        let kept = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&shared);
                // Some tests are about clients that hang up.
                std::thread::spawn(move || shared.serve(stream.unwrap()).ok());
            }
        });
        Self { port, shared: kept }
    }

    /// Returns host and port.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the received requests.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Returns the methods and targets of the received requests.
    pub(crate) fn targets(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect()
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut first = [0];
        stream.peek(&mut first)?;
        match &self.service.tls {
            None if first == [HANDSHAKE] => Ok(()),
            None => self.answer(stream),
            Some(config) => {
                let session =
                    ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
                let mut stream = StreamOwned::new(session, stream);
                self.answer(&mut stream)?;
                stream.conn.send_close_notify();
                stream.flush()
            }
        }
    }

    fn answer(&self, stream: impl Read + Write) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        let mut seen = read_head(&mut reader)?;
        if seen.header("expect").is_some()
            && let Some(gate) = &self.service.gate
        {
            if let Some(answer) = gate(&seen) {
                self.note(&seen);
                return answer.write(reader.get_mut());
            }
            reader.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let length =
            seen.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let body_break = self.service.breaks.as_ref().and_then(|breaks| breaks(&seen));
        let mut body = vec![0; body_break.map_or(length, |broken| broken.after)];
        reader.read_exact(&mut body)?;
        seen.body = String::from_utf8_lossy(&body).into_owned();
        let before = self.note(&seen);
        match body_break.map(|broken| broken.then) {
            None => {}
            Some(BreakEnd::Close) => return Ok(()),
            Some(BreakEnd::Stall) => loop {
                std::thread::park();
            },
        }
        (self.service.handler)(&seen, before).write(reader.get_mut())
    }

    /// Records a request, and returns the number of earlier ones.
    fn note(&self, seen: &Seen) -> usize {
        let mut all = self.seen.lock().unwrap();
        all.push(seen.clone());
        all.len() - 1
    }
}

fn read_head(reader: &mut impl io::BufRead) -> io::Result<Seen> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    Ok(Seen { method, target, headers, body: String::new() })
}
