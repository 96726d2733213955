//! The command line: one file per command. Only this module prints errors and chooses exit codes.

pub mod adopt;
mod age_key;
pub mod apply;
pub mod archive_file;
pub mod args;
mod attest;
pub mod bug;
pub mod build;
mod carry;
pub mod check;
mod clock;
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
mod gate;
pub mod gc;
mod gc_live;
pub mod history;
mod holder;
mod image_presence;
pub mod images;
mod images_at;
pub mod import;
pub mod inspect;
mod install;
pub mod join;
pub mod keygen;
pub mod lock;
pub mod man;
pub mod out_folder;
pub mod pack;
mod private_file;
pub mod push;
mod random;
pub mod rbac;
mod rebuild;
pub mod remove;
pub mod render;
pub mod restart;
pub mod rollback;
pub mod schema;
pub mod secrets;
pub mod sign;
pub mod source;
pub mod split;
pub mod state;
pub mod status;
pub mod trust;
pub mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;
use crate::ui::printer::{ColorChoice, Printer};
use ctx::Ctx;
use deferred::Deferred;
use error_report::ErrorReport;
use exit_code::Outcome;

/// Reproducible Kubernetes bundles of Claude Relay Service for air-gapped clusters
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = "Examples:
  relay-bundle build production        build the bundle of profiles/production.toml
  relay-bundle diff production         show what a build would change, and which pods restart
  relay-bundle explain ingress.routes  explain a key

Exit codes: 0 success, 1 negative result or difference, 2 invalid input, 3 not trusted, 4 disk or
cluster failure, 101 bug, 130 interrupted."
)]
pub struct Cli {
    /// Print a report as JSON
    #[arg(long, global = true)]
    json: bool,
    /// Suppress everything except errors and data
    #[arg(long, short, global = true)]
    quiet: bool,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: ColorChoice,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build the bundles of profiles
    Build(Deferred<build::Args>),
    /// Print the manifests of a profile
    Render(Deferred<render::Args>),
    /// Write a profile from an existing configuration
    Import(import::Args),
    /// Explain a key, a code, or the origin of a value
    Explain(Deferred<explain::Args>),
    /// Print the JSON Schema of a profile
    Schema(Deferred<schema::Args>),
    /// Pin the images of profiles to digests
    Lock(Deferred<lock::Args>),
    /// Download pinned images into the store
    Fetch(Deferred<fetch::Args>),
    /// Push the images of a verified bundle to the site's registry
    Push(Deferred<push::Args>),
    /// Show what changes between two bundles, and which pods restart
    Diff(Deferred<diff::Args>),
    /// Show a bundle's metadata, objects and requirements
    Inspect(Deferred<inspect::Args>),
    /// Verify the signatures and every byte of a bundle before it is applied
    Verify(Deferred<verify::Args>),
    /// Verify, plan and apply a bundle to a cluster, and wait until it is ready
    Apply(Deferred<apply::Args>),
    /// Take over a Helm release, with its data and keys
    Adopt(Deferred<adopt::Args>),
    /// Restore an earlier generation from the record in the cluster
    Rollback(Deferred<rollback::Args>),
    /// Replace the pods of a workload, and wait for them
    Restart(Deferred<restart::Args>),
    /// Remove an installation, but keep its data and keys
    Remove(Deferred<remove::Args>),
    /// Show the installation, and whether it is complete and ready
    Status(Deferred<status::Args>),
    /// List all generations of an installation, newest first
    History(Deferred<history::Args>),
    /// Print the minimal Roles for applying a bundle
    Rbac(Deferred<rbac::Args>),
    /// Write, check and show a trust policy
    Trust(trust::Args),
    /// Show the accepted bundles, or reset a minimum serial
    State(state::Args),
    /// Seal secrets, and create, back up and restore those of a cluster
    Secrets(secrets::Args),
    /// List the images of a profile or a bundle
    Images(Deferred<images::Args>),
    /// Create a key pair, or show the public half of one
    Keygen(Deferred<keygen::Args>),
    /// Sign a bundle, here or with a key on another machine
    Sign(Deferred<sign::Args>),
    /// Write a bundle as one file
    Pack(Deferred<pack::Args>),
    /// Split a file into parts, for media that are too small for it
    Split(Deferred<split::Args>),
    /// Join the parts of a file, and check each
    Join(Deferred<join::Args>),
    /// Remove unreferenced bundles from the store
    Gc(Deferred<gc::Args>),
    /// Print shell completions
    Completions(Deferred<completions::Args>),
    /// Print the manual page
    Man(Deferred<man::Args>),
}

impl clap::ValueEnum for ColorChoice {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Auto, Self::Always, Self::Never]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        let name = match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        };
        Some(clap::builder::PossibleValue::new(name))
    }
}

impl Command {
    fn run(self, ctx: &Ctx) -> Outcome {
        match self {
            Self::Build(args) => args.0.run(ctx),
            Self::Render(args) => args.0.run(ctx),
            Self::Lock(args) => args.0.run(ctx),
            Self::Fetch(args) => args.0.run(ctx),
            Self::Push(args) => args.0.run(ctx),
            Self::Diff(args) => args.0.run(ctx),
            Self::Inspect(args) => args.0.run(ctx),
            Self::Verify(args) => args.0.run(ctx),
            Self::Apply(args) => args.0.run(ctx),
            Self::Adopt(args) => args.0.run(ctx),
            Self::Rollback(args) => args.0.run(ctx),
            Self::Restart(args) => args.0.run(ctx),
            Self::Remove(args) => args.0.run(ctx),
            Self::Status(args) => args.0.run(ctx),
            Self::History(args) => args.0.run(ctx),
            Self::Rbac(args) => args.0.run(ctx),
            Self::Trust(args) => args.run(ctx),
            Self::State(args) => args.run(ctx),
            Self::Secrets(args) => args.run(ctx),
            Self::Images(args) => args.0.run(ctx),
            Self::Keygen(args) => args.0.run(ctx),
            Self::Sign(args) => args.0.run(ctx),
            Self::Pack(args) => args.0.run(ctx),
            Self::Split(args) => args.0.run(ctx),
            Self::Join(args) => args.0.run(ctx),
            Self::Gc(args) => args.0.run(ctx),
            Self::Import(args) => args.run(ctx),
            Self::Explain(args) => args.0.run(ctx),
            Self::Schema(args) => args.0.run(ctx),
            Self::Completions(args) => args.0.run(ctx),
            Self::Man(args) => args.0.run(ctx),
        }
    }
}

/// Runs the command line. No other function turns a result into text on stderr and an exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let ctx = Ctx { printer: Printer::new(cli.json, cli.quiet, cli.color) };
    // Many commands hold keys or secrets in memory, and none needs core dumps.
    core_dump::forbid();
    match bug::catch(|| cli.command.run(&ctx)).unwrap_or_else(Err) {
        Ok(code) => code,
        Err(failure) if error_report::is_reader_gone(&failure) => ExitCode::SUCCESS,
        Err(failure) => fail(&ctx.printer, &failure),
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
