//! The archive: the same bytes as GNU tar writes, and nothing else is read.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use relay_bundle::archive::{self, WriteError, Writer};
use relay_bundle::bundle::carried::{Carried, Entry, Visitor, hash_only};
use relay_bundle::bundle::files::BundleFiles;
use relay_bundle::bundle::read::{Contents, Fault, Form, ReadError};
use relay_bundle::images::list::ImageList;
use relay_bundle::model::digest::Digest;
use relay_bundle::model::safe_path::SafePath;
use relay_bundle::store::folder;

use self::carried::{Images, carry, image_of, path_of};
use self::tar::records;

#[path = "support/carried.rs"]
mod carried;
#[path = "support/tar.rs"]
#[allow(dead_code, reason = "these tests change no headers")]
mod tar;

/// Files of every size around a block, and the longest path.
fn bundle() -> BundleFiles {
    let mut files = BundleFiles::default();
    let longest = format!("manifests/{}.yaml", "a".repeat(85));
    let table = [
        ("bundle.json", 2),
        ("manifests/00-ns-a.yaml", 511),
        ("manifests/00-ns-a-b.yaml", 512),
        ("manifests/10-cm-a.yaml", 513),
        (longest.as_str(), 1),
        ("recipe.json", 0),
        ("secrets/a.age", 70_000),
    ];
    for (path, bytes) in table {
        files.add(SafePath::parse(path).unwrap(), vec![b'x'; bytes]).unwrap();
    }
    files
}

fn small() -> BundleFiles {
    let mut files = BundleFiles::default();
    for path in ["bundle.json", "manifests/a.yaml", "recipe.json"] {
        files.add(SafePath::parse(path).unwrap(), path.as_bytes().to_vec()).unwrap();
    }
    files
}

fn written(files: &BundleFiles, attestation: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let total = archive::write(&mut bytes, attestation, files).unwrap();
    assert_eq!(total, bytes.len() as u64);
    bytes
}

fn read(bytes: &[u8]) -> Result<Contents, ReadError> {
    archive::open(bytes)?.read_sums()?.into_files()?.read_to_end()
}

fn refused(bytes: &[u8]) -> (Fault, Option<u64>) {
    let error = read(bytes).unwrap_err();
    (error.fault, error.offset)
}

struct Folder {
    _keep: tempfile::TempDir,
    path: Utf8PathBuf,
}

fn folder() -> Folder {
    let keep = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(keep.path().to_owned()).unwrap();
    Folder { _keep: keep, path }
}

fn put(folder: &Utf8Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
}

/// Packs the named files of a folder with GNU tar.
fn gnu_tar(folder: &Utf8Path, options: &[&str], names: &[String]) -> Vec<u8> {
    let output = assert_cmd::Command::new("tar")
        .args(["--owner=0", "--group=0", "--numeric-owner", "--mode=0644", "--mtime=@0"])
        .args(options)
        .args(["-cf", "-"])
        .args(names)
        .current_dir(folder)
        .unwrap();
    output.stdout
}

/// Lays the files out in a folder, and returns the names in the order of an archive.
fn lay_out(folder: &Utf8Path, files: &BundleFiles, attestation: Option<&[u8]>) -> Vec<String> {
    let mut names = Vec::new();
    let sums = files.sums().encode();
    let first = attestation.map(|bytes| ("attestation.dsse.json", bytes));
    let rest = files.iter().map(|(path, file)| (path.as_str(), file.bytes()));
    for (name, bytes) in first.into_iter().chain([("SHA256SUMS", sums.as_bytes())]).chain(rest) {
        put(folder, name, bytes);
        names.push(name.to_owned());
    }
    names
}

#[test]
fn archive_equals_gnu_tar() {
    for attestation in [None, Some(&b"{\"payload\":\"\"}"[..])] {
        let folder = folder();
        let names = lay_out(&folder.path, &bundle(), attestation);

        let theirs = gnu_tar(&folder.path, &["--format=ustar", "-b1"], &names);

        assert!(written(&bundle(), attestation) == theirs, "with attestation: {}", attestation.is_some());
    }
}

#[test]
fn gnu_tar_unpacks_an_archive_to_the_same_folder() {
    let folder = folder();
    put(&folder.path, "a.tar", &written(&bundle(), None));
    fs::create_dir(folder.path.join("out")).unwrap();

    assert_cmd::Command::new("tar")
        .args(["-xpf", "../a.tar"])
        .current_dir(folder.path.join("out"))
        .assert()
        .success();

    let unpacked = folder::open(&folder.path.join("out")).unwrap().read_sums().unwrap();
    assert_eq!(unpacked.content_id(), bundle().sums().content_id());
}

