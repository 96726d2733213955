//! The reports of `lock`: the new lock, and the comparison of the old one.

use std::io::{self, Write};

use crate::model::size::size;
use crate::model::text::Label;
use crate::transfer::lock::{LockChange, LockComparison, RenewedLock, UnlockedImage};
use crate::ui::escape::safe;
use crate::ui::printer::Report;

impl Report for RenewedLock {
    const SCHEMA: &'static str = "lock/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        for line in &self.images {
            let name = safe(&line.name);
            let digest = line.digest.as_deref().unwrap_or_default();
            match line.change {
                LockChange::Added => {
                    writeln!(out, "added    {name} {digest} ({})", size(line.bytes))?;
                }
                LockChange::Kept => writeln!(out, "kept     {name} {digest}")?,
                LockChange::Moved => {
                    let old = line.old_digest.as_deref().unwrap_or_default();
                    writeln!(out, "moved    {name} {old} -> {digest} ({})", size(line.bytes))?;
                }
                LockChange::Removed => writeln!(out, "removed  {name}")?,
            }
        }
        Ok(())
    }
}

impl Report for LockComparison {
    const SCHEMA: &'static str = "lock-check/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        for UnlockedImage { name, profiles } in &self.missing {
            let profiles: Vec<&str> = profiles.iter().map(Label::as_str).collect();
            writeln!(out, "missing      {} ({})", safe(name), profiles.join(", "))?;
        }
        self.superfluous
            .iter()
            .try_for_each(|name| writeln!(out, "superfluous  {}", safe(name)))?;
        self.notes.iter().try_for_each(|note| writeln!(out, "note         {}", safe(note)))
    }
}
