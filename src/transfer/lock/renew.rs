//! Looks up images, and writes the lock.

use std::collections::BTreeSet;

use camino::Utf8PathBuf;
use serde::Serialize;

use super::{ImageUsers, LockFile};
use crate::failure::Failure;
use crate::fsio::{Durability, MODE_PUBLIC, write_atomic};
use crate::images::lock::{ImagesLock, LockedImage};
use crate::images::platform::Platform;
use crate::images::reference::ImageReference;
use crate::model::text::Label;
use crate::profile::overlay::ProfileFiles;
use crate::profile_folder::ProfileFolder;
use crate::registry::Registry;
use crate::registry::error::{RegistryError, RegistryFault};
use crate::transfer::event::{TransferEvent, TransferObserver};

/// The changes that a new lock makes.
pub struct RenewalOptions {
    /// The images to look up again, by repository or reference; all if the list is empty. `None`
    /// looks up only images that are not locked.
    pub update: Option<Vec<String>>,
    /// The platform to pin, if it is not that of the lock.
    pub platform: Option<Platform>,
}

/// A new lock before it is written.
pub struct Renewal<'a> {
    file: LockFile<'a>,
    new: ImagesLock,
    /// The images to look up.
    sought: Vec<ImageReference>,
}

/// The content of the lock after a run.
#[derive(Serialize)]
pub struct RenewedLock {
    pub path: Utf8PathBuf,
    pub platform: String,
    pub profiles: BTreeSet<Label>,
    pub images: Vec<LockLine>,
}

/// An image in the lock, or one that was removed from it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LockLine {
    pub change: LockChange,
    pub name: String,
    /// Absent for a removed image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The previously locked digest, if it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_digest: Option<String>,
    pub blobs: usize,
    pub bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum LockChange {
    Added,
    Kept,
    Moved,
    Removed,
}

impl<'a> LockFile<'a> {
    /// Begins a new lock for `profiles`: locked images are kept, unless the options select them.
    ///
    /// # Errors
    ///
    /// When the options name no image, or another platform without looking up every image.
    pub fn renew(
        self,
        profiles: BTreeSet<Label>,
        users: &ImageUsers,
        options: &RenewalOptions,
    ) -> Result<Renewal<'a>, Failure> {
        let none = ImagesLock::default();
        let old = self.lock.as_ref().unwrap_or(&none);
        let platform = options.platform_beside(old)?;
        options.check_names(users, &ProfileFolder::new(self.folder))?;
        let kept =
            |name: &&ImageReference| old.images.contains_key(*name) && !options.updates(name);
        let (kept, sought): (Vec<&ImageReference>, Vec<&ImageReference>) =
            users.keys().partition(kept);
        let kept = kept.into_iter().map(|name| (name.clone(), old.images[name].clone()));
        let new = ImagesLock { platform, profiles, images: kept.collect() };
        Ok(Renewal { new, sought: sought.into_iter().cloned().collect(), file: self })
    }
}

impl RenewalOptions {
    fn platform_beside(&self, old: &ImagesLock) -> Result<Platform, Failure> {
        let wanted = self.platform.clone().unwrap_or_else(|| old.platform.clone());
        if wanted != old.platform && !old.images.is_empty() && self.update.as_deref() != Some(&[]) {
            return Err(Failure::input(format!(
                "the lock is for {}, not for {wanted}",
                old.platform
            ))
            .hint(format!("update every image: relay-bundle lock --platform {wanted} --update")));
        }
        Ok(wanted)
    }

    /// Rejects names that match no image.
    fn check_names(&self, users: &ImageUsers, folder: &ProfileFolder<'_>) -> Result<(), Failure> {
        let mut names = self.update.iter().flatten();
        let Some(name) = names.find(|name| !users.keys().any(|image| is_named(image, name))) else {
            return Ok(());
        };
        let failure = Failure::input(format!("no listed profile has the image `{name}`"));
        if folder.names().contains(name) {
            return Err(failure.hint(format!(
                "to update every image of the listed profiles: relay-bundle lock {name} --update"
            )));
        }
        let images: Vec<String> = users.keys().map(ToString::to_string).collect();
        Err(failure.hint(format!("the images are {}", images.join(", "))))
    }

    fn updates(&self, image: &ImageReference) -> bool {
        match self.update.as_deref() {
            None => false,
            Some([]) => true,
            Some(names) => names.iter().any(|name| is_named(image, name)),
        }
    }
}

/// Returns whether a name in `--update` is the image's reference or its repository.
fn is_named(image: &ImageReference, name: &str) -> bool {
    image.to_string() == name || image.name() == name || image.full().name() == name
}

