//! Shows the adoption of a Helm release: the fate of its objects, then the plan of the rollout.

use std::io::{self, Write};

use anstyle::Style;
use serde::Serialize;

use super::adoption_summary;
use super::escape::safe;
use super::plan_view::ApplyReport;
use super::printer::Report;
use super::style::{ADDED, CHANGED, FAINT, HEADING, REMOVED, paint};
use crate::helm::adoption::HelmPart;
use crate::helm::disposition::{AdoptedObject, Fate, named};

/// The fate of a release and the plan of the rollout.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdoptReport<'a> {
    pub helm: &'a HelmPart,
    #[serde(flatten)]
    pub apply: ApplyReport<'a>,
}

impl Report for AdoptReport<'_> {
    const SCHEMA: &'static str = "adopt/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        write_release(self, out)?;
        self.apply.write_human(out)
    }
}

/// Writes the summary of a plan, and the fate of each object of the release.
fn write_release(report: &AdoptReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    let helm = report.helm;
    let revision = match helm.revision {
        Some(number) => format!("revision {number}"),
        None if helm.is_archived => "adopted before".to_owned(),
        None => "Helm has no record of it".to_owned(),
    };
    writeln!(out, "Helm release {} ({revision})", helm.release)?;
    if report.apply.done.is_none() {
        for (name, text) in adoption_summary::lines(helm, &report.apply) {
            writeln!(out, "{} {}", paint(HEADING, format_args!("{name:<9}")), safe(&text))?;
        }
    }
    for handed in &helm.objects {
        let line = line(helm, handed);
        let (verb, rest) = line.split_at(VERB_CHARS);
        writeln!(out, "{}{}", paint(style(handed.fate), verb), safe(rest))?;
    }
    for carried in &helm.carried {
        writeln!(out, "{}     {}", paint(CHANGED, "carry"), safe(carried))?;
    }
    for archive in &helm.archived {
        writeln!(out, "{}   Secret/{archive}", paint(CHANGED, "archive"))?;
    }
    Ok(())
}

/// The width of the verb at the start of a line.
const VERB_CHARS: usize = 9;

fn style(fate: Fate) -> Style {
    match fate {
        Fate::Adopt => ADDED,
        Fate::Recreate | Fate::Replace => CHANGED,
        Fate::Prune => REMOVED,
        Fate::Keep | Fate::Leave | Fate::Foreign | Fate::Gone => FAINT,
    }
}

fn line(helm: &HelmPart, handed: &AdoptedObject) -> String {
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
