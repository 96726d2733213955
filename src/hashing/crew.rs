//! Threads that hash whole files beside each other.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::mem;
use std::num::NonZero;
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use fs_err::File;
use fs_err::os::unix::fs::FileExt as _;

use super::start;
use crate::bundle::content::{Hashed, Hashing, Pending};
use crate::model::digest::Hasher;

/// What is read is hashed while it is in the cache of the core.
const READ_BYTES: usize = 128 << 10;

/// The most threads that hash files: they need about a mebibyte each, and no disk feeds more.
const WORKERS_MAX: usize = 8;

/// Threads that hash files; started when there is work, ended when the value is dropped.
#[derive(Default)]
pub struct Crew {
    queue: Arc<Queue>,
    workers: Mutex<Vec<JoinHandle<()>>>,
}

impl Crew {
    /// Begins to hash `bytes` bytes of `file` from the place `at`; none if the system allows no
    /// thread.
    ///
    /// Files are taken up in the order of the calls.
    pub fn hash(&self, file: Arc<File>, at: u64, bytes: u64) -> Option<Pending> {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        if !self.ensure_workers(cores) {
            return None;
        }
        let (done, result) = channel();
        let queue = Arc::clone(&self.queue);
        self.queue.push(Box::new(move |busy| {
            // While a core is idle it hashes what this one reads.
            let hashing = if busy < cores { start(bytes) } else { Box::new(Hasher::default()) };
            // Nobody waits any more after another file was found to be bad.
            done.send(hash(&queue, &file, at, bytes, hashing)).ok();
        }));
        let ended = || Err(io::Error::other("a thread that hashes files ended early"));
        Some(Box::new(move || result.recv().unwrap_or_else(|_| ended())))
    }

    /// Starts one more thread, up to one a core; tells whether there is any.
    fn ensure_workers(&self, cores: usize) -> bool {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        if workers.len() < cores.min(WORKERS_MAX) {
            let queue = Arc::clone(&self.queue);
            workers.extend(thread::Builder::new().spawn(move || queue.work()));
        }
        !workers.is_empty()
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.queue.close();
        let workers = self.workers.get_mut().unwrap_or_else(PoisonError::into_inner);
        for worker in workers.drain(..) {
            // Whoever waited for one that panicked knows.
            worker.join().ok();
        }
    }
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").finish_non_exhaustive()
    }
}

/// Reads a part of a file and hashes it, until it ends or nobody wants to know any more.
fn hash(
    queue: &Queue,
    file: &File,
    at: u64,
    bytes: u64,
    mut hashing: Box<dyn Hashing>,
) -> io::Result<Hashed> {
    let mut buffer = vec![0; READ_BYTES];
    let mut read_bytes = 0;
    while read_bytes < bytes && !queue.state().closed {
        let wanted = usize::try_from(bytes - read_bytes).unwrap_or(usize::MAX).min(READ_BYTES);
        match file.read_at(&mut buffer[..wanted], at + read_bytes) {
            Ok(0) => break,
            Ok(read) => {
                hashing.update(&buffer[..read]);
                read_bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Hashed { digest: hashing.finish(), bytes: read_bytes })
}

/// Hashes a file; is told how many are being hashed, itself included.
type Job = Box<dyn FnOnce(usize) + Send>;

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    /// A job was added, or the queue was closed.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    busy: usize,
    closed: bool,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, job: Job) {
        self.state().jobs.push_back(job);
        self.changed.notify_one();
    }

    fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        // Jobs hold the queue, so they would never be dropped, and whoever waits for one would do
        // so for ever.
        let jobs = mem::take(&mut state.jobs);
        drop(state);
        drop(jobs);
        self.changed.notify_all();
    }

    /// Does jobs until the queue is closed.
    fn work(&self) {
        let mut state = self.state();
        while !state.closed {
            if let Some(job) = state.jobs.pop_front() {
                state.busy += 1;
                let busy = state.busy;
                drop(state);
                job(busy);
                state = self.state();
                state.busy -= 1;
            } else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_that_waits_when_its_crew_ends_is_an_error() {
        let crew = Crew::default();
        let file = || Arc::new(File::open("Cargo.lock").unwrap());
        let (tell, told) = channel();
        // More than there are threads, the first of which wait for the end.
        let pending: Vec<Pending> = (0..64).filter_map(|_| crew.hash(file(), 0, 1 << 40)).collect();
        let ending = thread::spawn(move || {
            drop(crew);
            tell.send(()).unwrap();
        });

        for one in pending {
            // Either it was hashed to the end of the file, or nothing of it.
            one().ok();
        }

        told.recv().unwrap();
        ending.join().unwrap();
    }
}
