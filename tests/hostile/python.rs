//! Archives written by Python's tarfile, through `archives.py`.

use std::collections::BTreeMap;
use std::process::Command;

use camino::Utf8Path;

use crate::archives::Tar;
use crate::program::Place;
use crate::tools::find;

/// The accepted archives: the others are refused for their faults, not for their writer.
const GOOD: [&str; 2] = ["good", "good-pax"];

/// Prefixes of the archives' names, and the errors that refuse them.
const WHY: [(&str, &str); 25] = [
    ("name-not-utf8", "field `name`"),
    ("name-prefix", "field `prefix`"),
    ("name-", "unexpected file"),
    ("duplicate", "unexpected file"),
    ("type-", "field `typeflag`"),
    ("link-then-file", "`manifests` has a header whose field `typeflag`"),
    ("field-mode", "field `mode`"),
    ("field-setuid", "field `mode`"),
    ("field-uid", "field `uid`"),
    ("field-gid", "field `gid`"),
    ("field-mtime", "field `mtime`"),
    ("field-uname", "field `uname`"),
    ("field-gname", "field `gname`"),
    ("field-linkname", "field `linkname`"),
    ("gnu-base-256-uid", "field `uid`"),
    ("gnu-base-256-mtime", "field `mtime`"),
    ("gnu-base-256-size", "field `size`"),
    ("gnu", "field `magic`"),
    ("pax-", "`././@PaxHeader` has a header whose field"),
    ("blocking-20", "data after the end"),
    ("concatenated", "data after the end"),
    ("gzip", "compressed with gzip"),
    ("bzip2", "compressed with bzip2"),
    ("xz", "compressed with xz"),
    ("", "has a header whose field"),
];

#[test]
fn tarfile_output_beyond_plain_archive_is_refused() {
    let (Some(mut place), Some(python)) = (Place::new(), find("python3", "python3")) else {
        return;
    };
    // Tarfile can also read and write an archive with images.
    for good in [Tar::new().bytes(), Tar::with_images().bytes()] {
        let folder = tempfile::tempdir().unwrap();
        let archives = written(&python, Utf8Path::from_path(folder.path()).unwrap(), &good);
        assert!(archives.len() >= 60, "{}", archives.len());

        for (name, bytes) in archives {
            if GOOD.contains(&name.as_str()) {
                assert!(bytes == good, "{name} is another archive");
                continue;
            }
            let (_, why) = WHY.iter().find(|(start, _)| name.starts_with(start)).unwrap();
            place.refuses(&name, &bytes, why);
        }
    }
    place.settle("archives of Python's tarfile");
}

/// Has Python write its archives, and returns them by name.
fn written(python: &std::path::Path, folder: &Utf8Path, good: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let input = folder.join("input");
    let output = folder.join("output");
    fs_err::write(&input, good).unwrap();
    fs_err::create_dir(&output).unwrap();
    let status = Command::new(python)
        .args(["tests/hostile/archives.py", input.as_str(), output.as_str()])
        .status();
    assert!(status.unwrap().success());
    let files = output.read_dir_utf8().unwrap().map(Result::unwrap);
    files
        .map(|file| {
            (file.path().file_stem().unwrap().to_owned(), fs_err::read(file.path()).unwrap())
        })
        .collect()
}
