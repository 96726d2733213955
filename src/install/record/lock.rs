//! The lock in the record: whose turn it is, the heartbeat of the holder, and the release.

use std::time::{Duration, Instant};

use super::error::JournalError;
use super::journal::Journal;
use crate::failure::Failure;
use crate::install::event::{Event, Observer};
use crate::model::timestamp::Timestamp;
use crate::rollout::lock::RecordLock;
use crate::rollout::record::Head;
use crate::trust::state::State;

/// The interval at which the lock holder raises its heartbeat.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// A holder that could not raise its heartbeat for this long must stop writing.
pub(super) const HEARTBEAT_LOST: Duration = Duration::from_secs(30);
/// A holder whose heartbeat has not changed for this long is dead. Longer than [`HEARTBEAT_LOST`],
/// so that two runs never write at the same time.
const HOLDER_DEAD: Duration = Duration::from_secs(40);

/// How a run treats the lock of another run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Reports the lock and goes on: a dry run writes nothing.
    Reads,
    /// Waits until the holder proves to be dead, and fails if it releases the lock.
    Waits,
    /// Takes the lock over: the operator states that the holder is dead.
    Takes,
}

impl Turn {
    /// Returns the variant that the flags select.
    pub fn of(dry_run: bool, break_lock: bool) -> Self {
        match (dry_run, break_lock) {
            (true, _) => Self::Reads,
            (false, true) => Self::Takes,
            (false, false) => Self::Waits,
        }
    }
}

impl Journal {
    /// Waits until the holder of the lock is dead, unless the lock is free or `turn` says not to
    /// wait. Fails if the holder releases the lock, or another run takes it.
    ///
    /// Must be called before planning: the holder may still change the cluster.
    pub fn await_turn(&mut self, turn: Turn, observe: &Observer<'_>) -> Result<(), Failure> {
        let Some(first) = self.head.lock.clone() else { return Ok(()) };
        match turn {
            Turn::Reads => {
                observe(&Event::LockHeld { by: &first });
                return Ok(());
            }
            Turn::Takes => {
                observe(&Event::LockBroken { by: &first });
                self.dead = Some(first);
                return Ok(());
            }
            Turn::Waits => {}
        }

        observe(&Event::LockAwaited { by: &first });
        let start = Instant::now();
        while start.elapsed() < HOLDER_DEAD {
            self.session.pause(HEARTBEAT / 3)?;
            self.read()?;
            match &self.head.lock {
                None => {
                    return Err(JournalError::Finished { holder: first.holder }.into());
                }
                Some(lock) if *lock != first => {
                    return Err(JournalError::Locked(lock.clone()).into());
                }
                Some(_) => {}
            }
        }

        let (holder, silence_seconds) = (first.holder.as_str(), HOLDER_DEAD.as_secs());
        observe(&Event::HolderDead { holder, silence_seconds });
        self.dead = Some(first);
        Ok(())
    }

    /// Takes the lock if it is free or its holder is dead; `change` changes the head in the same
    /// write.
    ///
    /// From now on, SIGINT and SIGTERM interrupt the current call or pause instead of ending the
    /// process, so that an interrupted run still releases the lock.
    pub fn lock(
        &mut self,
        holder: RecordLock,
        change: impl FnOnce(&mut Head, &mut State),
    ) -> Result<(), Failure> {
        self.session.heed_signals()?;
        if let Some(lock) = self.head.lock.as_ref().filter(|lock| self.dead.as_ref() != Some(lock))
        {
            return Err(JournalError::Locked(lock.clone()).into());
        }
        let heartbeat =
            RecordLock::next_heartbeat(self.head.lock.as_ref().map_or(0, |lock| lock.heartbeat));
        self.holder = Some(holder.holder.clone());
        self.head.lock = Some(RecordLock { heartbeat, ..holder });
        change(&mut self.head, &mut self.state);
        self.write()
    }

    /// Removes the lock of a dead holder when there is nothing else to write.
    pub fn clear_dead_lock(&mut self) -> Result<(), Failure> {
        if self.dead.is_none() {
            return Ok(());
        }
        self.update(|head| head.lock = None)
    }

    /// Raises the heartbeat if it is due. Called before every write.
    ///
    /// A late heartbeat is safe: a run that took the lock over has changed the record, and then
    /// this write fails.
    pub fn beat(&mut self) -> Result<(), Failure> {
        match &mut self.head.lock {
            Some(lock) if self.beat.elapsed() >= HEARTBEAT => {
                lock.heartbeat = RecordLock::next_heartbeat(lock.heartbeat);
                self.write()
            }
            _ => Ok(()),
        }
    }

    /// Marks the pending generation as deployed and releases the lock.
    ///
    /// Both happen in one write, so an interrupted run has done both or neither. Surplus
    /// generations are deleted first, while the head still lists them.
    pub fn finish(&mut self, now: Timestamp) -> Result<(), Failure> {
        self.session.overlook_first_signal();
        let surplus = self.head.clone().finish(now);
        self.forget(&surplus)?;
        self.update(|head| {
            head.finish(now);
            head.lock = None;
        })
    }

    /// Releases the lock.
    pub fn release(&mut self) -> Result<(), Failure> {
        self.session.overlook_first_signal();
        self.update(|head| head.lock = None)
    }

    /// Releases the lock after a failure, and returns whether we held it. Reads the head first: the
    /// answer to our last write may have been lost.
    pub fn give_back(&mut self) -> Result<bool, Failure> {
        if self.holder.is_none() {
            return Ok(false);
        }
        self.session.overlook_first_signal();
        self.session.hurry();
        self.read()?;
        let holder = self.head.lock.as_ref().map(|lock| &lock.holder);
        if self.stored.is_none() || holder.is_none() || holder != self.holder.as_ref() {
            return Ok(false);
        }
        self.release()?;
        Ok(true)
    }
}

/// Releases the lock after a failure, and adds the outcome to the failure.
pub fn release_after(journal: &mut Journal, failure: Failure) -> Failure {
    match journal.give_back() {
        Ok(true) => failure.hint("the lock was released"),
        Ok(false) => failure,
        Err(why) => failure.hint(format!(
            "cannot release the lock ({}): the next run waits until the lock has expired; \
             pass --break-lock to skip that",
            why.message()
        )),
    }
}