#[test]
fn what_other_options_of_gnu_tar_write_is_refused() {
    let folder = folder();
    let names = lay_out(&folder.path, &small(), None);
    let header = |field| Fault::Form { name: "SHA256SUMS".to_owned(), form: Form::Header { field } };
    let table: [(&[&str], Fault); 9] = [
        (&["--format=gnu", "-b1"], header("magic")),
        (&["--format=v7", "-b1"], header("typeflag")),
        (&["--format=ustar", "-b1", "--mode=0600"], header("mode")),
        (&["--format=ustar", "-b1", "--mode=0755"], header("mode")),
        (&["--format=ustar", "-b1", "--owner=1"], header("uid")),
        (&["--format=ustar", "-b1", "--group=nobody:7"], header("gid")),
        (&["--format=ustar", "-b1", "--mtime=@1"], header("mtime")),
        (&["--format=posix", "-b1", "--pax-option=comment:=a"], header("typeflag")),
        (&["--format=ustar"], Fault::Form { name: "recipe.json".to_owned(), form: Form::TrailingData }),
    ];
    for (options, wanted) in table {
        let (fault, offset) = refused(&gnu_tar(&folder.path, options, &names));

        let same = match (&fault, &wanted) {
            (Fault::Form { name, form }, Fault::Form { name: wanted_name, form: wanted_form }) => {
                form == wanted_form && (name == wanted_name || options.contains(&"--format=posix"))
            }
            _ => false,
        };
        assert!(same, "{options:?}: {fault:?}");
        assert!(offset.is_some(), "{options:?}");
    }
}

#[test]
fn links_folders_and_devices_are_refused() {
    let folder = folder();
    let mut names = lay_out(&folder.path, &small(), None);
    fs::remove_file(folder.path.join("recipe.json")).unwrap();
    let options = ["--format=ustar", "-b1"];
    let typeflag = |bytes: &[u8]| match refused(bytes).0 {
        Fault::Form { name, form: Form::Header { field } } => format!("{name} {field}"),
        other => panic!("{other:?}"),
    };

    fs::os::unix::fs::symlink("/etc/passwd", folder.path.join("recipe.json")).unwrap();
    assert_eq!(typeflag(&gnu_tar(&folder.path, &options, &names)), "recipe.json typeflag");

    fs::remove_file(folder.path.join("recipe.json")).unwrap();
    fs::hard_link(folder.path.join("bundle.json"), folder.path.join("recipe.json")).unwrap();
    assert_eq!(typeflag(&gnu_tar(&folder.path, &options, &names)), "recipe.json typeflag");

    fs::remove_file(folder.path.join("recipe.json")).unwrap();
    assert_cmd::Command::new("mkfifo").arg(folder.path.join("recipe.json")).assert().success();
    assert_eq!(typeflag(&gnu_tar(&folder.path, &options, &names)), "recipe.json typeflag");

    names.insert(2, "manifests".to_owned());
    assert_eq!(typeflag(&gnu_tar(&folder.path, &options, &names)), "manifests/ typeflag");
}

#[test]
fn reading_gives_back_what_was_written() {
    let attestation = vec![b'a'; 1000];
    let bytes = written(&bundle(), Some(&attestation));

    let opening = archive::open(&bytes[..]).unwrap();
    assert_eq!(opening.attestation(), Some(&attestation[..]));
    let sums_read = opening.read_sums().unwrap();
    assert_eq!(sums_read.attestation(), Some(&attestation[..]));
    assert_eq!(sums_read.sums_bytes(), bundle().sums().encode().as_bytes());
    assert_eq!(sums_read.content_id(), bundle().sums().content_id());
    let contents = sums_read.into_files().unwrap().read_to_end().unwrap();

    assert_eq!(contents.sums, bundle().sums());
    assert_eq!(contents.bytes, 2 + 511 + 512 + 513 + 1 + 70_000);
    assert_eq!(written(&contents.files, Some(&attestation)), bytes);
}