impl Renewal<'_> {
    /// Returns whether images must be looked up.
    pub fn needs_registry(&self) -> bool {
        !self.sought.is_empty()
    }

    /// Looks up the images that are not kept.
    ///
    /// # Errors
    ///
    /// When a registry does not answer, or lacks an image.
    pub fn look_up(
        &mut self,
        registry: &Registry,
        observe: &TransferObserver<'_>,
    ) -> Result<(), Failure> {
        for name in &self.sought {
            observe(&TransferEvent::LookingUp { image: name });
            compare_tag(registry, name, observe);
            let found = registry
                .resolve(name, &self.new.platform)
                .map_err(|error| explain_pin(name, error))?;
            self.new.images.insert(name.clone(), found);
        }
        Ok(())
    }

    /// Writes the lock, and returns its changes.
    ///
    /// # Errors
    ///
    /// When the profiles have too many images for one lock, or the disk fails.
    pub fn write(self) -> Result<RenewedLock, Failure> {
        let text = self.new.to_text();
        check_text(&text)?;
        write_atomic(&self.file.path, text.as_bytes(), MODE_PUBLIC, Durability::Synced)?;
        Ok(self.renewed())
    }

    fn renewed(self) -> RenewedLock {
        let (old, new) = (self.file.lock.unwrap_or_default(), self.new);
        let gone = old.images.keys().filter(|name| !new.images.contains_key(*name));
        let locked = new.images.iter().map(|(name, image)| LockLine::of(name, image, &old));
        RenewedLock {
            path: self.file.path,
            platform: new.platform.to_string(),
            images: locked.chain(gone.map(LockLine::removed)).collect(),
            profiles: new.profiles,
        }
    }
}

impl LockLine {
    fn of(name: &ImageReference, image: &LockedImage, old: &ImagesLock) -> Self {
        let before = old.images.get(name).map(|before| before.digest);
        let change = match before {
            None => LockChange::Added,
            Some(before) if before == image.digest => LockChange::Kept,
            Some(_) => LockChange::Moved,
        };
        let moved = before.filter(|_| change == LockChange::Moved);
        Self {
            change,
            name: name.to_string(),
            digest: Some(image.digest.prefixed()),
            old_digest: moved.map(|digest| digest.prefixed()),
            blobs: image.blobs.len(),
            bytes: image.blobs.values().sum(),
        }
    }

    fn removed(name: &ImageReference) -> Self {
        Self {
            change: LockChange::Removed,
            name: name.to_string(),
            digest: None,
            old_digest: None,
            blobs: 0,
            bytes: 0,
        }
    }
}

/// Adds a hint about the origin of a pinned digest that the registry lacks.
fn explain_pin(name: &ImageReference, error: RegistryError) -> Failure {
    let is_gone = matches!(error.why, RegistryFault::Gone(digest) if name.digest() == Some(digest));
    let failure = Failure::from(error);
    if !is_gone {
        return failure;
    }
    let hint = "the profile, or a default, pins this digest: change it to the registry's digest, \
                or to \"\" for that of the tag";
    Failure { hints: vec![hint.to_owned()], ..failure }
}

/// Compares the tag beside a pinned digest with the digest.
fn compare_tag(registry: &Registry, name: &ImageReference, observe: &TransferObserver<'_>) {
    let (Some(pinned), Some(_)) = (name.digest(), name.tag()) else { return };
    let tag = &name.without_digest();
    match registry.pull_manifest(tag) {
        Ok(found) if found.digest != pinned => {
            observe(&TransferEvent::TagMoved { tag, found: found.digest, pinned });
        }
        Ok(_) => {}
        Err(error) => observe(&TransferEvent::TagUnknown { tag, error: &error }),
    }
}

/// Checks the limits of a lock before its file is replaced.
fn check_text(text: &str) -> Result<(), Failure> {
    ImagesLock::parse(text).map(drop).map_err(|error| {
        Failure::input(format!("cannot lock these profiles in one file: {error}"))
            .hint("keep some profiles in another folder (--profiles DIR)")
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::images::lock::IMAGES_MAX;
    use crate::images::manifest::MediaType;
    use crate::model::digest::Digest;

    #[test]
    fn lock_over_limit_is_not_written() {
        let digest = Digest::of(b"manifest");
        let image = LockedImage {
            tagged: digest,
            digest,
            media_type: MediaType::OciManifest,
            size: 1,
            blobs: BTreeMap::from([(Digest::of(b"config"), 1)]),
        };
        let images = (0..=IMAGES_MAX)
            .map(|number| (format!("x/y:{number}").parse().unwrap(), image.clone()));
        let lock = ImagesLock { images: images.collect(), ..ImagesLock::default() };

        let failure = check_text(&lock.to_text()).unwrap_err();

        assert_eq!(
            failure.source.to_string(),
            "cannot lock these profiles in one file: 65 images, at most 64"
        );
        assert_eq!(failure.hints, ["keep some profiles in another folder (--profiles DIR)"]);
    }
}
