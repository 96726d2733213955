//! Bundles in folders where files were added, replaced or removed.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::program::Place;
use crate::shipped::bundle;
use crate::tools::{find, skip};

/// Writes the bundle of the production profile to a folder.
pub(crate) fn lay_out(root: &Utf8Path) {
    let files = bundle("production");
    let sums = files.sums().encode();
    let all = files.iter().map(|(path, file)| (path.as_str(), file.bytes()));
    for (path, bytes) in all.chain([("SHA256SUMS", sums.as_bytes())]) {
        put(&root.join(path), bytes);
    }
}

pub(crate) fn put(path: &Utf8Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
    chmod(path, 0o644);
}

fn chmod(path: &Utf8Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Moves a file out of the bundle, and returns its new path.
fn aside(path: &Utf8Path) -> Utf8PathBuf {
    let to = path
        .ancestors()
        .find(|folder| folder.file_name() == Some("bundle"))
        .unwrap()
        .with_file_name("aside");
    fs::rename(path, &to).unwrap();
    to
}

type Harm = fn(&Utf8Path);

const HARMS: [(&str, Harm, &str); 30] = [
    (
        "an extra manifest",
        |root| put(&root.join("manifests/99-evil.yaml"), b"evil"),
        "unexpected file `manifests/99-evil.yaml`",
    ),
    ("an extra file", |root| put(&root.join("readme.md"), b""), "unexpected file `readme.md`"),
    (
        "an oci-layout",
        |root| put(&root.join("oci-layout"), b"{}"),
        "`oci-layout` is part of an image layout",
    ),
    (
        "an index",
        |root| put(&root.join("index.json"), b"{}"),
        "`index.json` is part of an image layout",
    ),
    ("a blob", |root| put(&root.join("blobs/sha256/a"), b""), "`blobs` is part of an image layout"),
    (
        "an image of the old form",
        |root| put(&root.join("images/a"), b""),
        "`images` is a folder without a file of the bundle",
    ),
    ("a dotfile", |root| put(&root.join(".DS_Store"), b""), "unexpected file `.DS_Store`"),
    (
        "a dotfile deeper",
        |root| put(&root.join("manifests/.a.yaml.swp"), b""),
        "unexpected file `manifests/.a.yaml.swp`",
    ),
    ("a backup", |root| put(&root.join("bundle.json~"), b""), "unexpected file `bundle.json~`"),
    ("another case", |root| put(&root.join("Bundle.json"), b""), "unexpected file `Bundle.json`"),
    ("a name with a newline", |root| put(&root.join("a\nb"), b""), "unexpected file `a\\nb`"),
    (
        "an empty folder",
        |root| fs::create_dir(root.join("images")).unwrap(),
        "`images` is a folder without a file of the bundle",
    ),
    (
        "an empty folder deeper",
        |root| fs::create_dir(root.join("manifests/a")).unwrap(),
        "`manifests/a` is a folder without a file of the bundle",
    ),
    (
        "a hidden folder",
        |root| put(&root.join(".git/config"), b""),
        "`.git` is a folder without a file of the bundle",
    ),
    (
        "a link to nowhere",
        |root| symlink("nowhere", root.join("link")).unwrap(),
        "`link` is a symbolic link",
    ),
    (
        "a link to itself",
        |root| symlink("link", root.join("link")).unwrap(),
        "`link` is a symbolic link",
    ),
    (
        "a link to the bundle",
        |root| symlink(".", root.join("images")).unwrap(),
        "`images` is a symbolic link",
    ),
    (
        "a link in place of a file",
        |root| symlink(aside(&root.join("recipe.json")), root.join("recipe.json")).unwrap(),
        "`recipe.json` is a symbolic link",
    ),
    (
        "a link in place of a folder",
        |root| symlink(aside(&root.join("manifests")), root.join("manifests")).unwrap(),
        "`manifests` is a symbolic link",
    ),
    (
        "a link in place of the list",
        |root| symlink(aside(&root.join("SHA256SUMS")), root.join("SHA256SUMS")).unwrap(),
        "`SHA256SUMS` is a symbolic link",
    ),
    (
        "a link in place of the attestation",
        |root| symlink("/etc/passwd", root.join("attestation.dsse.json")).unwrap(),
        "`attestation.dsse.json` is a symbolic link",
    ),
    (
        "a hard link from outside",
        |root| fs::hard_link(root.join("recipe.json"), root.with_file_name("aside")).unwrap(),
        "`recipe.json` has 2 hard links",
    ),
    (
        "two names of a file",
        |root| fs::hard_link(root.join("recipe.json"), root.join("zzz")).unwrap(),
        "2 hard links",
    ),
    (
        "a socket",
        |root| drop(UnixListener::bind(root.join("s")).unwrap()),
        "`s` is not a regular file",
    ),
    (
        "a mode that lets others write",
        |root| chmod(&root.join("recipe.json"), 0o666),
        "`recipe.json` has mode 0666",
    ),
    (
        "a mode that lets nobody read",
        |root| chmod(&root.join("recipe.json"), 0o000),
        "`recipe.json` has mode 0000",
    ),
    (
        "a mode with setuid",
        |root| chmod(&root.join("recipe.json"), 0o4644),
        "`recipe.json` has mode 4644",
    ),
    ("a missing file", |root| drop(aside(&root.join("recipe.json"))), "`recipe.json` is missing"),
    (
        "a longer file",
        |root| {
            fs::File::options()
                .append(true)
                .open(root.join("recipe.json"))
                .unwrap()
                .write_all(b"\n")
                .unwrap();
        },
        "`recipe.json` was altered",
    ),
    (
        "a file of holes",
        |root| {
            fs::File::options()
                .write(true)
                .open(root.join("recipe.json"))
                .unwrap()
                .set_len((8 << 30) - 1)
                .unwrap();
        },
        "the limit is 4194304",
    ),
];

#[test]
fn altered_folder_is_refused() {
    let Some(mut place) = Place::new() else { return };
    for (what, harm, why) in HARMS {
        refuses(&mut place, what, harm, why);
    }
    refuses(
        &mut place,
        "a name that is no UTF-8",
        |root| {
            fs::write(root.as_std_path().join(OsStr::from_bytes(b"\xff\xfe")), "").unwrap();
        },
        "unexpected file",
    );
    place.settle("folders");
}

/// Writes a good bundle, harms it, and asserts that the program refuses it.
#[track_caller]
fn refuses(place: &mut Place, what: &str, harm: Harm, why: &str) {
    let root = place.path().join("bundle");
    lay_out(&root);
    harm(&root);
    place.refuses_path(what, "./bundle", why);
    fs::remove_dir_all(root).unwrap();
    let aside = place.path().join("aside");
    match fs::symlink_metadata(&aside) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(aside).unwrap(),
        Ok(_) => fs::remove_file(aside).unwrap(),
        Err(_) => {}
    }
}

