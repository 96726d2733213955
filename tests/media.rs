//! Large files: hashed on all cores, and judged as if one had read them from the first byte to the last.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use relay_bundle::archive;
use relay_bundle::bundle::read::{Contents, Fault, ReadError, hash_only};
use relay_bundle::bundle::sums::Sums;
use relay_bundle::model::digest::Digest;
use relay_bundle::model::safe_path::SafePath;
use relay_bundle::store::folder;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Sizes around those from which on threads are used.
const SIZES: [usize; 9] = [0, 1, 256 * KIB - 1, 256 * KIB, MIB - 1, MIB, MIB + 1, 3 * MIB + 13, 300 * KIB];

struct Home {
    _keep: tempfile::TempDir,
    path: Utf8PathBuf,
}

fn home() -> Home {
    let keep = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(keep.path().to_owned()).unwrap();
    Home { _keep: keep, path }
}

/// Pseudo-random bytes that are the same in each run.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut noise: Vec<u8> = (0..bytes.div_ceil(8)).flat_map(|_| next()).collect();
    noise.truncate(bytes);
    noise
}

fn put(path: &Utf8Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
}

/// A folder with a document before and a manifest behind so many blobs.
fn lay_out(folder: &Utf8Path, sizes: &[usize]) {
    let blob = |(number, size): (usize, &usize)| (format!("images/{number:03}"), noise(number as u64, *size));
    let others = ["bundle.json", "manifests/a.yaml", "recipe.json"].map(|name| (name.into(), name.into()));
    let mut sums = BTreeMap::new();
    for (name, bytes) in sizes.iter().enumerate().map(blob).chain(others) {
        put(&folder.join(&name), &bytes);
        sums.insert(SafePath::parse(&name).unwrap(), Digest::of(&bytes));
    }
    put(&folder.join("SHA256SUMS"), Sums::new(sums).unwrap().encode().as_bytes());
}

fn tar_of(path: &Utf8Path) -> Vec<u8> {
    let mut tar = Vec::new();
    let files = folder::open(path).unwrap().read_sums().unwrap().into_files().unwrap();
    archive::write(&mut tar, None, files).unwrap();
    tar
}

fn read_folder(path: &Utf8Path) -> Result<Contents, ReadError> {
    folder::open(path)?.read_sums()?.into_files()?.read(&mut hash_only)
}

/// Reads an archive in order, as it would come through a pipe.
fn read_stream(tar: &[u8]) -> Result<Contents, ReadError> {
    archive::open(tar)?.read_sums()?.into_files()?.read(&mut hash_only)
}

/// Reads an archive that is a file.
fn read_file(tar: &[u8]) -> Result<Contents, ReadError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(tar).unwrap();
    let file = fs::File::open(file.path()).unwrap();
    archive::open_file(file)?.read_sums()?.into_files()?.read(&mut hash_only)
}

fn tampered(result: Result<Contents, ReadError>) -> String {
    match result.unwrap_err().fault {
        Fault::Tampered { path, .. } => path,
        other => panic!("{other}"),
    }
}

/// Where the content of a blob begins in an archive.
fn place_of(tar: &[u8], blob: usize) -> usize {
    let name = format!("images/{blob:03}\0");
    512 + (0..tar.len()).step_by(512).find(|at| tar[*at..].starts_with(name.as_bytes())).unwrap()
}

#[test]
fn a_folder_an_archive_and_a_pipe_give_the_same_files() {
    let home = home();
    lay_out(&home.path, &SIZES);
    let tar = tar_of(&home.path);

    let all = [read_folder(&home.path), read_file(&tar), read_stream(&tar)].map(Result::unwrap);

    for contents in &all {
        assert_eq!(contents.sums, all[0].sums);
        assert_eq!(contents.bytes, all[0].bytes);
        assert_eq!(contents.files.iter().len(), 3);
        assert_eq!(contents.files.get("recipe.json").unwrap().bytes(), b"recipe.json");
    }
}

#[test]
fn one_bit_of_a_blob_is_found_whatever_its_size_and_wherever_it_is() {
    let home = home();
    lay_out(&home.path, &SIZES);
    let tar = tar_of(&home.path);
    for (blob, size) in SIZES.into_iter().enumerate().filter(|(_, size)| *size > 0) {
        for at in [0, size / 2, size - 1] {
            let name = format!("images/{blob:03}");
            let mut bytes = noise(blob as u64, size);
            bytes[at] ^= 0x10;
            put(&home.path.join(&name), &bytes);
            let mut bad = tar.clone();
            bad[place_of(&tar, blob) + at] ^= 0x10;

            assert_eq!(tampered(read_folder(&home.path)), name);
            assert_eq!(tampered(read_file(&bad)), name);
            assert_eq!(tampered(read_stream(&bad)), name);

            bytes[at] ^= 0x10;
            put(&home.path.join(&name), &bytes);
        }
    }
    assert!(read_folder(&home.path).is_ok());
}

