//! Archives with an image layout behind the files: written like GNU tar, and every defect is
//! reported.

use std::io::{self, Write as _};

use relay_bundle::bundle::carried::Carried;
use relay_bundle::bundle::content::{BlobEntry, BlobVisitor, hash_only};
use relay_bundle::bundle::fault::{Fault, ReadError};
use relay_bundle::bundle::files::BundleFiles;
use relay_bundle::images::list::ImageList;
use relay_bundle::media::archive::{self, WriteError, Writer};
use relay_bundle::model::digest::Digest;
use relay_bundle::model::safe_path::SafePath;

use super::carried::{Images, carry, image_of, path_of};
use super::tar_records::records;
use super::{folder, gnu_tar, lay_out, put, small, written};

fn large() -> Vec<u8> {
    vec![b'c'; 1_000_001]
}

/// Returns two images: one with several blobs around the size of a block, and one that shares a
/// layer with it.
fn images() -> Images {
    let layers: [&[u8]; 4] = [b"shared", &[b'a'; 511], &[b'b'; 512], &large()];
    Images::of(&[
        ("r.example/x/one:1", &image_of(&layers)),
        ("redis:8", &image_of(&[b"shared", b"z"])),
    ])
}

fn with_list(images: &Images) -> BundleFiles {
    let mut files = small();
    files.add(SafePath::parse("images.json").unwrap(), images.list.to_bytes()).unwrap();
    files
}

/// Writes an archive with all blobs of its images.
fn written_with(images: &Images) -> Vec<u8> {
    let files = with_list(images);
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, None, &files, Some(&images.list)).unwrap();
    for (digest, content) in &images.contents {
        let path = SafePath::parse(&path_of(digest)).unwrap();
        let entry = BlobEntry { path: &path, bytes: content.len() as u64, digest: *digest };
        writer.carry(entry, &mut content.as_slice()).unwrap();
    }
    let total = writer.finish().unwrap();
    assert_eq!(total, bytes.len() as u64);
    let sizes = images.contents.values().map(|content| content.len() as u64);
    assert_eq!(total, archive::size(None, &files, Some(&images.list), sizes));
    bytes
}

fn check(
    tar: &[u8],
    images: Option<&ImageList>,
    visit: &mut BlobVisitor<'_>,
) -> Result<Carried, ReadError> {
    archive::open(tar)?.read_sums()?.into_files()?.read()?.1.check(images, visit)
}

fn skim(tar: &[u8], images: Option<&ImageList>) -> Result<Carried, ReadError> {
    archive::open(tar)?.read_sums()?.into_files()?.read()?.1.skim(images)
}

#[test]
fn archive_with_images_is_byte_for_byte_what_gnu_tar_writes() {
    let (folder, images) = (folder(), images());
    let mut names = lay_out(&folder.path, &with_list(&images), None);
    for (name, bytes) in images.layout() {
        put(&folder.path, &name, &bytes);
        names.push(name);
    }

    let theirs = gnu_tar(&folder.path, &["--format=ustar", "-b1"], &names);

    assert!(written_with(&images) == theirs);
}

#[test]
fn layout_index_has_exact_bytes() {
    let image = image_of(&[b"a"]);
    let images = Images::of(&[("redis:8", &image)]);
    let (digest, media_type) = (&image.manifest.digest, image.manifest.media_type);
    let size = image.manifest.bytes.len();
    let entry = |name: &str| {
        format!(
            "{{\"annotations\":{{\"io.containerd.image.name\":\"{name}\",\"org.opencontainers.image.ref.name\":\"{name}\"}},\
             \"digest\":\"{digest}\",\"mediaType\":\"{media_type}\",\"size\":{size}}}"
        )
    };
    let entries = ["docker.io/library/redis:8", &format!("docker.io/library/redis@{digest}")]
        .map(entry)
        .join(",");
    let wanted = format!(
        "{{\"manifests\":[{entries}],\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"schemaVersion\":2}}"
    );

    let tar = written_with(&images);

    let index = records(&tar).into_iter().find(|record| record.name == "index.json").unwrap();
    assert_eq!(std::str::from_utf8(&tar[index.content]).unwrap(), wanted);
}

