//! Shows the accepted bundles: the minimum serial of each place, and those that were reset.

use std::io::{self, Write};

use camino::Utf8PathBuf;
use serde::Serialize;

use super::escape::safe;
use super::printer::Report;
use crate::trust::state::{Floor, Place, Reset, State};

/// The content of a state file.
#[derive(Debug, Serialize)]
pub struct StateReport<'a> {
    path: Utf8PathBuf,
    floors: Vec<PlacedFloor<'a>>,
    resets: &'a [Reset],
}

#[derive(Debug, Serialize)]
struct PlacedFloor<'a> {
    #[serde(flatten)]
    place: &'a Place,
    #[serde(flatten)]
    floor: &'a Floor,
}

/// The reset of a minimum serial. A message describes it to people.
#[derive(Debug, Serialize)]
pub struct ResetReport<'a> {
    pub path: Utf8PathBuf,
    pub place: &'a Place,
    pub floor: &'a Floor,
}

impl<'a> StateReport<'a> {
    /// Describes the state in the file at `path`.
    pub fn new(path: Utf8PathBuf, state: &'a State) -> Self {
        let floors = state.floors().iter().map(|(place, floor)| PlacedFloor { place, floor });
        Self { path, floors: floors.collect(), resets: state.resets() }
    }

    /// Returns whether nothing was accepted yet.
    pub fn is_empty(&self) -> bool {
        self.floors.is_empty() && self.resets.is_empty()
    }
}

impl Report for StateReport<'_> {
    const SCHEMA: &'static str = "state/v1";

    fn write_human(&self, out: &mut dyn Write) -> io::Result<()> {
        for PlacedFloor { place, floor } in &self.floors {
            writeln!(out, "{}", place_text(place))?;
            writeln!(out, "    serial      {}", floor.serial)?;
            writeln!(out, "    issued      {}", floor.issued)?;
            writeln!(out, "    recorded    {}", floor.recorded)?;
            writeln!(out, "    content id  sha256:{}", floor.content_id)?;
        }
        for Reset { place, floor, time, reason } in self.resets {
            let (serial, reason) = (floor.serial, safe(reason));
            writeln!(out, "{}", place_text(place))?;
            writeln!(out, "    reset       {time}, from serial {serial}: {reason}")?;
        }
        Ok(())
    }
}

impl Report for ResetReport<'_> {
    const SCHEMA: &'static str = "state-reset/v1";

    fn write_human(&self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// Returns a place in words.
pub fn place_text(place: &Place) -> String {
    let Place { bundle, profile, namespace, site, cluster_uid } = place;
    let site = site.as_ref().map(|site| format!(", site {site}")).unwrap_or_default();
    let cluster = cluster_uid.as_ref().map(|uid| format!(", cluster {uid}")).unwrap_or_default();
    format!("bundle {bundle}, profile {profile}, namespace {namespace}{site}{cluster}")
}
