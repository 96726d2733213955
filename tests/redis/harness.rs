//! Runs Redis as its manifest does, with the rendered scripts and configuration, in both kinds of
//! image.

use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use relay_bundle::render::redis_conf::{RedisConf, redis_conf};
use relay_bundle::render::scripts::{REDIS_PROBE, REDIS_START};
use tempfile::TempDir;

use crate::support::{find, signal, text_of, wait_until};

pub(crate) const MAXMEMORY: u64 = 201_326_592;
/// Redis needs some seconds to read 5000 keys, and serves its clients in between.
pub(crate) const SLOW_LOADING: &str =
    "key-load-delay 800\nloading-process-events-interval-bytes 1024\n";
/// Redis needs some seconds to write 5000 keys.
pub(crate) const SLOW_WRITING: &str = "rdb-key-save-delay 800\n";
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// All commands that the scripts may call, except the shell's own.
const APPLETS: [&str; 9] = ["grep", "mv", "rm", "rmdir", "sed", "sleep", "sync", "timeout", "tr"];

/// The programs of an image: a folder that is first, or alone, in `PATH`.
pub(crate) struct Image {
    pub(crate) name: &'static str,
    programs: TempDir,
    path: String,
}

impl Image {
    /// Returns all kinds of image whose programs this machine has.
    pub(crate) fn all() -> Vec<Self> {
        [Self::debian(), Self::alpine()].into_iter().flatten().collect()
    }

    /// dash and GNU coreutils.
    pub(crate) fn debian() -> Option<Self> {
        let image = Self::with_shell("debian", &find("dash", "dash")?)?;
        Some(Self { path: format!("{}:/usr/bin:/bin", image.path), ..image })
    }

    /// Only busybox.
    pub(crate) fn alpine() -> Option<Self> {
        let busybox = find("busybox", "busybox")?;
        let image = Self::with_shell("alpine", &busybox)?;
        for applet in APPLETS {
            symlink(&busybox, image.programs().join(applet)).unwrap();
        }
        Some(image)
    }

    fn with_shell(name: &'static str, shell: &Path) -> Option<Self> {
        let redis = ["redis-server", "redis-cli"].map(|program| find(program, "redis-server"));
        let programs = TempDir::new().unwrap();
        symlink(shell, programs.path().join("sh")).unwrap();
        for (program, name) in redis.into_iter().zip(["redis-server", "redis-cli"]) {
            symlink(program?, programs.path().join(name)).unwrap();
        }
        let path = programs.path().to_str().unwrap().to_owned();
        Some(Self { name, programs, path })
    }

    /// Returns a command whose environment has only the image's programs.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.path().join(program));
        command.env_clear().env("PATH", &self.path).stdin(Stdio::null());
        command
    }

    pub(crate) fn programs(&self) -> &Path {
        self.programs.path()
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}

/// The volumes of one Redis pod.
pub(crate) struct Volumes {
    root: TempDir,
    pub(crate) port: u16,
}

impl Volumes {
    pub(crate) fn new() -> Self {
        let root = TempDir::new().unwrap();
        for folder in ["data", "run"] {
            fs_err::create_dir(root.path().join(folder)).unwrap();
        }
        let volumes = Self { root, port: free_port() };
        volumes.tune("");
        volumes.write("redis-start.sh", REDIS_START);
        volumes.write("redis-probe.sh", REDIS_PROBE);
        volumes
    }

    /// Returns volumes on which an earlier installation left these files.
    pub(crate) fn with_data(files: &[(&str, &[u8])]) -> Self {
        let volumes = Self::new();
        for (name, bytes) in files {
            let file = volumes.data().join(name);
            fs_err::create_dir_all(file.parent().unwrap()).unwrap();
            fs_err::write(file, bytes).unwrap();
        }
        volumes
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.file("data")
    }

    /// Returns the names on the data volume, sorted.
    pub(crate) fn data_names(&self) -> Vec<String> {
        let name = |entry: std::io::Result<fs_err::DirEntry>| {
            entry.unwrap().file_name().into_string().unwrap()
        };
        let mut names: Vec<_> = fs_err::read_dir(self.data()).unwrap().map(name).collect();
        names.sort();
        names
    }

    pub(crate) fn dump(&self) -> Vec<u8> {
        fs_err::read(self.file("data/dump.rdb")).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        fs_err::write(self.file(name), text).unwrap();
    }

    /// Appends lines to the rendered configuration, replacing those of an earlier call.
    pub(crate) fn tune(&self, lines: &str) {
        let data = self.data();
        let conf = redis_conf(RedisConf {
            port: self.port,
            data_dir: data.to_str().unwrap(),
            maxmemory_bytes: Some(MAXMEMORY),
        });
        self.write("redis.conf", &(conf + lines));
    }

    /// Returns the container's command.
    pub(crate) fn start_command(&self, image: &Image, password: Option<&str>) -> Command {
        let mut command = image.command("sh");
        command.arg(self.file("redis-start.sh")).arg(self.file("redis.conf")).arg(self.file("run"));
        command.envs(password.map(|password| ("REDIS_PASSWORD", password)));
        command
    }

