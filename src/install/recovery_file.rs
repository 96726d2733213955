//! Writes recovery files: chooses their paths, and converts Secrets to their content and back.

use std::os::unix::fs::DirBuilderExt as _;

use camino::{Utf8Path, Utf8PathBuf};

use super::secrets::{GENERATIONS, SEALED};
use crate::cluster::secret::Secret;
use crate::failure::Failure;
use crate::fsio::{Durability, MODE_PRIVATE, create_new, folder_of};
use crate::model::object_key::ObjectKey;
use crate::sealed::Saved;

/// The maximum number of recovery files with one name.
const FILES_MAX: usize = 1000;

/// The mode of the folders that we create for them.
const MODE_FOLDER: u32 = 0o700;

/// Returns the parts of a Secret that a recovery file keeps.
pub fn saved(name: &str, secret: &Secret) -> Saved {
    let noted = [GENERATIONS, SEALED].into_iter();
    Saved {
        name: name.to_owned(),
        type_: secret.type_.clone(),
        immutable: secret.immutable,
        annotations: noted
            .filter_map(|name| Some((name.to_owned(), secret.annotation(name)?.to_owned())))
            .collect(),
        data: secret.data.iter().map(|(key, value)| (key.clone(), value.copied())).collect(),
    }
}

/// Returns a Secret from a recovery file. `instance` is the installation that creates it at apply,
/// if one does.
pub fn restored(key: &ObjectKey, saved: &Saved, instance: Option<&str>) -> Secret {
    let mut secret =
        instance.map_or_else(|| Secret::of_others(key), |instance| Secret::new(key, instance));
    secret.type_.clone_from(&saved.type_);
    secret.immutable = saved.immutable;
    for (name, value) in &saved.annotations {
        secret.annotate(name, value);
    }
    secret.data = saved.data.iter().map(|(key, value)| (key.clone(), value.copied())).collect();
    secret
}

/// Names a Secret and its keys.
pub fn described(saved: &Saved) -> String {
    let keys: Vec<&str> = saved.data.keys().map(String::as_str).collect();
    format!("Secret/{}: {}", saved.name, keys.join(", "))
}

/// Why we refuse to encrypt for the example key of the shipped profiles.
pub const EXAMPLE: &str = "a recipient is the example key of the shipped profiles (RB0418): you \
                           cannot open data encrypted for it, but others may";

/// The remedy, if the bundle names the recipients.
pub const OWN_KEY: &str = "set release.recoveryRecipients in the profile to your own key (create \
                           one with `relay-bundle keygen --age`), and build again";

/// Returns the path of the next recovery file.
pub fn next_free(path: &Utf8Path) -> Utf8PathBuf {
    let mut all = (1..=FILES_MAX).map(|number| numbered(path, number));
    all.find(|path| fs_err::symlink_metadata(path).is_err()).unwrap_or_else(|| path.to_owned())
}

/// Fails if the folder of a path that the operator chose does not exist: its medium may not be
/// mounted, or the path is a typo.
pub fn check_place(path: &Utf8Path) -> Result<(), Failure> {
    let folder = folder_of(path);
    if folder.is_dir() {
        return Ok(());
    }
    Err(Failure::input(format!("folder `{folder}` does not exist, for the recovery file `{path}`"))
        .hint(format!(
            "mount its volume, or create it: mkdir -p -m {MODE_FOLDER:o} {folder}; or choose \
             another path: --recovery-file FILE"
        )))
}

/// Creates the folder of the default path. Other users may not read it: even the number of files is
/// private.
pub fn make_place(path: &Utf8Path) -> Result<(), Failure> {
    let mut folders = std::fs::DirBuilder::new();
    let made = folders.recursive(true).mode(MODE_FOLDER).create(folder_of(path));
    made.map_err(|error| {
        let why = format!("failed to create folder `{}`: {}", folder_of(path), error.kind());
        failed(std::io::Error::new(error.kind(), why))
    })
}

fn failed(error: std::io::Error) -> Failure {
    Failure::from(error).hint("choose another path: --recovery-file FILE")
}

/// Writes a recovery file, and never replaces one: it may be the only copy of a key.
pub fn write_new(path: &Utf8Path, bytes: &[u8]) -> Result<Utf8PathBuf, Failure> {
    for number in 1..=FILES_MAX {
        let path = numbered(path, number);
        match create_new(&path, bytes, MODE_PRIVATE, Durability::Synced) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Err(Failure::world(format!("{FILES_MAX} recovery files `{path}` already exist"))
        .hint("move them to your backups"))
}

fn numbered(path: &Utf8Path, number: usize) -> Utf8PathBuf {
    if number == 1 {
        return path.to_owned();
    }
    match path.extension() {
        Some(extension) => path.with_extension(format!("{number}.{extension}")),
        None => format!("{path}.{number}").into(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_recovery_file_never_takes_the_place_of_another_and_no_folder_is_made_for_a_named_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("new/a.age");

        let refused = check_place(&path).unwrap_err();
        assert!(write_new(&path, b"x").is_err() && !folder_of(&path).exists());
        make_place(&path).unwrap();
        check_place(&path).unwrap();
        let written: Vec<String> = (1..4)
            .map(|_| write_new(&path, b"x").unwrap().file_name().unwrap().to_owned())
            .collect();

        assert_eq!(written, ["a.age", "a.2.age", "a.3.age"]);
        assert!(
            refused.message().starts_with(&format!("folder `{}` does not exist", folder_of(&path)))
        );
        assert_eq!(next_free(&path), path.with_file_name("a.4.age"));
        let mode = fs_err::metadata(folder_of(&path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_file_that_cannot_be_written_says_nothing_of_what_was_generated() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("file");
        fs_err::write(&path, "").unwrap();

        let failure = write_new(&path.join("a.age"), b"x").unwrap_err();

        assert_eq!(failure.hints, ["choose another path: --recovery-file FILE"]);
    }
}
