//! `split`: splits a file into parts.

use std::io::{self, Write};
use std::process::ExitCode;
use std::str::FromStr;

use camino::Utf8PathBuf;
use serde::Serialize;

use super::ctx::{Ctx, count};
use super::exit_code::Outcome;
use crate::failure::Failure;
use crate::fsio::{ReadFileError, folder_of};
use crate::media::parts::{Index, SplitError, split};
use crate::model::digest::Digest;
use crate::ui::printer::Report;
use crate::ui::progress::Progress;

#[derive(Debug, clap::Args)]
#[command(after_help = "Writes FILE.part001 and so on, and FILE.parts, which lists their digests:
  sha256sum -c FILE.parts       check the parts without this program
  relay-bundle join FILE.parts  join them again
FAT cannot store files of 4 GiB or more: use --size 4GB.

Examples:
  relay-bundle split production.tar --size 4GB
  relay-bundle split production.tar --size 650MiB --out /media/usb")]
pub struct Args {
    /// The file
    file: Utf8PathBuf,
    /// The size of a part: bytes, or a number with kB, MB, GB, TB (powers of 1000), KiB, MiB, GiB
    /// or TiB
    #[arg(long)]
    size: PartSize,
    /// The folder for the parts; by default that of the file
    #[arg(long, value_name = "DIR")]
    out: Option<Utf8PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PartSize(u64);

impl FromStr for PartSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let units = [
            ("kB", 1000),
            ("MB", 1_000_000),
            ("GB", 1_000_000_000),
            ("TB", 1_000_000_000_000),
            ("KiB", 1 << 10),
            ("MiB", 1 << 20),
            ("GiB", 1 << 30),
            ("TiB", 1 << 40),
            ("", 1),
        ];
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = units.into_iter().find(|(unit, _)| *unit == &text[digits.len()..]);
        let number =
            digits.parse::<u64>().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let bytes = number.zip(unit).and_then(|(number, (_, unit))| number.checked_mul(unit));
        bytes
            .filter(|bytes| *bytes > 0)
            .map(Self)
            .ok_or_else(|| "it is not a size such as 4GB or 650MiB".to_owned())
    }
}

/// The report of a split.
#[derive(Serialize)]
struct SplitReport {
    /// The path of the index.
    index: Utf8PathBuf,
    name: String,
    bytes: u64,
    sha256: Digest,
    parts: Vec<PartLine>,
}

#[derive(Serialize)]
struct PartLine {
    name: String,
    bytes: u64,
    sha256: Digest,
}

impl Report for SplitReport {
    const SCHEMA: &'static str = "split/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.index)
    }
}

impl SplitReport {
    fn of(path: Utf8PathBuf, index: &Index) -> Self {
        let line = |part: crate::media::parts::Part| PartLine {
            name: part.name,
            bytes: part.bytes,
            sha256: part.digest,
        };
        Self {
            index: path,
            name: index.name().to_owned(),
            bytes: index.bytes(),
            sha256: index.digest(),
            parts: index.parts().map(line).collect(),
        }
    }
}

impl Args {
    pub fn run(self, ctx: &Ctx) -> Outcome {
        let folder = self.out.as_deref().unwrap_or_else(|| folder_of(&self.file));
        if !folder.is_dir() {
            return Err(Failure::input(format!("folder `{folder}` does not exist"))
                .hint("create it, or choose another folder"));
        }
        let total = self.file.metadata().ok().map(|metadata| metadata.len());
        let mut progress = Progress::new(&ctx.printer, "split", total);
        let split = split(&self.file, self.size.0, folder, &mut |bytes| progress.advance(bytes));
        drop(progress);
        let (index, path) = split?;
        let report = SplitReport::of(path, &index);
        ctx.printer.report(&report)?;
        let parts = count(report.parts.len(), "part");
        ctx.printer.say(&format!(
            "split {} into {parts}: {} bytes, sha256:{}",
            self.file, report.bytes, report.sha256
        ));
        Ok(ExitCode::SUCCESS)
    }
}

impl From<SplitError> for Failure {
    fn from(error: SplitError) -> Self {
        match error {
            SplitError::Io(error) | SplitError::File(ReadFileError::Io(error)) => {
                match error.kind() {
                    io::ErrorKind::NotFound => Self::input(error),
                    _ => error.into(),
                }
            }
            SplitError::Shrank { .. } => Self::world(error),
            SplitError::InTheWay { .. } => {
                Self::input(error).hint("remove it, or choose another folder with `--out DIR`")
            }
            SplitError::Invalid { .. } | SplitError::File(_) => Self::input(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_of_bytes_or_has_a_unit_that_cannot_be_mistaken() {
        let table = [
            ("1", Some(1)),
            ("4GB", Some(4_000_000_000)),
            ("650MiB", Some(650 << 20)),
            ("2kB", Some(2000)),
            ("2KiB", Some(2048)),
            ("0", None),
            ("0GB", None),
            ("4G", None),
            ("4gb", None),
            ("4 GB", None),
            ("+4GB", None),
            ("1.5GB", None),
            ("GB", None),
            ("99999999999TB", None),
        ];
        for (text, bytes) in table {
            assert_eq!(text.parse::<PartSize>().ok(), bytes.map(PartSize), "{text}");
        }
    }
}
