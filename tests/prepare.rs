//! The relay's init container: the rendered script under a real Node.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod support;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use relay_bundle::render::scripts::PREPARE;
use serde_json::Value;
use support::{children, find, isolated, signal, text_of, wait_until};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);
const PASSWORD: &str = "pass \"word\" \\ $(id) 'q' # é 密码 🔑 \u{2028} ";
const USERNAME: &str = "admin \"é\"";

/// The last byte of the next pod's address. Each pod has a separate host and a fixed port. A
/// listener that searches for a free port would be inherited by every process that another test
/// starts at this moment.
static PODS: AtomicU8 = AtomicU8::new(2);

/// The init container's environment and its data volume.
struct Pod {
    node: PathBuf,
    data: TempDir,
    redis: SocketAddr,
    variables: Vec<(&'static str, String)>,
}

/// The exit code and the output of a run.
struct End {
    code: Option<i32>,
    told: String,
}

impl Pod {
    fn new() -> Option<Self> {
        let node = find("node", "nodejs")?;
        let [.., high, low] = std::process::id().to_be_bytes();
        let host = Ipv4Addr::new(127, high | 1, low, PODS.fetch_add(1, Ordering::Relaxed));
        let redis = SocketAddr::from((host, 26_379));
        let variables = [
            ("ADMIN_USERNAME", USERNAME.to_owned()),
            ("ADMIN_PASSWORD", PASSWORD.to_owned()),
            ("REDIS_HOST", redis.ip().to_string()),
            ("REDIS_PORT", redis.port().to_string()),
            ("REDIS_ENABLE_TLS", "true".to_owned()),
        ];
        Some(Self { node, data: TempDir::new().unwrap(), redis, variables: variables.to_vec() })
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.retain(|(known, _)| *known != name);
        self.variables.push((name, value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.variables.retain(|(known, _)| *known != name);
        self
    }

    fn listen(&self) -> TcpListener {
        TcpListener::bind(self.redis).unwrap()
    }

    fn file(&self) -> PathBuf {
        self.data.path().join("init.json")
    }

    fn names(&self) -> Vec<String> {
        let names = fs_err::read_dir(self.data.path()).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn log(&self) -> PathBuf {
        self.data.path().with_extension("log")
    }

    fn start(&self) -> Run {
        let mut command = Command::new(&self.node);
        command.args(["-e", PREPARE, "--"]).arg(self.file());
        self.spawn(command)
    }

    fn spawn(&self, mut command: Command) -> Run {
        let log = fs_err::File::create(self.log()).unwrap().into_file();
        command
            .env_clear()
            .envs(self.variables.iter().cloned())
            .process_group(0)
            .stdin(Stdio::null());
        let child = command.stderr(log.try_clone().unwrap()).stdout(log).spawn().unwrap();
        Run { child, log: self.log() }
    }

    fn run(&self) -> End {
        self.start().wait()
    }

    fn init(&self) -> Value {
        serde_json::from_slice(&fs_err::read(self.file()).unwrap()).unwrap()
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        // The log is missing if the script never ran.
        fs_err::remove_file(self.log()).ok();
    }
}

/// A running init container; it ends when the value is dropped.
struct Run {
    child: Child,
    log: PathBuf,
}

impl Run {
    fn process(&self) -> i64 {
        self.child.id().into()
    }

    fn told(&self) -> String {
        text_of(&self.log)
    }

    #[track_caller]
    fn wait(mut self) -> End {
        let mut ended = None;
        wait_until("the script ends", PATIENCE, || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        End { code: ended.unwrap().code(), told: self.told() }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        signal("KILL", -self.process());
        self.child.wait().expect("a child can be waited for");
    }
}

#[test]
fn file_holds_exact_credentials_readable_only_by_owner() {
    let Some(pod) = Pod::new() else { return };
    let _redis = pod.listen();

    let end = pod.run();

    assert_eq!(end.code, Some(0), "{}", end.told);
    let init = pod.init();
    assert_eq!(init.as_object().unwrap().len(), 4);
    assert_eq!(init["adminUsername"], USERNAME);
    assert_eq!(init["adminPassword"], PASSWORD);
    assert_eq!(init["version"], "1.0.0");
    let time = init["initializedAt"].as_str().unwrap();
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{time}");
    assert_eq!(fs_err::metadata(pod.file()).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(pod.names(), ["init.json"]);
}

#[test]
fn credentials_are_not_printed() {
    let Some(pod) = Pod::new() else { return };
    let pod = pod.with("ADMIN_USERNAME", "the-user").with("ADMIN_PASSWORD", "the-password");
    let redis = pod.listen();

    let first = pod.run().told;
    let second = pod.run().told;
    drop(redis);
    let unwritable = pod.with("REDIS_PORT", "not-a-port").run().told;

    for told in [first, second, unwritable] {
        assert!(
            !told.is_empty() && !told.contains("the-user") && !told.contains("the-password"),
            "{told}"
        );
    }
}

#[test]
fn script_waits_for_late_redis_and_says_so_once() {
    let Some(pod) = Pod::new() else { return };
    let run = pod.start();
    let waiting = format!("prepare: waiting for Redis at {}: ECONNREFUSED\n", pod.redis);
    wait_until("the script says that it waits", PATIENCE, || run.told() == waiting);
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(pod.names(), [""; 0], "nothing is written before Redis is there");

    let _redis = pod.listen();
    let end = run.wait();

    assert_eq!(end.code, Some(0), "{}", end.told);
    let there = format!("prepare: Redis at {} accepts connections\n", pod.redis);
    assert_eq!(end.told, format!("{waiting}{there}prepare: wrote {}\n", pod.file().display()));
    assert_eq!(pod.init()["adminPassword"], PASSWORD);
}

#[test]
fn unresolvable_host_is_reported_with_reason() {
    let Some(pod) = Pod::new() else { return };
    let pod = pod.with("REDIS_HOST", "redis.invalid");

    let run = pod.start();

    wait_until("the script names the reason", PATIENCE, || {
        let told = run.told();
        told.starts_with(&format!(
            "prepare: waiting for Redis at redis.invalid:{}: E",
            pod.redis.port()
        )) && told.ends_with('\n')
    });
}

#[test]
fn long_wait_is_reported_again_every_30_seconds() {
    let Some(pod) = Pod::new() else { return };
    // A clock that runs 20 times too fast: 30 seconds pass in two of the script's attempts.
    let clock = pod.data.path().join("clock.js");
    fs_err::write(
        &clock,
        "const real = Date.now, start = real(); Date.now = () => start + 20 * (real() - start);",
    )
    .unwrap();
    let mut command = Command::new(&pod.node);
    command.arg("--require").arg(&clock).args(["-e", PREPARE, "--"]).arg(pod.file());
    let begin = Instant::now();

    let run = pod.spawn(command);

    wait_until("the script reminds twice", PATIENCE, || {
        run.told().matches("waiting for Redis").count() == 3
    });
    assert!(
        begin.elapsed() > Duration::from_millis(3900),
        "not at every try: {:?}",
        begin.elapsed()
    );
}

#[test]
fn existing_file_stays_unchanged() {
    let Some(pod) = Pod::new() else { return };
    let _redis = pod.listen();
    for content in [r#"{"adminPassword":"changed by hand"}"#, ""] {
        fs_err::write(pod.file(), content).unwrap();
        let before = fs_err::metadata(pod.file()).unwrap();

        let end = pod.run();

        assert_eq!(end.code, Some(0), "{}", end.told);
        assert!(end.told.ends_with("init.json is already there\n"), "{}", end.told);
        let after = fs_err::metadata(pod.file()).unwrap();
        assert_eq!(text_of(&pod.file()), content);
        assert_eq!(
            (after.modified().unwrap(), after.permissions()),
            (before.modified().unwrap(), before.permissions())
        );
        assert_eq!(pod.names(), ["init.json"]);
    }
}

#[test]
fn of_many_scripts_on_one_volume_exactly_one_writes() {
    let Some(pod) = Pod::new() else { return };
    let rivals: Vec<Pod> = (0..8)
        .map(|i| Pod::new().unwrap().with("ADMIN_PASSWORD", &format!("password {i}")))
        .collect();
    let started: Vec<Run> = rivals
        .iter()
        .map(|rival| {
            let mut command = Command::new(&rival.node);
            command.args(["-e", PREPARE, "--"]).arg(pod.file());
            rival.spawn(command)
        })
        .collect();
    let _redis: Vec<_> = rivals.iter().map(Pod::listen).collect();

    let ends: Vec<End> = started.into_iter().map(Run::wait).collect();

    assert!(ends.iter().all(|end| end.code == Some(0)));
    let winners: Vec<usize> = (0..8).filter(|i| ends[*i].told.contains("prepare: wrote")).collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert_eq!(pod.init()["adminPassword"], format!("password {}", winners[0]));
    assert_eq!(pod.names(), ["init.json"]);
}

#[test]
fn missing_or_empty_variable_is_reported_at_once() {
    for name in ["ADMIN_USERNAME", "ADMIN_PASSWORD", "REDIS_HOST", "REDIS_PORT"] {
        let Some(pod) = Pod::new() else { return };
        for pod in [pod.with(name, ""), Pod::new().unwrap().without(name)] {
            let end = pod.run();

            assert_eq!(end.code, Some(1), "{}", end.told);
            assert_eq!(end.told, format!("prepare: missing or empty in the environment: {name}\n"));
            assert_eq!(pod.names(), [""; 0]);
        }
    }
}

#[test]
fn control_characters_in_credentials_are_refused_at_once() {
    for (name, value) in [
        ("ADMIN_PASSWORD", "hunter2\n"),
        ("ADMIN_PASSWORD", "hunter2\r\n"),
        ("ADMIN_PASSWORD", "hun\tter2"),
        ("ADMIN_PASSWORD", "hunter2\u{7f}"),
        ("ADMIN_PASSWORD", "hunter2\u{85}"),
        ("ADMIN_USERNAME", "hunter2\n"),
    ] {
        let Some(pod) = Pod::new() else { return };
        let pod = pod.with(name, value);

        let end = pod.run();

        assert_eq!(end.code, Some(1), "{value:?}: {}", end.told);
        assert!(end.told.contains("control characters") && end.told.contains(name), "{}", end.told);
        assert!(!end.told.contains("hun") && pod.names().is_empty(), "{}", end.told);
    }
}

#[test]
fn invalid_port_is_refused() {
    for port in ["tcp://10.0.0.1:6379", "0", "65536", "-1", "6379 ", "0x10"] {
        let Some(pod) = Pod::new() else { return };

        let end = pod.with("REDIS_PORT", port).run();

        assert_eq!(
            (end.code, end.told.as_str()),
            (Some(1), "prepare: REDIS_PORT is not a port\n"),
            "{port}"
        );
    }
}

#[test]
fn unwritable_volume_fails_start() {
    let Some(pod) = Pod::new() else { return };
    let _redis = pod.listen();
    let mut command = Command::new(&pod.node);
    command.args(["-e", PREPARE, "--"]).arg(pod.data.path().join("absent/init.json"));

    let end = pod.spawn(command).wait();

    assert_eq!(end.code, Some(1), "{}", end.told);
    assert!(end.told.contains("prepare: ENOENT"), "{}", end.told);
    assert!(!end.told.contains("pass "), "{}", end.told);
}

#[test]
fn sigterm_ends_wait_at_once() {
    let Some(pod) = Pod::new() else { return };
    let run = pod.start();
    wait_until("the script waits", PATIENCE, || run.told().contains("waiting"));

    let asked = Instant::now();
    signal("TERM", run.process());
    let end = run.wait();

    assert_eq!(end.code, Some(143), "{}", end.told);
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert_eq!(pod.names(), [""; 0]);
}

#[test]
fn sigterm_ends_wait_of_container_pid_1() {
    let Some(pod) = Pod::new() else { return };
    if !isolated() {
        return;
    }
    let mut command = Command::new(find("unshare", "util-linux").unwrap());
    command
        .args(["--mount", "--pid", "--fork"])
        .arg(&pod.node)
        .args(["-e", PREPARE, "--"])
        .arg(pod.file());
    let run = pod.spawn(command);
    wait_until("the script waits", PATIENCE, || run.told().contains("waiting"));
    let first = children(run.process())[0];
    assert!(
        text_of(Path::new(&format!("/proc/{first}/status")))
            .lines()
            .any(|line| line.ends_with("\t1"))
    );

    let asked = Instant::now();
    signal("TERM", first);
    let end = run.wait();

    assert_eq!(end.code, Some(143), "{}", end.told);
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}