#[test]
fn the_first_bad_file_in_order_is_named_whichever_thread_ends_first() {
    let home = home();
    // The first bad one takes longest, and there are more than wait at a time.
    let mut sizes = vec![300 * KIB; 80];
    sizes[3] = 6 * MIB;
    lay_out(&home.path, &sizes);
    let tar = tar_of(&home.path);
    let last = 6 * MIB - 1;
    let spoil = |edit: fn(&mut Vec<u8>)| {
        let mut bad = tar.clone();
        bad[place_of(&tar, 3) + last] ^= 1;
        for later in [4, 5, 40, 79] {
            bad[place_of(&tar, later)] ^= 1;
        }
        edit(&mut bad);
        bad
    };
    // What is found in passing comes later in the order too.
    let edits: [fn(&mut Vec<u8>); 4] = [
        |_| {},
        |tar| tar.push(0),
        |tar| tar.truncate(tar.len() - 512),
        |tar| {
            let at = place_of(tar, 20) - 512;
            tar[at] ^= 1;
        },
    ];
    for bad in edits.map(spoil) {
        let wanted = read_stream(&bad).unwrap_err().to_string();
        assert!(wanted.starts_with("`images/003` was altered"), "{wanted}");
        for _ in 0..4 {
            assert_eq!(read_file(&bad).unwrap_err().to_string(), wanted);
        }
    }

    let mut bytes = noise(3, sizes[3]);
    bytes[last] ^= 1;
    put(&home.path.join("images/003"), &bytes);
    put(&home.path.join("images/004"), b"short");
    put(&home.path.join("images/079"), b"");
    fs::remove_file(home.path.join("recipe.json")).unwrap();
    put(&home.path.join("recipe.json"), b"other");
    for _ in 0..4 {
        assert_eq!(tampered(read_folder(&home.path)), "images/003");
    }
}

#[test]
fn an_archive_as_a_file_is_refused_for_the_very_reason_that_a_pipe_is() {
    let home = home();
    lay_out(&home.path, &[300 * KIB, 10, 256 * KIB, MIB + 700, 511, 400 * KIB]);
    let tar = tar_of(&home.path);
    let mut refused = 0;
    for round in 0..60_u64 {
        let mut bad = tar.clone();
        let mut numbers = noise(round + 1000, 24)
            .chunks(8)
            .map(|n| u64::from_le_bytes(n.try_into().unwrap()))
            .collect::<Vec<_>>()
            .into_iter();
        let mut below = |limit: usize| usize::try_from(numbers.next().unwrap() % limit as u64).unwrap();
        // Half of them near a header.
        let near = place_of(&tar, below(6)) - 512;
        let at = if round % 2 == 0 { below(tar.len()) } else { (near + below(1100)).min(tar.len() - 1) };
        match round % 5 {
            0 => bad.truncate(at),
            1 => drop(bad.splice(at..at, [0; 512])),
            2 => drop(bad.drain(at..(at + 512).min(tar.len()))),
            _ => bad[at] ^= 1 << (round % 8),
        }

        let (stream, file) = (read_stream(&bad), read_file(&bad));

        let stream = stream.unwrap_err().to_string();
        assert_eq!(file.unwrap_err().to_string(), stream, "{round}");
        refused += 1;
    }
    assert_eq!(refused, 60);
}

#[test]
fn a_blob_that_is_cut_short_while_others_are_hashed_is_named() {
    let home = home();
    lay_out(&home.path, &[2 * MIB, 2 * MIB, 2 * MIB]);
    let files = folder::open(&home.path).unwrap().read_sums().unwrap().into_files().unwrap();
    let cut = fs::OpenOptions::new().write(true).open(home.path.join("images/001")).unwrap();
    let mut seen = 0;

    // The second one is cut after it was opened and measured.
    let error = files
        .each(&mut |entry, _| {
            seen += 1;
            if entry.path.as_str() == "images/001" {
                cut.set_len(MIB as u64)?;
            }
            Ok(())
        })
        .unwrap_err();

    assert!(matches!(&error.fault, Fault::Truncated { name } if name == "images/001"), "{error}");
    assert!(seen >= 3, "{seen}");
}

#[test]
fn files_of_which_nothing_is_wanted_are_shown_once_and_in_order() {
    let home = home();
    lay_out(&home.path, &[300 * KIB; 100]);
    let files = folder::open(&home.path).unwrap().read_sums().unwrap().into_files().unwrap();
    let mut shown = Vec::new();

    let bytes = files
        .each(&mut |entry, _| {
            shown.push(entry.path.to_string());
            Ok(())
        })
        .unwrap();

    let mut sorted = shown.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(shown, sorted);
    assert_eq!(shown.len(), 103);
    let small: usize = ["bundle.json", "manifests/a.yaml", "recipe.json"].iter().map(|name| name.len()).sum();
    assert_eq!(bytes, (100 * 300 * KIB + small) as u64);
}
