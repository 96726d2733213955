//! The archive: written like GNU tar, byte for byte, and the only form that is read.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use relay_bundle::bundle::fault::{Fault, FormFault, ReadError};
use relay_bundle::bundle::files::BundleFiles;
use relay_bundle::bundle::read::Contents;
use relay_bundle::media::archive::{self, WriteError};
use relay_bundle::model::safe_path::SafePath;
use relay_bundle::store::folder;

#[path = "support/carried.rs"]
mod carried;
#[path = "archive/image_layout.rs"]
mod image_layout;
#[path = "support/tar.rs"]
mod tar;
#[path = "support/tar_records.rs"]
mod tar_records;

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

/// Writes the files to a folder, and returns their names in the order of an archive.
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

        assert!(
            written(&bundle(), attestation) == theirs,
            "with attestation: {}",
            attestation.is_some()
        );
    }
}

#[test]
fn gnu_tar_unpacks_archive_to_same_folder() {
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
fn archive_from_other_gnu_tar_options_is_refused() {
    let folder = folder();
    let names = lay_out(&folder.path, &small(), None);
    let header =
        |field| Fault::Form { name: "SHA256SUMS".to_owned(), form: FormFault::Header { field } };
    let table: [(&[&str], Fault); 9] = [
        (&["--format=gnu", "-b1"], header("magic")),
        (&["--format=v7", "-b1"], header("typeflag")),
        (&["--format=ustar", "-b1", "--mode=0600"], header("mode")),
        (&["--format=ustar", "-b1", "--mode=0755"], header("mode")),
        (&["--format=ustar", "-b1", "--owner=1"], header("uid")),
        (&["--format=ustar", "-b1", "--group=nobody:7"], header("gid")),
        (&["--format=ustar", "-b1", "--mtime=@1"], header("mtime")),
        (&["--format=posix", "-b1", "--pax-option=comment:=a"], header("typeflag")),
        (
            &["--format=ustar"],
            Fault::Form { name: "recipe.json".to_owned(), form: FormFault::TrailingData },
        ),
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
        Fault::Form { name, form: FormFault::Header { field } } => format!("{name} {field}"),
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
    assert_eq!(sums_read.content_id(), bundle().sums().content_id());
    let contents = sums_read.into_files().unwrap().read_to_end().unwrap();

    assert_eq!(contents.sums, bundle().sums());
    assert_eq!(contents.bytes, 2 + 511 + 512 + 513 + 1 + 70_000);
    assert_eq!(written(&contents.files, Some(&attestation)), bytes);
}

#[test]
fn nothing_is_parsed_before_caller_asks_for_files() {
    // The list is invalid, and no file follows. A caller that only checks a signature reaches
    // neither.
    let mut bytes = written(&small(), Some(b"attestation"));
    bytes[1536..].fill(b'?');

    let sums_read = archive::open(&bytes[..]).unwrap().read_sums().unwrap();

    assert_eq!(sums_read.attestation(), Some(&b"attestation"[..]));
    assert!(matches!(sums_read.into_files().unwrap_err().fault, Fault::Sums(_)));
}

/// The offsets of the parts of the archive of `small`: the header of the list, and of each file.
const SUMS_AT: usize = 0;
const BUNDLE_AT: usize = 1024;
const MANIFEST_AT: usize = 2048;
const RECIPE_AT: usize = 3072;
const END_AT: usize = 4096;

#[test]
fn each_defect_is_named_with_file_and_position() {
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
        (
            "no list",
            |tar| drop(tar.drain(..BUNDLE_AT)),
            "`SHA256SUMS` is missing (at byte 0 of the archive)",
        ),
        (
            "no tar",
            |tar| tar.fill(b'a'),
            "the header field `size` of an entry is not what this program writes",
        ),
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
            "`manifests/a.yaml` is followed by non-zero padding",
        ),
        (
            "cut in a file",
            |tar| tar.truncate(MANIFEST_AT + 520),
            "truncated in or after `manifests/a.yaml` (at byte 2048 ",
        ),
        (
            "cut in a header",
            |tar| tar.truncate(RECIPE_AT + 100),
            "truncated in or after `manifests/a.yaml` (at byte 3072 ",
        ),
        (
            "one end block",
            |tar| tar.truncate(END_AT + 512),
            "truncated in or after `recipe.json` (at byte 4608 ",
        ),
        (
            "a spoilt end block",
            |tar| *tar.last_mut().unwrap() = 1,
            "`recipe.json` is not followed by two zero blocks",
        ),
        (
            "one byte more",
            |tar| tar.push(0),
            "`recipe.json` is followed by data after the end of the archive (at byte 5120 ",
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
        // GNU tar itself writes the header of a sparse file.
        let folder = folder();
        put(&folder.path, name, b"");
        fs::File::options()
            .write(true)
            .open(folder.path.join(name))
            .unwrap()
            .set_len(bytes)
            .unwrap();
        let mut tar = gnu_tar(&folder.path, &["--format=ustar", "-b1"], &[name.to_owned()]);
        tar.truncate(512);
        tar
    };
    let table = [
        (
            "attestation.dsse.json",
            65_537,
            "`attestation.dsse.json` has 65537 bytes; the limit is 65536",
        ),
        ("SHA256SUMS", (4 << 20) + 1, "`SHA256SUMS` has 4194305 bytes; the limit is 4194304"),
        (
            "manifests/a.yaml",
            (1 << 20) + 1,
            "`manifests/a.yaml` has 1048577 bytes; the limit is 1048576",
        ),
    ];
    for (name, bytes, message) in table {
        let mut tar = written(&small(), None);
        let at = if name.starts_with("manifests") { MANIFEST_AT } else { SUMS_AT };
        tar.splice(at..at + 512, header(name, bytes));

        let found = read(&tar).unwrap_err().to_string();

        assert!(found.starts_with(message), "{found}");
    }
}

#[test]
fn failing_sink_is_not_reported_as_bad_bundle() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    /// Accepts the first bytes, and fails later, in the middle of a file.
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
    assert!(matches!(
        archive::write(io::sink(), Some(&too_large), &small()),
        Err(WriteError::Limit(_))
    ));
}

#[test]
fn failing_medium_is_not_reported_as_bad_bundle() {
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
