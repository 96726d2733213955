//! The lock holder: identifies this run, and the user and host it belongs to.

use rustix::process::getuid;
use rustix::system::uname;

use super::{clock, random};
use crate::failure::Failure;
use crate::rollout::lock::{By, Lock, NAME_BYTES_MAX};

/// Returns the lock for this run: a unique id, and the details by which the operator can find the
/// run.
///
/// # Errors
///
/// When the system provides no random numbers or no valid time.
pub(super) fn holder(command: &str) -> Result<Lock, Failure> {
    let mut bytes = [0; 8];
    random::fill(&mut bytes)?;
    let holder = format!("process {} ({:016x})", std::process::id(), u64::from_be_bytes(bytes));
    let by = By {
        command: command.to_owned(),
        host: name(&uname().nodename().to_string_lossy()),
        since: clock::now()?,
        user: user().map_or_else(|| format!("uid {}", getuid().as_raw()), |user| name(&user)),
    };
    Ok(Lock { holder, heartbeat: 0, by: Some(by) })
}

/// The environment can be set to any name, and nothing depends on it.
#[expect(clippy::disallowed_methods, reason = "the one place that asks who the user is")]
fn user() -> Option<String> {
    ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
}

/// Returns as much of a name as the record can hold, without control characters.
fn name(text: &str) -> String {
    let mut name = String::new();
    for character in text.chars().map(|c| if c.is_control() { '?' } else { c }) {
        if name.len() + character.len_utf8() > NAME_BYTES_MAX {
            break;
        }
        name.push(character);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_machine_is_called_the_record_can_be_read_again() {
        assert_eq!(name("ops-1.example.com"), "ops-1.example.com");
        assert_eq!(name("a\n\u{1b}[2J"), "a??[2J");
        assert_eq!(name(&"\u{e9}".repeat(100)).len(), NAME_BYTES_MAX);
        let lock = holder("apply").unwrap();
        assert!(lock.is_possible(), "{lock}");
        assert!(lock.to_string().contains("`apply` by "), "{lock}");
    }
}
