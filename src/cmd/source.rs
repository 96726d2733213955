//! Arguments that name a bundle: a file, a folder, an entry of the store, or a profile.

use std::io;

use camino::Utf8Path;

use super::ctx::{Ctx, Folder, ProfileArgs, StoreArgs};
use super::images_at::{Counting, ImagesAt};
use crate::bundle::assemble::assemble;
use crate::bundle::carried::Carried;
use crate::bundle::open::Bundle;
use crate::bundle::read::Files;
use crate::failure::{Failure, FailureKind, refused};
use crate::media::medium::{self, Found};
use crate::profile::overlay::ProfileFiles;
use crate::render;
use crate::store::Store;
use crate::ui::images_view::ImagesSummary;

/// How bundle arguments are interpreted, for the help of commands.
pub(super) const HELP: &str = "A bundle is one of:
  production            the current profile, rendered in memory
  @production           the newest build of the profile in the store
  @1f0c9a2b             an entry of the store, by the first digits of its content id or its name
  sha256:1f0c9a2b…      the same
  prod.tar, ./FILE      an archive; any name with a `/`, or that ends in `.tar`, is a path
  prod.tar.parts        an archive in parts, by their index
  bundles/production/   a folder";

/// Where profiles and the store are.
#[derive(Debug, clap::Args)]
pub struct SourceArgs {
    #[command(flatten)]
    pub profiles: ProfileArgs,
    #[command(flatten)]
    pub store: StoreArgs,
}

/// A bundle, and its origin.
pub(super) struct Source {
    pub(super) bundle: Bundle,
    /// The images that came with the bundle; not hashed.
    carried: Carried,
    images_at: ImagesAt,
    /// The origin, for messages.
    pub(super) origin: String,
    /// Whether the bundle has an attestation, which is not verified here; `None` for a profile.
    pub(super) attested: Option<bool>,
}

