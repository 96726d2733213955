//! The store when processes are killed, the disk is full or read-only, and builds run at once.
//!
//! Processes that must die, or need a separate file system, are this test binary again: see
//! `child`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a test says what it skipped, and what it saw")]

#[path = "support/store_home.rs"]
mod store_home;

use std::io::{self, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use relay_bundle::bundle::fault::{Fault, ReadError};
use relay_bundle::bundle::files::BundleFiles;
use relay_bundle::bundle::read::{Contents, Files};
use relay_bundle::model::digest::Digest;
use relay_bundle::model::safe_path::SafePath;
use relay_bundle::store::blobs::{BlobEnd, BlobStart};
use relay_bundle::store::{EntryOutcome, GarbageScope, Store, StoreError};
use store_home::{Home, home};

const SIGABRT: i32 = 6;
const ROLE: &str = "STORE_CHILD_ROLE";
const ROOT: &str = "STORE_CHILD_ROOT";

fn bundle(text: &str) -> BundleFiles {
    let mut files = BundleFiles::default();
    for path in ["bundle.json", "manifests/a.yaml", "recipe.json", "secrets/a.age"] {
        files
            .add(SafePath::parse(path).unwrap(), format!("{path}: {text}\n").into_bytes())
            .unwrap();
    }
    files
}

fn register(store: &Store, text: &str) -> EntryOutcome {
    store.register(&bundle(text), "relay", "production").unwrap().outcome
}

fn read(store: &Store, reference: &str) -> Result<Contents, Fault> {
    let (_, opened) = store.open(reference).map_err(|error| match error {
        StoreError::Read { error, .. } => error.fault,
        other => panic!("{other}"),
    })?;
    opened.into_files().and_then(Files::read_to_end).map_err(|ReadError { fault, .. }| fault)
}

fn assert_every_entry_is_whole(store: &Store) {
    for entry in store.entries().unwrap() {
        read(store, entry.as_str()).unwrap_or_else(|fault| panic!("{entry}: {fault}"));
    }
}

fn assert_nothing_is_left_over(root: &Utf8Path) {
    assert_eq!(root.join(".tmp").read_dir_utf8().unwrap().count(), 0);
}

// --- killed ---

/// An operation of a process that may be killed, after an undisturbed `prepare`.
struct Deed {
    name: &'static str,
    prepare: fn(&Store),
}

const DEEDS: [Deed; 7] = [
    Deed { name: "fetch", prepare: |_| {} },
    Deed { name: "collect-blobs", prepare: |store| fetch(store) },
    Deed { name: "build", prepare: |_| {} },
    Deed { name: "build", prepare: |store| drop(register(store, "before")) },
    Deed { name: "build", prepare: spoil },
    Deed { name: "attach", prepare: |store| drop(register(store, "deed")) },
    Deed {
        name: "collect",
        prepare: |store| {
            spoil(store);
            register(store, "before");
        },
    },
];

/// Leaves a signed entry with a truncated file.
fn spoil(store: &Store) {
    let registered = store.register(&bundle("deed"), "relay", "production").unwrap();
    store.attach(&registered.entry, b"signatures").unwrap();
    fs::write(registered.path.join("bundle.json"), "").unwrap();
}

const BLOB: &[u8] = b"a layer";

/// Writes a blob, as `fetch` does.
fn fetch(store: &Store) {
    let blobs = store.blobs();
    let _shared = blobs.share().unwrap();
    if let BlobStart::Partial(mut partial) =
        blobs.begin(Digest::of(BLOB), BLOB.len() as u64).unwrap()
    {
        let rest = usize::try_from(partial.bytes()).unwrap();
        partial.append(&BLOB[rest..]).unwrap();
        assert_eq!(partial.finish().unwrap(), BlobEnd::Stored);
    }
}

/// Asserts that a blob is whole or missing, and can be fetched.
fn assert_blob_is_whole_or_missing(store: &Store) {
    let path = store.blobs().path_of(&Digest::of(BLOB));
    assert!(!path.exists() || fs::read(&path).unwrap() == BLOB);
    fetch(store);
    assert_eq!(fs::read(&path).unwrap(), BLOB);
}

fn do_deed(store: &Store, name: &str) {
    match name {
        "build" => drop(register(store, "deed")),
        "attach" => store.attach(&store.find("production").unwrap(), b"signatures").unwrap(),
        "fetch" => fetch(store),
        "collect-blobs" => drop(store.collect_garbage(GarbageScope::EntriesAndBlobs).unwrap()),
        "collect" => drop(store.collect_garbage(GarbageScope::Entries).unwrap()),
        other => panic!("{other}"),
    }
}

#[test]
fn kill_before_any_change_leaves_store_whole_for_next_process() {
    let mut kills = 0;
    for Deed { name, prepare } in DEEDS {
        for step in 0.. {
            let Home { root, store, _folder } = home();
            prepare(&store);
            let signed =
                store.entries().unwrap().iter().any(|entry| is_signed(&store, entry.as_str()));

            let output = start(&format!("{name} {step}"), &root).wait_with_output().unwrap();

            if output.status.success() {
                break;
            }
            kills += 1;
            assert_eq!(
                output.status.signal(),
                Some(SIGABRT),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            assert_nothing_is_half_done(&store);
            assert_blob_is_whole_or_missing(&store);
            register(&store, "deed");
            assert_eq!(read(&store, "production").unwrap().sums, bundle("deed").sums());
            assert!(
                !signed || name == "collect" || is_signed(&store, "production"),
                "{name} {step}: signatures are gone"
            );
            assert_nothing_is_left_over(&root);
            assert_every_entry_is_whole(&store);
        }
    }
    // Creating folders, each file, each rename: far fewer would mean that the observer misses some.
    assert!(kills > 80, "{kills}");
    println!("killed at {kills} places");
}

fn is_signed(store: &Store, reference: &str) -> bool {
    store.open(reference).is_ok_and(|(_, opened)| opened.attestation().is_some())
}

/// Asserts that each entry is whole, or is the one that `spoil` damaged, unchanged.
fn assert_nothing_is_half_done(store: &Store) {
    for entry in store.entries().unwrap() {
        match read(store, entry.as_str()) {
            Ok(_) => {}
            Err(Fault::Tampered { path, .. }) if path == "bundle.json" => {}
            Err(fault) => panic!("{entry}: {fault}"),
        }
    }
}

// --- full, read-only ---

#[test]
fn full_disk_is_error_that_leaves_store_unchanged() {
    with_tmpfs("full disk");
}

#[test]
fn read_only_store_can_be_read_but_not_written() {
    with_tmpfs("read-only");
}

/// Runs a role in a process with a small file system at the root of its store.
fn with_tmpfs(role: &str) {
    let mount = r#"mount -t tmpfs -o size=256k,mode=0755 tmpfs "$1" || exit 77; shift; exec "$@""#;
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
    let this = std::env::current_exe().unwrap();
    let run = |unshare: &[&str]| -> io::Result<Output> {
        let mut command = Command::new("unshare");
        command
            .args(unshare)
            .args(["sh", "-c", mount, "sh", root.as_str()])
            .arg(&this)
            .args(CHILD_ARGS);
        command.env(ROLE, role).env(ROOT, &root).output()
    };
    // Without root, a user namespace may still allow it.
    let attempts = [&["--mount"][..], &["--user", "--map-root-user", "--mount"]];
    let played = attempts.iter().filter_map(|unshare| run(unshare).ok()).find(|output| {
        output.status.success() || String::from_utf8_lossy(&output.stderr).contains("panicked")
    });
    match played {
        Some(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        None if is_ci() => panic!("`unshare --mount` and `mount -t tmpfs` must work in CI"),
        None => {
            println!(
                "SKIPPED: {role}: no right to mount a tmpfs, neither as root nor in a user namespace"
            );
        }
    }
}

fn full_disk(store: &Store) {
    let root = store.root();
    register(store, "before");
    let ballast = root.join("ballast");
    let (mut refused, mut stored) = (0, 0);
    // From no free page to enough of them, so that the disk becomes full at every step of a build.
    for free_pages in 0..40 {
        let text = format!("{free_pages:>9000}");
        fill(&ballast, free_pages);

        match store.register(&bundle(&text), "relay", "production") {
            Ok(_) => stored += 1,
            Err(error) => {
                assert!(
                    matches!(&error, StoreError::Io(e) if e.kind() == io::ErrorKind::StorageFull),
                    "{error}"
                );
                assert!(error.remedy().unwrap().contains("full"));
                assert!(error.to_string().contains(root.as_str()), "{error}");
                refused += 1;
                assert_eq!(read(store, "production").unwrap().sums, bundle("before").sums());
            }
        }

        fs::remove_file(&ballast).unwrap();
        assert_every_entry_is_whole(store);
        assert_nothing_is_left_over(root);
        register(store, "before");
        store.collect_garbage(GarbageScope::Entries).unwrap();
        assert_eq!(store.entries().unwrap().len(), 1);
    }
    assert!(refused > 5 && stored > 5, "{refused} refused, {stored} stored");
}

/// Fills the disk with a file, then leaves this many pages free.
fn fill(path: &Utf8Path, free_pages: u64) {
    let mut file = std::fs::File::create(path).unwrap();
    let mut pages = 0;
    while file.write_all(&[0; 4096]).is_ok() {
        pages += 1;
    }
    file.set_len((pages - free_pages) * 4096).unwrap();
}

fn read_only(store: &Store) {
    register(store, "before");
    fs::create_dir(store.root().join(".tmp/work-killed")).unwrap();
    let status = Command::new("mount")
        .args(["-o", "remount,bind,ro", store.root().as_str()])
        .status()
        .unwrap();
    assert!(status.success());

    let error = store.register(&bundle("other"), "relay", "production").unwrap_err();

    assert!(
        matches!(&error, StoreError::Io(e) if e.kind() == io::ErrorKind::ReadOnlyFilesystem),
        "{error}"
    );
    assert!(error.remedy().unwrap().contains("read-only"));
    assert_eq!(read(store, "production").unwrap().sums, bundle("before").sums());
    assert!(store.find_garbage(GarbageScope::Entries).unwrap().entries.is_empty());
}

// --- at once ---

/// Builds ten bundles that others build too, one that only this process builds, and collects
/// garbage in between.
fn build_many(store: &Store, own: &str) {
    for round in 0..10 {
        register(store, &format!("common {round}"));
        if round == 5 {
            store.collect_garbage(GarbageScope::Entries).unwrap();
        }
    }
    store.register(&bundle(own), "relay", own).unwrap();
}

fn assert_many_were_built(store: &Store, builders: usize) {
    assert_every_entry_is_whole(store);
    assert_nothing_is_left_over(store.root());
    assert_eq!(read(store, "production").unwrap().sums, bundle("common 9").sums());
    for own in 0..builders {
        assert_eq!(
            read(store, &format!("own-{own}")).unwrap().sums,
            bundle(&format!("own-{own}")).sums()
        );
    }
}

#[test]
fn threads_that_build_at_once_do_not_disturb_each_other() {
    for builders in [2, 8] {
        let Home { store, _folder, .. } = home();

        std::thread::scope(|scope| {
            for own in 0..builders {
                let store = &store;
                scope.spawn(move || build_many(store, &format!("own-{own}")));
            }
        });

        assert_many_were_built(&store, builders);
    }
}

#[test]
fn processes_that_build_at_once_do_not_disturb_each_other() {
    for builders in [2, 8] {
        let Home { root, store, _folder } = home();

        let children: Vec<_> =
            (0..builders).map(|own| start(&format!("many own-{own}"), &root)).collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }

        assert_many_were_built(&store, builders);
    }
}

#[test]
fn concurrent_builds_replace_same_altered_entry_once() {
    let Home { store, _folder, .. } = home();
    spoil(&store);

    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let builders: Vec<_> = (0..8).map(|_| scope.spawn(|| register(&store, "deed"))).collect();
        builders.into_iter().map(|builder| builder.join().unwrap()).collect()
    });

    let replaced =
        outcomes.iter().filter(|outcome| matches!(outcome, EntryOutcome::Replaced { .. })).count();
    let existed =
        outcomes.iter().filter(|outcome| matches!(outcome, EntryOutcome::Existed)).count();
    assert_eq!((replaced, existed), (1, 7));
    assert!(is_signed(&store, "production"));
    assert_every_entry_is_whole(&store);
}

