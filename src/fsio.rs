//! Reads files up to a size limit, and writes files atomically.
//!
//! Errors name the path; [`remedy`] returns advice for problems that the user can fix outside of
//! this program.

pub mod guard;
mod lock;
mod open;
#[cfg(target_os = "linux")]
mod unnamed;

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use tempfile::NamedTempFile;

pub use self::lock::{Locked, NamedLock, Sharing, Waits, lock_file, lock_named};
pub use self::open::{
    ReadFileError, folder_of, is_there, metadata, open_below, open_for_reading, open_lock,
    open_named, open_regular, open_to_extend,
};

/// The mode of a file that every user may read.
pub const MODE_PUBLIC: u32 = 0o644;

/// The mode of a file that only its owner may read, such as a key.
pub const MODE_PRIVATE: u32 = 0o600;

/// Whether a file must survive a power failure once its writer returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The file and its name are synced to disk: archives, keys and state.
    Synced,
    /// The kernel chooses when to write to disk: files that can be recreated.
    Cached,
}

/// Returns the content of the file at `path`, of at most `limit` bytes.
///
/// # Errors
///
/// When it is larger, unreadable, or not a regular file. At most one byte above the limit is read
/// into memory.
pub fn read_bounded(path: &Utf8Path, limit: u64) -> Result<Vec<u8>, ReadFileError> {
    let too_large = || ReadFileError::TooLarge { path: path.to_owned(), limit };
    let (file, claimed) = open_regular(path)?;
    // Files in /proc report 0 here and are limited below; a file may also grow while it is read.
    if claimed > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(claimed).unwrap_or(0));
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large()) } else { Ok(bytes) }
}

/// Writes `bytes` to the file at `path`, and replaces an existing one atomically.
///
/// # Errors
///
/// When the folder is not writable or the disk is full; an existing file is then unchanged.
pub fn write_atomic(
    path: &Utf8Path,
    bytes: &[u8],
    mode: u32,
    durability: Durability,
) -> io::Result<()> {
    let mut file = AtomicFile::create(path, mode, durability)?;
    file.write_all(bytes)?;
    file.commit()
}

/// Writes `bytes` to a new file at `path`, which must not exist.
///
/// # Errors
///
/// [`io::ErrorKind::AlreadyExists`] when `path` exists; otherwise same as [`write_atomic`].
pub fn create_new(
    path: &Utf8Path,
    bytes: &[u8],
    mode: u32,
    durability: Durability,
) -> io::Result<()> {
    let mut file = AtomicFile::create(path, mode, durability)?;
    file.write_all(bytes)?;
    file.commit_new()
}

/// A file that appears at its path, complete, when it is committed; if dropped earlier, it leaves
/// nothing behind.
///
/// Until then it has no name, so that even a killed process leaves nothing behind. File systems
/// without support for unnamed files, such as FAT, use a temporary file `.<name>.<random>` instead,
/// in the same folder unless the caller chooses another; a killed process leaves it behind.
#[derive(Debug)]
pub struct AtomicFile {
    temporary: Temporary,
    path: Utf8PathBuf,
    /// The folder of the temporary file.
    aside: Utf8PathBuf,
    durability: Durability,
}

#[derive(Debug)]
enum Temporary {
    #[cfg(target_os = "linux")]
    Unnamed(File),
    Named(NamedTempFile),
}

impl AtomicFile {
    /// Creates a file for `path` with the given permission bits, regardless of the umask.
    ///
    /// # Errors
    ///
    /// When `path` has no file name, or its folder is not writable.
    pub fn create(path: &Utf8Path, mode: u32, durability: Durability) -> io::Result<Self> {
        Self::create_aside(path, folder_of(path), mode, durability)
    }

