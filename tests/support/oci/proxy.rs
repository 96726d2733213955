//! A TCP proxy in front of a registry without TLS: it records each request, and can hold one.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);
const METHODS: [&str; 6] = ["GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "PATCH "];

/// The place where a request is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// The registry does not see it.
    Before,
    /// The registry sees it, but its answer is held.
    After,
}

/// A proxy; its threads end with the process.
pub(crate) struct Proxy {
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct State {
    requests: Vec<String>,
    trigger: Option<Trigger>,
    /// The number of body bytes of the last request.
    body: usize,
    is_held: bool,
}

/// The request that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trigger {
    /// The one with this number, counted from 1.
    Request(usize, Hold),
    /// The first one with this many bytes of a body. The registry sees only those before.
    Body(usize),
}

impl Trigger {
    fn hold(self) -> Hold {
        match self {
            Self::Request(_, hold) => hold,
            Self::Body(_) => Hold::Before,
        }
    }
}

struct Shared {
    upstream: String,
    state: Mutex<State>,
    changed: Condvar,
}

impl Proxy {
    pub(crate) fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let kept = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&shared);
                // A killed client hangs up.
                std::thread::spawn(move || shared.serve(stream.unwrap()).ok());
            }
        });
        Self { address, shared: kept }
    }

    /// Forgets the requests so far, and holds the one with this number.
    pub(crate) fn hold(&self, number: usize, hold: Hold) {
        self.start_over(Some(Trigger::Request(number, hold)));
    }

    /// Forgets the requests so far, and holds the first one with this many bytes of a body. The
    /// registry sees only those before.
    pub(crate) fn hold_body(&self, bytes: usize) {
        self.start_over(Some(Trigger::Body(bytes)));
    }

    /// Forgets the requests so far, and releases the held one.
    pub(crate) fn release(&self) {
        self.start_over(None);
        self.shared.changed.notify_all();
    }

    fn start_over(&self, trigger: Option<Trigger>) {
        *self.shared.lock() = State { trigger, ..State::default() };
    }

    /// Returns the requests, such as `PUT /v2/app/manifests/v1`.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.shared.lock().requests.clone()
    }

    /// Returns true if a request is held.
    pub(crate) fn is_holding(&self) -> bool {
        self.shared.lock().is_held
    }

    /// Waits until a request is held.
    #[track_caller]
    pub(crate) fn await_hold(&self) {
        let held = self
            .shared
            .changed
            .wait_timeout_while(self.shared.lock(), PATIENCE, |state| !state.is_held);
        assert!(!held.unwrap().1.timed_out(), "no request is held");
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn serve(self: Arc<Self>, mut client: TcpStream) -> io::Result<()> {
        let mut registry = TcpStream::connect(&self.upstream)?;
        let (mut answers, mut back) = (registry.try_clone()?, client.try_clone()?);
        let shared = Arc::clone(&self);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(read @ 1..) = answers.read(&mut buffer) {
                shared.await_release(Hold::After);
                if back.write_all(&buffer[..read]).is_err() {
                    break;
                }
            }
            back.shutdown(Shutdown::Both).ok();
        });
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = client.read(&mut buffer)?;
            if read == 0 {
                return registry.shutdown(Shutdown::Write);
            }
            self.note(&buffer[..read]);
            self.await_release(Hold::Before);
            registry.write_all(&buffer[..read])?;
        }
    }

    /// Records a request, or counts the bytes of its body. The client writes its head at once, and
    /// the bodies in these tests do not look like one.
    fn note(&self, bytes: &[u8]) {
        if !METHODS.iter().any(|method| bytes.starts_with(method.as_bytes())) {
            let mut state = self.lock();
            state.body += bytes.len();
            state.is_held |=
                matches!(state.trigger, Some(Trigger::Body(bytes)) if state.body >= bytes);
            self.changed.notify_all();
            return;
        }
        let line =
            String::from_utf8_lossy(bytes.split(|byte| *byte == b'\r').next().unwrap_or_default());
        let line = line.trim_end_matches(" HTTP/1.1").to_owned();
        let mut state = self.lock();
        state.requests.push(line);
        state.body = 0;
        let number = state.requests.len();
        state.is_held |= matches!(state.trigger, Some(Trigger::Request(held, _)) if held == number);
        self.changed.notify_all();
    }

    /// Waits while a request is held in this place.
    fn await_release(&self, hold: Hold) {
        let is_held =
            |state: &mut State| state.is_held && state.trigger.is_some_and(|it| it.hold() == hold);
        drop(self.changed.wait_while(self.lock(), is_held).unwrap());
    }
}
