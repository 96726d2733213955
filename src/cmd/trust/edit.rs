//! Changes a policy under a lock: no other process edits it between reading and writing.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use crate::cmd::args::trust::load_policy_text;
use crate::cmd::ctx::Ctx;
use crate::failure::Failure;
use crate::fsio::{Durability, Locked, NamedLock, file_mode, lock_named, write_atomic};
use crate::trust::policy::Policy;

/// A policy that is locked until it is written.
pub(super) struct PolicyEdit<'a> {
    path: &'a Utf8Path,
    /// The real file: a link to it stays, and its target is replaced.
    target: Utf8PathBuf,
    policy: Policy,
    text: String,
    /// `None` if the file system has no locks.
    _lock: Option<NamedLock>,
}

impl<'a> PolicyEdit<'a> {
    /// Locks the policy at `path` and reads it.
    pub(super) fn begin(ctx: &Ctx, path: &'a Utf8Path) -> Result<Self, Failure> {
        // Read before locking, so that a missing or unguarded file gets its own message.
        load_policy_text(path)?;
        let target =
            Utf8PathBuf::try_from(fs_err::canonicalize(path)?).map_err(io::Error::other)?;
        let lock = match lock_named(&target, &ctx.waits())? {
            Locked::Yes(lock) => Some(lock),
            Locked::Unsupported(why) => {
                ctx.printer.warn(&format!(
                    "cannot lock `{path}` ({why}): do not edit it elsewhere at the same time"
                ));
                None
            }
        };
        let (policy, text) = load_policy_text(path)?;
        Ok(Self { path, target, policy, text, _lock: lock })
    }

    /// Returns the policy as it was read.
    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Returns the path as given by the operator.
    pub(super) fn path(&self) -> &'a Utf8Path {
        self.path
    }

    /// Appends an entry if the result is a valid policy, and replaces the file in one step.
    pub(super) fn append(self, added: &str) -> Result<(), Failure> {
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
        if load_policy_text(path).ok().is_none_or(|(_, now)| now != self.text) {
            return Err(Failure::world(format!(
                "`{path}` was changed by another program during this run"
            ))
            .hint("nothing was written: run the same command again"));
        }
        write_atomic(&self.target, text.as_bytes(), file_mode(&self.target)?, Durability::Synced)?;
        Ok(())
    }
}