    /// Same as [`AtomicFile::create`], but with a temporary file in the folder `aside`, which must
    /// be on the same file system.
    ///
    /// # Errors
    ///
    /// When `path` has no file name, or `aside` is not writable.
    pub fn create_aside(
        path: &Utf8Path,
        aside: &Utf8Path,
        mode: u32,
        durability: Durability,
    ) -> io::Result<Self> {
        let temporary = Temporary::create(path, aside)?;
        temporary.file().set_permissions(std::fs::Permissions::from_mode(mode))?;
        Ok(Self { temporary, path: path.to_owned(), aside: aside.to_owned(), durability })
    }

    /// Moves the file to its path, and replaces an existing one.
    ///
    /// # Errors
    ///
    /// When the disk is full or the file cannot be renamed.
    pub fn commit(self) -> io::Result<()> {
        self.sync_content()?;
        let replaced = match self.temporary {
            // Link it under a temporary name first: only a rename replaces atomically.
            #[cfg(target_os = "linux")]
            Temporary::Unnamed(file) => tempfile::Builder::new()
                .prefix(&prefix_aside(&self.path))
                .make_in(&self.aside, |aside| unnamed::link(&file, aside))
                .and_then(|named| named.persist(&self.path).map_err(|error| error.error))
                .map(drop),
            Temporary::Named(named) => {
                named.persist(&self.path).map(drop).map_err(|error| error.error)
            }
        };
        replaced.map_err(|error| about("write", &self.path, &error))?;
        sync_name(&self.path, self.durability)
    }

    /// Moves the file to its path, which must not exist.
    ///
    /// # Errors
    ///
    /// Same as [`AtomicFile::commit`], and [`io::ErrorKind::AlreadyExists`].
    pub fn commit_new(self) -> io::Result<()> {
        self.sync_content()?;
        let created = match self.temporary {
            #[cfg(target_os = "linux")]
            Temporary::Unnamed(file) => unnamed::link(&file, self.path.as_std_path()),
            Temporary::Named(named) => {
                named.persist_noclobber(&self.path).map(drop).map_err(|error| error.error)
            }
        };
        created.map_err(|error| about("create", &self.path, &error))?;
        sync_name(&self.path, self.durability)
    }

    fn sync_content(&self) -> io::Result<()> {
        match self.durability {
            Durability::Synced => {
                self.temporary.file().sync_all().map_err(|error| about("write", &self.path, &error))
            }
            Durability::Cached => Ok(()),
        }
    }
}

impl Temporary {
    fn create(path: &Utf8Path, folder: &Utf8Path) -> io::Result<Self> {
        if path.file_name().is_none() {
            let why = format!("`{path}` is not the path of a file");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        #[cfg(target_os = "linux")]
        if let Some(file) = unnamed::create(folder.as_std_path()) {
            return Ok(Self::Unnamed(file));
        }
        let named = tempfile::Builder::new().prefix(&prefix_aside(path)).tempfile_in(folder);
        named.map(Self::Named).map_err(|error| match error.kind() {
            // For example in `/proc`.
            io::ErrorKind::NotFound if folder.is_dir() => {
                let why =
                    format!("failed to create file `{path}`: cannot create files in `{folder}`");
                io::Error::new(io::ErrorKind::PermissionDenied, why)
            }
            io::ErrorKind::NotFound => io::Error::new(
                io::ErrorKind::NotFound,
                format!("failed to create file `{path}`: folder `{folder}` does not exist"),
            ),
            _ => about("create", path, &error),
        })
    }

    fn file(&self) -> &File {
        match self {
            #[cfg(target_os = "linux")]
            Self::Unnamed(file) => file,
            Self::Named(named) => named.as_file(),
        }
    }
}

/// Returns the name prefix of a temporary file: `.<name>.`, followed by random characters.
fn prefix_aside(path: &Utf8Path) -> String {
    format!(".{}.", path.file_name().unwrap_or_default())
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.temporary.file().write(bytes).map_err(|error| about("write", &self.path, &error))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns a remedy for `error`, if one is known.
pub fn remedy(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::StorageFull => {
            Some("the disk is full: free some space, or write to another disk")
        }
        io::ErrorKind::QuotaExceeded => {
            Some("your disk quota is used up: free some space, or write elsewhere")
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            Some("the file system is read-only: mount it writable, or write to another folder")
        }
        io::ErrorKind::PermissionDenied => Some(
            "check the owner and the mode of the file and of its folder, or use another folder",
        ),
        _ => None,
    }
}

/// Returns an error of the same kind that names the final path, which the user knows, instead of
/// the temporary one.
fn about(verb: &str, path: &Utf8Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("failed to {verb} file `{path}`: {}", error.kind()))
}

