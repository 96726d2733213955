//! Runs the program on hostile input, and measures the costs.

use std::collections::BTreeSet;
use std::io::{Read, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use camino::{Utf8Path, Utf8PathBuf};
use relay_bundle::fsio::{Durability, MODE_PUBLIC, create_new};
use relay_bundle::trust::key::PrivateKey;

use crate::tools::find;

/// The limits for refusing.
const MEMORY_KIB_MAX: u64 = 64 << 10;
const CPU_SECONDS_MAX: f64 = 1.0;

/// An empty folder in which the program runs, and the highest costs so far.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    time: PathBuf,
    runs: usize,
    memory_kib: u64,
    cpu_seconds: f64,
}

impl Place {
    /// Returns `None` without GNU time, which measures the costs.
    pub(crate) fn new() -> Option<Self> {
        let time = find("time", "time")?;
        let folder = tempfile::tempdir().unwrap();
        let key = PrivateKey::from_seed(&[1; 32]).public();
        let public = Utf8Path::from_path(folder.path()).unwrap().join("signing.pub.pem");
        // No other user can write it, independent of the umask.
        create_new(&public, key.to_pem().as_bytes(), MODE_PUBLIC, Durability::Cached).unwrap();
        Some(Self { folder, time, runs: 0, memory_kib: 0, cpu_seconds: 0.0 })
    }

    pub(crate) fn path(&self) -> &Utf8Path {
        Utf8Path::from_path(self.folder.path()).unwrap()
    }

    /// Runs the program on a file of these bytes; it must refuse them and report `why`.
    #[track_caller]
    pub(crate) fn refuses(&mut self, what: &str, bytes: &[u8], why: &str) {
        let file = self.path().join("hostile.tar");
        fs_err::write(&file, bytes).unwrap();
        self.refuses_path(what, "./hostile.tar", why);
        fs_err::remove_file(file).unwrap();
    }

    /// Runs the program on a path; it must refuse the content and report `why`.
    #[track_caller]
    pub(crate) fn refuses_path(&mut self, what: &str, path: &str, why: &str) {
        self.run(&["inspect", path], std::io::empty()).is_refusal(what, why);
        let verify = ["verify", path, "--key", "signing.pub.pem", "--emit"];
        self.run(&verify, std::io::empty()).is_refusal(what, "");
    }

    /// Pipes a stream into the program, and returns how many bytes it took.
    #[track_caller]
    pub(crate) fn refuses_stream(
        &mut self,
        what: &str,
        stream: impl Read + Send + 'static,
        why: &str,
    ) -> u64 {
        let ran = self.run(&["inspect", "/dev/stdin"], stream);
        ran.is_refusal(what, why);
        ran.taken
    }

    /// Runs the program under GNU time.
    pub(crate) fn run(
        &mut self,
        arguments: &[&str],
        mut stream: impl Read + Send + 'static,
    ) -> Ran {
        let before = names(self.path());
        let prices = tempfile::NamedTempFile::new().unwrap();
        let mut command = Command::new(&self.time);
        command.args(["--format", "%M %U %S", "--output"]).arg(prices.path());
        command.arg(env!("CARGO_BIN_EXE_relay-bundle")).args(arguments);
        command.current_dir(self.path()).env_clear().env("HOME", self.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // Ends when the program closes its side.
        let feeder = thread::spawn(move || {
            let mut taken = 0;
            let mut buffer = [0; 1 << 14];
            loop {
                let bytes = stream.read(&mut buffer).unwrap();
                if bytes == 0 || stdin.write_all(&buffer[..bytes]).is_err() {
                    return taken;
                }
                taken += bytes as u64;
            }
        });
        let output = child.wait_with_output().unwrap();
        self.note(&fs_err::read_to_string(prices.path()).unwrap());
        assert_eq!(names(self.path()), before, "{arguments:?}: something was written");
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            taken: feeder.join().unwrap(),
        }
    }

    /// Records the costs of a run, from the last line of GNU time.
    fn note(&mut self, prices: &str) {
        let prices: Vec<f64> =
            prices.lines().last().unwrap().split(' ').map(|price| price.parse().unwrap()).collect();
        let [memory_kib, user, system] = prices[..] else { panic!("{prices:?}") };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number, above 0"
        )]
        let memory_kib = memory_kib as u64;
        self.runs += 1;
        self.memory_kib = self.memory_kib.max(memory_kib);
        self.cpu_seconds = self.cpu_seconds.max(user + system);
    }

    /// Prints the highest costs of all runs, and checks the limits.
    #[track_caller]
    pub(crate) fn settle(self, what: &str) {
        let Self { runs, memory_kib, cpu_seconds, .. } = self;
        // The test harness captures the output of `eprintln!`.
        let line = format!(
            "{what}: refused {runs} times, each within {memory_kib} KiB and {cpu_seconds:.2} s of CPU"
        );
        writeln!(std::io::stderr(), "{line}").expect("standard error is open");
        assert!(memory_kib < MEMORY_KIB_MAX, "{line}");
        assert!(cpu_seconds < CPU_SECONDS_MAX, "{line}");
    }
}

/// The program's output, exit code, and the bytes that it took of the stream.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) taken: u64,
}

impl Ran {
    #[track_caller]
    fn is_refusal(&self, what: &str, why: &str) {
        assert_eq!((self.code, self.stdout.as_str()), (Some(3), ""), "{what}: {}", self.stderr);
        assert!(self.stderr.contains(why), "{what}: `{why}` is not in\n{}", self.stderr);
        let control = self.stderr.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(control, None, "{what}: {:?}", self.stderr);
    }
}

/// Lists the names in a folder, without subfolders: leftovers would be at this level.
fn names(folder: &Utf8Path) -> BTreeSet<Utf8PathBuf> {
    folder.read_dir_utf8().unwrap().map(|item| item.unwrap().path().to_owned()).collect()
}