#[test]
fn blobs_are_visited_once_in_digest_order() {
    let images = images();
    let mut shown = Vec::new();

    let carried = check(&written_with(&images), Some(&images.list), &mut |entry, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        assert_eq!(
            (entry.path.as_str(), entry.bytes),
            (&*path_of(&entry.digest), bytes.len() as u64)
        );
        shown.push((entry.digest, bytes));
        Ok(())
    })
    .unwrap();

    assert!(shown.iter().map(|(digest, bytes)| (digest, bytes)).eq(&images.contents));
    assert!(carried.digests().eq(images.contents.keys().copied()));
    assert_eq!(carried.missing(&images.list).count(), 0);
}

#[test]
fn partly_read_blob_is_hashed() {
    let images = images();
    let mut tar = written_with(&images);
    let at = tar.windows(4).position(|bytes| bytes == b"cccc").unwrap();
    tar[at + 900_000] ^= 1;
    let name = path_of(&Digest::of(&large()));
    let mut visits: [Box<BlobVisitor<'_>>; 2] = [
        Box::new(hash_only),
        Box::new(|entry, content| content.read_exact(&mut [0; 10][..entry.bytes.min(10) as usize])),
    ];

    for visit in &mut visits {
        let error = check(&tar, Some(&images.list), visit).unwrap_err();

        assert!(matches!(&error.fault, Fault::Tampered { path, .. } if *path == name), "{error}");
    }
    assert_eq!(skim(&tar, Some(&images.list)).unwrap().digests().len(), images.contents.len());
}

#[test]
fn copied_images_match_source() {
    let images = images();
    let (tar, files) = (written_with(&images), with_list(&images));
    let copy = |tar: &[u8]| {
        let mut bytes = Vec::new();
        let (_, tail) = archive::open(tar)?.read_sums()?.into_files()?.read()?;
        let writer = Writer::new(&mut bytes, None, &files, Some(&images.list))?;
        writer.copy_images(tail)?.finish()?;
        Ok::<_, WriteError>(bytes)
    };
    let mut spoilt = tar.clone();
    let at = tar.windows(4).position(|bytes| bytes == b"cccc").unwrap();
    spoilt[at] ^= 1;

    assert!(copy(&tar).unwrap() == tar);
    let error = copy(&spoilt).unwrap_err();

    assert!(
        matches!(error, WriteError::Source(ReadError { fault: Fault::Tampered { .. }, .. })),
        "{error:?}"
    );
}

/// Files of the image layout.
type Layout = Vec<(String, Vec<u8>)>;

/// Returns the content of a file of a layout.
fn bytes_of<'a>(layout: &'a mut Layout, name: &str) -> &'a mut Vec<u8> {
    &mut layout.iter_mut().find(|(found, _)| found == name).unwrap().1
}

/// A defect of a layout: its name, the edit, and the reader's errors with and without hashing.
type Defect<'a> = (&'a str, &'a dyn Fn(&mut Layout), &'a str, &'a str);

/// Returns an image with three layers, for edits of its layout.
fn three_layers() -> Images {
    Images::of(&[("redis:8", &image_of(&[b"a", b"b", b"c"]))])
}