/// Returns the permission bits of the file at `path`.
///
/// # Errors
///
/// When its metadata cannot be read.
pub fn file_mode(path: &Utf8Path) -> io::Result<u32> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o7777)
}

/// Syncs the folder of a synced file: its name survives a power failure only then.
fn sync_name(path: &Utf8Path, durability: Durability) -> io::Result<()> {
    match durability {
        Durability::Synced => fs::File::open(folder_of(path))?.sync_all(),
        Durability::Cached => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        (folder, path)
    }

    fn names(folder: &Utf8Path) -> Vec<String> {
        let mut names: Vec<_> =
            folder.read_dir_utf8().unwrap().map(|e| e.unwrap().file_name().to_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn file_is_read_up_to_limit_and_refused_beyond() {
        let (_keep, folder) = folder();
        let path = folder.join("a");
        create_new(&path, b"12345", MODE_PUBLIC, Durability::Cached).unwrap();

        assert_eq!(read_bounded(&path, 5).unwrap(), b"12345");
        assert!(matches!(read_bounded(&path, 4), Err(ReadFileError::TooLarge { limit: 4, .. })));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn file_with_false_reported_size_is_still_limited() {
        // The kernel reports a size of 0 bytes.
        let maps = Utf8Path::new("/proc/self/maps");

        assert!(matches!(read_bounded(maps, 10), Err(ReadFileError::TooLarge { .. })));
    }

    #[test]
    fn read_never_blocks_on_pipe_that_replaces_file() {
        let (_keep, folder) = folder();
        let (path, pipe) = (folder.join("a"), folder.join("pipe"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        std::thread::scope(|scope| {
            let swapping = scope.spawn(|| {
                for _ in 0..2_000 {
                    fs::write(folder.join("new"), "12345").unwrap();
                    fs::rename(folder.join("new"), &path).unwrap();
                    fs::hard_link(&pipe, folder.join("new")).unwrap();
                    fs::rename(folder.join("new"), &path).unwrap();
                }
            });
            while !swapping.is_finished() {
                match read_bounded(&path, 5) {
                    Ok(bytes) => assert_eq!(bytes, b"12345"),
                    Err(ReadFileError::NotRegular { .. }) => {}
                    Err(ReadFileError::Io(error)) => {
                        assert_eq!(error.kind(), io::ErrorKind::NotFound);
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }

    #[test]
    fn device_and_folder_are_refused() {
        for path in ["/dev/zero", "/"] {
            assert!(
                matches!(read_bounded(path.into(), 1000), Err(ReadFileError::NotRegular { .. })),
                "{path}"
            );
        }
    }

    #[test]
    fn write_replaces_file_atomically_with_requested_mode() {
        let (_keep, folder) = folder();
        let path = folder.join("a");
        for (content, mode, durability) in
            [(b"one", MODE_PUBLIC, Durability::Cached), (b"two", MODE_PRIVATE, Durability::Synced)]
        {
            write_atomic(&path, content, mode, durability).unwrap();

            assert_eq!(read_bounded(&path, 9).unwrap(), content);
            assert_eq!(path.metadata().unwrap().mode() & 0o7777, mode);
        }
        assert_eq!(names(&folder), ["a"]);
    }

    #[test]
    fn creating_refuses_to_replace_and_leaves_nothing_behind() {
        let (_keep, folder) = folder();
        let path = folder.join("a");
        create_new(&path, b"one", MODE_PRIVATE, Durability::Synced).unwrap();

        let refused = create_new(&path, b"two", MODE_PRIVATE, Durability::Synced).unwrap_err();

        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(read_bounded(&path, 9).unwrap(), b"one");
        assert_eq!(names(&folder), ["a"]);
    }

    #[test]
    fn uncommitted_file_leaves_nothing() {
        let (_keep, folder) = folder();
        let mut file =
            AtomicFile::create(&folder.join("a"), MODE_PUBLIC, Durability::Cached).unwrap();
        file.write_all(b"half").unwrap();

        drop(file);

        assert_eq!(names(&folder), [""; 0]);
    }

    #[test]
    fn file_written_aside_appears_in_folder_only_when_complete() {
        let (_keep, folder) = folder();
        let inner = folder.join("inner");
        fs::create_dir(&inner).unwrap();
        let target = inner.join("a");
        let write = |bytes: &[u8]| {
            let mut file =
                AtomicFile::create_aside(&target, &folder, MODE_PUBLIC, Durability::Synced)
                    .unwrap();
            file.write_all(bytes).unwrap();
            assert!(names(&inner).iter().all(|name| name == "a"));
            file
        };

        drop(write(b"half"));
        assert_eq!(names(&inner), [""; 0]);
        write(b"one").commit().unwrap();
        write(b"two").commit().unwrap();

        assert_eq!(read_bounded(&target, 9).unwrap(), b"two");
        assert_eq!(
            (names(&inner), names(&folder)),
            (vec!["a".to_owned()], vec!["inner".to_owned()])
        );
    }

    #[test]
    fn writes_behave_alike_without_unnamed_file_support() {
        let (_keep, folder) = folder();
        let path = folder.join("a");
        let named = |bytes: &[u8]| {
            let mut temporary =
                tempfile::Builder::new().prefix(".a.").tempfile_in(&folder).unwrap();
            temporary.write_all(bytes).unwrap();
            AtomicFile {
                temporary: Temporary::Named(temporary),
                path: path.clone(),
                aside: folder.clone(),
                durability: Durability::Synced,
            }
        };

        named(b"one").commit_new().unwrap();
        assert_eq!(named(b"two").commit_new().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(read_bounded(&path, 9).unwrap(), b"one");
        named(b"three").commit().unwrap();
        drop(named(b"four"));

        assert_eq!(read_bounded(&path, 9).unwrap(), b"three");
        assert_eq!(names(&folder), ["a"]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn unfinished_file_is_unnamed_if_file_system_supports_it() {
        let (_keep, folder) = folder();
        let Some(_) = unnamed::create(folder.as_std_path()) else { return };

        let _file = AtomicFile::create(&folder.join("a"), MODE_PUBLIC, Durability::Cached).unwrap();

        assert_eq!(names(&folder), [""; 0]);
    }

    #[test]
    fn errors_name_path() {
        let (_keep, folder) = folder();
        let path = folder.join("no/such/file");

        let read = read_bounded(&path, 9).unwrap_err().to_string();
        let write =
            write_atomic(&path, b"", MODE_PUBLIC, Durability::Cached).unwrap_err().to_string();

        assert!(read.contains(path.as_str()), "{read}");
        assert_eq!(
            write,
            format!("failed to create file `{path}`: folder `{folder}/no/such` does not exist")
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn folder_that_accepts_no_files_is_not_reported_missing() {
        let path = Utf8Path::new("/proc/x.age");

        let error =
            create_new(path, b"", MODE_PRIVATE, Durability::Cached).unwrap_err().to_string();

        assert!(
            error.starts_with("failed to create file `/proc/x.age`: ")
                && !error.contains("there is no"),
            "{error}"
        );
    }

    #[test]
    fn bare_file_name_is_in_current_folder() {
        assert_eq!(folder_of(Utf8Path::new("a.tar")), ".");
        assert_eq!(folder_of(Utf8Path::new("b/a.tar")), "b");
    }
}
