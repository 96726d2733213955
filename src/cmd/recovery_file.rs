//! Recovery files: where they are, and what of a Secret is in them.

use camino::{Utf8Path, Utf8PathBuf};

use super::failure::Failure;
use super::install::secrets::{GENERATIONS, SEALED};
use crate::cluster::secret::Secret;
use crate::fsio::{Durability, MODE_PRIVATE, create_new, folder_of};
use crate::model::object_key::ObjectKey;
use crate::sealed::Saved;

/// How many recovery files of one name there may be.
const FILES_MAX: usize = 1000;

/// Returns what is kept of a Secret.
pub(super) fn saved(name: &str, secret: &Secret) -> Saved {
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

/// Returns a Secret as it was; `ours` if this program makes it.
pub(super) fn restored(key: &ObjectKey, saved: &Saved, ours: bool) -> Secret {
    let mut secret = if ours { Secret::new(key) } else { Secret::of_others(key) };
    secret.type_.clone_from(&saved.type_);
    secret.immutable = saved.immutable;
    for (name, value) in &saved.annotations {
        secret.annotate(name, value);
    }
    secret.data = saved.data.iter().map(|(key, value)| (key.clone(), value.copied())).collect();
    secret
}

/// Names a Secret and its keys.
pub(super) fn described(saved: &Saved) -> String {
    let keys: Vec<&str> = saved.data.keys().map(String::as_str).collect();
    format!("Secret/{}: {}", saved.name, keys.join(", "))
}

/// Writes a recovery file, beside those that are there: the only copy of a key may be in one of them.
pub(super) fn write_new(path: &Utf8Path, bytes: &[u8]) -> Result<Utf8PathBuf, Failure> {
    let failed =
        |error: std::io::Error| Failure::from(error).hint("choose another place: --recovery-file FILE");
    fs_err::create_dir_all(folder_of(path)).map_err(failed)?;
    for number in 1..=FILES_MAX {
        let path = numbered(path, number);
        match create_new(&path, bytes, MODE_PRIVATE, Durability::Synced) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Err(Failure::world(format!("there are {FILES_MAX} recovery files `{path}` already"))
        .hint("move them to where backups are kept"))
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
    use super::*;

    #[test]
    fn a_recovery_file_never_takes_the_place_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("new/a.age");

        let written: Vec<String> =
            (1..4).map(|_| write_new(&path, b"x").unwrap().file_name().unwrap().to_owned()).collect();

        assert_eq!(written, ["a.age", "a.2.age", "a.3.age"]);
    }

    #[test]
    fn a_file_that_cannot_be_written_says_nothing_of_what_was_generated() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("file");
        fs_err::write(&path, "").unwrap();

        let failure = write_new(&path.join("a.age"), b"x").unwrap_err();

        assert_eq!(failure.hints, ["choose another place: --recovery-file FILE"]);
    }
}
