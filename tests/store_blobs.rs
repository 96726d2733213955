//! The blobs of images in a store: written once, resumed, and never stored under another blob's
//! name.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use camino::Utf8PathBuf;
use fs_err as fs;
use relay_bundle::model::digest::Digest;
use relay_bundle::store::blobs::{
    BadBlob, BlobEnd, BlobStart, BlobState, BlobVisitError, PartialBlob,
};
use relay_bundle::store::{GarbageScope, Store, StoreError};

use self::store_home::{Home, home};

#[path = "support/store_home.rs"]
mod store_home;

const BLOB: &[u8] = b"the bytes of a layer";

/// The time in which a thread that does not wait for a lock would show progress.
const A_WHILE: Duration = Duration::from_millis(200);

fn digest() -> Digest {
    Digest::of(BLOB)
}

fn begin(store: &Store) -> BlobStart {
    store.blobs().begin(digest(), BLOB.len() as u64).unwrap()
}

fn partial(store: &Store) -> PartialBlob {
    match begin(store) {
        BlobStart::Partial(partial) => partial,
        BlobStart::Stored => panic!("the blob is there"),
    }
}

/// Makes the folders of the blobs.
fn with_folders() -> (Home, Utf8PathBuf) {
    let home = home();
    drop(home.store.blobs().share().unwrap());
    let path = home.root.join(".blobs/.partial").join(digest().to_string());
    (home, path)
}

