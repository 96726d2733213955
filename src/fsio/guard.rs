//! Files that decide what is trusted, which nobody else may be able to change, and secrets, which nobody else may
//! even read.
//!
//! Asked is what a mode says: of the opened file, so that it cannot be exchanged between check and use, and of every
//! folder above it. Whoever grants writing by an access list raises the group's bits, and is found by them.

use std::fs::Metadata;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use zeroize::Zeroizing;

use crate::fsio::{MODE_PRIVATE, ReadFileError, folder_of, remedy};

/// The permission bits by which others than the owner write.
const OTHERS_WRITE: u32 = 0o022;
/// The permission bits by which others than the owner get at a file at all.
const OTHERS: u32 = 0o077;
const EVERYONE_WRITES: u32 = 0o002;
const GROUP_WRITES: u32 = 0o020;
/// In a folder with this bit, only its owner renames or removes a file.
const STICKY: u32 = 0o1000;

/// Whom the kernel names as the owner where it has no name, in a namespace that maps not every user.
const NOBODY: u32 = 65534;

/// Why a file neither decides what is trusted nor is a secret.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    #[error("`{path}` has the mode {mode:04o}: others can change it")]
    Mode { path: Utf8PathBuf, mode: u32 },
    #[error("`{path}` has the mode {mode:04o}: others can get at it")]
    NotPrivate { path: Utf8PathBuf, mode: u32 },
    #[error("`{path}` belongs to user {owner}, who can change it, and this is user {user}")]
    Owner { path: Utf8PathBuf, owner: u32, user: u32 },
    #[error("the folder `{folder}` has the mode {mode:04o}: others can replace what is in it")]
    Folder { folder: Utf8PathBuf, mode: u32 },
    #[error(
        "the folder `{folder}` belongs to user {owner}, who can replace what is in it, and this is user {user}"
    )]
    FolderOwner { folder: Utf8PathBuf, owner: u32, user: u32 },
    #[error(transparent)]
    Read(#[from] ReadFileError),
}

impl From<io::Error> for GuardError {
    fn from(error: io::Error) -> Self {
        Self::Read(error.into())
    }
}

impl GuardError {
    /// Returns what a person can do, if this program knows.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Mode { path, .. } => Some(format!("look at what it says, then: chmod go-w {path}")),
            Self::NotPrivate { path, .. } => Some(format!("chmod {MODE_PRIVATE:o} {path}")),
            Self::Owner { path, user, .. } => {
                Some(format!("look at what it says, then take it over: chown {user} {path}"))
            }
            Self::Folder { folder, .. } => {
                Some(format!("chmod go-w {folder}, or keep the file in a folder of your own"))
            }
            Self::FolderOwner { .. } => Some("keep the file in a folder of your own".to_owned()),
            Self::Read(ReadFileError::Io(error)) => remedy(error).map(str::to_owned),
            Self::Read(_) => None,
        }
    }

    /// Tells whether the file is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Read(ReadFileError::Io(error)) if error.kind() == io::ErrorKind::NotFound)
    }
}

/// Returns the bytes of a file, of which there may be `limit`, that only this user or root can change.
///
/// # Errors
///
/// When others can change or replace it, it is no regular file, larger, or cannot be read.
pub fn read_guarded(path: &Utf8Path, limit: u64) -> Result<Vec<u8>, GuardError> {
    let file = open(path, OTHERS_WRITE)?;
    let mut bytes = Vec::new();
    read(path, file, limit, &mut bytes)?;
    Ok(bytes)
}

