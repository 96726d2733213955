//! The table of codes is complete: each code has an explanation and is reported somewhere.

use std::collections::BTreeSet;
use std::path::Path;

use relay_bundle::profile::codes;

/// Returns every string literal of the form `"RB0000"` below a folder.
fn used(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs_err::read_dir(folder).expect("the sources are there") {
        let path = entry.expect("the sources are there").path();
        if path.is_dir() {
            used(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !path.ends_with("codes.rs")
        {
            let text = fs_err::read_to_string(&path).expect("sources are text");
            let literals = text.split("\"RB").skip(1);
            let codes = literals.filter_map(|rest| rest.get(..5)?.strip_suffix('"'));
            found.extend(
                codes
                    .filter(|code| code.bytes().all(|b| b.is_ascii_digit()))
                    .map(|code| format!("RB{code}")),
            );
        }
    }
}

#[test]
fn used_and_explained_codes_are_identical() {
    let mut found = BTreeSet::new();
    used(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);

    let text = include_str!("../src/profile/codes.md");
    let headings = text.lines().filter_map(|line| line.strip_prefix("## ")?.split_once(' '));
    let explained: BTreeSet<String> = headings.map(|(code, _)| code.to_owned()).collect();
    let unknown = explained.iter().filter(|code| codes::find(code).is_none());
    assert_eq!(unknown.collect::<Vec<_>>(), Vec::<&String>::new(), "unknown to `explain`");

    assert!(found.len() > 80, "the scan found {} codes", found.len());
    assert_eq!(
        found.difference(&explained).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "without explanation"
    );
    assert_eq!(
        explained.difference(&found).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "reported by nothing"
    );
}
