//! Reads files that only this user or root may change, such as trust policies, and secrets, which
//! only they may read.
//!
//! The check covers the mode of the opened file, which therefore cannot be exchanged between check
//! and use, and the modes of all folders above it. An access control list that grants write access
//! shows in the group bits of the mode, so the check covers it, too.

use std::fs::Metadata;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use fs_err as fs;
use zeroize::Zeroizing;

use crate::fsio::{self, MODE_PRIVATE, ReadFileError, open_for_reading, remedy};

/// The permission bits for write access by other users.
const OTHERS_WRITE: u32 = 0o022;
/// The permission bits for any access by other users.
const OTHERS: u32 = 0o077;
const EVERYONE_WRITES: u32 = 0o002;
const GROUP_WRITES: u32 = 0o020;
/// In a folder with the sticky bit, only the owner of a file may rename or remove it.
const STICKY: u32 = 0o1000;

/// The number of links that Linux follows.
const LINKS_MAX: u32 = 40;

/// The owner that the kernel reports for an unmapped user, in a user namespace that does not map
/// every user.
const NOBODY: u32 = 65534;

/// Why a file is not accepted as a trusted file or a secret.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    #[error("`{path}` has mode {mode:04o}: other users can change it")]
    Mode { path: Utf8PathBuf, mode: u32 },
    #[error("`{path}` has mode {mode:04o}: other users can access it")]
    NotPrivate { path: Utf8PathBuf, mode: u32 },
    #[error("`{path}` belongs to user {owner}, who can change it; you are user {user}")]
    Owner { path: Utf8PathBuf, owner: u32, user: u32 },
    #[error("folder `{folder}` has mode {mode:04o}: other users can replace its files")]
    Folder { folder: Utf8PathBuf, mode: u32 },
    #[error(
        "folder `{folder}` belongs to user {owner}, who can replace its files; you are user {user}"
    )]
    FolderOwner { folder: Utf8PathBuf, owner: u32, user: u32 },
    #[error(
        "the link `{link}` belongs to user {owner}, and other users can add links to its folder; \
         you are user {user}"
    )]
    Link { link: Utf8PathBuf, owner: u32, user: u32 },
    #[error(transparent)]
    Read(#[from] ReadFileError),
}

impl From<io::Error> for GuardError {
    fn from(error: io::Error) -> Self {
        Self::Read(error.into())
    }
}

impl GuardError {
    /// Returns a remedy for the user, if one is known.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Mode { path, .. } | Self::NotPrivate { path, .. } if !keeps_modes(path) => {
                Some("copy it to a file system with modes: FAT and NTFS have none".to_owned())
            }
            Self::NotPrivate { path, .. } => Some(format!("chmod {MODE_PRIVATE:o} {path}")),
            Self::Mode { path, .. } => Some(format!("review its content, then: chmod go-w {path}")),
            Self::Owner { path, user, .. } => {
                Some(format!("review its content, then take it over: chown {user} {path}"))
            }
            Self::Folder { folder, .. } => {
                Some(format!("chmod go-w {folder}, or keep the file in a folder of your own"))
            }
            Self::FolderOwner { .. } => Some("keep the file in a folder of your own".to_owned()),
            Self::Link { .. } => Some(
                "pass the path of the file itself, and keep it in a folder of your own".to_owned(),
            ),
            Self::Read(ReadFileError::Io(error)) => remedy(error).map(str::to_owned),
            Self::Read(_) => None,
        }
    }

    /// Returns whether the file does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Read(ReadFileError::Io(error)) if error.kind() == io::ErrorKind::NotFound)
    }
}

/// Returns whether the file system of `path` keeps the modes of files.
fn keeps_modes(path: &Utf8Path) -> bool {
    const WITHOUT: [u32; 4] = [
        0x4d44,      // FAT
        0x2011_bab0, // exFAT
        0x5346_544e, // NTFS
        0x7366_746e, // NTFS3
    ];
    rustix::fs::statfs(path.as_std_path())
        .is_ok_and(|found| !u32::try_from(found.f_type).is_ok_and(|kind| WITHOUT.contains(&kind)))
}

