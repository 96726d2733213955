//! Every file in the folder of the snapshots is read by a test.

use std::collections::BTreeSet;

use walkdir::WalkDir;

use crate::transcript::SAVED;

/// The files that name snapshots.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots");

/// Returns the names that tests pass to `snapshot`.
fn names() -> BTreeSet<String> {
    let sources = WalkDir::new(SOURCES).into_iter().map(Result::unwrap);
    let sources = sources.filter(|file| file.path().extension().is_some_and(|end| end == "rs"));
    let mut names = BTreeSet::new();
    for source in sources {
        let text = fs_err::read_to_string(source.path()).unwrap();
        // The name may be on a separate line.
        let text = text.split_whitespace().collect::<String>();
        let calls = text.split("snapshot(\"").skip(1);
        names.extend(calls.filter_map(|call| call.split('"').next()).map(str::to_owned));
    }
    names
}

#[test]
fn snapshot_without_test_fails() {
    let names = names();
    let files = fs_err::read_dir(SAVED).unwrap().map(Result::unwrap);
    let files = files.filter(|entry| entry.file_type().unwrap().is_file());

    let orphans: Vec<String> = files
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|file| file.strip_suffix(".snap").is_none_or(|name| !names.contains(name)))
        .collect();

    assert!(orphans.is_empty(), "no test reads these files; delete them: {orphans:?}");
    assert!(names.len() > 40, "only {} names were found", names.len());
}
