//! Compares a lock with the profiles that it lists.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{ImageUsers, LockFile};
use crate::failure::Failure;
use crate::images::lock::ImagesLock;
use crate::model::text::Label;
use crate::profile::resolve::Profile;

/// The differences between a lock and the profiles that it lists.
#[derive(Serialize)]
pub struct LockComparison {
    pub complete: bool,
    pub missing: Vec<UnlockedImage>,
    pub superfluous: Vec<String>,
    /// Versions and digests that disagree.
    pub notes: Vec<String>,
    /// The number of locked images.
    #[serde(skip)]
    pub locked: usize,
    #[serde(skip)]
    pub platform: String,
}

/// An image that the lock lacks, and the profiles that use it.
#[derive(Serialize)]
pub struct UnlockedImage {
    pub name: String,
    pub profiles: BTreeSet<Label>,
}

impl LockFile<'_> {
    /// Compares the lock with the profiles. Other inconsistencies between the lock and a profile
    /// are errors of the profile.
    ///
    /// # Errors
    ///
    /// When the lock does not exist.
    pub fn compare(
        &self,
        users: &ImageUsers,
        profiles: &[Profile],
    ) -> Result<LockComparison, Failure> {
        let lock = self.lock.as_ref().ok_or_else(|| {
            Failure::input(format!("`{}` does not exist", self.path))
                .hint("create it: relay-bundle lock")
        })?;
        let missing: Vec<UnlockedImage> = users
            .iter()
            .filter(|(name, _)| !lock.images.contains_key(*name))
            .map(|(name, profiles)| UnlockedImage {
                name: name.to_string(),
                profiles: profiles.clone(),
            })
            .collect();
        let superfluous = lock.images.keys().filter(|name| !users.contains_key(*name));
        let superfluous: Vec<String> = superfluous.map(ToString::to_string).collect();
        Ok(LockComparison {
            complete: missing.is_empty() && superfluous.is_empty(),
            missing,
            superfluous,
            notes: profiles.iter().filter_map(other_version).chain(other_digests(lock)).collect(),
            locked: lock.images.len(),
            platform: lock.platform.to_string(),
        })
    }
}

/// Returns a note if the tag of the relay's image differs from the release's version.
fn other_version(profile: &Profile) -> Option<String> {
    let settings = &profile.settings;
    let (version, tag) = (settings.release.app_version.as_str(), settings.image.tag.as_str());
    let is_other = !tag.is_empty() && tag != version;
    is_other.then(|| {
        format!("{}: release.appVersion is {version}, but image.tag is {tag}", profile.name)
    })
}

/// Returns a note for each pinned digest that differs from the digest of the same tag in the lock.
fn other_digests(lock: &ImagesLock) -> impl Iterator<Item = String> + '_ {
    lock.images.keys().filter_map(|name| {
        let (pinned, tagged) = (name.digest()?, name.without_digest());
        let found = lock.images.get(&tagged)?.tagged;
        (found != pinned)
            .then(|| format!("`{tagged}` was sha256:{found}, but a profile pins sha256:{pinned}"))
    })
}
