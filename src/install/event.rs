//! The steps of a run, as data: the command line prints them while a run works.

use std::fmt;

use camino::Utf8Path;

use crate::model::object_key::ObjectKey;
use crate::rollout::lock::RecordLock;
use crate::rollout::pods::PodProblem;

/// Receives each event when it happens.
pub type Observer<'a> = dyn Fn(&Event<'_>) + 'a;

/// A step of a run.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The run only reads, and another one holds the lock.
    LockHeld { by: &'a RecordLock },
    /// The operator had the lock taken from its holder.
    LockBroken { by: &'a RecordLock },
    /// The run waits to see whether the holder is alive.
    LockAwaited { by: &'a RecordLock },
    /// The holder is dead, and the run takes its lock.
    HolderDead { holder: &'a str, silence_seconds: u64 },
    /// A requirement could not be checked.
    Unchecked { what: &'a str },
    Changed {
        act: Act,
        key: &'a ObjectKey,
        /// Absent if the object is not one of a series.
        position: Option<Position>,
    },
    /// All objects have become ready.
    AllReady { seconds: u64 },
    /// A pod or its owner has a problem, while the run waits for it.
    Problem { what: &'a PodProblem },
    /// An encrypted copy of generated values was written.
    RecoverySaved { file: &'a Utf8Path },
}

/// The position of an object in a series, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub number: usize,
    pub of: usize,
}

/// A change of an object.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    Create,
    Update,
    Delete,
    /// The object has become ready.
    Ready,
    Restart,
    /// Values were copied into a Secret of the bundle.
    Carry,
    /// The object was returned to Helm.
    Return,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Ready => "ready",
            Self::Restart => "restart",
            Self::Carry => "carry",
            Self::Return => "return",
        })
    }
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LockHeld { by } => write!(f, "{by} holds the lock: the state may still change"),
            Self::LockBroken { by } => write!(f, "taking the lock from {by}"),
            Self::LockAwaited { by } => {
                write!(f, "waiting: {by} holds the lock; checking whether it is alive")
            }
            Self::HolderDead { holder, silence_seconds } => write!(
                f,
                "{holder} has shown no activity for {silence_seconds} s: taking over the lock"
            ),
            Self::Unchecked { what } => write!(f, "not checked: {what}"),
            Self::Changed { act, key, .. } => write!(f, "{act}  {key}"),
            Self::AllReady { seconds } => write!(f, "ready after {seconds} s"),
            Self::Problem { what } => write!(f, "problem  {what}"),
            Self::RecoverySaved { file } => write!(
                f,
                "the generated values are encrypted in {file}: store it with your backups"
            ),
        }
    }
}
