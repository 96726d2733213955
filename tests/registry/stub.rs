//! A registry whose answers a test defines.

#[path = "answer.rs"]
mod answer;

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

pub(crate) use self::answer::Answer;
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

    /// Returns the authorization of each received request except the one that probes for TLS.
    pub(crate) fn authorizations(&self) -> Vec<Option<String>> {
        let seen = self.seen().into_iter().filter(|seen| seen.target != "/v2/");
        seen.map(|seen| seen.header("authorization").map(str::to_owned)).collect()
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
