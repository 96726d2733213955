//! The files for the archives of a build.

use camino::{Utf8Path, Utf8PathBuf};

use crate::failure::Failure;
use crate::media::archive::ArchiveTarget;

/// Where the archives of a build are written.
#[derive(Clone, Copy, Debug)]
pub enum ArchiveFiles<'a> {
    None,
    /// One file, for the only bundle.
    One(&'a Utf8Path),
    /// A folder, which gets a file for each profile.
    Folder(&'a Utf8Path),
}

impl ArchiveFiles<'_> {
    /// Rejects files that cannot be written, before any work is done. Creates the folder.
    ///
    /// # Errors
    ///
    /// When a file cannot be written, or several bundles would be written to one.
    pub fn check(&self, profiles: &[String], store: &Utf8Path) -> Result<(), Failure> {
        match self {
            Self::One(_) if profiles.len() > 1 => {
                return Err(Failure::input("--archive writes one bundle, but several are built")
                    .hint("write them into a folder: --archives DIR"));
            }
            Self::Folder(folder) => fs_err::create_dir_all(folder)?,
            Self::None | Self::One(_) => {}
        }
        for profile in profiles {
            if let Some(path) = self.path_of(profile) {
                self.target(&path, &format!("{profile}.tar")).check(store)?;
            }
        }
        Ok(())
    }

    /// Returns the path of a profile's archive, if one is written.
    pub fn path_of(&self, profile: &str) -> Option<Utf8PathBuf> {
        match self {
            Self::None => None,
            Self::One(path) => Some((*path).to_owned()),
            Self::Folder(folder) => Some(folder.join(format!("{profile}.tar"))),
        }
    }

    /// Returns the target at a path. `example` is a valid path, for hints.
    pub fn target<'b>(&self, path: &'b Utf8Path, example: &'b str) -> ArchiveTarget<'b> {
        let option = if let Self::Folder(_) = self { "--archives: " } else { "--archive " };
        ArchiveTarget { path, option, example }
    }
}
