//! The command line: one file per command. Only this module prints errors and chooses exit codes.

pub mod adopt;
mod age_key;
pub mod apply;
pub mod args;
pub mod build;
mod cli;
mod clock;
mod commands;
pub mod completions;
mod confirm;
mod core_dump;
pub mod ctx;
pub mod deferred;
pub mod diff;
mod error_report;
pub mod exit_code;
pub mod explain;
pub mod fetch;
pub mod gc;
mod gc_live;
pub mod history;
mod holder;
mod image_presence;
pub mod images;
pub mod import;
pub mod inspect;
mod install;
pub mod join;
pub mod keygen;
pub mod lock;
pub mod man;
pub mod operator;
pub mod pack;
mod passphrase;
mod profile;
mod progress;
pub mod push;
mod random;
pub mod rbac;
pub mod remove;
pub mod render;
pub mod restart;
pub mod rollback;
pub mod schema;
pub mod secrets;
pub mod sign;
mod signing_key;
pub mod split;
pub mod state;
pub mod status;
mod tips;
pub mod trust;
pub mod verify;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser as _;

pub use self::cli::Cli;
use self::ctx::Ctx;
use self::error_report::ErrorReport;
use crate::failure::Failure;
use crate::failure::bug::catch;
use crate::ui::printer::{ColorChoice, Printer};

/// Runs the command line. No other function turns a result into text on stderr and an exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(mut error) => {
            tips::add_tip(
                &mut error,
                std::env::args_os().filter_map(|word| word.into_string().ok()),
            );
            return usage(&error);
        }
    };
    let printer = Printer::new(cli.json, cli.quiet, forced(cli.color));
    let ctx = Ctx { printer, started: Instant::now() };
    // Many commands hold keys or secrets in memory, and none needs core dumps.
    core_dump::forbid();
    match catch(|| cli.command.run(&ctx)).unwrap_or_else(Err) {
        Ok(code) => code,
        Err(failure) if error_report::is_reader_gone(&failure) => ExitCode::SUCCESS,
        Err(failure) => fail(&ctx.printer, &failure),
    }
}

/// Returns the choice of colours, which `FORCE_COLOR` turns on where nothing else is chosen.
#[expect(clippy::disallowed_methods, reason = "the one place that asks whether colours are forced")]
fn forced(color: ColorChoice) -> ColorChoice {
    let value = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let is_forced = value("FORCE_COLOR").is_some_and(|value| value != "0");
    match color {
        ColorChoice::Auto if is_forced && value("NO_COLOR").is_none() => ColorChoice::Always,
        color => color,
    }
}

/// Reports a failure on stderr, and with `--json` on stdout as well.
fn fail(printer: &Printer, failure: &Failure) -> ExitCode {
    error_report::tell(failure, printer);
    if printer.json && printer.report(&ErrorReport::of(failure)).is_err() {
        // The reader of the report has gone. The exit code says the same.
        return failure.kind.into();
    }
    failure.kind.into()
}

/// Prints help, or the errors in the arguments.
fn usage(error: &clap::Error) -> ExitCode {
    let wants_json = std::env::args_os().any(|argument| argument == "--json");
    if wants_json && error.use_stderr() {
        let (error, hints) = in_one_line(&error.to_string());
        let report = ErrorReport {
            error,
            reasons: &[],
            hints: &hints,
            exit_code: exit_code::INPUT,
            diagnostics: None,
            refused: None,
        };
        // If the reader has gone, the exit code still tells the result.
        Printer::new(true, false, ColorChoice::Auto).report(&report).ok();
    }
    // A failure to write to stderr cannot be reported anywhere.
    error.print().ok();
    if error.use_stderr() { ExitCode::from(exit_code::INPUT) } else { ExitCode::SUCCESS }
}

/// Returns the error in one line, and the tips. clap lists missing arguments on lines of their own.
fn in_one_line(text: &str) -> (String, Vec<String>) {
    let mut lines = text.lines().map(str::trim);
    let first = lines.by_ref().take_while(|line| !line.is_empty()).collect::<Vec<_>>();
    let tips = lines.filter_map(|line| line.strip_prefix("tip: ")).map(str::to_owned).collect();
    let (what, which) =
        first.split_first().map_or(("", String::new()), |(what, which)| (*what, which.join(", ")));
    (format!("{} {which}", what.trim_start_matches("error: ")).trim_end().to_owned(), tips)
}
