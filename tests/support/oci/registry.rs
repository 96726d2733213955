//! A real registry on a loopback port, with its own folder; it ends when the value is dropped.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use tempfile::{NamedTempFile, TempDir};

pub(crate) use super::access::Access;
use super::access::config;
use super::answer::Answer;
use super::authority::Authority;
use super::image::{Content, Format, Image};
use super::token_server::{PASSWORD, TokenServer, USER};
use super::{is_root, isolated, run};
use crate::tools::{find, on_path, skip};

/// `mirror:letmein`: Python's `crypt.crypt("letmein", crypt.mksalt(crypt.METHOD_BLOWFISH,
/// rounds=16))`.
const HTPASSWD: &str = "mirror:$2b$04$CVCqMGBMXX9DTFTU6xqpQuYxqcy7Az83Rbo9BWFmh8ksShfH2xmSW\n";
const PATIENCE: Duration = Duration::from_secs(20);
const SMALL_STORAGE: &str = "mount -t tmpfs -o size=1m none \"$1\"; shift; exec \"$@\"";

/// A registry implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// Debian's: version 2.8.
    DockerRegistry,
    /// Version 3, which `.ci/tools` compiles.
    Distribution,
}

impl Program {
    pub(crate) const ALL: [Self; 2] = [Self::DockerRegistry, Self::Distribution];

    fn find(self) -> Option<PathBuf> {
        match self {
            Self::DockerRegistry => find("docker-registry", "docker-registry"),
            Self::Distribution => {
                let found = on_path("registry");
                if found.is_none() {
                    skip("registry not found (run .ci/tools, which compiles it)");
                }
                found
            }
        }
    }
}

/// The treatment of manifests without a tag in garbage collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Untagged {
    Keep,
    Delete,
}

/// A running registry.
pub(crate) struct Registry {
    process: Child,
    program: PathBuf,
    curl: PathBuf,
    access: Access,
    tokens: Option<TokenServer>,
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
    folder: TempDir,
}

impl Registry {
    /// Starts a registry; returns `None` without its program.
    pub(crate) fn start(program: Program, access: Access) -> Option<Self> {
        Self::launch(program, access, |program, _| isolated(program))
    }

    /// Starts a registry whose storage is a private file system of one MiB; returns `None` without
    /// root.
    pub(crate) fn start_full(program: Program) -> Option<Self> {
        let unshare = find("unshare", "util-linux")?;
        if !is_root("a full registry") {
            return None;
        }
        Self::launch(program, Access::Plain, |program, storage| {
            fs_err::create_dir(storage).unwrap();
            let mut command = isolated(&unshare);
            command.args(["--mount", "sh", "-euc", SMALL_STORAGE, "sh"]).arg(storage).arg(program);
            command
        })
    }

    /// Frees space in a registry of [`Registry::start_full`].
    #[track_caller]
    pub(crate) fn make_room(&self) {
        let mut command = isolated(&find("nsenter", "util-linux").unwrap());
        command.args(["--mount", "--target", &self.process.id().to_string()]);
        run(command.args(["mount", "-o", "remount,size=64m"]).arg(self.storage())).unwrap();
    }

