//! Trust policies in files. A change is made under a lock: no other process edits the file between
//! reading and writing.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::public_key::read_text;
use crate::failure::Failure;
use crate::fsio::{Durability, Locked, Waits, file_mode, lock_named, write_atomic};
use crate::trust::policy::{POLICY_BYTES_MAX, Policy};

/// Reads a trust policy from a file that no other user can change.
///
/// # Errors
///
/// When other users can change the file, or it is not a policy. The message has file and line.
pub fn load_policy(path: &Utf8Path) -> Result<Policy, Failure> {
    load_with_text(path).map(|(policy, _)| policy)
}

fn load_with_text(path: &Utf8Path) -> Result<(Policy, String), Failure> {
    let text = read_text(path, POLICY_BYTES_MAX, "trust policy")?;
    let policy = Policy::parse(&text).map_err(|error| {
        let line = error.line.map(|line| format!(":{line}")).unwrap_or_default();
        let failure = Failure::input(format!("{path}{line}: {}", error.message));
        if text.contains("-----BEGIN ") {
            return failure.hint(format!(
                "this is a key, not a policy: create a policy with `relay-bundle trust init`, and \
                 add the key with `relay-bundle trust add key POLICY --key {path} --holder NAME`; \
                 `verify` also accepts a single key with --key"
            ));
        }
        failure.hint("`docs/format/trust-policy.md` describes every key of a policy")
    })?;
    Ok((policy, text))
}

/// A policy that is locked until it is written.
pub struct PolicyEdit<'a> {
    path: &'a Utf8Path,
    /// The real file: a link to it stays, and its target is replaced.
    target: Utf8PathBuf,
    policy: Policy,
    text: String,
    lock: Locked,
}

impl<'a> PolicyEdit<'a> {
    /// Locks the policy at `path` and reads it.
    ///
    /// # Errors
    ///
    /// As [`load_policy`].
    pub fn begin(path: &'a Utf8Path, waits: &Waits) -> Result<Self, Failure> {
        // Read before locking, so that a missing or unguarded file gets its own message.
        load_with_text(path)?;
        let target =
            Utf8PathBuf::try_from(fs_err::canonicalize(path)?).map_err(io::Error::other)?;
        let lock = lock_named(&target, waits)?;
        let (policy, text) = load_with_text(path)?;
        Ok(Self { path, target, policy, text, lock })
    }

    /// Returns the policy as it was read.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Returns the path as given by the operator.
    pub fn path(&self) -> &'a Utf8Path {
        self.path
    }

    /// Returns the warning if the file system has no locks.
    pub fn unlocked_warning(&self) -> Option<String> {
        let (Locked::Unsupported(why), path) = (&self.lock, self.path) else { return None };
        Some(format!("cannot lock `{path}` ({why}): do not edit it elsewhere at the same time"))
    }

    /// Appends an entry if the result is a valid policy, and replaces the file in one step.
    ///
    /// # Errors
    ///
    /// When the result is not valid, another program changed the file, or the disk fails.
    pub fn append(self, added: &str) -> Result<(), Failure> {
        let path = self.path;
        let end = if self.text.ends_with('\n') { "" } else { "\n" };
        let text = format!("{}{end}\n{added}", self.text);
        Policy::parse(&text).map_err(|error| {
            let failure = Failure::input(format!(
                "`{path}` would become an invalid policy: {}",
                error.message
            ));
            failure.hint("nothing was written")
        })?;
        // Editors take no lock.
        if load_with_text(path).ok().is_none_or(|(_, now)| now != self.text) {
            return Err(Failure::world(format!(
                "`{path}` was changed by another program during this run"
            ))
            .hint("nothing was written: run the same command again"));
        }
        write_atomic(&self.target, text.as_bytes(), file_mode(&self.target)?, Durability::Synced)?;
        Ok(())
    }
}
