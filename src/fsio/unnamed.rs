//! Files without a name: whatever ends the process, nothing of them is left.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};

/// Makes a file without a name in a folder; none where the file system has no such files, as FAT
/// has not, or where they could not be named later.
pub(super) fn create(folder: &Path) -> Option<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = File::from(open(folder, flags, Mode::RUSR | Mode::WUSR).ok()?);
    // Without /proc there is no way to name the file.
    place(&file).is_symlink().then_some(file)
}

/// Gives the file a name, which nothing may have yet.
pub(super) fn link(file: &File, path: &Path) -> io::Result<()> {
    Ok(linkat(CWD, place(file), CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

fn place(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}