    /// Starts a registry through a command that gets its arguments; `prepare` gets the paths of its
    /// program and storage.
    fn launch(
        program: Program,
        access: Access,
        prepare: impl FnOnce(&PathBuf, &Path) -> Command,
    ) -> Option<Self> {
        let (program, curl) = (program.find()?, find("curl", "curl")?);
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("htpasswd"), HTPASSWD).unwrap();
        let authority =
            if access == Access::Plain { None } else { Some(Authority::make(folder.path())?) };
        let tokens = authority.filter(|_| access == Access::Bearer).map(TokenServer::start);
        let config = config(folder.path(), access, tokens.as_ref());
        fs_err::write(folder.path().join("config.yml"), config.to_string()).unwrap();
        let log = fs_err::File::create(folder.path().join("log")).unwrap().into_file();
        let mut command = prepare(&program, &folder.path().join("storage"));
        command
            .arg("serve")
            .arg(folder.path().join("config.yml"))
            .env("OTEL_TRACES_EXPORTER", "none");
        let process = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut registry =
            Self { process, program, curl, access, tokens, address: String::new(), folder };
        registry.address = registry.await_address();
        Some(registry)
    }

    /// Waits until the registry logs its port.
    fn await_address(&mut self) -> String {
        let start = Instant::now();
        loop {
            let log = fs_err::read_to_string(self.folder.path().join("log")).unwrap();
            let said = log.split_once("listening on ").map(|(_, rest)| rest);
            let is_end = |c: char| !c.is_ascii_digit() && c != '.' && c != ':';
            if let Some((address, _)) = said.and_then(|said| said.split_once(is_end)) {
                return address.to_owned();
            }
            let ended = self.process.try_wait().unwrap();
            assert!(
                ended.is_none() && start.elapsed() < PATIENCE,
                "the registry does not listen: {log}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn access(&self) -> Access {
        self.access
    }

    /// Returns the path of its program.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Returns the token server of [`Access::Bearer`].
    pub(crate) fn tokens(&self) -> Option<&TokenServer> {
        self.tokens.as_ref()
    }

    /// Returns the folder with `ca.crt`; [`Access::Plain`] does not have one.
    pub(crate) fn ca_folder(&self) -> PathBuf {
        self.folder.path().join("ca")
    }

    /// Returns the folder of its blobs.
    pub(crate) fn storage(&self) -> PathBuf {
        self.folder.path().join("storage")
    }

    /// Writes a file of credentials as `docker login` does.
    pub(crate) fn write_credentials(&self, file: &Path) {
        let auth = BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"));
        let config = json!({ "auths": { &self.address: { "auth": auth } } });
        fs_err::write(file, config.to_string()).unwrap();
        fs_err::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Uploads an image, the children of an index first, and sets a tag.
    #[track_caller]
    pub(crate) fn push(&self, repository: &str, tag: &str, image: &Image) {
        for part in image.parts() {
            for blob in &part.blobs {
                self.put_blob(repository, blob);
            }
            self.put_manifest(repository, &part.manifest.digest, &part.manifest);
        }
        self.put_manifest(repository, tag, &image.manifest);
    }

    #[track_caller]
    pub(crate) fn put_blob(&self, repository: &str, blob: &Content) {
        let begun = self.call("POST", repository, "blobs/uploads/", None);
        let location =
            begun.header("Location").unwrap_or_else(|| panic!("no upload: {}", begun.status));
        let (_, upload) =
            location.split_once(&format!("/v2/{repository}/")).expect("in the repository");
        let answer =
            self.call("PUT", repository, &format!("{upload}&digest={}", blob.digest), Some(blob));
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    }

    /// Uploads a manifest under its digest or a tag; an existing tag moves.
    #[track_caller]
    pub(crate) fn put_manifest(&self, repository: &str, reference: &str, manifest: &Content) {
        let answer =
            self.call("PUT", repository, &format!("manifests/{reference}"), Some(manifest));
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    }

    /// Returns the digest of a tag or a digest, if the registry has it.
    pub(crate) fn digest(&self, repository: &str, reference: &str) -> Option<String> {
        let answer = self.call("HEAD", repository, &format!("manifests/{reference}"), None);
        assert!([200, 404].contains(&answer.status), "{}", answer.status);
        answer.header("Docker-Content-Digest").filter(|_| answer.status == 200).map(str::to_owned)
    }

    /// Returns true if the registry has a config or a layer.
    pub(crate) fn has_blob(&self, repository: &str, blob: &Content) -> bool {
        self.call("HEAD", repository, &format!("blobs/{}", blob.digest), None).status == 200
    }

    #[track_caller]
    pub(crate) fn delete_manifest(&self, repository: &str, digest: &str) {
        assert_eq!(
            self.call("DELETE", repository, &format!("manifests/{digest}"), None).status,
            202
        );
    }

    /// Deletes a config or a layer, even if a manifest refers to it.
    #[track_caller]
    pub(crate) fn delete_blob(&self, repository: &str, digest: &str) {
        assert_eq!(self.call("DELETE", repository, &format!("blobs/{digest}"), None).status, 202);
    }

    /// Runs garbage collection beside the running registry; returns its output.
    #[track_caller]
    pub(crate) fn collect_garbage(&self, untagged: Untagged) -> String {
        let mut command = isolated(&self.program);
        command
            .arg("garbage-collect")
            .args((untagged == Untagged::Delete).then_some("--delete-untagged"));
        let said = run(command.arg(self.folder.path().join("config.yml")));
        String::from_utf8(said.unwrap_or_else(|why| panic!("garbage-collect: {why}"))).unwrap()
    }

    /// Requests `/v2/REPOSITORY/PATH` with permission to pull, push and delete.
    #[track_caller]
    pub(crate) fn call(
        &self,
        method: &str,
        repository: &str,
        path: &str,
        body: Option<&Content>,
    ) -> Answer {
        let mut command = self.request(method, body);
        if let Some(tokens) = &self.tokens {
            let token = tokens.token(&format!("repository:{repository}:pull,push,delete"));
            command.args(["--header", &format!("Authorization: Bearer {token}")]);
        } else if self.access == Access::Basic {
            command.args(["--user", &format!("{USER}:{PASSWORD}")]);
        }
        let file = body.map(|content| self.written(&content.bytes));
        if let Some(file) = &file {
            command.arg("--upload-file").arg(file.path());
        }
        self.answer(command, &format!("{repository}/{path}"))
    }

    /// Like [`Registry::call`], without credentials and a body.
    #[track_caller]
    pub(crate) fn anonymous(&self, method: &str, repository: &str, path: &str) -> Answer {
        self.answer(self.request(method, None), &format!("{repository}/{path}"))
    }

    /// Prepares curl; like every client, it accepts each kind of manifest.
    fn request(&self, method: &str, body: Option<&Content>) -> Command {
        let mut command = isolated(&self.curl);
        command.args([
            "-q",
            "--silent",
            "--show-error",
            "--include",
            "--http1.1",
            "--noproxy",
            "*",
        ]);
        command.args(["--header", "Expect:"]).arg("--cacert").arg(self.ca_folder().join("ca.crt"));
        for media_type in
            Format::ALL.into_iter().flat_map(|format| [format.manifest(), format.index()])
        {
            command.args(["--header", &format!("Accept: {media_type}")]);
        }
        match (method, body) {
            ("HEAD", None) => command.arg("--head"),
            ("POST", None) => command.args(["--data", ""]),
            (_, None) => command.args(["--request", method]),
            (_, Some(content)) => {
                command.args(["--header", &format!("Content-Type: {}", content.media_type)]);
                command.args(["--request", method])
            }
        };
        command
    }

    fn written(&self, bytes: &[u8]) -> NamedTempFile {
        let file = NamedTempFile::new_in(&self.folder).unwrap();
        fs_err::write(file.path(), bytes).unwrap();
        file
    }

    #[track_caller]
    fn answer(&self, mut command: Command, path: &str) -> Answer {
        let scheme = if self.access == Access::Plain { "http" } else { "https" };
        let answer = run(command.arg(format!("{scheme}://{}/v2/{path}", self.address)));
        Answer::parse(&answer.unwrap_or_else(|why| panic!("{path}: {why}")))
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
