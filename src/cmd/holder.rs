//! The lock holder: identifies this run, and the user and host it belongs to.

use rustix::process::getuid;
use rustix::system::uname;

use super::{clock, random};
use crate::failure::Failure;
use crate::rollout::lock::{By, RecordLock, recordable};

/// Returns the lock for this run: a unique id, and the details by which the operator can find the
/// run.
///
/// # Errors
///
/// When the system provides no random numbers or no valid time.
pub(super) fn holder(command: &str) -> Result<RecordLock, Failure> {
    let mut bytes = [0; 8];
    random::fill(&mut bytes)?;
    let holder = format!("process {} ({:016x})", std::process::id(), u64::from_be_bytes(bytes));
    let by = By {
        command: command.to_owned(),
        host: recordable(&uname().nodename().to_string_lossy()),
        since: clock::now()?,
        user: user().map_or_else(|| format!("uid {}", getuid().as_raw()), |user| recordable(&user)),
    };
    Ok(RecordLock { holder, heartbeat: 0, by: Some(by) })
}

/// The environment can be set to any name, and nothing depends on it.
#[expect(clippy::disallowed_methods, reason = "the one place that asks who the user is")]
fn user() -> Option<String> {
    ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_of_this_machine_can_be_recorded() {
        let lock = holder("apply").unwrap();
        assert!(lock.is_possible(), "{lock}");
        assert!(lock.to_string().contains("`apply` by "), "{lock}");
    }
}
