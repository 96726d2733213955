//! Writes recovery files: chooses their paths, and converts Secrets to their content and back.

use std::io;
use std::os::unix::fs::DirBuilderExt as _;

use camino::{Utf8Path, Utf8PathBuf};

use super::annotations::{GENERATIONS, SEALED};
use crate::cluster::secret::Secret;
use crate::failure::Failure;
use crate::fsio::{Durability, MODE_PRIVATE, create_new, folder_of};
use crate::model::object_key::ObjectKey;
use crate::sealed::Saved;

/// The maximum number of recovery files with one name.
const FILES_MAX: usize = 1000;

/// The mode of the folders that we create for them.
const MODE_FOLDER: u32 = 0o700;

/// Where the copy of generated values is written.
#[derive(Clone, Debug)]
pub enum RecoveryPlace {
    /// The operator named the file.
    Named(Utf8PathBuf),
    /// A file of this folder, named after the installation.
    Folder(Utf8PathBuf),
    /// The environment names no folder.
    Unknown,
}

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

/// A recovery file that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryFileError {
    #[error("folder `{}` does not exist, for the recovery file `{file}`", folder_of(.file))]
    NoFolder { file: Utf8PathBuf },
    #[error("{FILES_MAX} recovery files `{0}` already exist")]
    TooMany(Utf8PathBuf),
    #[error(transparent)]
    Io(io::Error),
}

impl From<RecoveryFileError> for Failure {
    fn from(error: RecoveryFileError) -> Self {
        match error {
            RecoveryFileError::NoFolder { ref file } => {
                let hint = format!(
                    "mount its volume, or create it: mkdir -p -m {MODE_FOLDER:o} {}; or choose \
                     another path: --recovery-file FILE",
                    folder_of(file)
                );
                Self::input(error).hint(hint)
            }
            RecoveryFileError::TooMany(_) => Self::world(error).hint("move them to your backups"),
            RecoveryFileError::Io(error) => {
                Self::from(error).hint("choose another path: --recovery-file FILE")
            }
        }
    }
}

/// Returns the path of the next recovery file.
pub fn next_free(path: &Utf8Path) -> Utf8PathBuf {
    let mut all = (1..=FILES_MAX).map(|number| numbered(path, number));
    all.find(|path| fs_err::symlink_metadata(path).is_err()).unwrap_or_else(|| path.to_owned())
}

/// Fails if the folder of a path that the operator chose does not exist: its medium may not be
/// mounted, or the path is a typo.
pub fn check_place(path: &Utf8Path) -> Result<(), RecoveryFileError> {
    if folder_of(path).is_dir() {
        return Ok(());
    }
    Err(RecoveryFileError::NoFolder { file: path.to_owned() })
}

/// Creates the folder of the default path. Other users may not read it: even the number of files is
/// private.
pub fn make_place(path: &Utf8Path) -> Result<(), RecoveryFileError> {
    let mut folders = std::fs::DirBuilder::new();
    let made = folders.recursive(true).mode(MODE_FOLDER).create(folder_of(path));
    made.map_err(|error| {
        let why = format!("failed to create folder `{}`: {}", folder_of(path), error.kind());
        RecoveryFileError::Io(io::Error::new(error.kind(), why))
    })
}

/// Writes a recovery file, and never replaces one: it may be the only copy of a key.
pub fn write_new(path: &Utf8Path, bytes: &[u8]) -> Result<Utf8PathBuf, RecoveryFileError> {
    for number in 1..=FILES_MAX {
        let path = numbered(path, number);
        match create_new(&path, bytes, MODE_PRIVATE, Durability::Synced) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(RecoveryFileError::Io(error)),
        }
    }
    Err(RecoveryFileError::TooMany(path.to_owned()))
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
    fn recovery_file_gets_free_number_and_needs_its_folder() {
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
        assert!(matches!(refused, RecoveryFileError::NoFolder { file } if file == path));
        assert_eq!(next_free(&path), path.with_file_name("a.4.age"));
        let mode = fs_err::metadata(folder_of(&path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn write_failure_reveals_nothing_about_generated_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("file");
        fs_err::write(&path, "").unwrap();

        let failure = Failure::from(write_new(&path.join("a.age"), b"x").unwrap_err());

        assert_eq!(failure.hints, ["choose another path: --recovery-file FILE"]);
    }
}
