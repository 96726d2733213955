//! A profile with a large image behind a tap, for disturbing its fetch.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::fetch::{assert_stored, locked};
use crate::oci::image::Image;
use crate::oci::registry::{Access, Program, Registry};
use crate::tap::{Stop, Tap};
use crate::workplace::Workplace;

/// A layer that needs many reads.
pub(crate) const LARGE: usize = 3 << 20;
/// More than the head of an answer.
const HEAD_BYTES_MAX: u64 = 2048;

/// A locked profile whose image, with a large layer, comes through a tap.
pub(crate) struct Scene {
    _registry: Registry,
    pub(crate) tap: Tap,
    pub(crate) place: Workplace,
    pub(crate) image: Image,
}

pub(crate) fn scene() -> Option<Scene> {
    let registry = Registry::start(Program::Distribution, Access::Plain)?;
    let tap = Tap::on(&registry);
    let image = Image::large(LARGE);
    let place = locked(&tap.address, &registry, &image);
    tap.reset(Stop::Never);
    Some(Scene { _registry: registry, tap, place, image })
}

/// Starts a command, and returns once it reports that it waits for a lock; its standard error must
/// stay open.
#[track_caller]
pub(crate) fn start_waiting(command: &mut Command) -> (Child, BufReader<ChildStderr>) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let waits =
        stderr.by_ref().lines().any(|line| line.unwrap().contains("waiting for another process"));
    assert!(waits, "it does not wait");
    (child, stderr)
}

impl Scene {
    pub(crate) fn fetch(&self) -> Command {
        let mut command = self.place.command(&["fetch", "relay"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    pub(crate) fn large(&self) -> &str {
        self.image.blobs[2].hex()
    }

    pub(crate) fn empty_store(&self) {
        fs_err::remove_dir_all(self.place.path().join("bundles")).ok();
    }

    /// Returns how many bytes of the image the store has, in whole and partial blobs.
    pub(crate) fn stored_bytes(&self) -> u64 {
        let bytes =
            |path: std::path::PathBuf| fs_err::metadata(path).map_or(0, |found| found.len());
        let contents = self.image.contents().into_iter();
        let sizes = contents
            .map(|one| bytes(self.place.blob(one.hex())) + bytes(self.place.partial(one.hex())));
        sizes.sum()
    }

    fn partial_bytes(&self) -> u64 {
        fs_err::metadata(self.place.partial(self.large())).map_or(0, |found| found.len())
    }

    /// Runs `fetch` again: it requests only the missing bytes, and completes the store.
    #[track_caller]
    pub(crate) fn assert_resumes(&self, when: &str) {
        let (stored, partial) = (self.stored_bytes(), self.partial_bytes());
        self.tap.reset(Stop::Never);
        self.place.ok(&["fetch", "relay"]);
        assert_stored(&self.place, &self.image);
        let passed = self.tap.passed();
        let all: usize = self.image.contents().iter().map(|one| one.bytes.len()).sum();
        // A manifest is always fetched whole.
        let manifest = self.image.manifest.bytes.len() as u64;
        let most = all as u64 - stored + manifest + HEAD_BYTES_MAX * passed.requests.len() as u64;
        assert!(
            passed.bytes <= most,
            "{when}: {} of {most} bytes: {:?}",
            passed.bytes,
            passed.requests
        );
        if (1..LARGE as u64).contains(&partial) {
            let range = format!("bytes={partial}-");
            assert!(
                passed.requests.iter().any(|request| request.ends_with(&range)),
                "{when}: {:?}",
                passed.requests
            );
        }
    }
}
