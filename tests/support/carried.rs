//! A small profile with one locked image, and images that the tests make themselves.
//!
//! A test program that uses this module also declares `tar` of this folder at its root.
#![allow(dead_code, reason = "no test program uses everything")]

#[path = "oci/image.rs"]
pub(crate) mod image;

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use camino::Utf8Path;
use relay_bundle::bundle::assemble::assemble;
use relay_bundle::bundle::files::BundleFiles;
use relay_bundle::images::layout;
use relay_bundle::images::list::ImageList;
use relay_bundle::images::lock::{ImagesLock, LOCK_FILE, LockedImage};
use relay_bundle::images::manifest::MediaType;
use relay_bundle::images::platform::Platform;
use relay_bundle::images::reference::ImageReference;
use relay_bundle::model::digest::Digest;
use relay_bundle::profile;
use relay_bundle::profile_folder::ProfileFolder;
use relay_bundle::render::render;

use self::image::{Format, Image, Layer};
use crate::tar::{BLOCK, file};

/// The name and the text of a profile that runs one image.
pub(crate) const PROFILE: &str = "tiny";
pub(crate) const TINY: &str = r#"
[release]
name = "relay"
namespace = "relay"
recoveryRecipients = ["age1vw5psx0afg5ns8pgw25p5auz3c9qnmq7h3hcgchd4snllylqgyxqtufe3f"]

[config]
logLevel = "warn"

[redis]
enabled = false

[externalRedis]
host = "redis.example.com"

[storage.logs]
mode = "emptyDir"
"#;

/// The image of the profile before it is locked.
pub(crate) const SOURCE: &str = "ghcr.io/wei-shaw/claude-relay-service:v1.1.314";

/// Images with their content.
#[derive(Clone)]
pub(crate) struct Images {
    pub(crate) list: ImageList,
    /// Manifests, configs and layers.
    pub(crate) contents: BTreeMap<Digest, Vec<u8>>,
}

impl Images {
    /// Lists images by their names, which have no digest.
    pub(crate) fn of(images: &[(&str, &Image)]) -> Self {
        let locked: Vec<_> =
            images.iter().map(|(name, image)| (pinned(name, image), locked(image))).collect();
        let list = locked.iter().map(|(reference, image)| (reference.clone(), image));
        let contents = images.iter().flat_map(|(_, image)| image.contents());
        Self {
            list: ImageList::of(list).unwrap(),
            contents: contents
                .map(|content| (digest(&content.digest), content.bytes.clone()))
                .collect(),
        }
    }

    /// Returns the image of [`PROFILE`]: a config and two layers of a byte.
    pub(crate) fn tiny() -> Self {
        Self::of(&[(SOURCE, &Image::tiny(Format::Oci))])
    }

    /// Returns the files of the image layout in their order.
    pub(crate) fn layout(&self) -> Vec<(String, Vec<u8>)> {
        self.layout_without(&[])
    }

    /// Returns the image layout of an archive without some blobs.
    pub(crate) fn layout_without(&self, left_out: &[Digest]) -> Vec<(String, Vec<u8>)> {
        let derived = [
            ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
            ("index.json".to_owned(), layout::index(&self.list)),
        ];
        let carried = self.contents.iter().filter(|(digest, _)| !left_out.contains(digest));
        let carried = carried.map(|(digest, bytes)| (path_of(digest), bytes.clone()));
        derived.into_iter().chain(carried).collect()
    }

    /// Returns the only manifest.
    pub(crate) fn manifest(&self) -> Digest {
        self.list.manifests().next().unwrap().0
    }

    /// Writes the blobs into a store.
    pub(crate) fn store(&self, store: &Utf8Path) {
        for (digest, bytes) in &self.contents {
            put(&store.join(".blobs/sha256").join(digest.to_string()), bytes);
        }
    }
}

/// Returns the path of a manifest, config or layer in an archive.
pub(crate) fn path_of(digest: &Digest) -> String {
    format!("blobs/sha256/{digest}")
}

/// Reads a digest with `sha256:` in front.
pub(crate) fn digest(text: &str) -> Digest {
    text.strip_prefix("sha256:").unwrap().parse().unwrap()
}

/// Returns an image whose layers have these bytes.
pub(crate) fn image_of(layers: &[&[u8]]) -> Image {
    let layers = layers.iter().map(|bytes| Layer::opaque(Format::Oci, bytes)).collect();
    Image::of_layers(Format::Oci, image::AMD64, layers)
}

fn pinned(name: &str, image: &Image) -> ImageReference {
    name.parse::<ImageReference>().unwrap().pinned(digest(&image.manifest.digest))
}

/// Returns the entry of an image in a lock.
pub(crate) fn locked(image: &Image) -> LockedImage {
    let digest_of_manifest = digest(&image.manifest.digest);
    LockedImage {
        tagged: digest_of_manifest,
        digest: digest_of_manifest,
        media_type: MediaType::of(image.manifest.media_type).unwrap(),
        size: image.manifest.bytes.len() as u64,
        blobs: image
            .blobs
            .iter()
            .map(|blob| (digest(&blob.digest), blob.bytes.len() as u64))
            .collect(),
    }
}

/// Writes the lock of [`PROFILE`] into the folder of the profiles, and the profile if it does not
/// exist.
pub(crate) fn lock(profiles: &Utf8Path, image: LockedImage) {
    let profile = profiles.join(format!("{PROFILE}.toml"));
    if !profile.exists() {
        put(&profile, TINY.as_bytes());
    }
    let lock = ImagesLock {
        platform: Platform::default(),
        profiles: [PROFILE.parse().unwrap()].into(),
        images: [(SOURCE.parse().unwrap(), image)].into(),
    };
    put(&profiles.join(LOCK_FILE), lock.to_text().as_bytes());
}

/// Builds [`PROFILE`] with the image of [`Images::tiny`].
pub(crate) fn tiny_bundle() -> BundleFiles {
    bundle_of(locked(&Image::tiny(Format::Oci)))
}

/// Builds [`PROFILE`] with an image.
pub(crate) fn bundle_of(image: LockedImage) -> BundleFiles {
    let folder = tempfile::tempdir().unwrap();
    let folder = Utf8Path::from_path(folder.path()).unwrap();
    lock(folder, image);
    let loaded = profile::load(PROFILE, &[], &ProfileFolder::new(folder));
    let profile = loaded.profile.expect("the profile has no errors");
    assemble(&profile, &render(&profile)).expect("what is rendered makes a bundle").files
}

/// Appends an image layout to the files of an archive without one.
pub(crate) fn carry(archive: &[u8], layout: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (files, end) = archive.split_at(archive.len() - 2 * BLOCK);
    let layout: Vec<u8> = layout.iter().flat_map(|(name, bytes)| file(name, bytes)).collect();
    [files, &layout, end].concat()
}

/// Writes a file that others can read, independent of the umask.
pub(crate) fn put(path: &Utf8Path, bytes: &[u8]) {
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, bytes).unwrap();
    fs_err::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
}