/// A bundle argument, classified by its spelling only.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reference<'a> {
    Path(&'a Utf8Path),
    Entry(&'a str),
    Profile(&'a str),
}

impl<'a> Reference<'a> {
    pub(super) fn of(argument: &'a str) -> Self {
        let is_path = argument.contains('/')
            || Utf8Path::new(argument).extension() == Some("tar")
            || medium::is_parts_index(argument.into())
            || medium::is_part_name(argument.into())
            || matches!(argument, "." | "..");
        if let Some(entry) = argument.strip_prefix('@') {
            Self::Entry(entry)
        } else if argument.starts_with("sha256:") {
            Self::Entry(argument)
        } else if is_path {
            Self::Path(argument.into())
        } else {
            Self::Profile(argument)
        }
    }
}

/// The argument that selects standard input, for commands that read a bundle from there.
pub(super) const STDIN: &str = "-";

/// The kinds of bundles, for a name that is neither a profile nor a path.
const KINDS: &str = "a bundle is an archive `NAME.tar`, the index `NAME.tar.parts` of \
                                its parts, a folder, or `@NAME` in the store; decompress a \
                                compressed archive first";

/// Returns the failure of a command that does not read a bundle from standard input.
pub(super) fn no_stdin(why: &str) -> Failure {
    Failure::input(format!("a bundle from stdin {why} by this command"))
        .hint("write it to a file first, and pass that; `relay-bundle verify -` reads a stream")
}

/// Returns the failure of a command that needs a built bundle, for an argument that names a
/// profile, whether or not it exists.
pub(super) fn not_built(name: &str, done: &str) -> Failure {
    Failure::input(format!("`{name}` names a profile; only a built bundle can be {done}"))
        .hint(format!("`@{name}` is the newest build of the profile in the store"))
        .hint(format!("`./{name}` is the file or folder of that name"))
        .hint(KINDS)
}

/// Returns whether an argument names a profile.
pub(super) fn is_profile(argument: &str) -> bool {
    matches!(Reference::of(argument), Reference::Profile(_))
}

impl SourceArgs {
    /// Returns the bundle that `argument` names. The bundle is complete and consistent, but its
    /// signatures are not verified.
    pub(super) fn open(&self, ctx: &Ctx, argument: &str) -> Result<Source, Failure> {
        self.open_from(ctx, argument, &Folder::new(&self.profiles.profiles))
    }

    /// Like [`SourceArgs::open`], but reads a profile from `files`.
    pub(super) fn open_from(
        &self,
        ctx: &Ctx,
        argument: &str,
        files: &dyn ProfileFiles,
    ) -> Result<Source, Failure> {
        if argument == STDIN {
            return Err(no_stdin("is not read"));
        }
        match Reference::of(argument) {
            Reference::Path(path) => Source::read(medium::open_path(path)?),
            Reference::Entry(entry) => Source::read(medium::open_entry(&self.store.store, entry)?),
            Reference::Profile(name) => self.build(ctx, name, files),
        }
    }

    fn build(&self, ctx: &Ctx, name: &str, files: &dyn ProfileFiles) -> Result<Source, Failure> {
        let loaded = ctx.load_from(name, &self.profiles, files);
        let profile = loaded.map_err(|failure| self.suggest(name, failure))?;
        let assembled = assemble(&profile, &render::render(&profile)).map_err(Failure::input)?;
        let bundle = Bundle::of_files(assembled.files).map_err(Failure::bug)?;
        let origin = format!("profile {}", self.profiles.profiles.join(format!("{name}.toml")));
        let images_at = ImagesAt::Store(Store::at(&self.store.store));
        Ok(Source { bundle, carried: Carried::default(), images_at, origin, attested: None })
    }

    /// Adds hints on the other meanings of a name that is not a valid profile.
    fn suggest(&self, name: &str, mut failure: Failure) -> Failure {
        if failure.kind == FailureKind::Input {
            if Utf8Path::new(name).exists() {
                failure = failure.hint(format!("`./{name}` is the file or folder of that name"));
            }
            if name.contains('.') {
                failure = failure.hint(KINDS);
            }
            if Store::at(&self.store.store).find(name).is_ok() {
                failure =
                    failure.hint(format!("`@{name}` is the bundle of that name in the store"));
            }
        }
        failure
    }
}

impl Source {
    /// Reads a bundle without hashing its images.
    pub(super) fn read(Found { sums, place }: Found) -> Result<Self, Failure> {
        let attested = sums.attestation().is_some();
        let read = sums.into_files().and_then(Files::read);
        let (contents, tail) = read.map_err(|error| place.failure(error))?;
        let bundle =
            Bundle::open(contents).map_err(|error| refused::contradiction(&place.path, &error))?;
        let carried = tail.skim(bundle.images.as_ref()).map_err(|error| place.failure(error))?;
        let images_at = ImagesAt::path(&place.path)?;
        Ok(Self {
            bundle,
            carried,
            images_at,
            origin: place.path.into_string(),
            attested: Some(attested),
        })
    }

    /// Counts the available images without hashing them.
    pub(super) fn images(&self) -> io::Result<Option<ImagesSummary>> {
        let Some(images) = &self.bundle.images else { return Ok(None) };
        self.images_at.count(images, &self.carried, Counting::BySize).map(Some)
    }

    /// Tells the operator that the images in an archive were not hashed.
    pub(super) fn tell_carried(&self, ctx: &Ctx) -> io::Result<()> {
        if let Some(images) = self.images()?.filter(|_| !self.carried.is_empty()) {
            ctx.printer.say(&format!("{}: {images}", self.origin));
        }
        Ok(())
    }

    /// Returns a text about the bundle's signatures.
    pub(super) fn signature(&self) -> &'static str {
        match self.attested {
            Some(true) => {
                "it has an attestation, which was NOT verified here (use `relay-bundle verify`)"
            }
            Some(false) => "unsigned",
            None => "none: the profile is not built",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spelling_of_an_argument_says_what_it_is() {
        let table = [
            ("production", Reference::Profile("production")),
            ("@production", Reference::Entry("production")),
            ("@sha256:0123", Reference::Entry("sha256:0123")),
            ("sha256:0123", Reference::Entry("sha256:0123")),
            ("prod.tar", Reference::Path("prod.tar".into())),
            ("prod.tar.parts", Reference::Path("prod.tar.parts".into())),
            ("prod.tar.part001", Reference::Path("prod.tar.part001".into())),
            ("./production", Reference::Path("./production".into())),
            ("bundles/production", Reference::Path("bundles/production".into())),
            (".", Reference::Path(".".into())),
        ];
        for (argument, wanted) in table {
            assert_eq!(Reference::of(argument), wanted, "{argument}");
        }
    }
}
