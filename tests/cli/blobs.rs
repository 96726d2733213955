//! Bundles with large files, made by hand: no command adds them yet.

use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use relay_bundle::bundle::sums::Sums;
use relay_bundle::model::digest::{Digest, Hasher};
use relay_bundle::model::safe_path::SafePath;

use crate::env::TestEnv;

pub(crate) fn put(path: &Utf8Path, bytes: &[u8]) {
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, bytes).unwrap();
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
}

/// Bytes that differ from place to place.
pub(crate) fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at ^ (at >> 8) ^ (at >> 16)).to_le_bytes()[0]).collect()
}

/// Copies the newest build of `web` to the folder `big`, and adds blobs.
pub(crate) fn with_blobs(env: &TestEnv, blobs: &[(&str, &[u8])]) -> Utf8PathBuf {
    let folder = folder(env);
    for (name, bytes) in blobs {
        put(&folder.join("images").join(name), bytes);
        add(&folder, &format!("images/{name}"), Digest::of(bytes));
    }
    folder
}

/// The same with one blob of so many zeros, which take no room.
pub(crate) fn with_hole(env: &TestEnv, bytes: u64) -> Utf8PathBuf {
    let folder = folder(env);
    put(&folder.join("images/hole"), b"");
    fs_err::OpenOptions::new().write(true).open(folder.join("images/hole")).unwrap().set_len(bytes).unwrap();
    let zeros = vec![0; 1 << 20];
    let mut hasher = Hasher::default();
    (0..bytes >> 20).for_each(|_| hasher.update(&zeros));
    add(&folder, "images/hole", hasher.finish());
    folder
}

fn folder(env: &TestEnv) -> Utf8PathBuf {
    let entry = env.build(&["web"]);
    let folder = env.path().join("big");
    let status = std::process::Command::new("cp").args(["-a", entry.as_str(), folder.as_str()]).status();
    assert!(status.unwrap().success());
    folder
}

fn add(folder: &Utf8Path, name: &str, digest: Digest) {
    let list = folder.join("SHA256SUMS");
    let sums = Sums::parse(&fs_err::read(&list).unwrap()).unwrap();
    let mut entries: std::collections::BTreeMap<_, _> =
        sums.iter().map(|(path, digest)| (path.clone(), digest)).collect();
    entries.insert(SafePath::parse(name).unwrap(), digest);
    put(&list, Sums::new(entries).unwrap().encode().as_bytes());
}

/// The names in a folder.
pub(crate) fn names(folder: &Utf8Path) -> Vec<String> {
    let mut names: Vec<_> =
        folder.read_dir_utf8().unwrap().map(|item| item.unwrap().file_name().to_owned()).collect();
    names.sort();
    names
}
