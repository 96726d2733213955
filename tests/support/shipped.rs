//! The profiles that the repository ships, as bundles in memory.

use camino::Utf8Path;
use relay_bundle::bundle::assemble::assemble;
use relay_bundle::bundle::files::BundleFiles;
use relay_bundle::media::archive;
use relay_bundle::profile;
use relay_bundle::profile_folder::ProfileFolder;
use relay_bundle::render::render;

/// Builds the bundle of a profile.
pub(crate) fn bundle(name: &str) -> BundleFiles {
    let loaded = profile::load(name, &[], &ProfileFolder::new(Utf8Path::new("profiles")));
    let profile = loaded.profile.expect("a shipped profile has no errors");
    assemble(&profile, &render(&profile)).expect("what is rendered makes a bundle").files
}

/// Writes files as an archive.
pub(crate) fn pack(files: &BundleFiles, attestation: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    archive::write(&mut bytes, attestation, files).expect("memory does not fail");
    bytes
}
