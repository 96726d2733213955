//! `bundle.json`, alone and in its bundle; and `recipe.json`.

use std::sync::LazyLock;

use proptest::prelude::*;
use relay_bundle::bundle::files::BundleFiles;
use relay_bundle::bundle::index::{Index, Source};
use relay_bundle::bundle::open::{Bundle, INDEX, RECIPE, read_index};
use relay_bundle::canonical::Canonical;
use relay_bundle::model::safe_path::SafePath;

use crate::for_all;
use crate::shipped::bundle;
use crate::text::{Edit, apply, edits};

const WORDS: [&str; 26] = [
    " ",
    "\n",
    "\u{feff}",
    ",",
    "\"",
    "{}",
    "[]",
    "null",
    "true",
    "0",
    "1.0",
    "1e0",
    "-0",
    "01",
    "9007199254740993",
    "18446744073709551616",
    "\"format\":1,",
    "\"format\":2,",
    "\"more\":1,",
    "\"keys\":[],",
    "\"length\":null,",
    "\"generated\"",
    "\"sealed\"",
    "\\u0000",
    "\u{e9}",
    "\\ud800",
];

static BUNDLE: LazyLock<BundleFiles> = LazyLock::new(|| bundle("production"));

/// Returns the files of the bundle with one of them damaged, and its manifests only if wanted.
fn damaged(name: &str, edits: &[Edit], with_manifests: bool) -> BundleFiles {
    let mut files = BundleFiles::default();
    for (path, file) in
        BUNDLE.iter().filter(|(path, _)| with_manifests || !path.as_str().contains('/'))
    {
        let mut bytes = file.bytes().to_vec();
        if path.as_str() == name {
            apply(edits, &mut bytes);
        }
        files.add(SafePath::parse(path.as_str()).unwrap(), bytes).unwrap();
    }
    files
}

fn bytes<'a>(files: &'a BundleFiles, name: &str) -> &'a [u8] {
    files.get(name).unwrap().bytes()
}

#[test]
fn accepted_index_is_rewritten_byte_for_byte() {
    assert!(read_index(&damaged(INDEX, &[], false)).is_ok());
    for_all(edits(&WORDS), |edits| {
        let files = damaged(INDEX, &edits, false);
        if let Ok(index) = read_index(&files) {
            let again = Canonical::of(&index).unwrap();
            prop_assert_eq!(again.as_bytes(), bytes(&files, INDEX));
        }
        Ok(())
    });
}

#[test]
fn recipe_is_accepted_only_if_it_matches_index() {
    for_all(edits(&WORDS), |edits| {
        let files = damaged(RECIPE, &edits, false);
        // Without manifests the bundle is always refused; the parser must not panic.
        prop_assert!(Bundle::of_files(files).is_err());
        Ok(())
    });
}

#[test]
fn confirmed_index_differs_at_most_in_source_of_secrets() {
    // The manifests confirm all the rest of the index.
    let told = |index: &Index| {
        let mut index = index.clone();
        for wanted in &mut index.contract {
            wanted.source = Source::Cluster;
            wanted
                .keys
                .iter_mut()
                .for_each(|key| (key.length, key.generation, key.file) = (None, None, None));
        }
        index
    };
    let original = Bundle::of_files(damaged(INDEX, &[], true)).unwrap().index;
    for_all(edits(&WORDS), |edits| {
        let files = damaged(INDEX, &edits, true);
        // Most damage is found without the manifests, which take longer.
        if read_index(&files).is_ok()
            && let Ok(bundle) = Bundle::of_files(files)
        {
            prop_assert_eq!(told(&bundle.index), told(&original));
        }
        Ok(())
    });
}
