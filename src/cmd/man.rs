//! `man`: the manual pages, made of the same words as the help.

use std::process::ExitCode;

use camino::Utf8PathBuf;
use clap::CommandFactory as _;
use clap_mangen::Man;

use super::ctx::Ctx;
use super::failure::{Failure, Outcome};
use crate::fsio::{self, Durability, MODE_PUBLIC};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  relay-bundle man | man -l -
  relay-bundle man diff | man -l -
  relay-bundle man --out /usr/local/share/man/man1")]
pub struct Args {
    /// The command that the page is about; all of them in short if absent
    command: Option<String>,
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
            for command in std::iter::once(&root).chain(root.get_subcommands()) {
                let name = command.get_display_name().unwrap_or_else(|| command.get_name());
                let path = folder.join(format!("{name}.1"));
                fsio::write_atomic(&path, &page(command)?, MODE_PUBLIC, Durability::Cached)?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        let command = match &self.command {
            None => &root,
            Some(name) => root
                .find_subcommand(name)
                .ok_or_else(|| Failure::input(format!("there is no command `{name}`")))?,
        };
        ctx.printer.data(&page(command)?)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn page(command: &clap::Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}