/// Reads the blob in the store.
fn stored(store: &Store) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let visited = store.blobs().visit(digest(), BLOB.len() as u64, &mut |_, content| {
        content.read_to_end(&mut bytes).map(drop)
    });
    match visited {
        Ok(()) => Some(bytes),
        Err(BlobVisitError::Bad(BadBlob { state: BlobState::Absent, .. })) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Returns true if the store has the blob with the right bytes.
fn is_whole(store: &Store) -> bool {
    store.blobs().visit(digest(), BLOB.len() as u64, &mut |_, _| Ok(())).is_ok()
}

#[test]
fn altered_blob_hands_out_no_last_byte() {
    let (Home { store, root, _folder }, _) = with_folders();
    let mut altered = BLOB.to_vec();
    altered[0] ^= 1;
    fs::write(root.join(".blobs/sha256").join(digest().to_string()), altered).unwrap();
    let mut read = 0;

    let visited = store.blobs().visit(digest(), BLOB.len() as u64, &mut |_, content| {
        let mut byte = [0];
        while content.read(&mut byte)? == 1 {
            read += 1;
        }
        Ok(())
    });

    assert!(matches!(visited, Err(BlobVisitError::Bad(BadBlob { state: BlobState::Altered, .. }))));
    assert_eq!(read, BLOB.len() - 1);
}

#[test]
fn blob_gets_its_name_when_it_is_whole() {
    let (Home { store, _folder, .. }, path) = with_folders();
    let mut blob = partial(&store);
    for piece in BLOB.chunks(7) {
        assert_eq!(stored(&store), None);
        blob.append(piece).unwrap();
    }

    assert_eq!(blob.finish().unwrap(), BlobEnd::Stored);

    assert_eq!(stored(&store).as_deref(), Some(BLOB));
    assert!(!path.exists());
    assert!(matches!(begin(&store), BlobStart::Stored));
}

#[test]
fn umask_narrows_neither_folders_nor_blobs() {
    // This applies to the whole process; no other test here looks at modes.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let (Home { store, root, _folder }, _) = with_folders();
    let mut blob = partial(&store);
    blob.append(BLOB).unwrap();
    blob.finish().unwrap();

    let mode = |path: &str| fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o7777;
    for folder in ["", ".blobs", ".blobs/sha256", ".blobs/.partial"] {
        assert_eq!(mode(folder), 0o755, "{folder}");
    }
    assert_eq!(mode(&format!(".blobs/sha256/{}", digest())), 0o644);
}

#[test]
fn blob_whose_writer_was_killed_is_resumed() {
    let (Home { store, _folder, .. }, _) = with_folders();
    for (from, to) in [(0, 3), (3, 3), (3, 11), (11, BLOB.len())] {
        let mut blob = partial(&store);
        assert_eq!(blob.bytes(), from as u64);
        blob.append(&BLOB[from..to]).unwrap();
        if to == BLOB.len() {
            assert_eq!(blob.finish().unwrap(), BlobEnd::Stored);
        }
    }

    assert_eq!(stored(&store).as_deref(), Some(BLOB));
}

#[test]
fn altered_partial_is_discarded() {
    let (Home { store, _folder, .. }, path) = with_folders();
    partial(&store).append(&BLOB[..10]).unwrap();
    fs::write(&path, b"other byte").unwrap();
    let mut blob = partial(&store);
    assert_eq!(blob.bytes(), 10);
    blob.append(&BLOB[10..]).unwrap();

    let finished = blob.finish().unwrap();

    let found = Digest::of(&[&b"other byte"[..], &BLOB[10..]].concat());
    assert_eq!(finished, BlobEnd::Wrong { found });
    assert_eq!(stored(&store), None);
    assert_eq!(partial(&store).bytes(), 0);
}

#[test]
fn blob_that_is_too_short_or_too_long_is_not_stored() {
    let (Home { store, _folder, .. }, path) = with_folders();
    let mut blob = partial(&store);
    blob.append(&BLOB[1..]).unwrap();
    assert!(blob.append(b"xx").is_err());
    assert!(matches!(blob.finish().unwrap(), BlobEnd::Wrong { .. }));

    fs::write(&path, [BLOB, b"x"].concat()).unwrap();
    assert_eq!(partial(&store).bytes(), 0);
    assert_eq!(stored(&store), None);
}

#[test]
fn second_writer_waits_and_finds_blob_stored() {
    let (Home { store, _folder, .. }, _) = with_folders();
    let mut first = partial(&store);
    let (tell, told) = channel();
    let other = store.clone();
    let second = thread::spawn(move || {
        let begun = begin(&other);
        tell.send(()).unwrap();
        matches!(begun, BlobStart::Stored)
    });
    assert!(told.recv_timeout(A_WHILE).is_err(), "two writers of one blob");

    first.append(BLOB).unwrap();
    first.finish().unwrap();

    assert!(second.join().unwrap());
}

#[test]
fn second_writer_continues_where_first_gave_up() {
    let (Home { store, _folder, .. }, _) = with_folders();
    let mut first = partial(&store);
    let other = store.clone();
    let second = thread::spawn(move || {
        let mut blob = partial(&other);
        let bytes = blob.bytes();
        blob.append(&BLOB[4..]).unwrap();
        (bytes, blob.finish().unwrap())
    });
    first.append(&BLOB[..4]).unwrap();
    drop(first);

    let (bytes, finished) = second.join().unwrap();

    // With fewer, it would not have waited for the first one.
    assert!(bytes == 4 && finished == BlobEnd::Stored, "{bytes} {finished:?}");
}

#[test]
fn writers_of_two_blobs_do_not_wait_for_each_other() {
    let (Home { store, _folder, .. }, _) = with_folders();
    let _first = partial(&store);

    let other = store.blobs().begin(Digest::of(b"other"), 5).unwrap();

    assert!(matches!(other, BlobStart::Partial(_)));
}

#[test]
fn links_and_folders_in_place_of_blob_are_not_used() {
    let (Home { store, root, _folder }, path) = with_folders();
    let target = root.join(".blobs/sha256").join(digest().to_string());
    let outside = root.with_file_name("outside");
    fs::write(&outside, BLOB).unwrap();
    symlink(&outside, &path).unwrap();
    assert!(store.blobs().begin(digest(), BLOB.len() as u64).is_err());
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(store.blobs().begin(digest(), BLOB.len() as u64).is_err());

    symlink(&outside, &target).unwrap();
    assert!(!is_whole(&store));
    fs::remove_file(&target).unwrap();
    fs::create_dir(&target).unwrap();
    assert!(!is_whole(&store));
    assert_eq!(fs::read(outside).unwrap(), BLOB);
}

#[test]
fn blobs_folder_must_not_be_link() {
    let Home { store, root, _folder } = home();
    fs::create_dir_all(root.with_file_name("outside")).unwrap();
    fs::create_dir_all(&root).unwrap();
    symlink(root.with_file_name("outside"), root.join(".blobs")).unwrap();

    assert!(matches!(store.blobs().share(), Err(StoreError::InTheWay { .. })));
}

#[test]
fn removal_waits_for_blob_users() {
    let (Home { store, root, _folder }, _) = with_folders();
    partial(&store).append(BLOB).unwrap();
    let share = store.blobs().share().unwrap();
    let second_share = store.blobs().share().unwrap();
    let (tell, told) = channel();
    let other = store.clone();
    let removal = thread::spawn(move || {
        let garbage = other.collect_garbage(GarbageScope::EntriesAndBlobs).unwrap();
        tell.send(()).unwrap();
        garbage
    });
    assert!(told.recv_timeout(A_WHILE).is_err(), "the blobs are in use");

    drop((share, second_share));

    assert_eq!(removal.join().unwrap().blobs.partial_bytes, BLOB.len() as u64);
    assert_eq!(fs::read_dir(root.join(".blobs/.partial")).unwrap().count(), 0);
}

#[test]
fn gc_follows_no_link_out_of_store() {
    let outside = home();
    let victim = outside.root.join("sha256").join("d".repeat(64));
    fs::create_dir_all(victim.parent().unwrap()).unwrap();
    fs::write(&victim, "of another user").unwrap();
    for link in ["", "sha256", ".partial"] {
        let home = home();
        let store = &home.store;
        drop(store.blobs().share().unwrap());
        let blobs = home.root.join(".blobs");
        let place = if link.is_empty() { blobs } else { blobs.join(link) };
        fs::remove_dir_all(&place).unwrap();
        let target =
            if link.is_empty() { outside.root.clone() } else { outside.root.join("sha256") };
        symlink(target, &place).unwrap();

        let refused = store.collect_garbage(GarbageScope::EntriesAndBlobs);

        assert!(matches!(refused, Err(StoreError::InTheWay { .. })), "{link}: {refused:?}");
        assert!(victim.exists(), "{link}");
    }
}

#[test]
fn hard_linked_partial_blob_is_not_extended() {
    let home = home();
    let store = &home.store;
    drop(store.blobs().share().unwrap());
    let victim = home.root.join("victim");
    fs::write(&victim, "of another user").unwrap();
    fs::hard_link(&victim, home.root.join(".blobs/.partial").join(digest().to_string())).unwrap();

    let refused = store.blobs().begin(digest(), BLOB.len() as u64);

    assert!(matches!(refused, Err(StoreError::InTheWay { .. })));
    assert_eq!(fs::read_to_string(&victim).unwrap(), "of another user");
}