#[test]
fn unaltered_folder_is_accepted() {
    let Some(mut place) = Place::new() else { return };
    lay_out(&place.path().join("bundle"));

    let ran = place.run(&["inspect", "./bundle"], std::io::empty());

    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("claude-relay"));
}

#[test]
fn pipes_and_devices_are_not_opened() {
    let Some(mut place) = Place::new() else { return };
    let (Some(mkfifo), Some(mknod)) = (find("mkfifo", "coreutils"), find("mknod", "coreutils"))
    else {
        return;
    };
    let probe = place.path().join("probe");
    if !Command::new(&mknod)
        .args([probe.as_str(), "c", "1", "5"])
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap()
        .success()
    {
        skip("mknod is not permitted (run the tests as root)");
        return;
    }
    fs::remove_file(probe).unwrap();
    // Reading one of these would block, or never end.
    let makers = [(&mkfifo, &[][..]), (&mknod, &["c", "1", "5"]), (&mknod, &["b", "7", "0"])];
    for (program, arguments) in makers {
        for name in ["recipe.json", "SHA256SUMS", "attestation.dsse.json", "manifests/zzz"] {
            let root = place.path().join("bundle");
            lay_out(&root);
            fs::remove_file(root.join(name)).ok();
            assert!(
                Command::new(program)
                    .arg(root.join(name))
                    .args(arguments)
                    .status()
                    .unwrap()
                    .success()
            );

            place.refuses_path(name, "./bundle", &format!("`{name}` is not a regular file"));
            fs::remove_dir_all(root).unwrap();
        }
    }
    place.settle("pipes and devices");
}

#[test]
fn folder_with_very_many_files_is_not_fully_listed() {
    let Some(mut place) = Place::new() else { return };
    let root = place.path().join("bundle");
    lay_out(&root);
    for number in 0..20_003 {
        fs::File::create(root.join(format!("manifests/{number}"))).unwrap();
    }

    place.refuses_path("20,003 files", "./bundle", "unexpected file");
    place.settle("many files");
}

#[test]
fn folders_that_are_deeper_than_any_path_are_not_entered() {
    let (Some(mut place), Some(python)) = (Place::new(), find("python3", "python3")) else {
        return;
    };
    let root = place.path().join("bundle");
    // The path of the deepest folder is longer than a system call takes.
    for (what, length, depth) in [("short names", 1, 3000), ("long names", 200, 60)] {
        lay_out(&root);
        let enter = format!(
            "name = 'a' * {length}\nfor _ in range({depth}): os.mkdir(name); os.chdir(name)"
        );
        let script = format!("import os\n{enter}");
        assert!(
            Command::new(&python)
                .args(["-c", &script])
                .current_dir(&root)
                .status()
                .unwrap()
                .success()
        );

        place.refuses_path(what, "./bundle", "a` is a folder without a file of the bundle");
        assert!(Command::new("rm").args(["-rf", root.as_str()]).status().unwrap().success());
    }
    place.settle("deep folders");
}
