//! The lock on the record of an installation, and its holder in words.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::record::NUMBER_MAX;
use crate::model::timestamp::Timestamp;

/// The longest name of a run, a host, a user or a command.
pub const NAME_BYTES_MAX: usize = 128;

/// The holder of the record. Other runs watch its heartbeat to see whether that run is alive; they
/// never compare clocks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// A unique name of the run.
    pub holder: String,
    pub heartbeat: u64,
    /// Whom to ask; absent in locks of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
}

/// The origin of a run, as that run states it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct By {
    pub command: String,
    pub host: String,
    /// The time when it took the lock, by its own clock.
    pub since: Timestamp,
    pub user: String,
}

impl Lock {
    /// Returns the heartbeat after this one.
    ///
    /// Only a change counts, so the first follows the largest.
    pub fn next_heartbeat(heartbeat: u64) -> u64 {
        heartbeat % NUMBER_MAX + 1
    }

    /// Returns whether a run of this program could have written the lock.
    ///
    /// Its texts are printed, so they must be short and free of control characters.
    pub fn is_possible(&self) -> bool {
        let by = self.by.iter().flat_map(|by| [&by.command, &by.host, &by.user]);
        let is_name =
            |name: &String| name.len() <= NAME_BYTES_MAX && !name.contains(char::is_control);
        std::iter::once(&self.holder).chain(by).all(is_name)
    }
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(By { command, host, since, user }) = &self.by {
            write!(f, "`{command}` by {user} on {host} since {since}, ")?;
        }
        f.write_str(&self.holder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> Lock {
        let since = Timestamp::from_seconds(1_795_341_600).unwrap();
        let by = By { command: "apply".into(), host: "ops-1".into(), since, user: "ana".into() };
        Lock { holder: "process 7 (0a)".into(), heartbeat: 3, by: Some(by) }
    }

    #[test]
    fn a_lock_says_whom_to_ask_and_one_that_does_not_is_read_all_the_same() {
        let text = serde_json::to_string(&lock()).unwrap();
        let read: Lock = serde_json::from_str(&text).unwrap();
        assert_eq!(
            read.to_string(),
            "`apply` by ana on ops-1 since 2026-11-22T10:00:00Z, process 7 (0a)"
        );

        let old: Lock =
            serde_json::from_str(r#"{"heartbeat":7,"holder":"process 7 (0a)"}"#).unwrap();
        assert_eq!(old.to_string(), "process 7 (0a)");
    }

    #[test]
    fn after_the_largest_heartbeat_comes_the_first() {
        assert_eq!([0, 1, NUMBER_MAX].map(Lock::next_heartbeat), [1, 2, 1]);
    }

    #[test]
    fn what_no_run_is_called_is_no_name() {
        assert!(lock().is_possible());
        for wrong in ["a\nhint: do this", "\u{1b}[2J", &"a".repeat(129)] {
            for edit in [
                (|lock, name| lock.holder = name) as fn(&mut Lock, String),
                |lock, name| lock.by.as_mut().unwrap().host = name,
                |lock, name| lock.by.as_mut().unwrap().user = name,
                |lock, name| lock.by.as_mut().unwrap().command = name,
            ] {
                let mut lock = lock();
                edit(&mut lock, wrong.to_owned());
                assert!(!lock.is_possible(), "{lock:?}");
            }
        }
    }
}
