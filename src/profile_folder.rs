//! A folder of profiles on disk, with the sealed files below it and its image lock.

use std::io::{self, ErrorKind};

use camino::{Utf8DirEntry, Utf8Path, Utf8PathBuf};

use crate::failure::Failure;
use crate::fsio::{self, ReadFileError};
use crate::images::lock::{LOCK_BYTES_MAX, LOCK_FILE};
use crate::model::text::Label;
use crate::profile::masking::Visibility;
use crate::profile::overlay::ProfileFiles;
use crate::profile::parse::TEXT_BYTES_MAX;

/// A folder of profiles.
pub struct ProfileFolder<'a> {
    path: &'a Utf8Path,
    state: FolderState,
}

/// The state of the files beside the profiles.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FolderState {
    /// Sealed files and the image lock are there, and checked with the profile.
    Ready,
    /// They may be missing, and are not read.
    Unprepared,
    /// The caller checks the sealed files.
    Unchecked,
}

impl<'a> ProfileFolder<'a> {
    /// Returns a folder from which bundles are built.
    pub fn new(path: &'a Utf8Path) -> Self {
        Self { path, state: FolderState::Ready }
    }

    /// Returns a folder whose sealed files and image lock may still be missing.
    pub fn unprepared(path: &'a Utf8Path) -> Self {
        Self { path, state: FolderState::Unprepared }
    }

    /// Returns a folder whose sealed files the caller checks.
    pub fn unchecked(path: &'a Utf8Path) -> Self {
        Self { path, state: FolderState::Unchecked }
    }
}

impl ProfileFolder<'_> {
    /// Returns whether a file is inside the folder after links are resolved, or does not exist.
    pub fn keeps(&self, path: &Utf8Path) -> bool {
        let (folder, file) = (self.path.canonicalize(), path.canonicalize());
        folder.ok().zip(file.ok()).is_none_or(|(folder, file)| file.starts_with(folder))
    }

    /// Returns the names of all profiles except `base`, which others extend.
    ///
    /// # Errors
    ///
    /// When the folder has no profile.
    pub fn buildable(&self) -> Result<Vec<String>, Failure> {
        let mut names = self.names();
        names.retain(|name| name != "base");
        if names.is_empty() {
            return Err(Failure::input(format!("folder `{}` has no profiles", self.path))
                .hint("pass the folder of the profiles: --profiles DIR"));
        }
        Ok(names)
    }

    fn toml(&self, name: &str) -> Utf8PathBuf {
        self.path.join(format!("{name}.toml"))
    }
}

impl ProfileFiles for ProfileFolder<'_> {
    fn profile(&self, name: &str) -> Result<(String, Vec<u8>), String> {
        let path = self.toml(name);
        let limit = u64::try_from(TEXT_BYTES_MAX).map_err(|error| error.to_string())?;
        let bytes = fsio::read_bounded(&path, limit).map_err(|error| error.to_string())?;
        Ok((path.into_string(), bytes))
    }

    fn visibility(&self, name: &str) -> Visibility {
        if self.keeps(&self.toml(name)) { Visibility::Lines } else { Visibility::Places }
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        if self.state == FolderState::Unprepared {
            return Ok(Vec::new());
        }
        let file = self.path.join(path);
        if !self.keeps(&file) {
            return Err(format!("`{file}` is a link to outside `{}`", self.path));
        }
        fsio::read_bounded(&file, 64 << 10).map_err(|error| error.to_string())
    }

    fn images_lock(&self) -> Result<Option<String>, String> {
        if self.state == FolderState::Unprepared {
            return Ok(None);
        }
        let path = self.path.join(LOCK_FILE);
        if !self.keeps(&path) {
            return Err(format!("`{path}` is a link to outside `{}`", self.path));
        }
        match fsio::read_bounded(&path, LOCK_BYTES_MAX) {
            Ok(bytes) => {
                String::from_utf8(bytes).map(Some).map_err(|_| format!("`{path}` is not UTF-8"))
            }
            // A dangling link is an error, unlike a missing lock file.
            Err(ReadFileError::Io(error))
                if error.kind() == ErrorKind::NotFound && !path.is_symlink() =>
            {
                Ok(None)
            }
            Err(error) => Err(error.to_string()),
        }
    }

    fn checks_sealed_files(&self) -> bool {
        self.state == FolderState::Ready
    }

    fn names(&self) -> Vec<String> {
        let Ok(entries) = self.path.read_dir_utf8() else { return Vec::new() };
        let name = |entry: io::Result<Utf8DirEntry>| {
            let path = entry.ok()?.into_path();
            let name = path.file_name()?.strip_suffix(".toml")?;
            // Editors leave files such as `.#dev.toml`, which no command could name.
            name.parse::<Label>().is_ok().then(|| name.to_owned())
        };
        let mut names: Vec<String> = entries.filter_map(name).collect();
        names.sort();
        names
    }
}
