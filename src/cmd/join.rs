//! `join`: reassembles a file from its parts.

use std::process::ExitCode;

use camino::Utf8PathBuf;

use super::ctx::Ctx;
use super::exit_code::Outcome;
use crate::failure::Failure;
use crate::fsio::{folder_of, is_there};
use crate::media::parts::{PartSet, join};
use crate::model::words::count;
use crate::ui::media_view::JoinReport;
use crate::ui::progress::Progress;

#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Compares each part with the index while copying it. If parts are bad, lists all of them and writes \
nothing. Never changes or removes parts. Commands that read a bundle also accept the index of an \
archive in parts, without joining it.

Examples:
  relay-bundle join /media/usb/production.tar.parts --out production.tar
  relay-bundle join /media/usb --out production.tar
  relay-bundle join /media/usb --out production.tar \\
      --part /media/usb2/production.tar.part003"
)]
pub struct Args {
    /// The index, a part beside it, or the folder with one index
    #[arg(value_name = "INDEX")]
    parts: Utf8PathBuf,
    /// The file to write; it must not exist
    #[arg(long, value_name = "FILE")]
    out: Utf8PathBuf,
    /// A part that was copied again to another folder, with its original name; repeatable
    #[arg(long, value_name = "FILE")]
    part: Vec<Utf8PathBuf>,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        if is_there(&self.out)? {
            return Err(Failure::input(format!("`{}` already exists", self.out))
                .hint("choose a new file, or remove the existing one"));
        }
        let folder = folder_of(&self.out);
        if !folder.is_dir() {
            return Err(Failure::input(format!("folder `{folder}` does not exist"))
                .hint("create it, or choose another folder"));
        }

        let mut set = PartSet::find(&self.parts)?;
        self.part.iter().try_for_each(|part| set.replace(part))?;
        let index = set.index();
        let mut progress = Progress::new(&ctx.printer, "joined", Some(index.bytes()));
        let joined = join(&set, &self.out, &mut |bytes| progress.advance(bytes));
        drop(progress);
        joined?;

        let parts = set.files().len();
        let report =
            JoinReport { path: self.out, bytes: index.bytes(), sha256: index.digest(), parts };
        ctx.printer.report(&report)?;
        ctx.printer.say(&format!(
            "joined {}: {} bytes, sha256:{}",
            count(parts, "part"),
            report.bytes,
            report.sha256
        ));
        Ok(ExitCode::SUCCESS)
    }
}
