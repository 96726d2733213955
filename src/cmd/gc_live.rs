//! `gc --live`: removes unreferenced ConfigMaps from the cluster.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::args::installation::InstallationArgs;
use super::confirm::{confirm, place};
use super::ctx::{Ctx, count};
use super::exit_code::Outcome;
use super::install::host;
use crate::install::event::Event;
use crate::install::garbage::{Garbage, check_permissions, look, remove};
use crate::install::record::Turn;
use crate::ui::escape::safe;
use crate::ui::printer::Report;

/// The options of a live collection.
pub(super) struct How {
    pub(super) dry_run: bool,
    pub(super) yes: bool,
    pub(super) break_lock: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GcLiveReport<'a> {
    name: String,
    namespace: String,
    context: &'a str,
    cluster_uid: &'a str,
    /// Whether they were removed.
    removed: bool,
    config_maps: Vec<Garbage>,
}

impl Report for GcLiveReport<'_> {
    const SCHEMA: &'static str = "gc-live/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        self.config_maps
            .iter()
            .try_for_each(|garbage| writeln!(out, "ConfigMap/{}", safe(&garbage.name)))
    }
}

/// Finds unreferenced ConfigMaps, asks, and removes them.
pub(super) fn collect(ctx: &Ctx, installation: &InstallationArgs, how: &How) -> Outcome {
    let cluster = installation.connect(&ctx.printer)?;
    let identity = cluster.identity()?;
    let mut journal = installation.open(&cluster)?;
    let mut report = GcLiveReport {
        name: journal.name().to_string(),
        namespace: journal.namespace().to_owned(),
        context: &cluster.context,
        cluster_uid: &identity.uid,
        removed: false,
        config_maps: look(&cluster, &journal)?,
    };
    let number = count(report.config_maps.len(), "unreferenced ConfigMap");
    if how.dry_run || report.config_maps.is_empty() {
        ctx.printer.report(&report)?;
        ctx.printer.say(&format!("{number} in namespace {}", report.namespace));
        return Ok(ExitCode::SUCCESS);
    }
    check_permissions(&cluster, journal.namespace())?;
    if !how.yes {
        let place = place(&cluster, &identity, None, journal.namespace());
        confirm(ctx, &report, &format!("Remove {number} from {place}?"))?;
    }
    let observe = |event: &Event<'_>| ctx.observe(event);
    let turn = Turn::of(false, how.break_lock);
    report.config_maps =
        remove(&host(&observe), &cluster, &mut journal, turn, &report.config_maps)?;
    report.removed = true;
    ctx.printer.report(&report)?;
    ctx.printer.say(&format!("removed {}", count(report.config_maps.len(), "ConfigMap")));
    Ok(ExitCode::SUCCESS)
}
