//! The context that commands share: printing.

use std::time::Instant;

use camino::Utf8PathBuf;

use crate::build::event::BuildEvent;
use crate::fsio::Waits;
use crate::install::event::{Event, Position};
use crate::store::{DEFAULT_FOLDER, Store};
use crate::transfer::event::TransferEvent;
use crate::ui::printer::Printer;
use crate::ui::progress::counted;

/// The context of a command, created once.
pub struct Ctx {
    pub printer: Printer,
    /// The start of the command.
    pub started: Instant,
}

/// The folder of the profiles, and values that override theirs.
#[derive(Debug, clap::Args)]
pub struct ProfileArgs {
    /// The folder of the profiles
    #[arg(long, value_name = "DIR", default_value = "profiles")]
    pub profiles: Utf8PathBuf,
    /// Set one key on top of the profile, as TOML; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Treat warnings as errors
    #[arg(long)]
    pub deny_warnings: bool,
}

/// Where the store is.
#[derive(Debug, clap::Args)]
pub struct StoreArgs {
    /// The folder of the store
    #[arg(long, value_name = "DIR", default_value = DEFAULT_FOLDER)]
    pub store: Utf8PathBuf,
}

impl Ctx {
    /// Returns the store. The operator is told when one of its locks makes the command wait.
    pub fn store(&self, args: &StoreArgs) -> Store {
        Store::at(&args.store).telling(self.waits())
    }

    /// Prints an event of a run; on a terminal, also how far the run is.
    pub fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Changed { position: Some(position), .. } if self.printer.is_watched() => {
                let Position { number, of } = *position;
                let progress = counted(number, of, self.started.elapsed());
                self.printer.say(&format!("{event}  {progress}"));
            }
            _ => self.printer.say(&event.to_string()),
        }
    }

    /// Prints an event of a transfer.
    pub fn observe_transfer(&self, event: &TransferEvent<'_>) {
        self.say_or_warn(&event.to_string(), event.is_warning());
    }

    /// Prints an event of a build.
    pub fn observe_build(&self, event: &BuildEvent<'_>) {
        self.say_or_warn(&event.to_string(), event.is_warning());
    }

    /// Returns the callback that tells the operator which lock the command waits for.
    pub fn waits(&self) -> Waits {
        let printer = self.printer.clone();
        Waits::told_to(move |path| {
            printer.say(&format!("waiting for another process that holds the lock of `{path}`"));
        })
    }

    fn say_or_warn(&self, line: &str, is_warning: bool) {
        if is_warning { self.printer.warn(line) } else { self.printer.say(line) }
    }
}
