//! The store as its users see it: entries, links, pins, altered entries, garbage.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/store_home.rs"]
mod store_home;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use camino::Utf8Path;
use fs_err as fs;
use relay_bundle::bundle::fault::{Fault, FormFault, ReadError};
use relay_bundle::bundle::files::BundleFiles;
use relay_bundle::bundle::read::{Contents, SumsRead};
use relay_bundle::model::digest::Digest;
use relay_bundle::model::safe_path::SafePath;
use relay_bundle::store::{EntryName, EntryOutcome, GarbageScope, Registered, Store, StoreError};
use store_home::{Home, home};

fn bundle(text: &str) -> BundleFiles {
    let mut files = BundleFiles::default();
    for path in [
        "bundle.json",
        "manifests/10-cm-a.yaml",
        "manifests/20-svc-b.yaml",
        "recipe.json",
        "secrets/a.age",
    ] {
        files
            .add(SafePath::parse(path).unwrap(), format!("{path}: {text}\n").into_bytes())
            .unwrap();
    }
    files
}

fn register(store: &Store, text: &str) -> Registered {
    store.register(&bundle(text), "relay", "production").unwrap()
}

fn read(store: &Store, reference: &str) -> Contents {
    let (_, bundle) = store.open(reference).unwrap();
    bundle.into_files().unwrap().read_to_end().unwrap()
}

/// Reads an entry, which must fail.
fn refused(store: &Store, reference: &str) -> Fault {
    let read = |(_, bundle): (_, SumsRead<_>)| bundle.into_files()?.read_to_end();
    match store.open(reference).map(read) {
        Ok(Err(ReadError { fault, .. })) => fault,
        Err(StoreError::Read { error, .. }) => error.fault,
        other => panic!("{other:?}"),
    }
}

fn names(folder: &Utf8Path) -> Vec<String> {
    let mut names: Vec<_> =
        folder.read_dir_utf8().unwrap().map(|e| e.unwrap().file_name().to_owned()).collect();
    names.sort();
    names
}