/// Returns the bytes of a secret, of which there may be `limit`, that only this user or root can read or change.
///
/// # Errors
///
/// When others can read, change or replace it, it is no regular file, larger, or cannot be read.
pub fn read_private(path: &Utf8Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, GuardError> {
    read_secret(path, open(path, OTHERS)?, limit)
}

/// As [`read_private`], but of what is open already, or will be: a pipe, which nobody else reads.
///
/// # Errors
///
/// When there is more than the limit, or the stream breaks off.
pub fn read_secret(
    name: &Utf8Path,
    stream: impl io::Read,
    limit: u64,
) -> Result<Zeroizing<Vec<u8>>, GuardError> {
    // Room for all of it: a vector that grows leaves copies behind.
    let room = usize::try_from(limit).map_err(io::Error::other)?.saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    read(name, stream, limit, &mut bytes)?;
    Ok(bytes)
}

fn open(path: &Utf8Path, forbidden: u32) -> Result<fs::File, GuardError> {
    // Before opening: a pipe would block until somebody writes.
    check_regular(path, &fs::metadata(path)?)?;
    check_folders(path)?;
    let file = fs::File::open(path)?;
    check_file(path, &file.metadata()?, forbidden)?;
    Ok(file)
}

fn read(name: &Utf8Path, stream: impl io::Read, limit: u64, bytes: &mut Vec<u8>) -> Result<(), GuardError> {
    stream.take(limit.saturating_add(1)).read_to_end(bytes)?;
    if bytes.len() as u64 > limit {
        return Err(ReadFileError::TooLarge { path: name.to_owned(), limit }.into());
    }
    Ok(())
}

/// Checks that nobody else can put another file at `path`, or take away the one that is there.
///
/// # Errors
///
/// When a folder above it, by its name or by that to which its links lead, is another user's or open to others, or
/// cannot be asked.
pub fn check_folders(path: &Utf8Path) -> Result<(), GuardError> {
    let folder = folder_of(path);
    let named = camino::absolute_utf8(folder)?;
    // The file may be a link too: then it is the folder of its target that counts as well.
    let target = fs::canonicalize(path).or_else(|_| fs::canonicalize(folder))?;
    let target = Utf8PathBuf::try_from(target).map_err(io::Error::other)?;
    let user = rustix::process::geteuid().as_raw();
    for folder in named.ancestors().chain(target.ancestors()) {
        let metadata = fs::metadata(folder)?;
        if metadata.is_dir() {
            Access::of(&metadata).check(folder, user)?;
        }
    }
    Ok(())
}

/// Who may do what in a folder.
#[derive(Clone, Copy)]
struct Access {
    owner: u32,
    group: u32,
    mode: u32,
}

impl Access {
    fn of(metadata: &Metadata) -> Self {
        Self { owner: metadata.uid(), group: metadata.gid(), mode: metadata.mode() & 0o7777 }
    }

    /// Refuses a folder in which somebody else than `user` and root renames files.
    fn check(self, folder: &Utf8Path, user: u32) -> Result<(), GuardError> {
        let Self { owner, group, mode } = self;
        if owner != user && owner != 0 && !(owner == NOBODY && has_unmapped_users()) {
            return Err(GuardError::FolderOwner { folder: folder.to_owned(), owner, user });
        }
        // By custom the group with the number of a user is that user's alone, and such folders are open to it.
        let others = if group == owner { EVERYONE_WRITES } else { EVERYONE_WRITES | GROUP_WRITES };
        if mode & others != 0 && mode & STICKY == 0 {
            return Err(GuardError::Folder { folder: folder.to_owned(), mode });
        }
        Ok(())
    }
}

/// Tells whether this process sees some users, and be it root, as nobody: as in a sandbox that maps one user only.
fn has_unmapped_users() -> bool {
    fs::read_to_string("/proc/self/uid_map")
        .is_ok_and(|map| !map.split_whitespace().eq(["0", "0", "4294967295"]))
}

fn check_file(path: &Utf8Path, metadata: &Metadata, forbidden: u32) -> Result<(), GuardError> {
    check_regular(path, metadata)?;
    let (owner, user) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != user && owner != 0 {
        return Err(GuardError::Owner { path: path.to_owned(), owner, user });
    }
    let mode = metadata.mode() & 0o7777;
    let path = path.to_owned();
    match mode & forbidden {
        0 => Ok(()),
        _ if forbidden == OTHERS => Err(GuardError::NotPrivate { path, mode }),
        _ => Err(GuardError::Mode { path, mode }),
    }
}

fn check_regular(path: &Utf8Path, metadata: &Metadata) -> Result<(), GuardError> {
    let wrong = || ReadFileError::NotRegular { path: path.to_owned() };
    if metadata.is_file() { Ok(()) } else { Err(wrong().into()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    struct Place {
        _folder: tempfile::TempDir,
        folder: Utf8PathBuf,
        file: Utf8PathBuf,
    }

    fn place() -> Place {
        let keep = tempfile::tempdir().unwrap();
        let folder = Utf8PathBuf::from_path_buf(keep.path().to_owned()).unwrap().join("a");
        fs::create_dir(&folder).unwrap();
        let file = folder.join("trust.toml");
        fs::write(&file, "text").unwrap();
        set_mode(&folder, 0o755);
        set_mode(&file, 0o644);
        Place { _folder: keep, folder, file }
    }

    fn set_mode(path: &Utf8Path, mode: u32) {
        fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_file_that_only_its_owner_writes_is_read() {
        let Place { file, .. } = &place();
        for mode in [0o644, 0o600, 0o400, 0o444] {
            set_mode(file, mode);
            assert_eq!(read_guarded(file, 4).unwrap(), b"text", "{mode:o}");
        }
        assert!(matches!(
            read_guarded(file, 3),
            Err(GuardError::Read(ReadFileError::TooLarge { limit: 3, .. }))
        ));
    }

    #[test]
    fn a_file_that_others_write_is_refused() {
        let Place { file, .. } = &place();
        for mode in [0o664, 0o646, 0o666, 0o620, 0o602] {
            set_mode(file, mode);
            let refused = read_guarded(file, 4).unwrap_err();
            assert!(matches!(refused, GuardError::Mode { mode: found, .. } if found == mode), "{refused}");
            assert!(refused.remedy().unwrap().ends_with(&format!("chmod go-w {file}")));
        }
    }

    #[test]
    fn a_secret_that_others_read_is_refused() {
        let Place { file, .. } = &place();
        for mode in [0o600, 0o400] {
            set_mode(file, mode);
            assert_eq!(*read_private(file, 4).unwrap(), b"text", "{mode:o}");
        }
        for mode in [0o640, 0o604, 0o644, 0o610, 0o666] {
            set_mode(file, mode);
            let refused = read_private(file, 4).unwrap_err();
            assert!(
                matches!(refused, GuardError::NotPrivate { mode: found, .. } if found == mode),
                "{refused}"
            );
            assert_eq!(refused.remedy(), Some(format!("chmod 600 {file}")));
        }
    }

    #[test]
    fn a_secret_is_read_into_memory_once() {
        let bytes = read_secret("pipe".into(), &[7_u8; 100][..], 100).unwrap();

        assert_eq!((bytes.len(), bytes.capacity()), (100, 101));
        assert!(matches!(
            read_secret("pipe".into(), &[7_u8; 101][..], 100),
            Err(GuardError::Read(ReadFileError::TooLarge { limit: 100, .. }))
        ));
    }

    #[test]
    fn a_folder_in_which_everyone_renames_is_refused_also_behind_a_link() {
        let (here, there) = (place(), place());
        let link = here.folder.join("link");
        fs::os::unix::fs::symlink(&there.file, &link).unwrap();
        assert_eq!(read_guarded(&link, 4).unwrap(), b"text");

        for folder in [&here.folder, &there.folder] {
            set_mode(folder, 0o777);
            let refused = read_guarded(&link, 4).unwrap_err();
            assert!(matches!(refused, GuardError::Folder { mode: 0o777, .. }), "{refused}");
            set_mode(folder, 0o1777);
            assert!(read_guarded(&link, 4).is_ok(), "with the sticky bit");
        }
    }

    #[test]
    fn a_folder_in_which_a_group_or_another_user_renames_is_refused() {
        let (user, other) = (1000, 1001);
        let fault = |owner, group, mode| Access { owner, group, mode }.check("a".into(), user).err();
        for (owner, group, mode) in [
            (user, user, 0o755),
            (0, 0, 0o755),
            (0, 50, 0o755),
            // A group of one's own, as Debian and Fedora have it.
            (user, user, 0o775),
            (0, 0, 0o775),
            (0, 50, 0o3775),
            (0, 0, 0o1777),
        ] {
            assert!(fault(owner, group, mode).is_none(), "{owner} {group} {mode:o}");
        }
        for (owner, group, mode) in
            [(user, 50, 0o775), (0, 50, 0o2775), (0, other, 0o770), (user, user, 0o757)]
        {
            let refused = fault(owner, group, mode);
            assert!(matches!(refused, Some(GuardError::Folder { .. })), "{owner} {group} {mode:o}");
        }
        for mode in [0o755, 0o700, 0o1777] {
            let refused = fault(other, other, mode);
            assert!(matches!(refused, Some(GuardError::FolderOwner { owner: 1001, .. })), "{mode:o}");
        }
    }

    #[test]
    fn what_is_no_file_or_not_there_is_told_apart() {
        let Place { folder, .. } = &place();

        assert!(matches!(read_guarded(folder, 4), Err(GuardError::Read(ReadFileError::NotRegular { .. }))));
        assert!(read_guarded(&folder.join("none"), 4).unwrap_err().is_not_found());
    }
}
