//! The lock on the record of an installation, and its holder in words.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::timestamp::Timestamp;

/// The largest heartbeat, and the largest number of a generation. It leaves room to count on below the largest integer of canonical
/// JSON.
pub(super) const NUMBER_MAX: u64 = 1 << 52;

/// The longest name of a run, a host, a user or a command.
const NAME_BYTES_MAX: usize = 128;

/// The holder of the record. Other runs watch its heartbeat to see whether that run is alive; they
/// never compare clocks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RecordLock {
    /// A unique name of the run.
    pub holder: String,
    pub heartbeat: u64,
    /// Whom to ask; absent in locks of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
}

/// Returns as much of a host or user as the record can hold, without control characters.
pub fn recordable(text: &str) -> String {
    let mut name = String::new();
    for character in text.chars().map(|c| if c.is_control() { '?' } else { c }) {
        if name.len() + character.len_utf8() > NAME_BYTES_MAX {
            break;
        }
        name.push(character);
    }
    name
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

impl RecordLock {
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

impl fmt::Display for RecordLock {
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

    fn lock() -> RecordLock {
        let since = Timestamp::from_seconds(1_795_341_600).unwrap();
        let by = By { command: "apply".into(), host: "ops-1".into(), since, user: "ana".into() };
        RecordLock { holder: "process 7 (0a)".into(), heartbeat: 3, by: Some(by) }
    }

    #[test]
    fn lock_names_its_holder_and_lock_without_contact_is_read() {
        let text = serde_json::to_string(&lock()).unwrap();
        let read: RecordLock = serde_json::from_str(&text).unwrap();
        assert_eq!(
            read.to_string(),
            "`apply` by ana on ops-1 since 2026-11-22T10:00:00Z, process 7 (0a)"
        );

        let old: RecordLock =
            serde_json::from_str(r#"{"heartbeat":7,"holder":"process 7 (0a)"}"#).unwrap();
        assert_eq!(old.to_string(), "process 7 (0a)");
    }

    #[test]
    fn heartbeat_wraps_from_largest_to_first() {
        assert_eq!([0, 1, NUMBER_MAX].map(RecordLock::next_heartbeat), [1, 2, 1]);
    }

    #[test]
    fn recordable_name_is_short_and_free_of_control_characters() {
        assert_eq!(recordable("ops-1.example.com"), "ops-1.example.com");
        assert_eq!(recordable("a\n\u{1b}[2J"), "a??[2J");
        assert_eq!(recordable(&"\u{e9}".repeat(100)).len(), NAME_BYTES_MAX);
    }

    #[test]
    fn lock_with_impossible_name_is_rejected() {
        assert!(lock().is_possible());
        for wrong in ["a\nhint: do this", "\u{1b}[2J", &"a".repeat(129)] {
            for edit in [
                (|lock, name| lock.holder = name) as fn(&mut RecordLock, String),
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