    pub(crate) fn start(&self, image: &Image, password: Option<&str>) -> Server {
        Server::spawn(self, self.start_command(image, password), image, password)
    }

    /// Starts Redis as the chart does: without an append-only file.
    pub(crate) fn start_plain(&self, image: &Image) -> Server {
        let mut command = image.command("redis-server");
        command.arg("--dir").arg(self.data()).args(["--port", &self.port.to_string()]);
        Server::spawn(self, command, image, None)
    }

    pub(crate) fn client(&self, image: &Image, password: Option<&str>) -> Client {
        let program = image.programs.path().join("redis-cli");
        Client { program, port: self.port, password: password.map(str::to_owned) }
    }

    /// Runs a probe; returns its success and its output.
    pub(crate) fn probe(
        &self,
        image: &Image,
        kind: &str,
        password: Option<&str>,
    ) -> (bool, String) {
        let mut command = image.command("sh");
        command.arg(self.file("redis-probe.sh")).args([kind, &self.port.to_string()]);
        command.envs(password.map(|password| ("REDIS_PASSWORD", password)));
        let mut probe = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_until("the probe ends", PATIENCE, || probe.try_wait().unwrap().is_some());
        let output = probe.wait_with_output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(told).unwrap())
    }
}

/// A running container; it ends when the value is dropped.
pub(crate) struct Server {
    child: Child,
    client: Client,
    log: PathBuf,
}

impl Server {
    pub(crate) fn spawn(
        volumes: &Volumes,
        mut command: Command,
        image: &Image,
        password: Option<&str>,
    ) -> Self {
        let log = volumes.file("log");
        let out = fs_err::File::create(&log).unwrap().into_file();
        command.stderr(out.try_clone().unwrap()).stdout(out).process_group(0);
        let child = command.spawn().unwrap();
        Self { child, client: volumes.client(image, password), log }
    }

    pub(crate) fn process(&self) -> i64 {
        self.child.id().into()
    }

    pub(crate) fn log(&self) -> String {
        text_of(&self.log)
    }

    /// Returns redis-cli's output.
    pub(crate) fn ask(&self, arguments: &[&str]) -> String {
        self.client.ask(arguments)
    }

    #[track_caller]
    pub(crate) fn ready(self) -> Self {
        wait_until("Redis is ready", PATIENCE, || {
            let end = text_of(Path::new(&format!("/proc/{}/stat", self.process())));
            assert!(!end.contains(") Z "), "Redis ended early:\n{}", self.log());
            self.ask(&["ping"]) == "PONG"
        });
        self
    }

    #[track_caller]
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let mut ended = None;
        wait_until("Redis ends", PATIENCE, || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        (ended.unwrap(), self.log())
    }

    pub(crate) fn terminate(self) -> (ExitStatus, String) {
        signal("TERM", self.process());
        self.wait()
    }

    /// Kills all processes at once, like a container after its grace period.
    pub(crate) fn kill(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        signal("KILL", -self.process());
        self.child.wait().expect("a child can be waited for");
    }
}

/// A client of the server.
pub(crate) struct Client {
    program: PathBuf,
    port: u16,
    password: Option<String>,
}

impl Client {
    pub(crate) fn ask(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .args(["-p", &self.port.to_string()])
            .args(arguments)
            .stdin(Stdio::null());
        command.envs(self.password.as_ref().map(|password| ("REDISCLI_AUTH", password)));
        let output = command.output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }
}

/// Writes keys of several types that are easy to recognise.
pub(crate) fn fill(server: &Server, keys: u32) {
    let script = "for i = 1, ARGV[1] do redis.call('set', 'key:' .. i, string.rep('x', 40) .. i) \
                  if i % 100 == 0 then redis.call('hset', 'hash:' .. i, 'a', i) end end return \
                  'filled'";
    assert_eq!(server.ask(&["eval", script, "0", &keys.to_string()]), "filled");
    assert_eq!(server.ask(&["set", "with expiry", "é\"", "ex", "100000"]), "OK");
}

/// Returns a text that changes with any key or value.
pub(crate) fn fingerprint(server: &Server) -> String {
    let script = "local names = redis.call('keys', '*') table.sort(names) local sum = '' for _, \
                  name in ipairs(names) do sum = redis.sha1hex(sum .. name .. redis.call('dump', \
                  name)) end return #names .. ' keys ' .. sum";
    server.ask(&["eval", script, "0"])
}

/// Returns the dump of a volume with this many keys, and their fingerprint.
pub(crate) fn dump_of(image: &Image, keys: u32) -> (Vec<u8>, String) {
    let volumes = Volumes::new();
    let server = volumes.start_plain(image).ready();
    fill(&server, keys);
    let fingerprint = fingerprint(&server);
    let (status, log) = server.terminate();
    assert!(status.success(), "{log}");
    (volumes.dump(), fingerprint)
}

/// Returns a port without a listener, below those that the system assigns by itself. A connection
/// attempt tests it: a listener would be inherited by every process that another test starts at
/// this moment.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 100).unwrap() * 100 + 12_000;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            return port;
        }
    }
}