// --- the other process ---

const CHILD_ARGS: [&str; 4] = ["--exact", "child", "--ignored", "--nocapture"];

fn start(role: &str, root: &Utf8Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(CHILD_ARGS)
        .env(ROLE, role)
        .env(ROOT, root)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
#[ignore = "it is the process that the other tests start, and sometimes kill"]
fn child() {
    let (Some(role), Some(root)) = (variable(ROLE), variable(ROOT)) else {
        println!("SKIPPED: only the other tests start this one");
        return;
    };
    match role.split_once(' ').unwrap_or((&role, "")) {
        ("full", _) => full_disk(&Store::at(root)),
        ("many", own) => build_many(&Store::at(root), own),
        ("read-only", _) => read_only(&Store::at(root)),
        (deed, step) => do_deed(&doomed(&root, step.parse().unwrap()), deed),
    }
}

/// Returns a store whose process dies before its change number `step`, counted from 0.
fn doomed(root: &str, step: usize) -> Store {
    let changes = AtomicUsize::new(0);
    Store::observed(
        root,
        Arc::new(move |_, _| {
            if changes.fetch_add(1, Ordering::SeqCst) == step {
                std::process::abort();
            }
        }),
    )
}

#[expect(clippy::disallowed_methods, reason = "how a test talks to its own process")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn is_ci() -> bool {
    variable("CI").as_deref() == Some("true")
}