fn mode(path: &Utf8Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

/// Writes a file with the right mode under any umask.
fn put(path: impl AsRef<std::path::Path>, bytes: impl AsRef<[u8]>) {
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
}

fn chmod(path: &Utf8Path, mode: u32) {
    fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn bundle_is_stored_under_name_that_proves_its_content() {
    let Home { root, store, _folder } = home();
    let files = bundle("one");

    let registered = store.register(&files, "relay", "production").unwrap();

    assert!(matches!(registered.outcome, EntryOutcome::New));
    assert_eq!(registered.content_id, files.sums().content_id());
    let name = format!("{}-relay-production", registered.content_id.short(32));
    assert_eq!(registered.path, root.join(&name));
    assert_eq!(names(&root), [".lock", ".tmp", &name, "production"]);
    assert_eq!(names(&root.join(".tmp")), [""; 0]);
    assert_eq!(fs::read_link(root.join("production")).unwrap().to_str(), Some(name.as_str()));
    assert_eq!(
        names(&registered.path),
        ["SHA256SUMS", "bundle.json", "manifests", "recipe.json", "secrets"]
    );
    let contents = read(&store, "production");
    assert_eq!(contents.sums, files.sums());
    assert_eq!(contents.files.get("secrets/a.age").unwrap().bytes(), b"secrets/a.age: one\n");
    assert_eq!(
        contents.bytes,
        files.iter().map(|(_, file)| file.bytes().len() as u64).sum::<u64>()
    );
}

#[test]
fn stock_sha256sum_agrees_with_entry() {
    let Home { store, _folder, .. } = home();
    let registered = register(&store, "one");

    let check = assert_cmd::Command::new("sha256sum")
        .args(["--check", "--strict", "--quiet", "SHA256SUMS"])
        .current_dir(&registered.path)
        .unwrap();
    let id = assert_cmd::Command::new("sha256sum")
        .arg("SHA256SUMS")
        .current_dir(&registered.path)
        .unwrap();

    assert!(check.status.success());
    assert_eq!(
        String::from_utf8(id.stdout).unwrap(),
        format!("{}  SHA256SUMS\n", registered.content_id)
    );
}

#[test]
fn modes_are_fixed() {
    let Home { root, store, _folder } = home();

    let entry = register(&store, "one").path;

    for folder in [&root, &root.join(".tmp"), &entry, &entry.join("manifests")] {
        assert_eq!(mode(folder), 0o755, "{folder}");
    }
    for file in
        [&root.join(".lock"), &entry.join("SHA256SUMS"), &entry.join("manifests/10-cm-a.yaml")]
    {
        assert_eq!(mode(file), 0o644, "{file}");
    }
}

#[test]
fn rebuild_changes_nothing_and_other_build_moves_link() {
    let Home { root, store, _folder } = home();
    let first = register(&store, "one");
    let inode = fs::metadata(first.path.join("bundle.json")).unwrap().ino();

    let again = register(&store, "one");
    let other = register(&store, "two");

    assert!(matches!(again.outcome, EntryOutcome::Existed));
    assert_eq!(fs::metadata(again.path.join("bundle.json")).unwrap().ino(), inode);
    assert!(matches!(other.outcome, EntryOutcome::New));
    assert_eq!(store.find("production").unwrap(), other.entry);
    assert_eq!(store.entries().unwrap().len(), 2);
    // The older one is kept, and becomes the newest when it is built again.
    register(&store, "one");
    assert_eq!(store.find("production").unwrap(), first.entry);
    assert_eq!(names(&root.join(".tmp")), [""; 0]);
}

#[test]
fn entry_is_found_by_link_name_and_id() {
    let Home { store, _folder, .. } = home();
    let one = register(&store, "one");
    let id = one.content_id.to_string();

    let references = [
        "production",
        one.entry.as_str(),
        &id,
        &id[..8],
        &id[..32],
        &id[..40],
        &format!("sha256:{id}"),
    ]
    .map(str::to_owned);
    for reference in references {
        assert_eq!(store.open(&reference).unwrap().0, one.entry, "{reference}");
    }

    let other = Digest::of(b"other").to_string();
    let wrong_tail = format!("{}{}", &id[..60], if id.ends_with("0000") { "1111" } else { "0000" });
    assert!(matches!(refused(&store, &wrong_tail), Fault::OtherContent { .. }));
    for nothing in [
        "staging",
        &other,
        &id[..7],
        "",
        ".",
        "..",
        "../bundles",
        ".tmp",
        ".lock",
        &format!("{other}-a-b"),
    ] {
        assert!(matches!(store.find(nothing), Err(StoreError::NotFound { .. })), "{nothing}");
    }
}

#[test]
fn link_named_after_other_content_is_refused() {
    let Home { root, store, _folder } = home();
    let one = register(&store, "one");
    let other = Digest::of(b"other").to_string();

    symlink(one.entry.as_str(), root.join(&other)).unwrap();

    assert!(matches!(refused(&store, &other), Fault::OtherContent { .. }));
}

#[test]
fn missing_store_is_empty_and_reading_does_not_create_it() {
    let Home { root, store, _folder } = home();

    assert!(store.entries().unwrap().is_empty());
    assert!(matches!(store.find("production"), Err(StoreError::NotFound { .. })));
    assert_eq!(store.find_garbage(GarbageScope::Entries).unwrap().bytes(), 0);
    assert_eq!(store.collect_garbage(GarbageScope::Entries).unwrap().bytes(), 0);
    assert!(!root.exists());
}

#[test]
fn id_prefix_shared_by_two_entries_is_ambiguous() {
    let Home { root, store, _folder } = home();
    let one = register(&store, "one");
    let id = one.content_id.short(32);
    let twin =
        format!("{}{}-relay-production", &id[..31], if id.ends_with('0') { '1' } else { '0' });
    fs::create_dir(root.join(&twin)).unwrap();

    let error = store.find(&id[..8]).unwrap_err();

    assert!(
        matches!(&error, StoreError::Ambiguous { entries, .. } if entries.len() == 2),
        "{error}"
    );
    assert_eq!(store.find(&id).unwrap(), one.entry);
}

#[test]
fn link_leading_elsewhere_is_not_followed() {
    let Home { root, store, _folder } = home();
    let one = register(&store, "one");
    symlink("/etc", root.join("etc")).unwrap();
    symlink("gone", root.join("dangling")).unwrap();

    for link in ["etc", "dangling"] {
        assert!(matches!(store.find(link), Err(StoreError::BadLink { .. })), "{link}");
    }
    fs::remove_dir_all(&one.path).unwrap();
    assert!(matches!(store.find("production"), Err(StoreError::BadLink { .. })));
    assert!(matches!(register(&store, "one").outcome, EntryOutcome::New));
}

#[test]
fn other_file_in_place_of_link_is_left_alone() {
    let Home { root, store, _folder } = home();
    fs::create_dir(&root).unwrap();
    put(root.join("production"), "mine");

    let error = store.register(&bundle("one"), "relay", "production").unwrap_err();

    assert!(matches!(error, StoreError::NotALink { .. }), "{error}");
    assert_eq!(fs::read_to_string(root.join("production")).unwrap(), "mine");
    assert!(store.entries().unwrap().is_empty());
}

/// A way to damage an entry.
type Harm = fn(&Utf8Path);

/// Returns true for a reader's expected error.
type Complaint = fn(&Fault) -> bool;

const HARMS: [(&str, Harm, Complaint); 18] = [
    (
        "a changed byte",
        |entry| put(entry.join("recipe.json"), "recipe.json: 0ne\n"),
        |fault| matches!(fault, Fault::Tampered { path, .. } if path == "recipe.json"),
    ),
    (
        "a file cut short, as by a power cut",
        |entry| put(entry.join("secrets/a.age"), ""),
        |fault| matches!(fault, Fault::Tampered { path, .. } if path == "secrets/a.age"),
    ),
    (
        "a missing file",
        |entry| fs::remove_file(entry.join("bundle.json")).unwrap(),
        |fault| matches!(fault, Fault::Missing { path } if path == "bundle.json"),
    ),
    (
        "another file",
        |entry| put(entry.join("manifests/99-evil.yaml"), ""),
        |fault| matches!(fault, Fault::Extra { name } if name == "manifests/99-evil.yaml"),
    ),
    (
        "a dotfile",
        |entry| put(entry.join(".DS_Store"), ""),
        |fault| matches!(fault, Fault::Extra { name } if name == ".DS_Store"),
    ),
    (
        "a name that is no UTF-8",
        |entry| {
            let name = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff");
            put(entry.as_std_path().join(name), "");
        },
        |fault| matches!(fault, Fault::Extra { name } if name == "\u{fffd}"),
    ),
    (
        "an empty folder",
        |entry| fs::create_dir_all(entry.join("other/empty")).unwrap(),
        |fault| matches!(fault, Fault::Form { name, form: FormFault::StrayFolder } if name == "other"),
    ),
    (
        "the folder of an image layout",
        |entry| fs::create_dir_all(entry.join("blobs/sha256")).unwrap(),
        |fault| matches!(fault, Fault::ImagesInFolder { name } if name == "blobs"),
    ),
    (
        "the index of an image layout",
        |entry| put(entry.as_std_path().join("index.json"), "{}"),
        |fault| matches!(fault, Fault::ImagesInFolder { name } if name == "index.json"),
    ),
    (
        "a symbolic link in place of a file",
        |entry| {
            fs::rename(entry.join("recipe.json"), entry.parent().unwrap().join("aside")).unwrap();
            symlink("../aside", entry.join("recipe.json")).unwrap();
        },
        |fault| matches!(fault, Fault::Form { form: FormFault::Symlink, .. }),
    ),
    (
        "a symbolic link in place of a folder",
        |entry| {
            fs::rename(entry.join("manifests"), entry.parent().unwrap().join("aside")).unwrap();
            symlink("../aside", entry.join("manifests")).unwrap();
        },
        |fault| matches!(fault, Fault::Form { form: FormFault::Symlink, .. }),
    ),
    (
        "a second name of a file",
        |entry| {
            fs::hard_link(entry.join("recipe.json"), entry.parent().unwrap().join("aside"))
                .unwrap();
        },
        |fault| matches!(fault, Fault::Form { form: FormFault::HardLinked { links: 2 }, .. }),
    ),
    (
        "a pipe",
        |entry| {
            fs::remove_file(entry.join("recipe.json")).unwrap();
            assert_cmd::Command::new("mkfifo").arg(entry.join("recipe.json")).assert().success();
        },
        |fault| matches!(fault, Fault::Form { form: FormFault::NotRegular, .. }),
    ),
    (
        "a pipe in place of the list",
        |entry| {
            fs::remove_file(entry.join("SHA256SUMS")).unwrap();
            assert_cmd::Command::new("mkfifo").arg(entry.join("SHA256SUMS")).assert().success();
        },
        |fault| matches!(fault, Fault::Form { form: FormFault::NotRegular, .. }),
    ),
    (
        "a file that others may write",
        |entry| chmod(&entry.join("recipe.json"), 0o666),
        |fault| matches!(fault, Fault::Form { form: FormFault::Mode { mode: 0o666 }, .. }),
    ),
    (
        "a list cut short",
        |entry| {
            let list = fs::read_to_string(entry.join("SHA256SUMS")).unwrap();
            put(entry.join("SHA256SUMS"), &list[..list.len() / 2]);
        },
        |fault| matches!(fault, Fault::OtherContent { .. }),
    ),
    (
        "no list",
        |entry| fs::remove_file(entry.join("SHA256SUMS")).unwrap(),
        |fault| matches!(fault, Fault::Missing { path } if path == "SHA256SUMS"),
    ),
    (
        "a file in place of a folder",
        |entry| {
            fs::remove_dir_all(entry.join("secrets")).unwrap();
            put(entry.join("secrets"), "");
        },
        |fault| matches!(fault, Fault::Extra { name } if name == "secrets"),
    ),
];

#[test]
fn altered_entry_is_found_when_read_and_remade_by_next_build() {
    for (what, harm, complaint) in HARMS {
        let Home { root, store, _folder } = home();
        let entry = register(&store, "one").path;

        harm(&entry);

        let fault = refused(&store, "production");
        assert!(complaint(&fault), "{what}: {fault:?}");
        let again = register(&store, "one");
        assert!(
            matches!(&again.outcome, EntryOutcome::Replaced { reason } if complaint(&reason.fault)),
            "{what}"
        );
        assert_eq!(read(&store, "production").sums, bundle("one").sums(), "{what}");
        assert!(matches!(register(&store, "one").outcome, EntryOutcome::Existed), "{what}");
        assert_eq!(names(&root.join(".tmp")), [""; 0], "{what}");
    }
}

#[test]
fn anything_in_place_of_entry_is_replaced() {
    let Home { store, _folder, .. } = home();
    let entry = register(&store, "one").path;
    let harms: [Harm; 3] = [
        |entry| put(entry, "a file"),
        |entry| symlink("/etc", entry).unwrap(),
        |entry| fs::create_dir(entry).unwrap(),
    ];
    for harm in harms {
        fs::remove_dir_all(&entry).unwrap();
        harm(&entry);

        let again = register(&store, "one");

        assert!(matches!(again.outcome, EntryOutcome::Replaced { .. }));
        assert_eq!(read(&store, "production").sums, bundle("one").sums());
    }
}

#[test]
fn attestation_is_set_atomically_and_survives_build_and_repair() {
    let Home { store, _folder, .. } = home();
    let registered = register(&store, "one");
    let attestation =
        |store: &Store| store.open("production").unwrap().1.attestation().map(<[u8]>::to_vec);
    assert_eq!(attestation(&store), None);

    store.attach(&registered.entry, b"first").unwrap();
    store.attach(&registered.entry, b"second").unwrap();

    assert_eq!(attestation(&store), Some(b"second".to_vec()));
    assert!(matches!(register(&store, "one").outcome, EntryOutcome::Existed));
    assert_eq!(attestation(&store), Some(b"second".to_vec()));
    put(registered.path.join("bundle.json"), "altered");
    assert!(matches!(register(&store, "one").outcome, EntryOutcome::Replaced { .. }));
    assert_eq!(attestation(&store), Some(b"second".to_vec()));
    // A mode that is wrong for a bundle's file is repaired like any other damage.
    chmod(&registered.path.join("attestation.dsse.json"), 0o600);
    assert!(matches!(register(&store, "one").outcome, EntryOutcome::Replaced { .. }));
    assert_eq!(attestation(&store), Some(b"second".to_vec()));
}

#[test]
fn attestation_has_size_limit_and_needs_entry() {
    let Home { store, _folder, .. } = home();
    let entry = register(&store, "one").entry;
    let nowhere = EntryName::new(&Digest::of(b"x"), "relay", "production").unwrap();

    assert!(matches!(store.attach(&entry, &vec![0; 65_537]), Err(StoreError::Limit(_))));
    assert!(matches!(store.attach(&nowhere, b"x"), Err(StoreError::NotFound { .. })));
    store.attach(&entry, &vec![0; 65_536]).unwrap();
    put(store.path_of(&entry).join("attestation.dsse.json"), vec![0; 65_537]);
    assert!(matches!(refused(&store, "production"), Fault::Limit(_)));
}

#[test]
fn garbage_is_what_no_link_and_no_pin_reaches() {
    let Home { root, store, _folder } = home();
    let [old, pinned, linked, newest] =
        ["old", "pinned", "linked", "newest"].map(|text| register(&store, text));
    fs::create_dir(root.join(".pins")).unwrap();
    symlink(format!("../{}", pinned.entry), root.join(".pins/audit")).unwrap();
    symlink(&linked.path, root.join("by-hand")).unwrap();
    symlink("gone", root.join("dangling")).unwrap();
    put(root.join("digests.toml"), "kept");
    fs::create_dir(root.join(".tmp/work-killed")).unwrap();
    put(root.join(".tmp/work-killed/half"), "12345");

    let planned = store.find_garbage(GarbageScope::Entries).unwrap();

    assert_eq!(planned.entries.iter().map(|found| &found.entry).collect::<Vec<_>>(), [&old.entry]);
    assert_eq!(planned.leftover_bytes, 5);
    assert_eq!(planned.bytes(), 5 + planned.entries[0].bytes);
    assert_eq!(planned.entries[0].bytes, bytes_of(&old.path));
    assert!(old.path.exists() && root.join(".tmp/work-killed/half").exists());

    assert_eq!(store.collect_garbage(GarbageScope::Entries).unwrap(), planned);

    assert!(!old.path.exists());
    assert_eq!(names(&root.join(".tmp")), [""; 0]);
    for kept in [&pinned, &linked, &newest] {
        assert_eq!(read(&store, kept.entry.as_str()).sums.content_id(), kept.content_id);
    }
    assert!(root.join("digests.toml").exists());
    assert_eq!(store.collect_garbage(GarbageScope::Entries).unwrap().bytes(), 0);
}

fn bytes_of(entry: &Utf8Path) -> u64 {
    [
        "SHA256SUMS",
        "bundle.json",
        "recipe.json",
        "secrets/a.age",
        "manifests/10-cm-a.yaml",
        "manifests/20-svc-b.yaml",
    ]
    .iter()
    .map(|file| fs::metadata(entry.join(file)).unwrap().len())
    .sum()
}

#[test]
fn build_removes_leftovers_of_dead_builds() {
    let Home { root, store, _folder } = home();
    fs::create_dir_all(root.join(".tmp/work-killed/new/manifests")).unwrap();
    put(root.join(".tmp/work-killed/new/manifests/a.yaml"), "half");

    register(&store, "one");

    assert_eq!(names(&root.join(".tmp")), [""; 0]);
}
