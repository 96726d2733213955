//! What `adopt` says: what becomes of the release, then the plan of the rollout.

use std::io::{self, Write};

use serde::Serialize;

use super::super::report::ApplyReport;
use crate::adoption::fate::{Fate, Handed};
use crate::ui::escape::safe;
use crate::ui::printer::Report;

/// What becomes of a release.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AdoptReport<'a> {
    pub(super) helm: HelmPart,
    #[serde(flatten)]
    pub(super) apply: ApplyReport<'a>,
}

/// The release.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HelmPart {
    pub(super) release: String,
    /// Absent if it was adopted before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) revision: Option<u64>,
    pub(super) objects: Vec<Handed>,
    /// Keys of Secrets that the bundle wants elsewhere than the chart had them.
    pub(super) carried: Vec<String>,
    /// Secrets that have Helm's records now; empty in a plan.
    pub(super) archived: Vec<String>,
}

impl HelmPart {
    /// Returns what holds data and is deleted and made again.
    pub(super) fn cleared(&self) -> impl Iterator<Item = &Handed> {
        self.objects.iter().filter(|handed| matches!(handed.fate, Fate::Recreate | Fate::Replace))
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let revision =
            self.revision.map_or("adopted before".to_owned(), |number| format!("revision {number}"));
        writeln!(out, "Helm release {} ({revision})", self.release)?;
        for handed in &self.objects {
            writeln!(out, "{}", safe(&line(handed)))?;
        }
        for carried in &self.carried {
            writeln!(out, "carry     {}", safe(carried))?;
        }
        for archive in &self.archived {
            writeln!(out, "archive   Secret/{archive}")?;
        }
        Ok(())
    }
}

fn line(handed: &Handed) -> String {
    let key = &handed.key;
    match handed.fate {
        Fate::Adopt => format!("adopt     {key}"),
        Fate::Recreate => {
            format!("recreate  {key}: deleted without its pods, and made again on the same claim")
        }
        Fate::Replace => {
            format!("replace   {key}: ends with its pods before the bundle's starts on the same claim")
        }
        Fate::Prune => format!("release   {key}: goes after the rollout, once nothing names it"),
        Fate::Keep => format!("keep      {key}: it has data, and is nobody's release any more"),
        Fate::Leave => format!("leave     {key}: no bundle has such a kind; nothing deletes it any more"),
        Fate::Gone => format!("gone      {key}: somebody has deleted it"),
    }
}

impl Report for AdoptReport<'_> {
    const SCHEMA: &'static str = "adopt/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        self.helm.write(out)?;
        self.apply.write_human(out)
    }
}
