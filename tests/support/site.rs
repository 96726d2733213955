//! A bundle with images for a registry of the tests, and everything that `push` needs.
#![allow(dead_code, reason = "no test program uses everything")]

#[path = "carried.rs"]
pub(crate) mod carried;

use std::process::{Child, Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use relay_bundle::images::lock::{ImagesLock, LOCK_FILE};
use relay_bundle::images::platform::Platform;
use serde_json::Value;

use self::carried::image::Image;
use self::carried::{Images, PROFILE, SOURCE, TINY, locked, put};

/// The image of the container beside the relay, before it is locked.
pub(crate) const SIDE: &str = "ghcr.io/acme/side:1";
/// The repositories of both images.
pub(crate) const RELAY_REPOSITORY: &str = "wei-shaw/claude-relay-service";
pub(crate) const SIDE_REPOSITORY: &str = "acme/side";

/// Returns the lines of a profile with a container of this image.
fn side_container(image: &str) -> String {
    format!(
        "extraContainers = [{{ name = \"side\", image = \"{image}\", resources = {{ limits = {{ \
         cpu = 1, memory = \"64Mi\" }}, requests = {{ cpu = 1, memory = \"64Mi\" }} }} }}]\n"
    )
}

/// A folder with a profile, its lock, a store and a key.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    /// Options of `push` besides the bundle and the key.
    pub(crate) options: Vec<String>,
    /// Options of `build`: the terms of the release.
    pub(crate) terms: Vec<String>,
    /// The image of the container beside the relay.
    pub(crate) side: &'static str,
}

/// The result of a command.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Site {
    /// Makes a site whose manifests name a registry.
    pub(crate) fn new(registry: &str) -> Self {
        let site = Self {
            folder: tempfile::tempdir().unwrap(),
            options: Vec::new(),
            terms: Vec::new(),
            side: SIDE,
        };
        let profile = format!("images.registry = \"{registry}\"\n{TINY}");
        put(&site.path().join(format!("profiles/{PROFILE}.toml")), profile.as_bytes());
        assert_eq!(site.run(&["keygen", "--out", "key.pem"]).code, 0);
        site
    }

    pub(crate) fn path(&self) -> &Utf8Path {
        Utf8Path::from_path(self.folder.path()).unwrap()
    }

    /// Locks the relay's image, and the second one if there is one, and builds an archive.
    #[track_caller]
    pub(crate) fn build(&self, images: &[&Image], file: &str, carried: &str) -> Images {
        let named: Vec<(&str, &Image)> =
            [SOURCE, self.side].into_iter().zip(images.iter().copied()).collect();
        let profile = self.path().join(format!("profiles/{PROFILE}.toml"));
        let side = side_container(self.side);
        let text = fs_err::read_to_string(&profile).unwrap().replace(&side, "");
        let side = if images.len() > 1 { side.as_str() } else { "" };
        put(&profile, format!("{side}{text}").as_bytes());
        let lock = ImagesLock {
            platform: Platform::default(),
            profiles: [PROFILE.parse().unwrap()].into(),
            images: named
                .iter()
                .map(|(name, image)| (name.parse().unwrap(), locked(image)))
                .collect(),
        };
        put(&self.path().join("profiles").join(LOCK_FILE), lock.to_text().as_bytes());
        let images = Images::of(&named);
        images.store(&self.path().join("bundles"));
        let own = ["build", PROFILE, "--key", "key.pem", "--archive", file, "--images", carried];
        let terms = self.terms.iter().map(String::as_str);
        let built = self.run(&own.into_iter().chain(terms).collect::<Vec<_>>());
        assert_eq!(built.code, 0, "{}", built.stderr);
        images
    }

    /// Prepares a command of the program.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relay-bundle"));
        command.args(arguments).current_dir(self.path()).env_clear().env("HOME", self.path());
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended {
            code: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Pushes a bundle.
    pub(crate) fn push(&self, bundle: &str, more: &[&str]) -> Ended {
        let arguments = self.arguments(bundle, more);
        self.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Pushes a bundle, which must succeed, and returns the report.
    #[track_caller]
    pub(crate) fn pushed(&self, bundle: &str, more: &[&str]) -> Value {
        let ended = self.push(bundle, more);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        ended.json()
    }

    /// Starts to push a bundle.
    pub(crate) fn begin_push(&self, bundle: &str, more: &[&str]) -> Child {
        let arguments = self.arguments(bundle, more);
        let mut command = self.command(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn arguments(&self, bundle: &str, more: &[&str]) -> Vec<String> {
        let own = ["push", bundle, "--key", "key.pub.pem", "--json"]
            .into_iter()
            .chain(more.iter().copied());
        own.map(str::to_owned).chain(self.options.iter().cloned()).collect()
    }

    pub(crate) fn file(&self, name: &str) -> Utf8PathBuf {
        self.path().join(name)
    }
}

impl Ended {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}
