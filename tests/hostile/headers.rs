//! Headers with one wrong field each, under a correct checksum.

use crate::archives::Tar;
use crate::program::Place;
use crate::tar::{BLOCK, header, range, set};

/// A field, its new bytes, and the field that the error names.
const FIELDS: [(&str, &[u8], &str); 42] = [
    ("mode", b"0000755", "mode"),
    ("mode", b"0000600", "mode"),
    ("mode", b"0004644", "mode"),
    ("mode", b"000644 ", "mode"),
    ("mode", b"\x80\0\0\0\0\0\x01\xa4", "mode"),
    ("uid", b"0001750", "uid"),
    ("uid", b"\x80\0\0\0\0\0\0\0", "uid"),
    ("gid", b"0001750", "gid"),
    ("gid", b"\xff\xff\xff\xff\xff\xff\xff\xff", "gid"),
    ("size", b"\x80\0\0\0\0\0\0\0\0\0\0\x01", "size"),
    ("size", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "size"),
    ("size", b"\x80\0\0\x7f\xff\xff\xff\xff\xff\xff\xff\xff", "size"),
    ("size", b"        123 ", "size"),
    ("size", b"-0000000001", "size"),
    ("size", b"+0000000001", "size"),
    ("size", b"0x000000001", "size"),
    ("size", b"0000000008", "size"),
    ("size", b"777777777777", "size"),
    ("size", b"", "size"),
    ("mtime", b"14717136174", "mtime"),
    ("mtime", b"\x80\0\0\0\0\0\0\0\0\0\0\0", "mtime"),
    ("mtime", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "mtime"),
    ("mtime", b"0000000000 ", "mtime"),
    ("linkname", b"/etc/passwd", "linkname"),
    ("linkname", b"bundle.json", "linkname"),
    ("magic", b"", "magic"),
    ("magic", b"ustar ", "magic"),
    ("magic", b"USTAR", "magic"),
    ("version", b" ", "version"),
    ("version", b"", "version"),
    ("version", b"01", "version"),
    ("uname", b"root", "uname"),
    ("gname", b"wheel", "gname"),
    ("devmajor", b"0000001", "devmajor"),
    ("devmajor", b"", "devmajor"),
    ("devminor", b"0000003", "devminor"),
    ("prefix", b"manifests", "prefix"),
    ("prefix", b"..", "prefix"),
    ("prefix", b"/", "prefix"),
    // Here star and GNU tar keep access times and the map of a sparse file.
    ("prefix", b"\0\0\0\0\0\0\0\0\0\0\0\x3114717136174", "prefix"),
    ("padding", b"tar\0", "padding"),
    ("padding", b"\0\0\0\0\0\0\0\0tar\0", "padding"),
];

/// Types of records: those of `ustar`, of extensions, and undefined ones.
const TYPES: [u8; 26] = *b"\x001234567ABDEIKLMNSVXgx Zz\xff";

/// Names that a bundle's file must not have.
const NAMES: [&[u8]; 38] = [
    b"../evil.yaml",
    b"../../../../../../etc/cron.d/evil",
    b"manifests/../../evil.yaml",
    b"manifests/../bundle.json",
    b"/etc/cron.d/evil",
    b"//server/share/evil",
    b"./bundle.json",
    b"manifests/./a.yaml",
    b"manifests//a.yaml",
    b"manifests/",
    b"manifests",
    b".",
    b"..",
    b"..\\evil.yaml",
    b"C:\\evil.yaml",
    b"c:evil.yaml",
    b"BUNDLE.JSON",
    b"Bundle.json",
    b"sha256sums",
    b"Manifests/a.yaml",
    b"bundle.json ",
    b" bundle.json",
    b"bundle.json.",
    b"bundle.json:stream",
    b".bundle.json",
    b"~/.ssh/authorized_keys",
    b"$HOME/.profile",
    b"manifests/a.yaml\nbundle.json",
    b"manifests/\x1b[31m\x1b]0;owned\x07.yaml",
    "manifests/\u{e9}.yaml".as_bytes(),
    "manifests/e\u{301}.yaml".as_bytes(),
    "manifests/\u{202e}lmay.a".as_bytes(),
    "manifests/a\u{200b}.yaml".as_bytes(),
    "\u{ff42}undle.json".as_bytes(),
    "manifests/\u{2215}etc.yaml".as_bytes(),
    b"\xc0\xae\xc0\xae/evil.yaml",
    b"\xed\xa0\x80.yaml",
    b"\xff\xfe",
];

