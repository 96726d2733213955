//! skopeo, which copies images between registries, folders and archives.

use std::path::{Path, PathBuf};

use super::registry::{Access, Registry};
use super::token_server::{PASSWORD, USER};
use super::{isolated, run};
use crate::tools::find;

/// The place of an image.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    /// An OCI layout, and the name of the image in it.
    Folder(&'a Path, &'a str),
    /// A tar of one.
    Archive(&'a Path, &'a str),
    /// A registry, and `repository:tag` or `repository@digest`.
    Registry(&'a Registry, &'a str),
}

impl Place<'_> {
    fn name(self) -> String {
        match self {
            Self::Folder(folder, name) => format!("oci:{}:{name}", folder.display()),
            Self::Archive(file, name) => format!("oci-archive:{}:{name}", file.display()),
            Self::Registry(registry, name) => format!("docker://{}/{name}", registry.address),
        }
    }

    /// Returns the options for one side of a copy (`--src-`, `--dest-`), or for a command with one
    /// side (`--`).
    fn options(self, side: &str) -> Vec<String> {
        let Self::Registry(registry, _) = self else { return Vec::new() };
        if registry.access() == Access::Plain {
            return vec![format!("{side}tls-verify=false")];
        }
        let ca = registry.ca_folder();
        vec![format!("{side}cert-dir={}", ca.display()), format!("{side}creds={USER}:{PASSWORD}")]
    }
}

/// The program.
pub(crate) struct Skopeo(PathBuf);

impl Skopeo {
    /// Returns `None` without skopeo.
    pub(crate) fn find() -> Option<Self> {
        find("skopeo", "skopeo").map(Self)
    }

    /// Copies an image with all its platforms, byte for byte.
    #[track_caller]
    pub(crate) fn copy(&self, from: Place, to: Place) {
        let mut command = isolated(&self.0);
        command.args(["--insecure-policy", "copy", "--quiet", "--all", "--preserve-digests"]);
        command
            .args(from.options("--src-"))
            .args(to.options("--dest-"))
            .args([from.name(), to.name()]);
        let result = run(&mut command);
        assert!(
            result.is_ok(),
            "skopeo copy {} {}: {}",
            from.name(),
            to.name(),
            result.unwrap_err()
        );
    }

    /// Returns the stored manifest or index.
    #[track_caller]
    pub(crate) fn manifest(&self, place: Place) -> Vec<u8> {
        self.inspect(place, &place.options("--"))
    }

    /// Returns the error of reading a manifest.
    #[track_caller]
    pub(crate) fn fails_to_read(&self, place: Place) -> String {
        let mut command = isolated(&self.0);
        command.args(["inspect", "--raw"]).args(place.options("--")).arg(place.name());
        run(&mut command).expect_err("the image was read")
    }

    /// Like [`Skopeo::manifest`], with the credentials of a file.
    #[track_caller]
    pub(crate) fn manifest_with(&self, credentials: &Path, place: Place) -> Vec<u8> {
        let mut options = place.options("--");
        options.retain(|option| !option.starts_with("--creds"));
        options.push(format!("--authfile={}", credentials.display()));
        self.inspect(place, &options)
    }

    #[track_caller]
    fn inspect(&self, place: Place, options: &[String]) -> Vec<u8> {
        let mut command = isolated(&self.0);
        command.args(["inspect", "--raw"]).args(options).arg(place.name());
        run(&mut command).unwrap_or_else(|why| panic!("skopeo inspect {}: {why}", place.name()))
    }
}
