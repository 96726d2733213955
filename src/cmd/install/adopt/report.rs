//! The report of `adopt`: the fate of the release, then the plan of the rollout.

use std::io::{self, Write};

use serde::Serialize;

use super::super::report::ApplyReport;
use crate::helm::disposition::{Fate, Handed, named};
use crate::install::adopt::decide::HelmPart;
use crate::ui::escape::safe;
use crate::ui::printer::Report;

/// The fate of a release and the plan of the rollout.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AdoptReport<'a> {
    pub(super) helm: HelmPart,
    #[serde(flatten)]
    pub(super) apply: ApplyReport<'a>,
}

impl Report for AdoptReport<'_> {
    const SCHEMA: &'static str = "adopt/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        write_release(&self.helm, out)?;
        self.apply.write_human(out)
    }
}

/// Writes the fate of each object of the release.
fn write_release(helm: &HelmPart, out: &mut dyn Write) -> io::Result<()> {
    let revision = match helm.revision {
        Some(number) => format!("revision {number}"),
        None if helm.is_archived => "adopted before".to_owned(),
        None => "Helm has no record of it".to_owned(),
    };
    writeln!(out, "Helm release {} ({revision})", helm.release)?;
    for handed in &helm.objects {
        writeln!(out, "{}", safe(&line(helm, handed)))?;
    }
    for carried in &helm.carried {
        writeln!(out, "carry     {}", safe(carried))?;
    }
    for archive in &helm.archived {
        writeln!(out, "archive   Secret/{archive}")?;
    }
    Ok(())
}

fn line(helm: &HelmPart, handed: &Handed) -> String {
    let key = named(&handed.key, &helm.namespace);
    match handed.fate {
        Fate::Adopt => format!("adopt     {key}"),
        Fate::Recreate => {
            format!("recreate  {key}: deleted without its pods, and recreated on the same PVC")
        }
        Fate::Replace => {
            format!(
                "replace   {key}: stops with its pods before the bundle's starts on the same \
                 PVC"
            )
        }
        Fate::Prune => {
            format!("release   {key}: deleted after the rollout, once unreferenced")
        }
        Fate::Keep => {
            format!("keep      {key}: it has data, and no longer belongs to a release")
        }
        Fate::Leave => {
            format!("leave     {key}: no bundle has this kind; nothing will delete it")
        }
        Fate::Foreign => {
            format!("foreign   {key}: not marked as part of this release; left unchanged")
        }
        Fate::Gone => format!("gone      {key}: it was deleted"),
    }
}