#[test]
fn nothing_is_parsed_before_the_caller_asks_for_the_files() {
    // The list is nonsense, and no file follows: whoever only wants to check a signature does not meet either.
    let mut bytes = written(&small(), Some(b"attestation"));
    bytes[1536..].fill(b'?');

    let sums_read = archive::open(&bytes[..]).unwrap().read_sums().unwrap();

    assert_eq!(sums_read.attestation(), Some(&b"attestation"[..]));
    assert!(matches!(sums_read.into_files().unwrap_err().fault, Fault::Sums(_)));
}

/// Where the parts of the archive of `small` begin: header of the list, and of each file.
const SUMS_AT: usize = 0;
const BUNDLE_AT: usize = 1024;
const MANIFEST_AT: usize = 2048;
const RECIPE_AT: usize = 3072;
const END_AT: usize = 4096;

#[test]
fn each_defect_is_named_with_its_file_and_place() {
    type Edit = fn(&mut Vec<u8>);
    let table: [(&str, Edit, &str); 17] = [
        ("nothing", |tar| tar.clear(), "the input is empty"),
        (
            "only the end",
            |tar| drop(tar.drain(..END_AT)),
            "`SHA256SUMS` is missing (at byte 0 of the archive)",
        ),
        (
            "zeros first",
            |tar| drop(tar.splice(..0, [0; 512])),
            "`SHA256SUMS` is missing (at byte 0 of the archive)",
        ),
        ("no list", |tar| drop(tar.drain(..BUNDLE_AT)), "`SHA256SUMS` is missing (at byte 0 of the archive)"),
        ("no tar", |tar| tar.fill(b'a'), "has a header whose field `size` is not what this program writes"),
        (
            "other content",
            |tar| tar[MANIFEST_AT + 512] ^= 1,
            "`manifests/a.yaml` was altered: SHA256SUMS lists ",
        ),
        (
            "a missing file",
            |tar| drop(tar.drain(MANIFEST_AT..RECIPE_AT)),
            "`manifests/a.yaml` is missing (at byte 2048 ",
        ),
        (
            "a missing last file",
            |tar| drop(tar.drain(RECIPE_AT..END_AT)),
            "`recipe.json` is missing (at byte 3072 ",
        ),
        (
            "a file twice",
            |tar| tar.extend_from_within_at(BUNDLE_AT, MANIFEST_AT),
            "unexpected file `bundle.json` (at byte 2048 ",
        ),
        (
            "the last file twice",
            |tar| tar.extend_from_within_at(RECIPE_AT, END_AT),
            "unexpected file `recipe.json` (at byte 4096 ",
        ),
        (
            "the list twice",
            |tar| tar.extend_from_within_at(SUMS_AT, BUNDLE_AT),
            "unexpected file `SHA256SUMS` (at byte 1024 ",
        ),
        (
            "padding",
            |tar| tar[RECIPE_AT - 1] = 1,
            "`manifests/a.yaml` is followed by padding that is not zero",
        ),
        (
            "cut in a file",
            |tar| tar.truncate(MANIFEST_AT + 520),
            "cut short, in `manifests/a.yaml` or after it (at byte 2048 ",
        ),
        (
            "cut in a header",
            |tar| tar.truncate(RECIPE_AT + 100),
            "cut short, in `manifests/a.yaml` or after it (at byte 3072 ",
        ),
        (
            "one end block",
            |tar| tar.truncate(END_AT + 512),
            "cut short, in `recipe.json` or after it (at byte 4608 ",
        ),
        (
            "a spoilt end block",
            |tar| *tar.last_mut().unwrap() = 1,
            "`recipe.json` is not followed by two zero blocks",
        ),
        (
            "one byte more",
            |tar| tar.push(0),
            "`recipe.json` is followed by more data after the end of the archive (at byte 5120 ",
        ),
    ];
    assert_eq!(written(&small(), None).len(), END_AT + 1024);
    for (what, edit, message) in table {
        let mut bytes = written(&small(), None);
        edit(&mut bytes);

        let found = read(&bytes).unwrap_err().to_string();

        assert!(found.contains(message), "{what}: {found}");
    }
}

trait RepeatWithin {
    /// Inserts the bytes from `from` to `to` again, at `to`.
    fn extend_from_within_at(&mut self, from: usize, to: usize);
}

impl RepeatWithin for Vec<u8> {
    fn extend_from_within_at(&mut self, from: usize, to: usize) {
        let part = self[from..to].to_vec();
        self.splice(to..to, part);
    }
}

