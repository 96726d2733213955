//! A good archive in pieces, for wrong reassembly; and files that are not archives.

use relay_bundle::bundle::files::BundleFiles;
use relay_bundle::model::digest::Digest;

use crate::carried::{self, Images};
use crate::program::Place;
use crate::shipped::{bundle, pack};
use crate::tar::{BLOCK, file, range};
use crate::tar_records::{Record, records};

/// The files of an archive, each with header, content and padding.
pub(crate) struct Tar {
    pub(crate) files: Vec<Vec<u8>>,
}

impl Tar {
    /// Takes the archive of the production profile apart.
    pub(crate) fn new() -> Self {
        Self::of(&bundle("production"))
    }

    fn of(files: &BundleFiles) -> Self {
        let bytes = pack(files, None);
        let again = |record: &Record| file(&record.name, &bytes[record.content.clone()]);
        let tar = Self { files: records(&bytes).iter().map(again).collect() };
        assert!(tar.bytes() == bytes);
        tar
    }

    /// Takes an archive with a carried image apart.
    pub(crate) fn with_images() -> Self {
        let mut tar = Self::new_tiny();
        tar.files.extend(Images::tiny().layout().iter().map(|(name, bytes)| file(name, bytes)));
        tar
    }

    /// Lists files of any name and content correctly, so that only the files can be wrong.
    pub(crate) fn listing(files: &[(&str, &[u8])]) -> Self {
        let line = |(name, content): &(&str, &[u8])| format!("{}  {name}\n", Digest::of(content));
        let sums: String = files.iter().map(line).collect();
        let listed = files.iter().map(|(name, content)| file(name, content));
        Self { files: [file("SHA256SUMS", sums.as_bytes())].into_iter().chain(listed).collect() }
    }

    /// Takes the same archive apart without its image.
    fn new_tiny() -> Self {
        Self::of(&carried::tiny_bundle())
    }

    /// Returns the name in the header of a file.
    fn name_of(&self, at: usize) -> String {
        let name = self.files[at][range("name")].iter().copied().take_while(|byte| *byte != 0);
        String::from_utf8(name.collect()).unwrap()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.files.concat();
        bytes.extend([0; 2 * BLOCK]);
        bytes
    }
}

#[test]
fn listed_path_that_bundle_cannot_have_is_refused() {
    type Files = &'static [(&'static str, &'static [u8])];
    const EVIL: &[u8] = b"evil\n";
    let Some(mut place) = Place::new() else { return };
    let table: [(Files, &str); 15] = [
        (&[("../evil", EVIL)], "line 1: path \"../evil\" has '.' at byte 0"),
        (&[("/etc/cron.d/evil", EVIL)], "line 1: path \"/etc/cron.d/evil\" has an empty segment"),
        (&[("manifests/../evil", EVIL)], "has '.' at byte 10"),
        (&[("SHA256SUMS", EVIL)], "has 'S' at byte 0"),
        (&[("attestation.dsse.json", EVIL)], "which is not a file of a bundle"),
        (&[("readme.md", EVIL)], "which is not a file of a bundle"),
        (&[("manifests/a/b.yaml", EVIL)], "which is not a file of a bundle"),
        (&[("Bundle.json", EVIL), ("bundle.json", EVIL)], "has 'B' at byte 0"),
        (&[("bundle.json", EVIL), ("bundle.json", EVIL)], "line 2 is not in canonical form"),
        (&[("recipe.json", EVIL), ("bundle.json", EVIL)], "line 1 is not in canonical form"),
        (&[("images/a", EVIL)], "which is not a file of a bundle"),
        (&[("oci-layout", EVIL)], "which is not a file of a bundle"),
        (&[("index.json", EVIL)], "which is not a file of a bundle"),
        (&[("blobs/sha256/a", EVIL)], "which is not a file of a bundle"),
        (&[("manifests/\u{1b}[31m", EVIL)], "has '\\u{1b}' at byte 10"),
    ];
    for (files, why) in table {
        place.refuses(&format!("{files:?}"), &Tar::listing(files).bytes(), why);
    }
    place.settle("listed names");
}

