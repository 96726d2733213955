//! `split`: splits a file into parts.

use std::process::ExitCode;

use camino::Utf8PathBuf;

use super::ctx::Ctx;
use super::exit_code::Outcome;
use crate::fsio::folder_of;
use crate::media::parts::{Part, PartSize, PartsIndex, split};
use crate::model::words::count;
use crate::ui::media_view::{PartLine, SplitReport};
use crate::ui::progress::Progress;

#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Writes FILE.part001 and so on, and FILE.parts, which lists their digests:
  sha256sum -c FILE.parts       check the parts without this program
  relay-bundle join FILE.parts  join them again
FAT cannot store files of 4 GiB or more: use --size 4GB.

Examples:
  relay-bundle split production.tar --size 4GB
  relay-bundle split production.tar --size 650MiB --out /media/usb"
)]
pub struct Args {
    /// The file
    file: Utf8PathBuf,
    /// The size of a part: bytes, or a number such as 4.7 with kB, MB, GB, TB (powers of 1000), KiB, MiB, GiB
    /// or TiB
    #[arg(long)]
    size: PartSize,
    /// The folder for the parts, which is created if it is missing; by default that of the file
    #[arg(long, value_name = "DIR")]
    out: Option<Utf8PathBuf>,
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let folder = self.out.as_deref().unwrap_or_else(|| folder_of(&self.file));
        if self.out.is_some() {
            fs_err::create_dir_all(folder)?;
        }
        let total = self.file.metadata().ok().map(|metadata| metadata.len());
        let mut progress = Progress::new(&ctx.printer, "split", total);
        let split =
            split(&self.file, self.size.bytes(), folder, &mut |bytes| progress.advance(bytes));
        drop(progress);
        let (index, path) = split?;
        let report = report(path, &index);
        ctx.printer.report(&report)?;
        let parts = count(report.parts.len(), "part");
        ctx.printer.say(&format!(
            "split {} into {parts}: {} bytes, sha256:{}",
            self.file, report.bytes, report.sha256
        ));
        Ok(ExitCode::SUCCESS)
    }
}

fn report(path: Utf8PathBuf, index: &PartsIndex) -> SplitReport {
    let line = |part: Part| PartLine { name: part.name, bytes: part.bytes, sha256: part.digest };
    SplitReport {
        index: path,
        name: index.name().to_owned(),
        bytes: index.bytes(),
        sha256: index.digest(),
        parts: index.parts().map(line).collect(),
    }
}
