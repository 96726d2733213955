//! Options of commands that change an installation without a bundle, such as `--yes`.

use std::time::Duration;

use super::installation::InstallationArgs;
use crate::cmd::operator::Approval;
use crate::install::record::Turn;

/// The installation to change, and how.
#[derive(Debug, clap::Args)]
pub(in crate::cmd) struct ChangeArgs {
    /// Show what would be done, and change nothing
    #[arg(long)]
    pub(in crate::cmd) dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(in crate::cmd) yes: bool,
    /// Take the lock from its holder, without checking whether it is alive
    #[arg(long)]
    break_lock: bool,
    /// How many seconds to wait until it is done
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,
    #[command(flatten)]
    pub(in crate::cmd) installation: InstallationArgs,
}

impl ChangeArgs {
    /// Returns how the operator agrees to the change.
    pub(in crate::cmd) fn approval(&self) -> Approval {
        Approval::of(self.dry_run, self.yes)
    }

    /// Returns how to proceed when another run holds the lock.
    pub(in crate::cmd) fn turn(&self) -> Turn {
        Turn::of(self.dry_run, self.break_lock)
    }

    /// Returns how long to wait.
    pub(in crate::cmd) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}