#[test]
fn noncanonical_header_field_is_named() {
    let Some(mut place) = Place::new() else { return };
    for (field, content, complaint) in FIELDS {
        let mut tar = Tar::new();
        set(&mut tar.files[2], field, content);

        let why = format!("has a header whose field `{complaint}` is not what this program writes");
        place.refuses(&format!("{field} {content:?}"), &tar.bytes(), &why);
    }
    place.settle("header fields");
}

#[test]
fn only_regular_files_are_read() {
    let Some(mut place) = Place::new() else { return };
    for typeflag in TYPES {
        for link in [&b""[..], b"/etc/passwd", b"../evil"] {
            let mut tar = Tar::new();
            set(&mut tar.files[3], "typeflag", &[typeflag]);
            set(&mut tar.files[3], "linkname", link);

            place.refuses(&format!("type {typeflag:?}"), &tar.bytes(), "field `typeflag`");
        }
    }
    place.settle("record types");
}

#[test]
fn name_foreign_to_bundle_is_refused_at_any_position() {
    let Some(mut place) = Place::new() else { return };
    for name in NAMES {
        let what = String::from_utf8_lossy(name).into_owned();
        let mut renamed = Tar::new();
        set(&mut renamed.files[2], "name", name);
        let mut first = Tar::new();
        set(&mut first.files[0], "name", name);
        let mut last = Tar::new();
        let mut evil = header("x", 0);
        set(&mut evil, "name", name);
        last.files.push(evil);

        // The error names the field if the name is not text, and otherwise the file.
        let is_text = std::str::from_utf8(name).is_ok();
        place.refuses(&what, &renamed.bytes(), if is_text { "unexpected file" } else { "`name`" });
        place.refuses(
            &what,
            &first.bytes(),
            if is_text { "`SHA256SUMS` is missing" } else { "`name`" },
        );
        place.refuses(&what, &last.bytes(), if is_text { "unexpected file" } else { "`name`" });
    }
    place.settle("names");
}

#[test]
fn bytes_hidden_after_nul_in_name_are_refused() {
    let Some(mut place) = Place::new() else { return };
    for hidden in [b"\0/../evil", b"\0\0\0\0\0\0\0\0\x01"] {
        let mut tar = Tar::new();
        let name: Vec<u8> =
            tar.files[2].iter().copied().take_while(|byte| *byte != 0).chain(*hidden).collect();
        set(&mut tar.files[2], "name", &name);

        place.refuses(&format!("{hidden:?}"), &tar.bytes(), "field `name`");
    }
    place.settle("hidden parts of names");
}

#[test]
fn checksum_has_only_one_spelling() {
    let Some(mut place) = Place::new() else { return };
    let good = Tar::new();
    let sum = good.files[2][range("chksum")].to_vec();
    let digits = String::from_utf8(sum[..6].to_vec()).unwrap();
    let table = [
        format!("0{digits}\0"),
        format!("{digits} \0"),
        format!("{digits}\0\0"),
        format!(" {}\0 ", &digits[1..]),
        "\0\0\0\0\0\0\0\0".to_owned(),
        "        ".to_owned(),
    ];
    for text in table {
        let mut tar = Tar::new();
        tar.files[2][range("chksum")].copy_from_slice(text.as_bytes());

        place.refuses(&format!("{text:?}"), &tar.bytes(), "field `chksum`");
    }
    place.settle("checksums");
}

#[test]
fn file_after_end_or_in_between_is_not_skipped() {
    let Some(mut place) = Place::new() else { return };
    let good = Tar::new().bytes();
    let zero = vec![0; BLOCK];
    let table = [
        ("two archives", [&good[..], &good].concat(), "data after the end"),
        (
            "two archives as `tar -A` joins them",
            [&good[..good.len() - 2 * BLOCK], &good].concat(),
            "unexpected file",
        ),
        ("a third zero block", [&good[..], &zero].concat(), "data after the end"),
        (
            "blocking factor 20",
            [&good[..], &vec![0; 20 * BLOCK - good.len() % (20 * BLOCK)]].concat(),
            "data after the end",
        ),
        ("junk", [&good[..], b"#!/bin/sh\n"].concat(), "data after the end"),
        ("one zero block", good[..good.len() - BLOCK].to_vec(), "truncated"),
        ("no zero block", good[..good.len() - 2 * BLOCK].to_vec(), "truncated"),
        ("half a zero block", good[..good.len() - BLOCK / 2].to_vec(), "truncated"),
        ("zeros first", [&zero[..], &good].concat(), "`SHA256SUMS` is missing"),
        ("only zeros", vec![0; 10_240], "`SHA256SUMS` is missing"),
    ];
    for (what, bytes, why) in table {
        place.refuses(what, &bytes, why);
    }
    place.settle("ends");
}