#[test]
fn files_that_are_twice_or_in_another_order_are_refused() {
    let Some(mut place) = Place::new() else { return };
    let last = Tar::new().files.len();
    for at in 0..last {
        for to in [0, at, last] {
            let mut tar = Tar::new();
            tar.files.insert(to, tar.files[at].clone());
            // A second list in front replaces the first one, which is then an unexpected file.
            place.refuses(
                &format!("{at} again at {to}"),
                &tar.bytes(),
                if to == 0 && at > 0 { "`SHA256SUMS` is missing" } else { "unexpected file" },
            );
        }
        let mut tar = Tar::new();
        tar.files.remove(at);
        place.refuses(&format!("without {at}"), &tar.bytes(), "is missing");
    }
    place.settle("duplicates and gaps");
}

#[test]
fn image_layout_with_files_that_are_twice_or_missing_is_refused() {
    let Some(mut place) = Place::new() else { return };
    let (start, last) = (Tar::new_tiny().files.len(), Tar::with_images().files.len());
    let manifest = carried::path_of(&Images::tiny().manifest());
    for at in start..last {
        let name = Tar::with_images().name_of(at);
        for to in [start, at, last] {
            let mut tar = Tar::with_images();
            tar.files.insert(to, tar.files[at].clone());
            place.refuses(
                &format!("{name} again at {to}"),
                &tar.bytes(),
                &format!("unexpected file `{name}`"),
            );
        }
        // Configs and layers may be absent.
        if name.starts_with("blobs/") && name != manifest {
            continue;
        }
        let mut tar = Tar::with_images();
        tar.files.remove(at);
        let why = if name == manifest { "is missing" } else { "unexpected file" };
        place.refuses(&format!("without {name}"), &tar.bytes(), why);
    }
    place.settle("image layouts");
}

#[test]
fn image_layout_without_image_list_is_refused() {
    let Some(mut place) = Place::new() else { return };
    let layout = Images::tiny().layout();
    for count in 1..=layout.len() {
        let mut tar = Tar::new();
        tar.files.extend(layout[..count].iter().map(|(name, bytes)| file(name, bytes)));
        place.refuses(&format!("{count} files"), &tar.bytes(), "unexpected file `oci-layout`");
    }
    place.settle("unlisted images");
}

#[test]
fn non_archive_input_is_refused() {
    let Some(mut place) = Place::new() else { return };
    let good = Tar::new().bytes();
    let program = fs_err::read(env!("CARGO_BIN_EXE_relay-bundle")).unwrap();
    let table: [(&str, &[u8], &str); 8] = [
        ("nothing", b"", "the input is empty"),
        ("a byte", b"{", "truncated"),
        ("almost a header", &good[..BLOCK - 1], "truncated"),
        ("a text", &b"apiVersion: v1\nkind: Namespace\n".repeat(100), "the header field `"),
        ("a program", &program, "the header field `"),
        ("an archive that begins a byte late", &[b" ", &good[..]].concat(), "the header field `"),
        ("an archive that zstd stored", &zstd(&good), "compressed with zstd"),
        (
            "a script before an archive",
            &[&b"#!/bin/sh\nexit\n"[..], &good].concat(),
            "the header field `",
        ),
    ];
    for (what, bytes, why) in table {
        place.refuses(what, bytes, why);
    }
    place.settle("no archives");
}

/// Returns a frame of Zstandard that stores `bytes` uncompressed.
fn zstd(bytes: &[u8]) -> Vec<u8> {
    let size = u32::try_from(bytes.len()).unwrap();
    let last_raw_block = (size << 3 | 1).to_le_bytes();
    [&[0x28, 0xb5, 0x2f, 0xfd, 0xa0], &size.to_le_bytes()[..], &last_raw_block[..3], bytes].concat()
}
