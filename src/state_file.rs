//! `state.json`: the accepted statements and minimum serials on disk.
//!
//! A change reads and writes under the exclusive lock of a separate file, `state.json.lock`, and
//! replaces the synced state atomically: no second process, kill or power failure loses or lowers a
//! minimum serial. Reading takes no lock. An unreadable file is an error, never an empty state,
//! which would accept old bundles.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::canonical::NotCanonical;
use crate::fsio::guard::{GuardError, check_folders, read_guarded};
use crate::fsio::{
    Durability, MODE_PRIVATE, Sharing, Waits, folder_of, lock_file, open_lock, remedy, write_atomic,
};
use crate::model::timestamp::Timestamp;
use crate::trust::policy::PolicyTarget;
use crate::trust::state::{Comparison, InvalidState, Place, Replay, STATE_BYTES_MAX, State};
use crate::trust::statement::Statement;

/// The mode of new folders for the state, as the XDG specification requires.
const MODE_FOLDER: u32 = 0o700;

/// The path of a state file.
#[derive(Clone, Debug)]
pub struct StateFile {
    path: Utf8PathBuf,
    waits: Waits,
}

/// Why reading or changing the state failed.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("the state file `{path}` is damaged: {why}")]
    Damaged { path: Utf8PathBuf, why: InvalidState },
    #[error("`{path}` exists, and is not a regular file")]
    InTheWay { path: Utf8PathBuf },
    #[error("refusing to use a state that other users can change: {0}")]
    Guard(GuardError),
    #[error("the state would have {bytes} bytes; the limit is {STATE_BYTES_MAX}")]
    TooLarge { bytes: usize },
    #[error("cannot write the state: {0}")]
    NotCanonical(#[from] NotCanonical),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Why recording a statement failed.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Another process recorded a newer statement concurrently.
    #[error(transparent)]
    Replay(#[from] Replay),
    #[error(transparent)]
    State(#[from] StateError),
}

impl StateError {
    /// Returns a remedy for the user, if one is known.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Damaged { path, .. } => Some(format!(
                "restore `{path}` from a backup; without one, move it away and immediately record \
                 the deployed bundle with `verify --record`: until then, older bundles are \
                 accepted again"
            )),
            Self::InTheWay { .. } => {
                Some("move it away, or pass another file with `--state`".to_owned())
            }
            Self::Guard(error) => error.remedy(),
            Self::TooLarge { .. } | Self::NotCanonical(_) => None,
            Self::Io(error) => remedy(error).map(str::to_owned),
        }
    }
}

impl StateFile {
    /// Returns the state file at `path`, without accessing the disk: the first change creates the
    /// file and its folder.
    pub fn at(path: impl Into<Utf8PathBuf>) -> Self {
        Self { path: path.into(), waits: Waits::default() }
    }

