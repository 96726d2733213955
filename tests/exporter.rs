//! The real `json_exporter` reads the rendered configuration and turns the relay's figures into
//! metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use relay_bundle::render::exporter;

/// The relay's answer to `/metrics`.
const FIGURES: &str = r#"{
    "totalApiKeys": 12, "totalClaudeAccounts": 3, "totalUsageRecords": 1048576, "uptime": 86400.25,
    "memory": {"rss": 116391936, "heapTotal": 52310016, "heapUsed": 47185920, "external": 2097152, "arrayBuffers": 0},
    "timestamp": "2026-11-22T10:00:00.000Z"
}"#;

const EXPECTED: [(&str, f64); 9] = [
    ("claude_relay_api_keys", 12.0),
    ("claude_relay_claude_accounts", 3.0),
    ("claude_relay_usage_records", 1_048_576.0),
    ("claude_relay_uptime_seconds", 86_400.25),
    ("claude_relay_memory_rss_bytes", 116_391_936.0),
    ("claude_relay_memory_heap_total_bytes", 52_310_016.0),
    ("claude_relay_memory_heap_used_bytes", 47_185_920.0),
    ("claude_relay_memory_external_bytes", 2_097_152.0),
    ("claude_relay_memory_array_buffers_bytes", 0.0),
];

/// Returns `json_exporter`: `$JSON_EXPORTER`, or the one on the path. In CI it must exist.
#[expect(clippy::disallowed_methods, reason = "the program under test is that of the machine")]
fn json_exporter() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("json_exporter"));
    let named = std::env::var_os("JSON_EXPORTER").map(PathBuf::from);
    let found = named.into_iter().chain(on_path).find(|file| file.is_file());
    if found.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI needs json_exporter on the path");
        // The test harness captures the output of `eprintln!`.
        writeln!(std::io::stderr(), "skipped: json_exporter not found")
            .expect("standard error is open");
    }
    found
}

/// The last byte of the next exporter's address. Each exporter has a separate host and a fixed
/// port. A listener that searches for a free port would be inherited by every process that another
/// test starts at this moment.
static STARTED: AtomicU8 = AtomicU8::new(2);

/// Returns a loopback address that no other test or run uses.
fn own_host(next: &AtomicU8) -> Ipv4Addr {
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, high | 1, low, next.fetch_add(1, Ordering::Relaxed))
}

/// A running `json_exporter`; it ends with the test.
struct Exporter {
    process: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Exporter {
    fn start(program: PathBuf) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("config.yml");
        fs_err::write(&config, exporter::config())?;
        let address = SocketAddr::from((own_host(&STARTED), 27_979));
        let process = Command::new(program)
            .args(exporter::arguments(&config.to_string_lossy(), &address.to_string()))
            .env_clear()
            .stderr(Stdio::null())
            .spawn()?;
        let mut exporter = Self { process, address, _folder: folder };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert_eq!(
                exporter.process.try_wait()?,
                None,
                "json_exporter refused what it was given"
            );
            assert!(start.elapsed() < Duration::from_secs(20), "json_exporter does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(exporter)
    }

    /// Returns the status and the body.
    fn get(&self, path: &str) -> io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(self.address)?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: exporter\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head and a body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok((status.expect("an answer has a status"), body.to_owned()))
    }

    fn probe(&self, relay: SocketAddr) -> io::Result<(u16, String)> {
        let (path, module) = (exporter::PROBE_PATH, exporter::MODULE);
        self.get(&format!("{path}?module={module}&target=http%3A%2F%2F{relay}%2Fmetrics"))
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.process.kill().and_then(|()| self.process.wait()).expect("the process is ours");
    }
}

/// Answers one request like the relay.
fn relay(status: &'static str, body: &'static str) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || -> io::Result<()> {
        let (stream, _) = listener.accept()?;
        let mut lines = BufReader::new(&stream).lines();
        let first = lines.next().expect("a request has a first line")?;
        lines.find(|line| line.as_ref().is_ok_and(String::is_empty));
        // A wrong path shows as a failed probe.
        let status = if first.starts_with("GET /metrics ") { status } else { "404 Not Found" };
        write!(
            &stream,
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    });
    Ok(address)
}

#[test]
fn every_declared_metric_is_expected_here() {
    let config = exporter::config();
    let lines = config.lines().map(|line| line.trim_start_matches([' ', '-']));
    let declared: BTreeSet<&str> = lines.filter_map(|line| line.strip_prefix("name: ")).collect();
    assert_eq!(declared, EXPECTED.iter().map(|(name, _)| *name).collect());
}

#[test]
fn d18_every_relay_figure_becomes_metric() {
    let Some(program) = json_exporter() else { return };
    let exporter = Exporter::start(program).unwrap();

    let (status, text) = exporter.probe(relay("200 OK", FIGURES).unwrap()).unwrap();

    assert_eq!(status, 200, "{text}");
    let samples: BTreeMap<&str, f64> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, value)| (name, value.parse().unwrap()))
        .collect();
    assert_eq!(samples, EXPECTED.into_iter().collect());
    for (name, _) in EXPECTED {
        assert!(text.contains(&format!("# TYPE {name} gauge\n")), "{text}");
    }
}

#[test]
fn relay_error_fails_scrape_but_exporter_stays_healthy() {
    let Some(program) = json_exporter() else { return };
    let exporter = Exporter::start(program).unwrap();

    let (status, _) = exporter
        .probe(
            relay("500 Internal Server Error", r#"{"error": "Failed to collect metrics"}"#)
                .unwrap(),
        )
        .unwrap();

    assert_eq!(status, 503);
    assert_eq!(exporter.get(exporter::LIVENESS_PATH).unwrap().0, 200);
}
