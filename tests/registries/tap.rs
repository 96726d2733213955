//! A tap between the program and a registry without TLS: it counts the traffic, and can stop it at
//! any moment.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::oci::registry::Registry;

const PATIENCE: Duration = Duration::from_mins(1);

/// The moment when traffic stops.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stop {
    Never,
    /// The registry does not receive this request; the first one has number 1.
    AtRequest(usize),
    /// The program has received this many bytes.
    AfterBytes(u64),
}

/// The requests and the bytes of all connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Passed {
    /// Method, path, and range if there is one: `GET /v2/app/blobs/sha256:… bytes=10-`.
    pub(crate) requests: Vec<String>,
    /// From the registry to the program.
    pub(crate) bytes: u64,
}

/// A tap on loopback; its threads end with the process.
pub(crate) struct Tap {
    pub(crate) address: String,
    shared: Arc<Shared>,
}

struct Shared {
    registry: String,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// The number of resets: a connection of a killed program must not disturb the next one.
    run: usize,
    stop: Stop,
    is_stopped: bool,
    passed: Passed,
}

impl Tap {
    pub(crate) fn on(registry: &Registry) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state =
            State { run: 0, stop: Stop::Never, is_stopped: false, passed: Passed::default() };
        let registry = registry.address.clone();
        let shared =
            Arc::new(Shared { registry, state: Mutex::new(state), changed: Condvar::new() });
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                // A killed client may have gone already.
                let _ = of_thread.connect(client.unwrap());
            }
        });
        Self { address, shared }
    }

    /// Clears the counters, and lets traffic pass up to `stop`.
    pub(crate) fn reset(&self, stop: Stop) {
        let mut state = self.shared.state.lock().unwrap();
        *state = State { run: state.run + 1, stop, is_stopped: false, passed: Passed::default() };
        self.shared.changed.notify_all();
    }

    /// Lets everything pass from now on.
    pub(crate) fn release(&self) {
        let mut state = self.shared.state.lock().unwrap();
        (state.stop, state.is_stopped) = (Stop::Never, false);
        self.shared.changed.notify_all();
    }

    pub(crate) fn passed(&self) -> Passed {
        self.shared.state.lock().unwrap().passed.clone()
    }

    /// Waits until the flow stops.
    #[track_caller]
    pub(crate) fn await_stop(&self) {
        let state = self.shared.state.lock().unwrap();
        let waited =
            self.shared.changed.wait_timeout_while(state, PATIENCE, |state| !state.is_stopped);
        assert!(!waited.unwrap().1.timed_out(), "the flow did not stop");
    }

    /// Runs a command and kills it with SIGKILL when the flow stops; returns false if it had ended
    /// before.
    #[track_caller]
    pub(crate) fn kill(&self, command: &mut Command, stop: Stop) -> bool {
        self.kill_after(command, stop, |_| {})
    }

    /// Like [`Tap::kill`] after this many bytes, once the program has stored them: it must sleep,
    /// and `stored` must not change.
    #[track_caller]
    pub(crate) fn kill_when_drained(
        &self,
        command: &mut Command,
        bytes: u64,
        stored: impl Fn() -> u64,
    ) -> bool {
        self.kill_after(command, Stop::AfterBytes(bytes), |process| {
            let start = Instant::now();
            let mut before = None;
            while before != Some(stored()) || !is_asleep(process) {
                before = Some(stored());
                assert!(start.elapsed() < PATIENCE, "the program does not wait for more bytes");
                std::thread::sleep(Duration::from_millis(50));
            }
        })
    }

    #[track_caller]
    fn kill_after(&self, command: &mut Command, stop: Stop, wait: impl Fn(u32)) -> bool {
        self.reset(stop);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let start = Instant::now();
        loop {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            if self.shared.state.lock().unwrap().is_stopped {
                wait(child.id());
                child.kill().unwrap();
                child.wait().unwrap();
                return true;
            }
            assert!(start.elapsed() < PATIENCE, "neither an end nor a stop");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Returns true if all threads of a process wait or have ended, so that none could use a processor.
fn is_asleep(process: u32) -> bool {
    let mut threads = fs_err::read_dir(format!("/proc/{process}/task")).unwrap();
    threads.all(|thread| {
        let stat = fs_err::read_to_string(thread.unwrap().path().join("stat")).unwrap_or_default();
        // The state follows the name, which is in brackets.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['S', 'Z']))
    })
}

impl Shared {
    fn connect(self: &Arc<Self>, client: TcpStream) -> io::Result<()> {
        let registry = TcpStream::connect(&self.registry)?;
        let run = self.state.lock().unwrap().run;
        let (up, down) = (Arc::clone(self), Arc::clone(self));
        let (from, to) = (client.try_clone()?, registry.try_clone()?);
        std::thread::spawn(move || {
            let _ = up.pass_requests(run, (&from, &to));
            let _ = to.shutdown(Shutdown::Both);
        });
        std::thread::spawn(move || {
            let _ = down.pass_answers(run, (&registry, &client));
            let _ = client.shutdown(Shutdown::Both);
        });
        Ok(())
    }

    fn pass_requests(
        &self,
        run: usize,
        (mut from, mut to): (&TcpStream, &TcpStream),
    ) -> io::Result<()> {
        let (mut buffer, mut seen) = ([0; 4096], Vec::new());
        loop {
            let read = from.read(&mut buffer)?;
            if read == 0 {
                return Ok(());
            }
            seen.extend_from_slice(&buffer[..read]);
            // The requests do not have bodies.
            while let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = seen.drain(..end + 4).collect();
                self.note(run, &String::from_utf8_lossy(&head))?;
            }
            to.write_all(&buffer[..read])?;
        }
    }

    fn note(&self, run: usize, head: &str) -> io::Result<()> {
        let mut state = self.state_of(run)?;
        let first: Vec<&str> = head.split(' ').take(2).collect();
        let is_range = |line: &&str| line.to_ascii_lowercase().starts_with("range: ");
        let range = head
            .lines()
            .find(is_range)
            .map_or(String::new(), |line| line["range:".len()..].to_owned());
        state.passed.requests.push(first.join(" ") + &range);
        let number = state.passed.requests.len();
        state.is_stopped |= matches!(state.stop, Stop::AtRequest(last) if last == number);
        self.wait(run, state)
    }

    fn pass_answers(
        &self,
        run: usize,
        (mut from, mut to): (&TcpStream, &TcpStream),
    ) -> io::Result<()> {
        let mut buffer = [0; 16384];
        loop {
            let read = from.read(&mut buffer)?;
            let mut rest = &buffer[..read];
            if read == 0 {
                return Ok(());
            }
            while !rest.is_empty() {
                let (now, later) = rest.split_at(self.permit(run, rest.len())?);
                to.write_all(now)?;
                rest = later;
                self.wait(run, self.state_of(run)?)?;
            }
        }
    }

    /// Counts the bytes that may pass now, up to `bytes`, and returns their number.
    fn permit(&self, run: usize, bytes: usize) -> io::Result<usize> {
        let mut state = self.state_of(run)?;
        let left = match state.stop {
            Stop::AfterBytes(last) => usize::try_from(last - state.passed.bytes).unwrap(),
            _ => usize::MAX,
        };
        let now = bytes.min(left);
        state.passed.bytes += now as u64;
        state.is_stopped |= now == left;
        Ok(now)
    }

    /// Waits while the flow is stopped.
    fn wait(&self, run: usize, state: MutexGuard<State>) -> io::Result<()> {
        self.changed.notify_all();
        let is_stopped = |state: &mut State| state.is_stopped && state.run == run;
        drop(self.changed.wait_while(state, is_stopped).unwrap());
        self.state_of(run).map(drop)
    }

    /// Returns the state, unless it is that of a later run.
    fn state_of(&self, run: usize) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state.lock().unwrap();
        if state.run == run { Ok(state) } else { Err(io::Error::other("a later run")) }
    }
}
