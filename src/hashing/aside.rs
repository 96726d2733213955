//! Computes a digest on a separate thread while the bytes are read.

use std::mem;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use super::sizes::{BUFFER_BYTES, THREAD_BYTES_MIN};
use crate::bundle::content::Hashing;
use crate::model::digest::{Digest, Hasher};

/// The number of buffers: one is filled, one is hashed, and two wait.
const BUFFERS: usize = 4;

/// Returns a hasher for `bytes` bytes that arrive in pieces; a large content is hashed on another
/// core.
pub fn start(bytes: u64) -> Box<dyn Hashing> {
    if bytes >= THREAD_BYTES_MIN
        && let Some(aside) = Aside::start()
    {
        return Box::new(aside);
    }
    Box::new(Hasher::default())
}

/// Passes bytes to a thread that hashes them.
struct Aside {
    full: SyncSender<Vec<u8>>,
    spent: Receiver<Vec<u8>>,
    /// The buffer that is being filled.
    buffer: Vec<u8>,
    /// The number of buffers allocated so far.
    buffers: usize,
    thread: JoinHandle<Digest>,
}

impl Aside {
    /// Starts the thread; returns `None` if the system allows no more threads.
    fn start() -> Option<Self> {
        let (full, to_hash) = sync_channel(BUFFERS);
        let (give_back, spent) = channel();
        let thread = thread::Builder::new().spawn(move || hash(&to_hash, &give_back)).ok()?;
        Some(Self { full, spent, buffer: Vec::with_capacity(BUFFER_BYTES), buffers: 1, thread })
    }

    fn hand_over(&mut self) {
        let next = if self.buffers < BUFFERS {
            self.buffers += 1;
            Vec::with_capacity(BUFFER_BYTES)
        } else {
            self.spent.recv().expect("the thread gives back each buffer")
        };
        self.full
            .send(mem::replace(&mut self.buffer, next))
            .expect("the thread hashes until the sender is gone");
    }
}

impl Hashing for Aside {
    fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BUFFER_BYTES - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            if self.buffer.len() == BUFFER_BYTES {
                self.hand_over();
            }
            bytes = later;
        }
    }

    fn finish(mut self: Box<Self>) -> Digest {
        self.hand_over();
        let Self { full, thread, .. } = *self;
        drop(full);
        thread.join().expect("hashing does not panic")
    }
}

fn hash(full: &Receiver<Vec<u8>>, spent: &Sender<Vec<u8>>) -> Digest {
    let mut hasher = Hasher::default();
    for mut buffer in full {
        hasher.update(&buffer);
        buffer.clear();
        // The receiver may be gone: the last buffers are not needed again.
        spent.send(buffer).ok();
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_independent_of_thread_and_chunk_size() {
        let bytes: Vec<u8> =
            (0..3_000_001_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[2]).collect();
        for piece in [1000, BUFFER_BYTES - 1, BUFFER_BYTES, BUFFER_BYTES + 1, bytes.len()] {
            for announced in [0, bytes.len() as u64] {
                let mut hashing = start(announced);
                bytes.chunks(piece).for_each(|piece| hashing.update(piece));

                assert_eq!(hashing.finish(), Digest::of(&bytes), "{piece} {announced}");
            }
        }
        assert_eq!(start(THREAD_BYTES_MIN).finish(), Digest::of(b""));
    }

    #[test]
    fn digest_without_waiter_is_abandoned() {
        let mut hashing = start(THREAD_BYTES_MIN);
        hashing.update(&vec![0; 4 * BUFFER_BYTES]);

        drop(hashing);
    }
}
