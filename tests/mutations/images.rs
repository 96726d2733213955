//! `images.json`, and its manifests and image layout.

use std::sync::LazyLock;

use proptest::prelude::*;
use relay_bundle::bundle::content::hash_only;
use relay_bundle::bundle::files::BundleFiles;
use relay_bundle::images::list::ImageList;
use relay_bundle::images::manifest::{ImageIndex, ImageManifest, MediaType};
use relay_bundle::media::archive;
use relay_bundle::model::digest::Digest;
use relay_bundle::model::safe_path::SafePath;

use crate::archive::for_damaged;
use crate::carried::image::{Format, Image};
use crate::carried::{Images, carry, image_of};
use crate::for_all;
use crate::shipped::pack;
use crate::text::{apply, edits};

const WORDS: [&str; 16] = [
    "\"",
    ",",
    "{",
    "[]",
    "null",
    "1e0",
    "\"size\":1,",
    "\"Layers\":[],",
    "\"manifests\":[],",
    "\"urls\":[\"https://a.example\"],",
    "\"data\":\"eA==\",",
    "sha256:",
    "sha512:",
    "application/vnd.oci.image.index.v1+json",
    "@sha256:",
    "\u{e9}",
];

static IMAGES: LazyLock<Images> = LazyLock::new(|| {
    Images::of(&[("redis:8", &image_of(&[b"a", b"b"])), ("quay.io/x/y:1", &image_of(&[b"a"]))])
});

static CARRYING: LazyLock<Vec<u8>> = LazyLock::new(|| carry(&without_images(), &IMAGES.layout()));

fn without_images() -> Vec<u8> {
    let mut files = BundleFiles::default();
    files.add(SafePath::parse("images.json").unwrap(), IMAGES.list.to_bytes()).unwrap();
    pack(&files, None)
}

#[test]
fn list_that_is_taken_is_written_again_byte_for_byte() {
    let list = IMAGES.list.to_bytes();
    for_all(edits(&WORDS), |edits| {
        let mut bytes = list.clone();
        apply(&edits, &mut bytes);
        if let Ok(read) = ImageList::parse(&bytes) {
            prop_assert_eq!(read.to_bytes(), bytes);
        }
        Ok(())
    });
}

#[test]
fn accepted_damaged_manifest_is_json_with_all_its_blobs() {
    let format = Format::Oci;
    let manifest = Image::tiny(format).manifest.bytes;
    let index = Image::index(format, "x").manifest.bytes;
    for_all(edits(&WORDS), |edits| {
        for original in [&manifest, &index] {
            let mut bytes = original.clone();
            apply(&edits, &mut bytes);
            ImageIndex::parse(&bytes, MediaType::OciIndex).ok();
            if let Ok(read) = ImageManifest::parse(&bytes, MediaType::OciManifest) {
                let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
                prop_assert_eq!(value["layers"].as_array().unwrap().len(), read.layers.len());
                prop_assert!(value.get("manifests").is_none());
            }
        }
        Ok(())
    });
}

#[test]
fn damaged_image_archive_is_refused_or_carries_subset() {
    for_damaged(&CARRYING, |bytes| {
        let read =
            archive::open(bytes).and_then(|opening| opening.read_sums()?.into_files()?.read());
        let carried = read.and_then(|(contents, tail)| {
            let bytes = contents.files.get("images.json").map(|file| file.bytes().to_vec());
            let list = bytes.and_then(|bytes| ImageList::parse(&bytes).ok());
            Ok((list.clone(), tail.check(list.as_ref(), &mut hash_only)?))
        });
        if let Ok((Some(list), carried)) = carried {
            prop_assert_eq!(&list, &IMAGES.list);
            let missing: Vec<Digest> = carried.missing(&list).map(|(digest, _)| digest).collect();
            let layout =
                if carried.is_empty() { Vec::new() } else { IMAGES.layout_without(&missing) };
            let wanted = carry(&without_images(), &layout);
            // An attestation in front is outside the content id.
            prop_assert!(bytes.ends_with(&wanted));
        }
        Ok(())
    });
}