/// Returns the content of a file that only this user or root can change, of at most `limit` bytes.
///
/// # Errors
///
/// When other users can change or replace it, or it is larger, unreadable, or not a regular file.
pub fn read_guarded(path: &Utf8Path, limit: u64) -> Result<Vec<u8>, GuardError> {
    let file = open(path, OTHERS_WRITE)?;
    let mut bytes = Vec::new();
    read(path, file, limit, &mut bytes)?;
    Ok(bytes)
}

/// Returns a secret that only this user or root can read or change, of at most `limit` bytes.
///
/// # Errors
///
/// When other users can read, change or replace it, or it is larger, unreadable, or not a regular
/// file.
pub fn read_private(path: &Utf8Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, GuardError> {
    read_secret(path, open(path, OTHERS)?, limit)
}

/// Same as [`read_private`], but reads an opened file or a pipe, which no other process reads.
///
/// # Errors
///
/// When the content exceeds the limit, or reading it fails.
pub fn read_secret(
    name: &Utf8Path,
    stream: impl io::Read,
    limit: u64,
) -> Result<Zeroizing<Vec<u8>>, GuardError> {
    // Allocate the full size: a vector that grows leaves copies of the secret behind.
    let room = usize::try_from(limit).map_err(io::Error::other)?.saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    read(name, stream, limit, &mut bytes)?;
    Ok(bytes)
}

fn open(path: &Utf8Path, forbidden: u32) -> Result<fs::File, GuardError> {
    // Check before opening, too: opening a device can have side effects.
    check_regular(path, &fsio::metadata(path)?)?;
    check_folders(path)?;
    let file = open_for_reading(path)?;
    check_file(path, &file.metadata()?, forbidden)?;
    Ok(file)
}

fn read(
    name: &Utf8Path,
    stream: impl io::Read,
    limit: u64,
    bytes: &mut Vec<u8>,
) -> Result<(), GuardError> {
    stream.take(limit.saturating_add(1)).read_to_end(bytes)?;
    if bytes.len() as u64 > limit {
        return Err(ReadFileError::TooLarge { path: name.to_owned(), limit }.into());
    }
    Ok(())
}

/// Checks that no other user can replace or remove the file at `path`.
///
/// Every folder on the way is checked: those in `path`, and those of each link target in turn. In a
/// folder where other users create files, such as `/tmp`, a link must belong to this user or root.
///
/// # Errors
///
/// When a folder or a link belongs to another user, when other users can change it, or when its
/// metadata cannot be read.
pub fn check_folders(path: &Utf8Path) -> Result<(), GuardError> {
    let user = rustix::process::geteuid().as_raw();
    let named = camino::absolute_utf8(path)?;
    let mut ahead: Vec<String> = names_from_last(&named).collect();
    let mut folder = Utf8PathBuf::from("/");
    let mut access = FolderAccess::of(&fs::metadata(&folder)?);
    let mut links = 0;

    while let Some(name) = ahead.pop() {
        access.check(&folder, user)?;
        if name == ".." {
            folder.pop();
            access = FolderAccess::of(&fs::metadata(&folder)?);
            continue;
        }
        let here = folder.join(&name);
        let metadata = match fs::symlink_metadata(&here) {
            // The file does not exist yet; its folder is checked already.
            Err(error) if error.kind() == io::ErrorKind::NotFound && ahead.is_empty() => {
                return Ok(());
            }
            asked => asked?,
        };
        if metadata.is_symlink() {
            links += 1;
            if links > LINKS_MAX {
                return Err(io::Error::other(format!(
                    "`{path}` goes through more than {LINKS_MAX} links"
                ))
                .into());
            }
            access.check_link(&here, metadata.uid(), user)?;
            let leads_to =
                Utf8PathBuf::try_from(fs::read_link(&here)?).map_err(io::Error::other)?;
            if leads_to.is_absolute() {
                folder = Utf8PathBuf::from("/");
                access = FolderAccess::of(&fs::metadata(&folder)?);
            }
            ahead.extend(names_from_last(&leads_to));
        } else if metadata.is_dir() {
            folder = here;
            access = FolderAccess::of(&metadata);
        }
    }
    Ok(())
}

/// Returns the components of a path from last to first.
fn names_from_last(path: &Utf8Path) -> impl Iterator<Item = String> {
    let names = path.components().rev().filter(|component| {
        matches!(component, Utf8Component::Normal(_) | Utf8Component::ParentDir)
    });
    names.map(|component| component.as_str().to_owned())
}

/// The owner, group and mode of a folder.
#[derive(Clone, Copy)]
struct FolderAccess {
    owner: u32,
    group: u32,
    mode: u32,
}

impl FolderAccess {
    fn of(metadata: &Metadata) -> Self {
        Self { owner: metadata.uid(), group: metadata.gid(), mode: metadata.mode() & 0o7777 }
    }

    /// Refuses a folder in which other users than `user` and root can rename files.
    fn check(self, folder: &Utf8Path, user: u32) -> Result<(), GuardError> {
        let Self { owner, mode, .. } = self;
        if is_other(owner, user) {
            return Err(GuardError::FolderOwner { folder: folder.to_owned(), owner, user });
        }
        if self.others_write() && mode & STICKY == 0 {
            return Err(GuardError::Folder { folder: folder.to_owned(), mode });
        }
        Ok(())
    }

    /// Refuses another user's link in a folder where other users can create links: the sticky bit
    /// protects existing names, not names that are still free.
    fn check_link(self, link: &Utf8Path, owner: u32, user: u32) -> Result<(), GuardError> {
        if self.others_write() && is_other(owner, user) {
            return Err(GuardError::Link { link: link.to_owned(), owner, user });
        }
        Ok(())
    }

    fn others_write(self) -> bool {
        // A group with the same number as a user is by convention private to that user, who often
        // makes such folders group-writable.
        let others =
            if self.group == self.owner { EVERYONE_WRITES } else { EVERYONE_WRITES | GROUP_WRITES };
        self.mode & others != 0
    }
}

fn is_other(owner: u32, user: u32) -> bool {
    owner != user && owner != 0 && !(owner == NOBODY && has_unmapped_users())
}

/// Returns whether the user namespace maps only some users, as in a sandbox. The kernel then
/// reports the owner of other users' files, even root's, as `nobody`.
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

    struct GuardedPath {
        _folder: tempfile::TempDir,
        folder: Utf8PathBuf,
        file: Utf8PathBuf,
    }

    fn place() -> GuardedPath {
        let keep = tempfile::tempdir().unwrap();
        let folder = Utf8PathBuf::from_path_buf(keep.path().to_owned()).unwrap().join("a");
        fs::create_dir(&folder).unwrap();
        let file = folder.join("trust.toml");
        fs::write(&file, "text").unwrap();
        set_mode(&folder, 0o755);
        set_mode(&file, 0o644);
        GuardedPath { _folder: keep, folder, file }
    }

    fn set_mode(path: &Utf8Path, mode: u32) {
        fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn file_writable_only_by_owner_is_read() {
        let GuardedPath { file, .. } = &place();
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
    fn file_writable_by_others_is_refused() {
        let GuardedPath { file, .. } = &place();
        for mode in [0o664, 0o646, 0o666, 0o620, 0o602] {
            set_mode(file, mode);
            let refused = read_guarded(file, 4).unwrap_err();
            assert!(
                matches!(refused, GuardError::Mode { mode: found, .. } if found == mode),
                "{refused}"
            );
            assert!(refused.remedy().unwrap().ends_with(&format!("chmod go-w {file}")));
        }
    }

    #[test]
    fn secret_readable_by_others_is_refused() {
        let GuardedPath { file, .. } = &place();
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
    fn secret_is_read_into_memory_once() {
        let bytes = read_secret("pipe".into(), &[7_u8; 100][..], 100).unwrap();

        assert_eq!((bytes.len(), bytes.capacity()), (100, 101));
        assert!(matches!(
            read_secret("pipe".into(), &[7_u8; 101][..], 100),
            Err(GuardError::Read(ReadFileError::TooLarge { limit: 100, .. }))
        ));
    }

    #[test]
    fn world_writable_folder_is_refused_even_behind_link() {
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
    fn folder_writable_by_group_or_other_user_is_refused() {
        let (user, other) = (1000, 1001);
        let fault =
            |owner, group, mode| FolderAccess { owner, group, mode }.check("a".into(), user).err();
        for (owner, group, mode) in [
            (user, user, 0o755),
            (0, 0, 0o755),
            (0, 50, 0o755),
            // A private group per user, as on Debian and Fedora.
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
            assert!(
                matches!(refused, Some(GuardError::FolderOwner { owner: 1001, .. })),
                "{mode:o}"
            );
        }
    }

    #[test]
    fn link_of_another_user_is_refused_only_where_others_make_links() {
        let (user, other) = (1000, 1001);
        let fault = |mode, owner| {
            FolderAccess { owner: 0, group: 0, mode }.check_link("a".into(), owner, user).err()
        };
        for (mode, owner) in
            [(0o1777, user), (0o1777, 0), (0o755, other), (0o1755, other), (0o1775, other)]
        {
            assert!(fault(mode, owner).is_none(), "{mode:o} {owner}");
        }
        let refused = fault(0o1777, other);
        assert!(matches!(refused, Some(GuardError::Link { owner: 1001, user: 1000, .. })));
    }

    #[test]
    fn policy_behind_foreign_link_in_sticky_folder_is_refused() {
        let GuardedPath { folder, file, .. } = &place();
        let shared = folder.join("shared");
        fs::create_dir(&shared).unwrap();
        set_mode(&shared, 0o1777);
        let link = shared.join("trust.toml");
        fs::os::unix::fs::symlink(file, &link).unwrap();
        fs::os::unix::fs::symlink(folder, shared.join("way")).unwrap();
        assert_eq!(read_guarded(&link, 4).unwrap(), b"text");
        if std::os::unix::fs::lchown(&link, Some(4711), Some(4711)).is_err() {
            return; // Only root may change the owner of a link.
        }
        std::os::unix::fs::lchown(shared.join("way"), Some(4711), Some(4711)).unwrap();

        for path in [&link, &shared.join("way/trust.toml")] {
            let refused = read_guarded(path, 4).unwrap_err();
            assert!(matches!(refused, GuardError::Link { owner: 4711, .. }), "{refused}");
        }
    }

    #[test]
    fn folder_between_two_links_counts() {
        let (here, between, there) = (place(), place(), place());
        let (first, second) = (here.folder.join("link"), between.folder.join("link"));
        fs::os::unix::fs::symlink(&there.file, &second).unwrap();
        fs::os::unix::fs::symlink(&second, &first).unwrap();
        assert_eq!(read_guarded(&first, 4).unwrap(), b"text");

        set_mode(&between.folder, 0o777);

        let refused = read_guarded(&first, 4).unwrap_err();
        assert!(matches!(refused, GuardError::Folder { mode: 0o777, .. }), "{refused}");
    }

    #[test]
    fn circular_link_is_error() {
        let GuardedPath { folder, .. } = &place();
        fs::os::unix::fs::symlink("round", folder.join("round")).unwrap();

        assert!(check_folders(&folder.join("round")).is_err());
    }

    #[test]
    fn non_regular_and_missing_files_are_distinguished() {
        let GuardedPath { folder, .. } = &place();

        assert!(matches!(
            read_guarded(folder, 4),
            Err(GuardError::Read(ReadFileError::NotRegular { .. }))
        ));
        assert!(read_guarded(&folder.join("none"), 4).unwrap_err().is_not_found());
    }
}