    /// Sets the callback for a lock that another process holds.
    #[must_use]
    pub fn telling(self, waits: Waits) -> Self {
        Self { waits, ..self }
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Returns the state; an empty one if the file does not exist.
    ///
    /// # Errors
    ///
    /// When other users can change the file, or it is damaged or unreadable.
    pub fn read(&self) -> Result<State, StateError> {
        if !is_file_there(&self.path)? {
            // A user who can remove the file can reset all minimum serials.
            return match check_folders(&self.path).map_err(guard) {
                Err(StateError::Io(error)) if error.kind() != io::ErrorKind::NotFound => {
                    Err(error.into())
                }
                Ok(()) | Err(StateError::Io(_)) => Ok(State::default()),
                Err(error) => Err(error),
            };
        }
        let bytes = read_guarded(&self.path, STATE_BYTES_MAX).map_err(guard)?;
        State::parse(&bytes).map_err(|why| StateError::Damaged { path: self.path.clone(), why })
    }

    /// Refuses a place where other users could change the state. Missing folders are created later.
    ///
    /// # Errors
    ///
    /// When other users can write to the nearest existing folder or one above it, or when its
    /// metadata cannot be read.
    pub fn check_place(&self) -> Result<(), StateError> {
        let above = camino::absolute_utf8(&self.path)?;
        let nearest = above.ancestors().skip(1).find(|folder| folder.exists());
        let place = nearest.unwrap_or(Utf8Path::new("/")).join("state.json");
        check_folders(&place).map_err(guard)
    }

    /// Changes the state and syncs it to disk. Nothing is written if `change` fails or changes
    /// nothing.
    ///
    /// # Errors
    ///
    /// When `change` fails, when the file cannot be written, and same as [`StateFile::read`].
    pub fn update<T, E: From<StateError>>(
        &self,
        change: impl FnOnce(&mut State) -> Result<T, E>,
    ) -> Result<T, E> {
        let _lock = self.lock()?;
        let before = self.read()?;
        let mut state = before.clone();
        let done = change(&mut state)?;
        if state != before {
            self.write(&state)?;
        }
        Ok(done)
    }

    /// Raises the minimum serial of a statement's place to its serial, and returns the comparison
    /// with the previous state.
    ///
    /// # Errors
    ///
    /// When another process concurrently recorded a newer statement, and same as
    /// [`StateFile::update`].
    pub fn record(
        &self,
        statement: &Statement,
        target: &PolicyTarget,
        now: Timestamp,
    ) -> Result<Comparison, RecordError> {
        self.update(|state| {
            // Verification read the state without the lock, so check against the current state.
            state.check(statement, target, now)?;
            let before = state.compare(&Place::of(statement, target));
            state.accept(statement, target, now);
            Ok(before)
        })
    }

    fn write(&self, state: &State) -> Result<(), StateError> {
        let bytes = state.to_bytes()?;
        if bytes.len() as u64 > STATE_BYTES_MAX {
            return Err(StateError::TooLarge { bytes: bytes.len() });
        }
        Ok(write_atomic(&self.path, &bytes, MODE_PRIVATE, Durability::Synced)?)
    }

    /// Waits until no other process changes the state, and holds the lock until the value is
    /// dropped.
    fn lock(&self) -> Result<fs::File, StateError> {
        let path = Utf8PathBuf::from(format!("{}.lock", self.path));
        make_folders(folder_of(&path))?;
        check_folders(&path).map_err(guard)?;
        let file = open_lock(&path, MODE_PRIVATE)?.ok_or(StateError::InTheWay { path })?;
        // A user who opens the file once can hold the lock forever.
        if file.metadata()?.permissions().mode() & 0o7777 != MODE_PRIVATE {
            file.set_permissions(Permissions::from_mode(MODE_PRIVATE))?;
        }
        lock_file(&file, Sharing::Exclusive, &self.waits)?;
        Ok(file)
    }
}

/// Returns whether the file exists. Refuses a link: the first change would replace it with a file
/// and leave its target behind.
fn is_file_there(path: &Utf8Path) -> Result<bool, StateError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(true),
        Ok(_) => Err(StateError::InTheWay { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Creates a folder and its parents, and syncs each name: it survives a power failure only once its
/// parent folder is synced.
fn make_folders(folder: &Utf8Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    make_folders(folder_of(folder))?;
    let made = std::fs::DirBuilder::new().mode(MODE_FOLDER).create(folder);
    match made {
        // Another process created it first.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!("failed to create folder `{folder}`: {}", error.kind()),
        )),
        Ok(()) => fs::File::open(folder_of(folder))?.sync_all(),
    }
}

fn guard(error: GuardError) -> StateError {
    match error {
        GuardError::Read(crate::fsio::ReadFileError::Io(error)) => StateError::Io(error),
        error => StateError::Guard(error),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::digest::Digest;
    use crate::trust::statement::Predicate;

    fn statement(profile: &str, serial: u64) -> Statement {
        let predicate = Predicate {
            bundle: "relay".parse().unwrap(),
            bytes: 1,
            environment: "production".parse().unwrap(),
            expires: None,
            files: 1,
            issued: now(),
            namespace: "relay".parse().unwrap(),
            profile: profile.parse().unwrap(),
            serial,
            sites: BTreeSet::new(),
        };
        Statement { content_id: Digest::of(&serial.to_be_bytes()), predicate }
    }

    fn now() -> Timestamp {
        "2026-11-22T10:00:00Z".parse().unwrap()
    }

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let keep = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(keep.path().to_owned()).unwrap();
        (keep, path)
    }

    #[test]
    fn concurrent_writers_leave_highest_minimum_serial_per_place() {
        let (_keep, folder) = folder();
        let file = StateFile::at(folder.join("state.json"));
        let threads: [u64; 4] = [0, 1, 2, 3];
        std::thread::scope(|scope| {
            for thread in threads {
                let file = &file;
                scope.spawn(move || {
                    for serial in 1..=8 {
                        // In the shared place, a serial below another thread's is refused.
                        let shared = file.record(
                            &statement("shared", serial * 4 + thread),
                            &PolicyTarget::default(),
                            now(),
                        );
                        assert!(matches!(
                            shared,
                            Ok(_) | Err(RecordError::Replay(Replay::Rollback { .. }))
                        ));
                        file.record(
                            &statement(&format!("own-{thread}"), serial),
                            &PolicyTarget::default(),
                            now(),
                        )
                        .unwrap();
                    }
                });
            }
        });

        let state = file.read().unwrap();

        let floors: Vec<(&str, u64)> = state
            .floors()
            .iter()
            .map(|(place, floor)| (place.profile.as_str(), floor.serial))
            .collect();
        assert_eq!(
            floors,
            [("own-0", 8), ("own-1", 8), ("own-2", 8), ("own-3", 8), ("shared", 35)]
        );
    }

    #[test]
    fn recording_returns_previous_minimum_and_refuses_rollback() {
        let (_keep, folder) = folder();
        let file = StateFile::at(folder.join("a/b/state.json"));

        let first = file.record(&statement("web", 2), &PolicyTarget::default(), now()).unwrap();
        assert_eq!(first, Comparison::default());
        let before = file.record(&statement("web", 3), &PolicyTarget::default(), now()).unwrap();
        assert_eq!(before.floor.map(|floor| floor.serial), Some(2));
        assert!(matches!(
            file.record(&statement("web", 2), &PolicyTarget::default(), now()),
            Err(RecordError::Replay(Replay::Rollback { serial: 2, .. }))
        ));
    }

    #[test]
    fn missing_state_in_folder_writable_by_others_is_refused() {
        let (_keep, folder) = folder();
        let open = folder.join("open");
        fs::create_dir(&open).unwrap();
        let file = StateFile::at(open.join("state.json"));
        assert_eq!(file.read().unwrap(), State::default());

        fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();

        let refused = file.read();
        assert!(matches!(refused, Err(StateError::Guard(GuardError::Folder { mode: 0o777, .. }))));
        assert_eq!(StateFile::at(folder.join("none/state.json")).read().unwrap(), State::default());
    }

    #[test]
    fn missing_state_folder_is_as_open_as_its_parent() {
        let (_keep, folder) = folder();
        let file = StateFile::at(folder.join("open/a/b/state.json"));
        fs::create_dir(folder.join("open")).unwrap();
        file.check_place().unwrap();

        fs::set_permissions(folder.join("open"), std::fs::Permissions::from_mode(0o777)).unwrap();

        let refused = file.check_place();
        assert!(matches!(refused, Err(StateError::Guard(GuardError::Folder { mode: 0o777, .. }))));
        assert!(!folder.join("open/a").exists());
    }

    #[test]
    fn lock_is_made_private_even_if_created_with_open_mode() {
        let (_keep, folder) = folder();
        let file = StateFile::at(folder.join("state.json"));
        let lock = folder.join("state.json.lock");
        fs::write(&lock, "").unwrap();
        fs::set_permissions(&lock, std::fs::Permissions::from_mode(0o644)).unwrap();

        file.record(&statement("web", 2), &PolicyTarget::default(), now()).unwrap();

        assert_eq!(crate::fsio::file_mode(&lock).unwrap(), MODE_PRIVATE);
    }

    #[test]
    fn failed_or_empty_change_writes_nothing() {
        let (_keep, folder) = folder();
        let file = StateFile::at(folder.join("state.json"));

        let failed = file.update(|state| {
            state.accept(&statement("web", 2), &PolicyTarget::default(), now());
            Err::<(), _>(StateError::InTheWay { path: "x".into() })
        });

        assert!(failed.is_err() && !file.path().exists());
        file.update(|_| Ok::<_, StateError>(())).unwrap();
        assert!(!file.path().exists());
    }
}
