//! A profile with one locked image, whose blobs are in the store.

use camino::{Utf8Path, Utf8PathBuf};
use relay_bundle::images::list::ImageList;
use relay_bundle::model::digest::{Digest, Hasher};

pub(crate) use crate::carried::put;
use crate::carried::{self, Images, SOURCE, image_of, locked};
use crate::env::TestEnv;

/// Returns bytes without a short period.
pub(crate) fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at ^ (at >> 8) ^ (at >> 16)).to_le_bytes()[0]).collect()
}

pub(crate) fn store(env: &TestEnv) -> Utf8PathBuf {
    env.path().join("bundles")
}

/// Returns the path of a blob in the store.
pub(crate) fn stored(env: &TestEnv, bytes: &[u8]) -> Utf8PathBuf {
    store(env).join(".blobs/sha256").join(Digest::of(bytes).to_string())
}

/// Locks `tiny` to an image with these layers, and puts it into the store.
pub(crate) fn lock(env: &TestEnv, layers: &[&[u8]]) -> Images {
    let image = image_of(layers);
    carried::lock(&env.path().join("profiles"), locked(&image));
    let images = Images::of(&[(SOURCE, &image)]);
    images.store(&store(env));
    images
}

/// Builds the archive `big.tar`, which carries such layers.
pub(crate) fn with_layers(env: &TestEnv, layers: &[&[u8]]) -> Images {
    let images = lock(env, layers);
    env.build(&["tiny", "--archive", "big.tar", "--images", "all"]);
    images
}

/// Does the same with one layer of so many zeros, a sparse file in the store.
pub(crate) fn with_hole(env: &TestEnv, bytes: u64) {
    let zeros = vec![0; 1 << 20];
    let mut hasher = Hasher::default();
    (0..bytes >> 20).for_each(|_| hasher.update(&zeros));
    let hole = hasher.finish();
    let layer = format!(
        "{{\"digest\":\"sha256:{hole}\",\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"size\":{bytes}}}"
    );
    let mut image = image_of(&[]);
    let manifest = String::from_utf8(image.manifest.bytes).unwrap();
    let manifest = manifest.replace("\"layers\":[]", &format!("\"layers\":[{layer}]"));
    image.manifest = carried::image::Content::new(image.manifest.media_type, manifest.into_bytes());
    let mut locked = locked(&image);
    locked.blobs.insert(hole, bytes);
    let name = SOURCE.parse::<relay_bundle::images::reference::ImageReference>().unwrap();
    let list = ImageList::of([(name.pinned(locked.digest), &locked)]).unwrap();
    Images { list, ..Images::of(&[(SOURCE, &image)]) }.store(&store(env));
    carried::lock(&env.path().join("profiles"), locked);
    let path = store(env).join(".blobs/sha256").join(hole.to_string());
    put(&path, b"");
    fs_err::OpenOptions::new().write(true).open(path).unwrap().set_len(bytes).unwrap();
    env.build(&["tiny", "--archive", "big.tar", "--images", "all"]);
}

/// Returns the names in a folder.
pub(crate) fn names(folder: &Utf8Path) -> Vec<String> {
    let mut names: Vec<_> =
        folder.read_dir_utf8().unwrap().map(|item| item.unwrap().file_name().to_owned()).collect();
    names.sort();
    names
}
