//! Arguments that name a bundle: a file, a folder, an entry of the store, or a profile.

use camino::Utf8Path;

use std::borrow::Cow;
use std::io;

use super::medium::{self, FoundBundle};
use crate::bundle::compression::Compression;
use crate::failure::{Failure, FailureKind};
use crate::store::Store;

/// The argument that selects standard input, for commands that read a bundle from there.
pub const STDIN: &str = "-";

/// The kinds of bundles, for a name that is neither a profile nor a path.
const KINDS: &str = "a bundle is an archive `NAME.tar`, the index `NAME.tar.parts` of its parts, a \
                     folder, or `@NAME` in the store";

/// A bundle argument, classified by its spelling only.
#[derive(Debug, PartialEq, Eq)]
pub enum BundleArgument<'a> {
    Path(&'a Utf8Path),
    Entry(&'a str),
    Profile(&'a str),
}

impl<'a> BundleArgument<'a> {
    pub fn of(argument: &'a str) -> Self {
        let is_path = argument.contains('/')
            || Utf8Path::new(argument).extension() == Some("tar")
            || medium::is_parts_index(argument.into())
            || medium::is_part_name(argument.into())
            || Compression::of_name(argument).is_some()
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

    /// Opens a built bundle. `done` is what cannot be done with a profile, such as "packed".
    ///
    /// # Errors
    ///
    /// When the argument names a profile, or the bundle cannot be opened.
    pub fn open(&self, store: &Utf8Path, done: &str) -> Result<FoundBundle, Failure> {
        match self {
            Self::Path(path) => medium::open_path(path),
            Self::Entry(entry) => medium::open_entry(store, entry),
            Self::Profile(name) => Err(not_built(name, done)),
        }
    }
}

/// Returns `./NAME` for a plain name if that is a file, or the folder of a bundle. A profile of that
/// name in the folder `profiles` comes first.
pub fn located<'a>(argument: &'a str, profiles: Option<&Utf8Path>) -> Cow<'a, str> {
    let BundleArgument::Profile(name) = BundleArgument::of(argument) else {
        return argument.into();
    };
    let path = Utf8Path::new(name);
    // A profile that cannot be read must not become another bundle.
    let is_profile = profiles.is_some_and(|folder| {
        let found = fs_err::symlink_metadata(folder.join(format!("{name}.toml")));
        !matches!(found, Err(error) if error.kind() == io::ErrorKind::NotFound)
    });
    let is_bundle = path.is_file() || path.is_dir() && medium::holds_bundle(path);
    if name == STDIN || is_profile || !is_bundle {
        return argument.into();
    }
    format!("./{name}").into()
}

/// Rejects standard input for a command that does not read a bundle from there.
///
/// # Errors
///
/// When the argument is [`STDIN`].
pub fn check_not_stdin(argument: &str, why: &str) -> Result<(), Failure> {
    if argument != STDIN {
        return Ok(());
    }
    Err(Failure::input(format!("a bundle from stdin {why} by this command"))
        .hint("write it to a file first, and pass that; `relay-bundle verify -` reads a stream"))
}

/// Returns the failure of a command that needs a built bundle, for an argument that names a
/// profile, whether or not it exists.
pub fn not_built(name: &str, done: &str) -> Failure {
    Failure::input(format!("`{name}` names a profile; only a built bundle can be {done}"))
        .hint(format!("`@{name}` is the newest build of the profile in the store"))
        .hint(format!("`./{name}` is the file or folder of that name"))
        .hint(KINDS)
}

/// Adds hints on the other meanings of a name to the failure of a profile that is not valid.
pub fn other_meanings(name: &str, store: &Utf8Path, mut failure: Failure) -> Failure {
    if failure.kind != FailureKind::Input {
        return failure;
    }
    if Utf8Path::new(name).exists() {
        failure = failure.hint(format!("`./{name}` is the file or folder of that name"));
    }
    if name.contains('.') {
        failure = failure.hint(KINDS);
    }
    if Store::at(store).find(name).is_ok() {
        failure = failure.hint(format!("`@{name}` is the bundle of that name in the store"));
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argument_is_classified_by_its_spelling() {
        let table = [
            ("production", BundleArgument::Profile("production")),
            ("@production", BundleArgument::Entry("production")),
            ("@sha256:0123", BundleArgument::Entry("sha256:0123")),
            ("sha256:0123", BundleArgument::Entry("sha256:0123")),
            ("prod.tar", BundleArgument::Path("prod.tar".into())),
            ("prod.tar.parts", BundleArgument::Path("prod.tar.parts".into())),
            ("prod.tar.part001", BundleArgument::Path("prod.tar.part001".into())),
            ("./production", BundleArgument::Path("./production".into())),
            ("bundles/production", BundleArgument::Path("bundles/production".into())),
            (".", BundleArgument::Path(".".into())),
            ("prod.tar.gz", BundleArgument::Path("prod.tar.gz".into())),
            ("prod.tgz", BundleArgument::Path("prod.tgz".into())),
            ("prod.tar.zst", BundleArgument::Path("prod.tar.zst".into())),
        ];
        for (argument, wanted) in table {
            assert_eq!(BundleArgument::of(argument), wanted, "{argument}");
        }
    }
}
