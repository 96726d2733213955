//! Folders that change during reading, after their files were listed.

use std::os::unix::fs::symlink;

use camino::Utf8Path;
use fs_err as fs;
use relay_bundle::bundle::read::{Contents, Files, Opening, SumsRead};
use relay_bundle::model::digest::Digest;
use relay_bundle::store::folder;

use crate::folders::put;
use relay_bundle::bundle::fault::{Fault, FormFault, ReadError};

/// The files of a bundle in reading order, and the length of each: more than one read returns.
const FILES: [&str; 3] = ["bundle.json", "manifests/a.yaml", "recipe.json"];
const BYTES: usize = 500_000;

fn content(name: &str) -> Vec<u8> {
    name.bytes().cycle().take(BYTES).collect()
}

/// Writes a bundle, reads its list, and changes it before the files are read.
fn read(change: impl Fn(&Utf8Path)) -> Result<Contents, ReadError> {
    let keep = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(keep.path()).unwrap().join("bundle");
    let line = |name| format!("{}  {name}\n", Digest::of(&content(name)));
    put(&root.join("SHA256SUMS"), FILES.map(line).concat().as_bytes());
    for name in FILES {
        put(&root.join(name), &content(name));
    }
    let files = folder::open(&root).unwrap().read_sums().unwrap().into_files().unwrap();
    change(&root);
    files.read_to_end()
}

/// Replaces a file in one step, as programs do when they save it.
fn replace(path: &Utf8Path, bytes: &[u8]) {
    put(&path.with_file_name("new"), bytes);
    fs::rename(path.with_file_name("new"), path).unwrap();
}

/// A change of a file, with a path outside the bundle to use, and the expected fault.
type Swap = (&'static str, fn(&Utf8Path, &Utf8Path), fn(&Fault) -> bool);

#[test]
fn file_swapped_before_open_is_refused() {
    let tampered = |fault: &Fault| matches!(fault, Fault::Tampered { .. });
    let table: [Swap; 9] = [
        ("other bytes in place", |file, _| put(file, &vec![b'x'; BYTES]), tampered),
        ("another file", |file, _| replace(file, &vec![b'x'; BYTES]), tampered),
        ("a longer file", |file, _| replace(file, &vec![b'x'; BYTES + 1]), tampered),
        ("an empty file", |file, _| put(file, b""), tampered),
        (
            "a link to a file of the same bytes",
            |file, aside| {
                fs::rename(file, aside).unwrap();
                symlink(aside, file).unwrap();
            },
            |fault| matches!(fault, Fault::Form { form: FormFault::Symlink, .. }),
        ),
        (
            "a second name",
            |file, aside| fs::hard_link(file, aside).unwrap(),
            |fault| matches!(fault, Fault::Form { form: FormFault::HardLinked { .. }, .. }),
        ),
        (
            "a folder",
            |file, _| {
                fs::remove_file(file).unwrap();
                fs::create_dir(file).unwrap();
            },
            |fault| matches!(fault, Fault::Form { form: FormFault::StrayFolder, .. }),
        ),
        (
            "nothing",
            |file, _| fs::remove_file(file).unwrap(),
            |fault| matches!(fault, Fault::Missing { .. }),
        ),
        (
            "a file too large for its kind",
            |file, _| fs::File::options().write(true).open(file).unwrap().set_len(8 << 30).unwrap(),
            |fault| matches!(fault, Fault::Limit(_)),
        ),
    ];
    for (what, change, complaint) in table {
        for name in FILES {
            let swap = |root: &Utf8Path| change(&root.join(name), &root.with_file_name("aside"));

            let fault = read(swap).unwrap_err().fault;

            assert!(complaint(&fault), "{name} is now {what}: {fault:?}");
        }
    }
}

#[test]
fn swapped_folder_is_not_followed() {
    let elsewhere = |root: &Utf8Path| {
        let aside = root.with_file_name("aside");
        fs::rename(root.join("manifests"), &aside).unwrap();
        symlink(aside, root.join("manifests")).unwrap();
    };

    let fault = read(elsewhere).unwrap_err().fault;

    assert!(
        matches!(&fault, Fault::Form { name, form: FormFault::Symlink } if name == "manifests"),
        "{fault:?}"
    );
}

#[test]
fn file_added_after_list_was_read_is_refused() {
    let fault = read(|root| put(&root.join("manifests/evil.yaml"), b"evil")).unwrap_err().fault;

    assert!(matches!(&fault, Fault::Extra { name } if name == "manifests/evil.yaml"), "{fault:?}");
}

#[test]
fn list_that_is_replaced_after_it_was_read_comes_too_late() {
    let contents = read(|root| put(&root.join("SHA256SUMS"), b"evil")).unwrap();

    // The verified files are used, and no others.
    assert!(contents.files.iter().map(|(path, _)| path.as_str()).eq(FILES));
    assert!(contents.files.iter().all(|(path, file)| file.bytes() == content(path.as_str())));
}

/// Opens the bundle repeatedly while one of its files is a pipe, a link and itself in turn.
#[test]
fn swapped_pipe_is_never_awaited_and_link_never_followed() {
    let keep = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(keep.path()).unwrap().join("bundle");
    let line = |name: &str| format!("{}  {name}\n", Digest::of(name.as_bytes()));
    put(&root.join("SHA256SUMS"), ["bundle.json", "recipe.json"].map(line).concat().as_bytes());
    for name in ["bundle.json", "recipe.json"] {
        put(&root.join(name), name.as_bytes());
    }
    let (target, aside) = (root.join("bundle.json"), root.with_file_name("aside"));
    put(&root.with_file_name("other"), b"bundle.json");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(root.with_file_name("pipe"))
            .status()
            .unwrap()
            .success()
    );
    let (sender, receiver) = std::sync::mpsc::channel();
    let swap = move || {
        for _ in 0..1_500 {
            fs::hard_link(aside.with_file_name("pipe"), &aside).unwrap();
            fs::rename(&aside, &target).unwrap();
            symlink("../other", &aside).unwrap();
            fs::rename(&aside, &target).unwrap();
            put(&aside, b"bundle.json");
            fs::rename(&aside, &target).unwrap();
        }
    };
    let reader = move || {
        let swapping = std::thread::spawn(swap);
        let mut found = [0_u32; 2];
        while !swapping.is_finished() {
            let opened = folder::open(&root).and_then(Opening::read_sums);
            let read = opened.and_then(SumsRead::into_files).and_then(Files::read_to_end);
            match read.map_err(|error| error.fault) {
                Ok(_) => found[0] += 1,
                Err(Fault::Form { .. } | Fault::Io(_)) => found[1] += 1,
                Err(fault) => panic!("{fault:?}"),
            }
        }
        sender.send(found).unwrap();
    };
    std::thread::spawn(reader);

    let found = receiver
        .recv_timeout(std::time::Duration::from_mins(2))
        .expect("the reader waits for a pipe");

    assert!(found[1] > 0, "{found:?}");
}
