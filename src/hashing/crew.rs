//! A thread pool that hashes whole files in parallel.

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

use super::aside::start;
use crate::bundle::content::{Hashed, Hashing, Pending};
use crate::model::digest::Hasher;

/// Small enough that bytes are hashed while they are in the cache of the core.
const READ_BYTES: usize = 128 << 10;

/// The maximum number of threads that hash files: each needs about a mebibyte, and no disk keeps
/// more of them busy.
const WORKERS_MAX: usize = 8;

/// Threads that hash files; started on demand, and ended when the value is dropped.
#[derive(Default)]
pub struct Crew {
    queue: Arc<Queue>,
    workers: Mutex<Vec<JoinHandle<()>>>,
}

impl Crew {
    /// Starts to hash `bytes` bytes of `file` at the offset `at`; returns `None` if the system
    /// allows no thread.
    ///
    /// Files are processed in the order of the calls.
    pub fn hash(&self, file: Arc<File>, at: u64, bytes: u64) -> Option<Pending> {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        if !self.ensure_workers(cores) {
            return None;
        }
        let (done, result) = channel();
        let queue = Arc::clone(&self.queue);
        self.queue.push(Box::new(move |busy| {
            // Use an idle core to hash the bytes that this thread reads.
            let hashing = if busy < cores { start(bytes) } else { Box::new(Hasher::default()) };
            // The receiver is gone if another file turned out to be bad.
            done.send(hash(&queue, &file, at, bytes, hashing)).ok();
        }));
        let ended = || Err(io::Error::other("a thread that hashes files ended early"));
        Some(Box::new(move || result.recv().unwrap_or_else(|_| ended())))
    }

    /// Starts another thread, up to one per core, and returns whether any thread runs.
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
            // The receiver of a job that panicked gets an error already.
            worker.join().ok();
        }
    }
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").finish_non_exhaustive()
    }
}

/// Reads and hashes a part of a file, until its end or until the queue is closed.
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

/// A job that hashes a file; its argument is the number of running jobs, including itself.
type Job = Box<dyn FnOnce(usize) + Send>;

#[derive(Default)]
struct Queue {
    state: Mutex<CrewState>,
    /// Notified when a job was added or the queue was closed.
    changed: Condvar,
}

#[derive(Default)]
struct CrewState {
    jobs: VecDeque<Job>,
    busy: usize,
    closed: bool,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, CrewState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, job: Job) {
        self.state().jobs.push_back(job);
        self.changed.notify_one();
    }

    fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        // Jobs own a reference to the queue. Without this they would never be dropped, and their
        // receivers would wait forever.
        let jobs = mem::take(&mut state.jobs);
        drop(state);
        drop(jobs);
        self.changed.notify_all();
    }

    /// Runs jobs until the queue is closed.
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
    fn file_still_queued_when_crew_ends_is_error() {
        let crew = Crew::default();
        let file = || Arc::new(File::open("Cargo.lock").unwrap());
        let (tell, told) = channel();
        // More jobs than threads; the first jobs run until the crew is dropped.
        let pending: Vec<Pending> = (0..64).filter_map(|_| crew.hash(file(), 0, 1 << 40)).collect();
        let ending = thread::spawn(move || {
            drop(crew);
            tell.send(()).unwrap();
        });

        for one in pending {
            // The file was hashed up to its end or not at all.
            one().ok();
        }

        told.recv().unwrap();
        ending.join().unwrap();
    }
}