#[test]
fn impossible_size_is_refused_early() {
    let header = |name: &str, bytes: u64| {
        // GNU tar itself writes the header, of a file of holes.
        let folder = folder();
        put(&folder.path, name, b"");
        fs::File::options().write(true).open(folder.path.join(name)).unwrap().set_len(bytes).unwrap();
        let mut tar = gnu_tar(&folder.path, &["--format=ustar", "-b1"], &[name.to_owned()]);
        tar.truncate(512);
        tar
    };
    let table = [
        ("attestation.dsse.json", 65_537, "`attestation.dsse.json` has 65537 bytes, and 65536 are allowed"),
        ("SHA256SUMS", (4 << 20) + 1, "`SHA256SUMS` has 4194305 bytes, and 4194304 are allowed"),
        ("manifests/a.yaml", (1 << 20) + 1, "`manifests/a.yaml` has 1048577 bytes, and 1048576 are allowed"),
    ];
    for (name, bytes, message) in table {
        let mut tar = written(&small(), None);
        let at = if name.starts_with("manifests") { MANIFEST_AT } else { SUMS_AT };
        tar.splice(at..at + 512, header(name, bytes));

        let found = read(&tar).unwrap_err().to_string();

        assert!(found.starts_with(message), "{found}");
    }
}

fn large() -> Vec<u8> {
    vec![b'c'; 1_000_001]
}

/// Two images: one of several blobs around the size of a block, and one that shares a layer with it.
fn images() -> Images {
    let layers: [&[u8]; 4] = [b"shared", &[b'a'; 511], &[b'b'; 512], &large()];
    Images::of(&[("r.example/x/one:1", &image_of(&layers)), ("redis:8", &image_of(&[b"shared", b"z"]))])
}

fn with_list(images: &Images) -> BundleFiles {
    let mut files = small();
    files.add(SafePath::parse("images.json").unwrap(), images.list.to_bytes()).unwrap();
    files
}

/// Writes an archive with everything of its images.
fn written_with(images: &Images) -> Vec<u8> {
    let files = with_list(images);
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, None, &files, Some(&images.list)).unwrap();
    for (digest, content) in &images.contents {
        let path = SafePath::parse(&path_of(digest)).unwrap();
        let entry = Entry { path: &path, bytes: content.len() as u64, digest: *digest };
        writer.carry(entry, &mut content.as_slice()).unwrap();
    }
    let total = writer.finish().unwrap();
    assert_eq!(total, bytes.len() as u64);
    let sizes = images.contents.values().map(|content| content.len() as u64);
    assert_eq!(total, archive::size(None, &files, Some(&images.list), sizes));
    bytes
}

