//! Pins the images of profiles: resolves the tag of each image to a digest, and keeps the digests in
//! `images.lock`.

mod compare;
mod renew;

pub use compare::{LockComparison, UnlockedImage};
pub use renew::{LockChange, LockLine, Renewal, RenewalOptions, RenewedLock};

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::event::{TransferEvent, TransferObserver};
use crate::failure::Failure;
use crate::fsio::{Locked, Waits, lock_named};
use crate::images::lock::{ImagesLock, LOCK_FILE, RESTORE_LOCK};
use crate::images::reference::ImageReference;
use crate::model::text::Label;
use crate::profile::overlay::ProfileFiles;
use crate::profile::resolve::Profile;
use crate::profile_folder::ProfileFolder;

/// The images, and the profiles that use each.
pub type ImageUsers = BTreeMap<ImageReference, BTreeSet<Label>>;

/// The image lock of a folder of profiles.
pub struct LockFile<'a> {
    folder: &'a Utf8Path,
    path: Utf8PathBuf,
    /// Absent if the file does not exist.
    lock: Option<ImagesLock>,
    /// Keeps other processes from locking the profiles of this folder.
    _held: Option<Locked>,
}

impl<'a> LockFile<'a> {
    /// Reads the lock, to compare it.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is malformed.
    pub fn read(folder: &'a Utf8Path) -> Result<Self, Failure> {
        let path = folder.join(LOCK_FILE);
        let text = ProfileFolder::new(folder).images_lock().map_err(Failure::input)?;
        let parse = |text: String| {
            ImagesLock::parse(&text)
                .map_err(|error| Failure::input(error.at(path.as_str())).hint(RESTORE_LOCK))
        };
        let lock = text.map(parse).transpose()?;
        Ok(Self { folder, path, lock, _held: None })
    }

    /// Reads the lock, to replace it. A concurrent run waits, and extends the lock that this one
    /// writes.
    ///
    /// # Errors
    ///
    /// As [`LockFile::read`], and when the folder does not exist.
    pub fn hold(
        folder: &'a Utf8Path,
        waits: &Waits,
        observe: &TransferObserver<'_>,
    ) -> Result<Self, Failure> {
        if !folder.is_dir() {
            return Err(Failure::input(format!("folder `{folder}` does not exist"))
                .hint("pass the folder of the profiles: --profiles DIR"));
        }
        let held = lock_named(folder, waits)?;
        if let Locked::Unsupported(why) = held {
            observe(&TransferEvent::FolderUnlocked { folder, why });
        }
        Ok(Self { _held: Some(held), ..Self::read(folder)? })
    }

    /// Returns the profiles that the lock lists, and `names`; all profiles if it lists none.
    ///
    /// # Errors
    ///
    /// When the folder has no profile.
    pub fn listed(&self, names: &[Label]) -> Result<BTreeSet<Label>, Failure> {
        let mut listed: BTreeSet<Label> =
            self.lock.as_ref().map(|lock| lock.profiles.clone()).unwrap_or_default();
        listed.extend(names.iter().cloned());
        if listed.is_empty() && self.lock.is_some() {
            return Err(Failure::input(format!("`{}` lists no profile", self.path))
                .hint("pass the profiles to lock, or remove the file"));
        }
        if listed.is_empty() {
            let names = ProfileFolder::new(self.folder).buildable()?;
            listed.extend(names.into_iter().filter_map(|name| name.parse().ok()));
        }
        Ok(listed)
    }
}

/// Returns the images of profiles, by their sources.
///
/// Two sources may map to one name in the cluster: a build reports this, but only once both are
/// locked.
///
/// # Errors
///
/// When a source is not a reference.
pub fn image_users(profiles: &[Profile]) -> Result<ImageUsers, Failure> {
    let mut users = ImageUsers::new();
    for profile in profiles {
        for (_, image) in profile.settings.all_images() {
            let name: ImageReference = image
                .source
                .parse()
                .map_err(|error| Failure::input(format!("profile `{}`: {error}", profile.name)))?;
            users.entry(name).or_default().insert(profile.name.clone());
        }
    }
    Ok(users)
}
