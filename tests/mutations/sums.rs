//! `SHA256SUMS`.

use std::sync::LazyLock;

use proptest::prelude::*;
use relay_bundle::bundle::sums::Sums;

use crate::for_all;
use crate::shipped::bundle;
use crate::text::{apply, edits};

const WORDS: [&str; 24] = [
    "  ",
    " *",
    "\t",
    "\n",
    "\r\n",
    "\0",
    "\u{feff}",
    "\\",
    "/",
    "//",
    "../",
    "./",
    ".",
    "a/",
    "blobs/",
    "manifests/",
    "secrets/a.age",
    "bundle.json",
    "SHA256SUMS",
    "attestation.dsse.json",
    "\u{e9}",
    "e\u{301}",
    "0000000000000000000000000000000000000000000000000000000000000000  images.json\n",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff  secrets/z.age\n",
];

static LIST: LazyLock<String> = LazyLock::new(|| bundle("production").sums().encode());

#[test]
fn accepted_list_is_rewritten_byte_for_byte() {
    assert!(Sums::parse(LIST.as_bytes()).is_ok());
    for_all(edits(&WORDS), |edits| {
        let mut bytes = LIST.as_bytes().to_vec();
        apply(&edits, &mut bytes);
        if let Ok(sums) = Sums::parse(&bytes) {
            prop_assert_eq!(sums.encode().into_bytes(), bytes);
        }
        Ok(())
    });
}

#[test]
fn random_bytes_are_refused_as_list() {
    for_all(prop::collection::vec(any::<u8>(), 1..300), |bytes| {
        prop_assert!(Sums::parse(&bytes).is_err());
        Ok(())
    });
}
