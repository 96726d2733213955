//! A real containerd with folders of its own, called with `ctr` and through the CRI; it ends with
//! the value.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{is_root, isolated, run};
use crate::tools::find;

const PATIENCE: Duration = Duration::from_secs(20);

/// The native snapshotter works on every file system; tracing would look for a collector.
const CONFIG: &str = r#"version = 2
root = "FOLDER/root"
state = "FOLDER/state"
disabled_plugins = [
  "io.containerd.internal.v1.tracing",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.overlayfs",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
]
[grpc]
  address = "FOLDER/socket"
[ttrpc]
  address = "FOLDER/socket.ttrpc"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "FOLDER/cni"
  conf_dir = "FOLDER/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "native"
[plugins."io.containerd.internal.v1.opt"]
  path = "FOLDER/opt"
"#;

/// A running containerd.
pub(crate) struct Containerd {
    process: Child,
    ctr: PathBuf,
    curl: PathBuf,
    folder: TempDir,
}

/// The image data that the kubelet receives.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ImageStatus {
    /// The digest of its config.
    pub(crate) id: String,
    pub(crate) tags: Vec<String>,
    pub(crate) digests: Vec<String>,
}

impl Containerd {
    /// Starts containerd; returns `None` without one of its programs, or without root.
    pub(crate) fn start() -> Option<Self> {
        let program = find("containerd", "containerd")?;
        let (ctr, curl) = (find("ctr", "containerd")?, find("curl", "curl")?);
        if !is_root("containerd") {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        fs_err::write(folder.path().join("config.toml"), CONFIG.replace("FOLDER", path)).unwrap();
        let log = fs_err::File::create(folder.path().join("log")).unwrap().into_file();
        let mut command = isolated(&program);
        command.arg("--config").arg(folder.path().join("config.toml"));
        let process = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut containerd = Self { process, ctr, curl, folder };
        containerd.await_ready();
        Some(containerd)
    }

    fn await_ready(&mut self) {
        let start = Instant::now();
        while self.ctr(&["version"]).is_err() || self.status_of("none").is_err() {
            let ended = self.process.try_wait().unwrap();
            let log = self.folder.path().join("log");
            let is_starting = ended.is_none() && start.elapsed() < PATIENCE;
            assert!(
                is_starting,
                "containerd does not answer: {}",
                fs_err::read_to_string(log).unwrap()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Returns the path of its socket.
    pub(crate) fn address(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Imports an archive as on a node; returns the output of `ctr`.
    pub(crate) fn import(&self, archive: &Path) -> Result<String, String> {
        self.ctr(&["images", "import", "--snapshotter", "native", archive.to_str().unwrap()])
    }

    /// Returns the names of all images; each has a second one, the digest of its config.
    pub(crate) fn names(&self) -> Vec<String> {
        let list = self.ctr(&["images", "list", "--quiet"]).unwrap();
        list.lines().map(str::to_owned).collect()
    }

    /// Calls `ctr` in the namespace of the kubelet.
    pub(crate) fn ctr(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = isolated(&self.ctr);
        command
            .arg("--address")
            .arg(self.folder.path().join("socket"))
            .args(["--namespace", "k8s.io"]);
        run(command.args(arguments)).map(|output| String::from_utf8(output).unwrap())
    }

    /// Returns the image that a pod with this reference runs without a pull.
    #[track_caller]
    pub(crate) fn image_status(&self, reference: &str) -> Option<ImageStatus> {
        self.status_of(reference).unwrap_or_else(|why| panic!("ImageStatus of {reference}: {why}"))
    }

    /// Calls `ImageStatus` of the CRI, with curl as the client: gRPC is a POST over HTTP/2, whose
    /// body is a message after its length.
    fn status_of(&self, reference: &str) -> Result<Option<ImageStatus>, String> {
        let request = self.folder.path().join("request");
        fs_err::write(&request, frame(&field(1, &field(1, reference.as_bytes())))).unwrap();
        let mut command = isolated(&self.curl);
        command.args([
            "-q",
            "--silent",
            "--show-error",
            "--http2-prior-knowledge",
            "--include",
            "--unix-socket",
        ]);
        command.arg(self.folder.path().join("socket"));
        command.args(["--header", "Content-Type: application/grpc", "--header", "TE: trailers"]);
        command.arg("--data-binary").arg(format!("@{}", request.display()));
        let answer = run(command.arg("http://localhost/runtime.v1.ImageService/ImageStatus"))?;
        let text = String::from_utf8_lossy(&answer);
        // Trailers follow the message, or are among the headers of an answer without one.
        if !text.contains("grpc-status: 0") {
            return Err(text.into_owned());
        }
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("headers end");
        let message = unframe(&answer[end + 4..]);
        let image = fields(message).find(|(number, _)| *number == 1);
        Ok(image.map(|(_, bytes)| ImageStatus::parse(bytes)))
    }
}

impl ImageStatus {
    fn parse(message: &[u8]) -> Self {
        let mut status = Self::default();
        for (number, bytes) in fields(message) {
            let text = String::from_utf8_lossy(bytes).into_owned();
            match number {
                1 => status.id = text,
                2 => status.tags.push(text),
                3 => status.digests.push(text),
                _ => {}
            }
        }
        status
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Returns a message of gRPC: an uncompressed flag, its length, its bytes.
fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], message].concat()
}

fn unframe(bytes: &[u8]) -> &[u8] {
    let length = u32::from_be_bytes(bytes[1..5].try_into().unwrap());
    &bytes[5..5 + usize::try_from(length).unwrap()]
}

/// Returns a protobuf field with bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length > 0x7f {
        field.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    field.push(u8::try_from(length).unwrap());
    field.extend_from_slice(bytes);
    field
}

/// Returns the protobuf fields with bytes; numbers are skipped.
fn fields(mut message: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    std::iter::from_fn(move || {
        while !message.is_empty() {
            let tag = varint(&mut message);
            let value = varint(&mut message);
            match tag & 7 {
                0 => {}
                2 => {
                    let (bytes, rest) = message.split_at(usize::try_from(value).unwrap());
                    message = rest;
                    return Some((tag >> 3, bytes));
                }
                wire => panic!("wire type {wire} of protobuf"),
            }
        }
        None
    })
}

fn varint(message: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = message.split_first().expect("a number ends");
        *message = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            break;
        }
    }
    value
}
