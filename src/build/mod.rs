//! Builds bundles from profiles: into the store, signed or not, and from there into archives.
//!
//! | module | content |
//! |---|---|
//! | `archive`, `archive_files` | writes an entry of the store as one file, with images |
//! | `reproduce` | builds again in other processes, and compares every byte |
//! | `git_folder` | keeps rendered manifests in a folder for git |

pub mod archive;
pub mod archive_files;
pub mod event;
pub mod git_folder;
pub mod reproduce;

use std::collections::BTreeSet;

use camino::Utf8PathBuf;
use serde_json::Value;

use self::archive::EntryArchive;
use self::event::{BuildEvent, BuildObserver};
use self::reproduce::ProfileSource;
use crate::bundle::assemble::{Assembled, assemble};
use crate::bundle::carried::Carried;
use crate::bundle::derive::containers;
use crate::bundle::files::BundleFiles;
use crate::bundle::index::Index;
use crate::bundle::open::{Bundle, images_of};
use crate::failure::Failure;
use crate::fsio::Waits;
use crate::media::archive as tar;
use crate::media::images_at::fetch_line;
use crate::model::digest::Digest;
use crate::profile::resolve::Profile;
use crate::render;
use crate::render::manifest_set::ManifestSet;
use crate::render::references::pod_template;
use crate::rollout::packed_bundle::{COMPRESSED_BYTES_MAX, pack};
use crate::signing::entry::{BuildSigner, EntrySignatures, existing_signatures, sign_entry};
use crate::signing::target::SigningTarget;
use crate::store::{EntryName, EntryOutcome, Store, StoreLock};
use crate::transfer::cargo::{self, ImageSelection};

/// Builds bundles into a store.
pub struct Builder<'a> {
    pub store: &'a Store,
    pub signer: Option<&'a BuildSigner>,
    /// Where the profiles come from, to build each again in other processes.
    pub reproduce: Option<ProfileSource<'a>>,
    pub archives: Archives<'a>,
    pub waits: Waits,
    pub observe: &'a BuildObserver<'a>,
}

/// The archives that follow the build.
#[derive(Clone, Copy)]
pub enum Archives<'a> {
    None,
    /// The operator did not select images.
    WithoutImages,
    With(&'a ImageSelection),
}

/// A bundle in the store.
pub struct BuiltEntry {
    pub index: Index,
    pub path: Utf8PathBuf,
    pub content_id: Digest,
    pub outcome: EntryOutcome,
    pub signatures: EntrySignatures,
    entry: EntryName,
    selected: SelectedImages,
}

/// The images for the archive.
#[derive(Default)]
struct SelectedImages {
    carry: BTreeSet<Digest>,
    /// Keeps `gc` from removing them.
    _lock: Option<StoreLock>,
}

/// Builds the bundle of a profile in memory.
///
/// # Errors
///
/// When the profile exceeds a limit of bundles.
pub fn in_memory(profile: &Profile) -> Result<Bundle, Failure> {
    let assembled = assemble(profile, &render::render(profile)).map_err(Failure::input)?;
    Bundle::of_files(assembled.files).map_err(Failure::bug)
}

impl Builder<'_> {
    /// Builds the bundle of a profile, and signs it.
    ///
    /// # Errors
    ///
    /// When the profile exceeds a limit, images are missing, or the store or the signature fails.
    pub fn build(&self, profile: &Profile) -> Result<BuiltEntry, Failure> {
        let set = render::render(profile);
        let Assembled { index, files } = assemble(profile, &set).map_err(Failure::input)?;
        let name = profile.name.as_str();

        if let Some(source) = &self.reproduce {
            let builds = source.check(name, &files)?;
            (self.observe)(&BuildEvent::Reproduced { profile: name, builds });
        }
        check_recordable(&files)?;

        // The images are selected before anything is stored or signed.
        let selected = self.select_images(&index, &files, &set)?;

        // Held until the bundle is signed, so that the profile's link and the highest serial belong
        // to the same build.
        let serials = self.signer.map(|_| self.store.lock_serials()).transpose()?;
        let registered = self.store.register(&files, index.name.as_str(), name)?;
        if let EntryOutcome::Replaced { reason } = &registered.outcome {
            (self.observe)(&BuildEvent::EntryReplaced { reason });
        }

        let entry = registered.entry;
        let place = SigningTarget::entry(self.store.clone(), entry.clone(), self.waits.clone());
        let signatures = match self.signer {
            Some(signer) => sign_entry(self.store, &place, files, signer)?,
            None => existing_signatures(&place, registered.content_id)?,
        };

        drop(serials);
        for warning in &signatures.warnings {
            (self.observe)(&BuildEvent::Statement { warning });
        }
        Ok(BuiltEntry {
            index,
            path: registered.path,
            content_id: registered.content_id,
            outcome: registered.outcome,
            signatures,
            entry,
            selected,
        })
    }

    fn select_images(
        &self,
        index: &Index,
        files: &BundleFiles,
        set: &ManifestSet,
    ) -> Result<SelectedImages, Failure> {
        let wanted = match self.archives {
            Archives::None => return Ok(SelectedImages::default()),
            Archives::WithoutImages => &ImageSelection::None,
            Archives::With(wanted) => wanted,
        };
        if *wanted != ImageSelection::None {
            self.observe_pulls(set);
        }
        let images = images_of(files).map_err(Failure::bug)?;
        if matches!(self.archives, Archives::WithoutImages) && images.is_some() {
            (self.observe)(&BuildEvent::ArchiveWithoutImages);
        }
        let bundle = (index.name.as_str(), images.as_ref());
        let carry = cargo::choose(self.store.root(), bundle, wanted, &|event| {
            (self.observe)(&BuildEvent::Transfer(*event));
        })?;
        let Some(images) = &images else { return Ok(SelectedImages { carry, _lock: None }) };
        let fetch = fetch_line(self.store.root(), index.profile.as_str());
        let nothing = Carried::default();
        let lock = cargo::check_there(&self.store.blobs(), images, &carry, (&nothing, &fetch))?;
        Ok(SelectedImages { carry, _lock: lock })
    }

    /// Reports containers whose pull policy makes nodes ask a registry even for images that they
    /// have.
    fn observe_pulls(&self, set: &ManifestSet) {
        let templates = set.iter().filter_map(|manifest| pod_template(&manifest.object));
        let is_pulled = |container: &&Value| {
            container.get("imagePullPolicy").and_then(Value::as_str) == Some("Always")
        };
        let names: BTreeSet<&str> = templates
            .flat_map(containers)
            .filter(is_pulled)
            .filter_map(|container| container.get("name")?.as_str())
            .collect();
        if !names.is_empty() {
            let containers: Vec<&str> = names.into_iter().collect();
            (self.observe)(&BuildEvent::AlwaysPulled { containers: &containers });
        }
    }

    /// Reads a built bundle again, to write it as one file.
    ///
    /// # Errors
    ///
    /// When the entry cannot be read.
    pub fn archive(&self, built: &BuiltEntry) -> Result<EntryArchive, Failure> {
        EntryArchive::open(self.store, &built.entry, built.selected.carry.clone())
    }
}

/// Rejects a bundle that `apply` could not record in the cluster.
fn check_recordable(files: &BundleFiles) -> Result<(), Failure> {
    let mut archive = Vec::new();
    tar::write(&mut archive, None, files)?;
    // Compression takes time, and an archive within the limit fits even uncompressed.
    if archive.len() > COMPRESSED_BYTES_MAX {
        pack(&archive).map_err(Failure::input)?;
    }
    Ok(())
}