/// Makes each edit of an image's layout, and compares the reader's errors.
#[track_caller]
fn are_named(images: &Images, table: &[Defect<'_>]) {
    let files = written(&with_list(images), None);
    for (what, edit, checked, skimmed) in table {
        let mut layout = images.layout();
        edit(&mut layout);
        let tar = carry(&files, &layout);
        let outcomes =
            [check(&tar, Some(&images.list), &mut hash_only), skim(&tar, Some(&images.list))];

        for (outcome, wanted) in outcomes.into_iter().zip([checked, skimmed]) {
            let found = outcome.map_or_else(|error| error.to_string(), |_| String::new());
            assert!(
                found.contains(wanted) && found.is_empty() == wanted.is_empty(),
                "{what}: {found}"
            );
        }
        // A bundle with unpinned images does not have a layout.
        assert_eq!(check(&tar, None, &mut hash_only).is_ok(), layout.is_empty(), "{what}");
    }
}

#[test]
fn each_defect_of_derived_layout_files_is_named() {
    let images = three_layers();
    let manifest = path_of(&images.manifest());
    let table: [Defect<'_>; 15] = [
        ("nothing", &|_| {}, "", ""),
        ("no layout", &Layout::clear, "", ""),
        (
            "no oci-layout",
            &|layout| drop(layout.remove(0)),
            "unexpected file `index.json`",
            "unexpected file",
        ),
        ("no index.json", &|layout| drop(layout.remove(1)), "unexpected file", "unexpected file"),
        ("blobs alone", &|layout| drop(layout.drain(..2)), "unexpected file", "unexpected file"),
        (
            "oci-layout alone",
            &|layout| layout.truncate(1),
            "`index.json` is missing",
            "`index.json` is missing",
        ),
        (
            "no blob",
            &|layout| layout.truncate(2),
            &format!("`{manifest}` is missing"),
            "is missing",
        ),
        (
            "no config and no layer",
            &|layout| layout.retain(|(name, _)| *name == manifest || !name.contains('/')),
            "`oci-layout` needs a config or a layer",
            "`oci-layout` needs a config or a layer",
        ),
        (
            "no manifest",
            &|layout| layout.retain(|(name, _)| *name != manifest),
            &format!("`{manifest}` is missing"),
            &format!("`{manifest}` is missing"),
        ),
        (
            "another oci-layout",
            &|layout| layout[0].1[25] = b'1',
            "`oci-layout` does not match images.json",
            "does not match images.json",
        ),
        (
            "a longer oci-layout",
            &|layout| layout[0].1.push(b'\n'),
            "`oci-layout` does not match images.json",
            "does not match images.json",
        ),
        (
            "another index.json",
            &|layout| layout[1].1[40] ^= 1,
            "`index.json` does not match images.json",
            "does not match images.json",
        ),
        (
            "a shorter index.json",
            &|layout| layout[1].1.truncate(100),
            "`index.json` does not match images.json",
            "does not match images.json",
        ),
        (
            "both twice",
            &|layout| layout.extend_from_within(..2),
            "unexpected file `oci-layout`",
            "unexpected file",
        ),
        (
            "in another order",
            &|layout| layout.swap(0, 1),
            "unexpected file `index.json`",
            "unexpected file",
        ),
    ];
    are_named(&images, &table);
}

#[test]
fn each_defect_of_layout_blobs_is_named() {
    let images = three_layers();
    let manifest = path_of(&images.manifest());
    let at_manifest =
        |layout: &Layout| layout.iter().position(|(name, _)| *name == manifest).unwrap();
    let blobs: Vec<String> = images.list.blobs().map(|(digest, _)| path_of(&digest)).collect();
    let at_blob = |layout: &Layout, number: usize| {
        layout.iter().position(|(name, _)| *name == blobs[number]).unwrap()
    };
    let unlisted = path_of(&Digest::of(b"unlisted"));
    let table: [Defect<'_>; 11] = [
        (
            "an altered blob",
            &|layout| bytes_of(layout, &blobs[2])[0] ^= 1,
            &format!("`{}` was altered: images.json lists", blobs[2]),
            "",
        ),
        (
            "an altered manifest",
            &|layout| bytes_of(layout, &manifest)[0] ^= 1,
            &format!("`{manifest}` was altered"),
            "",
        ),
        (
            "a longer blob",
            &|layout| bytes_of(layout, &blobs[0]).push(0),
            &format!("`{}` was altered: images.json lists ", blobs[0]),
            "was altered: images.json lists ",
        ),
        (
            "a shorter manifest",
            &|layout| bytes_of(layout, &manifest).truncate(100),
            &format!("`{manifest}` was altered: images.json lists "),
            "was altered: images.json lists ",
        ),
        (
            "contents that changed places",
            &|layout| {
                let (one, other) = (path_of(&Digest::of(b"a")), path_of(&Digest::of(b"b")));
                for (name, bytes) in layout.iter_mut() {
                    if *name == one {
                        *bytes = b"b".to_vec();
                    } else if *name == other {
                        *bytes = b"a".to_vec();
                    }
                }
            },
            "was altered: images.json lists",
            "",
        ),
        (
            "blobs out of order",
            &|layout| {
                let (one, other) = (at_blob(layout, 0), at_blob(layout, 1));
                layout.swap(one, other);
            },
            // If the manifest is between the two, it is reported as missing.
            "`blobs/sha256/",
            "`blobs/sha256/",
        ),
        (
            "a blob twice",
            &|layout| layout.insert(at_blob(layout, 1), layout[at_blob(layout, 1)].clone()),
            &format!("unexpected file `{}`", blobs[1]),
            "unexpected file",
        ),
        (
            "a manifest twice",
            &|layout| layout.insert(at_manifest(layout), layout[at_manifest(layout)].clone()),
            &format!("unexpected file `{manifest}`"),
            "unexpected file",
        ),
        (
            "a blob that is not listed",
            &|layout| {
                layout.push((unlisted.clone(), b"unlisted".to_vec()));
                layout[2..].sort();
            },
            &format!("unexpected file `{unlisted}`"),
            "unexpected file",
        ),
        (
            "a digest in capitals",
            &|layout| {
                let at = at_blob(layout, 0);
                layout[at].0 = layout[at].0.replace("sha256", "SHA256");
            },
            "unexpected file",
            "unexpected file",
        ),
        (
            "a file behind",
            &|layout| layout.push(("zzz".to_owned(), Vec::new())),
            "unexpected file `zzz`",
            "unexpected file `zzz`",
        ),
    ];
    are_named(&images, &table);
}

#[test]
fn any_bit_change_in_image_layout_is_refused() {
    let images = Images::of(&[("redis:8", &image_of(&[b"a", b"b"]))]);
    let files = written(&with_list(&images), None);
    let tar = carry(&files, &images.layout());
    let start = files.len() - 1024;
    let outcome = |tar: &[u8]| check(tar, Some(&images.list), &mut hash_only);
    assert!(outcome(&tar).is_ok());
    let contents: Vec<_> = records(&tar).into_iter().map(|record| record.content).collect();
    // Without optimisation, the test flips only one bit in each byte of headers and padding, a
    // different one from byte to byte.
    let bits = |at: usize| {
        let all = !cfg!(debug_assertions) || contents.iter().any(|content| content.contains(&at));
        if all { 0..8 } else { at % 8..at % 8 + 1 }
    };
    let (mut bad, mut refused) = (tar.clone(), 0);
    for at in start..tar.len() {
        for bit in bits(at) {
            bad[at] ^= 1 << bit;

            let fault = outcome(&bad).expect_err("a bit that does not count").fault;

            let expected = matches!(
                fault,
                Fault::Form { .. }
                    | Fault::Extra { .. }
                    | Fault::Missing { .. }
                    | Fault::Tampered { .. }
                    | Fault::Size { .. }
                    | Fault::NoHeader { .. }
                    | Fault::Truncated { .. }
            );
            assert!(expected, "bit {bit} of byte {at}: {fault}");
            bad[at] ^= 1 << bit;
            refused += 1;
        }
        let cut = outcome(&tar[..at]).unwrap_err();
        assert!(matches!(cut.fault, Fault::Truncated { .. }), "cut at {at}: {cut}");
    }
    assert_eq!(refused, (start..tar.len()).flat_map(bits).count());
    writeln!(io::stderr(), "image layout: {refused} flipped bits refused")
        .expect("standard error is open");
}

#[test]
fn manifest_is_parsed_only_after_its_bytes_were_good() {
    let image = image_of(&[b"a"]);
    let images = Images::of(&[("redis:8", &image)]);
    let manifest = path_of(&images.manifest());
    let spoilt = images.layout().into_iter().map(|(name, bytes)| {
        let bytes = if name == manifest { vec![b'['; bytes.len()] } else { bytes };
        (name, bytes)
    });
    let tar = carry(&written(&with_list(&images), None), &spoilt.collect::<Layout>());

    let error = check(&tar, Some(&images.list), &mut hash_only).unwrap_err();

    assert!(matches!(error.fault, Fault::Tampered { .. }), "{error}");
}
