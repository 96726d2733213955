//! The command line: one file a command. Nothing else prints errors or chooses exit codes.

pub mod archive_file;
pub mod build;
pub mod check;
pub mod ctx;
pub mod explain;
pub mod failure;
pub mod out_folder;
pub mod render;
pub mod schema;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::ui::printer::{ColorChoice, Printer};
use ctx::Ctx;

/// Reproducible Kubernetes bundles of Claude Relay Service for air-gapped clusters
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = "Examples:
  relay-bundle build production        make the bundle of profiles/production.toml
  relay-bundle diff old new            what changes, and which pods restart
  relay-bundle explain ingress.routes  what a key means

Exit codes: 0 done, 1 no or different, 2 your input, 3 not trusted, 4 disk or cluster, 101 our bug."
)]
pub struct Cli {
    /// Print a report as JSON
    #[arg(long, global = true)]
    json: bool,
    /// Say nothing but errors and data
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
    /// Make the bundles of profiles
    Build(build::Args),
    /// Print the manifests of a profile
    Render(render::Args),
    /// Tell what a key or a code means, and where a value came from
    Explain(explain::Args),
    /// Print the JSON Schema of a profile
    Schema(schema::Args),
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

/// Runs the command line. The only place that turns a result into stderr text and an exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let ctx = Ctx { printer: Printer::new(cli.json, cli.quiet, cli.color) };
    let outcome = match cli.command {
        Command::Build(args) => args.run(&ctx),
        Command::Render(args) => args.run(&ctx),
        Command::Explain(args) => args.run(&ctx),
        Command::Schema(args) => args.run(&ctx),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            ctx.printer.tell(&format!("error: {}", failure.message()));
            for hint in &failure.hints {
                ctx.printer.tell(&format!("hint: {hint}"));
            }
            failure.kind.into()
        }
    }
}
