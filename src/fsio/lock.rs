//! Locks between processes, released when the holder closes the file or ends. A wait of more than a
//! second is reported.

use std::fmt;
use std::fs::TryLockError;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::open::open_for_reading;

/// How often a lock that is taken is asked for before its waiting is told: a second in all.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// The listener that gets the path of each lock that was not free for a second, once. The default
/// has none.
#[derive(Clone, Default)]
pub struct Waits(Option<Arc<Listener>>);

type Listener = dyn Fn(&Utf8Path) + Send + Sync;

impl Waits {
    /// Tells `listener`.
    pub fn told_to(listener: impl Fn(&Utf8Path) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    fn tell(&self, file: &fs::File) {
        if let (Some(listener), Some(path)) = (&self.0, Utf8Path::from_path(file.path())) {
            listener(path);
        }
    }
}

impl fmt::Debug for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waits").field("told", &self.0.is_some()).finish()
    }
}

/// Who else may hold a lock at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    Shared,
    Exclusive,
}

/// The lock of a file or folder that has its name still: others replace it by a rename.
#[derive(Debug)]
pub struct NamedLock {
    file: fs::File,
    path: Utf8PathBuf,
}

/// What came of locking by name.
#[derive(Debug)]
pub enum Locked {
    Yes(NamedLock),
    /// The file system has no such locks, as some network file systems have none for folders.
    Unsupported(io::ErrorKind),
}

/// Waits for the lock of an open file; closing the file releases it.
///
/// # Errors
///
/// When the file system refuses.
pub fn lock_file(file: &fs::File, sharing: Sharing, waits: &Waits) -> io::Result<()> {
    for _ in 0..TRIES {
        let tried = match sharing {
            Sharing::Shared => file.try_lock_shared(),
            Sharing::Exclusive => file.try_lock(),
        };
        match tried {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => sleep(PAUSE),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    waits.tell(file);
    match sharing {
        Sharing::Shared => file.lock_shared(),
        Sharing::Exclusive => file.lock(),
    }
}

/// Waits for the exclusive lock of the file or folder at `path`; one that is replaced while we wait
/// is locked in place of the old one.
///
/// # Errors
///
/// When nothing is there, or it cannot be opened.
pub fn lock_named(path: &Utf8Path, waits: &Waits) -> io::Result<Locked> {
    loop {
        let file = open_for_reading(path)?;
        if let Err(error) = lock_file(&file, Sharing::Exclusive, waits) {
            return Ok(Locked::Unsupported(error.kind()));
        }
        let lock = NamedLock { file, path: path.to_owned() };
        if lock.is_current()? {
            return Ok(Locked::Yes(lock));
        }
    }
}

impl NamedLock {
    /// Returns whether the locked file is still the one at the path.
    ///
    /// # Errors
    ///
    /// When the path cannot be asked.
    pub fn is_current(&self) -> io::Result<bool> {
        let locked = self.file.metadata()?;
        match fs::metadata(&self.path) {
            Ok(named) => Ok((locked.dev(), locked.ino()) == (named.dev(), named.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn file() -> (tempfile::TempDir, Utf8PathBuf) {
        let keep = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(keep.path()).unwrap().join("file");
        fs::write(&path, "").unwrap();
        (keep, path)
    }

    #[test]
    fn lock_that_is_held_for_long_is_told_once_with_its_path() {
        let (_keep, path) = file();
        let (sender, receiver) = mpsc::channel();
        let waits = Waits::told_to(move |waited| sender.send(waited.to_owned()).unwrap());
        let held = fs::File::open(&path).unwrap();
        held.lock().unwrap();
        let releasing = std::thread::spawn(move || {
            let told: Utf8PathBuf = receiver.recv().unwrap();
            drop(held);
            (told, receiver)
        });

        lock_file(&fs::File::open(&path).unwrap(), Sharing::Exclusive, &waits).unwrap();

        let (told, receiver) = releasing.join().unwrap();
        assert_eq!(told, path);
        assert!(receiver.try_recv().is_err(), "it is told once");
    }

    #[test]
    fn free_lock_is_not_told() {
        let (_keep, path) = file();
        let shared = fs::File::open(&path).unwrap();
        let silent = Waits::told_to(|_| panic!("nothing was waited for"));

        lock_file(&shared, Sharing::Shared, &silent).unwrap();
        lock_file(&fs::File::open(&path).unwrap(), Sharing::Shared, &silent).unwrap();
    }

    #[test]
    fn file_that_is_replaced_while_its_lock_is_waited_for_is_locked_in_place_of_the_old_one() {
        let (_keep, path) = file();
        let held = fs::File::open(&path).unwrap();
        held.lock().unwrap();
        let new = path.with_extension("new");
        fs::write(&new, "new").unwrap();
        let lock = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| lock_named(&path, &Waits::default()).unwrap());
            sleep(PAUSE * 5);
            fs::rename(&new, &path).unwrap();
            drop(held);
            waiting.join().unwrap()
        });

        let Locked::Yes(lock) = lock else { panic!("the file system has locks") };
        assert!(lock.is_current().unwrap());
        fs::remove_file(&path).unwrap();
        assert!(!lock.is_current().unwrap());
    }
}
