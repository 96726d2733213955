//! `man`: the manual pages, generated from the help texts.

use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};
use clap::CommandFactory as _;
use clap_mangen::Man;

use super::ctx::Ctx;
use super::exit_code::Outcome;
use crate::failure::Failure;
use crate::fsio::{self, Durability, MODE_PUBLIC};

const EXAMPLES: &str = "\n.SH EXAMPLES\n";

#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  relay-bundle man | man -l -
  relay-bundle man diff | man -l -
  relay-bundle man trust add | man -l -
  relay-bundle man --out /usr/local/share/man/man1")]
pub struct Args {
    /// The command, in one or several words; without it, an overview of all commands
    command: Vec<String>,
    /// Write every page into this folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    out: Option<Utf8PathBuf>,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let mut root = super::Cli::command();
        root.build();
        if let Some(folder) = &self.out {
            fs_err::create_dir_all(folder)?;
            write_pages(&root, folder)?;
            return Ok(ExitCode::SUCCESS);
        }
        let command = self.command.iter().try_fold(&root, |command, name| {
            command
                .find_subcommand(name)
                .ok_or_else(|| no_command(&self.command.join(" "), command))
        })?;
        ctx.printer.data(&page(command)?)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn no_command(name: &str, above: &clap::Command) -> Failure {
    let below: Vec<&str> = pages_below(above).map(clap::Command::get_name).collect();
    let failure = Failure::input(format!("unknown command `{name}`"));
    if below.is_empty() {
        failure
    } else {
        failure.hint(format!("known commands: {}", below.join(", ")))
    }
}

/// Writes the pages of a command and of its subcommands.
fn write_pages(command: &clap::Command, folder: &Utf8Path) -> Result<(), Failure> {
    let path = folder.join(format!("{}.1", name(command)));
    fsio::write_atomic(&path, &page(command)?, MODE_PUBLIC, Durability::Cached)?;
    pages_below(command).try_for_each(|below| write_pages(below, folder))
}

/// Returns the subcommands of a command. `help` only repeats them.
fn pages_below(command: &clap::Command) -> impl Iterator<Item = &clap::Command> {
    command.get_subcommands().filter(|below| below.get_name() != "help")
}

/// Returns the name of a page, such as `relay-bundle-trust-add`.
fn name(command: &clap::Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn page(command: &clap::Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    let program = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
    Man::new(command.clone()).source(program).render(&mut page)?;
    Ok(with_titles(&String::from_utf8_lossy(&page)).into_bytes())
}

/// Replaces the library's title EXTRA for the text after the options with NOTES and EXAMPLES.
fn with_titles(page: &str) -> String {
    let Some((before, extra)) = page.split_once("\n.SH EXTRA\n") else { return page.to_owned() };
    let extra = format!("\n{extra}").replacen("\nExamples:\n", EXAMPLES, 1).replacen(
        "\nExample:\n",
        EXAMPLES,
        1,
    );
    let title = if extra.starts_with(EXAMPLES) { "" } else { "\n.SH NOTES" };
    format!("{before}{title}{extra}")
}
