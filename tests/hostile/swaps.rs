//! Folders that change while they are read: between the check of a file and its use.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::symlink;

use camino::Utf8Path;
use fs_err as fs;
use relay_bundle::bundle::read::{Contents, Fault, Files, Form, Opening, ReadError, SumsRead};
use relay_bundle::model::digest::Digest;
use relay_bundle::store::folder::{self, Folder};

use crate::folders::put;

/// The files of a bundle in the order in which they are read, and how long each is: more than a reader takes at once.
const FILES: [&str; 5] = ["bundle.json", "images/a", "images/b", "manifests/a.yaml", "recipe.json"];
const BYTES: usize = 500_000;

fn content(name: &str) -> Vec<u8> {
    name.bytes().cycle().take(BYTES).collect()
}

/// Lays a bundle out, opens it, and changes it when the reader is at `images/a`, half of which is read before.
fn read(change: impl Fn(&Utf8Path)) -> (Result<Contents, ReadError>, Vec<u8>) {
    let keep = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(keep.path()).unwrap().join("bundle");
    let line = |name| format!("{}  {name}\n", Digest::of(&content(name)));
    put(&root.join("SHA256SUMS"), FILES.map(line).concat().as_bytes());
    for name in FILES {
        put(&root.join(name), &content(name));
    }
    let files: Files<Folder> = folder::open(&root).unwrap().read_sums().unwrap().into_files().unwrap();
    let mut used = Vec::new();
    let contents = files.read(&mut |entry, reader| {
        if entry.path.as_str() == "images/a" {
            reader.take(BYTES as u64 / 2).read_to_end(&mut used)?;
            change(&root);
            reader.read_to_end(&mut used)?;
        }
        Ok(())
    });
    (contents, used)
}

/// Replaces a file in one step, as a program does that saves it.
fn replace(path: &Utf8Path, bytes: &[u8]) {
    put(&path.with_file_name("new"), bytes);
    fs::rename(path.with_file_name("new"), path).unwrap();
}

/// A change, the file to which it is done, and what the reader says.
type Swap = (&'static str, fn(&Utf8Path), fn(&Fault) -> bool);

#[test]
fn a_file_that_is_swapped_before_it_is_opened_is_refused() {
    let tampered = |fault: &Fault| matches!(fault, Fault::Tampered { .. });
    let table: [Swap; 9] = [
        ("other bytes in place", |file| put(file, &vec![b'x'; BYTES]), tampered),
        ("another file", |file| replace(file, &vec![b'x'; BYTES]), tampered),
        ("a longer file", |file| replace(file, &vec![b'x'; BYTES + 1]), tampered),
        ("an empty file", |file| put(file, b""), tampered),
        (
            "a link to a file of the same bytes",
            |file| {
                fs::rename(file, file.with_file_name("aside")).unwrap();
                symlink("aside", file).unwrap();
            },
            |fault| matches!(fault, Fault::Form { form: Form::Symlink, .. }),
        ),
        (
            "a second name",
            |file| fs::hard_link(file, file.with_file_name("aside")).unwrap(),
            |fault| matches!(fault, Fault::Form { form: Form::HardLinked { .. }, .. }),
        ),
        (
            "a folder",
            |file| {
                fs::remove_file(file).unwrap();
                fs::create_dir(file).unwrap();
            },
            |fault| matches!(fault, Fault::Form { form: Form::NotRegular, .. }),
        ),
        ("nothing", |file| fs::remove_file(file).unwrap(), |fault| matches!(fault, Fault::Missing { .. })),
        (
            "a file too large for its kind",
            |file| fs::File::options().write(true).open(file).unwrap().set_len(8 << 30).unwrap(),
            |fault| matches!(fault, Fault::Limit(_)),
        ),
    ];
    for (what, change, complaint) in table {
        for name in &FILES[2..] {
            let fault = read(|root| change(&root.join(name))).0.unwrap_err().fault;

            assert!(complaint(&fault), "{name} is now {what}: {fault:?}");
        }
    }
}

#[test]
fn a_folder_that_is_swapped_is_found_out_by_its_bytes() {
    let elsewhere = |root: &Utf8Path| {
        fs::rename(root.join("manifests"), root.join("aside")).unwrap();
        put(&root.join("evil/a.yaml"), &vec![b'x'; BYTES]);
        symlink("evil", root.join("manifests")).unwrap();
    };

    let fault = read(elsewhere).0.unwrap_err().fault;

    // Below the folder no link is followed, wherever it leads.
    assert!(matches!(&fault, Fault::Missing { path } if path == "manifests/a.yaml"), "{fault:?}");
}

/// Opens the bundle again and again while one of its files is a pipe, a link and itself in turn.
#[test]
fn file_that_turns_into_a_pipe_and_a_link_is_never_waited_for_nor_followed() {
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
        std::process::Command::new("mkfifo").arg(root.with_file_name("pipe")).status().unwrap().success()
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
            let read = opened.and_then(SumsRead::into_files).and_then(|files| files.read(&mut |_, _| Ok(())));
            match read.map_err(|error| error.fault) {
                Ok(_) => found[0] += 1,
                Err(Fault::Form { .. } | Fault::Io(_)) => found[1] += 1,
                Err(fault) => panic!("{fault:?}"),
            }
        }
        sender.send(found).unwrap();
    };
    std::thread::spawn(reader);

    let found =
        receiver.recv_timeout(std::time::Duration::from_mins(2)).expect("the reader waits for a pipe");

    assert!(found[1] > 0, "{found:?}");
}

#[test]
fn a_file_that_is_written_to_while_it_is_read_is_refused() {
    let write = |root: &Utf8Path| {
        let mut file = fs::File::options().write(true).open(root.join("images/a")).unwrap();
        file.write_all(&vec![b'x'; BYTES]).unwrap();
    };
    let shorten = |root: &Utf8Path| {
        fs::File::options()
            .write(true)
            .open(root.join("images/a"))
            .unwrap()
            .set_len(BYTES as u64 / 2)
            .unwrap();
    };

    let [written, shortened] = [read(write), read(shorten)].map(|(contents, _)| contents.unwrap_err().fault);

    assert!(matches!(&written, Fault::Tampered { path, .. } if path == "images/a"), "{written:?}");
    assert!(matches!(&shortened, Fault::Truncated { name } if name == "images/a"), "{shortened:?}");
}

#[test]
fn whoever_changes_a_file_after_it_was_opened_comes_too_late() {
    type Change = fn(&Utf8Path);
    let table: [(&str, Change); 6] = [
        ("the open file is replaced", |root| replace(&root.join("images/a"), b"x")),
        ("the open file is removed", |root| fs::remove_file(root.join("images/a")).unwrap()),
        ("the open file grows", |root| {
            let mut file = fs::File::options().append(true).open(root.join("images/a")).unwrap();
            file.write_all(b"evil").unwrap();
        }),
        ("a file that was read is written to", |root| put(&root.join("bundle.json"), b"evil")),
        ("the list is another", |root| put(&root.join("SHA256SUMS"), b"evil")),
        ("a file is added", |root| put(&root.join("manifests/evil.yaml"), b"evil")),
    ];
    for (what, change) in table {
        let (contents, used) = read(change);

        // What is used is what was verified: neither more nor less.
        let contents = contents.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(used == content("images/a"), "{what}");
        let kept: Vec<&str> = contents.files.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(kept, ["bundle.json", "manifests/a.yaml", "recipe.json"], "{what}");
        for (path, file) in contents.files.iter() {
            assert!(file.bytes() == content(path.as_str()), "{what}: {path}");
        }
    }
}