fn check(tar: &[u8], images: Option<&ImageList>, visit: &mut Visitor<'_>) -> Result<Carried, ReadError> {
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
fn index_of_the_layout_has_exactly_these_bytes() {
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
    let entries =
        ["docker.io/library/redis:8", &format!("docker.io/library/redis@{digest}")].map(entry).join(",");
    let wanted = format!(
        "{{\"manifests\":[{entries}],\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"schemaVersion\":2}}"
    );

    let tar = written_with(&images);

    let index = records(&tar).into_iter().find(|record| record.name == "index.json").unwrap();
    assert_eq!(std::str::from_utf8(&tar[index.content]).unwrap(), wanted);
}

#[test]
fn blobs_are_shown_once_in_the_order_of_their_digests() {
    let images = images();
    let mut shown = Vec::new();

    let carried = check(&written_with(&images), Some(&images.list), &mut |entry, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        assert_eq!((entry.path.as_str(), entry.bytes), (&*path_of(&entry.digest), bytes.len() as u64));
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
    let mut visits: [Box<Visitor<'_>>; 2] = [
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
fn copied_images_are_those_of_the_source() {
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

/// What is done to a layout: its name, the edit, and what a reader says with and without hashing.
type Defect<'a> = (&'a str, &'a dyn Fn(&mut Layout), &'a str, &'a str);

/// An image with three layers, whose layout is changed.
fn three_layers() -> Images {
    Images::of(&[("redis:8", &image_of(&[b"a", b"b", b"c"]))])
}

/// Changes the layout of an image in each of these ways, and compares what a reader says.
#[track_caller]
fn are_named(images: &Images, table: &[Defect<'_>]) {
    let files = written(&with_list(images), None);
    for (what, edit, checked, skimmed) in table {
        let mut layout = images.layout();
        edit(&mut layout);
        let tar = carry(&files, &layout);
        let outcomes = [check(&tar, Some(&images.list), &mut hash_only), skim(&tar, Some(&images.list))];

        for (outcome, wanted) in outcomes.into_iter().zip([checked, skimmed]) {
            let found = outcome.map_or_else(|error| error.to_string(), |_| String::new());
            assert!(found.contains(wanted) && found.is_empty() == wanted.is_empty(), "{what}: {found}");
        }
        // A bundle whose images are not pinned has no layout.
        assert_eq!(check(&tar, None, &mut hash_only).is_ok(), layout.is_empty(), "{what}");
    }
}

#[test]
fn each_defect_of_the_derived_files_of_a_layout_is_named() {
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
        ("no blob", &|layout| layout.truncate(2), &format!("`{manifest}` is missing"), "is missing"),
        (
            "no config and no layer",
            &|layout| layout.retain(|(name, _)| *name == manifest || !name.contains('/')),
            "`oci-layout` is there without a config or a layer",
            "`oci-layout` is there without a config or a layer",
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
            "`oci-layout` does not have the bytes",
            "bytes",
        ),
        (
            "a longer oci-layout",
            &|layout| layout[0].1.push(b'\n'),
            "`oci-layout` does not have the bytes",
            "bytes",
        ),
        (
            "another index.json",
            &|layout| layout[1].1[40] ^= 1,
            "`index.json` does not have the bytes",
            "bytes",
        ),
        (
            "a shorter index.json",
            &|layout| layout[1].1.truncate(100),
            "`index.json` does not have the bytes",
            "bytes",
        ),
        (
            "both twice",
            &|layout| layout.extend_from_within(..2),
            "unexpected file `oci-layout`",
            "unexpected file",
        ),
        ("in another order", &|layout| layout.swap(0, 1), "unexpected file `index.json`", "unexpected file"),
    ];
    are_named(&images, &table);
}

#[test]
fn each_defect_of_the_blobs_of_a_layout_is_named() {
    let images = three_layers();
    let manifest = path_of(&images.manifest());
    let at_manifest = |layout: &Layout| layout.iter().position(|(name, _)| *name == manifest).unwrap();
    let blobs: Vec<String> = images.list.blobs().map(|(digest, _)| path_of(&digest)).collect();
    let at_blob =
        |layout: &Layout, number: usize| layout.iter().position(|(name, _)| *name == blobs[number]).unwrap();
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
            // Where the manifest stands between the two, it is the one that is missed.
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
fn every_bit_of_an_image_layout_counts() {
    let images = Images::of(&[("redis:8", &image_of(&[b"a", b"b"]))]);
    let files = written(&with_list(&images), None);
    let tar = carry(&files, &images.layout());
    let start = files.len() - 1024;
    let outcome = |tar: &[u8]| check(tar, Some(&images.list), &mut hash_only);
    assert!(outcome(&tar).is_ok());
    let contents: Vec<_> = records(&tar).into_iter().map(|record| record.content).collect();
    // Unoptimised code flips one bit of each byte of headers and padding, another one from byte to byte.
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
    writeln!(io::stderr(), "image layout: {refused} flipped bits refused").expect("standard error is open");
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

#[test]
fn failing_sink_is_no_bad_bundle() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    /// Takes the first bytes, and fails later: in the middle of a file.
    struct FullLater(usize);
    impl Write for FullLater {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            if taken == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    for error in [
        archive::write(Full, None, &small()).unwrap_err(),
        archive::write(FullLater(1600), None, &small()).unwrap_err(),
        archive::write(FullLater(END_AT), None, &small()).unwrap_err(),
    ] {
        assert!(
            matches!(&error, WriteError::Output(error) if error.kind() == io::ErrorKind::StorageFull),
            "{error:?}"
        );
    }
    let too_large = vec![0; 65_537];
    assert!(matches!(archive::write(io::sink(), Some(&too_large), &small()), Err(WriteError::Limit(_))));
}

#[test]
fn failing_medium_is_no_bad_bundle() {
    /// A disk with a bad sector.
    struct Bad;
    impl Read for Bad {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("bad sector"))
        }
    }
    let tar = written(&small(), None);
    for good in [0, 100, 600, BUNDLE_AT + 515, BUNDLE_AT + 600, END_AT + 3, END_AT + 1024] {
        let read = archive::open(tar[..good].chain(Bad))
            .and_then(|opening| opening.read_sums()?.into_files()?.read_to_end());

        assert!(matches!(read.unwrap_err().fault, Fault::Io(_)), "{good}");
    }
}
