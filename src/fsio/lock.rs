//! Locks between processes, released when the holder closes the file or exits. Waits of more than a
//! second are reported.

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

/// The number of attempts before a wait is reported: one second in total.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// A listener that is called once for each lock that was not free within a second. The default has
/// no listener.
#[derive(Clone, Default)]
pub struct Waits(Option<Arc<Listener>>);

type Listener = dyn Fn(&Utf8Path) + Send + Sync;

impl Waits {
    /// Reports waits to `listener`.
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

/// Whether other processes may hold the lock at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    Shared,
    Exclusive,
}

/// The lock of a file or folder by name. Another process may replace the file by a rename, so check
/// [`NamedLock::is_current`].
#[derive(Debug)]
pub struct NamedLock {
    file: fs::File,
    path: Utf8PathBuf,
}

/// The result of locking by name.
#[derive(Debug)]
pub enum Locked {
    Yes(NamedLock),
    /// The file system does not support such locks; some network file systems lack them for
    /// folders.
    Unsupported(io::ErrorKind),
}

/// Waits for the lock of an open file; closing the file releases it.
///
/// # Errors
///
/// When the file system does not support locks.
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

/// Waits for the exclusive lock of the file or folder at `path`. If it is replaced during the wait,
/// the new one is locked instead.
///
/// # Errors
///
/// When it does not exist or cannot be opened.
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
    /// When the metadata of the path cannot be read.
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
    fn file_replaced_while_lock_is_awaited_is_locked_instead() {
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
